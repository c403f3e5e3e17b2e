#include "server/node/proven.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "api/note.h"
#include "server/node/log_book.h"

namespace fairlead::node {

using storage::Cf;

std::string ProvenKey(LogId log) { return std::string(storage::kMetaProvenPrefix) + storage::LogKey(log); }

std::string EncodeProven(const replication::ProvenPrefix& proven) {
  std::string bytes;
  PutU64(&bytes, proven.size.value());
  PutBytes(&bytes, proven.checkpoint.note);
  for (const Digest& digest : proven.rest) bytes += AsView(digest);
  return bytes;
}

absl::StatusOr<std::optional<replication::ProvenPrefix>> ReadProven(const storage::View& view, LogId log) {
  auto bytes = view.Get(Cf::kMeta, ProvenKey(log));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  Reader in(**bytes);
  replication::ProvenPrefix proven;
  proven.size = Seq(in.U64());
  const std::string note(in.Bytes());
  auto parsed = note::Parse(note);
  auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
  if (!checkpoint.ok()) return Error(Reason::kStoreDamaged, fmt::format("the proof of the entries of log {} is damaged", log.value()));
  proven.checkpoint = {log, Seq(checkpoint->size), checkpoint->root, note};
  while (in.ok() && in.left() > 0) {
    const std::string_view digest = in.Fixed(sizeof(Digest));
    if (in.ok()) std::copy(digest.begin(), digest.end(), proven.rest.emplace_back().begin());
  }
  if (!in.Done() || proven.size > proven.checkpoint.size ||
      proven.rest.size() != merkle::RestCount(proven.size.value(), proven.checkpoint.size.value())) {
    return Error(Reason::kStoreDamaged, fmt::format("the proof of the entries of log {} is damaged", log.value()));
  }
  return proven;
}

absl::Status CheckProven(const storage::View& view, const RosterLog& log, const replication::ProvenPrefix& proven) {
  auto damaged = [&log](const std::string& what) {
    return Error(Reason::kStoreDamaged, fmt::format("the proof of the entries of log {} {}", log.origin(), what));
  };
  auto parsed = note::Parse(proven.checkpoint.note);
  auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
  if (!checkpoint.ok() || checkpoint->origin != log.origin() || !note::Verify(*parsed, log.verifier)) return damaged("does not verify");
  const LogBook book(view);
  auto held = book.Size(log.id);
  if (!held.ok()) return held.status();
  if (proven.size > *held) return damaged(fmt::format("is of {}, and {} are held", proven.size.value(), held->value()));
  auto root = merkle::RootOf(proven.tree(), book.Subtrees(log.id));
  if (!root.ok()) return root.status();
  if (*root != proven.checkpoint.root) return damaged("does not lead to its checkpoint");
  return absl::OkStatus();
}

}  // namespace fairlead::node
