#include "server/rpc/audit_trail.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "api/crypto.h"
#include "api/errors.h"
#include "api/ids.h"
#include "server/node/materialise.h"
#include "server/records/audit_event.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

// What a caller wrote, fit for one line of the audit.
std::string Line(std::string_view text, size_t max = records::kAuditTextCharsMax) {
  std::string line(text.substr(0, max));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return line;
}

std::string WithoutPackage(std::string_view method) {
  constexpr std::string_view kPackage = "fairlead.v1.";
  return Line(method.starts_with(kPackage) ? method.substr(kPackage.size()) : method);
}

std::string CodeName(int code) { return absl::StatusCodeToString(static_cast<absl::StatusCode>(code)); }

}  // namespace

AuditTrail::AuditTrail(node::Node* node, AuditOptions options)
    : node_(node),
      options_(std::move(options)),
      enabled_(node->own_logs().contains(kAuditStream)),
      actor_("node/" + node->options().site),
      batch_(options_.limits) {}

AuditTrail::~AuditTrail() { Stop(); }

void AuditTrail::Start() {
  if (!enabled_) {
    spdlog::warn("the roster names no log {}/*/{}: nothing is audited here", node_->options().site, kAuditStream);
    return;
  }
  thread_ = std::thread([this] { Run(); });
}

void AuditTrail::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  sooner_.Set();
  give_up_.Set();
  if (thread_.joinable()) thread_.join();
}

void AuditTrail::CallFinished(const CallSummary& summary) { AddCall(summary, CodeName(summary.code)); }

void AuditTrail::AddCall(const CallSummary& summary, const std::string& outcome) {
  const std::optional<v1::AuditKind> kind = AuditKindOf(summary);
  if (!kind) return;
  v1::AuditEvent event;
  event.set_kind(*kind);
  event.set_actor(Line(summary.caller));
  event.set_gateway(Line(summary.gateway));
  event.set_method(WithoutPackage(summary.method));
  event.set_outcome(outcome);
  const bool by_class =
      *kind == v1::AUDIT_KIND_PARTNER_READ || *kind == v1::AUDIT_KIND_PARTNER_SUBMISSION || *kind == v1::AUDIT_KIND_DENIAL;
  event.set_resource(by_class ? ResourceClass(summary.subject) : Line(summary.subject));
  Add(std::move(event));
}

void AuditTrail::Denied(std::string_view actor, std::string_view method, const absl::Status& why) {
  v1::AuditEvent event;
  event.set_kind(v1::AUDIT_KIND_DENIAL);
  event.set_actor(Line(actor));
  event.set_method(WithoutPackage(method));
  event.set_outcome(CodeName(static_cast<int>(why.code())));
  Add(std::move(event));
}

void AuditTrail::Act(std::string_view act, const std::string& detail) {
  v1::AuditEvent event;
  event.set_kind(v1::AUDIT_KIND_ADMINISTRATION);
  event.set_actor(actor_);
  event.set_method(Line(act));
  event.set_outcome("OK");
  event.set_detail(Line(detail, records::kAuditDetailCharsMax));
  Add(std::move(event));
  absl::MutexLock lock(&mu_);
  if (!batch_.empty()) due_ = absl::InfinitePast();
  sooner_.Set();
}

void AuditTrail::Add(v1::AuditEvent event) {
  if (!enabled_) return;
  event.set_site(node_->options().site);
  event.set_marking(v1::MARKING_SENSITIVE);
  const absl::Time now = node_->options().clock->Now();
  absl::MutexLock lock(&mu_);
  if (stopping_) return;
  batch_.Add(std::move(event), now);
  ++gathered_;
  due_ = std::min(due_, SteadyNow() + options_.interval);
}

bool AuditTrail::Flush(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  const uint64_t until = gathered_;
  if (!batch_.empty()) due_ = absl::InfinitePast();
  sooner_.Set();
  const auto written = [this, until]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return written_ >= until; };
  return mu_.AwaitWithDeadline(absl::Condition(&written), deadline);
}

absl::Duration AuditTrail::Rest() {
  absl::MutexLock lock(&mu_);
  return stopping_ ? absl::ZeroDuration() : due_ - SteadyNow();
}

