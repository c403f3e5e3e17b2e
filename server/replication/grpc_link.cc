#include "server/replication/grpc_link.h"

#include <absl/time/time.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "api/errors.h"
#include "server/replication/strand.h"

namespace fairlead::replication {

namespace {

// How long a served stream that has ended may take to tell the peer so, before it is cancelled.
constexpr absl::Duration kFinishGrace = absl::Seconds(1);
// Above the five minutes that a gRPC server asks for between pings without data; the streams' own heartbeats find dead peers much sooner.
constexpr int kKeepaliveTimeMs = 330'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

using Reactor = grpc::ServerBidiReactor<v1::ReplicateRequest, v1::ReplicateResponse>;

double SystemRandom() {
  static thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

class Refusal : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

// --- The serving side ------------------------------------------------------------------------------------------------------------

class ServedStream : public Reactor, public std::enable_shared_from_this<ServedStream> {
 public:
  ServedStream(Replicator* owner, grpc::CallbackServerContext* context, SiteId peer)
      : owner_(*owner), context_(context), peer_(peer), sender_(owner->options_.sender, owner->source_, owner->sink_, peer, SteadyNow()) {}

  SiteId peer() const { return peer_; }

  void Begin() { Drive(); }

  void Wake(bool advanced, bool tick) {
    {
      absl::MutexLock lock(&mu_);
      if (ended_) {
        // Not under the strand: the context lives until done_. gRPC runs no callback of a reactor on the thread that cancels.
        if (tick && !done_ && SteadyNow() - end_time_ > kFinishGrace) context_->TryCancel();
      } else {
        if (advanced) sender_.OnJournalAdvanced(SteadyNow());
        if (tick) EndIfError(sender_.OnTick(SteadyNow()));
      }
    }
    Drive();
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mu_);
      EndLocked(status);
    }
    Drive();
  }

  // Asks again whether the caller may have the stream. The context lives until OnDone, which `mu_` and done_ keep away.
  void Reauthorize() {
    {
      absl::MutexLock lock(&mu_);
      if (done_ || ended_) return;
      auto site = owner_.authorize_(*context_);
      if (!site.ok()) {
        EndLocked(site.status());
      } else if (*site != peer_) {
        EndLocked(Error(Reason::kPermissionDenied, "the identity has changed"));
      }
    }
    Drive();
  }

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      if (!ok) {
        EndLocked(absl::OkStatus());
      } else if (!ended_) {
        EndIfError(sender_.OnMessage(request_, SteadyNow()));
        read_due_ = true;
      }
    }
    Drive();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) EndLocked(absl::CancelledError("the receiver has gone"));
    }
    Drive();
  }

  void OnCancel() override { End(absl::CancelledError("the receiver has gone")); }

  void OnDone() override {
    {
      absl::MutexLock lock(&mu_);
      done_ = true;
    }
    owner_.OnServedDone(this);  // may release the last reference
  }

 private:
  enum class Action { kNone, kRead, kWrite, kFinish };

  void Drive() {
    std::shared_ptr<ServedStream> self = shared_from_this();
    strand_.Drive([this] { return Step(); });
  }

  bool Step() {
    Action action;
    {
      absl::MutexLock lock(&mu_);
      action = Next();
    }
    switch (action) {
      case Action::kNone:
        return false;
      case Action::kRead:
        StartRead(&request_);
        break;
      case Action::kWrite:
        StartWrite(&response_);
        break;
      case Action::kFinish:
        Finish(end_.ok() ? grpc::Status::OK : ToGrpc(end_));
        break;
    }
    return true;
  }

  Action Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (finished_) return Action::kNone;
    if (ended_) {
      if (writing_) return Action::kNone;
      finished_ = true;
      return Action::kFinish;
    }
    if (std::exchange(read_due_, false)) return Action::kRead;
    if (writing_) return Action::kNone;
    auto more = sender_.Pump(SteadyNow(), &response_);
    if (!more.ok()) {
      EndLocked(more.status());
      return Next();
    }
    writing_ = *more;
    return *more ? Action::kWrite : Action::kNone;
  }

  void EndIfError(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!status.ok()) EndLocked(status);
  }

  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (ended_) return;
    ended_ = true;
    end_ = status;
    end_time_ = SteadyNow();
  }

  Replicator& owner_;
  grpc::CallbackServerContext* const context_;
  const SiteId peer_;
  Strand strand_;
  absl::Mutex mu_;
  Sender sender_ ABSL_GUARDED_BY(mu_);
  v1::ReplicateRequest request_;    // gRPC's from StartRead to OnReadDone
  v1::ReplicateResponse response_;  // gRPC's from StartWrite to OnWriteDone
  bool read_due_ ABSL_GUARDED_BY(mu_) = true;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // Finish is called: no operation may start
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status end_;  // constant once ended_
  absl::Time end_time_ ABSL_GUARDED_BY(mu_);
};

