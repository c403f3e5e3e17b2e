#include "client/cli/conflict_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>
#include <set>

#include "client/cli/flags.h"
#include "fairlead/v1/options.pb.h"
#include "fairlead/v1/record_service.pb.h"

namespace fairlead::cli {
namespace {

using fairlead::v1::Conflict;
using fairlead::v1::ConflictValue;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct ConflictListArguments {
  std::string record;      // only its own; empty: all
  std::string collection;  // likewise
  std::string written_at;  // a site that wrote one of the values; empty: any
  bool show_withdrawn = false;
  int64_t limit = 0;  // at most so many; 0: all
  std::string page_token;
};

struct ConflictArguments {
  std::string name;  // "countries/JP/conflicts/display_name"
  // How it is settled; exactly one of these.
  std::vector<std::string> keep;    // ids, or their beginnings
  bool keep_shown = false;          // what the record shows; amendments are dropped
  bool accept = false;              // every amendment
  std::vector<std::string> values;  // a new value, typed as for update
  bool clear = false;               // no value
  std::string etag;                 // empty: read first
  std::string request_id;           // empty: a new one
};

// The resource whose record `name` is; null when there is none such.
const Resource* ResourceOf(const std::string& name) {
  const size_t slash = name.rfind('/');
  if (slash == std::string::npos) return nullptr;
  const std::string head = name.substr(0, slash);
  const std::string collection = head.substr(head.rfind('/') + 1);
  for (const Resource& resource : Resources()) {
    if (resource.collection == collection) return &resource;
  }
  return nullptr;
}

// The field that a conflict is about; null when this program does not know it.
const FieldDescriptor* FieldOf(const Conflict& conflict) {
  const Resource* resource = ResourceOf(conflict.record());
  return resource == nullptr ? nullptr : resource->type->FindFieldByName(conflict.field());
}

// Values of JSON on one line.
std::string Shown(const ConflictValue& value) { return value.value().empty() ? "(removal)" : value.value(); }

std::string MarkOf(const ConflictValue& value) { return value.amendment() ? "amendment" : value.shown() ? "shown" : "other"; }

// "fairlead/apac/1/main" of a vector as "apac:7".
std::string AppliedText(const ConflictValue& value) {
  std::vector<std::string> parts;
  for (const auto& position : value.applied()) {
    const std::string& origin = position.origin();
    const size_t begin = origin.find('/') + 1;
    parts.push_back(fmt::format("{}:{}", origin.substr(begin, origin.find('/', begin) - begin), position.size()));
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

void PrintConflict(const Conflict& conflict, std::ostream& out) {
  out << fmt::format("{}\netag {}{}\n", conflict.name(), conflict.etag(), conflict.withdrawn() ? "  (the record is withdrawn)" : "");
  for (const ConflictValue& value : conflict.values()) {
    out << fmt::format("\n{:<9}  {}\n", MarkOf(value), Printable(Shown(value)));
    out << fmt::format("  id       {}\n", value.value_id());
    out << fmt::format("  written  {} by {} at {}, entry {}, {}\n", TimeText(value.time()),
                       value.actor().empty() ? "(not held here)" : value.actor(), value.site(), value.entry(),
                       value.method().substr(value.method().rfind('/') + 1));
    for (const auto& read : value.read()) {
      out << fmt::format("  read     {}{}\n", read.value().empty() ? "(not held here)" : Printable(read.value()),
                         read.entry().empty() ? "" : "  of entry " + read.entry());
    }
    if (value.read().empty()) out << "  read     nothing\n";
    out << fmt::format("  applied  {}\n", AppliedText(value));
  }
}

absl::StatusOr<Conflict> Get(Session& session, const std::string& name) {
  fairlead::v1::GetConflictRequest request;
  request.set_name(name);
  return session.Call<Conflict>("fairlead.v1.RecordService.GetConflict", request);
}

// The id that was typed, or begun: the hash may be cut short.
absl::StatusOr<std::string> FindValue(const Conflict& conflict, const std::string& typed) {
  std::vector<std::string> found;
  for (const ConflictValue& value : conflict.values()) {
    if (value.value_id() == typed) return typed;
    if (value.value_id().starts_with(typed)) found.push_back(value.value_id());
  }
  if (found.size() == 1 && !typed.empty()) return found.front();
  return UsageError(
      fmt::format("--keep: \"{}\" is {} of {}", typed, found.empty() ? "no value" : "the beginning of several values", conflict.name()));
}

// JSON of `field` with what was typed.
absl::StatusOr<std::string> ValueJson(const FieldDescriptor& field, const std::vector<std::string>& typed) {
  const std::unique_ptr<Message> record(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(field.containing_type())->New());
  if (absl::Status status = SetField(record.get(), field, typed); !status.ok()) {
    return UsageError("--value: " + std::string(status.message()));
  }
  return ToJson(*record)[field.json_name()].dump();
}

absl::Status SetResolution(const Conflict& conflict, const ConflictArguments& arguments, fairlead::v1::ResolveConflictRequest* request) {
  if (arguments.clear) {
    request->set_value("null");
    return absl::OkStatus();
  }
  if (!arguments.values.empty()) {
    const FieldDescriptor* field = FieldOf(conflict);
    if (field == nullptr) return UsageError("--value: this program does not know the field " + conflict.field());
    const absl::StatusOr<std::string> json = ValueJson(*field, arguments.values);
    if (!json.ok()) return json.status();
    request->set_value(*json);
    return absl::OkStatus();
  }
  auto* ids = request->mutable_keep()->mutable_value_ids();
  for (const std::string& typed : arguments.keep) {
    const absl::StatusOr<std::string> id = FindValue(conflict, typed);
    if (!id.ok()) return id.status();
    *ids->Add() = *id;
  }
  const FieldDescriptor* field = FieldOf(conflict);
  const bool is_set = field != nullptr && field->options().GetExtension(fairlead::v1::merge) == fairlead::v1::MERGE_KIND_SET;
  for (const ConflictValue& value : conflict.values()) {
    if (arguments.accept && value.amendment()) *ids->Add() = value.value_id();
    // What a set shows stays unless an amendment takes it away.
    if (arguments.keep_shown && value.shown() && !is_set && ids->empty()) *ids->Add() = value.value_id();
  }
  if (arguments.accept && ids->empty()) return UsageError("--accept: there is no amendment in " + conflict.name());
  if (arguments.accept && !is_set && ids->size() > 1) return UsageError("--accept: there are several amendments: name one with --keep");
  return absl::OkStatus();
}

absl::Status RunConflictList(Session& session, const ConflictListArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  fairlead::v1::ListConflictsRequest request;
  request.set_parent(arguments.record);
  request.set_collection(arguments.collection);
  request.set_site(arguments.written_at);
  request.set_show_withdrawn(arguments.show_withdrawn);
  request.set_page_token(arguments.page_token);
  const auto all =
      session.ListAll<fairlead::v1::ListConflictsResponse>("fairlead.v1.RecordService.ListConflicts", request, arguments.limit);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "KIND", "SITES", "SHOWN", "BESIDE IT"}, {}};
    for (const Conflict& conflict : all->conflicts()) {
      std::vector<std::string> shown, beside;
      std::set<std::string> sites;
      bool amended = false;
      for (const ConflictValue& value : conflict.values()) {
        (value.shown() ? shown : beside).push_back(Shown(value));
        sites.insert(value.site());
        amended = amended || value.amendment();
      }
      table.rows.push_back({conflict.name(), amended ? "amendment" : "edits", fmt::format("{}", fmt::join(sites, " ")),
                            fmt::format("{}", fmt::join(shown, " ")), fmt::format("{}", fmt::join(beside, " "))});
    }
    table.Print(session.out(), session.environment().columns);
    if (!all->next_page_token().empty() && !session.flags().quiet) {
      session.err() << fmt::format("more: --page-token {}  (or --limit 0 for all)\n", all->next_page_token());
    }
  });
  return absl::OkStatus();
}

