#include "client/retry.h"

#include <algorithm>
#include <string>

#include "api/errors.h"

namespace fairlead::client {

bool IsIdempotent(const google::protobuf::MethodDescriptor& method) {
  const std::string& name = method.name();
  for (const char* prefix : {"Get", "List", "Import"}) {
    if (name.rfind(prefix, 0) == 0) return true;
  }
  if (name == "BeginUpload" || name == "WriteChunk") return true;  // what is there already changes nothing
  return method.input_type()->FindFieldByName("request_id") != nullptr;
}

bool StaysAtItsNode(const google::protobuf::MethodDescriptor& method) {
  return method.service()->name() == "NodeService" && method.name().find("Backup") != std::string::npos;
}

NextStep StepAfter(const absl::Status& status, bool idempotent, bool has_other_node) {
  if (status.ok() || !idempotent) return NextStep::kStop;
  const std::string reason = ReasonOf(status);
  switch (status.code()) {
    case absl::StatusCode::kCancelled:  // not by the caller: gRPC says this of calls that reach a server as it shuts down
    case absl::StatusCode::kUnavailable:
      if (has_other_node) return NextStep::kOtherNode;
      // These two last until an operator acts.
      if (reason == ReasonName(Reason::kNodeReadOnly) || reason == ReasonName(Reason::kClockDrift)) return NextStep::kStop;
      return NextStep::kSameNode;
    case absl::StatusCode::kResourceExhausted:
      return reason == ReasonName(Reason::kOverloaded) || reason == ReasonName(Reason::kLimitReached) ? NextStep::kSameNode
                                                                                                      : NextStep::kStop;
    case absl::StatusCode::kDeadlineExceeded:
      // It is written there: asked again, that node waits on, and another one might write it a second time.
      if (reason == ReasonName(Reason::kReplicationTimeout)) return has_other_node ? NextStep::kSameNode : NextStep::kStop;
      return has_other_node ? NextStep::kOtherNode : NextStep::kStop;
    default:
      return NextStep::kStop;
  }
}

absl::Duration Backoff(const RetryOptions& options, int attempt, double jitter) {
  absl::Duration bound = options.backoff_initial;
  for (int i = 1; i < attempt && bound < options.backoff_max; ++i) bound *= 2;
  bound = std::min(bound, options.backoff_max);
  return bound / 2 + bound / 2 * jitter;
}

}  // namespace fairlead::client
