#include "client/cli/outbox_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/errors.h"
#include "client/outbox/sync.h"
#include "client/outbox/uploads.h"

namespace fairlead::cli {
namespace {

using client::Change;
using client::ChangeState;
using client::ExpectedRecord;
using client::MessagePtr;
using client::Outbox;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using nlohmann::ordered_json;

struct OutboxArguments {
  int64_t change = 0;
  std::vector<std::string> names;  // keep: records or collections; none: all that is kept. unkeep: records
  bool beneath = false;            // keep: what lies under them too
  bool all = false;                // list: also what is done
  bool rebase = false;             // retry: upon what is kept now
  bool even_if_sent = false;       // drop, renew
  std::vector<std::string> set;    // edit: FIELD=VALUE
  std::vector<std::string> clear;  // edit: fields
};

std::string TimeOf(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

std::string StateText(const Change& change) {
  switch (change.state) {
    case ChangeState::kWaiting:
      return "waiting";
    case ChangeState::kSent:
      return "unanswered";
    case ChangeState::kDone:
      return change.conflicts.empty() ? "done" : "conflict";
    case ChangeState::kRefused:
      return "refused";
  }
  return "";
}

// What a person should know or do about it; empty when there is nothing.
std::string NoteOf(const Change& change) {
  if (change.state == ChangeState::kRefused) return fmt::format("{}: {}", std::string(change.error.message()), client::AdviceFor(change));
  if (change.state == ChangeState::kSent) return "the node may have taken it; sync tells";
  if (change.state != ChangeState::kDone || change.conflicts.empty()) return "";
  return fmt::format("others wrote there too; settle it: fairlead conflicts show {}", fmt::join(change.conflicts, ", "));
}

ordered_json ToJson(const Change& change, bool whole) {
  ordered_json json = {{"position", change.position},
                       {"state", StateText(change)},
                       {"recorded", TimeOf(change.recorded)},
                       {"site", change.site},
                       {"method", change.method->full_name()},
                       {"record", change.record},
                       {"requestId", change.request_id},
                       {"conflicts", change.conflicts},
                       {"note", NoteOf(change)}};
  if (!change.error.ok()) json["error"] = ErrorJson(change.error)["error"];
  if (!whole) return json;
  json["basis"] = change.Basis();
  json["request"] = cli::ToJson(*change.request);
  if (change.answer != nullptr) json["answer"] = cli::ToJson(*change.answer);
  return json;
}

void WarnOfAge(Session& session, const Outbox& outbox) {
  const absl::StatusOr<absl::Duration> age = outbox.OldestAge();
  if (!age.ok() || *age < client::kAgeToWarn || session.flags().quiet) return;
  session.err() << fmt::format("the oldest change is {} days old: sync before it is {}, when nodes no longer take it as it is\n",
                               *age / absl::Hours(24), client::kRequestLifetime / absl::Hours(24));
}

// The resource of a record's or a collection's name.
const Resource* ResourceOf(const std::string& name) {
  const int slashes = static_cast<int>(std::count(name.begin(), name.end(), '/'));
  std::string collection = name;
  if (slashes % 2 == 1) collection.resize(collection.rfind('/'));  // the record's id
  const bool nested = slashes >= 2;
  collection = collection.substr(collection.rfind('/') + 1);
  for (const Resource& resource : Resources()) {
    if (resource.collection == collection && resource.parent.empty() != nested) return &resource;
  }
  return nullptr;
}

void NoteExpected(Session& session, const ExpectedRecord& expected) {
  if (session.flags().quiet || session.flags().json) return;
  session.err() << "offline: "
                << (expected.read.has_value() ? fmt::format("as read {}", TimeOf(*expected.read)) : std::string("not at a node yet"));
  if (!expected.changes.empty()) session.err() << fmt::format(", with what waits: {}", fmt::join(expected.changes, ", "));
  session.err() << "\n";
}

absl::Status GetOffline(Session& session, const Resource& resource, const RecordArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<ExpectedRecord> expected = (*outbox)->Expect(FullName(resource, arguments.name));
  if (!expected.ok()) return expected.status();
  NoteExpected(session, *expected);
  session.Print(cli::ToJson(*expected->record), [&] { PrintRecord(*expected->record, session.out()); });
  return absl::OkStatus();
}

absl::Status ListOffline(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  if (!arguments.values().empty() || !arguments.page_token.empty()) return UsageError("offline, a list takes no filter and no page token");
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  absl::StatusOr<std::vector<ExpectedRecord>> all = (*outbox)->ExpectAll(*resource.type);
  if (!all.ok()) return all.status();
  if (!arguments.parent.empty()) {
    const std::string parent = FullParent(resource, arguments.parent);
    std::erase_if(*all,
                  [&parent](const ExpectedRecord& expected) { return !client::Names(client::TextOf(*expected.record, "name"), parent); });
  }
  if (arguments.limit > 0 && all->size() > static_cast<size_t>(arguments.limit)) all->resize(static_cast<size_t>(arguments.limit));
  const MessagePtr page = client::NewMessage(*verb.method->output_type());
  std::vector<const Message*> rows;
  for (int i = 0; i < page->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = page->GetDescriptor()->field(i);
    if (field->message_type() != resource.type) continue;
    for (const ExpectedRecord& expected : *all) {
      page->GetReflection()->AddMessage(page.get(), field)->CopyFrom(*expected.record);
      rows.push_back(expected.record.get());
    }
  }
  session.Print(cli::ToJson(*page), [&] {
    RecordTable(resource, rows).Print(session.out(), session.environment().columns);
    if (!session.flags().quiet) session.err() << "offline: what is kept, with what waits\n";
  });
  return absl::OkStatus();
}

// Keeps every record of a page of a list.
absl::StatusOr<int> KeepAll(Session& session, Outbox& outbox, const Resource& resource, const std::string& parent) {
  const Verb* list = resource.Find(VerbKind::kList);
  if (list == nullptr) return UsageError(fmt::format("{} cannot be listed", resource.collection));
  const MessagePtr request = client::NewMessage(*list->method->input_type());
  if (!resource.parent.empty()) client::SetText(request.get(), "parent", parent);
  const MessagePtr page = client::NewMessage(*list->method->output_type());
  if (absl::Status status = session.ListAll(*list->method, request.get(), /*limit=*/0, page.get()); !status.ok()) return status;
  int kept = 0;
  for (int i = 0; i < page->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = page->GetDescriptor()->field(i);
    if (field->message_type() != resource.type) continue;
    for (int n = 0; n < page->GetReflection()->FieldSize(*page, field); ++n, ++kept) {
      if (absl::Status status = outbox.Keep(page->GetReflection()->GetRepeatedMessage(*page, field, n)); !status.ok()) return status;
    }
  }
  return kept;
}

// REQUIRES: ResourceOf(name) is not null.
absl::StatusOr<int> KeepNamed(Session& session, Outbox& outbox, const std::string& name, bool beneath) {
  const Resource* resource = ResourceOf(name);
  const bool is_record = std::count(name.begin(), name.end(), '/') % 2 == 1;
  if (!is_record) return KeepAll(session, outbox, *resource, name.substr(0, std::min(name.rfind('/'), name.size())));
  const Verb& get = *resource->Find(VerbKind::kGet);
  const MessagePtr request = client::NewMessage(*get.method->input_type());
  client::SetText(request.get(), "name", name);
  const MessagePtr record = client::NewMessage(*resource->type);
  if (absl::Status status = session.Call(*get.method, *request, record.get()); !status.ok()) return status;
  if (absl::Status status = outbox.Keep(*record); !status.ok()) return status;
  int kept = 1;
  for (const Resource& below : Resources()) {
    if (!beneath || below.parent != resource->collection) continue;
    const absl::StatusOr<int> more = KeepAll(session, outbox, below, name);
    if (!more.ok()) return more.status();
    kept += *more;
  }
  return kept;
}

absl::Status PrintChange(Session& session, const Outbox& outbox, int64_t position) {
  const absl::StatusOr<Change> change = outbox.Find(position);
  if (!change.ok()) return change.status();
  session.Print(ToJson(*change, /*whole=*/false), [&] {
    session.out() << fmt::format("{} {} {} {}\n", change->position, StateText(*change), change->method->name(), change->record);
  });
  return absl::OkStatus();
}

// Puts "FIELD=VALUE" into the record of a request, or into the request.
absl::Status SetIn(const Change& change, const std::string& text, bool clear, Message* request) {
  const size_t equals = text.find('=');
  if (!clear && equals == std::string::npos) return UsageError(fmt::format("--set {}: FIELD=VALUE", text));
  std::string name = clear ? text : text.substr(0, equals);
  std::replace(name.begin(), name.end(), '-', '_');
  Message* target = request;
  const FieldDescriptor* record = client::RecordFieldOf(*change.method);
  if (record != nullptr && record->message_type()->FindFieldByName(name) != nullptr) {
    target = request->GetReflection()->MutableMessage(request, record);
  }
  const FieldDescriptor* field = target->GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || name == "name" || name == "etag" || name == "request_id") {
    return UsageError(fmt::format("{} has no field {} that could be set", change.method->name(), name));
  }
  if (target != request) {
    if (const FieldDescriptor* mask = request->GetDescriptor()->FindFieldByName("update_mask")) {
      Message* paths = request->GetReflection()->MutableMessage(request, mask);
      const FieldDescriptor* list = paths->GetDescriptor()->FindFieldByName("paths");
      bool listed = false;
      for (int i = 0; i < paths->GetReflection()->FieldSize(*paths, list); ++i) {
        listed |= paths->GetReflection()->GetRepeatedString(*paths, list, i) == name;
      }
      if (!listed) paths->GetReflection()->AddString(paths, list, name);
    }
  }
  if (clear) {
    target->GetReflection()->ClearField(target, field);
    return absl::OkStatus();
  }
  const absl::Status set = SetField(target, *field, {text.substr(equals + 1)});
  return set.ok() ? set : UsageError(fmt::format("--set {}: {}", text, std::string(set.message())));
}

absl::Status PrintRecorded(Session& session, const Outbox& outbox, const Change& change) {
  const absl::StatusOr<int64_t> waiting = outbox.Waiting();
  if (!waiting.ok()) return waiting.status();
  session.Print({{"name", change.record}, {"position", change.position}, {"requestId", change.request_id}, {"waiting", *waiting}}, [&] {
    session.out() << fmt::format("{}\nrecorded offline as {}; {} waiting\n", change.record, change.position, *waiting);
  });
  WarnOfAge(session, outbox);
  return absl::OkStatus();
}

absl::Status RunOutboxList(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok() && !absl::IsNotFound(outbox.status())) return outbox.status();
  absl::StatusOr<std::vector<Change>> changes = std::vector<Change>();
  if (outbox.ok()) changes = (*outbox)->Changes(/*with_done=*/true);
  if (!changes.ok()) return changes.status();
  // What is done and led to a conflict stays in sight.
  if (!arguments.all) std::erase_if(*changes, [](const Change& change) { return !change.open() && change.conflicts.empty(); });
  ordered_json rows = ordered_json::array();
  for (const Change& change : *changes) rows.push_back(ToJson(change, /*whole=*/false));
  session.Print({{"changes", rows}}, [&] {
    Table table{{"CHANGE", "STATE", "RECORDED", "SITE", "METHOD", "RECORD"}, {}};
    for (const Change& change : *changes) {
      table.rows.push_back(
          {std::to_string(change.position), StateText(change), TimeOf(change.recorded), change.site, change.method->name(), change.record});
    }
    table.Print(session.out(), session.environment().columns);
    for (const Change& change : *changes) {
      if (const std::string note = NoteOf(change); !note.empty())
        session.out() << fmt::format("{}: {}\n", change.position, Printable(note));
    }
  });
  if (outbox.ok()) WarnOfAge(session, **outbox);
  return absl::OkStatus();
}

absl::Status RunOutboxShow(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<Change> change = (*outbox)->Find(arguments.change);
  if (!change.ok()) return change.status();
  session.Print(ToJson(*change, /*whole=*/true), [&] {
    session.out() << fmt::format("{} {} {} for {}, recorded {}\n", change->position, StateText(*change), change->method->name(),
                                 change->site, TimeOf(change->recorded));
    session.out() << fmt::format("record: {}\n", change->record);
    if (const std::string note = NoteOf(*change); !note.empty()) session.out() << fmt::format("note: {}\n", Printable(note));
    if (!change->error.ok()) PrintError(change->error, session.out());
    PrintRecord(*change->request, session.out());
  });
  return absl::OkStatus();
}

// ABORTED (exit code 5) when a person has to decide something; the error that ended it early.
absl::Status RunOutboxSync(Session& session, const OutboxArguments&) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (absl::IsNotFound(outbox.status())) return absl::OkStatus();  // nothing was ever recorded
  if (!outbox.ok()) return outbox.status();
  if (absl::Status open = session.Open(); !open.ok()) return open;
  ordered_json ended = ordered_json::array();
  int conflicts = 0;
  const auto on_end = [&](const Change& change) {
    conflicts += change.conflicts.empty() ? 0 : 1;
    if (session.flags().json) return ended.push_back(ToJson(change, /*whole=*/false));
    session.out() << fmt::format("{} {} {} {}\n", change.position, StateText(change), change.method->name(), change.record);
    if (const std::string note = NoteOf(change); !note.empty()) session.out() << fmt::format("  {}\n", Printable(note));
    session.out().flush();
  };
  const client::SendCall through = client::SendThrough(&session.client(), *outbox);
  const auto send = [&](const google::protobuf::MethodDescriptor& method, const Message& request, Message* response,
                        const client::CallOptions& call, client::Answer* answer) {
    absl::Status status = through(method, request, response, call, answer);
    if (answer->attempts > 0) session.NoteNode(*answer);
    return status;
  };
  const absl::StatusOr<client::SyncResult> result = client::Sync(*outbox, send, on_end, session.environment().stop);
  if (!result.ok()) return result.status();
  if (absl::StatusOr<int64_t> forgotten = (*outbox)->Forget(absl::Now() - client::kRequestLifetime); !forgotten.ok()) {
    return forgotten.status();
  }
  if (absl::Status removed = client::RemoveUnneededFiles(**outbox); !removed.ok()) return removed;
  const absl::StatusOr<int64_t> left = (*outbox)->Waiting();
  if (!left.ok()) return left.status();
  ordered_json held = ordered_json::array();
  for (const auto& [change, by] : result->held) held.push_back({{"position", change}, {"heldBy", by}});
  session.Print({{"changes", ended}, {"held", held}, {"done", result->done}, {"left", *left}}, [&] {
    for (const auto& [change, by] : result->held) session.out() << fmt::format("{} waits for {}\n", change, by);
    session.out() << fmt::format("{} sent, {} left\n", result->done, *left);
  });
  if (!result->stopped.ok()) return result->stopped;
  if (*left == 0 && conflicts == 0) return absl::OkStatus();
  return absl::AbortedError(fmt::format("{} refused or held back, {} in conflict: fairlead outbox list says what to do", *left, conflicts));
}

