#include "client/connection.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/attachment_service.grpc.pb.h"
#include "fairlead/v1/exchange_service.grpc.pb.h"
#include "fairlead/v1/overview_service.grpc.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"

namespace fairlead::client {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr char kTokenMetadata[] = "fairlead-token";
constexpr char kDurabilityMetadata[] = "fairlead-durability";
constexpr char kBasisMetadata[] = "fairlead-basis";
constexpr char kViewerMetadata[] = "fairlead-viewer";
// A page of 1,000 records with long notes is larger than gRPC's default of 4 MiB.
constexpr int kReceiveBytesMax = 64 << 20;
// Finds a dead link under a silent watch. Just above five minutes: a gRPC server takes more frequent pings for abuse.
constexpr int kKeepaliveMs = 310'000;
constexpr int kEventsPerMessage = 100;                      // of the change feed
constexpr absl::Duration kListGrace = absl::Hours(24 * 7);  // of a revocation list that is past its next update; as a node's
constexpr absl::Duration kStreamMin = absl::Minutes(2);     // of a stream of bytes: one piece fits in it on the worst of links
constexpr int kConnectTimeoutMs = 5000;
constexpr int kReconnectBackoffInitialMs = 200;
constexpr int kReconnectBackoffMaxMs = 3000;

absl::StatusOr<std::string> ReadFile(const std::string& path, const char* option) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot read {}", option, path));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Roots and revocation lists as they are at each handshake: a client that runs for weeks goes by new ones. What cannot be read then is as
// it was before.
absl::StatusOr<TrustSource> ClientTrust(const ClientOptions& options) {
  std::string crl_file = options.crl_file;
  if (crl_file.empty()) {
    crl_file = (std::filesystem::path(options.ca_file).parent_path() / "crl.pem").string();
    std::error_code error;
    if (!std::filesystem::exists(crl_file, error)) crl_file.clear();
  }
  const auto read = [ca_file = options.ca_file, crl_file]() -> absl::StatusOr<std::shared_ptr<const Trust>> {
    absl::StatusOr<std::string> ca = ReadFile(ca_file, "ca");
    if (!ca.ok()) return ca.status();
    std::optional<std::string> lists;
    if (!crl_file.empty()) {
      absl::StatusOr<std::string> crl = ReadFile(crl_file, "crl");
      if (!crl.ok()) return crl.status();
      lists = *std::move(crl);
    }
    absl::StatusOr<Trust> trust = Trust::Parse(*ca, lists, kListGrace);
    if (!trust.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", ca_file, std::string(trust.status().message())));
    return std::make_shared<const Trust>(*std::move(trust));
  };
  struct Last {
    absl::Mutex mutex;
    std::shared_ptr<const Trust> trust ABSL_GUARDED_BY(mutex);
  };
  absl::StatusOr<std::shared_ptr<const Trust>> first = read();
  if (!first.ok()) return first.status();
  auto last = std::make_shared<Last>();
  {
    absl::MutexLock lock(&last->mutex);
    last->trust = *std::move(first);
  }
  return TrustSource([last, read] {
    absl::StatusOr<std::shared_ptr<const Trust>> now = read();
    absl::MutexLock lock(&last->mutex);
    if (now.ok() && (*now)->RollbackFrom(*last->trust).empty()) last->trust = *std::move(now);
    return last->trust;
  });
}

// Whether the method writes records: it takes a request id, or imports.
bool Writes(const MethodDescriptor& method) {
  return method.input_type()->FindFieldByName("request_id") != nullptr || method.name().rfind("Import", 0) == 0;
}

// Waits for `duration`; false when stopped before.
bool SleepUnlessStopped(absl::Duration duration, const std::stop_token& stop) {
  absl::Notification stopped;
  const std::stop_callback wake(stop, [&stopped] { stopped.Notify(); });
  return !stopped.WaitForNotificationWithTimeout(duration);
}

}  // namespace

absl::Status Client::Validate(const ClientOptions& options) {
  if (options.nodes.empty()) return absl::InvalidArgumentError("no node is configured");
  for (const NodeAddress& node : options.nodes) {
    if (node.site.empty() || node.address.empty()) return absl::InvalidArgumentError("a node needs a site and an address");
  }
  if (!options.site.empty()) {
    bool found = false;
    for (const NodeAddress& node : options.nodes) found |= node.site == options.site;
    if (!found) return absl::InvalidArgumentError(fmt::format("no node of site {} is configured", options.site));
  }
  if (options.timeout <= absl::ZeroDuration()) return absl::InvalidArgumentError("the timeout must be positive");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  if (absl::Status valid = Validate(options); !valid.ok()) return valid;
  if (options.network.empty()) return absl::InvalidArgumentError("the network has no name");
  RequireTls13();
  absl::StatusOr<TrustSource> trust = ClientTrust(options);
  if (!trust.ok()) return trust.status();
  absl::StatusOr<std::string> certificate = ReadFile(options.certificate_file, "certificate");
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<std::string> key = ReadFile(options.key_file, "key");
  if (!key.ok()) return key.status();

  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const NodeAddress& node : options.nodes) {
    grpc::ChannelArguments arguments;
    // The address only says where to connect: whoever answers there must hold the certificate of this site's node.
    const std::shared_ptr<grpc::ChannelCredentials> credentials = NodeChannelCredentials({.network = options.network,
                                                                                          .site = node.site,
                                                                                          .certificate_pem = *certificate,
                                                                                          .key_pem = *key,
                                                                                          .trust = *trust,
                                                                                          .on_judged = nullptr});
    arguments.SetSslTargetNameOverride(fmt::format("{}.node.{}", node.site, options.network));
    arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectBackoffInitialMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectBackoffMaxMs);
    channels.push_back(grpc::CreateCustomChannel(node.address, credentials, arguments));
  }
  return std::make_unique<Client>(std::move(options), std::move(channels));
}

