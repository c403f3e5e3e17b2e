#include "server/rpc/exchange_methods.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/release.pb.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/records/release.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_access.h"
#include "server/rpc/record_change.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;
using exchange::NationOf;
using google::protobuf::Message;

constexpr size_t kPageBytesMax = 2 << 20;  // a page that grows larger ends early
constexpr std::string_view kWithdrawals = "withdrawals/";
constexpr std::string_view kSuggestions = "suggestions/";
constexpr std::string_view kProposals = "proposals/";
constexpr std::string_view kQuestions = "questions/";
constexpr std::string_view kInquiries = "inquiries/";

std::string LastPart(std::string_view key) { return std::string(key.substr(key.rfind('\0') + 1)); }

// `name` with another first segment; empty when it does not start with `from`.
std::string Renamed(const std::string& name, std::string_view from, std::string_view to) {
  return name.starts_with(from) ? std::string(to) + name.substr(from.size()) : "";
}

// Another site of the network may be slow or gone; that is nothing for partners. Nor why this one takes no writes.
absl::Status Outward(const absl::Status& status) {
  if (ReasonOf(status) == ReasonName(Reason::kNodeReadOnly))
    return Error(Reason::kNodeReadOnly, "this site takes no submissions now: try another");
  return status;
}

v1::SuggestionOutcome OutcomeOf(v1::ProposalState state) {
  switch (state) {
    case v1::PROPOSAL_STATE_ACCEPTED:
      return v1::SUGGESTION_OUTCOME_ACCEPTED;
    case v1::PROPOSAL_STATE_DECLINED:
      return v1::SUGGESTION_OUTCOME_DECLINED;
    case v1::PROPOSAL_STATE_MERGED:
      return v1::SUGGESTION_OUTCOME_MERGED;
    default:
      return v1::SUGGESTION_OUTCOME_PENDING;
  }
}

v1::Question QuestionOf(const Message& record) {
  const auto& inquiry = static_cast<const v1::Inquiry&>(record);
  v1::Question question;
  question.set_name(Renamed(inquiry.name(), kInquiries, kQuestions));
  question.set_subject(inquiry.subject());
  question.set_text(inquiry.question());
  *question.mutable_ask_time() = inquiry.create_time();
  if (inquiry.state() == v1::INQUIRY_STATE_ANSWERED || inquiry.state() == v1::INQUIRY_STATE_CLOSED) question.set_answer(inquiry.answer());
  return question;
}

}  // namespace

void ExchangeMethods::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Unary<v1::GetReleasedRecordRequest, v1::ReleasedRecord>(
      service + "GetReleasedRecord",
      [this](const Call& call, const v1::GetReleasedRecordRequest& request) { return GetRecord(call, request); });
  dispatcher->Unary<v1::ListReleasedRecordsRequest, v1::ListReleasedRecordsResponse>(
      service + "ListReleasedRecords",
      [this](const Call& call, const v1::ListReleasedRecordsRequest& request) { return ListRecords(call, request); });
  dispatcher->Unary<v1::ListWithdrawalsRequest, v1::ListWithdrawalsResponse>(
      service + "ListWithdrawals",
      [this](const Call& call, const v1::ListWithdrawalsRequest& request) { return ListWithdrawals(call, request); });
  dispatcher->Unary<v1::GetSuggestionRequest, v1::Suggestion>(
      service + "GetSuggestion",
      [this](const Call& call, const v1::GetSuggestionRequest& request) { return GetSuggestion(call, request); });
  dispatcher->Unary<v1::ListSuggestionsRequest, v1::ListSuggestionsResponse>(
      service + "ListSuggestions",
      [this](const Call& call, const v1::ListSuggestionsRequest& request) { return ListSuggestions(call, request); });
  dispatcher->Unary<v1::GetQuestionRequest, v1::Question>(
      service + "GetQuestion", [this](const Call& call, const v1::GetQuestionRequest& request) { return GetQuestion(call, request); });
  dispatcher->Handle(service + "AcknowledgeWithdrawal", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Acknowledge(call, static_cast<const v1::AcknowledgeWithdrawalRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "SubmitSuggestion", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Submit(call, static_cast<const v1::SubmitSuggestionRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "AskQuestion", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Ask(call, static_cast<const v1::AskQuestionRequest&>(request), std::move(reply));
  });
}

