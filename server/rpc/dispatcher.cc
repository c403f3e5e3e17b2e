#include "server/rpc/dispatcher.h"

#include <absl/time/clock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/alarm.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <vector>

#include "api/errors.h"
#include "server/rpc/consistency.h"
#include "server/rpc/durability.h"
#include "server/rpc/forwarder.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

[[noreturn]] void Fatal(const char* what, std::string_view method) {
  std::fprintf(stderr, "dispatcher: %s: %.*s\n", what, static_cast<int>(method.size()), method.data());
  std::abort();
}

const google::protobuf::MethodDescriptor* FindMethod(std::string_view method) {
  std::string name(method);
  const size_t slash = name.find('/');
  if (slash == std::string::npos) return nullptr;
  name[slash] = '.';
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
}

// A refusal by rate is told when a call is due to the caller, at most this much later: who ignores it is held to about his rate, or to as
// many refusals in this time as he has calls in flight.
constexpr absl::Duration kHeldMax = absl::Seconds(1);
constexpr int kHeldCallsMax = 4096;  // beyond that, refusals are told at once
constexpr absl::Duration kOverloadedRetry = absl::Seconds(1);
// An admission older than this is looked at again before the handler runs.
constexpr absl::Duration kAdmissionStale = absl::Seconds(1);

const google::protobuf::FieldDescriptor* TextField(const google::protobuf::Descriptor& message, const char* name) {
  const google::protobuf::FieldDescriptor* field = message.FindFieldByName(name);
  const bool is_text = field != nullptr && !field->is_repeated() && field->type() == google::protobuf::FieldDescriptor::TYPE_STRING;
  return is_text ? field : nullptr;
}

// The field by which a request names what it is about; null when it has none.
const google::protobuf::FieldDescriptor* SubjectField(const google::protobuf::Descriptor& request) {
  for (const char* name : {"name", "parent", "record", "entry", "log", "backup"}) {
    if (const auto* field = TextField(request, name); field != nullptr) return field;
  }
  return nullptr;
}

std::string TextIn(const google::protobuf::Message& message, const char* name) {
  const google::protobuf::FieldDescriptor* field = TextField(*message.GetDescriptor(), name);
  return field == nullptr ? "" : message.GetReflection()->GetString(message, field);
}

// The record in a request that gives it whole, as Create and Update do; null when there is none.
const google::protobuf::Message* RecordIn(const google::protobuf::Message& request) {
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    if (field->is_repeated() || field->message_type() == nullptr || TextField(*field->message_type(), "name") == nullptr) continue;
    return &request.GetReflection()->GetMessage(request, field);
  }
  return nullptr;
}

// What a request is about that names nothing itself: the record that it gives, or what that one is about (then it is `named_later`); else
// its entries.
std::string SubjectWithin(const google::protobuf::Message& request, bool* named_later) {
  if (const google::protobuf::Message* record = RecordIn(request); record != nullptr) {
    std::string name = TextIn(*record, "name");
    *named_later = name.empty();
    return *named_later ? TextIn(*record, "record") : name;
  }
  const google::protobuf::FieldDescriptor* entries = request.GetDescriptor()->FindFieldByName("entries");
  if (entries == nullptr || !entries->is_repeated() || entries->type() != google::protobuf::FieldDescriptor::TYPE_STRING) return "";
  std::string listed;
  for (int i = 0; i < request.GetReflection()->FieldSize(request, entries) && listed.size() < kSubjectCharsMax; ++i) {
    listed += (listed.empty() ? "" : " ") + request.GetReflection()->GetRepeatedString(request, entries, i);
  }
  return listed;
}

