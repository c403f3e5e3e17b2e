// Whom to reach at any hour: what a nation states of itself through ExchangeService, and what it is shown of the United States.
//
// Thread safety: any thread. Ownership: borrows the door.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_CONTACTS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_CONTACTS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/exchange_door.h"

namespace fairlead::rpc {

class ExchangeContacts {
 public:
  explicit ExchangeContacts(const ExchangeDoor* door) : door_(*door) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  void State(const std::shared_ptr<Call>& call, const v1::StatePointOfContactRequest& request, Reply reply) const;
  // `sent`: what of it is released to the nation.
  absl::StatusOr<v1::ContactSheet> GetSheet(const Call& call, std::vector<Delivered>* sent) const;

  const ExchangeDoor& door_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_CONTACTS_H_
