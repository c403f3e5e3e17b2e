// The door of the node: every unary and server-streaming method of the product passes through one generic service.
//
// A table leads from a method's full name to its handler; requests are parsed with the generated descriptors, so that a new record type
// needs no code here. For each call, in this order: identity, its rate, for whom it calls (viewer.h) and the rate of that one, policy, the
// limits on what is in flight, one message of bounded size, whether this member of its site may answer it (forwarder.h), its parse (a
// partner's request with fields that its definition does not have is refused: it may be kept as it came), the caller's wish for durability
// and its consistency token, the handler. Every call is bounded in time: by the caller's deadline or else by a default one. Every error
// carries google.rpc.ErrorInfo, and every reply the consistency token of what it has seen.
//
// Thread safety: Handle* before the server starts, by one thread; after that any thread. Handlers run on gRPC's threads and may answer
// later from any thread. Ownership: borrows what its options point to; outlives the server it is registered with.

#ifndef FAIRLEAD_SERVER_RPC_DISPATCHER_H_
#define FAIRLEAD_SERVER_RPC_DISPATCHER_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/async_generic_service.h>

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rpc/basis.h"
#include "server/rpc/identity.h"
#include "server/rpc/limits.h"

namespace fairlead::rpc {

class Consistency;
class Forwarder;

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// One call, as its handler sees it.
class Call {
 public:
  std::string method;   // "fairlead.v1.ReferenceService/GetPort"
  Identity identity;    // who acts: the peer, or the viewer that a gateway vouches for
  std::string gateway;  // the path of that gateway; empty when the peer acts for itself
  absl::Time deadline;
  int replicas = 0;            // how many other sites shall hold what it writes (durability.h)
  bool has_token = false;      // it presented a consistency token: what that names is applied here
  std::optional<Basis> basis;  // of a change that keeps the one it was made upon (basis.h)
  std::string durability;      // trailing metadata of that name; set by the handler before it answers
  std::string submitted;       // the request's bytes as they came; of a partner's call only
  // The caller has gone or its time is up: nobody waits for the reply.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // Calls `fn` once the call has ended, however; at once when it has. Any thread.
  void OnEnd(std::function<void()> fn);

 private:
  friend class Dispatcher;
  void End();

  std::atomic<bool> cancelled_{false};
  absl::Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::function<void()>> on_end_ ABSL_GUARDED_BY(mu_);
};

// Called once. A reply that comes after the call has ended is dropped.
using Reply = std::function<void(absl::StatusOr<MessagePtr>)>;
// `request` is valid until the handler returns.
using UnaryHandler = std::function<void(std::shared_ptr<Call> call, const google::protobuf::Message& request, Reply reply)>;

// What a streaming method sends, pulled one message at a time: nothing is produced before the reader has room, so that a slow one
// costs no memory.
class Source {
 public:
  virtual ~Source() = default;
  // Asks for one more message. `ready` is called once, from any thread, perhaps before Next returns; null ends the stream well, an error
  // ends it with that error. One Next at a time.
  virtual void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) = 0;
  // The stream has ended: nothing is wanted any more. An outstanding `ready` need not be called. May come at any time, from any thread.
  virtual void Cancel() = 0;
};
using StreamHandler =
    std::function<absl::StatusOr<std::shared_ptr<Source>>(std::shared_ptr<Call> call, const google::protobuf::Message& request)>;

// What a call ends with whose handler threw: INTERNAL. The log has what was thrown, and by `what`.
absl::Status FaultOfProgram(std::string_view what, const std::exception& error);

inline constexpr size_t kSubjectCharsMax = 200;