void AuditTrail::Run() {
  while (true) {
    std::vector<v1::AuditEvent> events;
    uint64_t until = 0;
    bool last = false;
    {
      absl::MutexLock lock(&mu_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !batch_.empty(); };
      mu_.Await(absl::Condition(&something));
    }
    for (absl::Duration left; (left = Rest()) > absl::ZeroDuration();) sooner_.Await(left);
    {
      absl::MutexLock lock(&mu_);
      last = stopping_;
      events = batch_.Take();
      until = gathered_;
      due_ = absl::InfiniteFuture();
    }
    for (size_t at = 0; at < events.size(); at += options_.entry_events_max) {
      const size_t end = std::min(events.size(), at + options_.entry_events_max);
      if (!Keep({events.begin() + static_cast<ptrdiff_t>(at), events.begin() + static_cast<ptrdiff_t>(end)})) return;
    }
    absl::MutexLock lock(&mu_);
    written_ = until;
    if (last && batch_.empty()) return;
  }
}

bool AuditTrail::Keep(const std::vector<v1::AuditEvent>& events) {
  v1::KeepAuditEventsRequest request = RequestOf(events);
  while (true) {
    bool last = false;
    {
      absl::MutexLock lock(&mu_);
      last = stopping_;
    }
    const absl::Status status = Write(request);
    if (status.ok()) return true;
    if (last) return false;  // one try at the end
    give_up_.Await(options_.interval);
    // Refused for good, and nothing written: the id is of a time that has become wrong, or too long ago.
    const std::string reason = ReasonOf(status);
    if (reason == ReasonName(Reason::kFieldInvalid) || reason == ReasonName(Reason::kRequestIdExpired)) request = RequestOf(events);
  }
}

v1::KeepAuditEventsRequest AuditTrail::RequestOf(const std::vector<v1::AuditEvent>& events) const {
  v1::KeepAuditEventsRequest request;
  request.set_request_id(NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(node_->options().clock->Now()))));
  request.mutable_events()->Assign(events.begin(), events.end());
  return request;
}

node::WriteRequest AuditTrail::WriteOf(const v1::KeepAuditEventsRequest& request) const {
  const auto& events = request.events();
  const records::RecordType& type = *node_->registry().FindByMessage("AuditEvent");
  node::WriteRequest write;
  write.actor = actor_;
  write.request_id = request.request_id();
  write.method = "audit";
  write.stream = std::string(kAuditStream);
  const Digest digest = Sha256(write.request_id);
  std::copy_n(digest.begin(), write.request_digest.size(), write.request_digest.begin());
  for (int i = 0; i < events.size(); ++i) {
    const std::string name =
        "auditEvents/" + CreatedRecordId(node_->roster().network(), write.actor, fmt::format("audit {}", i), write.request_id);
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    for (const auto* field : FoldedFields(type)) {
      if (IsSet(events[i], field)) fields.push_back(field);
    }
    write.mutations.push_back(node::MutationFor(type, name, nullptr, events[i], fields));
  }
  return write;
}

void AuditTrail::Register(Dispatcher* dispatcher) {
  dispatcher->Handle("fairlead.v1.NodeService/KeepAuditEvents",
                     [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& message, const Reply& reply) {
                       const auto& request = static_cast<const v1::KeepAuditEventsRequest&>(message);
                       if (request.events().empty() || static_cast<size_t>(request.events_size()) > options_.entry_events_max) {
                         return reply(FieldError(Reason::kFieldInvalid, "events", fmt::format("1 to {}", options_.entry_events_max)));
                       }
                       const Identity& caller = call->identity;
                       if (caller.kind != IdentityKind::kNode || caller.scope != node_->options().site) {
                         return reply(Error(Reason::kPermissionDenied, "not permitted"));
                       }
                       node_->Write(WriteOf(request), [reply](const absl::StatusOr<node::WriteResult>& result) {
                         if (!result.ok()) return reply(result.status());
                         reply(std::make_unique<v1::KeepAuditEventsResponse>());
                       });
                     });
}

absl::Status AuditTrail::Write(const v1::KeepAuditEventsRequest& request) {
  absl::Status status;
  const std::optional<absl::Status> passed_on = options_.pass_on ? options_.pass_on(request) : std::nullopt;
  if (passed_on) {
    status = *passed_on;
  } else {
    absl::Notification done;
    node_->Write(WriteOf(request), [&](const absl::StatusOr<node::WriteResult>& result) {
      status = result.status();
      done.Notify();
    });
    done.WaitForNotification();
  }
  // Tried again every few seconds: each cause is told once.
  const std::string cause = status.ok() ? "" : std::string(status.message());
  if (std::exchange(failing_, cause) != cause && !cause.empty()) spdlog::warn("the audit is not written: {}", cause);
  return status;
}

}  // namespace fairlead::rpc
