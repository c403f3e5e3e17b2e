// The web server of fairlead-dashboard.
//
//   GET  /, /assets/...                 the page; it holds no data
//   GET  /open?link=SECRET              loopback only: redeems a one-time link and goes on to the page
//   GET  /api/session                   who is signed in: {"viewer", "network", "csrf", "expireTime", "sites"}; with a client certificate,
//                                       begins the session
//   POST /api/close                     ends it
//   POST /api/call/{Service}/{Method}   one call of json_calls.h, in the viewer's name; ?site=SITE asks that node and no other
//   GET  /api/events                    what changes, as server-sent events (live.h)
//
// A request of the API needs the session's cookie and, when it does something (POST), the session's CSRF value in `x-fairlead-csrf`. A
// request that a browser says comes from another site is refused, and on loopback one for another host name, too (DNS rebinding). Errors
// are {"error": {...}} of json_calls.h. Nothing is taken from, or sent to, any other host: the content security policy says so to the
// browser.
//
// Thread safety: any thread. Ownership: owns its server; borrows the client and outlives nothing that it started.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_GATEWAY_H_
#define FAIRLEAD_CLIENT_DASHBOARD_GATEWAY_H_

#include <absl/status/statusor.h>
#include <httplib.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "client/connection.h"
#include "client/dashboard/assets.h"
#include "client/dashboard/live.h"
#include "client/dashboard/sessions.h"
#include "client/dashboard/viewer_certificate.h"
#include "client/dashboard/viewer_trust.h"

namespace fairlead::dashboard {

struct TlsFiles {
  std::string certificate;  // PEM, leaf first
  std::string key;          // PEM
  std::string client_ca;    // PEM: the authorities of the viewers' certificates, which may change
  std::string client_crl;   // PEM: their revocation lists, which may change; empty: `crl.pem` beside `client_ca`
};

struct GatewayOptions {
  std::string host = "127.0.0.1";
  int port = 0;                 // 0: any free one
  std::optional<TlsFiles> tls;  // none: plain HTTP on loopback, one-time links in place of certificates
  ViewerMap viewers;
  SessionOptions sessions;
  LiveOptions live;
  int streams_max = 64;   // open pages
  int threads_max = 256;  // a stream takes one, and so does a connection that is kept alive: a few seconds, six for a browser
  // Called once, by a thread of the gateway's, when it listens no more though nobody ended it, as when the machine has no memory for a
  // connection; may be null.
  std::function<void()> on_failure;
};

class Gateway {
 public:
  // Listens. INVALID_ARGUMENT names the option: without TLS the host must be a loopback address; UNAVAILABLE when the port is taken.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(GatewayOptions options, client::Client* client, Assets assets);
  // Ends every stream and stops listening.
  ~Gateway();

  int port() const { return port_; }
  // "http://127.0.0.1:7480".
  std::string address() const;
  // An address that signs its first visitor in as `viewer`. REQUIRES: no TLS.
  std::string OneTimeAddress(const std::string& viewer);

 private:
  struct SignedIn {
    std::string secret;
    Session session;
  };

  Gateway(GatewayOptions options, client::Client* client, Assets assets);
  void Route();
  absl::Status CheckOrigin(const httplib::Request& request) const;
  // The session of the request. UNAUTHENTICATED (IDENTITY_MISSING) without one.
  absl::StatusOr<SignedIn> SignIn(const httplib::Request& request);
  // The certificate of the request's connection and what was sent with it; null without TLS.
  static std::shared_ptr<STACK_OF(X509)> PeerOf(const httplib::Request& request);
  absl::StatusOr<ViewerCertificate> Identify(STACK_OF(X509) * chain);
  std::string CookieFrom(const httplib::Request& request) const;
  std::string CookieFor(const std::string& secret) const;

  void ServeAsset(const httplib::Request& request, httplib::Response& response) const;
  void OpenLink(const httplib::Request& request, httplib::Response& response);
  void DescribeSession(const httplib::Request& request, httplib::Response& response);
  void CloseSession(const httplib::Request& request, httplib::Response& response);
  void MakeCall(const httplib::Request& request, httplib::Response& response);
  void StreamEvents(const httplib::Request& request, httplib::Response& response);

  const GatewayOptions options_;
  client::Client* const client_;
  const Assets assets_;
  Sessions sessions_;
  NodePolls polls_;
  std::unique_ptr<ViewerTrust> trust_;  // null without TLS
  std::atomic<int> streams_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};  // the listener
  int port_ = 0;
  std::unique_ptr<httplib::Server> server_;
  std::thread listener_;
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_GATEWAY_H_