Client::Client(ClientOptions options, std::vector<std::shared_ptr<grpc::Channel>> channels)
    : options_(std::move(options)), channels_(std::move(channels)) {}

bool Client::HasSite(std::string_view site) const {
  for (const NodeAddress& node : options_.nodes) {
    if (node.site == site) return true;
  }
  return false;
}

std::string Client::token() const {
  absl::MutexLock lock(&mutex_);
  return token_;
}

double Client::Jitter() {
  absl::MutexLock lock(&mutex_);
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

const MethodDescriptor& Client::Method(const std::string& full_name) {
  return *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(full_name);
}

absl::StatusOr<std::vector<size_t>> Client::Route(const CallOptions& call) const {
  const std::string& wanted = call.site.empty() ? options_.site : call.site;
  std::vector<size_t> route;
  for (size_t i = 0; i < options_.nodes.size(); ++i) {
    if (wanted.empty() || options_.nodes[i].site == wanted) route.push_back(i);
  }
  if (route.empty()) return absl::InvalidArgumentError(fmt::format("no node of site {} is configured", wanted));
  const bool failover = options_.failover && call.site.empty();
  if (!failover) {
    // The members of one site.
    const std::string& site = options_.nodes[route.front()].site;
    std::erase_if(route, [&](size_t i) { return options_.nodes[i].site != site; });
    if (!call.address.empty()) std::erase_if(route, [&](size_t i) { return options_.nodes[i].address != call.address; });
    if (route.empty()) return absl::InvalidArgumentError(fmt::format("no node of site {} at {} is configured", site, call.address));
  }
  const auto others =
      std::find_if(route.begin(), route.end(), [&](size_t i) { return options_.nodes[i].site != options_.nodes[route.front()].site; });
  {
    absl::MutexLock lock(&mutex_);
    if (const auto answered = std::find(route.begin(), others, answered_); answered != others) std::rotate(route.begin(), answered, others);
  }
  if (!failover) return route;
  for (size_t i = 0; i < options_.nodes.size(); ++i) {
    if (!wanted.empty() && options_.nodes[i].site != wanted) route.push_back(i);
  }
  return route;
}

void Client::Prepare(const CallOptions& call, bool writes, grpc::ClientContext* context) const {
  const std::string presented = call.token.has_value() ? *call.token : token();
  if (!presented.empty()) context->AddMetadata(kTokenMetadata, presented);
  if (!call.basis.empty()) context->AddMetadata(kBasisMetadata, call.basis);
  if (!call.viewer.empty()) context->AddMetadata(kViewerMetadata, call.viewer);
  if (writes && !options_.durability.empty()) context->AddMetadata(kDurabilityMetadata, options_.durability);
}

absl::Status Client::Attempt(size_t node, const MethodDescriptor& method, const Message& request, Message* response, absl::Time deadline,
                             const CallOptions& call, Answer* answer) {
  const std::string path = fmt::format("/{}/{}", method.service()->full_name(), method.name());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  Prepare(call, Writes(method), &context);
  grpc::Status status;
  absl::Notification done;
  grpc::TemplatedGenericStub<Message, Message> stub(channels_[node]);
  stub.UnaryCall(&context, path, {}, &request, response, [&status, &done](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  {
    std::stop_callback cancel(call.stop, [&context] { context.TryCancel(); });
    done.WaitForNotification();
  }
  const auto& trailing = context.GetServerTrailingMetadata();
  if (auto it = trailing.find(kDurabilityMetadata); it != trailing.end()) answer->durability.assign(it->second.data(), it->second.size());
  if (auto it = trailing.find(kTokenMetadata); it != trailing.end()) answer->token.assign(it->second.data(), it->second.size());
  if (!call.token.has_value() && !answer->token.empty()) {
    absl::MutexLock lock(&mutex_);
    token_ = answer->token;
  }
  if (status.ok()) return absl::OkStatus();
  return FromGrpc(status);
}

absl::Status Client::Call(const MethodDescriptor& method, const Message& request, Message* response, const CallOptions& call,
                          Answer* answer) {
  absl::StatusOr<std::vector<size_t>> route = Route(call);
  if (!route.ok()) return route.status();
  if (StaysAtItsNode(method)) route->resize(1);
  const absl::Time deadline = absl::Now() + (call.timeout == absl::ZeroDuration() ? options_.timeout : call.timeout);
  const bool idempotent = IsIdempotent(method);

  std::unique_ptr<Message> identified;
  const Message* sent = &request;
  if (const auto* field = method.input_type()->FindFieldByName("request_id")) {
    if (request.GetReflection()->GetString(request, field).empty()) {
      identified.reset(request.New());
      identified->CopyFrom(request);
      identified->GetReflection()->SetString(identified.get(), field, NewRequestId(absl::ToUnixMillis(absl::Now())));
      sent = identified.get();
    }
  }

  const bool has_other = route->size() > 1;
  size_t hop = 0;
  for (int attempt = 1;; ++attempt) {
    const size_t node = (*route)[hop % route->size()];
    const absl::Time now = absl::Now();
    const absl::Time attempt_deadline = has_other && idempotent ? std::min(deadline, now + options_.attempt_timeout) : deadline;
    Answer answered{options_.nodes[node].site, options_.nodes[node].address, attempt, "", ""};
    absl::Status status = Attempt(node, method, *sent, response, attempt_deadline, call, &answered);
    if (answer != nullptr) *answer = std::move(answered);
    // Another attempt in the moment that is left would know less.
    if (ReasonOf(status) == ReasonName(Reason::kReplicationTimeout) && attempt_deadline == deadline) return status;
    if (call.stop.stop_requested() && !status.ok()) return absl::CancelledError("interrupted");
    const NextStep step = StepAfter(status, idempotent, has_other);
    if (has_other && step != NextStep::kOtherNode) {
      absl::MutexLock lock(&mutex_);
      answered_ = node;
    }
    if (step == NextStep::kStop) return status;
    bool wait = true;
    if (step == NextStep::kOtherNode) {
      ++hop;
      wait = hop % route->size() == 0;  // every node has been asked
    }
    const int round = has_other ? attempt / static_cast<int>(route->size()) : attempt;
    const absl::Duration backoff = wait ? Backoff(options_.retry, std::max(round, 1), Jitter()) : absl::ZeroDuration();
    const absl::Duration delay = std::max(backoff, RetryDelayOf(status));
    if (absl::Now() + delay >= deadline) return status;
    if (!SleepUnlessStopped(delay, call.stop)) return absl::CancelledError("interrupted");
  }
}

template <class Response>
absl::Status Client::Follow(
    const std::vector<size_t>& nodes,
    const std::function<std::unique_ptr<grpc::ClientReader<Response>>(size_t node, grpc::ClientContext* context)>& open,
    const std::function<bool(Response&)>& on_response, const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call) {
  size_t next = 0;  // of nodes
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    Prepare(call, /*writes=*/false, &context);
    std::stop_callback cancel(call.stop, [&context] { context.TryCancel(); });
    const std::unique_ptr<grpc::ClientReader<Response>> reader = open(nodes[next], &context);
    Response response;
    bool wanted = true;
    while (wanted && reader->Read(&response)) {
      attempt = 1;
      wanted = on_response(response);
    }
    if (!wanted) context.TryCancel();
    absl::Status status = FromGrpc(reader->Finish());
    if (!wanted || call.stop.stop_requested()) return absl::OkStatus();
    if (status.ok()) status = absl::UnavailableError("the node ended the stream");
    if (!absl::IsUnavailable(status) && !absl::IsCancelled(status)) return status;  // retry.cc says what CANCELLED means here
    on_retry(status);
    next = (next + 1) % nodes.size();
    if (!SleepUnlessStopped(Backoff(options_.retry, attempt, Jitter()), call.stop)) return absl::OkStatus();
  }
}

absl::Status Client::Watch(fairlead::v1::WatchRecordsRequest request,
                           const std::function<bool(const fairlead::v1::WatchRecordsResponse&)>& on_event,
                           const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call, Answer* answer) {
  absl::StatusOr<std::vector<size_t>> route = Route(call);
  if (!route.ok()) return route.status();
  const size_t node = route->front();  // a resume token belongs to one node's journal
  if (answer != nullptr) *answer = {options_.nodes[node].site, options_.nodes[node].address, 1, "", ""};
  const auto stub = fairlead::v1::RecordService::NewStub(channels_[node]);
  if (request.events_max() == 0) request.set_events_max(kEventsPerMessage);
  const auto take = [&](const fairlead::v1::WatchRecordsResponse& event) {
    const bool wanted = on_event(event);
    if (!event.resume_token().empty()) {
      request.set_resume_token(event.resume_token());
      request.set_snapshot(false);
    }
    return wanted;
  };
  return Follow<fairlead::v1::WatchRecordsResponse>(
      {node}, [&](size_t, grpc::ClientContext* context) { return stub->WatchRecords(context, request); },
      [&](fairlead::v1::WatchRecordsResponse& first) {
        google::protobuf::RepeatedPtrField<fairlead::v1::WatchRecordsResponse> following;
        following.Swap(first.mutable_following());
        return take(first) && std::all_of(following.begin(), following.end(), take);
      },
      on_retry, call);
}

absl::Status Client::WatchOverview(const fairlead::v1::WatchOverviewRequest& request,
                                   const std::function<bool(const fairlead::v1::Overview&)>& on_overview,
                                   const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call, Answer* answer) {
  const absl::StatusOr<std::vector<size_t>> route = Route(call);
  if (!route.ok()) return route.status();
  const size_t node = route->front();
  if (answer != nullptr) *answer = {options_.nodes[node].site, options_.nodes[node].address, 1, "", ""};
  const auto stub = fairlead::v1::OverviewService::NewStub(channels_[node]);
  return Follow<fairlead::v1::Overview>(
      {node}, [&](size_t, grpc::ClientContext* context) { return stub->WatchOverview(context, request); }, on_overview, on_retry, call);
}

namespace {

namespace v1 = fairlead::v1;

std::unique_ptr<grpc::ClientReader<v1::DownloadAttachmentResponse>> Open(v1::AttachmentService::Stub* stub, grpc::ClientContext* context,
                                                                         const v1::DownloadAttachmentRequest& request) {
  return stub->DownloadAttachment(context, request);
}
std::unique_ptr<grpc::ClientReader<v1::DownloadReleasedAttachmentResponse>> Open(v1::ExchangeService::Stub* stub,
                                                                                 grpc::ClientContext* context,
                                                                                 const v1::DownloadReleasedAttachmentRequest& request) {
  return stub->DownloadReleasedAttachment(context, request);
}
v1::DownloadAttachmentResponse PieceOf(const v1::DownloadAttachmentRequest&) { return {}; }
v1::DownloadReleasedAttachmentResponse PieceOf(const v1::DownloadReleasedAttachmentRequest&) { return {}; }

}  // namespace

template <class Service, class Request>
absl::Status Client::DownloadBy(Request request, const OnPiece& on_piece, const CallOptions& call, Answer* answer) {
  absl::StatusOr<std::vector<size_t>> route = Route(call);
  if (!route.ok()) return route.status();
  const size_t node = route->front();
  if (answer != nullptr) *answer = {options_.nodes[node].site, options_.nodes[node].address, 1, "", ""};
  const auto stub = Service::NewStub(channels_[node]);
  absl::Duration timeout = call.timeout == absl::ZeroDuration() ? options_.timeout : call.timeout;
  absl::Time deadline = absl::Now() + timeout;  // of the next piece
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(std::max(deadline, absl::Now() + kStreamMin)));
    Prepare(call, /*writes=*/false, &context);
    std::stop_callback cancel(call.stop, [&context] { context.TryCancel(); });
    const auto reader = Open(stub.get(), &context, request);
    auto piece = PieceOf(request);
    absl::Status own;
    while (own.ok() && reader->Read(&piece)) {
      if (piece.offset() != request.offset()) {
        own = absl::DataLossError(fmt::format("the node sent bytes from {} in place of those from {}", piece.offset(), request.offset()));
        break;
      }
      own = on_piece(piece.data());
      request.set_offset(request.offset() + static_cast<int64_t>(piece.data().size()));
      attempt = 1;
      deadline = absl::Now() + timeout;
    }
    if (!own.ok()) context.TryCancel();
    const absl::Status status = FromGrpc(reader->Finish());
    if (!own.ok()) return own;
    if (call.stop.stop_requested()) return absl::CancelledError("interrupted");
    if (status.ok()) return status;
    if (!absl::IsUnavailable(status) && !absl::IsCancelled(status) && !absl::IsDeadlineExceeded(status)) return status;
    const absl::Duration delay = Backoff(options_.retry, attempt, Jitter());
    if (absl::Now() + delay >= deadline) return status;
    if (!SleepUnlessStopped(delay, call.stop)) return absl::CancelledError("interrupted");
  }
}