// What is wrong with this site, in words that say nothing of it: those of the store name records, files and other sites.
absl::Status ForPartner(const absl::Status& status) {
  constexpr char kText[] = "this site could not answer: try another";
  const std::string reason = ReasonOf(status);
  for (const Reason fault : {Reason::kInternal, Reason::kStorageFull, Reason::kStorageFailed, Reason::kStoreDamaged, Reason::kLogForked,
                             Reason::kSignatureInvalid}) {
    if (reason == ReasonName(fault)) return Error(fault, kText);
  }
  // Which machines a site has, the words for one that does not answer say.
  if (absl::IsUnavailable(status) && reason.empty()) return absl::UnavailableError(kText);
  const bool of_grpc = absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
  return status.ok() || of_grpc || !reason.empty() ? status : Error(Reason::kInternal, kText);
}

// The path of a field in `message` that its definition here does not have, by its number: "question.99"; empty when there is none.
std::string UnknownField(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (const auto& unknown = reflection.GetUnknownFields(message); !unknown.empty()) return std::to_string(unknown.field(0).number());
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->message_type() == nullptr) continue;
    const int size = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      const std::string within =
          UnknownField(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i) : reflection.GetMessage(message, field));
      if (!within.empty()) return field->name() + "." + within;
    }
  }
  return "";
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

absl::Status Overloaded(const char* what, const char* limit, int value) {
  return RetryAfter(Error(Reason::kOverloaded, what, {{"limit", limit}, {"value", std::to_string(value)}}), kOverloadedRetry);
}

absl::Status ShuttingDown() { return Error(Reason::kShuttingDown, "the node is shutting down"); }

}  // namespace

void Call::OnEnd(std::function<void()> fn) {
  {
    absl::MutexLock lock(&mu_);
    if (!ended_) {
      on_end_.push_back(std::move(fn));
      return;
    }
  }
  fn();
}

void Call::End() {
  std::vector<std::function<void()>> fns;
  {
    absl::MutexLock lock(&mu_);
    ended_ = true;
    fns.swap(on_end_);
  }
  for (const std::function<void()>& fn : fns) fn();
}

absl::Status FaultOfProgram(std::string_view what, const std::exception& error) {
  spdlog::error("{} threw: {}", what, error.what());
  return Error(Reason::kInternal, "a fault of this node's program: its log has more");
}

// One call on the wire. Alive until gRPC is done with it and nobody can answer it any more.
class Dispatcher::Reactor : public grpc::ServerGenericBidiReactor, public std::enable_shared_from_this<Dispatcher::Reactor> {
 public:
  Reactor(Dispatcher* owner, grpc::GenericCallbackServerContext* context)
      : owner_(owner), context_(context), start_(absl::Now()), call_(std::make_shared<Call>()) {}

  void Start() {
    self_ = shared_from_this();
    if (absl::Status admitted = Admit(); !admitted.ok()) {
      limit_ = MetadataOf(admitted, "limit");
      if (over_rate_) return EndLater(admitted);
      End(admitted);
      return;
    }
    StartRead(&request_bytes_);
  }

  // Ends the call, a stream once what is on its way has left.
  void EndStream(const absl::Status& status) {
    std::shared_ptr<Source> source;
    {
      absl::MutexLock lock(&mu_);
      if (finished_) return;
      ending_ = status;
      source = source_;
      if (writing_) return;  // OnWriteDone ends it
    }
    if (source) source->Cancel();
    End(status);
  }

