#include "server/rpc/forwarder.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "server/rpc/consistency.h"
#include "server/rpc/durability.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

constexpr int kMessageBytesMax = 16 << 20;
constexpr absl::Duration kPingTimeout = absl::Seconds(3);
constexpr std::string_view kPackage = "fairlead.v1.";
constexpr std::string_view kOwnMetadata = "fairlead-";

template <size_t N>
bool StartsWithOneOf(std::string_view text, const std::array<std::string_view, N>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) { return text.starts_with(prefix); });
}

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

// What the caller asked beside the request, and for whom the call is.
void Copy(const Call& call, const Metadata& metadata, grpc::ClientContext* context) {
  for (const auto& [key, value] : metadata) {
    const std::string_view name = View(key);
    if (!name.starts_with(kOwnMetadata) || name == kViewerMetadata) continue;
    context->AddMetadata(std::string(name), std::string(View(value)));
  }
  context->AddMetadata(kCallerMetadata, call.identity.path);
  if (!call.gateway.empty()) context->AddMetadata(kCallerGatewayMetadata, call.gateway);
  if (call.deadline != absl::InfiniteFuture()) context->set_deadline(absl::ToChronoTime(call.deadline));
}

std::string Trailing(const grpc::ClientContext& context, const char* key) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : std::string(View(found->second));
}

}  // namespace

bool AnsweredByLeader(std::string_view method) {
  if (!method.starts_with(kPackage)) return false;
  method.remove_prefix(kPackage.size());
  // A partner's reads leave receipts; proofs need signatures; overviews and contents, what peers tell of themselves.
  static constexpr std::array<std::string_view, 4> kLeaders = {"ExchangeService/", "LogService/", "OverviewService/", "ContentService/"};
  if (StartsWithOneOf(method, kLeaders) || method == "AttachmentService/GetUpload") return true;
  // What a node has of its own.
  if (method.starts_with("NodeService/") && method.ends_with("Backup")) return false;
  static constexpr std::array<std::string_view, 8> kReads = {"Get", "List", "Watch", "Search", "Query", "Preview", "Advise", "Download"};
  return !StartsWithOneOf(method.substr(method.find('/') + 1), kReads);
}

absl::StatusOr<std::optional<PassedOn>> PassedOnBy(const Identity& peer, const Metadata& metadata, std::string_view network,
                                                   std::string_view site) {
  const auto callers = metadata.equal_range(kCallerMetadata);
  const auto gateways = metadata.equal_range(kCallerGatewayMetadata);
  if (callers.first == callers.second && gateways.first == gateways.second) return std::nullopt;
  const absl::Status denied = Error(Reason::kPermissionDenied, "not permitted");
  if (site.empty() || peer.kind != IdentityKind::kNode || peer.scope != site) return denied;
  if (std::distance(callers.first, callers.second) != 1 || std::distance(gateways.first, gateways.second) > 1) return denied;
  const auto identity = [&](grpc::string_ref path) { return ParseIdentity(fmt::format("spiffe://{}/{}", network, View(path)), network); };
  PassedOn passed_on;
  absl::StatusOr<Identity> caller = identity(callers.first->second);
  if (!caller.ok() || metadata.contains(kViewerMetadata)) return denied;
  passed_on.caller = *std::move(caller);
  if (gateways.first != gateways.second) {
    absl::StatusOr<Identity> gateway = identity(gateways.first->second);
    if (!gateway.ok() || gateway->kind != IdentityKind::kGateway) return denied;
    passed_on.gateway = *std::move(gateway);
  }
  return passed_on;
}

namespace {

// A call on its way to the leader.
struct Passing {
  explicit Passing(std::string to) : address(std::move(to)) {}

  const std::string address;
  grpc::ClientContext context;
  std::atomic<bool> overtaken{false};  // by another leader

  void Overtake() {
    overtaken = true;
    context.TryCancel();
  }
  absl::Status Result(const grpc::Status& status) const {
    if (status.error_code() != grpc::StatusCode::CANCELLED || !overtaken) return FromGrpc(status);
    return absl::UnavailableError("the site's leader had not answered when another was known");
  }
};

}  // namespace