absl::Status RunOutboxRetry(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  const absl::Status done = arguments.rebase ? (*outbox)->Rebase(arguments.change) : (*outbox)->Retry(arguments.change);
  return done.ok() ? PrintChange(session, **outbox, arguments.change) : done;
}

absl::Status RunOutboxEdit(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  if (arguments.set.empty() && arguments.clear.empty()) return UsageError("nothing to edit: give --set or --clear");
  const absl::StatusOr<Change> change = (*outbox)->Find(arguments.change);
  if (!change.ok()) return change.status();
  const MessagePtr request(change->request->New());
  request->CopyFrom(*change->request);
  for (const std::string& text : arguments.set) {
    if (absl::Status status = SetIn(*change, text, /*clear=*/false, request.get()); !status.ok()) return status;
  }
  for (const std::string& name : arguments.clear) {
    if (absl::Status status = SetIn(*change, name, /*clear=*/true, request.get()); !status.ok()) return status;
  }
  if (absl::Status replaced = (*outbox)->Replace(arguments.change, *request); !replaced.ok()) return replaced;
  return PrintChange(session, **outbox, arguments.change);
}

absl::Status RunOutboxRenew(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<Change> renewed = (*outbox)->Renew(arguments.change, arguments.even_if_sent);
  return renewed.ok() ? PrintChange(session, **outbox, arguments.change) : renewed.status();
}

