#include "client/cli/evidence_commands.h"

#include <absl/strings/str_split.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/evidence.h"
#include "api/log_file.h"
#include "api/merkle.h"
#include "client/cli/output.h"
#include "client/cli/report_commands.h"
#include "fairlead/v1/partner_receipt.pb.h"

namespace fairlead::cli {

absl::Status InFile(const std::string& file, const absl::Status& status) {
  absl::Status out(status.code(), fmt::format("{}: {}", file, std::string(status.message())));
  status.ForEachPayload([&out](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

absl::StatusOr<Roster> OpenRoster(const VerifyArguments& arguments) {
  const absl::StatusOr<std::string> vkey = ReadWholeFile(arguments.root_key_file);
  if (!vkey.ok()) return UsageError(std::string(vkey.status().message()));
  const absl::StatusOr<note::Verifier> root = note::Verifier::FromVkey(vkey->substr(0, vkey->find('\n')));
  if (!root.ok()) return InFile(arguments.root_key_file, root.status());
  const absl::StatusOr<std::string> signed_roster = ReadWholeFile(arguments.roster_file);
  if (!signed_roster.ok()) return UsageError(std::string(signed_roster.status().message()));
  absl::StatusOr<Roster> roster = Roster::Open(*signed_roster, *root);
  if (!roster.ok()) return InFile(arguments.roster_file, roster.status());
  return roster;
}

namespace {

namespace v1 = fairlead::v1;

absl::Status WriteText(const std::string& path, const std::string& text) {
  return WriteWhole(path, [&text](std::ostream& out) {
    out << text;
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Digest>> Digests(const google::protobuf::RepeatedPtrField<std::string>& hashes) {
  std::vector<Digest> out;
  for (const std::string& hash : hashes) {
    if (hash.size() != sizeof(Digest)) return absl::InternalError("the node answered with a hash that is not of 32 bytes");
    std::copy(hash.begin(), hash.end(), out.emplace_back().begin());
  }
  return out;
}

// The checkpoint of a file that is one, or a receipt with one.
absl::StatusOr<std::string> CheckpointIn(const std::string& text) {
  if (!text.starts_with("c2sp.org/tlog-proof@")) return text;
  absl::StatusOr<evidence::Receipt> receipt = evidence::ParseReceipt(text);
  if (!receipt.ok()) return receipt.status();
  return std::move(receipt->checkpoint);
}

absl::StatusOr<v1::Checkpoint> FetchCheckpoint(Session& session, const std::string& log) {
  v1::GetCheckpointRequest request;
  request.set_log(log);
  return session.Call<v1::Checkpoint>("fairlead.v1.LogService.GetCheckpoint", request);
}

void Say(Session& session, const std::string& file, const std::string& origin, int64_t size, const std::string& what) {
  session.Print({{"file", file}, {"origin", origin}, {"size", size}}, [&] { session.out() << fmt::format("{}: {}\n", file, what); });
}

std::string SecondsText(uint64_t time_s) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(static_cast<int64_t>(time_s)), absl::UTCTimeZone());
}
std::string HlcText(Hlc time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(static_cast<int64_t>(time.millis())), absl::UTCTimeZone());
}

nlohmann::ordered_json CheckpointJson(const evidence::Checkpoint& checkpoint) {
  nlohmann::ordered_json json = {{"origin", checkpoint.log->origin()},
                                 {"size", checkpoint.size},
                                 {"root", Base64Encode(AsView(checkpoint.root))},
                                 {"cosignatures", nlohmann::ordered_json::array()}};
  for (const auto& cosignature : checkpoint.cosignatures) {
    json["cosignatures"].push_back({{"site", cosignature.site}, {"time", SecondsText(cosignature.time_s)}});
  }
  return json;
}

void PrintCheckpoint(const evidence::Checkpoint& checkpoint, std::ostream& out) {
  out << fmt::format("log          {}\nsize         {}\nroot         {}\n", checkpoint.log->origin(), checkpoint.size,
                     Base64Encode(AsView(checkpoint.root)));
  for (const auto& cosignature : checkpoint.cosignatures) {
    out << fmt::format("cosigned     {} at {}\n", cosignature.site, SecondsText(cosignature.time_s));
  }
}

// What a receipt of a partner nation's says: the values of its registers are fields of the message as they were written.
std::optional<v1::PartnerReceipt> PartnerReceiptIn(const Mutation& mutation) {
  if (!mutation.record.starts_with("partnerReceipts/")) return std::nullopt;
  std::string bytes;
  v1::PartnerReceipt receipt;
  for (const Op& op : mutation.ops) {
    if (op.kind == MergeKind::kRegister) bytes += op.value;
    if (op.kind == MergeKind::kRestrictMax && op.field == v1::PartnerReceipt::kMarkingFieldNumber) {
      Reader marking(op.value);
      const uint64_t number = marking.Varint();
      if (marking.Done() && v1::Marking_IsValid(static_cast<int>(number))) receipt.set_marking(static_cast<v1::Marking>(number));
    }
  }
  return receipt.MergeFromString(bytes) ? std::optional(receipt) : std::nullopt;
}

// Of the bytes of what was submitted or sent.
std::string ContentSha256(const v1::PartnerReceipt& receipt) {
  if (!receipt.content_sha256().empty()) return HexEncode(receipt.content_sha256());
  return HexEncode(AsView(Sha256(receipt.content())));
}

// The message whose bytes a receipt holds; null when it holds none, or this program does not know their type.
std::unique_ptr<google::protobuf::Message> ContentOf(const v1::PartnerReceipt& receipt) {
  if (!receipt.content_sha256().empty()) return nullptr;
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(receipt.message_type());
  if (type == nullptr) return nullptr;
  std::unique_ptr<google::protobuf::Message> content(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  return content->ParseFromString(receipt.content()) ? std::move(content) : nullptr;
}

nlohmann::ordered_json PartnerReceiptJson(const v1::PartnerReceipt& receipt) {
  nlohmann::ordered_json json = ToJson(receipt);
  json["contentSha256"] = ContentSha256(receipt);
  if (const auto content = ContentOf(receipt)) json["message"] = ToJson(*content);
  return json;
}

void PrintPartnerReceipt(const v1::PartnerReceipt& receipt, std::ostream& out) {
  const bool sent = receipt.kind() == v1::PARTNER_RECEIPT_KIND_DELIVERY;
  out << fmt::format("proves       {} {} {} at {}\n", receipt.nation(), sent ? "was sent" : "submitted", receipt.message_type(),
                     TimeText(receipt.time()));
  if (!receipt.record().empty()) out << fmt::format("about        {}\n", receipt.record());
  if (!receipt.revision().empty()) out << fmt::format("revision     {}\n", receipt.revision());
  out << fmt::format("marking      {}\n", CellText(receipt, *receipt.GetDescriptor()->FindFieldByName("marking")));
  out << fmt::format("content      SHA-256 {}{}\n", ContentSha256(receipt),
                     sent ? " of what was sent, which the receipt does not hold" : "");
  if (const auto content = ContentOf(receipt)) PrintRecord(*content, out);
}

void PrintPayload(const Payload& payload, std::ostream& out) {
  out << fmt::format("actor        {}\nmethod       {}\nrequest id   {}\n", payload.actor, payload.method, payload.request_id);
  for (const Mutation& mutation : payload.mutations) {
    out << fmt::format("record       {} ({} ops)\n", mutation.record, mutation.ops.size());
    if (const std::optional<v1::PartnerReceipt> receipt = PartnerReceiptIn(mutation)) PrintPartnerReceipt(*receipt, out);
  }
}

}  // namespace

absl::Status SaveReceipt(Session& session, const v1::Receipt& fetched, bool payload, const std::string& file) {
  evidence::Receipt receipt;
  receipt.index = static_cast<uint64_t>(fetched.sequence());
  receipt.header = fetched.log_entry().header();
  if (payload) {
    if (!fetched.log_entry().has_payload()) {
      return absl::FailedPreconditionError(fmt::format("the node does not hold the payload of {}", fetched.entry()));
    }
    receipt.payload = fetched.log_entry().payload();
  }
  absl::StatusOr<std::vector<Digest>> path = Digests(fetched.audit_path());
  if (!path.ok()) return path.status();
  receipt.audit_path = *std::move(path);
  receipt.checkpoint = fetched.checkpoint().note();
  if (absl::Status written = WriteText(file, evidence::FormatReceipt(receipt)); !written.ok()) return written;
  Say(session, file, fetched.checkpoint().origin(), fetched.checkpoint().size(),
      fmt::format("receipt of {} in {} of size {}", fetched.entry(), fetched.checkpoint().origin(), fetched.checkpoint().size()));
  return absl::OkStatus();
}

absl::StatusOr<OldCheckpoint> ReadOldCheckpoint(const std::string& file) {
  const absl::StatusOr<std::string> old_note = ReadWholeFile(file);
  if (!old_note.ok()) return UsageError(std::string(old_note.status().message()));
  const absl::StatusOr<std::string> text = CheckpointIn(*old_note);
  if (!text.ok()) return InFile(file, text.status());
  const absl::StatusOr<note::Note> parsed = note::Parse(*text);
  if (!parsed.ok()) return InFile(file, parsed.status());
  const absl::StatusOr<note::Checkpoint> checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok()) return InFile(file, checkpoint.status());
  // "{network}/{site}/{epoch}/{stream}": the checkpoint says of which log it is.
  return OldCheckpoint{checkpoint->origin.substr(checkpoint->origin.find('/') + 1), checkpoint->size};
}

absl::Status SaveConsistency(Session& session, const v1::ConsistencyProof& fetched, uint64_t old_size, const std::string& file) {
  evidence::Consistency proof;
  proof.old_size = old_size;
  absl::StatusOr<std::vector<Digest>> hashes = Digests(fetched.hashes());
  if (!hashes.ok()) return hashes.status();
  proof.hashes = *std::move(hashes);
  proof.checkpoint = fetched.checkpoint().note();
  if (absl::Status written = WriteText(file, evidence::FormatConsistency(proof)); !written.ok()) return written;
  Say(session, file, fetched.checkpoint().origin(), fetched.checkpoint().size(),
      fmt::format("proof that {} of size {} continues that of size {}", fetched.checkpoint().origin(), fetched.checkpoint().size(),
                  proof.old_size));
  return absl::OkStatus();
}

namespace {

struct LogArguments {
  std::string subject;         // a log; for a receipt an entry or a record
  std::string old_checkpoint;  // file
  std::string file;            // written whole or not at all; empty: standard output (a checkpoint only)
  bool payload = false;        // of a receipt
};
absl::Status RunLogCheckpoint(Session& session, const LogArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::Checkpoint> checkpoint = FetchCheckpoint(session, arguments.subject);
  if (!checkpoint.ok()) return checkpoint.status();
  if (arguments.file.empty()) {
    session.Print(ToJson(*checkpoint), [&] { session.out() << checkpoint->note(); });
    return absl::OkStatus();
  }
  if (absl::Status written = WriteText(arguments.file, checkpoint->note()); !written.ok()) return written;
  Say(session, arguments.file, checkpoint->origin(), checkpoint->size(),
      fmt::format("checkpoint of {} of size {}", checkpoint->origin(), checkpoint->size()));
  return absl::OkStatus();
}

absl::Status RunLogExport(Session& session, const LogArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::Checkpoint> checkpoint = FetchCheckpoint(session, arguments.subject);
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::Status written = WriteWhole(arguments.file, [&](std::ostream& out) -> absl::Status {
    LogFileWriter writer(checkpoint->note(), &out);
    v1::ListLogEntriesRequest request;
    request.set_log(arguments.subject);
    request.set_tree_size(checkpoint->size());
    for (int64_t next = 0; next < checkpoint->size();) {
      request.set_first_sequence(next);
      const absl::StatusOr<v1::ListLogEntriesResponse> page =
          session.Call<v1::ListLogEntriesResponse>("fairlead.v1.LogService.ListLogEntries", request);
      if (!page.ok()) return page.status();
      if (page->entries_size() == 0) return absl::InternalError("the node answered with an empty page");
      for (const v1::LogEntry& entry : page->entries()) {
        writer.AddEntry(entry.header(), entry.has_payload() ? std::optional(entry.payload()) : std::nullopt, entry.erased());
      }
      next += page->entries_size();
      if (next % static_cast<int64_t>(merkle::kBlockLeaves) != 0 && next != checkpoint->size()) continue;
      const absl::StatusOr<std::vector<Digest>> proof = Digests(page->block_proof());
      if (!proof.ok()) return proof.status();
      writer.EndBlock(*proof);
      if (!out) return absl::InternalError(fmt::format("{} could not be written", arguments.file));
    }
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  Say(session, arguments.file, checkpoint->origin(), checkpoint->size(),
      fmt::format("{} entries of {}", checkpoint->size(), checkpoint->origin()));
  return absl::OkStatus();
}

// Whether it is {site}/{epoch}/{sequence} or {site}/{epoch}/{stream}/{sequence}, and not a record, whose ids have letters.
bool NamesEntry(const std::string& subject) {
  const std::vector<std::string> parts = absl::StrSplit(subject, '/');
  const auto is_number = [](const std::string& part) { return part.find_first_not_of("0123456789") == std::string::npos; };
  return (parts.size() == 3 || parts.size() == 4) && is_number(parts[1]) && is_number(parts.back());
}

absl::Status RunLogReceipt(Session& session, const LogArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetReceiptRequest request;
  (NamesEntry(arguments.subject) ? *request.mutable_entry() : *request.mutable_record()) = arguments.subject;
  const absl::StatusOr<v1::Receipt> fetched = session.Call<v1::Receipt>("fairlead.v1.LogService.GetReceipt", request);
  if (!fetched.ok()) return fetched.status();
  return SaveReceipt(session, *fetched, arguments.payload, arguments.file);
}

absl::Status RunLogConsistency(Session& session, const LogArguments& arguments) {
  const absl::StatusOr<OldCheckpoint> old_checkpoint = ReadOldCheckpoint(arguments.old_checkpoint);
  if (!old_checkpoint.ok()) return old_checkpoint.status();
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetConsistencyProofRequest request;
  request.set_log(old_checkpoint->log);
  request.set_old_size(static_cast<int64_t>(old_checkpoint->size));
  const absl::StatusOr<v1::ConsistencyProof> fetched =
      session.Call<v1::ConsistencyProof>("fairlead.v1.LogService.GetConsistencyProof", request);
  if (!fetched.ok()) return fetched.status();
  return SaveConsistency(session, *fetched, old_checkpoint->size, arguments.file);
}

// The verifying ones give DATA_LOSS when the evidence does not hold.
absl::Status RunVerifyCheckpoint(Session& session, const VerifyArguments& arguments) {
  const absl::StatusOr<Roster> roster = OpenRoster(arguments);
  if (!roster.ok()) return roster.status();
  const absl::StatusOr<std::string> text = ReadWholeFile(arguments.file);
  if (!text.ok()) return UsageError(std::string(text.status().message()));
  const absl::StatusOr<evidence::Checkpoint> checkpoint = evidence::VerifyCheckpoint(*text, *roster);
  if (!checkpoint.ok()) return InFile(arguments.file, checkpoint.status());
  session.Print(CheckpointJson(*checkpoint), [&] { PrintCheckpoint(*checkpoint, session.out()); });
  return absl::OkStatus();
}

absl::Status RunVerifyLog(Session& session, const VerifyArguments& arguments) {
  const absl::StatusOr<Roster> roster = OpenRoster(arguments);
  if (!roster.ok()) return roster.status();
  std::ifstream in(arguments.file, std::ios::binary);
  if (!in) return UsageError(fmt::format("cannot read {}", arguments.file));
  const absl::StatusOr<VerifiedLog> log = VerifyLogFile(in, *roster);
  if (!log.ok()) return InFile(arguments.file, log.status());
  const uint64_t size = log->checkpoint.size;
  nlohmann::ordered_json json = CheckpointJson(log->checkpoint);
  json["payloads"] = log->payloads;
  json["erased"] = log->erased;
  if (size > 0) {
    json["firstTime"] = HlcText(log->first_time);
    json["lastTime"] = HlcText(log->last_time);
  }
  session.Print(json, [&] {
    PrintCheckpoint(log->checkpoint, session.out());
    session.out() << fmt::format("payloads     {}, {} withheld, {} erased\n", log->payloads, size - log->payloads - log->erased,
                                 log->erased);
    if (size > 0) session.out() << fmt::format("entries      from {} to {}\n", HlcText(log->first_time), HlcText(log->last_time));
  });
  return absl::OkStatus();
}

absl::Status RunVerifyReceipt(Session& session, const VerifyArguments& arguments) {
  const absl::StatusOr<Roster> roster = OpenRoster(arguments);
  if (!roster.ok()) return roster.status();
  const absl::StatusOr<std::string> text = ReadWholeFile(arguments.file);
  if (!text.ok()) return UsageError(std::string(text.status().message()));
  const absl::StatusOr<evidence::ProvenEntry> proven = evidence::VerifyReceipt(*text, *roster);
  if (!proven.ok()) return InFile(arguments.file, proven.status());
  const uint64_t seq = proven->header.seq.value();
  nlohmann::ordered_json json = CheckpointJson(proven->checkpoint);
  json["sequence"] = seq;
  json["time"] = HlcText(proven->header.time);
  json["payloadDigest"] = HexEncode(AsView(proven->header.payload_digest));
  json["hasPayload"] = proven->payload.has_value();
  absl::StatusOr<Payload> payload = absl::NotFoundError("");
  if (proven->payload) {
    payload = DecodePayload(*proven->payload);
    if (!payload.ok()) return InFile(arguments.file, payload.status());
    json["actor"] = payload->actor;
    json["method"] = payload->method;
    json["requestId"] = payload->request_id;
    json["records"] = nlohmann::ordered_json::array();
    for (const Mutation& mutation : payload->mutations) {
      json["records"].push_back(mutation.record);
      if (const std::optional<v1::PartnerReceipt> receipt = PartnerReceiptIn(mutation))
        json["proves"].push_back(PartnerReceiptJson(*receipt));
    }
  }
  session.Print(json, [&] {
    PrintCheckpoint(proven->checkpoint, session.out());
    session.out() << fmt::format("entry        {}\ntime         {}\npayload      {}\n", seq, HlcText(proven->header.time),
                                 HexEncode(AsView(proven->header.payload_digest)));
    if (payload.ok()) {
      PrintPayload(*payload, session.out());
    } else {
      session.out() << "the payload is not in this receipt: it proves that an entry of this digest is in the log, not what it says\n";
    }
  });
  return absl::OkStatus();
}

absl::Status RunVerifyConsistency(Session& session, const VerifyArguments& arguments) {
  const absl::StatusOr<Roster> roster = OpenRoster(arguments);
  if (!roster.ok()) return roster.status();
  const absl::StatusOr<std::string> old_note = ReadWholeFile(arguments.old_checkpoint);
  if (!old_note.ok()) return UsageError(std::string(old_note.status().message()));
  const absl::StatusOr<std::string> text = ReadWholeFile(arguments.file);
  if (!text.ok()) return UsageError(std::string(text.status().message()));
  const absl::StatusOr<std::string> old_checkpoint = CheckpointIn(*old_note);
  if (!old_checkpoint.ok()) return InFile(arguments.old_checkpoint, old_checkpoint.status());
  const absl::StatusOr<evidence::Continuation> proven = evidence::VerifyConsistency(*old_checkpoint, *text, *roster);
  if (!proven.ok()) return InFile(arguments.file, proven.status());
  session.Print({{"older", CheckpointJson(proven->older)}, {"newer", CheckpointJson(proven->newer)}}, [&] {
    PrintCheckpoint(proven->newer, session.out());
    session.out() << fmt::format("continues    size {}\n", proven->older.size);
  });
  return absl::OkStatus();
}

}  // namespace

void AddLogCommands(Commands& commands) {
  const auto arguments = std::make_shared<LogArguments>();
  CLI::App* log = commands.AddGroup("log", "Fetches evidence about a log from the node, for others to verify.");
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const LogArguments&)) {
    return commands.Add(log, name, description, run, arguments);
  };
  const auto add_log = [&](CLI::App* command) {
    command->add_option("LOG", arguments->subject, "The log, SITE/EPOCH/STREAM, or SITE for its current main log.")
        ->required()
        ->type_name("");
  };
  const auto add_file = [&](CLI::App* command) {
    return command->add_option("FILE", arguments->file, "The file to write.")->required()->type_name("");
  };
  CLI::App* checkpoint = add("checkpoint", "The newest checkpoint, with its cosignatures: a C2SP tlog-checkpoint.", RunLogCheckpoint);
  add_log(checkpoint);
  add_file(checkpoint)->required(false)->description("The file to write; standard output otherwise.");
  CLI::App* exported = add("export", "The whole log up to its newest checkpoint.", RunLogExport);
  add_log(exported);
  add_file(exported);
  CLI::App* receipt = add("receipt", "The proof that an entry is in its log: a C2SP tlog-proof.", RunLogReceipt);
  receipt
      ->add_option("SUBJECT", arguments->subject,
                   "An entry, SITE/EPOCH/SEQUENCE or SITE/EPOCH/STREAM/SEQUENCE, or a record, for the entry of its newest revision.")
      ->required()
      ->type_name("");
  add_file(receipt);
  receipt->add_flag("--payload", arguments->payload, "Include what the entry says; without it the receipt says only that it is there.");
  CLI::App* consistency = add("consistency", "The proof that the newest checkpoint continues an older one.", RunLogConsistency);
  consistency->add_option("OLD", arguments->old_checkpoint, "The file of the older checkpoint.")->required()->type_name("");
  add_file(consistency);
}

void AddVerifyCommands(Commands& commands) {
  const auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verify = commands.AddGroup("verify", "Verifies evidence from files, without a node; exit code 8 when it does not hold.");
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const VerifyArguments&)) {
    CLI::App* command = commands.Add(verify, name, description, run, arguments);
    command->add_option("--roster", arguments->roster_file, "The network's roster (roster.note).")->required()->type_name("FILE");
    command->add_option("--root-key", arguments->root_key_file, "The network's public root key (root.vkey).")
        ->required()
        ->type_name("FILE");
    return command;
  };
  const auto add_file = [&](CLI::App* command) {
    command->add_option("FILE", arguments->file, "The file to verify.")->required()->type_name("");
  };
  add_file(add("checkpoint", "A checkpoint: its signature and its cosignatures.", RunVerifyCheckpoint));
  add_file(add("log", "An exported log: every entry, under its checkpoint.", RunVerifyLog));
  add_file(add("receipt", "A receipt: the entry, under its checkpoint.", RunVerifyReceipt));
  CLI::App* report = add("report", "A report, HTML or CSV: that a site of the network made it as it is.", RunVerifyReport);
  add_file(report);
  report->add_option("--statement", arguments->statement_file, "The site's statement; FILE.sig by default.")->type_name("FILE");
  CLI::App* consistency = add("consistency", "That the checkpoint of a consistency proof continues an older one.", RunVerifyConsistency);
  consistency->add_option("OLD", arguments->old_checkpoint, "The file of the older checkpoint, or of an older receipt.")
      ->required()
      ->type_name("");
  add_file(consistency);
}

}  // namespace fairlead::cli
