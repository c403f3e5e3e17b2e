// Signed notes, checkpoints, cosignatures and verifier keys, as they come from peers and files.

#include <algorithm>

#include "api/note.h"
#include "api/test_log.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {
namespace {

const TestLog& Log() {
  static const TestLog* const log = new TestLog;
  return *log;
}

void TryCheckpoint(std::string_view text) {
  auto checkpoint = note::ParseCheckpoint(text);
  if (!checkpoint.ok()) return RequireError(checkpoint.status(), {absl::StatusCode::kInvalidArgument});
  Require(note::CheckpointText(*checkpoint) == text, "a checkpoint has one text");
}

void TryNote(std::string_view bytes) {
  auto parsed = note::Parse(bytes);
  if (!parsed.ok()) return RequireError(parsed.status(), {absl::StatusCode::kInvalidArgument});
  Require(note::Format(*parsed) == bytes, "a parsed note formats to the same bytes");
  Require(!parsed->signatures.empty() && parsed->signatures.size() <= note::kSignaturesMax, "a note has 1 to 64 signatures");
  Require(parsed->text.ends_with('\n'), "a note's text ends in a newline");
  TryCheckpoint(parsed->text);

  const TestLog& log = Log();
  const note::Verifier& cosigner = log.roster.cosigners()[1].verifier;
  const auto lines_of_cosigner = [&cosigner](const note::Note& note) {
    return std::count_if(note.signatures.begin(), note.signatures.end(),
                         [&cosigner](const note::Signature& s) { return s.name == cosigner.name() && s.key_id == cosigner.key_id(); });
  };
  const bool first = lines_of_cosigner(*parsed) == 0;
  note::AddSignature(&*parsed, note::Cosign(cosigner.name(), log.hq_mirror, parsed->text, TestLog::kTimeS));
  auto again = note::Parse(note::Format(*parsed));
  // A note may be as large as it can be already; with the cosignature it is larger.
  if (!again.ok()) return Require(note::Format(*parsed).size() > note::kNoteBytesMax, "a note with one more cosignature parses");
  if (first && lines_of_cosigner(*again) == 1) Require(note::Verify(*again, cosigner), "a cosignature that was added verifies");
}

void TryVkey(std::string_view text) {
  auto verifier = note::Verifier::FromVkey(text);
  if (!verifier.ok()) return RequireError(verifier.status(), {absl::StatusCode::kInvalidArgument});
  Require(verifier->ToVkey() == text, "a verifier key has one text");
}

}  // namespace
}  // namespace fairlead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fairlead::fuzz::AsText(data, size);
  fairlead::fuzz::TryNote(text);
  fairlead::fuzz::TryCheckpoint(text);
  fairlead::fuzz::TryVkey(text);
  return 0;
}