class Replicator::Service : public v1::ReplicationService::CallbackService {
 public:
  explicit Service(Replicator* owner) : owner_(*owner) {}
  Reactor* Replicate(grpc::CallbackServerContext* context) override { return owner_.Serve(context); }

 private:
  Replicator& owner_;
};

// --- The receiving side -----------------------------------------------------------------------------------------------------------

// What a call needs of gRPC. Destroyed by the link, never on a thread of gRPC's: the last channel of a process takes gRPC's callback
// threads with it and waits for them.
struct Dial {
  Dial(const PeerOptions& peer, const std::string& address) {
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(kMessageBytesMax);
    args.SetMaxSendMessageSize(kMessageBytesMax);
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    stub = v1::ReplicationService::NewStub(grpc::CreateCustomChannel(address, peer.credentials(), args));
  }
  std::unique_ptr<v1::ReplicationService::Stub> stub;
  grpc::ClientContext context;
};

// One stream of a link, from dial to OnDone.
class PeerCall : public grpc::ClientBidiReactor<v1::ReplicateRequest, v1::ReplicateResponse>,
                 public std::enable_shared_from_this<PeerCall> {
 public:
  PeerCall(Replicator* owner, std::shared_ptr<PeerLink> link, const ReceiverOptions& options, const LogSource* source, EntrySink* sink,
           LinkInfo info)
      : owner_(*owner), link_(std::move(link)), sink_(sink), receiver_(options, source, sink, std::move(info)), started_(SteadyNow()) {}

  // REQUIRES: `dial` lives until OnDone.
  void Begin(Dial* dial, const std::vector<LogId>& direct_logs) {
    dial_ = dial;
    {
      absl::MutexLock lock(&mu_);
      receiver_.SetDirectLogs(direct_logs);
      receiver_.Start(SteadyNow());
    }
    self_ = shared_from_this();
    dial_->stub->async()->Replicate(&dial_->context, this);
    AddHold();  // until kRelease: operations start outside reactions
    StartCall();
    {
      absl::MutexLock lock(&mu_);
      begun_ = true;
    }
    Drive();
  }

  void Wake(bool advanced, bool tick, const std::vector<LogId>& direct_logs) {
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = SteadyNow();
      if (auto result = TakeMail()) EndIfError(receiver_.OnApplied(*result, now));
      if (!ended_) receiver_.SetDirectLogs(direct_logs);
      if (advanced && !ended_) EndIfError(receiver_.OnAppliedChanged(now));
      if (tick && !ended_) EndIfError(receiver_.OnTick(now));
      // gRPC reads no more after a message that it cannot parse, and waits for an end that such a peer need not send. Under mu_, which
      // keeps OnDone, and so the context's end, away. gRPC runs no callback of a reactor on the thread that cancels.
      if (tick && over_ && !done_ && now - over_time_ > kFinishGrace) {
        EndIfError(Error(Reason::kPeerProtocol, "the peer has sent what cannot be parsed"));
        dial_->context.TryCancel();
      }
    }
    Drive();
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mu_);
      EndIfError(status);
    }
    Drive();
  }

  LinkInfo Info() const {
    absl::MutexLock lock(&mu_);
    return receiver_.info();
  }

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      if (!ok) {
        over_ = true;
        over_time_ = SteadyNow();
      } else {
        if (!ended_) EndIfError(receiver_.OnMessage(std::move(response_), SteadyNow()));
        read_due_ = true;  // until the stream is over, even when this side has ended it
      }
    }
    Drive();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      write_failed_ |= !ok;  // the read fails too and the status tells why
    }
    Drive();
  }

  void OnDone(const grpc::Status& status) override;

 private:
  enum class Action { kNone, kRead, kWrite, kApply, kCancel, kRelease };

  void Drive() {
    std::shared_ptr<PeerCall> self = shared_from_this();
    strand_.Drive([this] { return Step(); });
  }

  bool Step();

  Action Next(std::optional<RemoteBatch>* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!begun_ || released_) return Action::kNone;
    if (over_) {
      released_ = true;
      return Action::kRelease;
    }
    if (std::exchange(read_due_, false)) return Action::kRead;
    if (ended_) return std::exchange(cancel_due_, false) ? Action::kCancel : Action::kNone;
    if ((*batch = receiver_.TakeBatch())) return Action::kApply;
    if (writing_ || write_failed_) return Action::kNone;
    auto more = receiver_.Pump(SteadyNow(), &request_);
    if (!more.ok()) {
      EndIfError(more.status());
      return Next(batch);
    }
    writing_ = *more;
    return *more ? Action::kWrite : Action::kNone;
  }

  void EndIfError(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (status.ok() || ended_) return;
    receiver_.OnEnd(status, SteadyNow());
    ended_ = true;
    cancel_due_ = true;
  }

  std::optional<ApplyResult> TakeMail() {
    absl::MutexLock lock(&mail_mu_);
    return std::exchange(mail_, std::nullopt);
  }

  Replicator& owner_;
  const std::shared_ptr<PeerLink> link_;
  EntrySink* const sink_;
  Dial* dial_ = nullptr;
  std::shared_ptr<PeerCall> self_;  // from Begin to OnDone
  Strand strand_;
  mutable absl::Mutex mu_;
  Receiver receiver_ ABSL_GUARDED_BY(mu_);
  const absl::Time started_;
  v1::ReplicateRequest request_;             // gRPC's from StartWrite to OnWriteDone
  v1::ReplicateResponse response_;           // gRPC's from StartRead to OnReadDone
  bool begun_ ABSL_GUARDED_BY(mu_) = false;  // operations may start
  bool read_due_ ABSL_GUARDED_BY(mu_) = true;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool write_failed_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;  // by this side
  bool cancel_due_ ABSL_GUARDED_BY(mu_) = false;
  bool over_ ABSL_GUARDED_BY(mu_) = false;  // nothing more can be read
  absl::Time over_time_ ABSL_GUARDED_BY(mu_);
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  bool released_ ABSL_GUARDED_BY(mu_) = false;  // no operation may start
  // Apart from mu_, so that the sink's thread never waits for a frame that is being verified.
  absl::Mutex mail_mu_;
  std::optional<ApplyResult> mail_ ABSL_GUARDED_BY(mail_mu_);
};

