#include "client/cli/erasure_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fairlead/v1/record_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

struct EraseArguments {
  std::string record;  // "engagements/e"
  std::string entry;   // "apac/1/17"
  std::string reason;
  std::string authority;
  bool confirmed = false;  // else nothing is erased, and what would be is shown
  std::string request_id;  // empty: a new one
};

std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, " "));
}

void PrintErasure(const v1::Erasure& erasure, std::ostream& out) {
  out << fmt::format("entry        {}\nrecords      {}\n", erasure.entry(), Names(erasure.records()));
  if (!erasure.erasure().empty()) {
    out << fmt::format("erased       {} by {} at {}, entry {}\n", TimeText(erasure.time()), erasure.actor(), erasure.site(),
                       erasure.erasure());
  }
  out << fmt::format("reason       {}\nauthority    {}\n", Printable(erasure.reason()), Printable(erasure.authority()));
  out << fmt::format("done at      {}\noutstanding  {}\n", Names(erasure.purged_sites()), Names(erasure.outstanding_sites()));
  if (!erasure.outstanding_backups().empty()) {
    out << fmt::format("backups      {} (of this node, made before: delete them)\n", Names(erasure.outstanding_backups()));
  }
  if (!erasure.copies().empty()) {
    out << fmt::format("copies       {} (the same request, accepted there too: erase each)\n", Names(erasure.copies()));
  }
}

absl::Status RunErase(Session& session, const EraseArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::EraseRevisionRequest request;
  request.set_name(arguments.record);
  request.set_entry(arguments.entry);
  request.set_reason(arguments.reason);
  request.set_authority(arguments.authority);
  request.set_request_id(arguments.request_id);
  request.set_validate_only(!arguments.confirmed);
  const absl::StatusOr<v1::Erasure> erasure = session.Call<v1::Erasure>("fairlead.v1.RecordService.EraseRevision", request);
  if (!erasure.ok()) return erasure.status();
  session.Print(ToJson(*erasure), [&] { PrintErasure(*erasure, session.out()); });
  if (arguments.confirmed || !erasure->erasure().empty()) return absl::OkStatus();
  return UsageError("nothing was erased: this cannot be undone; add --yes to erase what is shown");
}

absl::Status RunErasureList(Session& session) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto all = session.ListAll<v1::ListErasuresResponse>("fairlead.v1.RecordService.ListErasures", v1::ListErasuresRequest(), 0);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"ENTRY", "RECORDS", "TIME", "ACTOR", "OUTSTANDING", "REASON"}, {}};
    for (const v1::Erasure& erasure : all->erasures()) {
      table.rows.push_back({erasure.entry(), Names(erasure.records()), TimeText(erasure.time()), erasure.actor(),
                            Names(erasure.outstanding_sites()), erasure.reason()});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunErasureShow(Session& session, const std::string& entry) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetErasureRequest request;
  request.set_entry(entry);
  const absl::StatusOr<v1::Erasure> erasure = session.Call<v1::Erasure>("fairlead.v1.RecordService.GetErasure", request);
  if (!erasure.ok()) return erasure.status();
  session.Print(ToJson(*erasure), [&] { PrintErasure(*erasure, session.out()); });
  return absl::OkStatus();
}

}  // namespace

void AddErasureCommands(Commands& commands) {
  const auto arguments = std::make_shared<EraseArguments>();
  CLI::App* erase =
      commands.Add(commands.root(), "erase", "Takes what a revision said from every site, for ever. See erasures.", RunErase, arguments);
  erase->add_option("RECORD", arguments->record, "The record, such as engagements/e.")->required()->type_name("");
  erase->add_option("ENTRY", arguments->entry, "The revision's entry, as its history lists it: apac/1/17.")->required()->type_name("");
  erase->add_option("--reason", arguments->reason, "Why. It stays in the history: do not repeat what is erased.")
      ->required()
      ->type_name("TEXT");
  erase->add_option("--authority", arguments->authority, "Who decided it, and under which rule.")->required()->type_name("TEXT");
  erase->add_flag("--yes", arguments->confirmed, "Erase. Without it, what would be erased is shown, and nothing happens.");
  AddRequestId(erase, &arguments->request_id);
  CLI::App* erasures = commands.AddGroup("erasures", "Entries that were erased, and who may hold them still.");
  commands.Add(erasures, "list", "Lists them, by log and entry.", RunErasureList);
  CLI::App* show = commands.Add(erasures, "show", "Shows one: who, when, why, where it is done and where it is outstanding.",
                                [arguments](Session& s) { return RunErasureShow(s, arguments->entry); });
  show->add_option("ENTRY", arguments->entry, "The erased entry, such as apac/1/17.")->required()->type_name("");
}

}  // namespace fairlead::cli
