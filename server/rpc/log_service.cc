#include "server/rpc/log_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "api/note.h"
#include "server/node/log_book.h"
#include "server/rpc/policy.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kPageBytes = 1 << 20;  // then a page ends with the entry that reaches it

std::optional<uint64_t> Decimal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status NoSuchEntry(const std::string& entry) {
  return Error(Reason::kRecordNotFound, fmt::format("there is no entry {}", entry), {{"name", entry}});
}

// Who was shown and refused what is for those who may read the audit.
absl::Status CheckMayRead(const Call& call, const RosterLog& log) {
  if (log.stream != kAuditStream) return absl::OkStatus();
  return Authorize(call.identity, "fairlead.v1.AuditService/QueryAuditEvents");
}

void Put(const std::vector<Digest>& hashes, google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const Digest& hash : hashes) out->Add(std::string(AsView(hash)));
}

// A checkpoint with all that sites said of this very one: they cosign one of each round, not every one.
absl::StatusOr<v1::Checkpoint> Assembled(const std::string& held, const std::vector<replication::HeldCosignature>& cosigned) {
  absl::StatusOr<note::Note> signed_note = note::Parse(held);
  if (!signed_note.ok()) return signed_note.status();
  const absl::StatusOr<note::Checkpoint> checkpoint = note::ParseCheckpoint(signed_note->text);
  if (!checkpoint.ok()) return checkpoint.status();
  for (const replication::HeldCosignature& each : cosigned) {
    const absl::StatusOr<note::Note> other = note::Parse(each.note);
    if (!other.ok() || other->text != signed_note->text) continue;
    for (const note::Signature& signature : other->signatures) note::AddSignature(&*signed_note, signature);
  }
  v1::Checkpoint out;
  out.set_origin(checkpoint->origin);
  out.set_size(static_cast<int64_t>(checkpoint->size));
  out.set_note(note::Format(*signed_note));
  return out;
}

}  // namespace

void LogService::Register(Dispatcher* dispatcher) {
  dispatcher->Unary<v1::GetCheckpointRequest, v1::Checkpoint>(
      "fairlead.v1.LogService/GetCheckpoint",
      [this](const Call&, const v1::GetCheckpointRequest& request) -> absl::StatusOr<v1::Checkpoint> {
        const absl::StatusOr<const RosterLog*> log = FindLog(request.log());
        if (!log.ok()) return log.status();
        return CheckpointOf(**log);
      });
  dispatcher->Unary<v1::ListLogEntriesRequest, v1::ListLogEntriesResponse>(
      "fairlead.v1.LogService/ListLogEntries",
      [this](const Call& call, const v1::ListLogEntriesRequest& request) { return ListLogEntries(call, request); });
  dispatcher->Unary<v1::GetReceiptRequest, v1::Receipt>(
      "fairlead.v1.LogService/GetReceipt",
      [this](const Call& call, const v1::GetReceiptRequest& request) { return GetReceipt(call, request); });
  dispatcher->Unary<v1::GetConsistencyProofRequest, v1::ConsistencyProof>(
      "fairlead.v1.LogService/GetConsistencyProof",
      [this](const Call&, const v1::GetConsistencyProofRequest& request) { return GetConsistencyProof(request); });
}

absl::StatusOr<const RosterLog*> LogService::FindLog(const std::string& name) const {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "log", "is required");
  const Roster& roster = node_->roster();
  if (const RosterSite* site = roster.FindSite(name); site != nullptr) {
    if (const RosterLog* log = roster.CurrentLog(site->id, kMainStream); log != nullptr) return log;
  }
  for (const RosterLog& log : roster.logs()) {
    if (name == fmt::format("{}/{}/{}", log.site_name, log.epoch, log.stream)) return &log;
  }
  return Error(Reason::kRecordNotFound, fmt::format("the roster has no log {}", name), {{"name", name}});
}

absl::StatusOr<v1::Checkpoint> LogService::CheckpointOf(const RosterLog& log) const {
  const std::optional<std::string> held = node_->CheckpointNote(log.id);
  if (!held) return Error(Reason::kRecordNotFound, fmt::format("this node holds no checkpoint of {}", log.origin()));
  return Assembled(*held, node_->CosignaturesOf(log.id));
}

