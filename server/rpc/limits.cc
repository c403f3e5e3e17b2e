#include "server/rpc/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr absl::Duration kPlaceRetry = absl::Seconds(1);  // nobody knows when a call or stream of the identity will end

absl::Status Reached(IdentityKind kind, std::string_view limit, int value, absl::Duration retry) {
  const std::string name = fmt::format("{}.{}", LimitsName(kind), limit);
  return RetryAfter(Error(Reason::kLimitReached,
                          fmt::format("{} of {} is reached; try again in {} ms", name, value,
                                      absl::ToInt64Milliseconds(absl::Ceil(retry, absl::Milliseconds(1)))),
                          {{"limit", name}, {"value", std::to_string(value)}}),
                    retry);
}

// What there is after `since`. A clock that was set back gives nothing.
double TokensAt(double tokens, absl::Duration since, double per_second, int burst) {
  const double more = std::max(absl::ToDoubleSeconds(since), 0.0) * per_second;
  return std::min(tokens + more, static_cast<double>(std::max(burst, 1)));
}
double PerSecond(int per_day) { return per_day / absl::ToDoubleSeconds(absl::Hours(24)); }
double TokensAt(double tokens, absl::Duration since, const KindLimits& limits) {
  return TokensAt(tokens, since, limits.calls_per_second, limits.burst);
}

}  // namespace

std::string_view KindName(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kNode:
      return "node";
    case IdentityKind::kOfficer:
      return "officer";
    case IdentityKind::kHq:
      return "hq";
    case IdentityKind::kPartner:
      return "partner";
    case IdentityKind::kGateway:
      return "gateway";
  }
  return "unknown";
}

std::string_view LimitsName(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kNode:
      return "limits.node";
    case IdentityKind::kOfficer:
    case IdentityKind::kHq:
      return "limits.staff";
    case IdentityKind::kPartner:
      return "limits.partner";
    case IdentityKind::kGateway:
      return "limits.gateway";
  }
  return "limits.unknown";
}

const KindLimits& Limits::Of(IdentityKind kind) const {
  switch (kind) {
    case IdentityKind::kNode:
      return options_.node;
    case IdentityKind::kOfficer:
    case IdentityKind::kHq:
      return options_.staff;
    case IdentityKind::kGateway:
      return options_.gateway;
    case IdentityKind::kPartner:
      break;
  }
  return options_.partner;
}

Limits::Account& Limits::AccountOf(const Identity& identity, absl::Time now) {
  if (const auto found = accounts_.find(identity.path); found != accounts_.end()) return found->second;
  if (accounts_.size() >= sweep_at_) Sweep(now);
  Account& account = accounts_[identity.path];
  account.limits = &Of(identity.kind);
  account.tokens = std::max(account.limits->burst, 1);
  account.filled = now;
  return account;
}

// An account without calls whose bucket is full is what a new one would be.
void Limits::Sweep(absl::Time now) {
  for (auto it = accounts_.begin(); it != accounts_.end();) {
    const Account& account = it->second;
    const bool full = TokensAt(account.tokens, now - account.filled, *account.limits) >= std::max(account.limits->burst, 1);
    it = account.calls == 0 && account.streams == 0 && account.refused == 0 && full ? accounts_.erase(it) : std::next(it);
  }
  sweep_at_ = std::max<size_t>(1024, 2 * accounts_.size());
}

absl::Status Limits::Take(const Identity& identity) {
  const KindLimits& limits = Of(identity.kind);
  if (limits.calls_per_second == 0) return absl::OkStatus();
  const absl::Time now = options_.now();
  absl::MutexLock lock(&mu_);
  Account& account = AccountOf(identity, now);
  account.tokens = TokensAt(account.tokens, now - account.filled, limits);
  account.filled = now;
  if (account.tokens >= 1) {
    account.tokens -= 1;
    return absl::OkStatus();
  }
  const double due = (1 - account.tokens + account.refused++) / limits.calls_per_second;
  return Reached(identity.kind, "calls_per_second", limits.calls_per_second, absl::Seconds(due));
}

void Limits::Told(const Identity& identity) {
  absl::MutexLock lock(&mu_);
  --accounts_.at(identity.path).refused;
}

absl::Status Limits::Enter(const Identity& identity, bool stream) {
  const KindLimits& limits = Of(identity.kind);
  const int max = stream ? limits.streams_max : limits.calls_max;
  absl::MutexLock lock(&mu_);
  Account& account = AccountOf(identity, options_.now());
  int& count = stream ? account.streams : account.calls;
  if (max != 0 && count >= max) return Reached(identity.kind, stream ? "streams_max" : "calls_max", max, kPlaceRetry);
  ++count;
  return absl::OkStatus();
}

void Limits::Leave(const Identity& identity, bool stream) {
  absl::MutexLock lock(&mu_);
  Account& account = accounts_.at(identity.path);
  --(stream ? account.streams : account.calls);
}

Limits::Submissions& Limits::Filled(const std::string& whose, int per_day, absl::Time now) {
  Submissions& own = submissions_.try_emplace(whose, Submissions{static_cast<double>(per_day), now}).first->second;
  own.tokens = TokensAt(own.tokens, now - own.filled, PerSecond(per_day), per_day);
  own.filled = now;
  return own;
}

absl::Status Limits::TakeSubmission(const Identity& system, size_t bytes) {
  const int per_day = options_.submissions_per_day;
  const int share = (per_day + 1) / 2;
  if (per_day == 0) return absl::OkStatus();
  const absl::Time now = options_.now();
  absl::MutexLock lock(&mu_);
  Submissions& of_nation = Filled(system.scope, per_day, now);
  Submissions& of_system = Filled(system.path, share, now);
  if (of_nation.tokens < 1 || of_system.tokens < 1) {
    const double due = std::max((1 - of_nation.tokens) / PerSecond(per_day), (1 - of_system.tokens) / PerSecond(share));
    return Reached(IdentityKind::kPartner, "submissions_per_day", per_day, absl::Seconds(due));
  }
  for (Submissions* own : {&of_nation, &of_system}) own->tokens -= static_cast<double>(1 + bytes / kSubmissionUnitBytes);
  return absl::OkStatus();
}

size_t Limits::size() const {
  absl::MutexLock lock(&mu_);
  return accounts_.size();
}

}  // namespace fairlead::rpc