struct Forwarder::Connection {
  std::string address;
  std::unique_ptr<grpc::GenericStub> stub;
};

struct Forwarder::Shared {
  absl::Mutex mu;
  std::shared_ptr<Connection> connection ABSL_GUARDED_BY(mu);
  std::set<std::shared_ptr<Passing>> passing ABSL_GUARDED_BY(mu);

  std::shared_ptr<Passing> Begin(const std::string& address, const std::function<std::string()>& leader_address) {
    auto call = std::make_shared<Passing>(address);
    {
      absl::MutexLock lock(&mu);
      passing.insert(call);
    }
    // LeaderChanged may have looked before it was there.
    if (leader_address() != address) call->Overtake();
    return call;
  }
  void End(const std::shared_ptr<Passing>& call) {
    absl::MutexLock lock(&mu);
    passing.erase(call);
  }
  void Drop(const std::shared_ptr<Connection>& dropped) {
    absl::MutexLock lock(&mu);
    if (connection == dropped) connection.reset();
  }
};

namespace {

// A stream from the leader, read one message at a time.
class ForwardedStream : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public Source,
                        public std::enable_shared_from_this<ForwardedStream> {
 public:
  using Ready = std::function<void(absl::StatusOr<MessagePtr>)>;

  ForwardedStream(std::shared_ptr<Passing> passing, grpc::ByteBuffer request, const google::protobuf::Message* response)
      : passing_(std::move(passing)), request_(std::move(request)), response_(response) {}

  // `connection` is kept as long as the stream.
  void Begin(std::shared_ptr<void> connection, std::function<void(const grpc::Status&)> ended) {
    connection_ = std::move(connection);
    ended_ = std::move(ended);
    self_ = shared_from_this();
    AddHold();  // for reads that begin outside of callbacks
    StartWriteLast(&request_, grpc::WriteOptions());
    StartCall();
  }

  void Next(Ready ready) override {
    {
      absl::MutexLock lock(&mu_);
      if (!over_) {
        ready_ = std::move(ready);
        // Within the lock: once the hold is gone, the call may be over before a read begins. OnDone tells then.
        if (!released_) StartRead(&message_);
        return;
      }
    }
    ready(End());
  }

  void Cancel() override {
    passing_->context.TryCancel();
    Release();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Release();  // OnDone says why
    MessagePtr message(response_->New());
    const grpc::Status parsed = grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::Message>(&message_, message.get());
    Ready ready;
    {
      absl::MutexLock lock(&mu_);
      ready = std::exchange(ready_, nullptr);
    }
    if (!ready) return;
    if (!parsed.ok()) return ready(Error(Reason::kInternal, "the leader's message could not be read"));
    ready(std::move(message));
  }

  void OnDone(const grpc::Status& status) override {
    Ready ready;
    {
      absl::MutexLock lock(&mu_);
      over_ = true;
      status_ = passing_->Result(status);
      ready = std::exchange(ready_, nullptr);
    }
    ended_(status);
    const std::shared_ptr<ForwardedStream> self = std::move(self_);
    if (ready) ready(End());
  }

 private:
  absl::StatusOr<MessagePtr> End() {
    absl::MutexLock lock(&mu_);
    if (!status_.ok()) return status_;
    return MessagePtr(nullptr);
  }

  void Release() {
    {
      absl::MutexLock lock(&mu_);
      if (std::exchange(released_, true)) return;
    }
    RemoveHold();
  }

  const std::shared_ptr<Passing> passing_;
  grpc::ByteBuffer request_;
  const google::protobuf::Message* const response_;
  std::shared_ptr<void> connection_;
  std::function<void(const grpc::Status&)> ended_;
  grpc::ByteBuffer message_;
  std::shared_ptr<ForwardedStream> self_;  // until OnDone
  absl::Mutex mu_;
  Ready ready_ ABSL_GUARDED_BY(mu_);
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

Forwarder::Forwarder(ForwarderOptions options) : options_(std::move(options)), shared_(std::make_shared<Shared>()) {}
Forwarder::~Forwarder() = default;

absl::StatusOr<std::shared_ptr<Forwarder::Connection>> Forwarder::Connect() {
  const std::string address = options_.leader_address();
  if (address.empty()) return absl::UnavailableError(fmt::format("no member of site {} leads it now", options_.site));
  absl::MutexLock lock(&shared_->mu);
  if (shared_->connection == nullptr || shared_->connection->address != address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options_.keepalive / absl::Milliseconds(1)));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kPingTimeout / absl::Milliseconds(1)));
    arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
    arguments.SetMaxSendMessageSize(kMessageBytesMax);
    shared_->connection = std::make_shared<Connection>();
    shared_->connection->address = address;
    shared_->connection->stub = std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(address, options_.credentials(), arguments));
  }
  return shared_->connection;
}

