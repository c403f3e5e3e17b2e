// What `fairlead verify` reads: checkpoints, receipts, consistency proofs and exported logs.
//
// The files are about a sample log whose keys the fuzzer has. It signs the checkpoint in the input anew, so that what is fuzzed lies behind
// the signatures. Whatever then verifies under a checkpoint with the sample log's own root must be the sample log's own entry.

#include <sstream>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/evidence.h"
#include "api/log_file.h"
#include "api/test_log.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {
namespace {

constexpr size_t kSampleEntries = 300;  // two blocks

const TestLog& Log() {
  static const TestLog* const log = [] {
    auto* made = new TestLog;
    made->AddMany(kSampleEntries);
    return made;
  }();
  return *log;
}

void RequireEvidenceError(const absl::Status& status) {
  RequireError(status, {absl::StatusCode::kInvalidArgument, absl::StatusCode::kDataLoss, absl::StatusCode::kUnauthenticated});
}

// The sample log's signature and cosignature over the text of the note, which may be any.
std::string SignAnew(const std::string& signed_note) {
  auto parsed = note::Parse(signed_note);
  return parsed.ok() ? Log().Sign(parsed->text) : signed_note;
}

bool IsOwn(const evidence::Checkpoint& checkpoint) {
  return checkpoint.size <= kSampleEntries && checkpoint.root == Log().RootAt(checkpoint.size);
}

void RequireOwnEntry(const Header& header, const std::optional<std::string>& payload) {
  const uint64_t seq = header.seq.value();
  Require(seq < kSampleEntries && EncodeHeader(header) == Log().headers[seq], "an entry proven is of the log");
  Require(!payload || *payload == Log().payloads[seq], "a payload proven is of the log");
}

void TryCheckpoint(const std::string& text) {
  auto checkpoint = evidence::VerifyCheckpoint(SignAnew(text), Log().roster);
  if (!checkpoint.ok()) return RequireEvidenceError(checkpoint.status());
  Require(checkpoint->log->origin() == TestLog::kOrigin && checkpoint->cosignatures.size() == 1, "who signed is named");
}

void TryReceipt(const std::string& text) {
  auto receipt = evidence::ParseReceipt(text);
  if (!receipt.ok()) return RequireError(receipt.status(), {absl::StatusCode::kInvalidArgument});
  Require(evidence::FormatReceipt(*receipt) == text, "a receipt has one text");
  receipt->checkpoint = SignAnew(receipt->checkpoint);
  auto proven = evidence::VerifyReceipt(evidence::FormatReceipt(*receipt), Log().roster);
  if (!proven.ok()) return RequireEvidenceError(proven.status());
  if (IsOwn(proven->checkpoint)) RequireOwnEntry(proven->header, proven->payload);
}

void TryConsistency(const std::string& text) {
  auto proof = evidence::ParseConsistency(text);
  if (!proof.ok()) return RequireError(proof.status(), {absl::StatusCode::kInvalidArgument});
  Require(evidence::FormatConsistency(*proof) == text, "a consistency proof has one text");
  proof->checkpoint = SignAnew(proof->checkpoint);
  const std::string again = evidence::FormatConsistency(*proof);
  // With the true older checkpoint, and with one whose root is made up.
  const uint64_t size = std::min<uint64_t>(proof->old_size, kSampleEntries);
  auto own = evidence::VerifyConsistency(Log().Checkpoint(size), again, Log().roster);
  if (!own.ok()) RequireEvidenceError(own.status());
  const std::string made_up = note::CheckpointText({TestLog::kOrigin, proof->old_size, Sha256(text)});
  auto other = evidence::VerifyConsistency(Log().Sign(made_up), again, Log().roster);
  if (!other.ok()) return RequireEvidenceError(other.status());
  Require(!IsOwn(other->newer) || IsOwn(other->older), "what the log continues is the log");
}

void TryLogFile(std::string_view bytes) {
  // The input leaves out the first line and its checkpoint has one length byte: a signed note of the sample log takes its place.
  Reader in(bytes);
  const std::string text(in.Bytes());
  if (!in.ok()) return;
  const std::string_view rest = in.Fixed(in.left());
  std::ostringstream out;
  LogFileWriter writer(Log().Sign(text), &out);
  out << rest;
  std::istringstream file(out.str());
  uint64_t entries = 0;
  std::vector<std::pair<Header, std::optional<std::string>>> told;
  auto verified = VerifyLogFile(file, Log().roster, [&](const Header& header, const std::optional<std::string>& payload) {
    ++entries;
    told.emplace_back(header, payload);
  });
  if (!verified.ok()) return RequireEvidenceError(verified.status());
  Require(entries == verified->checkpoint.size, "a log file has every entry of its checkpoint");
  if (!IsOwn(verified->checkpoint)) return;
  for (const auto& [header, payload] : told) RequireOwnEntry(header, payload);
}

}  // namespace
}  // namespace fairlead::fuzz

// The first byte says which it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const std::string_view bytes = fairlead::fuzz::AsText(data + 1, size - 1);
  switch (data[0]) {
    case 'c':
      fairlead::fuzz::TryCheckpoint(std::string(bytes));
      return 0;
    case 'r':
      fairlead::fuzz::TryReceipt(std::string(bytes));
      return 0;
    case 'o':
      fairlead::fuzz::TryConsistency(std::string(bytes));
      return 0;
    case 'l':
      fairlead::fuzz::TryLogFile(bytes);
      return 0;
    default:
      return -1;
  }
}