// A configured peer: dials, and dials again after a delay.
class PeerLink : public std::enable_shared_from_this<PeerLink> {
 public:
  PeerLink(Replicator* owner, const PeerOptions& options)
      : owner_(*owner),
        options_(options),
        backoff_(owner->options_.backoff, owner->options_.random ? owner->options_.random : SystemRandom),
        site_(owner->source_->roster().FindSite(options.site)) {
    info_.peer = options.site;
    info_.address = options.addresses.front();
  }

  // Null when the roster does not have it.
  const RosterSite* site() const { return site_; }

  void Wake(bool advanced, bool tick, const std::vector<LogId>& direct_logs) {
    std::shared_ptr<PeerCall> call;
    std::string address;
    bool dial = false;
    {
      absl::MutexLock lock(&mu_);
      // A batch of the call before must be answered first: the sink takes one at a time.
      dial = !call_ && !stopping_ && applying_ == 0 && SteadyNow() >= dial_time_ && (!owner_.options_.dials || owner_.options_.dials());
      if (dial) {
        info_.address = address = options_.addresses[tried_ % options_.addresses.size()];
        call_ = std::make_shared<PeerCall>(&owner_, shared_from_this(), owner_.options_.receiver, owner_.source_, owner_.sink_, info_);
      }
      call = call_;
    }
    if (!call) return;
    if (call->Info().connected) NoteConnected();
    if (dial) {
      dial_ = std::make_unique<Dial>(options_, address);  // the one before, if any, is done with
      call->Begin(dial_.get(), direct_logs);
    } else {
      call->Wake(advanced, tick, direct_logs);
    }
  }