absl::Status RunOutboxDrop(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<Change> change = (*outbox)->Find(arguments.change);
  if (!change.ok()) return change.status();
  if (absl::Status dropped = (*outbox)->Drop(arguments.change, arguments.even_if_sent); !dropped.ok()) return dropped;
  if (absl::Status removed = client::RemoveUnneededFiles(**outbox); !removed.ok()) return removed;
  session.Print({{"dropped", arguments.change}},
                [&] { session.out() << fmt::format("dropped {} {} {}\n", change->position, change->method->name(), change->record); });
  return absl::OkStatus();
}

absl::Status RunOutboxKeep(Session& session, const OutboxArguments& arguments) {
  for (const std::string& name : arguments.names) {
    if (ResourceOf(name) == nullptr)
      return UsageError(fmt::format("\"{}\" is no record, such as ports/JPYOK, nor a collection, such as ports", name));
  }
  if (absl::Status open = session.Open(); !open.ok()) return open;
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox();
  if (!outbox.ok()) return outbox.status();
  std::vector<std::string> names = arguments.names;
  if (names.empty()) {
    const absl::StatusOr<std::vector<client::KeptRecord>> kept = (*outbox)->Kept();
    if (!kept.ok()) return kept.status();
    for (const client::KeptRecord& record : *kept) names.push_back(client::TextOf(*record.record, "name"));
  }
  int kept = 0;
  for (const std::string& name : names) {
    const absl::StatusOr<int> more = KeepNamed(session, **outbox, name, arguments.beneath);
    if (!more.ok()) return absl::Status(more.status().code(), fmt::format("{}: {}", name, std::string(more.status().message())));
    kept += *more;
  }
  session.Print({{"kept", kept}}, [&] { session.out() << fmt::format("{} kept\n", kept); });
  return absl::OkStatus();
}

