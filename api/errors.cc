#include "api/errors.h"

#include <absl/strings/cord.h>

#include <array>
#include <cassert>
#include <optional>

#include "api/deterministic.h"
#include "google/rpc/error_details.pb.h"

namespace fairlead {
namespace {

constexpr char kDomain[] = "fairlead";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";

struct Row {
  Reason reason;
  absl::StatusCode code;
  std::string_view name;
};

// In the order of the enumerators.
constexpr std::array kTable = {
    Row{Reason::kFieldRequired, absl::StatusCode::kInvalidArgument, "FIELD_REQUIRED"},
    Row{Reason::kFieldInvalid, absl::StatusCode::kInvalidArgument, "FIELD_INVALID"},
    Row{Reason::kFieldTooLarge, absl::StatusCode::kInvalidArgument, "FIELD_TOO_LARGE"},
    Row{Reason::kFieldImmutable, absl::StatusCode::kInvalidArgument, "FIELD_IMMUTABLE"},
    Row{Reason::kReferenceNotFound, absl::StatusCode::kInvalidArgument, "REFERENCE_NOT_FOUND"},
    Row{Reason::kPageTokenInvalid, absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID"},
    Row{Reason::kRequestIdReused, absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED"},
    Row{Reason::kRequestIdExpired, absl::StatusCode::kInvalidArgument, "REQUEST_ID_EXPIRED"},
    Row{Reason::kMessageMalformed, absl::StatusCode::kInvalidArgument, "MESSAGE_MALFORMED"},
    Row{Reason::kMessageTooLarge, absl::StatusCode::kResourceExhausted, "MESSAGE_TOO_LARGE"},
    Row{Reason::kRecordNotFound, absl::StatusCode::kNotFound, "RECORD_NOT_FOUND"},
    Row{Reason::kRecordExists, absl::StatusCode::kAlreadyExists, "RECORD_EXISTS"},
    Row{Reason::kEtagMismatch, absl::StatusCode::kAborted, "ETAG_MISMATCH"},
    Row{Reason::kStateForbids, absl::StatusCode::kFailedPrecondition, "STATE_FORBIDS"},
    Row{Reason::kRecordWithdrawn, absl::StatusCode::kFailedPrecondition, "RECORD_WITHDRAWN"},
    Row{Reason::kStreamMissing, absl::StatusCode::kFailedPrecondition, "STREAM_MISSING"},
    Row{Reason::kNodeReadOnly, absl::StatusCode::kUnavailable, "NODE_READ_ONLY"},
    Row{Reason::kStorageFull, absl::StatusCode::kResourceExhausted, "STORAGE_FULL"},
    Row{Reason::kStorageFailed, absl::StatusCode::kInternal, "STORAGE_FAILED"},
    Row{Reason::kStoreDamaged, absl::StatusCode::kDataLoss, "STORE_DAMAGED"},
    Row{Reason::kClockDrift, absl::StatusCode::kUnavailable, "CLOCK_DRIFT"},
    Row{Reason::kClockDisagrees, absl::StatusCode::kUnavailable, "CLOCK_DISAGREES"},
    Row{Reason::kShuttingDown, absl::StatusCode::kUnavailable, "SHUTTING_DOWN"},
    Row{Reason::kOverloaded, absl::StatusCode::kResourceExhausted, "OVERLOADED"},
    Row{Reason::kLimitReached, absl::StatusCode::kResourceExhausted, "LIMIT_REACHED"},
    Row{Reason::kIdentityMissing, absl::StatusCode::kUnauthenticated, "IDENTITY_MISSING"},
    Row{Reason::kCertificateRefused, absl::StatusCode::kUnauthenticated, "CERTIFICATE_REFUSED"},
    Row{Reason::kPermissionDenied, absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"},
    Row{Reason::kMethodUnknown, absl::StatusCode::kUnimplemented, "METHOD_UNKNOWN"},
    Row{Reason::kResumeTokenForeign, absl::StatusCode::kOutOfRange, "RESUME_TOKEN_FOREIGN"},
    Row{Reason::kConsistencyTimeout, absl::StatusCode::kDeadlineExceeded, "CONSISTENCY_TIMEOUT"},
    Row{Reason::kReplicationTimeout, absl::StatusCode::kDeadlineExceeded, "REPLICATION_TIMEOUT"},
    Row{Reason::kIndexUnavailable, absl::StatusCode::kUnavailable, "INDEX_UNAVAILABLE"},
    Row{Reason::kNotYetProven, absl::StatusCode::kUnavailable, "NOT_YET_PROVEN"},
    Row{Reason::kPeerProtocol, absl::StatusCode::kFailedPrecondition, "PEER_PROTOCOL"},
    Row{Reason::kLogForked, absl::StatusCode::kDataLoss, "LOG_FORKED"},
    Row{Reason::kSignatureInvalid, absl::StatusCode::kDataLoss, "SIGNATURE_INVALID"},
    Row{Reason::kInternal, absl::StatusCode::kInternal, "INTERNAL"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(InOrder());

const Row& RowOf(Reason reason) {
  assert(static_cast<size_t>(reason) < kTable.size());
  return kTable[static_cast<size_t>(reason)];
}

template <class Message>
std::optional<Message> GetPayload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  Message message;
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

// Deterministic, so that equal errors are equal as absl::Status.
void SetPayload(absl::Status* status, const char* url, const google::protobuf::Message& message) {
  status->SetPayload(url, absl::Cord(DeterministicBytes(message)));
}

}  // namespace

const std::vector<Reason>& AllReasons() {
  static const std::vector<Reason>* const reasons = [] {
    auto* all = new std::vector<Reason>;
    for (const Row& row : kTable) all->push_back(row.reason);
    return all;
  }();
  return *reasons;
}

std::string_view ReasonName(Reason reason) { return RowOf(reason).name; }
absl::StatusCode ReasonCode(Reason reason) { return RowOf(reason).code; }

absl::Status Error(Reason reason, const std::string& message, const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_domain(kDomain);
  info.set_reason(std::string(ReasonName(reason)));
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  absl::Status status(ReasonCode(reason), message);
  SetPayload(&status, kErrorInfoUrl, info);
  return status;
}

absl::Status FieldError(Reason reason, const std::string& field, const std::string& message) {
  absl::Status status = Error(reason, message, {{"field", field}});
  AddFieldViolation(&status, field, message);
  return status;
}

void AddFieldViolation(absl::Status* status, const std::string& field, const std::string& message) {
  auto request = GetPayload<google::rpc::BadRequest>(*status, kBadRequestUrl).value_or(google::rpc::BadRequest());
  auto* violation = request.add_field_violations();
  violation->set_field(field);
  violation->set_description(message);
  SetPayload(status, kBadRequestUrl, request);
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetPayload<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  return info.has_value() && info->domain() == kDomain ? info->reason() : "";
}

absl::Status RetryAfter(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  const int64_t seconds = absl::IDivDuration(delay, absl::Seconds(1), &delay);
  info.mutable_retry_delay()->set_seconds(seconds);
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  SetPayload(&status, kRetryInfoUrl, info);
  return status;
}

std::string MetadataOf(const absl::Status& status, const std::string& name) {
  const auto info = GetPayload<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  if (!info.has_value() || info->domain() != kDomain) return "";
  const auto found = info->metadata().find(name);
  return found == info->metadata().end() ? "" : found->second;
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  const auto info = GetPayload<google::rpc::RetryInfo>(status, kRetryInfoUrl);
  if (!info.has_value()) return absl::ZeroDuration();
  return absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
}

std::string FieldOf(const absl::Status& status) {
  const auto request = GetPayload<google::rpc::BadRequest>(status, kBadRequestUrl);
  return request.has_value() && request->field_violations_size() > 0 ? request->field_violations(0).field() : "";
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()));
  // Payloads come in no order; equal statuses should give equal bytes.
  std::map<std::string, std::string> details;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) { details.emplace(std::string(url), std::string(value)); });
  for (auto& [url, value] : details) {
    auto* detail = out.add_details();
    detail->set_type_url(url);
    detail->set_value(value);
  }
  return out;
}

absl::Status FromProto(const google::rpc::Status& status) {
  absl::Status out(static_cast<absl::StatusCode>(status.code()), status.message());
  for (const auto& detail : status.details()) out.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  return out;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  if (ReasonOf(status).empty()) {
    const absl::StatusCode code = status.code();
    const bool grpcs_own =
        code == absl::StatusCode::kCancelled || code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kUnavailable;
    if (!grpcs_own) return ToGrpc(Error(Reason::kInternal, std::string(status.message())));
  }
  const google::rpc::Status proto = ToProto(status);
  return grpc::Status(static_cast<grpc::StatusCode>(proto.code()), proto.message(), proto.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status proto;
  // Details of another server may be anything; code and message are gRPC's.
  if (!proto.ParseFromString(status.error_details())) proto.Clear();
  proto.set_code(status.error_code());
  proto.set_message(status.error_message());
  return FromProto(proto);
}

}  // namespace fairlead
