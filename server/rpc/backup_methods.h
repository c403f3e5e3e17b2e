// The backup methods of NodeService.
//
// Backups are made, read back and deleted on a thread of their own, one at a time; a call waits for its turn, and what it began goes on
// when the call has ended. Thread safety: any thread. Ownership: borrows node, sealer and folder.

#ifndef FAIRLEAD_SERVER_RPC_BACKUP_METHODS_H_
#define FAIRLEAD_SERVER_RPC_BACKUP_METHODS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "fairlead/v1/node_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "storage/backup.h"

namespace fairlead::rpc {

// For metrics.
struct BackupFigures {
  int64_t backups = 0;
  std::optional<absl::Time> newest;  // when the newest was begun
  int64_t newest_bytes = 0;
  int64_t made = 0;    // since start
  int64_t failed = 0;  // creations and verifications, since start
};

class BackupMethods {
 public:
  // `folder` is null when none is configured: every method then says so.
  BackupMethods(const node::Node* node, const Sealer* sealer, storage::BackupFolder* folder);
  ~BackupMethods();  // stops

  void Register(Dispatcher* dispatcher);
  // Refuses what waits with SHUTTING_DOWN, and returns when what is being done is done.
  void Stop();
  BackupFigures figures() const;

 private:
  using Job = std::function<absl::StatusOr<MessagePtr>()>;

  // `job` runs on the thread. Answers with OVERLOADED or SHUTTING_DOWN when it will not.
  void Enqueue(Reply reply, Job job);
  void Work();
  absl::Status CheckConfigured() const;
  absl::StatusOr<MessagePtr> Create(const std::string& caller, const std::string& request_id);
  absl::StatusOr<MessagePtr> Verify(const std::string& caller, const std::string& id);
  absl::StatusOr<MessagePtr> Delete(const std::string& caller, const std::string& id);
  absl::StatusOr<v1::ListBackupsResponse> List(const Call& call, const v1::ListBackupsRequest& request) const;
  void Count();

  const node::Node* const node_;
  const Sealer* const sealer_;
  storage::BackupFolder* const folder_;
  mutable absl::Mutex mu_;
  std::deque<std::pair<Reply, Job>> queue_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  BackupFigures figures_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_BACKUP_METHODS_H_