  LinkInfo Info() const {
    std::shared_ptr<PeerCall> call;
    {
      absl::MutexLock lock(&mu_);
      if (!call_) return info_;
      call = call_;
    }
    return call->Info();
  }

  void End(const absl::Status& status) {
    std::shared_ptr<PeerCall> call;
    {
      absl::MutexLock lock(&mu_);
      call = call_;
    }
    if (call) call->End(status);
  }

  void Reauthorize() {
    const absl::Status trusted = options_.trusted ? options_.trusted() : absl::UnavailableError("dialled anew: trust has changed");
    if (!trusted.ok()) End(trusted);
  }

  void BeginStop() {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    End(Error(Reason::kShuttingDown, "the node is shutting down"));
  }

  void AwaitIdle() {
    absl::MutexLock lock(&mu_);
    auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !call_ && applying_ == 0; };
    mu_.Await(absl::Condition(&idle));
  }

  // REQUIRES: idle and stopped, and no ticker.
  void Close() { dial_.reset(); }

  void BatchOut() {
    absl::MutexLock lock(&mu_);
    ++applying_;
  }

  // The last thing that the sink's callback does.
  void BatchDone() {
    absl::MutexLock lock(&mu_);
    --applying_;
  }

  void OnCallDone(LinkInfo info, absl::Duration lasted) {
    absl::MutexLock lock(&mu_);
    NoteEnd(info.last_error);
    info_ = std::move(info);
    if (lasted >= owner_.options_.stable_after) backoff_.Reset();
    // The site's other members are tried first: the one that leads it may be any.
    ++tried_;
    dial_time_ = SteadyNow() + (tried_ % options_.addresses.size() == 0 ? backoff_.Next() : absl::ZeroDuration());
    call_.reset();
  }

 private:
  void NoteConnected() {
    absl::MutexLock lock(&mu_);
    if (const int64_t failures = std::exchange(failures_, 0); failures > 0) {
      spdlog::info("the link to {} is up again; it had failed {} times", options_.site, failures);
    }
  }

  // A peer that is away is dialled for as long as it is: each cause is told once.
  void NoteEnd(const absl::Status& error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (error.ok()) return;
    std::string cause(error.message());
    if (++failures_ == 1 || cause != failure_) spdlog::info("the link to {} has ended: {}", options_.site, cause);
    failure_ = std::move(cause);
  }

  Replicator& owner_;
  const PeerOptions options_;
  std::unique_ptr<Dial> dial_;  // the ticker's
  mutable absl::Mutex mu_;
  Backoff backoff_ ABSL_GUARDED_BY(mu_);
  const RosterSite* const site_;
  LinkInfo info_ ABSL_GUARDED_BY(mu_);  // when there is no call
  std::shared_ptr<PeerCall> call_ ABSL_GUARDED_BY(mu_);
  absl::Time dial_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  size_t tried_ ABSL_GUARDED_BY(mu_) = 0;  // addresses, one after another
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int applying_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t failures_ ABSL_GUARDED_BY(mu_) = 0;  // since the link was up
  std::string failure_ ABSL_GUARDED_BY(mu_);   // the last of them
};

bool PeerCall::Step() {
  Action action;
  std::optional<RemoteBatch> batch;
  {
    absl::MutexLock lock(&mu_);
    action = Next(&batch);
  }
  switch (action) {
    case Action::kNone:
      return false;
    case Action::kRead:
      StartRead(&response_);
      break;
    case Action::kWrite:
      StartWrite(&request_);
      break;
    case Action::kApply:
      link_->BatchOut();
      sink_->ApplyRemote(*std::move(batch), [self = shared_from_this()](ApplyResult result) {
        {
          absl::MutexLock lock(&self->mail_mu_);
          self->mail_ = std::move(result);
        }
        self->owner_.ticker_.Wake();
        self->link_->BatchDone();
      });
      break;
    case Action::kCancel:
      dial_->context.TryCancel();
      break;
    case Action::kRelease:
      RemoveHold();
      break;
  }
  return true;
}