  // As EndStream, when the caller is no longer admitted.
  void Reauthorize() {
    const absl::Status admitted = Readmit();
    if (admitted.ok()) return;
    {
      absl::MutexLock lock(&mu_);
      // The context lives while a write is out. gRPC runs no callback of a reactor on the thread that cancels.
      if (!finished_ && writing_ && ending_) return context_->TryCancel();
    }
    EndStream(admitted);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(Error(Reason::kMessageMalformed, "the call carries no message"));
    if (request_bytes_.Length() > owner_->options_.request_bytes_max) {
      return End(
          Error(Reason::kMessageTooLarge, "the request is too large", {{"bytes_max", std::to_string(owner_->options_.request_bytes_max)}}));
    }
    if (Forwarder* const forwarder = owner_->options_.forwarder; forwarder != nullptr && entry_->by_leader && !forwarder->leads()) {
      // Once: else it might go round.
      if (passed_on_by_) return End(absl::UnavailableError("this member of the site does not lead it"));
      return PassOn(forwarder);
    } else if (forwarder != nullptr && entry_->by_leader) {
      answers_as_leader_ = true;
      // Who loses the lead from here on finds it set.
      if (!forwarder->leads()) return End(NotLeading());
    }
    // Before they are parsed: that takes them.
    if (call_->identity.kind == IdentityKind::kPartner) call_->submitted = BytesOf(request_bytes_);
    request_.reset(entry_->request->New());
    const grpc::Status parsed =
        grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::Message>(&request_bytes_, request_.get());
    if (!parsed.ok()) return End(Error(Reason::kMessageMalformed, "the request is not a valid " + request_->GetTypeName()));
    const std::string subject = entry_->subject == nullptr ? SubjectWithin(*request_, &named_later_)
                                                           : request_->GetReflection()->GetString(*request_, entry_->subject);
    subject_ = subject.substr(0, kSubjectCharsMax);
    if (const std::string unknown = call_->identity.kind == IdentityKind::kPartner ? UnknownField(*request_) : ""; !unknown.empty()) {
      return End(FieldError(Reason::kFieldInvalid, unknown, "is no field that this site knows: what a partner sends holds no others"));
    }
    if (const auto wish = context_->client_metadata().find(kDurabilityMetadata); wish != context_->client_metadata().end()) {
      const absl::StatusOr<int> replicas = ParseDurability({wish->second.data(), wish->second.size()});
      if (!replicas.ok()) return End(replicas.status());
      call_->replicas = *replicas;
    }
    if (const auto kept = context_->client_metadata().find(kBasisMetadata); kept != context_->client_metadata().end()) {
      absl::StatusOr<Basis> basis = ParseBasis({kept->second.data(), kept->second.size()});
      if (!basis.ok()) return End(basis.status());
      call_->basis = *std::move(basis);
    }
    Consistency* const consistency = owner_->options_.consistency;
    const auto token = context_->client_metadata().find(kConsistencyMetadata);
    if (!UsesTokens() || token == context_->client_metadata().end()) return Run(absl::OkStatus());
    call_->has_token = true;
    const uint64_t wait = consistency->Await(std::string_view(token->second.data(), token->second.size()), call_->deadline,
                                             [self = self_](absl::Status waited) { self->Run(waited); });
    // A watch has no deadline: without this, one that is given up while it waits would be kept for ever.
    if (wait != 0) call_->OnEnd([consistency, wait] { consistency->Leave(wait); });
  }

