#include "client/cli/attachment_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "client/attachment_download.h"
#include "client/attachment_upload.h"
#include "client/cli/outbox_commands.h"
#include "client/cli/output.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/exchange_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

constexpr char kAttachments[] = "fairlead.v1.AttachmentService.";
constexpr char kExchange[] = "fairlead.v1.ExchangeService.";

struct AttachmentArguments {
  std::string file;
  std::string subject;
  std::string title;
  std::string media_type;
  std::string marking;  // "sensitive"
  std::string name;     // of the attachment
  std::string output;   // a file; empty: the attachment's own file name, in the working folder
  std::string request_id;
};

// The name that a site or a nation gives is not trusted with folders.
std::string PathFor(const AttachmentArguments& arguments, const std::string& file_name) {
  return arguments.output.empty() ? std::filesystem::path(file_name).filename().string() : arguments.output;
}

template <class Message>
absl::Status Report(Session& session, const Message& attachment, const std::string& path, const absl::Status& status,
                    const client::Answer& answer) {
  if (!answer.site.empty()) session.NoteNode(answer);
  if (absl::IsAlreadyExists(status)) return UsageError(fmt::format("{}: give another with --output", std::string(status.message())));
  if (!status.ok()) return status;
  nlohmann::ordered_json json = ToJson(attachment);
  json["path"] = path;
  session.Print(json, [&] { session.out() << fmt::format("{} bytes in {}\n", attachment.size_bytes(), path); });
  return absl::OkStatus();
}

// Uploads the file and attaches it. The same file that is attached to the subject already is not attached again, unless a request id is
// given.
absl::Status RunAttachmentAdd(Session& session, const AttachmentArguments& arguments) {
  v1::Attachment draft;
  draft.set_subject(arguments.subject);
  draft.set_title(arguments.title);
  draft.set_media_type(arguments.media_type);
  if (!arguments.marking.empty()) {
    std::string name = "MARKING_";
    for (const char c : arguments.marking) name.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    v1::Marking marking = v1::MARKING_UNSPECIFIED;
    if (!v1::Marking_Parse(name, &marking)) return UsageError("--marking: must be public, official or sensitive");
    draft.set_marking(marking);
  }
  const auto unread = [](const absl::Status& status) {
    return absl::IsNotFound(status) ? UsageError(std::string(status.message())) : status;
  };
  if (session.flags().offline) return unread(RunUploadOffline(session, arguments.file, std::move(draft)));
  const absl::StatusOr<client::AttachmentUpload> upload = client::AttachmentUpload::Open(arguments.file, std::move(draft));
  if (!upload.ok()) return unread(upload.status());
  if (absl::Status status = session.Open(); !status.ok()) return status;

  if (arguments.request_id.empty()) {
    // A run whose answer was lost may have made it.
    v1::ListAttachmentsRequest request;
    request.set_subject(arguments.subject);
    request.set_sha256(upload->attachment().sha256());
    const auto there = session.Call<v1::ListAttachmentsResponse>(std::string(kAttachments) + "ListAttachments", request);
    if (!there.ok()) return there.status();
    if (there->attachments_size() > 0) {
      session.Print(ToJson(there->attachments(0)), [&] {
        session.out() << "attached already:\n";
        PrintRecord(there->attachments(0), session.out());
      });
      return absl::OkStatus();
    }
  }
  const bool tells = session.environment().err_is_terminal && !session.flags().quiet && !session.flags().json;
  int64_t resumed = -1;
  const auto on_progress = [&](int64_t durable) {
    if (resumed < 0) {
      resumed = durable;
      if (durable > 0 && !session.flags().quiet && !session.flags().json) {
        session.err() << fmt::format("{} of {} bytes are there already\n", durable, upload->attachment().size_bytes());
      }
    }
    if (tells) session.err() << fmt::format("\r{} of {} bytes", durable, upload->attachment().size_bytes()) << std::flush;
  };
  client::CallOptions call;
  call.stop = session.environment().stop;
  client::Answer answer;
  const absl::StatusOr<v1::Attachment> made = upload->Run(session.client(), arguments.request_id, on_progress, call, &answer);
  if (tells && resumed >= 0) session.err() << "\n";
  if (answer.attempts > 0) session.NoteNode(answer);
  if (!made.ok()) return made.status();
  session.Print(ToJson(*made), [&] { PrintRecord(*made, session.out()); });
  return absl::OkStatus();
}

