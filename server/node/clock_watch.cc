#include "server/node/clock_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace fairlead::node {
namespace {

constexpr size_t kDissentersMin = 2;

}  // namespace

void ClockWatch::Heard(const std::string& peer, absl::Time theirs, absl::Duration rtt) {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mu_);
  answers_[peer] = {.ahead = theirs - (now - rtt / 2), .doubt = rtt / 2, .heard = now};
}

std::string ClockWatch::Disagreement() const {
  const absl::Time now = clock_->Now();
  size_t heard = 0;
  size_t dissenters = 0;
  std::string who;
  absl::MutexLock lock(&mu_);
  for (const auto& [peer, answer] : answers_) {
    // Heard before a jump of this clock, an answer is as old as one heard long ago.
    if (absl::AbsDuration(now - answer.heard) > heard_within_) continue;
    ++heard;
    if (absl::AbsDuration(answer.ahead) - answer.doubt <= bound_) continue;
    ++dissenters;
    who += fmt::format("{}{} {} ms {}", who.empty() ? "" : ", ", peer, absl::ToInt64Milliseconds(absl::AbsDuration(answer.ahead)),
                       answer.ahead > absl::ZeroDuration() ? "ahead" : "behind");
  }
  if (dissenters < kDissentersMin || 2 * dissenters <= heard) return "";
  return fmt::format("this node's clock disagrees with {} of {} peers: {}", dissenters, heard, who);
}

void ClockWatch::Report() {
  const std::string disagreement = Disagreement();
  absl::MutexLock lock(&mu_);
  if (disagreement.empty() != reported_) return;
  reported_ = !disagreement.empty();
  if (reported_) {
    spdlog::error("no writes are taken: {}", disagreement);
  } else {
    spdlog::info("this node's clock agrees with its peers again: writes are taken");
  }
}

}  // namespace fairlead::node
