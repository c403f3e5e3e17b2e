// ExchangeService: what a partner nation sees and says.
//
// The nation is the caller's own, from its certificate. What is read goes through exchange::Disclosure; what is written becomes records
// that the region decides on. Errors and pages follow from what is released to the nation and what it submitted, and from nothing else.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/exchange/disclosure.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class ExchangeMethods {
 public:
  ExchangeMethods(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms, const WriteMethods* writes)
      : node_(node), sealer_(sealer), pseudonyms_(pseudonyms), writes_(writes) {}

  // All of the service's unary methods; the watch is ExchangeWatches' (exchange_watch.h).
  void Register(Dispatcher* dispatcher) const;

 private:
  using Narrate = std::function<absl::StatusOr<MessagePtr>(const google::protobuf::Message& record)>;

  absl::StatusOr<v1::ReleasedRecord> GetRecord(const Call& call, const v1::GetReleasedRecordRequest& request) const;
  absl::StatusOr<v1::ListReleasedRecordsResponse> ListRecords(const Call& call, const v1::ListReleasedRecordsRequest& request) const;
  absl::StatusOr<v1::ListWithdrawalsResponse> ListWithdrawals(const Call& call, const v1::ListWithdrawalsRequest& request) const;
  absl::StatusOr<v1::Suggestion> GetSuggestion(const Call& call, const v1::GetSuggestionRequest& request) const;
  absl::StatusOr<v1::ListSuggestionsResponse> ListSuggestions(const Call& call, const v1::ListSuggestionsRequest& request) const;
  absl::StatusOr<v1::Question> GetQuestion(const Call& call, const v1::GetQuestionRequest& request) const;
  void Acknowledge(const std::shared_ptr<Call>& call, const v1::AcknowledgeWithdrawalRequest& request, Reply reply) const;
  void Submit(const std::shared_ptr<Call>& call, const v1::SubmitSuggestionRequest& request, Reply reply) const;
  void Ask(const std::shared_ptr<Call>& call, const v1::AskQuestionRequest& request, Reply reply) const;

  // Page tokens of one nation and method: the last name that was given.
  absl::StatusOr<std::string> OpenToken(const Call& call, const std::string& token) const;
  std::string SealToken(const Call& call, const std::string& last) const;

  // Completes `plan` with a record that is new; its answer is the one that is there when it is not. Errors name fields of `field`.
  absl::StatusOr<WriteMethods::Plan> PlanNew(const records::RecordType& type, const std::string& name, MessagePtr record,
                                             const std::string& field, WriteMethods::Plan plan) const;
  // Writes the plan and answers with what `narrate` makes of the record.
  void Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<WriteMethods::Plan> plan, Narrate narrate,
              Reply reply) const;
  // The id of a record that the request creates.
  std::string NewId(const Call& call, const WriteMethods::Plan& plan) const;

  v1::Suggestion SuggestionOf(const std::string& nation, const google::protobuf::Message& record) const;
  absl::StatusOr<v1::Withdrawal> WithdrawalOf(const storage::View& view, const std::string& nation, const std::string& release,
                                              const node::RecordState& state) const;
  // The release that the nation knows as this withdrawal; empty when it knows none.
  absl::StatusOr<std::string> ReleaseOf(const storage::View& view, const std::string& nation, const std::string& withdrawal) const;

  node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
  const WriteMethods* const writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_METHODS_H_