  void OnWriteDone(bool ok) override {
    std::optional<absl::Status> ending;
    std::shared_ptr<Source> source;
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      if (finished_) return;
      ending = ok ? ending_ : absl::CancelledError("the caller has gone");
      source = source_;
    }
    if (!ending) return Pull();
    source->Cancel();
    End(*ending);
  }

  void OnCancel() override {
    call_->cancelled_.store(true, std::memory_order_relaxed);
    std::shared_ptr<Source> source;
    {
      absl::MutexLock lock(&mu_);
      source = source_;
    }
    if (source) source->Cancel();
    End(absl::CancelledError("the caller has gone"));
  }

  void OnDone() override {
    if (alarm_) alarm_->Cancel();
    call_->End();
    if (streams_counted_) {
      {
        absl::MutexLock lock(&owner_->mu_);
        owner_->open_streams_.erase(this);
      }
      --owner_->streams_;
    }
    if (unary_counted_) --owner_->unary_in_flight_;
    for (size_t i = 0; i < places_; ++i) owner_->options_.limits->Leave(charged_[i], !entry_->unary);
    if (over_rate_) owner_->options_.limits->Told(charged_.back());
    if (held_) --owner_->held_;
    // AwaitIdle looks again when the lock is let go.
    if (owner_->draining_.load()) absl::MutexLock lock(&owner_->mu_);
    if (owner_->options_.on_finish) owner_->options_.on_finish(Summary(code_));
    // A reply that is still held keeps this object, and shall not keep the source.
    std::shared_ptr<Source> source;
    {
      absl::MutexLock lock(&mu_);
      source = std::move(source_);
    }
    self_.reset();
  }

 private:
  absl::Status Admit() {
    const DispatcherOptions& options = owner_->options_;
    std::string_view method = context_->method();
    if (method.starts_with('/')) method.remove_prefix(1);
    caller_ = context_->auth_context();
    absl::StatusOr<Identity> peer = Identified();
    if (!peer.ok()) return peer.status();
    const absl::StatusOr<std::optional<PassedOn>> passed_on = PassedOnBy(
        *peer, context_->client_metadata(), options.network, options.forwarder == nullptr ? std::string_view() : options.forwarder->site());
    // What a member of the site passes on is its callers', and charged to them.
    passed_on_by_ = passed_on.ok() && passed_on->has_value();
    if (passed_on_by_) peer = (*passed_on)->gateway.value_or((*passed_on)->caller);
    call_->identity = *peer;
    if (peer->kind == IdentityKind::kGateway) call_->gateway = peer->path;
    if (owner_->draining_.load()) return ShuttingDown();
    // First of all, so that nobody who says something else of himself is refused at no charge.
    if (absl::Status taken = Charge(*peer); !taken.ok()) return taken;
    if (!passed_on.ok()) return passed_on.status();
    absl::StatusOr<Identity> viewer = passed_on_by_ ? (*passed_on)->caller : ViewerOf(*peer, context_->client_metadata(), options.network);
    if (!viewer.ok()) return viewer.status();
    if (viewer->path != peer->path) {
      call_->identity = *std::move(viewer);
      if (absl::Status taken = Charge(call_->identity); !taken.ok()) return taken;
    }
    const auto found = owner_->table_.find(method);
    if (found == owner_->table_.end()) return Error(Reason::kMethodUnknown, "this node has no such method");
    entry_ = &found->second;
    call_->method = found->first;
    if (!options.authorize) return Error(Reason::kPermissionDenied, "not permitted");
    if (absl::Status allowed = options.authorize(*peer, call_->method); !allowed.ok()) return allowed;
    if (absl::Status allowed = options.authorize(call_->identity, call_->method); !allowed.ok()) return allowed;

    for (; places_ < charged_.size(); ++places_) {
      if (absl::Status entered = options.limits->Enter(charged_[places_], !entry_->unary); !entered.ok()) return entered;
    }
    const bool has_deadline = context_->deadline() != std::chrono::system_clock::time_point::max();
    if (entry_->unary) {
      unary_counted_ = true;
      if (++owner_->unary_in_flight_ > options.unary_in_flight_max) {
        return Overloaded("too many calls in flight", "limits.in_flight_max", options.unary_in_flight_max);
      }
      call_->deadline = has_deadline ? absl::FromChrono(context_->deadline()) : start_ + options.default_deadline;
      if (!has_deadline) {
        // An alarm keeps its function until it is destroyed: a strong reference here would keep this object for ever.
        alarm_.emplace().Set(absl::ToChronoTime(call_->deadline), [weak = weak_from_this()](bool expired) {
          if (!expired) return;
          const auto self = weak.lock();
          if (!self) return;
          self->call_->cancelled_.store(true, std::memory_order_relaxed);
          self->End(absl::DeadlineExceededError("the default deadline has passed"));
        });
      }
    } else {
      streams_counted_ = true;
      call_->deadline = has_deadline ? absl::FromChrono(context_->deadline()) : absl::InfiniteFuture();
      if (++owner_->streams_ > options.streams_max) {
        return Overloaded("too many streams", "limits.streams_max", options.streams_max);
      }
      absl::MutexLock lock(&owner_->mu_);
      // Looked at again under the lock that Drain takes: a stream is either ended by it or refused here.
      if (owner_->draining_.load()) return ShuttingDown();
      owner_->open_streams_.insert(this);
    }
    return absl::OkStatus();
  }

  // Takes the call from the rate of one for whom it is.
  absl::Status Charge(const Identity& identity) {
    if (owner_->options_.limits == nullptr) return absl::OkStatus();
    charged_.push_back(identity);
    absl::Status taken = owner_->options_.limits->Take(identity);
    over_rate_ = !taken.ok();
    return taken;
  }

  absl::StatusOr<Identity> Identified() const {
    const DispatcherOptions& options = owner_->options_;
    return options.identify ? options.identify(*caller_) : IdentityOf(*caller_, options.network);
  }

  static absl::Status NotLeading() { return absl::UnavailableError("this member of the site does not lead it any more"); }

  // Whether who was admitted would be admitted now. Any thread.
  absl::Status Readmit() const {
    const absl::StatusOr<Identity> identity = Identified();
    if (!identity.ok()) return identity.status();
    if (answers_as_leader_ && !owner_->options_.forwarder->leads()) return NotLeading();
    return owner_->options_.authorize(passed_on_by_ ? call_->identity : *identity, call_->method);
  }

  // Has the member that leads the site answer.
  void PassOn(Forwarder* forwarder) {
    passed_on_ = true;
    if (entry_->unary) {
      forwarder->Unary(call_, context_->client_metadata(), std::move(request_bytes_), [self = self_](Forwarder::Answer answer) {
        if (!answer.status.ok()) return self->End(answer.status, std::move(answer.token));
        if (!self->Claim(grpc::StatusCode::OK)) return;
        // By whoever ends the call alone: its end may come from elsewhere at the same moment.
        self->leaders_token_ = std::move(answer.token);
        self->call_->durability = std::move(answer.durability);
        self->Reply(&answer.message);
      });
      return;
    }
    Follow(forwarder->Stream(call_, context_->client_metadata(), std::move(request_bytes_), entry_->response));
  }

  void EndLater(const absl::Status& refusal) {
    held_ = ++owner_->held_ <= kHeldCallsMax;
    if (!held_) {
      --owner_->held_;
      return End(refusal);
    }
    const absl::Duration delay = std::min(RetryDelayOf(refusal), kHeldMax);
    alarm_.emplace().Set(absl::ToChronoTime(start_ + delay), [weak = weak_from_this(), refusal](bool) {
      if (const auto self = weak.lock()) self->End(refusal);
    });
  }

  void Run(const absl::Status& waited) {
    if (!waited.ok()) return End(waited);
    if (absl::Now() - start_ > kAdmissionStale) {
      if (absl::Status admitted = Readmit(); !admitted.ok()) return End(admitted);
    }
    if (call_->cancelled()) return;  // OnCancel has ended it
    Guard([this] {
      if (entry_->unary) {
        entry_->unary(call_, *request_, [self = self_](absl::StatusOr<MessagePtr> reply) { self->Answer(std::move(reply)); });
        request_.reset();
        return;
      }
      absl::StatusOr<std::shared_ptr<Source>> source = entry_->stream(call_, *request_);
      request_.reset();
      Follow(std::move(source));
    });
  }

  // Runs a handler's code. What it throws is a fault of ours: gRPC would swallow it and never end the call.
  template <class Fn>
  void Guard(const Fn& fn) {
    try {
      fn();
    } catch (const std::exception& error) {
      EndStream(FaultOfProgram(call_->method, error));
    }
  }

  // Sends what the source gives.
  void Follow(absl::StatusOr<std::shared_ptr<Source>> source) {
    if (!source.ok()) return End(source.status());
    bool gone;
    {
      absl::MutexLock lock(&mu_);
      gone = finished_;
      if (!gone) source_ = *source;
    }
    if (gone) return (*source)->Cancel();
    if (owner_->options_.on_stream) owner_->options_.on_stream(Summary(grpc::StatusCode::OK));
    Pull();
  }

  CallSummary Summary(grpc::StatusCode code) const {
    return {entry_ ? std::string_view(call_->method) : "unknown",
            call_->identity.kind,
            code,
            absl::Now() - start_,
            limit_,
            call_->identity.path,
            call_->gateway,
            subject_,
            passed_on_};
  }

  // What one member of several cannot write another soon can, or itself: as when a connection breaks, the same is asked for again. At a
  // site of one machine these reasons last until an operator acts.
  absl::Status Settled(const absl::Status& error) const {
    const Forwarder* const forwarder = owner_->options_.forwarder;
    if (forwarder == nullptr) return error;
    const std::string reason = ReasonOf(error);
    const auto is = [&reason](Reason one) { return reason == ReasonName(one); };
    if (!is(Reason::kNodeReadOnly) && !is(Reason::kClockDrift) && !is(Reason::kClockDisagrees)) return error;
    return absl::UnavailableError(forwarder->leads() ? error.message() : "another member of the site leads it now");
  }

  void Answer(absl::StatusOr<MessagePtr> reply) {
    if (!reply.ok()) return End(Settled(reply.status()));
    bool own;
    grpc::ByteBuffer bytes;
    const grpc::Status serialised = grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(**reply, &bytes, &own);
    if (!serialised.ok()) return End(Error(Reason::kInternal, "the reply could not be written"));
    if (!Claim(grpc::StatusCode::OK)) return;
    if (const std::string name = named_later_ ? TextIn(**reply, "name") : ""; !name.empty()) subject_ = name.substr(0, kSubjectCharsMax);
    Reply(&bytes);
  }

  // REQUIRES: Claim.
  void Reply(grpc::ByteBuffer* bytes) {
    response_bytes_.Swap(bytes);
    AddToken();
    if (!call_->durability.empty()) context_->AddTrailingMetadata(kDurabilityMetadata, call_->durability);
    StartWriteAndFinish(&response_bytes_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void Pull() {
    std::shared_ptr<Source> source;
    {
      absl::MutexLock lock(&mu_);
      if (finished_) return;
      source = source_;
    }
    Guard([&] { source->Next([self = shared_from_this()](absl::StatusOr<MessagePtr> next) { self->Send(std::move(next)); }); });
  }

  void Send(absl::StatusOr<MessagePtr> next) {
    if (!next.ok()) return End(next.status());
    if (*next == nullptr) return End(absl::OkStatus());
    bool own;
    grpc::ByteBuffer bytes;
    const grpc::Status serialised = grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(**next, &bytes, &own);
    if (!serialised.ok()) return End(Error(Reason::kInternal, "the message could not be written"));
    absl::MutexLock lock(&mu_);
    if (finished_) return;
    response_bytes_.Swap(&bytes);
    writing_ = true;
    StartWrite(&response_bytes_);
  }

  // Makes the caller the one who ends the call; false when it has ended.
  bool Claim(grpc::StatusCode code) {
    absl::MutexLock lock(&mu_);
    if (finished_) return false;
    finished_ = true;
    code_ = code;
    return true;
  }

  // A partner is given none: how far logs have come tells of what others do.
  bool UsesTokens() const { return owner_->options_.consistency != nullptr && call_->identity.kind != IdentityKind::kPartner; }

  void AddToken() {
    if (!UsesTokens()) return;
    context_->AddTrailingMetadata(kConsistencyMetadata, leaders_token_.empty() ? owner_->options_.consistency->Token() : leaders_token_);
  }

  // `leaders_token`: of one that was passed on.
  void End(const absl::Status& status, std::string leaders_token = "") {
    const grpc::Status wire = ToGrpc(call_->identity.kind == IdentityKind::kPartner ? ForPartner(status) : status);
    if (!Claim(wire.error_code())) return;
    leaders_token_ = std::move(leaders_token);
    if (entry_ != nullptr) AddToken();
    Finish(wire);
  }

  Dispatcher* const owner_;
  grpc::GenericCallbackServerContext* const context_;  // until Finish
  const absl::Time start_;
  const std::shared_ptr<Call> call_;
  const Entry* entry_ = nullptr;
  bool unary_counted_ = false;
  bool streams_counted_ = false;
  std::vector<Identity> charged_;  // the peer or gateway, and whom it speaks for
  size_t places_ = 0;              // of how many of them the call has a place
  bool over_rate_ = false;         // the last of them is
  bool held_ = false;
  bool passed_on_by_ = false;  // by another member of the site
  bool passed_on_ = false;     // to the one that leads it
  std::atomic<bool> answers_as_leader_{false};
  std::string leaders_token_;  // set and read by who has claimed the end
  std::string limit_;          // by which the call was refused
  std::string subject_;        // what the request named, or made
  bool named_later_ = false;   // what the request gives has its name from the answer
  std::shared_ptr<const grpc::AuthContext> caller_;
  std::optional<grpc::Alarm> alarm_;  // the default deadline, or when a refusal is told; making one takes gRPC's own lock
  grpc::ByteBuffer request_bytes_;
  MessagePtr request_;
  grpc::ByteBuffer response_bytes_;
  std::shared_ptr<Reactor> self_;  // until OnDone

  absl::Mutex mu_;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Source> source_ ABSL_GUARDED_BY(mu_);
  grpc::StatusCode code_ = grpc::StatusCode::OK;  // set once, before OnDone
};

Dispatcher::Dispatcher(DispatcherOptions options) : options_(std::move(options)) {}
Dispatcher::~Dispatcher() = default;

void Dispatcher::Add(std::string_view method, Entry entry, bool streams) {
  const google::protobuf::MethodDescriptor* descriptor = FindMethod(method);
  if (descriptor == nullptr) Fatal("no such method in the linked protos", method);
  if (descriptor->client_streaming() || descriptor->server_streaming() != streams) Fatal("a handler of the wrong shape", method);
  entry.request = google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor->input_type());
  entry.response = google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor->output_type());
  entry.subject = SubjectField(*descriptor->input_type());
  entry.by_leader = AnsweredByLeader(method);
  if (!table_.emplace(std::string(method), std::move(entry)).second) Fatal("two handlers", method);
}

