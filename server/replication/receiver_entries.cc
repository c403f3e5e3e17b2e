// What a frame brings: checkpoints, headers and payloads, each verified before the next looks at it.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/crypto.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "server/replication/checkpoint.h"
#include "server/replication/receiver.h"

namespace fairlead::replication {

namespace {

constexpr int kProofDigestsMax = 64;

uint64_t BlocksOf(uint64_t size) { return (size + merkle::kBlockLeaves - 1) / merkle::kBlockLeaves; }

// nullopt when one is not a digest, or there are too many.
std::optional<std::vector<Digest>> DigestsOf(const google::protobuf::RepeatedPtrField<std::string>& bytes) {
  std::vector<Digest> digests;
  if (bytes.size() > kProofDigestsMax) return std::nullopt;
  for (const std::string& each : bytes) {
    if (each.size() != sizeof(Digest)) return std::nullopt;
    std::copy(each.begin(), each.end(), digests.emplace_back().begin());
  }
  return digests;
}

// The siblings on the audit path of `block` among `blocks`, lowest first. On the left they are the roots of the complete subtrees of the
// binary digits of `block`, smallest first; on the right, what follows the block, in order.
struct Siblings {
  std::vector<Digest> left, right;
};

// REQUIRES: the proof has been verified for them.
Siblings SplitSiblings(uint64_t block, uint64_t blocks, const std::vector<Digest>& proof) {
  Siblings siblings;
  uint64_t at = block;
  uint64_t last = blocks - 1;
  for (const Digest& sibling : proof) {
    if ((at & 1) != 0 || at == last) {
      siblings.left.push_back(sibling);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      siblings.right.push_back(sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  return siblings;
}

// The root over the subtrees `left`, smallest first, starting from `root` to the right of them.
Digest FoldLeft(Digest root, const std::vector<Digest>& left, size_t from) {
  for (size_t i = from; i < left.size(); ++i) root = merkle::NodeHash(left[i], root);
  return root;
}

}  // namespace

absl::Status Receiver::TakeEntries(v1::Entries entries, int64_t bytes, absl::Time now) {
  if (credit_left_ <= 0) return Misplaced("entries without credit");
  credit_left_ -= bytes;
  entry_bytes_ += static_cast<uint64_t>(bytes);
  if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
  for (v1::HeaderPackage& package : *entries.mutable_packages()) {
    if (absl::Status status = TakePackage(std::move(package), now); !status.ok()) return status;
  }
  Frame frame;
  frame.position = Position(entries.journal_position());
  frame.bytes = bytes;
  for (v1::PayloadFrame& payload : *entries.mutable_payloads()) {
    if (absl::Status status = TakePayload(std::move(payload), &frame, now); !status.ok()) return status;
  }
  for (const auto& [id, log] : logs_) {
    if (log.held.size() <= merkle::kBlockLeaves) continue;
    return Misplaced(fmt::format("{} headers of log {} without payloads", log.held.size(), log.log->origin()));
  }
  if (frame.entries.empty()) {
    credit_due_ += bytes;
    // Only the newest checkpoint of a log is worth keeping for a later frame.
    std::set<LogId> newer;
    std::reverse(checkpoints_.begin(), checkpoints_.end());
    std::erase_if(checkpoints_, [&newer](const VerifiedCheckpoint& c) { return !newer.insert(c.log).second; });
    std::reverse(checkpoints_.begin(), checkpoints_.end());
    return absl::OkStatus();
  }
  frame.checkpoints = std::exchange(checkpoints_, {});
  frames_.push_back(std::move(frame));
  return absl::OkStatus();
}

absl::Status Receiver::TakeCheckpoint(LogIn* log, const std::string& note, absl::Time now) {
  auto opened = OpenCheckpoint(*log->log, note);
  if (!opened.ok()) {
    Refuse(log, opened.status(), now);
    return absl::OkStatus();
  }
  const VerifiedCheckpoint& checkpoint = *opened;
  // A sender goes back to a smaller one only for what it had not proven by the larger.
  if (log->checkpoint && checkpoint.size < log->checkpoint->size && checkpoint.size <= log->brought) {
    Refuse(log,
           LogError(Reason::kPeerProtocol, *log->log,
                    fmt::format("a checkpoint of size {} after one of size {}", checkpoint.size.value(), log->checkpoint->size.value())),
           now);
    return absl::OkStatus();
  }
  bool forked = log->checkpoint && checkpoint.size == log->checkpoint->size && checkpoint.root != log->checkpoint->root;
  if (!forked && checkpoint.size <= log->applied) {
    auto contradicts = Contradicts(checkpoint);
    if (!contradicts.ok()) return contradicts.status();
    forked = *contradicts;
  }
  if (forked) {
    RefuseForked(log, checkpoint, fmt::format("two histories of size {}", checkpoint.size.value()), now);
    return absl::OkStatus();
  }
  log->checkpoint = checkpoint;
  checkpoints_.push_back(checkpoint);
  return absl::OkStatus();
}

absl::Status Receiver::TakePackage(v1::HeaderPackage package, absl::Time now) {
  auto found = logs_.find(LogId(package.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("headers of the unknown log {}", package.log()));
  LogIn& log = found->second;
  if (!log.Open()) return absl::OkStatus();
  if (!package.checkpoint().empty()) {
    absl::Status status = TakeCheckpoint(&log, package.checkpoint(), now);
    if (!status.ok() || !log.Open()) return status;
  }
  if (!log.checkpoint) return Misplaced("headers without a checkpoint of log " + log.log->origin());

  const uint64_t first = package.first();
  const uint64_t count = static_cast<uint64_t>(package.headers_size());
  const uint64_t size = log.checkpoint->size.value();
  if (count == 0 || first >= size || count > size - first) {
    return Misplaced(fmt::format("{} headers from {} under a checkpoint of size {} of log {}", count, first, size, log.log->origin()));
  }
  const uint64_t end = first + count;
  const uint64_t block = first / merkle::kBlockLeaves;
  const uint64_t block_start = block * merkle::kBlockLeaves;
  const uint64_t block_end = std::min(block_start + merkle::kBlockLeaves, size);
  if (end > block_end || static_cast<size_t>(package.rest_size()) != merkle::RestCount(end - block_start, block_end - block_start)) {
    return Misplaced(fmt::format("headers [{}, {}) of log {} are not the rest of a block", first, end, log.log->origin()));
  }
  log.brought = std::max(log.brought, Seq(end));
  const uint64_t next = log.HeadersEnd().value();
  if (end <= next) return absl::OkStatus();  // came by another way
  if (first > next) return Misplaced(fmt::format("headers from {} before {}", first, EntryOf(*log.log, next)));

  // The block's leaves: those held before `first`, then the package's.
  if (log.block != block) {
    log.block = block;
    log.leaves.clear();
  }
  if (const uint64_t have = block_start + log.leaves.size(); have < next) {
    auto headers = source_->ReadHeaders(log.log->id, Seq(have), Seq(next));
    if (!headers.ok()) return headers.status();
    for (const std::string& header : *headers) log.leaves.push_back(merkle::LeafHash(header));
  }
  std::vector<Digest> leaves(log.leaves.begin(), log.leaves.begin() + static_cast<ptrdiff_t>(first - block_start));
  for (const std::string& header : package.headers()) leaves.push_back(merkle::LeafHash(header));
  const auto proof = DigestsOf(package.proof());
  const auto rest = DigestsOf(package.rest());
  if (!proof || !rest) {
    Refuse(&log, LogError(Reason::kSignatureInvalid, *log.log, fmt::format("the proof of headers [{}, {}) is malformed", first, end)), now);
    return absl::OkStatus();
  }
  const Digest block_root = merkle::BlockRoot(leaves, block_end - block_start, *rest);
  if (absl::Status status = merkle::VerifyBlock(block_root, block, size, *proof, log.checkpoint->root); !status.ok()) {
    Refuse(
        &log,
        LogError(Reason::kSignatureInvalid, *log.log,
                 fmt::format("headers [{}, {}) are not of the checkpoint of size {}: {}", first, end, size, std::string(status.message()))),
        now);
    return absl::OkStatus();
  }
  for (uint64_t seq = first; seq < next; ++seq) {
    if (log.leaves[seq - block_start] == leaves[seq - block_start]) continue;
    RefuseForked(&log, *log.checkpoint, fmt::format("two entries {}", seq), now);
    return absl::OkStatus();
  }
  const Siblings siblings = SplitSiblings(block, BlocksOf(size), *proof);
  if (absl::Status status = CheckPrefix(&log, block, siblings.left, now); !status.ok() || !log.Open()) return status;

  auto proven = std::make_shared<ProvenHeaders>();
  proven->end = {*log.checkpoint, Seq(end), *rest};
  proven->end.rest.insert(proven->end.rest.end(), siblings.right.begin(), siblings.right.end());
  proven->first = Seq(next);
  proven->leaf_hashes.assign(leaves.begin() + static_cast<ptrdiff_t>(next - block_start), leaves.end());

  std::deque<HeldHeader> held;
  const uint64_t standing = log.log->Standing(Seq(end)).value();
  for (uint64_t seq = next; seq < standing; ++seq) {
    std::string& bytes = *package.mutable_headers(static_cast<int>(seq - first));
    auto header = DecodeHeader(bytes);
    const bool right = header.ok() && header->log == log.log->id && header->seq == Seq(seq);
    if (!right) {
      Refuse(&log,
             LogError(Reason::kSignatureInvalid, *log.log,
                      fmt::format("the header of entry {} is {}", seq,
                                  header.ok() ? "another entry's" : "malformed: " + std::string(header.status().message()))),
             now);
      return absl::OkStatus();
    }
    held.push_back({*std::move(header), std::move(bytes), proven});
  }
  if (end == block_start + merkle::kBlockLeaves) {
    log.prefix_blocks = block + 1;
    log.prefix_root = FoldLeft(block_root, siblings.left, 0);
  }
  log.leaves = std::move(leaves);
  if (log.held_end < Seq(next)) log.held.clear();
  std::move(held.begin(), held.end(), std::back_inserter(log.held));
  log.held_end = Seq(standing);
  return absl::OkStatus();
}

absl::Status Receiver::CheckPrefix(LogIn* log, uint64_t block, const std::vector<Digest>& left, absl::Time now) {
  if (block == 0) return absl::OkStatus();
  if (log->prefix_blocks != block) {
    // Not followed on this stream: then it is applied here, or the headers before this block would be missing.
    auto root = source_->RootAt(log->log->id, Seq(block * merkle::kBlockLeaves));
    if (!root.ok()) return root.status();
    log->prefix_blocks = block;
    log->prefix_root = *root;
  }
  if (!left.empty() && FoldLeft(left[0], left, 1) == log->prefix_root) return absl::OkStatus();
  RefuseForked(log, *log->checkpoint, fmt::format("two histories of size {}", block * merkle::kBlockLeaves), now);
  return absl::OkStatus();
}

absl::Status Receiver::TakePayload(v1::PayloadFrame payload, Frame* frame, absl::Time now) {
  ++info_.entries_received;
  auto found = logs_.find(LogId(payload.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("a payload of the unknown log {}", payload.log()));
  LogIn& log = found->second;
  if (!log.Open()) return absl::OkStatus();
  const Seq seq(payload.seq());
  if (seq < log.Wanted() || log.log->Voids(seq)) return absl::OkStatus();  // came by another way, or is void
  if (seq > log.Wanted()) return Misplaced(fmt::format("{} before entry {}", EntryOf(*log.log, seq.value()), log.Wanted().value()));
  if (seq >= log.held_end) return Misplaced(EntryOf(*log.log, seq.value()) + " before its header");
  while (log.held.front().header.seq < seq) log.held.pop_front();

  auto refuse = [&](const std::string& what) {
    Refuse(&log, LogError(Reason::kSignatureInvalid, *log.log, fmt::format("entry {}: {}", seq.value(), what)), now);
    return absl::OkStatus();
  };
  const HeldHeader& held = log.held.front();
  const bool due = held.header.audience.Includes(source_->site());
  std::optional<std::string> bytes;
  if (payload.withheld() && due) return refuse("withheld, though this site is in its audience");
  if (payload.withheld() && !payload.payload().empty()) return Misplaced(EntryOf(*log.log, seq.value()) + " is withheld and sent");
  if (!payload.payload().empty()) {
    // Its own site would not have written it, and not every site can keep it.
    if (payload.payload().size() > kPayloadBytesMax) {
      return refuse(fmt::format("the payload has {} bytes, and {} are allowed", payload.payload().size(), kPayloadBytesMax));
    }
    if (Sha256(payload.payload()) != held.header.payload_digest) return refuse("the payload is not the one its header names");
    // A payload that this site should not have is not kept.
    if (due) bytes = std::move(*payload.mutable_payload());
  }
  frame->entry_bytes += held.bytes.size() + (bytes ? bytes->size() : 0);
  frame->entries.push_back({{log.log->id, seq}, held.bytes, held.header, std::move(bytes), held.proof});
  log.held.pop_front();
  log.delivered = seq + 1;
  return absl::OkStatus();
}

}  // namespace fairlead::replication