absl::Status RunConflictShow(Session& session, const ConflictArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<Conflict> conflict = Get(session, arguments.name);
  if (!conflict.ok()) return conflict.status();
  session.Print(ToJson(*conflict), [&] { PrintConflict(*conflict, session.out()); });
  return absl::OkStatus();
}

absl::Status RunConflictResolve(Session& session, const ConflictArguments& arguments) {
  const int ways = !arguments.keep.empty() + arguments.keep_shown + arguments.accept + !arguments.values.empty() + arguments.clear;
  if (ways != 1) return UsageError("one of --keep, --keep-shown, --accept, --value and --clear says how it is settled");
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<Conflict> conflict = Get(session, arguments.name);
  if (!conflict.ok()) return conflict.status();
  fairlead::v1::ResolveConflictRequest request;
  request.set_name(conflict->name());
  request.set_etag(arguments.etag.empty() ? conflict->etag() : arguments.etag);
  request.set_request_id(arguments.request_id);
  if (absl::Status status = SetResolution(*conflict, arguments, &request); !status.ok()) return status;
  const absl::StatusOr<fairlead::v1::ResolveConflictResponse> response =
      session.Call<fairlead::v1::ResolveConflictResponse>("fairlead.v1.RecordService.ResolveConflict", request);
  if (!response.ok()) return response.status();
  const Resource* resource = ResourceOf(conflict->record());
  if (resource == nullptr) return absl::OkStatus();  // settled; this program cannot show what
  const std::unique_ptr<Message> record(google::protobuf::MessageFactory::generated_factory()->GetPrototype(resource->type)->New());
  if (!response->record().UnpackTo(record.get())) return absl::InternalError("the answer holds no " + resource->type->name());
  session.Print(ToJson(*record), [&] { PrintRecord(*record, session.out()); });
  return absl::OkStatus();
}

}  // namespace