absl::Status RunAttachmentGet(Session& session, const AttachmentArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetAttachmentRequest request;
  request.set_name(NameIn("attachments", arguments.name));
  const absl::StatusOr<v1::Attachment> attachment = session.Call<v1::Attachment>(std::string(kAttachments) + "GetAttachment", request);
  if (!attachment.ok()) return attachment.status();
  const std::string path = PathFor(arguments, attachment->file_name());
  client::CallOptions call;
  call.stop = session.environment().stop;
  client::Answer answer;
  const absl::Status status = client::DownloadTo(path, *attachment, session.client(), call, &answer);
  return Report(session, *attachment, path, status, answer);
}

// The partner's: of a released record.
absl::Status RunExchangeAttachments(Session& session, const AttachmentArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::ListReleasedAttachmentsRequest request;
  request.set_parent(NameIn("releasedRecords", arguments.name));
  using Response = v1::ListReleasedAttachmentsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListReleasedAttachments", request);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "FILE", "TYPE", "BYTES"}, {}};
    for (const auto& each : all->attachments()) {
      table.rows.push_back({each.name(), each.file_name(), each.media_type(), std::to_string(each.size_bytes())});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeDownload(Session& session, const AttachmentArguments& arguments) {
  const std::string name = NameIn("releasedRecords", arguments.name);
  const size_t end = name.find("/attachments/");
  if (end == std::string::npos) return UsageError("NAME: must be releasedRecords/ID/attachments/ID, as exchange attachments lists it");
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::ListReleasedAttachmentsRequest request;
  request.set_parent(name.substr(0, end));
  using Response = v1::ListReleasedAttachmentsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListReleasedAttachments", request, 0);
  if (!all.ok()) return all.status();
  const auto found =
      std::find_if(all->attachments().begin(), all->attachments().end(), [&name](const auto& a) { return a.name() == name; });
  if (found == all->attachments().end()) return absl::NotFoundError("there is no such record");
  const std::string path = PathFor(arguments, found->file_name());
  client::CallOptions call;
  call.stop = session.environment().stop;
  client::Answer answer;
  const absl::Status status = client::DownloadTo(path, *found, session.client(), call, &answer);
  return Report(session, *found, path, status, answer);
}

void AddOutput(CLI::App* command, std::string* output) {
  command->add_option("-o,--output", *output, "The file to write, which must not exist; the attachment's name by default.")
      ->type_name("FILE");
}

}  // namespace

void AddAttachmentCommands(Commands& commands) {
  const auto arguments = std::make_shared<AttachmentArguments>();
  CLI::App* noun = commands.root()->get_subcommand("attachment");
  CLI::App* add = commands.Add(noun, "add", "Attaches a file to a record. Run again after a cut, it goes on where it was.",
                               RunAttachmentAdd, arguments);
  add->add_option("FILE", arguments->file, "The file: pdf, jpg, png, txt, csv, docx or xlsx.")->required()->type_name("");
  add->add_option("--subject", arguments->subject, "The record it belongs to, such as engagements/ID.")->required()->type_name("NAME");
  add->add_option("--title", arguments->title, "What it is, for people.")->type_name("TEXT");
  add->add_option("--media-type", arguments->media_type, "What its bytes are; by the end of its name otherwise.")->type_name("TYPE");
  CLI::Option* marking =
      add->add_option("--marking", arguments->marking, "How sensitive it is; at least as its record.")->type_name("MARKING");
  commands.SetChoices(marking, {"public", "official", "sensitive"});
  AddRequestId(add, &arguments->request_id);
  CLI::App* get = commands.Add(noun, "get", "Writes an attachment to a file. Run again after a cut, it goes on where it was.",
                               RunAttachmentGet, arguments);
  get->add_option("NAME", arguments->name, "The attachment, with or without its collection.")->required()->type_name("");
  AddOutput(get, &arguments->output);
}

void AddReleasedAttachmentCommands(Commands& commands, CLI::App* exchange) {
  const auto arguments = std::make_shared<AttachmentArguments>();
  commands.Add(exchange, "attachments", "Lists the attachments of a released record.", RunExchangeAttachments, arguments)
      ->add_option("NAME", arguments->name, "The record, releasedRecords/ID.")
      ->required()
      ->type_name("");
  CLI::App* download = commands.Add(exchange, "download", "Writes an attachment to a file. Run again after a cut, it goes on where it was.",
                                    RunExchangeDownload, arguments);
  download->add_option("NAME", arguments->name, "The attachment, releasedRecords/ID/attachments/ID.")->required()->type_name("");
  AddOutput(download, &arguments->output);
}

}  // namespace fairlead::cli
