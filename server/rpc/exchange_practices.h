// How a nation takes part in best practices through ExchangeService: it contributes, and endorses what is published. What is published and
// shown to it, it lists and reads like any released record.
//
// A contribution knows its source and is for reviewers alone; no other nation is told who endorsed.
//
// Thread safety: any thread. Ownership: borrows the door.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_PRACTICES_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_PRACTICES_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/exchange_door.h"

namespace fairlead::rpc {

class ExchangePractices {
 public:
  explicit ExchangePractices(const ExchangeDoor* door) : door_(*door) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  void Contribute(const std::shared_ptr<Call>& call, const v1::ContributePracticeRequest& request, Reply reply) const;
  absl::StatusOr<v1::ContributedPractice> GetContributed(const Call& call, const v1::GetContributedPracticeRequest& request) const;
  absl::StatusOr<v1::ListContributedPracticesResponse> ListContributed(const Call& call,
                                                                       const v1::ListContributedPracticesRequest& request) const;
  void Endorse(const std::shared_ptr<Call>& call, const v1::EndorsePracticeRequest& request, Reply reply) const;
  void Retract(const std::shared_ptr<Call>& call, const v1::RetractEndorsementRequest& request, Reply reply) const;
  absl::StatusOr<v1::ListPracticeEndorsementsResponse> ListEndorsements(const Call& call,
                                                                        const v1::ListPracticeEndorsementsRequest& request) const;

  absl::StatusOr<v1::ContributedPractice> ContributedOf(const exchange::Disclosure& disclosure,
                                                        const google::protobuf::Message& record) const;
  v1::PracticeEndorsement EndorsementOf(const std::string& nation, const google::protobuf::Message& record) const;
  // The published practice that the nation knows by this name; empty when there is none.
  absl::StatusOr<std::string> PracticeOf(const storage::View& view, const Call& call, const std::string& name) const;
  // A nation has one endorsement of a practice: its name follows from both.
  std::string EndorsementName(const std::string& nation, const std::string& practice) const;
  // Completes the plan with the endorsement as it is to be.
  absl::StatusOr<WriteMethods::Plan> PlanRetracted(const storage::View& view, Loaded read, bool retracted, WriteMethods::Plan plan) const;

  const ExchangeDoor& door_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_PRACTICES_H_