void AddConflictCommands(Commands& commands) {
  const auto filter = std::make_shared<ConflictListArguments>();
  const auto arguments = std::make_shared<ConflictArguments>();
  CLI::App* conflicts = commands.AddGroup("conflicts", "Fields that hold more than one value, and amendments that a lock has kept out.");
  CLI::App* list = commands.Add(conflicts, "list", "Lists them, by collection and name.", RunConflictList, filter);
  list->add_option("RECORD", filter->record, "Only those of this record, such as countries/JP.")->type_name("");
  CLI::Option* collection = list->add_option("--collection", filter->collection, "Only those of this collection.")->type_name("NAME");
  std::vector<std::string> collections;
  for (const Resource& resource : Resources()) collections.push_back(resource.collection);
  commands.SetChoices(collection, std::move(collections));
  list->add_option("--written-at", filter->written_at, "Only those in which this site wrote one of the values.")->type_name("SITE");
  list->add_flag("--show-withdrawn", filter->show_withdrawn, "Those of withdrawn records too.");
  AddLimit(list, &filter->limit);
  AddPageToken(list, &filter->page_token);

  CLI::App* show = commands.Add(conflicts, "show", "Shows one: every value, who wrote it, where, when, and what they had read.",
                                RunConflictShow, arguments);
  show->add_option("NAME", arguments->name, "The conflict, such as countries/JP/conflicts/display_name.")->required()->type_name("");

  CLI::App* resolve =
      commands.Add(conflicts, "resolve", "Settles one. Refused when it has changed since it was read.", RunConflictResolve, arguments);
  resolve->add_option("NAME", arguments->name, "The conflict, such as countries/JP/conflicts/display_name.")->required()->type_name("");
  AddRepeated(resolve, "--keep", &arguments->keep,
              "The value with this id, or this beginning of an id; of a set, each amendment to take in.", "ID");
  resolve->add_flag("--keep-shown", arguments->keep_shown, "What the record shows; amendments are dropped.");
  resolve->add_flag("--accept", arguments->accept, "The amendment; of a set, all of them.");
  AddRepeated(resolve, "--value", &arguments->values, "A new value, typed as for update. Of a set, once for each element.", "VALUE");
  resolve->add_flag("--clear", arguments->clear, "No value.");
  resolve->add_option("--etag", arguments->etag, "Refuse unless the conflict is still at this etag; read just before otherwise.")
      ->type_name("ETAG");
  AddRequestId(resolve, &arguments->request_id);
}

}  // namespace fairlead::cli
