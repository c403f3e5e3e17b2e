#include "server/rpc/consistency.h"

#include <absl/time/clock.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "api/bytes.h"
#include "api/entry.h"
#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kPurpose = "consistency";
// How long before the deadline a wait is given up: at most this, and at most a tenth of what is left.
constexpr absl::Duration kAnswerMargin = absl::Milliseconds(100);

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

struct Consistency::Waiter {
  VersionVector wanted;
  std::function<void(absl::Status)> done;
  grpc::Alarm alarm;
  bool reached = false;  // guarded by Consistency::mu_
};

Consistency::Consistency(node::Node* node, const Sealer* sealer) : node_(node), sealer_(sealer) {
  listener_ = node_->AddJournalListener([this](Position) { OnJournal(); });
}

Consistency::~Consistency() {
  node_->RemoveJournalListener(listener_);
  absl::MutexLock lock(&mu_);
  for (const auto& waiter : waiters_) waiter->alarm.Cancel();
  mu_.Await(absl::Condition(
      +[](std::set<std::shared_ptr<Waiter>>* waiters) { return waiters->empty(); }, &waiters_));
}

std::string Consistency::Token() const { return sealer_->Seal(kPurpose, EncodeVector(node_->Applied())); }

void Consistency::Await(std::string_view token, absl::Time deadline, std::function<void(absl::Status)> done) {
  const std::optional<std::string> content = sealer_->Open(kPurpose, token);
  std::optional<VersionVector> wanted = content ? DecodeVector(*content) : std::nullopt;
  if (!wanted) return done(FieldError(Reason::kFieldInvalid, kConsistencyMetadata, "not a consistency token of this network"));
  if (node_->Applied().Covers(*wanted)) return done(absl::OkStatus());
  auto waiter = std::make_shared<Waiter>();
  waiter->wanted = *std::move(wanted);
  waiter->done = std::move(done);
  const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
  const absl::Time until = deadline - std::min(kAnswerMargin, left / 10);
  absl::MutexLock lock(&mu_);
  waiters_.insert(waiter);
  waiter->alarm.Set(absl::ToChronoTime(until), [this, weak = std::weak_ptr<Waiter>(waiter)](bool) {
    // `waiters_` keeps the waiter until this has run; an alarm keeps its function, so it may not keep the waiter.
    if (auto alive = weak.lock()) OnAlarm(alive);
  });
  // What was applied between the look above and the insertion has woken nobody.
  if (node_->Applied().Covers(waiter->wanted)) {
    waiter->reached = true;
    waiter->alarm.Cancel();
  }
}

void Consistency::OnJournal() {
  absl::MutexLock lock(&mu_);
  if (waiters_.empty()) return;
  const VersionVector applied = node_->Applied();
  for (const auto& waiter : waiters_) {
    if (waiter->reached || !applied.Covers(waiter->wanted)) continue;
    waiter->reached = true;
    waiter->alarm.Cancel();
  }
}

void Consistency::OnAlarm(const std::shared_ptr<Waiter>& waiter) {
  bool reached;
  {
    absl::MutexLock lock(&mu_);
    reached = waiter->reached;
  }
  waiter->done(reached ? absl::OkStatus()
                       : Error(Reason::kConsistencyTimeout, "this node has not applied what the consistency token names"));
  absl::MutexLock lock(&mu_);
  waiters_.erase(waiter);
}

}  // namespace fairlead::rpc
