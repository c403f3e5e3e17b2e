#include "server/etcd/member.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

namespace fairlead::etcd {
namespace {

// For others to stand for election: Step is called about five times a lease.
constexpr int kStepsAside = 10;

}  // namespace

Member::Member(Etcd* etcd, EtcdCommitLog* log, Options options)
    : log_(log), options_(std::move(options)), leadership_(etcd, options_.leadership) {}

void Member::Step() {
  const absl::Time now = options_.now();
  const bool gives_way = options_.gives_way && options_.gives_way();
  if (!std::exchange(gave_way_, gives_way)) steps_aside_ = kStepsAside;
  const bool aside = gives_way && steps_aside_ > 0;
  if (aside) --steps_aside_;
  const bool may_lead = (!options_.may_lead || options_.may_lead()) && !aside;
  if (log_->Term() != 0) {
    const absl::Status renewed = leadership_.Renew().status();
    if (renewed.ok()) renewed_ = told_ = now;
    const bool ended = absl::IsNotFound(renewed) || now - renewed_ > options_.leadership.ttl;
    if (ended || !may_lead || absl::IsAborted(log_->Confirm(now))) StepDown();
  }
  if (log_->Term() == 0) {
    absl::StatusOr<std::optional<Fence>> elected = std::nullopt;
    if (may_lead) {
      elected = leadership_.Campaign();
    } else if (absl::Status seen = leadership_.Look(); !seen.ok()) {
      elected = seen;
    }
    if (elected.ok() && *elected) {
      renewed_ = now;
      log_->SetFence(**elected);
      spdlog::info("this member of the site leads, in term {}", (*elected)->term);
    }
    if (elected.ok()) told_ = now;
    absl::MutexLock lock(&mu_);
    // Its address is still good to be tried: etcd may be out of this member's reach alone.
    if (now - told_ > options_.leadership.ttl) leader_.clear();
    if (elected.ok()) leader_address_ = leadership_.leader_address();
    if (elected.ok() && leader_ != leadership_.leader()) {
      leader_ = leadership_.leader();
      spdlog::info("the site's leader is {}", leader_);
    }
  }
  options_.wake();

  const Position durable = options_.durable();
  if ((!has_reported_ || durable != reported_) && log_->ReportDurable(durable).ok()) {
    has_reported_ = true;
    reported_ = durable;
  }
  // What nobody else lacks this member may, until it has said what it has.
  if (!has_reported_ || log_->Term() == 0 || now - trimmed_ < options_.trim_interval) return;
  trimmed_ = now;
  if (const auto begins = log_->Trim(); !begins.ok() && !absl::IsAborted(begins.status())) {
    spdlog::warn("the site's commit log could not be trimmed: {}", std::string(begins.status().message()));
  }
}

void Member::StepDown() {
  log_->SetFence(std::nullopt);
  leadership_.Resign().IgnoreError();  // else the lease ends by itself
  spdlog::info("this member of the site leads no more");
}

void Member::Leave() {
  if (log_->Term() != 0) StepDown();
}

std::string Member::leader() const {
  absl::MutexLock lock(&mu_);
  return leader_;
}

std::string Member::leader_address() const {
  absl::MutexLock lock(&mu_);
  return leader_address_;
}

}  // namespace fairlead::etcd