// --- Reading -------------------------------------------------------------------------------------------------------------------------

std::string ExchangeMethods::SealToken(const Call& call, const std::string& last) const {
  return sealer_->Seal(fmt::format("exchange {} {}", call.identity.scope, call.method), last);
}

absl::StatusOr<std::string> ExchangeMethods::OpenToken(const Call& call, const std::string& token) const {
  if (token.empty()) return "";
  std::optional<std::string> last = sealer_->Open(fmt::format("exchange {} {}", call.identity.scope, call.method), token);
  if (!last) return Error(Reason::kPageTokenInvalid, "the page token is of another listing");
  return *std::move(last);
}

absl::StatusOr<v1::ReleasedRecord> ExchangeMethods::GetRecord(const Call& call, const v1::GetReleasedRecordRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, *view, *pseudonyms_, NationOf(call.identity.scope));
  if (!disclosure.ok()) return disclosure.status();
  absl::StatusOr<std::optional<v1::ReleasedRecord>> record = disclosure->Read(disclosure->SubjectOf(request.name()));
  if (!record.ok()) return record.status();
  if (!record->has_value()) return NotFound(request.name());
  return **std::move(record);
}

absl::StatusOr<v1::ListReleasedRecordsResponse> ExchangeMethods::ListRecords(const Call& call,
                                                                             const v1::ListReleasedRecordsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> last = OpenToken(call, request.page_token());
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, *view, *pseudonyms_, NationOf(call.identity.scope));
  if (!disclosure.ok()) return disclosure.status();
  v1::ListReleasedRecordsResponse page;
  size_t bytes = 0;
  absl::StatusOr<std::optional<std::string>> next = disclosure->Next(last->empty() ? "" : disclosure->SubjectOf(*last));
  for (; next.ok() && next->has_value(); next = disclosure->Next(**next)) {
    if (call.cancelled()) break;
    absl::StatusOr<std::optional<v1::ReleasedRecord>> record = disclosure->Read(**next);
    if (!record.ok()) return record.status();
    if (!record->has_value()) continue;
    // Only now, when there is another one: a token never leads to nothing.
    if (page.records_size() == *page_size || bytes > kPageBytesMax) {
      page.set_next_page_token(SealToken(call, page.records(page.records_size() - 1).name()));
      return page;
    }
    bytes += (*record)->ByteSizeLong();
    *page.add_records() = **std::move(record);
  }
  if (!next.ok()) return next.status();
  return page;
}

absl::StatusOr<v1::Withdrawal> ExchangeMethods::WithdrawalOf(const storage::View& view, const std::string& nation,
                                                             const std::string& release, const node::RecordState& state) const {
  const auto message = node::Materialise(*node_->registry().FindByName(release), release, state);
  const auto& recalled = static_cast<const v1::Release&>(*message);
  v1::Withdrawal withdrawal;
  withdrawal.set_name(std::string(kWithdrawals) + pseudonyms_->Of(nation, records::SubjectOf(release)));
  withdrawal.set_record("releasedRecords/" + pseudonyms_->Of(nation, records::SubjectOf(recalled.record())));
  const std::map<uint32_t, node::FieldView> views = node::ViewOf(state);
  SetTimestamp(TimeOf(views.at(v1::Release::kStateFieldNumber).live.front().second->time), withdrawal.mutable_recall_time());
  const absl::StatusOr<std::optional<node::RecordState>> acknowledged =
      node_->GetState(view, fmt::format("{}/acknowledgements/{}", release, LastSegment(nation)));
  if (!acknowledged.ok()) return acknowledged.status();
  withdrawal.set_acknowledged(acknowledged->has_value());
  return withdrawal;
}