// How a call ended, for metrics, logs and the audit. Of a stream that begins, what is known of it by then.
struct CallSummary {
  std::string_view method;  // "unknown" when the table has none such
  IdentityKind kind = IdentityKind::kPartner;
  grpc::StatusCode code = grpc::StatusCode::OK;
  absl::Duration elapsed;
  std::string limit;         // the setting by which it was refused, such as "limits.partner.calls_per_second"; else empty
  std::string_view caller;   // as Call::identity.path; valid during the call of on_stream or on_finish
  std::string_view gateway;  // as Call::gateway; likewise
  std::string_view subject;  // what the request named, as the caller wrote it, of up to kSubjectCharsMax characters; likewise
  bool passed_on = false;    // to the member that leads the site, which has its own summary of it
};

struct DispatcherOptions {
  std::string network;
  // Who calls; null: the identity of `network` that the handshake verified, without asking again.
  Identify identify;
  // Whether the identity may call the method ("fairlead.v1.ReferenceService/GetPort"); null refuses everything.
  std::function<absl::Status(const Identity&, std::string_view method)> authorize;
  Consistency* consistency = nullptr;  // null: no consistency tokens (tests)
  absl::Duration default_deadline = absl::Seconds(30);
  size_t request_bytes_max = 4 << 20;
  Limits* limits = nullptr;  // of each identity; null: none
  // Of a site of several machines: where calls go that only its leader answers; null: there is one machine.
  Forwarder* forwarder = nullptr;
  int unary_in_flight_max = 4096;
  int streams_max = 256;
  std::function<void(const CallSummary&)> on_stream;  // before a stream's first message is asked for; may be null
  std::function<void(const CallSummary&)> on_finish;  // may be null
};

class Dispatcher : public grpc::CallbackGenericService {
 public:
  explicit Dispatcher(DispatcherOptions options);
  ~Dispatcher() override;

  // `method` is "fairlead.v1.ReferenceService/GetPort". REQUIRES: a method of a linked proto, not handled yet; unary or server-streaming as
  // the call says.
  void Handle(std::string_view method, UnaryHandler handler);
  void HandleStream(std::string_view method, StreamHandler handler);

  // A handler of generated types that answers at once: absl::StatusOr<Response> fn(const Call&, const Request&).
  template <class Request, class Response, class Fn>
  void Unary(std::string_view method, Fn fn) {
    Handle(method, [fn = std::move(fn)](std::shared_ptr<Call> call, const google::protobuf::Message& request, Reply reply) {
      absl::StatusOr<Response> response = fn(*call, static_cast<const Request&>(request));
      if (!response.ok()) return reply(response.status());
      reply(std::make_unique<Response>(*std::move(response)));
    });
  }

  // Whether a method has a handler.
  bool Handles(std::string_view method) const;
  // Methods with a handler, sorted.
  std::vector<std::string> Methods() const;

  // Asks again who holds each stream and whether he may, and ends those refused with that error: for certificates that have ended or been
  // revoked, and for new roots. A stream that its reader holds up is cut at the second time.
  void Reauthorize();

  // Refuses new calls with SHUTTING_DOWN and ends the streams with it. Unary calls in flight go on.
  void Drain();
  // Waits until no call is in flight, or until `deadline`. REQUIRES: after Drain.
  void AwaitIdle(absl::Time deadline);
  int in_flight() const { return unary_in_flight_.load(); }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

 private:
  class Reactor;
  struct Entry {
    const google::protobuf::Message* request = nullptr;          // prototype
    const google::protobuf::Message* response = nullptr;         // likewise
    const google::protobuf::FieldDescriptor* subject = nullptr;  // of the request; null: it names nothing
    bool by_leader = false;                                      // of a site of several machines
    UnaryHandler unary;
    StreamHandler stream;
  };

  void Add(std::string_view method, Entry entry, bool streams);

  const DispatcherOptions options_;
  std::map<std::string, Entry, std::less<>> table_;
  std::atomic<int> unary_in_flight_{0};
  std::atomic<int> streams_{0};
  std::atomic<int> held_{0};  // refusals that wait to be told
  std::atomic<bool> draining_{false};
  absl::Mutex mu_;
  std::set<Reactor*> open_streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_DISPATCHER_H_
