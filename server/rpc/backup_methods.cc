#include "server/rpc/backup_methods.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kWaitingMax = 16;
constexpr std::string_view kCollection = "backups/";

absl::StatusOr<std::string> IdOf(const std::string& name) {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  if (!name.starts_with(kCollection)) return FieldError(Reason::kFieldInvalid, "name", "must be backups/{backup}");
  return name.substr(kCollection.size());
}

v1::Backup ToProto(const storage::Backup& backup) {
  v1::Backup out;
  out.set_name(std::string(kCollection) + backup.id);
  SetTimestamp(backup.create_time, out.mutable_create_time());
  out.set_journal_size(static_cast<int64_t>(backup.journal_size));
  out.set_files(static_cast<int32_t>(backup.files.size()));
  out.set_bytes(static_cast<int64_t>(backup.bytes()));
  return out;
}

}  // namespace

BackupMethods::BackupMethods(const node::Node* node, const Sealer* sealer, storage::BackupFolder* folder)
    : node_(node), sealer_(sealer), folder_(folder) {
  if (folder_ == nullptr) return;
  Count();
  thread_ = std::thread([this] { Work(); });
}

BackupMethods::~BackupMethods() { Stop(); }

void BackupMethods::Register(Dispatcher* dispatcher) {
  dispatcher->Handle("fairlead.v1.NodeService/CreateBackup",
                     [this](std::shared_ptr<Call> call, const google::protobuf::Message& message, Reply reply) {
                       std::string request_id = static_cast<const v1::CreateBackupRequest&>(message).request_id();
                       if (request_id.empty()) request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now())));
                       if (RequestIdMillis(request_id) < 0) {
                         return reply(FieldError(Reason::kFieldInvalid, "request_id", "must be a UUID of version 7"));
                       }
                       Enqueue(std::move(reply), [this, caller = call->identity.path, request_id] { return Create(caller, request_id); });
                     });
  dispatcher->Handle("fairlead.v1.NodeService/VerifyBackup",
                     [this](std::shared_ptr<Call> call, const google::protobuf::Message& message, Reply reply) {
                       absl::StatusOr<std::string> id = IdOf(static_cast<const v1::VerifyBackupRequest&>(message).name());
                       if (!id.ok()) return reply(id.status());
                       Enqueue(std::move(reply), [this, caller = call->identity.path, id = *id] { return Verify(caller, id); });
                     });
  dispatcher->Handle("fairlead.v1.NodeService/DeleteBackup",
                     [this](std::shared_ptr<Call> call, const google::protobuf::Message& message, Reply reply) {
                       absl::StatusOr<std::string> id = IdOf(static_cast<const v1::DeleteBackupRequest&>(message).name());
                       if (!id.ok()) return reply(id.status());
                       Enqueue(std::move(reply), [this, caller = call->identity.path, id = *id] { return Delete(caller, id); });
                     });
  dispatcher->Unary<v1::ListBackupsRequest, v1::ListBackupsResponse>(
      "fairlead.v1.NodeService/ListBackups",
      [this](const Call& call, const v1::ListBackupsRequest& request) { return List(call, request); });
}

void BackupMethods::Stop() {
  std::deque<std::pair<Reply, Job>> left;
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    left.swap(queue_);
  }
  for (auto& [reply, job] : left) reply(Error(Reason::kShuttingDown, "the node is shutting down"));
  if (thread_.joinable()) thread_.join();
}

BackupFigures BackupMethods::figures() const {
  absl::MutexLock lock(&mu_);
  return figures_;
}

absl::Status BackupMethods::CheckConfigured() const {
  if (folder_ != nullptr) return absl::OkStatus();
  return Error(Reason::kStateForbids, "this node has no backups folder: its setting `backups` names one");
}

void BackupMethods::Enqueue(Reply reply, Job job) {
  absl::Status refused = CheckConfigured();
  if (refused.ok()) {
    absl::MutexLock lock(&mu_);
    if (stopped_) {
      refused = Error(Reason::kShuttingDown, "the node is shutting down");
    } else if (queue_.size() >= kWaitingMax) {
      refused = Error(Reason::kOverloaded, fmt::format("{} calls about backups wait already", queue_.size()));
    } else {
      queue_.emplace_back(std::move(reply), std::move(job));
      return;
    }
  }
  reply(refused);
}

