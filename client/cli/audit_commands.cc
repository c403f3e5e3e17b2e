#include "client/cli/audit_commands.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>

#include "client/cli/output.h"
#include "fairlead/v1/audit_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

constexpr char kQuery[] = "fairlead.v1.AuditService.QueryAuditEvents";
constexpr int kPage = 1000;

struct AuditArguments {
  std::string actor;
  std::string kind;  // "denial"
  std::string method;
  std::string outcome;
  std::string of_site;
  std::string since;  // RFC 3339, or a day
  std::string until;
  std::string file;   // of an export; empty: standard output
  int64_t limit = 0;  // 0: all
};

// A day begins at midnight UTC.
absl::Status ParseTime(const char* flag, const std::string& text, google::protobuf::Timestamp* out) {
  absl::Time time;
  std::string why;
  const bool whole = absl::ParseTime(absl::RFC3339_full, text, &time, &why);
  if (!whole && !absl::ParseTime("%Y-%m-%d", text, &time, &why)) {
    return UsageError(fmt::format("{}: must be a day such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z", flag));
  }
  out->set_seconds(absl::ToUnixSeconds(time));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(out->seconds()))));
  return absl::OkStatus();
}

absl::StatusOr<v1::QueryAuditEventsRequest> RequestOf(const AuditArguments& arguments) {
  v1::QueryAuditEventsRequest request;
  request.set_actor(arguments.actor);
  request.set_method(arguments.method);
  request.set_outcome(arguments.outcome);
  request.set_site(arguments.of_site);
  if (!arguments.kind.empty()) {
    std::string name = "AUDIT_KIND_";
    for (const char c : arguments.kind) name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    v1::AuditKind kind = v1::AUDIT_KIND_UNSPECIFIED;
    if (!v1::AuditKind_Parse(name, &kind)) {
      return UsageError("--kind: must be partner-read, partner-submission, denial, release, recall, administration or overflow");
    }
    request.set_kind(kind);
  }
  if (!arguments.since.empty()) {
    if (absl::Status status = ParseTime("--since", arguments.since, request.mutable_since()); !status.ok()) return status;
  }
  if (!arguments.until.empty()) {
    if (absl::Status status = ParseTime("--until", arguments.until, request.mutable_until()); !status.ok()) return status;
  }
  return request;
}

// Gives each event to `take`, until there are no more or as many as are wanted.
absl::Status Each(Session& session, const AuditArguments& arguments, const std::function<void(const v1::AuditEvent&)>& take) {
  absl::StatusOr<v1::QueryAuditEventsRequest> request = RequestOf(arguments);
  if (!request.ok()) return request.status();
  if (absl::Status status = session.Open(); !status.ok()) return status;
  int64_t left = arguments.limit > 0 ? arguments.limit : INT64_MAX;
  do {
    request->set_page_size(static_cast<int32_t>(std::min<int64_t>(left, kPage)));
    const auto page = session.Call<v1::QueryAuditEventsResponse>(kQuery, *request);
    if (!page.ok()) return page.status();
    for (const v1::AuditEvent& event : page->events()) take(event);
    left -= page->events_size();
    request->set_page_token(page->next_page_token());
  } while (left > 0 && !request->page_token().empty());
  return absl::OkStatus();
}

absl::Status RunAuditList(Session& session, const AuditArguments& arguments) {
  v1::QueryAuditEventsResponse all;
  const absl::Status read = Each(session, arguments, [&all](const v1::AuditEvent& event) { *all.add_events() = event; });
  if (!read.ok()) return read;
  session.Print(ToJson(all), [&] {
    Table table{{"TIME", "SITE", "KIND", "ACTOR", "METHOD", "OUTCOME", "ABOUT", "COUNT"}, {}};
    for (const v1::AuditEvent& event : all.events()) {
      table.rows.push_back({TimeText(event.last_time()), event.site(), CellText(event, *event.GetDescriptor()->FindFieldByName("kind")),
                            event.actor(), event.method(), event.outcome(), event.resource().empty() ? event.detail() : event.resource(),
                            std::to_string(event.count())});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

// A line of JSON for each event, in order of time.
absl::Status RunAuditExport(Session& session, const AuditArguments& arguments) {
  const auto line = [](const v1::AuditEvent& event) {
    return ToJson(event).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
  };
  if (arguments.file.empty()) return Each(session, arguments, [&](const v1::AuditEvent& event) { session.out() << line(event); });
  int64_t events = 0;
  const absl::Status written = WriteWhole(arguments.file, [&](std::ostream& out) {
    return Each(session, arguments, [&](const v1::AuditEvent& event) {
      out << line(event);
      ++events;
    });
  });
  if (!written.ok()) return written;
  session.Print({{"file", arguments.file}, {"events", events}},
                [&] { session.out() << fmt::format("{}: {} events\n", arguments.file, events); });
  return absl::OkStatus();
}

}  // namespace

void AddAuditCommands(Commands& commands) {
  const auto arguments = std::make_shared<AuditArguments>();
  CLI::App* audit = commands.AddGroup("audit", "What sites audited: who was shown and refused what, and who administered them.");
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const AuditArguments&)) {
    CLI::App* command = commands.Add(audit, name, description, run, arguments);
    command->add_option("--actor", arguments->actor, "Only of this actor, partner/JP/registry; of all that begin so, partner/JP/.")
        ->type_name("ACTOR");
    CLI::Option* kind = command->add_option("--kind", arguments->kind, "Only of this kind.")->type_name("KIND");
    commands.SetChoices(kind, {"partner-read", "partner-submission", "denial", "release", "recall", "administration", "overflow"});
    command->add_option("--method", arguments->method, "Only of this method, such as ExchangeService/GetReleasedRecord.")
        ->type_name("METHOD");
    command->add_option("--outcome", arguments->outcome, "Only with this outcome, such as NOT_FOUND.")->type_name("CODE");
    command->add_option("--of-site", arguments->of_site, "Only by this site.")->type_name("SITE");
    command->add_option("--since", arguments->since, "Only events that had not ended before.")->type_name("TIME");
    command->add_option("--until", arguments->until, "Only events that had ended before.")->type_name("TIME");
    command->add_option("--limit", arguments->limit, "No more than this many.")->type_name("N");
    return command;
  };
  add("list", "Lists audit events, the oldest first.", RunAuditList);
  add("export", "Writes audit events as lines of JSON. What proves them is the log: fairlead log export SITE/EPOCH/audit.", RunAuditExport)
      ->add_option("FILE", arguments->file, "The file to write; standard output otherwise.")
      ->type_name("");
}

}  // namespace fairlead::cli