absl::StatusOr<v1::ListWithdrawalsResponse> ExchangeMethods::ListWithdrawals(const Call& call,
                                                                             const v1::ListWithdrawalsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> last = OpenToken(call, request.page_token());
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const std::string nation = NationOf(call.identity.scope);
  const std::string prefix = node::IndexPrefix(records::kRecallsByRecipient, nation);
  const auto it = view->Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  v1::ListWithdrawalsResponse page;
  bool after = last->empty();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string release = LastPart(it->key());
    if (!after) {
      after =
          kWithdrawals.size() < last->size() && *last == std::string(kWithdrawals) + pseudonyms_->Of(nation, records::SubjectOf(release));
      continue;
    }
    if (page.withdrawals_size() == *page_size) {
      page.set_next_page_token(SealToken(call, page.withdrawals(page.withdrawals_size() - 1).name()));
      break;
    }
    const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(*view, release);
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    absl::StatusOr<v1::Withdrawal> withdrawal = WithdrawalOf(*view, nation, release, **state);
    if (!withdrawal.ok()) return withdrawal.status();
    *page.add_withdrawals() = *std::move(withdrawal);
  }
  if (!it->status().ok()) return it->status();
  return page;
}

absl::StatusOr<std::string> ExchangeMethods::ReleaseOf(const storage::View& view, const std::string& nation,
                                                       const std::string& withdrawal) const {
  const std::string prefix = node::IndexPrefix(records::kRecallsByRecipient, nation);
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::string release = LastPart(it->key());
    if (withdrawal == std::string(kWithdrawals) + pseudonyms_->Of(nation, records::SubjectOf(release))) return release;
  }
  if (!it->status().ok()) return it->status();
  return "";
}

v1::Suggestion ExchangeMethods::SuggestionOf(const std::string& nation, const Message& record) const {
  const auto& proposal = static_cast<const v1::Proposal&>(record);
  v1::Suggestion suggestion;
  suggestion.set_name(Renamed(proposal.name(), kProposals, kSuggestions));
  *suggestion.mutable_submit_time() = proposal.create_time();
  suggestion.set_kind(static_cast<v1::SuggestionKind>(proposal.kind()));
  if (!proposal.record().empty()) {
    suggestion.set_record("releasedRecords/" + pseudonyms_->Of(nation, records::SubjectOf(proposal.record())));
  }
  suggestion.set_subject(proposal.subject());
  suggestion.set_text(proposal.text());
  suggestion.set_outcome(OutcomeOf(proposal.state()));
  if (suggestion.outcome() != v1::SUGGESTION_OUTCOME_PENDING) suggestion.set_reason(proposal.reason());
  return suggestion;
}

absl::StatusOr<v1::Suggestion> ExchangeMethods::GetSuggestion(const Call& call, const v1::GetSuggestionRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const records::RecordType& type = *node_->registry().FindByMessage("Proposal");
  const std::string name = Renamed(request.name(), kSuggestions, kProposals);
  if (!CheckName(node_->registry(), type, name, "name").ok()) return NotFound(request.name());
  const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, node_->store(), type, name);
  if (!loaded.ok()) return loaded.status();
  const std::string nation = NationOf(call.identity.scope);
  if (!loaded->has_value() || GetString(*(*loaded)->message, "nation") != nation) return NotFound(request.name());
  return SuggestionOf(nation, *(*loaded)->message);
}