void BackupMethods::Work() {
  for (;;) {
    std::pair<Reply, Job> next;
    {
      absl::MutexLock lock(&mu_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopped_ || !queue_.empty(); };
      mu_.Await(absl::Condition(&ready));
      if (stopped_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    absl::StatusOr<MessagePtr> done = next.second();
    Count();
    next.first(std::move(done));
  }
}

void BackupMethods::Count() {
  const absl::StatusOr<std::vector<storage::Backup>> all = folder_->List();
  if (!all.ok()) return;  // the figures stay those of before
  absl::MutexLock lock(&mu_);
  figures_.backups = static_cast<int64_t>(all->size());
  figures_.newest.reset();
  figures_.newest_bytes = 0;
  if (all->empty()) return;
  figures_.newest = all->back().create_time;
  figures_.newest_bytes = static_cast<int64_t>(all->back().bytes());
}

absl::StatusOr<MessagePtr> BackupMethods::Create(const std::string& caller, const std::string& request_id) {
  const absl::StatusOr<std::optional<storage::Backup>> known = folder_->Find(request_id);
  if (known.ok() && known->has_value()) return std::make_unique<v1::Backup>(ToProto(**known));
  const absl::Time begin = absl::Now();
  const absl::StatusOr<storage::Backup> backup = folder_->Create(node_->store(), node_->options().clock->Now(), request_id);
  {
    absl::MutexLock lock(&mu_);
    ++(backup.ok() ? figures_.made : figures_.failed);
  }
  if (!backup.ok()) {
    spdlog::error("a backup asked for by {} failed: {}", caller, std::string(backup.status().message()));
    return backup.status();
  }
  spdlog::info("backups/{} made for {}: journal {}, {} files, {} bytes, {} ms", backup->id, caller, backup->journal_size,
               backup->files.size(), backup->bytes(), absl::ToInt64Milliseconds(absl::Now() - begin));
  return std::make_unique<v1::Backup>(ToProto(*backup));
}

absl::StatusOr<MessagePtr> BackupMethods::Verify(const std::string& caller, const std::string& id) {
  const absl::StatusOr<storage::Backup> backup = folder_->Verify(id);
  if (!backup.ok()) {
    if (!absl::IsNotFound(backup.status())) {
      absl::MutexLock lock(&mu_);
      ++figures_.failed;
      spdlog::error("backups/{}, verified for {}, is not whole: {}", id, caller, std::string(backup.status().message()));
    }
    return backup.status();
  }
  spdlog::info("backups/{} verified for {}", id, caller);
  auto response = std::make_unique<v1::VerifyBackupResponse>();
  *response->mutable_backup() = ToProto(*backup);
  return response;
}

absl::StatusOr<MessagePtr> BackupMethods::Delete(const std::string& caller, const std::string& id) {
  if (absl::Status deleted = folder_->Delete(id); !deleted.ok()) return deleted;
  spdlog::info("backups/{} deleted for {}", id, caller);
  return std::make_unique<v1::DeleteBackupResponse>();
}

absl::StatusOr<v1::ListBackupsResponse> BackupMethods::List(const Call& call, const v1::ListBackupsRequest& request) const {
  if (absl::Status configured = CheckConfigured(); !configured.ok()) return configured;
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const absl::StatusOr<std::vector<storage::Backup>> all = folder_->List();
  if (!all.ok()) return all.status();
  v1::ListBackupsResponse response;
  std::string last;
  for (const storage::Backup& backup : *all) {
    std::string at;
    PutU64(&at, static_cast<uint64_t>(absl::ToUnixMillis(backup.create_time)));
    at += backup.id;
    if (!position->empty() && at <= *position) continue;
    if (response.backups_size() == *page_size) {
      response.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    *response.add_backups() = ToProto(backup);
    last = at;
  }
  return response;
}

}  // namespace fairlead::rpc
