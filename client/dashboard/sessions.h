// Who is signed in at the gateway.
//
// A session begins with a verified client certificate or, in a demonstration on loopback, with a one-time link. Its secret is the cookie;
// a second secret, which only the gateway's own page can read, must come with every request that is not a plain read (CSRF). A session
// ends when it is old, when nothing has used it for a while, or when it is closed. Secrets are kept as their digests only, and looked up by
// them, so that neither a dump nor a comparison's timing tells one.
//
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_SESSIONS_H_
#define FAIRLEAD_CLIENT_DASHBOARD_SESSIONS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::dashboard {

struct SessionOptions {
  absl::Duration idle = absl::Minutes(30);        // without a request or an open page
  absl::Duration lifetime = absl::Hours(8);       // a watch
  absl::Duration link_lifetime = absl::Hours(1);  // of a one-time link
  size_t sessions_max = 1000;
  std::function<absl::Time()> now = absl::Now;
};

struct Session {
  std::string viewer;      // "officer/apac/watch"
  std::string binding;     // digest of the certificate that it began with; empty for a link
  std::string csrf;        // to be presented with a request that does something
  std::string token;       // consistency token of its newest write; empty before one
  absl::Time expire_time;  // whatever happens
};

class Sessions {
 public:
  explicit Sessions(SessionOptions options = {}) : options_(std::move(options)) {}

  // Begins a session and gives its secret. RESOURCE_EXHAUSTED (OVERLOADED) when there are too many.
  absl::StatusOr<std::string> Open(const std::string& viewer, const std::string& binding);
  // The session of this secret, which it takes as a use; nullopt when there is none or it has ended.
  std::optional<Session> Find(std::string_view secret);
  void SetToken(std::string_view secret, const std::string& token);
  void Close(std::string_view secret);

  // A secret that opens one session for `viewer`, once, within its lifetime.
  std::string NewLink(const std::string& viewer);
  // The viewer, when the link is good; it is not any more afterwards.
  std::optional<std::string> RedeemLink(std::string_view secret);

 private:
  struct Kept {
    Session session;
    absl::Time used;
  };
  struct Link {
    std::string viewer;
    absl::Time expire_time;
  };

  bool Ended(const Kept& kept, absl::Time now) const;

  const SessionOptions options_;
  absl::Mutex mu_;
  std::map<std::string, Kept> sessions_ ABSL_GUARDED_BY(mu_);  // by digest of the secret
  std::map<std::string, Link> links_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_SESSIONS_H_