absl::StatusOr<v1::Checkpoint> LogService::CosignedCheckpointOf(const RosterLog& log, Seq entry) const {
  absl::StatusOr<v1::Checkpoint> newest = CheckpointOf(log);
  if (!newest.ok()) return newest;
  const std::vector<replication::HeldCosignature> cosigned = node_->CosignaturesOf(log.id);
  std::string best;
  uint64_t best_size = entry.value();  // what covers it is larger
  for (const replication::HeldCosignature& each : cosigned) {
    if (each.site == log.site) continue;
    const absl::StatusOr<note::Note> parsed = note::Parse(each.note);
    if (!parsed.ok()) return parsed.status();
    const absl::StatusOr<note::Checkpoint> checkpoint = note::ParseCheckpoint(parsed->text);
    if (!checkpoint.ok()) return checkpoint.status();
    // A larger one covers entries that are not here yet.
    if (checkpoint->size <= best_size || checkpoint->size > static_cast<uint64_t>(newest->size())) continue;
    const absl::StatusOr<Digest> root = node_->RootAt(log.id, Seq(checkpoint->size));
    if (!root.ok()) return root.status();
    if (*root != checkpoint->root) continue;  // of a fork
    best_size = checkpoint->size;
    best = each.note;
  }
  return best.empty() ? newest : Assembled(best, cosigned);
}

absl::Status LogService::Fill(Dot dot, v1::LogEntry* out) const {
  absl::StatusOr<std::vector<std::string>> header = node_->ReadHeaders(dot.log, dot.seq, dot.seq + 1);
  if (!header.ok()) return header.status();
  absl::StatusOr<std::optional<std::string>> payload = node_->ReadPayload(dot);
  if (!payload.ok()) return payload.status();
  out->set_header(std::move((*header)[0]));
  out->set_has_payload(payload->has_value());
  if (payload->has_value()) {
    out->set_payload(**std::move(payload));
    return absl::OkStatus();
  }
  const absl::StatusOr<bool> erased = node_->Erased(dot);
  if (!erased.ok()) return erased.status();
  out->set_erased(*erased);
  return absl::OkStatus();
}

absl::StatusOr<v1::ListLogEntriesResponse> LogService::ListLogEntries(const Call& call, const v1::ListLogEntriesRequest& request) const {
  const absl::StatusOr<const RosterLog*> log = FindLog(request.log());
  if (!log.ok()) return log.status();
  if (absl::Status may = CheckMayRead(call, **log); !may.ok()) return may;
  const absl::StatusOr<v1::Checkpoint> checkpoint = CheckpointOf(**log);
  if (!checkpoint.ok()) return checkpoint.status();
  if (request.tree_size() < 1 || request.tree_size() > checkpoint->size()) {
    return FieldError(Reason::kFieldInvalid, "tree_size", fmt::format("must be from 1 to {}, the newest checkpoint's", checkpoint->size()));
  }
  if (request.first_sequence() < 0 || request.first_sequence() >= request.tree_size()) {
    return FieldError(Reason::kFieldInvalid, "first_sequence", "must be from 0 to less than tree_size");
  }
  const auto first = static_cast<uint64_t>(request.first_sequence());
  const auto size = static_cast<uint64_t>(request.tree_size());
  const uint64_t block = first / merkle::kBlockLeaves;
  const uint64_t end = std::min((block + 1) * merkle::kBlockLeaves, size);
  v1::ListLogEntriesResponse response;
  uint64_t seq = first;
  for (size_t bytes = 0; seq < end && bytes < kPageBytes; ++seq) {
    v1::LogEntry* entry = response.add_entries();
    if (absl::Status filled = Fill({(*log)->id, Seq(seq)}, entry); !filled.ok()) return filled;
    bytes += entry->header().size() + entry->payload().size();
  }
  if (seq == end) {
    const replication::ProvenPrefix whole{
        .checkpoint = {.log = (*log)->id, .size = Seq(size), .root = {}, .note = ""}, .size = Seq(size), .rest = {}};
    const absl::StatusOr<std::vector<Digest>> proof = node_->BlockProof((*log)->id, block, whole);
    if (!proof.ok()) return proof.status();
    Put(*proof, response.mutable_block_proof());
  }
  return response;
}