absl::StatusOr<v1::ListSuggestionsResponse> ExchangeMethods::ListSuggestions(const Call& call,
                                                                             const v1::ListSuggestionsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> last = OpenToken(call, request.page_token());
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const records::RecordType& type = *node_->registry().FindByMessage("Proposal");
  const std::string nation = NationOf(call.identity.scope);
  const std::string prefix = node::IndexPrefix(records::kProposalsByNation, nation);
  const std::string from =
      last->empty() ? prefix : node::IndexKey(records::kProposalsByNation, nation, "", Renamed(*last, kSuggestions, kProposals)) + '\0';
  const auto it = view->Iterate(storage::Cf::kIndexes, from, storage::PrefixEnd(prefix));
  v1::ListSuggestionsResponse page;
  size_t bytes = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (page.suggestions_size() == *page_size || bytes > kPageBytesMax) {
      page.set_next_page_token(SealToken(call, page.suggestions(page.suggestions_size() - 1).name()));
      break;
    }
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, *view, type, LastPart(it->key()));
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    *page.add_suggestions() = SuggestionOf(nation, *(*loaded)->message);
    bytes += page.suggestions(page.suggestions_size() - 1).ByteSizeLong();
  }
  if (!it->status().ok()) return it->status();
  return page;
}

absl::StatusOr<v1::Question> ExchangeMethods::GetQuestion(const Call& call, const v1::GetQuestionRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const records::RecordType& type = *node_->registry().FindByMessage("Inquiry");
  const std::string name = Renamed(request.name(), kQuestions, kInquiries);
  if (!CheckName(node_->registry(), type, name, "name").ok()) return NotFound(request.name());
  const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, node_->store(), type, name);
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value()) return NotFound(request.name());
  const auto& inquiry = static_cast<const v1::Inquiry&>(*(*loaded)->message);
  const bool own = inquiry.inquirer() == v1::INQUIRER_KIND_PARTNER && inquiry.country() == NationOf(call.identity.scope) &&
                   inquiry.contact().starts_with("partner/" + call.identity.scope + "/");
  if (!own) return NotFound(request.name());
  return QuestionOf(inquiry);
}

// --- Writing -------------------------------------------------------------------------------------------------------------------------

std::string ExchangeMethods::NewId(const Call& call, const WriteMethods::Plan& plan) const {
  return CreatedRecordId(node_->roster().network(), call.identity.path, call.method, plan.write.request_id);
}

absl::StatusOr<WriteMethods::Plan> ExchangeMethods::PlanNew(const records::RecordType& type, const std::string& name, MessagePtr record,
                                                            const std::string& field, WriteMethods::Plan plan) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  plan.name = name;
  absl::StatusOr<std::optional<Loaded>> existing = Load(*node_, *view, type, name);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) {
    plan.answer = std::move((*existing)->message);
    return plan;
  }
  record->GetReflection()->SetString(record.get(), Field(*record, "name"), name);
  const StoreReader reader(*node_, *view);
  if (type.complete) type.complete(record.get(), nullptr, reader, node_->options().clock->Now());
  if (absl::Status valid = CheckRecord(*node_, type, *record, nullptr, reader); !valid.ok()) return PrefixFields(valid, field);
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  for (const auto* folded : FoldedFields(type)) {
    if (IsSet(*record, folded)) fields.push_back(folded);
  }
  plan.write.mutations.push_back(node::MutationFor(type, name, nullptr, *record, fields));
  plan.write.expectations.push_back({name, ""});
  return plan;
}

void ExchangeMethods::Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<WriteMethods::Plan> plan,
                             Narrate narrate, Reply reply) const {
  // Which sites hold a write is not for partners.
  if (call->replicas > 0) return reply(FieldError(Reason::kFieldInvalid, node::kDurabilityField, "is not offered here"));
  if (!plan.ok()) return reply(Outward(plan.status()));
  writes_->Finish(type, call, std::move(plan), [narrate = std::move(narrate), reply = std::move(reply)](absl::StatusOr<MessagePtr> record) {
    if (!record.ok()) return reply(Outward(record.status()));
    reply(narrate(**record));
  });
}

