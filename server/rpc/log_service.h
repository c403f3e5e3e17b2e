// LogService: checkpoints, entries and proofs of the logs held here, for those who verify them elsewhere.
//
// Thread safety: any thread. Ownership: borrows the node.

#ifndef FAIRLEAD_SERVER_RPC_LOG_SERVICE_H_
#define FAIRLEAD_SERVER_RPC_LOG_SERVICE_H_

#include <absl/status/statusor.h>

#include <string>

#include "fairlead/v1/log_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

class LogService {
 public:
  explicit LogService(const node::Node* node) : node_(node) {}

  void Register(Dispatcher* dispatcher);

  // What the log's newest checkpoint here says. RECORD_NOT_FOUND when there is none.
  absl::StatusOr<v1::Checkpoint> CheckpointOf(const RosterLog& log) const;
  // The newest that covers the entry and that another site has cosigned; while there is none, the newest.
  absl::StatusOr<v1::Checkpoint> CosignedCheckpointOf(const RosterLog& log, Seq entry) const;
  // The entry with the proof that such a checkpoint covers it. RECORD_NOT_FOUND when none does.
  absl::StatusOr<v1::Receipt> ReceiptOf(Dot dot) const;
  // That the newest checkpoint continues an older one. FIELD_INVALID of `old_size`.
  absl::StatusOr<v1::ConsistencyProof> ConsistencyOf(const RosterLog& log, int64_t old_size) const;

 private:
  absl::StatusOr<v1::ListLogEntriesResponse> ListLogEntries(const Call& call, const v1::ListLogEntriesRequest& request) const;
  absl::StatusOr<v1::Receipt> GetReceipt(const Call& call, const v1::GetReceiptRequest& request) const;
  absl::StatusOr<v1::ConsistencyProof> GetConsistencyProof(const v1::GetConsistencyProofRequest& request) const;

  // `{site}/{epoch}/{stream}` or `{site}`.
  absl::StatusOr<const RosterLog*> FindLog(const std::string& name) const;
  absl::StatusOr<Dot> SubjectOf(const v1::GetReceiptRequest& request) const;
  // REQUIRES: the entry is applied here.
  absl::Status Fill(Dot dot, v1::LogEntry* out) const;

  const node::Node* const node_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_LOG_SERVICE_H_