absl::Status RunOutboxKept(Session& session, const OutboxArguments&) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok() && !absl::IsNotFound(outbox.status())) return outbox.status();
  absl::StatusOr<std::vector<client::KeptRecord>> kept = std::vector<client::KeptRecord>();
  if (outbox.ok()) kept = (*outbox)->Kept();
  if (!kept.ok()) return kept.status();
  ordered_json rows = ordered_json::array();
  Table table{{"NAME", "READ"}, {}};
  for (const client::KeptRecord& record : *kept) {
    const std::string name = client::TextOf(*record.record, "name");
    rows.push_back({{"name", name}, {"read", TimeOf(record.read)}});
    table.rows.push_back({name, TimeOf(record.read)});
  }
  session.Print({{"records", rows}}, [&] { table.Print(session.out(), session.environment().columns); });
  return absl::OkStatus();
}

absl::Status RunOutboxUnkeep(Session& session, const OutboxArguments& arguments) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox(/*create=*/false);
  if (!outbox.ok()) return outbox.status();
  for (const std::string& name : arguments.names) {
    if (absl::Status done = (*outbox)->Unkeep(name); !done.ok()) return done;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunVerbOffline(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  if (verb.kind == VerbKind::kGet) return GetOffline(session, resource, arguments);
  if (verb.kind == VerbKind::kList) return ListOffline(session, resource, verb, arguments);
  const absl::StatusOr<MessagePtr> request = RequestOf(resource, verb, arguments);
  if (!request.ok()) return request.status();
  const FieldDescriptor* validate_only = (*request)->GetDescriptor()->FindFieldByName("validate_only");
  if (validate_only != nullptr && (*request)->GetReflection()->GetBool(**request, validate_only)) {
    return UsageError("--validate-only needs a node");
  }
  std::string record = verb.kind == VerbKind::kCreate && !resource.has_natural_key() ? resource.collection + "/" : "";
  if (record.empty()) {
    record = FullName(resource, arguments.name);
  } else if (!resource.parent.empty()) {
    record = FullParent(resource, arguments.parent) + "/" + record;
  }
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox();
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<Change> change = (*outbox)->Record(*verb.method, **request, record, session.site());
  if (absl::IsNotFound(change.status())) {
    return absl::NotFoundError(
        fmt::format("{}: fairlead outbox keep {} while a node can be reached", std::string(change.status().message()), record));
  }
  return change.ok() ? PrintRecorded(session, **outbox, *change) : change.status();
}

absl::Status RunUploadOffline(Session& session, const std::string& path, fairlead::v1::Attachment attachment) {
  absl::StatusOr<Outbox*> outbox = session.OpenOutbox();
  if (!outbox.ok()) return outbox.status();
  const absl::StatusOr<Change> change = client::RecordUpload(*outbox, path, std::move(attachment), session.site());
  return change.ok() ? PrintRecorded(session, **outbox, *change) : change.status();
}

void AddOutboxCommands(Commands& commands) {
  const auto arguments = std::make_shared<OutboxArguments>();
  CLI::App* outbox = commands.AddGroup("outbox", "Work without a node: what waits to be sent, and what is kept to read.");
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const OutboxArguments&)) {
    return commands.Add(outbox, name, description, run, arguments);
  };
  const auto add_change = [&](CLI::App* command) {
    command->add_option("CHANGE", arguments->change, "Its number in the list.")->required()->type_name("");
    return command;
  };
  const auto add_even_if_sent = [&](CLI::App* command) {
    command->add_flag("--even-if-sent", arguments->even_if_sent, "Though it was sent and the node may have taken it.");
  };
  CLI::App* keep = add("keep", "Reads records from the node and keeps them; without names, those that are kept already.", RunOutboxKeep);
  keep->add_option("NAME", arguments->names, "A record, such as engagements/E, or a collection, such as ports.")->type_name("");
  keep->add_flag("--beneath", arguments->beneath, "Also what lies under the records.");
  add("kept", "Lists what is kept, and when it was read.", RunOutboxKept);
  add("unkeep", "Keeps records no longer.", RunOutboxUnkeep)
      ->add_option("NAME", arguments->names, "The records.")
      ->required()
      ->type_name("");
  add("list", "Lists the changes that wait, were refused, or led to a conflict, with what to do.", RunOutboxList)
      ->add_flag("--all", arguments->all, "Also those that are done.");
  add_change(add("show", "Shows one change whole.", RunOutboxShow));
  add("sync", "Sends what waits, in order. Exit code 5: something is to be decided; 7: the node did not answer.", RunOutboxSync);
  add_change(add("retry", "Has a refused change sent again.", RunOutboxRetry))
      ->add_flag("--rebase", arguments->rebase, "Upon the record as it is kept now, replacing what it says.");
  CLI::App* edit = add_change(add("edit", "Changes what a change says, and has it sent.", RunOutboxEdit));
  AddRepeated(edit, "--set", &arguments->set, "A field's new value. May be given several times.", "FIELD=VALUE");
  AddRepeated(edit, "--clear", &arguments->clear, "Make this field empty. May be given several times.", "FIELD");
  add_even_if_sent(
      add_change(add("renew", "Has a change sent as a new request; a record that it creates gets a new name.", RunOutboxRenew)));
  add_even_if_sent(add_change(add("drop", "Gives a change up.", RunOutboxDrop)));
}

}  // namespace fairlead::cli