void ExchangeMethods::Acknowledge(const std::shared_ptr<Call>& call, const v1::AcknowledgeWithdrawalRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Acknowledgement");
  const std::string nation = NationOf(call->identity.scope);
  const absl::StatusOr<std::string> release = ReleaseOf(node_->store(), nation, request.name());
  if (!release.ok()) return reply(release.status());
  if (release->empty()) return reply(NotFound(request.name()));
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(*call, request);
  if (plan.ok()) {
    plan->name = fmt::format("{}/acknowledgements/{}", *release, call->identity.scope);
    if (!plan->replay) {
      auto record = std::make_unique<v1::Acknowledgement>();
      record->set_system(call->identity.name);
      record->set_remark(request.remark());
      record->set_marking(v1::MARKING_OFFICIAL);
      const std::string name = plan->name;
      plan = PlanNew(type, name, std::move(record), "withdrawal", *std::move(plan));
    }
  }
  const Narrate narrate = [this, nation, release = *release](const Message&) -> absl::StatusOr<MessagePtr> {
    const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(node_->store(), release);
    if (!state.ok()) return state.status();
    absl::StatusOr<v1::Withdrawal> withdrawal = WithdrawalOf(node_->store(), nation, release, **state);
    if (!withdrawal.ok()) return withdrawal.status();
    return std::make_unique<v1::Withdrawal>(*std::move(withdrawal));
  };
  Finish(type, call, std::move(plan), narrate, std::move(reply));
}

void ExchangeMethods::Submit(const std::shared_ptr<Call>& call, const v1::SubmitSuggestionRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Proposal");
  const std::string nation = NationOf(call->identity.scope);
  const v1::Suggestion& suggestion = request.suggestion();
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kProposals) + NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    auto record = std::make_unique<v1::Proposal>();
    if (!suggestion.record().empty()) {
      const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, node_->store(), *pseudonyms_, nation);
      if (!disclosure.ok()) return reply(disclosure.status());
      const absl::StatusOr<std::string> named = disclosure->RecordOf(disclosure->SubjectOf(suggestion.record()));
      if (!named.ok()) return reply(named.status());
      if (named->empty()) return reply(NotFound(suggestion.record()));
      record->set_record(*named);
    }
    record->set_nation(nation);
    record->set_system(call->identity.name);
    record->set_kind(static_cast<v1::ProposalKind>(suggestion.kind()));
    record->set_subject(suggestion.subject());
    record->set_text(suggestion.text());
    record->set_state(v1::PROPOSAL_STATE_SUBMITTED);
    record->set_marking(v1::MARKING_OFFICIAL);
    const std::string name = plan->name;
    plan = PlanNew(type, name, std::move(record), "suggestion", *std::move(plan));
  }
  const Narrate narrate = [this, nation](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::Suggestion>(SuggestionOf(nation, record));
  };
  Finish(type, call, std::move(plan), narrate, std::move(reply));
}

void ExchangeMethods::Ask(const std::shared_ptr<Call>& call, const v1::AskQuestionRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Inquiry");
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kInquiries) + NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    auto record = std::make_unique<v1::Inquiry>();
    record->set_subject(request.question().subject());
    record->set_question(request.question().text());
    record->set_channel(v1::INQUIRY_CHANNEL_WEB);
    record->set_inquirer(v1::INQUIRER_KIND_PARTNER);
    record->set_contact(call->identity.path);
    record->set_country(NationOf(call->identity.scope));
    record->set_state(v1::INQUIRY_STATE_OPEN);
    record->set_marking(v1::MARKING_OFFICIAL);
    const std::string name = plan->name;
    plan = PlanNew(type, name, std::move(record), "question", *std::move(plan));
  }
  const Narrate narrate = [](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::Question>(QuestionOf(record));
  };
  Finish(type, call, std::move(plan), narrate, std::move(reply));
}

}  // namespace fairlead::rpc
