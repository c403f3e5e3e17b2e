// Errors: one table from reason to status code, with google.rpc.ErrorInfo on every one.
//
// Inside the program an error is an absl::Status whose payloads carry ErrorInfo (domain "fairlead", reason, metadata), for field errors
// google.rpc.BadRequest, and google.rpc.RetryInfo where the time to try again is known. ToGrpc and FromGrpc carry them over the wire as
// google.rpc.Status details.
// Thread safety: pure functions.

#ifndef FAIRLEAD_API_ERRORS_H_
#define FAIRLEAD_API_ERRORS_H_

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "google/rpc/status.pb.h"

namespace fairlead {

// Every reason the product answers with. Names are sent as they are in ReasonName; never reuse one for another meaning.
enum class Reason {
  kFieldRequired,       // INVALID_ARGUMENT: FIELD_REQUIRED
  kFieldInvalid,        // INVALID_ARGUMENT: FIELD_INVALID
  kFieldTooLarge,       // INVALID_ARGUMENT: FIELD_TOO_LARGE
  kFieldImmutable,      // INVALID_ARGUMENT: FIELD_IMMUTABLE
  kReferenceNotFound,   // INVALID_ARGUMENT: REFERENCE_NOT_FOUND
  kPageTokenInvalid,    // INVALID_ARGUMENT: PAGE_TOKEN_INVALID
  kRequestIdReused,     // INVALID_ARGUMENT: REQUEST_ID_REUSED
  kRequestIdExpired,    // INVALID_ARGUMENT: REQUEST_ID_EXPIRED
  kMessageMalformed,    // INVALID_ARGUMENT: MESSAGE_MALFORMED
  kMessageTooLarge,     // RESOURCE_EXHAUSTED: MESSAGE_TOO_LARGE
  kRecordNotFound,      // NOT_FOUND: RECORD_NOT_FOUND
  kRecordExists,        // ALREADY_EXISTS: RECORD_EXISTS
  kEtagMismatch,        // ABORTED: ETAG_MISMATCH
  kStateForbids,        // FAILED_PRECONDITION: STATE_FORBIDS
  kRecordWithdrawn,     // FAILED_PRECONDITION: RECORD_WITHDRAWN
  kStreamMissing,       // FAILED_PRECONDITION: STREAM_MISSING
  kNodeReadOnly,        // UNAVAILABLE: NODE_READ_ONLY
  kStorageFull,         // RESOURCE_EXHAUSTED: STORAGE_FULL
  kStorageFailed,       // INTERNAL: STORAGE_FAILED
  kStoreDamaged,        // DATA_LOSS: STORE_DAMAGED
  kClockDrift,          // UNAVAILABLE: CLOCK_DRIFT
  kClockDisagrees,      // UNAVAILABLE: CLOCK_DISAGREES
  kShuttingDown,        // UNAVAILABLE: SHUTTING_DOWN
  kOverloaded,          // RESOURCE_EXHAUSTED: OVERLOADED
  kLimitReached,        // RESOURCE_EXHAUSTED: LIMIT_REACHED
  kIdentityMissing,     // UNAUTHENTICATED: IDENTITY_MISSING
  kCertificateRefused,  // UNAUTHENTICATED: CERTIFICATE_REFUSED
  kPermissionDenied,    // PERMISSION_DENIED: PERMISSION_DENIED
  kMethodUnknown,       // UNIMPLEMENTED: METHOD_UNKNOWN
  kResumeTokenForeign,  // OUT_OF_RANGE: RESUME_TOKEN_FOREIGN
  kConsistencyTimeout,  // DEADLINE_EXCEEDED: CONSISTENCY_TIMEOUT
  kReplicationTimeout,  // DEADLINE_EXCEEDED: REPLICATION_TIMEOUT
  kIndexUnavailable,    // UNAVAILABLE: INDEX_UNAVAILABLE
  kNotYetProven,        // UNAVAILABLE: NOT_YET_PROVEN
  kPeerProtocol,        // FAILED_PRECONDITION: PEER_PROTOCOL
  kLogForked,           // DATA_LOSS: LOG_FORKED
  kSignatureInvalid,    // DATA_LOSS: SIGNATURE_INVALID
  kInternal,            // INTERNAL: INTERNAL
};

// All of them, in order, for tests.
const std::vector<Reason>& AllReasons();
std::string_view ReasonName(Reason reason);
absl::StatusCode ReasonCode(Reason reason);

// An error about the call or the system. `metadata` goes into ErrorInfo.
absl::Status Error(Reason reason, const std::string& message, const std::map<std::string, std::string>& metadata = {});
// An error about one field of the request, such as "engagement.start_date": adds BadRequest and metadata "field".
absl::Status FieldError(Reason reason, const std::string& field, const std::string& message);
// Adds another field violation to a field error. REQUIRES: !status->ok().
void AddFieldViolation(absl::Status* status, const std::string& field, const std::string& message);

// `status` with RetryInfo: when the same call may be made again. REQUIRES: !status.ok(), delay >= 0.
absl::Status RetryAfter(absl::Status status, absl::Duration delay);

// The reason's name in `status`; empty when it carries no ErrorInfo.
std::string ReasonOf(const absl::Status& status);
// ErrorInfo's metadata of this name; empty when there is none.
std::string MetadataOf(const absl::Status& status, const std::string& name);
// RetryInfo's delay; zero when there is none.
absl::Duration RetryDelayOf(const absl::Status& status);
// The field of the first violation; empty when there is none.
std::string FieldOf(const absl::Status& status);

google::rpc::Status ToProto(const absl::Status& status);
absl::Status FromProto(const google::rpc::Status& status);
// A status without ErrorInfo becomes INTERNAL with reason INTERNAL, unless its code is one that gRPC itself gives (CANCELLED,
// DEADLINE_EXCEEDED, UNAVAILABLE).
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace fairlead

#endif  // FAIRLEAD_API_ERRORS_H_