void Forwarder::Unary(const std::shared_ptr<Call>& call, const Metadata& metadata, grpc::ByteBuffer request,
                      std::function<void(Answer)> done) {
  struct Messages {
    grpc::ByteBuffer request, response;
  };
  auto connection = Connect();
  if (!connection.ok()) return done({connection.status(), {}, {}, {}});
  const auto messages = std::make_shared<Messages>();
  messages->request.Swap(&request);
  const std::shared_ptr<Passing> passing = shared_->Begin((*connection)->address, options_.leader_address);
  Copy(*call, metadata, &passing->context);
  (*connection)
      ->stub->UnaryCall(
          &passing->context, "/" + call->method, {}, &messages->request, &messages->response,
          [passing, messages, done = std::move(done), shared = shared_, connection = *connection](const grpc::Status& status) {
            shared->End(passing);
            if (status.error_code() == grpc::StatusCode::UNAVAILABLE) shared->Drop(connection);
            done({passing->Result(status), messages->response, Trailing(passing->context, kConsistencyMetadata),
                  Trailing(passing->context, kDurabilityMetadata)});
          });
  call->OnEnd([passing] { passing->context.TryCancel(); });
}

void Forwarder::LeaderChanged() {
  const std::string leader = options_.leader_address();
  std::vector<std::shared_ptr<Passing>> overtaken;
  {
    absl::MutexLock lock(&shared_->mu);
    std::copy_if(shared_->passing.begin(), shared_->passing.end(), std::back_inserter(overtaken),
                 [&](const auto& call) { return call->address != leader; });
  }
  for (const auto& call : overtaken) call->Overtake();
}

absl::Status Forwarder::Ask(std::string_view method, const google::protobuf::Message& request, const std::string& own,
                            absl::Duration timeout) {
  grpc::ByteBuffer bytes;
  bool owned = false;
  const grpc::Status written = grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(request, &bytes, &owned);
  if (!written.ok()) return FromGrpc(written);
  const auto call = std::make_shared<Call>();
  call->method = method;
  call->identity.path = own;
  call->deadline = absl::Now() + timeout;
  absl::Status status;
  absl::Notification done;
  Unary(call, {}, std::move(bytes), [&](const Answer& answer) {
    status = answer.status;
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

absl::StatusOr<std::shared_ptr<Source>> Forwarder::Stream(const std::shared_ptr<Call>& call, const Metadata& metadata,
                                                          grpc::ByteBuffer request, const google::protobuf::Message* response) {
  auto connection = Connect();
  if (!connection.ok()) return connection.status();
  const std::shared_ptr<Passing> passing = shared_->Begin((*connection)->address, options_.leader_address);
  Copy(*call, metadata, &passing->context);
  auto stream = std::make_shared<ForwardedStream>(passing, std::move(request), response);
  (*connection)->stub->PrepareBidiStreamingCall(&passing->context, "/" + call->method, {}, stream.get());
  stream->Begin(*connection, [passing, shared = shared_, connection = *connection](const grpc::Status& status) {
    shared->End(passing);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) shared->Drop(connection);
  });
  return stream;
}

}  // namespace fairlead::rpc