void PeerCall::OnDone(const grpc::Status& status) {
  LinkInfo info;
  {
    absl::MutexLock lock(&mu_);
    done_ = true;
    // Nothing, when this side has ended it already.
    receiver_.OnEnd(status.ok() ? absl::UnavailableError("the peer has closed the stream") : FromGrpc(status), SteadyNow());
    info = receiver_.info();
  }
  std::shared_ptr<PeerCall> self = std::move(self_);
  link_->OnCallDone(std::move(info), SteadyNow() - started_);
}

// --- Replicator -------------------------------------------------------------------------------------------------------------------

Replicator::Replicator(ReplicatorOptions options, const LogSource* source, EntrySink* sink)
    : options_(std::move(options)),
      source_(source),
      sink_(sink),
      service_(std::make_unique<Service>(this)),
      ticker_(options_.tick, [this](bool tick) { Round(tick); }) {
  for (const PeerOptions& peer : options_.peers) links_.push_back(std::make_shared<PeerLink>(this, peer));
}

Replicator::~Replicator() { Stop(); }

grpc::Service* Replicator::service() { return service_.get(); }

void Replicator::Start() {
  {
    absl::MutexLock lock(&mu_);
    started_ = true;
  }
  ticker_.Start();
  ticker_.Wake();
}

void Replicator::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (std::exchange(stopped_, true)) return;
  }
  for (const auto& link : links_) link->BeginStop();
  for (const auto& stream : Served()) stream->End(Error(Reason::kShuttingDown, "the node is shutting down"));
  // The ticker still runs: it cancels what does not end by itself.
  {
    absl::MutexLock lock(&mu_);
    auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return served_.empty(); };
    mu_.Await(absl::Condition(&none));
  }
  for (const auto& link : links_) link->AwaitIdle();
  ticker_.Stop();
  for (const auto& link : links_) link->Close();
}

void Replicator::OnJournalAdvanced() {
  if (!advanced_.exchange(true)) ticker_.Wake();
}

void Replicator::Round(bool tick) {
  const bool advanced = advanced_.exchange(false);
  std::vector<LogId> direct_logs;
  for (const auto& link : links_) {
    if (link->site() == nullptr || !link->Info().connected) continue;
    for (const RosterLog& log : source_->roster().logs()) {
      if (log.site == link->site()->id) direct_logs.push_back(log.id);
    }
  }
  std::sort(direct_logs.begin(), direct_logs.end());
  for (const auto& stream : Served()) stream->Wake(advanced, tick);
  for (const auto& link : links_) link->Wake(advanced, tick, direct_logs);
}

std::vector<LinkInfo> Replicator::Links() const {
  std::vector<LinkInfo> links;
  for (const auto& link : links_) links.push_back(link->Info());
  return links;
}

void Replicator::Reauthorize() {
  for (const auto& stream : Served()) stream->Reauthorize();
  for (const auto& link : links_) link->Reauthorize();
}

std::vector<std::shared_ptr<ServedStream>> Replicator::Served() const {
  absl::MutexLock lock(&mu_);
  return served_;
}

Reactor* Replicator::Serve(grpc::CallbackServerContext* context) {
  if (!authorize_) return new Refusal(Error(Reason::kPermissionDenied, "no node may replicate from here"));
  auto peer = authorize_(*context);
  if (!peer.ok()) return new Refusal(peer.status());
  std::shared_ptr<ServedStream> stream;
  std::vector<std::shared_ptr<ServedStream>> replaced;
  {
    absl::MutexLock lock(&mu_);
    if (!started_ || stopped_) return new Refusal(Error(Reason::kShuttingDown, "the node does not replicate now"));
    // A site has one node: its new stream takes the place of one that it has lost.
    for (const auto& other : served_) {
      if (other->peer() == *peer) replaced.push_back(other);
    }
    stream = std::make_shared<ServedStream>(this, context, *peer);
    served_.push_back(stream);
  }
  for (const auto& other : replaced) other->End(absl::UnavailableError("the same site has opened another stream"));
  stream->Begin();
  return stream.get();
}

void Replicator::OnServedDone(const ServedStream* stream) {
  std::shared_ptr<ServedStream> last;  // destroyed after the lock is released
  absl::MutexLock lock(&mu_);
  auto found = std::find_if(served_.begin(), served_.end(), [stream](const auto& s) { return s.get() == stream; });
  last = std::move(*found);
  served_.erase(found);
}

}  // namespace fairlead::replication