absl::Status Client::Download(v1::DownloadAttachmentRequest request, const OnPiece& on_piece, const CallOptions& call, Answer* answer) {
  return DownloadBy<v1::AttachmentService>(std::move(request), on_piece, call, answer);
}
absl::Status Client::Download(v1::DownloadReleasedAttachmentRequest request, const OnPiece& on_piece, const CallOptions& call,
                              Answer* answer) {
  return DownloadBy<v1::ExchangeService>(std::move(request), on_piece, call, answer);
}

absl::Status Client::WatchReleased(fairlead::v1::WatchReleasedRecordsRequest request,
                                   const std::function<bool(const fairlead::v1::WatchReleasedRecordsResponse&)>& on_response,
                                   const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call) {
  const absl::StatusOr<std::vector<size_t>> route = Route(call);
  if (!route.ok()) return route.status();
  return Follow<v1::WatchReleasedRecordsResponse>(
      *route,
      [&](size_t node, grpc::ClientContext* context) {
        return v1::ExchangeService::NewStub(channels_[node])->WatchReleasedRecords(context, request);
      },
      [&](const v1::WatchReleasedRecordsResponse& response) {
        const bool wanted = on_response(response);
        if (response.complete()) request.set_resume_token(response.resume_token());
        return wanted;
      },
      on_retry, call);
}

}  // namespace fairlead::client
