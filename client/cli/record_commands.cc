#include "client/cli/record_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/dynamic_message.h>

#include <algorithm>
#include <memory>

#include "client/cli/comments.h"
#include "client/cli/import_commands.h"
#include "client/cli/outbox_commands.h"
#include "fairlead/v1/record_service.pb.h"

namespace fairlead::cli {
namespace {

using client::MessagePtr;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

MessagePtr New(const Descriptor* type) {
  return MessagePtr(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

const FieldDescriptor* FieldOf(const Message& message, const std::string& name) { return message.GetDescriptor()->FindFieldByName(name); }

void SetText(Message* message, const std::string& field, const std::string& value) {
  message->GetReflection()->SetString(message, FieldOf(*message, field), value);
}

std::string GetText(const Message& message, const std::string& field) {
  return message.GetReflection()->GetString(message, FieldOf(message, field));
}

absl::Status SetFlags(const RecordArguments& arguments, Message* request, Message* record) {
  for (const auto& [flag, values] : arguments.values()) {
    absl::Status status = SetField(flag->of_record ? record : request, *flag->field, values);
    if (!status.ok()) return UsageError(fmt::format("{}: {}", flag->name, std::string(status.message())));
  }
  return absl::OkStatus();
}

void PrintOne(Session& session, const Message& record) {
  session.Print(ToJson(record), [&] { PrintRecord(record, session.out()); });
}

absl::Status Get(Session& session, const Resource& resource, const std::string& name, Message* record) {
  const Verb& get = *resource.Find(VerbKind::kGet);
  const MessagePtr request = New(get.method->input_type());
  SetText(request.get(), "name", name);
  return session.Call(*get.method, *request, record);
}

absl::Status RunGet(Session& session, const Resource& resource, const RecordArguments& arguments) {
  const MessagePtr record = New(resource.type);
  if (absl::Status status = Get(session, resource, FullName(resource, arguments.name), record.get()); !status.ok()) return status;
  PrintOne(session, *record);
  return absl::OkStatus();
}

absl::Status RunList(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  const MessagePtr request = New(verb.method->input_type());
  if (absl::Status status = SetFlags(arguments, request.get(), nullptr); !status.ok()) return status;
  if (!resource.parent.empty()) {
    SetText(request.get(), "parent", FullParent(resource, arguments.parent.empty() ? "-" : arguments.parent));
  }
  SetText(request.get(), "page_token", arguments.page_token);
  const Descriptor* page_type = verb.method->output_type();
  const FieldDescriptor* records = nullptr;
  for (int i = 0; i < page_type->field_count(); ++i) {
    if (page_type->field(i)->message_type() == resource.type) records = page_type->field(i);
  }
  const MessagePtr all = New(page_type);
  if (absl::Status status = session.ListAll(*verb.method, request.get(), arguments.limit, all.get()); !status.ok()) return status;
  session.Print(ToJson(*all), [&] {
    std::vector<const Message*> list;
    for (int i = 0; i < all->GetReflection()->FieldSize(*all, records); ++i) {
      list.push_back(&all->GetReflection()->GetRepeatedMessage(*all, records, i));
    }
    RecordTable(resource, list).Print(session.out(), session.environment().columns);
    const std::string next = GetText(*all, "next_page_token");
    if (!next.empty() && !session.flags().quiet) session.err() << fmt::format("more: --page-token {}  (or --limit 0 for all)\n", next);
  });
  return absl::OkStatus();
}

absl::StatusOr<MessagePtr> CreateRequest(const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  MessagePtr request = New(verb.method->input_type());
  const FieldDescriptor* record_field = RecordField(*request->GetDescriptor(), *resource.type);
  Message* record = request->GetReflection()->MutableMessage(request.get(), record_field);
  if (absl::Status status = SetFlags(arguments, request.get(), record); !status.ok()) return status;
  if (resource.has_natural_key()) {
    const std::string name = FullName(resource, arguments.name);
    request->GetReflection()->SetString(request.get(), request->GetDescriptor()->FindFieldByNumber(2), name.substr(name.find('/') + 1));
  }
  if (!resource.parent.empty()) SetText(request.get(), "parent", FullParent(resource, arguments.parent));
  SetText(request.get(), "request_id", arguments.request_id);
  return request;
}

absl::StatusOr<MessagePtr> UpdateRequest(const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  MessagePtr request = New(verb.method->input_type());
  const FieldDescriptor* record_field = RecordField(*request->GetDescriptor(), *resource.type);
  Message* record = request->GetReflection()->MutableMessage(request.get(), record_field);
  if (absl::Status status = SetFlags(arguments, request.get(), record); !status.ok()) return status;
  const FieldDescriptor* mask_field = FieldOf(*request, "update_mask");
  Message* mask = request->GetReflection()->MutableMessage(request.get(), mask_field);
  const FieldDescriptor* paths = FieldOf(*mask, "paths");
  for (const auto& [flag, values] : arguments.values()) {
    if (flag->of_record) mask->GetReflection()->AddString(mask, paths, flag->field->name());
  }
  for (std::string field : arguments.clear) {
    std::replace(field.begin(), field.end(), '-', '_');
    if (resource.type->FindFieldByName(field) == nullptr)
      return UsageError(fmt::format("--clear: a {} has no field {}", resource.noun, field));
    mask->GetReflection()->AddString(mask, paths, field);
  }
  if (mask->GetReflection()->FieldSize(*mask, paths) == 0) return UsageError("nothing to update: give a field's flag or --clear");
  SetText(record, "name", FullName(resource, arguments.name));
  SetText(record, "etag", arguments.etag);
  SetText(request.get(), "request_id", arguments.request_id);
  return request;
}

// Withdraw and the lifecycle: a name, an etag, and what the method asks for.
absl::StatusOr<MessagePtr> TransitionRequest(const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  MessagePtr request = New(verb.method->input_type());
  if (absl::Status status = SetFlags(arguments, request.get(), nullptr); !status.ok()) return status;
  SetText(request.get(), "name", FullName(resource, arguments.name));
  SetText(request.get(), "etag", arguments.etag);
  SetText(request.get(), "request_id", arguments.request_id);
  return request;
}

// Sends what RequestOf has made, upon the record as it is now unless an etag was given.
absl::Status RunChange(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  absl::StatusOr<MessagePtr> request = RequestOf(resource, verb, arguments);
  if (!request.ok()) return request.status();
  if (verb.kind != VerbKind::kCreate && arguments.etag.empty()) {
    const MessagePtr current = New(resource.type);
    const absl::Status read = Get(session, resource, FullName(resource, arguments.name), current.get());
    const FieldDescriptor* allow = FieldOf(**request, "allow_missing");
    const bool may_create = allow != nullptr && (*request)->GetReflection()->GetBool(**request, allow);
    if (!read.ok() && (!may_create || read.code() != absl::StatusCode::kNotFound)) return read;
    Message* holder = request->get();
    if (verb.kind == VerbKind::kUpdate) {
      holder = holder->GetReflection()->MutableMessage(holder, RecordField(*holder->GetDescriptor(), *resource.type));
    }
    if (read.ok()) SetText(holder, "etag", GetText(*current, "etag"));
  }
  const MessagePtr record = New(resource.type);
  if (absl::Status status = session.Call(*verb.method, **request, record.get()); !status.ok()) return status;
  PrintOne(session, *record);
  return absl::OkStatus();
}

absl::Status RunVerb(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  if (session.flags().offline) return RunVerbOffline(session, resource, verb, arguments);
  if (absl::Status status = session.Open(); !status.ok()) return status;
  switch (verb.kind) {
    case VerbKind::kGet:
      return RunGet(session, resource, arguments);
    case VerbKind::kList:
      return RunList(session, resource, verb, arguments);
    case VerbKind::kCreate:
    case VerbKind::kUpdate:
    case VerbKind::kWithdraw:
    case VerbKind::kTransition:
      return RunChange(session, resource, verb, arguments);
    case VerbKind::kImport:
      break;  // import_commands.h
  }
  return absl::InternalError("no such verb");
}

absl::Status RunHistory(Session& session, const Resource& resource, const RecordArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  fairlead::v1::ListRevisionsRequest request;
  request.set_name(FullName(resource, arguments.name));
  const auto all =
      session.ListAll<fairlead::v1::ListRevisionsResponse>("fairlead.v1.RecordService.ListRevisions", request, arguments.limit);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"TIME", "ENTRY", "ACTOR", "METHOD", "CHANGES"}, {}};
    for (const fairlead::v1::Revision& revision : all->revisions()) {
      std::vector<std::string> changes;
      for (const fairlead::v1::FieldChange& change : revision.changes()) {
        changes.push_back(change.value().empty() ? change.field() + " removed" : change.field() + "=" + change.value());
      }
      if (!revision.erases().empty()) changes.push_back("erased entry " + revision.erases());
      if (revision.has_erasure()) {
        const fairlead::v1::Erasure& erasure = revision.erasure();
        changes.push_back(fmt::format("(erased {} by {}: {})", TimeText(erasure.time()), erasure.actor(), erasure.reason()));
      }
      table.rows.push_back({TimeText(revision.time()), revision.entry(), revision.actor(),
                            revision.method().substr(revision.method().rfind('/') + 1), fmt::format("{}", fmt::join(changes, " "))});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

std::string FirstSentence(const std::string& text) {
  const size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

// What the record that one of `resource` lies under is called in usage: "ENGAGEMENT", "PRACTICE".
std::string ParentLabel(const Resource& resource) {
  for (const Resource& parent : Resources()) {
    if (parent.collection != resource.parent) continue;
    std::string label = parent.noun;
    std::transform(label.begin(), label.end(), label.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return label;
  }
  return "PARENT";
}

void AddVerb(Commands& commands, CLI::App* noun, const Resource& resource, const Verb& verb) {
  const auto arguments = std::make_shared<RecordArguments>();
  CLI::App* command = commands.Add(noun, verb.name, FirstSentence(CommentOf(verb.method->full_name())),
                                   [&resource, &verb, arguments](Session& s) { return RunVerb(s, resource, verb, *arguments); });
  const bool lists = verb.kind == VerbKind::kList;
  const bool creates = verb.kind == VerbKind::kCreate;
  if (!lists && !creates)
    command->add_option("NAME", arguments->name, "The record, with or without its collection.")->required()->type_name("");
  if (creates && resource.has_natural_key()) command->add_option("ID", arguments->name, "The natural key.")->required()->type_name("");
  if (creates && !resource.parent.empty()) {
    command->add_option(ParentLabel(resource), arguments->parent, "The record it belongs to.")->required()->type_name("");
  }
  if (lists && !resource.parent.empty()) {
    command->add_option(ParentLabel(resource), arguments->parent, "Only those that belong to this record.")->type_name("");
  }
  AddFlags(commands, command, FlagsOf(resource, verb), arguments.get());
  if (lists) {
    AddLimit(command, &arguments->limit);
    AddPageToken(command, &arguments->page_token);
  }
  if (verb.kind == VerbKind::kUpdate) {
    AddRepeated(command, "--clear", &arguments->clear, "Make this field empty. May be given several times.", "FIELD");
  }
  if (verb.kind == VerbKind::kUpdate || verb.kind == VerbKind::kWithdraw || verb.kind == VerbKind::kTransition) {
    command->add_option("--etag", arguments->etag, "Refuse unless the record is still at this etag; read just before otherwise.")
        ->type_name("ETAG");
  }
  if (verb.method->input_type()->FindFieldByName("request_id") != nullptr) AddRequestId(command, &arguments->request_id);
}

}  // namespace

std::vector<std::pair<const Flag*, std::vector<std::string>>> RecordArguments::values() const {
  std::vector<std::pair<const Flag*, std::vector<std::string>>> given;
  for (const TypedFlag& typed : flags) {
    if (!typed.as_switch.empty()) {
      given.emplace_back(&typed.flag, std::vector<std::string>{typed.as_switch});
    } else if (!typed.values.empty()) {
      given.emplace_back(&typed.flag, typed.values);
    }
  }
  return given;
}

absl::StatusOr<MessagePtr> RequestOf(const Resource& resource, const Verb& verb, const RecordArguments& arguments) {
  switch (verb.kind) {
    case VerbKind::kCreate:
      return CreateRequest(resource, verb, arguments);
    case VerbKind::kUpdate:
      return UpdateRequest(resource, verb, arguments);
    default:
      return TransitionRequest(resource, verb, arguments);
  }
}

void AddFlags(Commands& commands, CLI::App* command, std::vector<Flag> flags, RecordArguments* arguments) {
  for (Flag& made : flags) {
    auto& [flag, values, as_switch] = arguments->flags.emplace_back(TypedFlag{std::move(made), {}, {}});
    CLI::Option* option = flag.field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL
                              ? command->add_flag(flag.name, as_switch, flag.help)
                              : AddRepeated(command, flag.name, &values, flag.help, flag.placeholder);
    option->group(flag.of_record ? "Fields" : "Options");
    if (!flag.choices.empty()) commands.SetChoices(option, flag.choices);
  }
}

void AddRecordCommands(Commands& commands) {
  for (const Resource& resource : Resources()) {
    CLI::App* noun = commands.AddGroup(resource.noun, CommentOf(resource.type->full_name()));
    for (const Verb& verb : resource.verbs) {
      verb.kind == VerbKind::kImport ? AddRecordImport(commands, noun, resource, verb) : AddVerb(commands, noun, resource, verb);
    }
    const auto arguments = std::make_shared<RecordArguments>();
    CLI::App* history = commands.Add(noun, "history", "Lists the revisions, newest first: who, where, when and what changed.",
                                     [&resource, arguments](Session& s) { return RunHistory(s, resource, *arguments); });
    history->add_option("NAME", arguments->name, "The record.")->required()->type_name("");
    AddLimit(history, &arguments->limit);
  }
}

}  // namespace fairlead::cli