absl::StatusOr<Dot> LogService::SubjectOf(const v1::GetReceiptRequest& request) const {
  if (request.subject_case() == v1::GetReceiptRequest::kRecord) {
    std::string prefix = request.record();
    PutU8(&prefix, 0);
    const auto revisions = node_->store().Iterate(storage::Cf::kRevisions, prefix, storage::PrefixEnd(prefix));
    revisions->SeekToLast();
    if (!revisions->status().ok()) return revisions->status();
    if (!revisions->Valid()) {
      return Error(Reason::kRecordNotFound, fmt::format("there is no {}", request.record()), {{"name", request.record()}});
    }
    Reader in(revisions->key().substr(prefix.size()));
    in.U64();  // its time
    const Dot dot = storage::ReadDot(&in);
    if (!in.Done()) return Error(Reason::kStoreDamaged, fmt::format("a revision of {} is damaged", request.record()));
    return dot;
  }
  const std::string& entry = request.entry();
  if (entry.empty()) return FieldError(Reason::kFieldRequired, "entry", "an entry or a record is required");
  const size_t last = entry.rfind('/');
  if (last == std::string::npos || !Decimal(std::string_view(entry).substr(last + 1))) {
    return FieldError(Reason::kFieldInvalid, "entry", "must be {site}/{epoch}/{sequence}, or {site}/{epoch}/{stream}/{sequence}");
  }
  if (const std::optional<Dot> dot = ParseEntryName(node_->roster(), entry)) return *dot;
  return NoSuchEntry(entry);
}

absl::StatusOr<v1::Receipt> LogService::GetReceipt(const Call& call, const v1::GetReceiptRequest& request) const {
  const absl::StatusOr<Dot> dot = SubjectOf(request);
  if (!dot.ok()) return dot.status();
  const RosterLog* log = node_->roster().FindLog(dot->log);
  if (log == nullptr) return NoSuchEntry(EntryName(node_->roster(), *dot));
  if (absl::Status may = CheckMayRead(call, *log); !may.ok()) return may;
  return ReceiptOf(*dot);
}

absl::StatusOr<v1::Receipt> LogService::ReceiptOf(Dot dot) const {
  const RosterLog* log = node_->roster().FindLog(dot.log);
  const std::string name = EntryName(node_->roster(), dot);
  if (log == nullptr) return NoSuchEntry(name);
  absl::StatusOr<v1::Checkpoint> checkpoint = CosignedCheckpointOf(*log, dot.seq);
  if (!checkpoint.ok()) return checkpoint.status();
  const auto size = static_cast<uint64_t>(checkpoint->size());
  if (dot.seq.value() >= size) {
    return Error(Reason::kRecordNotFound,
                 fmt::format("the newest checkpoint here of {} covers {} entries, not {}", log->origin(), size, name), {{"name", name}});
  }
  v1::Receipt receipt;
  receipt.set_entry(name);
  receipt.set_sequence(static_cast<int64_t>(dot.seq.value()));
  if (absl::Status filled = Fill(dot, receipt.mutable_log_entry()); !filled.ok()) return filled;
  const node::LogBook book(node_->store());
  const absl::StatusOr<std::vector<Digest>> path = merkle::InclusionProof(dot.seq.value(), size, book.Subtrees(log->id));
  if (!path.ok()) return path.status();
  Put(*path, receipt.mutable_audit_path());
  *receipt.mutable_checkpoint() = *std::move(checkpoint);
  return receipt;
}

absl::StatusOr<v1::ConsistencyProof> LogService::GetConsistencyProof(const v1::GetConsistencyProofRequest& request) const {
  const absl::StatusOr<const RosterLog*> log = FindLog(request.log());
  if (!log.ok()) return log.status();
  return ConsistencyOf(**log, request.old_size());
}

absl::StatusOr<v1::ConsistencyProof> LogService::ConsistencyOf(const RosterLog& log, int64_t old_size) const {
  absl::StatusOr<v1::Checkpoint> checkpoint = CheckpointOf(log);
  if (!checkpoint.ok()) return checkpoint.status();
  if (old_size < 0 || old_size > checkpoint->size()) {
    return FieldError(Reason::kFieldInvalid, "old_size", fmt::format("must be from 0 to {}, the newest checkpoint's", checkpoint->size()));
  }
  v1::ConsistencyProof out;
  if (old_size > 0) {  // anything continues the empty tree
    const node::LogBook book(node_->store());
    const absl::StatusOr<std::vector<Digest>> proof =
        merkle::ConsistencyProof(static_cast<uint64_t>(old_size), static_cast<uint64_t>(checkpoint->size()), book.Subtrees(log.id));
    if (!proof.ok()) return proof.status();
    Put(*proof, out.mutable_hashes());
  }
  *out.mutable_checkpoint() = *std::move(checkpoint);
  return out;
}

}  // namespace fairlead::rpc
