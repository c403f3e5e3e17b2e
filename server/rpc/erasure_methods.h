// EraseRevision, GetErasure and ListErasures: entries whose content is taken from every site.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_ERASURE_METHODS_H_
#define FAIRLEAD_SERVER_RPC_ERASURE_METHODS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <optional>

#include "fairlead/v1/erasure.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"
#include "storage/backup.h"

namespace fairlead::rpc {

// The erasure of an entry, the earliest if there are several: all but copies and backups. nullopt when it is not erased here.
absl::StatusOr<std::optional<v1::Erasure>> ErasureAt(const node::Node& node, const storage::View& view, Dot entry);

class ErasureMethods {
 public:
  // `backups` is null when none are made.
  ErasureMethods(node::Node* node, const Sealer* sealer, const WriteMethods* writes, const storage::BackupFolder* backups)
      : node_(node), sealer_(sealer), writes_(writes), backups_(backups) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  // What EraseRevision comes to: an answer without a write, or a write.
  struct Planned {
    Dot entry;
    std::unique_ptr<v1::Erasure> answer;
    WriteMethods::Plan plan;
  };

  void Erase(const std::shared_ptr<Call>& call, const v1::EraseRevisionRequest& request, Reply reply) const;
  absl::StatusOr<Planned> Plan(const Call& call, const v1::EraseRevisionRequest& request) const;
  absl::StatusOr<v1::Erasure> Get(const Call& call, const v1::GetErasureRequest& request) const;
  absl::StatusOr<v1::ListErasuresResponse> List(const Call& call, const v1::ListErasuresRequest& request) const;
  // With copies and backups. NOT_FOUND when the entry is not erased here.
  absl::StatusOr<v1::Erasure> Tell(Dot entry) const;

  node::Node* const node_;
  const Sealer* const sealer_;
  const WriteMethods* const writes_;
  const storage::BackupFolder* const backups_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_ERASURE_METHODS_H_