void Dispatcher::Handle(std::string_view method, UnaryHandler handler) {
  Entry entry;
  entry.unary = std::move(handler);
  Add(method, std::move(entry), /*streams=*/false);
}

void Dispatcher::HandleStream(std::string_view method, StreamHandler handler) {
  Entry entry;
  entry.stream = std::move(handler);
  Add(method, std::move(entry), /*streams=*/true);
}

bool Dispatcher::Handles(std::string_view method) const { return table_.contains(method); }

std::vector<std::string> Dispatcher::Methods() const {
  std::vector<std::string> methods;
  methods.reserve(table_.size());
  for (const auto& [method, entry] : table_) methods.push_back(method);
  return methods;
}

void Dispatcher::Drain() {
  std::vector<std::shared_ptr<Reactor>> streams;
  {
    absl::MutexLock lock(&mu_);
    draining_.store(true);
    // A reactor leaves the set in OnDone, before it lets go of itself: each of these is alive.
    for (Reactor* reactor : open_streams_) streams.push_back(reactor->shared_from_this());
  }
  for (const auto& stream : streams) stream->EndStream(ShuttingDown());
}

void Dispatcher::Reauthorize() {
  std::vector<std::shared_ptr<Reactor>> streams;
  {
    absl::MutexLock lock(&mu_);
    for (Reactor* reactor : open_streams_) streams.push_back(reactor->shared_from_this());
  }
  for (const auto& stream : streams) stream->Reauthorize();
}

void Dispatcher::AwaitIdle(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  const auto idle = +[](Dispatcher* self) { return self->unary_in_flight_.load() == 0 && self->streams_.load() == 0; };
  mu_.AwaitWithDeadline(absl::Condition(idle, this), deadline);
}

grpc::ServerGenericBidiReactor* Dispatcher::CreateReactor(grpc::GenericCallbackServerContext* context) {
  auto reactor = std::make_shared<Reactor>(this, context);
  reactor->Start();
  return reactor.get();
}

}  // namespace fairlead::rpc
