// How much one identity may ask of a node: calls per second (a token bucket), calls at a time, streams at a time; by kind of identity. And
// how much a partner nation may have kept of what its systems submit.
//
// Each identity has its own account, so that one that floods spends its own allowance and nobody else's. A call that a gateway makes is its
// own and its viewer's; one that a member of the site passes on is its caller's (dispatcher.cc). A refusal names the setting that was
// reached and when to try again.
//
// Thread safety: any thread. Ownership: owns its accounts; one that is idle and full again is forgotten.

#ifndef FAIRLEAD_SERVER_RPC_LIMITS_H_
#define FAIRLEAD_SERVER_RPC_LIMITS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/rpc/identity.h"

namespace fairlead::rpc {

// 0: no such limit.
struct KindLimits {
  int calls_per_second = 0;
  int burst = 0;  // calls that may come at once after a silence; at least 1 where there is a rate
  int calls_max = 0;
  int streams_max = 0;
};

// A submission counts once, and once more for each of these that it has.
inline constexpr size_t kSubmissionUnitBytes = 8 << 10;

struct LimitOptions {
  KindLimits partner, staff, gateway, node;  // staff: officers and hq
  int submissions_per_day = 0;               // of a nation, all its systems together; half of them of one; as many may come at once
  std::function<absl::Time()> now = [] { return absl::Now(); };
};

class Limits {
 public:
  explicit Limits(LimitOptions options) : options_(std::move(options)) {}

  // Takes one call from the identity's rate. LIMIT_REACHED with RetryInfo: when a call is due to it, after those whose refusals have not
  // been told yet. Told says that this one has been.
  absl::Status Take(const Identity& identity);
  void Told(const Identity& identity);
  // Takes a place for a call or a stream, which Leave gives back. LIMIT_REACHED, and then there is nothing to give back.
  absl::Status Enter(const Identity& identity, bool stream);
  void Leave(const Identity& identity, bool stream);

  // Takes a submission that is to be kept from the nation's rate, of which half is the most that one of its systems has. LIMIT_REACHED with
  // RetryInfo.
  absl::Status TakeSubmission(const Identity& system, size_t bytes);

  // Identities that are remembered.
  size_t size() const;

 private:
  struct Submissions {
    double tokens = 0;  // below 0 after a large one
    absl::Time filled;
  };
  struct Account {
    const KindLimits* limits = nullptr;
    double tokens = 0;
    absl::Time filled;  // when `tokens` was true
    int refused = 0;    // and not told yet
    int calls = 0;
    int streams = 0;
  };

  // A bucket as it is now.
  Submissions& Filled(const std::string& whose, int per_day, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const KindLimits& Of(IdentityKind kind) const;
  Account& AccountOf(const Identity& identity, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Sweep(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const LimitOptions options_;
  mutable absl::Mutex mu_;
  std::unordered_map<std::string, Account> accounts_ ABSL_GUARDED_BY(mu_);  // by identity
  size_t sweep_at_ ABSL_GUARDED_BY(mu_) = 1024;
  std::unordered_map<std::string, Submissions> submissions_ ABSL_GUARDED_BY(mu_);  // by nation and by system, of which there are few
};

// "partner", "officer", ...: the first part of an identity.
std::string_view KindName(IdentityKind kind);
// How the settings call its limits: "limits.partner", "limits.staff", ...
std::string_view LimitsName(IdentityKind kind);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_LIMITS_H_
