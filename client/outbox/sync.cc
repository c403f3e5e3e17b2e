#include "client/outbox/sync.h"

#include <fmt/format.h>

#include "api/errors.h"
#include "client/outbox/uploads.h"

namespace fairlead::client {
namespace {

bool Is(const std::string& reason, Reason wanted) { return reason == ReasonName(wanted); }

// The change that `change` has to wait for: a refused one, or one that is held back, of a record that it is about or names.
std::optional<int64_t> HolderOf(const Change& change, const std::vector<std::pair<std::string, int64_t>>& blocked) {
  for (const auto& [record, position] : blocked) {
    if (Names(change.record, record) || Mentions(*change.request, record)) return position;
  }
  return std::nullopt;
}

}  // namespace

SendCall SendThrough(Client* client, const Outbox* outbox) {
  return [client, outbox](const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                          google::protobuf::Message* response, const CallOptions& call, Answer* answer) {
    if (IsUpload(method)) return SendUpload(client, *outbox, request, response, call, answer);
    return client->Call(method, request, response, call, answer);
  };
}

bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
      // What is not from a node says nothing of the change; what is about the call's metadata is the caller's to set right.
      return !ReasonOf(status).empty() && (FieldOf(status) == "fairlead-basis" || !FieldOf(status).starts_with("fairlead-"));
    case absl::StatusCode::kResourceExhausted:
      return Is(ReasonOf(status), Reason::kMessageTooLarge);
    default:
      return false;
  }
}

absl::StatusOr<SyncResult> Sync(Outbox* outbox, const SendCall& send, const std::function<void(const Change&)>& on_end,
                                const std::stop_token& stop) {
  SyncResult result;
  absl::StatusOr<std::vector<Change>> changes = outbox->Changes(/*with_done=*/false);
  if (!changes.ok()) return changes.status();
  std::vector<std::pair<std::string, int64_t>> blocked;  // records, and the refused change that blocks each
  for (const Change& change : *changes) {
    if (stop.stop_requested()) {
      result.stopped = absl::CancelledError("interrupted");
      break;
    }
    const std::optional<int64_t> holder = HolderOf(change, blocked);
    if (holder.has_value() || change.state == ChangeState::kRefused) {
      blocked.emplace_back(change.record, holder.value_or(change.position));
      if (holder.has_value()) result.held.emplace_back(change.position, *holder);
      continue;
    }
    const absl::StatusOr<std::string> token = outbox->Token();
    if (!token.ok()) return token.status();
    if (absl::Status marked = outbox->MarkSent(change.position); !marked.ok()) return marked;
    CallOptions call;
    call.site = change.site;
    call.token = *token;
    call.basis = change.Basis();
    call.stop = stop;
    const MessagePtr response = NewMessage(*change.method->output_type());
    Answer answer;
    absl::Status status = send(*change.method, *change.request, response.get(), call, &answer);
    if (FieldOf(status) == "fairlead-token") {  // of before the network's keys changed
      call.token = "";
      status = send(*change.method, *change.request, response.get(), call, &answer);
    }
    if (status.ok()) {
      if (absl::Status marked = outbox->MarkDone(change.position, *response, answer.token); !marked.ok()) return marked;
      ++result.done;
    } else if (IsRefusal(status)) {
      if (absl::Status marked = outbox->MarkRefused(change.position, status); !marked.ok()) return marked;
      blocked.emplace_back(change.record, change.position);
      ++result.refused;
    } else {
      result.stopped = status;
      break;
    }
    const absl::StatusOr<Change> ended = outbox->Find(change.position);
    if (!ended.ok()) return ended.status();
    if (on_end) on_end(*ended);
  }
  return result;
}

std::string AdviceFor(const Change& change) {
  const std::string reason = ReasonOf(change.error);
  const auto command = [&change](const std::string& verb) { return fmt::format("fairlead outbox {} {}", verb, change.position); };
  const std::string give_up = fmt::format("or give it up: {}", command("drop"));
  if (Is(reason, Reason::kRequestIdExpired)) {
    return fmt::format("it waited longer than nodes remember requests; send it as a new one: {}, {}", command("renew"), give_up);
  }
  if (FieldOf(change.error) == "request_id") {
    return fmt::format("this computer's clock was wrong when it was made, or its id was used before; send it as a new one: {}, {}",
                       command("renew"), give_up);
  }
  if (Is(reason, Reason::kEtagMismatch)) {
    return fmt::format(
        "the node does not find what you had read; read the record (fairlead outbox keep {}) and make the change upon that: "
        "{}, {}",
        change.record, command("retry --rebase"), give_up);
  }
  if (Is(reason, Reason::kRecordExists)) {
    return fmt::format("somebody has made it; {}, and update the record instead", command("drop"));
  }
  if (Is(reason, Reason::kRecordWithdrawn)) return fmt::format("a record that it needs was withdrawn; {}", command("drop"));
  if (Is(reason, Reason::kRecordNotFound) || Is(reason, Reason::kReferenceNotFound)) {
    return fmt::format("a record that it names is not at that node; once it is: {}; or name another: {} --set FIELD=VALUE, {}",
                       command("retry"), command("edit"), give_up);
  }
  if (Is(reason, Reason::kStateForbids)) {
    return fmt::format("the record's state does not allow it; once it does: {}, {}", command("retry"), give_up);
  }
  if (change.error.code() == absl::StatusCode::kPermissionDenied) {
    return fmt::format("you may not do this there; once you may: {}, {}", command("retry"), give_up);
  }
  return fmt::format("mend it: {} --set FIELD=VALUE, {}", command("edit"), give_up);
}

}  // namespace fairlead::client
