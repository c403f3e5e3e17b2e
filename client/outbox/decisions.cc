// What a person decides about changes that wait or were refused.

#include <fmt/format.h>

#include <algorithm>

#include "api/ids.h"
#include "client/outbox/outbox.h"

namespace fairlead::client {
namespace {

absl::Status MayHaveBeenTaken(const Change& change) {
  return absl::FailedPreconditionError(
      fmt::format("change {} was sent and not answered: the node may have taken it; sync tells", change.position));
}

bool MayBeTaken(const Change& change) { return change.state == ChangeState::kSent || change.unanswered > 0; }

}  // namespace

absl::Status Outbox::Retry(int64_t position) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  if (change->state != ChangeState::kRefused) return absl::FailedPreconditionError(fmt::format("change {} was not refused", position));
  change->state = ChangeState::kWaiting;
  change->error = absl::OkStatus();
  return Store(*change);
}

absl::Status Outbox::Replace(int64_t position, const google::protobuf::Message& request) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  if (!change->open()) return absl::FailedPreconditionError(fmt::format("change {} is done", position));
  if (MayBeTaken(*change)) return MayHaveBeenTaken(*change);
  const std::string etag = Creates(*change->method) ? "" : TextOf(*EtagHolder(*change->method, change->request.get()), "etag");
  change->request->CopyFrom(request);
  SetText(change->request.get(), "request_id", change->request_id);
  if (!Creates(*change->method)) SetText(EtagHolder(*change->method, change->request.get()), "etag", etag);
  change->state = ChangeState::kWaiting;
  change->error = absl::OkStatus();
  return Store(*change);
}

absl::Status Outbox::Rebase(int64_t position) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  if (!change->open() || Creates(*change->method)) {
    return absl::FailedPreconditionError(fmt::format("change {} has no basis that could be another", position));
  }
  if (MayBeTaken(*change)) return MayHaveBeenTaken(*change);
  const absl::StatusOr<std::optional<KeptRecord>> kept = FindKept(change->record);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return absl::FailedPreconditionError(fmt::format("{} has not been kept since", change->record));
  const absl::StatusOr<std::vector<Change>> open = OpenChangesOf(change->record);
  if (!open.ok()) return open.status();
  SetText(EtagHolder(*change->method, change->request.get()), "etag", TextOf(*(*kept)->record, "etag"));
  change->after.emplace();
  for (const Change& earlier : *open) {
    if (earlier.position < position) change->after->push_back(earlier.request_id);
  }
  change->state = ChangeState::kWaiting;
  change->error = absl::OkStatus();
  return Store(*change);
}

absl::StatusOr<Change> Outbox::Renew(int64_t position, bool even_if_sent) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  if (!change->open()) return absl::FailedPreconditionError(fmt::format("change {} is done", position));
  if (MayBeTaken(*change) && !even_if_sent) return MayHaveBeenTaken(*change);
  absl::StatusOr<std::vector<Change>> later = Changes(/*with_done=*/false);
  if (!later.ok()) return later.status();
  std::erase_if(*later, [position](const Change& other) { return other.position == position; });

  const std::string before_id = change->request_id;
  const std::string before = change->record;
  const std::string method = fmt::format("{}/{}", change->method->service()->full_name(), change->method->name());
  const std::string made = CreatedRecordId(options_.network, options_.actor, method, before_id);
  change->request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(options_.now())));
  SetText(change->request.get(), "request_id", change->request_id);
  const bool renamed = Creates(*change->method) && before.ends_with("/" + made);
  if (renamed) {
    change->record =
        before.substr(0, before.size() - made.size()) + CreatedRecordId(options_.network, options_.actor, method, change->request_id);
  }
  change->state = ChangeState::kWaiting;
  change->error = absl::OkStatus();
  change->unanswered = 0;
  const absl::Status stored = database_->Transaction([&]() -> absl::Status {
    if (absl::Status status = Store(*change); !status.ok()) return status;
    for (Change& other : *later) {
      if (other.after.has_value()) std::replace(other.after->begin(), other.after->end(), before_id, change->request_id);
      if (renamed) {
        if (Names(other.record, before)) other.record = change->record + other.record.substr(before.size());
        Rename(other.request.get(), before, change->record);
      }
      if (absl::Status status = Store(other); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
  if (!stored.ok()) return stored;
  return change;
}

absl::Status Outbox::Drop(int64_t position, bool even_if_sent) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  absl::StatusOr<std::vector<Change>> others = Changes(/*with_done=*/false);
  if (!others.ok()) return others.status();
  std::erase_if(*others, [position](const Change& other) { return other.position == position; });
  if (change->open()) {
    if (MayBeTaken(*change) && !even_if_sent) return MayHaveBeenTaken(*change);
    for (const Change& other : *others) {
      if (!Creates(*change->method) || (!Names(other.record, change->record) && !Mentions(*other.request, change->record))) continue;
      return absl::FailedPreconditionError(
          fmt::format("change {} needs {}, which change {} makes: drop it first", other.position, change->record, position));
    }
  }
  return database_->Transaction([&]() -> absl::Status {
    if (absl::Status deleted = database_->Prepare("DELETE FROM changes WHERE position = ?").Bind(position).Run(); !deleted.ok())
      return deleted;
    for (Change& other : *others) {
      if (!other.after.has_value() || std::erase(*other.after, change->request_id) == 0) continue;
      if (absl::Status stored = Store(other); !stored.ok()) return stored;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<int64_t> Outbox::Forget(absl::Time time) {
  Statement count = database_->Prepare("SELECT count(*) FROM changes WHERE state = ? AND ended < ?");
  const absl::StatusOr<bool> row = count.Bind(static_cast<int64_t>(ChangeState::kDone)).Bind(absl::ToUnixMillis(time)).Next();
  if (!row.ok()) return row.status();
  const int64_t n = count.Number(0);
  if (n == 0) return 0;
  absl::Status deleted = database_->Prepare("DELETE FROM changes WHERE state = ? AND ended < ?")
                             .Bind(static_cast<int64_t>(ChangeState::kDone))
                             .Bind(absl::ToUnixMillis(time))
                             .Run();
  if (!deleted.ok()) return deleted;
  return n;
}

}  // namespace fairlead::client
