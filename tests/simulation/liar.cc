#include "tests/simulation/liar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/merkle.h"
#include "api/note.h"

namespace fairlead::simulation {

namespace {

constexpr size_t kNotesMax = 64;  // of one log

}  // namespace

Liar::Liar(Random random) : random_(std::move(random)), key_(*SigningKey::FromSeed(random_.Bytes(32))) {}

void Liar::Flip(std::string* bytes) {
  if (bytes->empty()) {
    *bytes = random_.Bytes(1 + random_.Below(40));
  } else {
    (*bytes)[random_.Below(bytes->size())] ^= static_cast<char>(1 + random_.Below(255));
  }
}

std::string Liar::AnotherNote(const Roster& roster, uint32_t log, const std::string& note) {
  std::string other = note;
  std::vector<std::string>& seen = notes_[log];
  switch (random_.Below(3)) {
    case 0:
      if (!seen.empty()) return random_.Of(seen);
      [[fallthrough]];
    case 1:
      Flip(&other);
      return other;
    default: {
      // Signed by the liar's key under the log's name, over a root of its own.
      const RosterLog* roster_log = roster.FindLog(LogId(log));
      if (roster_log == nullptr) return other;
      Digest root{};
      const std::string bytes = random_.Bytes(root.size());
      std::copy(bytes.begin(), bytes.end(), root.begin());
      const std::string text = note::CheckpointText({roster_log->origin(), random_.Below(300), root});
      return note::Format({text, {note::Sign(roster_log->origin(), key_, text)}});
    }
  }
}

void Liar::TwistStates(const Roster& roster, google::protobuf::RepeatedPtrField<v1::LogState>* states) {
  if (states->empty()) return;
  v1::LogState& state = *states->Mutable(static_cast<int>(random_.Below(static_cast<uint64_t>(states->size()))));
  switch (random_.Below(4)) {
    case 0:
      Flip(state.mutable_root());
      break;
    case 1:
      state.set_size(state.size() + random_.Below(1000));
      break;
    case 2:
      state.set_log(static_cast<uint32_t>(1 + random_.Below(roster.logs().size() + 1)));
      break;
    default:
      states->RemoveLast();
  }
}

void Liar::HoldBackLast(v1::HeaderPackage* package) {
  auto parsed = note::Parse(package->checkpoint());
  auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
  if (!checkpoint.ok() || package->headers_size() == 0) return;
  const uint64_t start = package->first() - package->first() % merkle::kBlockLeaves;
  const uint64_t held = package->first() + static_cast<uint64_t>(package->headers_size()) - start;
  merkle::Prefix prefix{held, std::min(merkle::kBlockLeaves, checkpoint->size - start), {}};
  for (const std::string& digest : package->rest()) std::copy(digest.begin(), digest.end(), prefix.rest.emplace_back().begin());
  prefix = merkle::Shorten(prefix, held - 1, {merkle::LeafHash(package->headers().rbegin()[0])});
  package->mutable_headers()->RemoveLast();
  package->clear_rest();
  for (const Digest& digest : prefix.rest) package->add_rest(std::string(AsView(digest)));
}

void Liar::TwistEntries(const Roster& roster, v1::Entries* entries) {
  if (entries->packages_size() > 0 && random_.OneIn(2)) {
    const int index = static_cast<int>(random_.Below(static_cast<uint64_t>(entries->packages_size())));
    v1::HeaderPackage& package = *entries->mutable_packages(index);
    switch (random_.Below(8)) {
      case 0:
        Flip(package.mutable_headers(static_cast<int>(random_.Below(static_cast<uint64_t>(package.headers_size())))));
        return;
      case 1:
        if (package.proof_size() > 0) return Flip(package.mutable_proof(0));
        package.add_proof(random_.Bytes(32));
        return;
      case 2:
        package.set_checkpoint(AnotherNote(roster, package.log(), package.checkpoint()));
        return;
      case 3:
        package.set_first(package.first() + random_.Below(3));
        return;
      case 4:
        package.mutable_headers()->RemoveLast();
        return;
      case 5:
        if (package.rest_size() > 0) return Flip(package.mutable_rest(0));
        package.add_rest(random_.Bytes(32));
        return;
      case 6:
        return HoldBackLast(&package);
      default:
        entries->mutable_packages()->DeleteSubrange(index, 1);
        return;
    }
  }
  if (entries->payloads_size() == 0) return;
  const int index = static_cast<int>(random_.Below(static_cast<uint64_t>(entries->payloads_size())));
  v1::PayloadFrame& payload = *entries->mutable_payloads(index);
  switch (random_.Below(6)) {
    case 0:
      return Flip(payload.mutable_payload());
    case 1:
      payload.clear_payload();
      payload.set_withheld(true);
      return;
    case 2: {  // drops a log
      const uint32_t log = payload.log();
      for (int i = entries->payloads_size() - 1; i >= 0; --i) {
        if (entries->payloads(i).log() == log) entries->mutable_payloads()->DeleteSubrange(i, 1);
      }
      return;
    }
    case 3:
      entries->mutable_payloads()->SwapElements(0, index);
      return;
    case 4:
      entries->set_journal_position(random_.Below(2) == 0 ? entries->journal_position() + random_.Below(1000) : random_.Below(1000));
      return;
    default:
      payload.set_seq(payload.seq() + random_.Below(3));
  }
}

bool Liar::Twist(const Roster& roster, v1::ReplicateResponse* message) {
  for (const v1::HeaderPackage& package : message->entries().packages()) {
    if (!package.checkpoint().empty() && notes_[package.log()].size() < kNotesMax) notes_[package.log()].push_back(package.checkpoint());
  }
  if (message->has_cosignature()) {
    std::vector<std::string>& seen = notes_[message->cosignature().log()];
    if (seen.size() < kNotesMax) seen.push_back(message->cosignature().note());
  }
  if (!random_.OneIn(3)) return true;
  switch (message->message_case()) {
    case v1::ReplicateResponse::kEntries:
      TwistEntries(roster, message->mutable_entries());
      return true;
    case v1::ReplicateResponse::kCosignature: {
      v1::Cosignature& cosignature = *message->mutable_cosignature();
      cosignature.set_note(AnotherNote(roster, cosignature.log(), cosignature.note()));
      return true;
    }
    case v1::ReplicateResponse::kWelcome:
      TwistStates(roster, message->mutable_welcome()->mutable_logs());
      return true;
    case v1::ReplicateResponse::kHeartbeat: {
      if (random_.OneIn(2)) {
        TwistStates(roster, message->mutable_heartbeat()->mutable_logs());
        return true;
      }
      // A fork that is none.
      const uint32_t log = static_cast<uint32_t>(1 + random_.Below(roster.logs().size()));
      v1::Fork& fork = *message->mutable_fork();
      fork.set_log(log);
      fork.set_size(random_.Below(100));
      fork.set_root(random_.Bytes(32));
      fork.set_checkpoint(AnotherNote(roster, log, notes_[log].empty() ? std::string() : notes_[log].back()));
      return true;
    }
    default:
      return !random_.OneIn(4);
  }
}

bool Liar::Twist(const Roster& roster, v1::ReplicateRequest* message) {
  if (!random_.OneIn(10)) return true;
  switch (message->message_case()) {
    case v1::ReplicateRequest::kHello:
      TwistStates(roster, message->mutable_hello()->mutable_logs());
      return true;
    case v1::ReplicateRequest::kHave:
      TwistStates(roster, message->mutable_have()->mutable_logs());
      return true;
    case v1::ReplicateRequest::kCosignature: {
      v1::Cosignature& cosignature = *message->mutable_cosignature();
      cosignature.set_note(AnotherNote(roster, cosignature.log(), cosignature.note()));
      return true;
    }
    default:
      return true;
  }
}

}  // namespace fairlead::simulation
