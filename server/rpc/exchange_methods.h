// ExchangeService: what a partner nation sees and says.
//
// The nation is the caller's own, from its certificate. What is read goes through exchange::Disclosure; what is written becomes records
// that the region decides on (exchange_door.h). Errors and pages follow from what is released to the nation and what it submitted, and from
// nothing else.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/rpc/exchange_contacts.h"
#include "server/rpc/exchange_door.h"
#include "server/rpc/exchange_practices.h"
#include "server/rpc/exchange_receipts.h"
#include "server/rpc/exchange_requests.h"

namespace fairlead::rpc {

class ExchangeMethods {
 public:
  ExchangeMethods(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms, const WriteMethods* writes,
                  Limits* limits)
      : node_(node), door_(node, sealer, pseudonyms, writes, limits) {}

  // All of the service's unary methods, with those of exchange_requests.h, exchange_practices.h, exchange_contacts.h and
  // exchange_receipts.h; the watch is ExchangeWatches' (exchange_watch.h).
  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::ReleasedRecord> GetRecord(const Call& call, const v1::GetReleasedRecordRequest& request) const;
  absl::StatusOr<v1::ListReleasedRecordsResponse> ListRecords(const Call& call, const v1::ListReleasedRecordsRequest& request) const;
  absl::StatusOr<v1::ListWithdrawalsResponse> ListWithdrawals(const Call& call, const v1::ListWithdrawalsRequest& request) const;
  absl::StatusOr<v1::Suggestion> GetSuggestion(const Call& call, const v1::GetSuggestionRequest& request) const;
  absl::StatusOr<v1::ListSuggestionsResponse> ListSuggestions(const Call& call, const v1::ListSuggestionsRequest& request) const;
  absl::StatusOr<v1::Question> GetQuestion(const Call& call, const v1::GetQuestionRequest& request) const;
  absl::StatusOr<v1::ListQuestionsResponse> ListQuestions(const Call& call, const v1::ListQuestionsRequest& request) const;
  void Acknowledge(const std::shared_ptr<Call>& call, const v1::AcknowledgeWithdrawalRequest& request, Reply reply) const;
  void Submit(const std::shared_ptr<Call>& call, const v1::SubmitSuggestionRequest& request, Reply reply) const;
  void Ask(const std::shared_ptr<Call>& call, const v1::AskQuestionRequest& request, Reply reply) const;

  v1::Suggestion SuggestionOf(const std::string& nation, const google::protobuf::Message& record) const;
  absl::StatusOr<v1::Withdrawal> WithdrawalOf(const storage::View& view, const std::string& nation, const std::string& release,
                                              const node::RecordState& state) const;
  // The recalled releases of which the nation is told, sorted.
  absl::StatusOr<std::vector<std::string>> RecallsFor(const storage::View& view, const std::string& nation) const;
  // The release that the nation knows as this withdrawal; empty when it knows none.
  absl::StatusOr<std::string> ReleaseOf(const storage::View& view, const std::string& nation, const std::string& withdrawal) const;

  node::Node* const node_;
  const ExchangeDoor door_;
  const ExchangeRequests requests_{&door_};
  const ExchangePractices practices_{&door_};
  const ExchangeContacts contacts_{&door_};
  const ExchangeReceipts proofs_{&door_};
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_
