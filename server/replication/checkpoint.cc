#include "server/replication/checkpoint.h"

#include <fmt/format.h>

#include "api/note.h"

namespace fairlead::replication {

absl::Status LogError(Reason reason, const RosterLog& log, const std::string& what) {
  return Error(reason, fmt::format("log {}: {}", log.origin(), what), {{"log", log.origin()}});
}

std::string EntryOf(const RosterLog& log, uint64_t seq) { return fmt::format("entry {} of log {}", seq, log.origin()); }

absl::StatusOr<VerifiedCheckpoint> OpenCheckpoint(const RosterLog& log, const std::string& note) {
  auto invalid = [&log](const std::string& what) { return LogError(Reason::kSignatureInvalid, log, "checkpoint: " + what); };
  if (note.size() > note::kNoteBytesMax) return invalid(fmt::format("{} bytes are too many", note.size()));
  auto parsed = note::Parse(note);
  if (!parsed.ok()) return invalid(std::string(parsed.status().message()));
  auto checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok()) return invalid(std::string(checkpoint.status().message()));
  if (checkpoint->origin != log.origin()) return invalid("its origin is " + checkpoint->origin);
  for (const note::Signature& signature : parsed->signatures) {
    const note::Note signed_by_log{parsed->text, {signature}};
    if (!note::Verify(signed_by_log, log.verifier)) continue;
    return VerifiedCheckpoint{log.id, Seq(checkpoint->size), checkpoint->root, note::Format(signed_by_log)};
  }
  return invalid("the signature does not verify");
}

absl::StatusOr<VerifiedCheckpoint> ReadCheckpoint(LogId log, const std::string& note) {
  auto parsed = note::Parse(note);
  if (!parsed.ok()) return Error(Reason::kStoreDamaged, fmt::format("the checkpoint of log {} is damaged", log.value()));
  auto checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok()) return Error(Reason::kStoreDamaged, fmt::format("the checkpoint of log {} is damaged", log.value()));
  return VerifiedCheckpoint{log, Seq(checkpoint->size), checkpoint->root, note};
}

}  // namespace fairlead::replication
