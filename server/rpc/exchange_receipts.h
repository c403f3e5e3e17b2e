// A nation's receipts, with the proofs that they are in its own log (rule 22 of api/PROTOCOL.md).
//
// Logs are named and proven to their nation alone; whatever else is asked for is NOT_FOUND in the same words.
//
// Thread safety: any thread. Ownership: borrows the door.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_RECEIPTS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_RECEIPTS_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/partner_receipt.pb.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/exchange_door.h"
#include "server/rpc/log_service.h"

namespace fairlead::rpc {

class ExchangeReceipts {
 public:
  explicit ExchangeReceipts(const ExchangeDoor* door) : door_(*door), proofs_(&door->node()) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::ListExchangeReceiptsResponse> List(const Call& call, const v1::ListExchangeReceiptsRequest& request) const;
  absl::StatusOr<v1::Receipt> Get(const Call& call, const v1::GetExchangeReceiptRequest& request) const;
  absl::StatusOr<v1::ConsistencyProof> Prove(const Call& call, const v1::GetExchangeConsistencyProofRequest& request) const;

  // The entry of the record, when it is in a log of the caller's nation.
  std::optional<Dot> EntryOf(const Call& call, const Loaded& loaded) const;

  const ExchangeDoor& door_;
  const LogService proofs_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_RECEIPTS_H_
