#include "server/rpc/consistency.h"

#include <optional>
#include <utility>

#include "api/bytes.h"
#include "api/entry.h"
#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kPurpose = "consistency";

std::string EncodeVector(const VersionVector& vector) {
  std::string out;
  PutVarint(&out, vector.entries().size());
  for (const auto& [log, size] : vector.entries()) {
    PutVarint(&out, log.value());
    PutVarint(&out, size.value());
  }
  return out;
}

std::optional<VersionVector> DecodeVector(std::string_view bytes) {
  Reader reader(bytes);
  const uint64_t n = reader.Varint();
  if (n > kDepsMax) return std::nullopt;
  VersionVector vector;
  for (uint64_t i = 0; i < n && reader.ok(); ++i) {
    const uint64_t log = reader.Varint();
    vector.Set(LogId(static_cast<uint32_t>(log)), Seq(reader.Varint()));
  }
  if (!reader.Done()) return std::nullopt;
  return vector;
}

}  // namespace

Consistency::Consistency(node::Node* node, const Sealer* sealer)
    : node_(node), sealer_(sealer), waiting_([node] { return node->Applied(); }) {
  listener_ = node_->AddJournalListener([this](Position) { waiting_.Look(); });
}

Consistency::~Consistency() { node_->RemoveJournalListener(listener_); }

std::string Consistency::Token() const {
  // Of the main logs alone: the others hold no cause of what people read, and there may be very many.
  const VersionVector applied = node_->Applied();
  VersionVector main;
  for (const RosterLog& log : node_->roster().logs()) {
    if (log.stream == kMainStream) main.Set(log.id, applied.Get(log.id));
  }
  absl::MutexLock lock(&mu_);
  if (token_.empty() || sealed_ != main) {
    token_ = sealer_->Seal(kPurpose, EncodeVector(main));
    sealed_ = std::move(main);
  }
  return token_;
}

uint64_t Consistency::Await(std::string_view token, absl::Time deadline, std::function<void(absl::Status)> done) {
  const std::optional<std::string> content = sealer_->Open(kPurpose, token);
  std::optional<VersionVector> wanted = content ? DecodeVector(*content) : std::nullopt;
  if (!wanted) {
    done(FieldError(Reason::kFieldInvalid, kConsistencyMetadata, "not a consistency token of this network"));
    return 0;
  }
  // What a closing has made void since is applied nowhere.
  const VersionVector named = *wanted;
  for (const auto& [log, size] : named.entries()) wanted->Set(log, node_->roster().Standing(log, size));
  if (node_->Applied().Covers(*wanted)) {
    done(absl::OkStatus());
    return 0;
  }
  return waiting_.Enter(
      [wanted = *std::move(wanted)](const VersionVector& applied) { return applied.Covers(wanted); }, AnswerTime(deadline),
      [done = std::move(done)](bool reached) {
        done(reached ? absl::OkStatus() : Error(Reason::kConsistencyTimeout, "this node has not applied what the consistency token names"));
      });
}

void Consistency::Leave(uint64_t wait) { waiting_.Leave(wait); }

}  // namespace fairlead::rpc
