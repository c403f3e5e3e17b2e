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
using google::protobuf::Message;

constexpr std::string_view kWithdrawals = "withdrawals/";
constexpr OwnKind kSuggestions = {"Proposal", "proposals/", "suggestions/", records::kProposalsByNation};
constexpr OwnKind kQuestions = {"Inquiry", "inquiries/", "questions/", records::kInquiriesByAsker};

std::string LastPart(std::string_view key) { return std::string(key.substr(key.rfind('\0') + 1)); }

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
  question.set_name(Renamed(inquiry.name(), kQuestions.inside, kQuestions.outside));
  question.set_subject(inquiry.subject());
  question.set_text(inquiry.question());
  *question.mutable_ask_time() = inquiry.create_time();
  if (inquiry.state() == v1::INQUIRY_STATE_ANSWERED || inquiry.state() == v1::INQUIRY_STATE_CLOSED) question.set_answer(inquiry.answer());
  return question;
}

bool IsOfKind(const v1::ReleasedRecord& record, v1::ReleasedKind kind) {
  switch (kind) {
    case v1::RELEASED_KIND_PORT:
      return record.has_port();
    case v1::RELEASED_KIND_FACILITY:
      return record.has_facility();
    case v1::RELEASED_KIND_ENGAGEMENT:
      return record.has_engagement();
    case v1::RELEASED_KIND_OBSERVATION:
      return record.has_observation();
    case v1::RELEASED_KIND_PRACTICE:
      return record.has_practice();
    case v1::RELEASED_KIND_COURSE:
      return record.has_course();
    case v1::RELEASED_KIND_OFFICER:
      return record.has_officer();
    case v1::RELEASED_KIND_CONTACT:
      return record.has_contact();
    default:
      return kind == v1::RELEASED_KIND_UNSPECIFIED;
  }
}

}  // namespace

void ExchangeMethods::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Handle(service + "GetReleasedRecord", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    absl::StatusOr<v1::ReleasedRecord> record = GetRecord(*call, static_cast<const v1::GetReleasedRecordRequest&>(request));
    if (!record.ok()) return reply(record.status());
    std::vector<Delivered> sent = {DeliveredOf(*record)};
    door_.Deliver(*call, std::move(sent), std::make_unique<v1::ReleasedRecord>(*std::move(record)), std::move(reply));
  });
  dispatcher->Handle(service + "ListReleasedRecords", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    absl::StatusOr<v1::ListReleasedRecordsResponse> page = ListRecords(*call, static_cast<const v1::ListReleasedRecordsRequest&>(request));
    if (!page.ok()) return reply(page.status());
    std::vector<Delivered> sent;
    for (const v1::ReleasedRecord& record : page->records()) sent.push_back(DeliveredOf(record));
    door_.Deliver(*call, std::move(sent), std::make_unique<v1::ListReleasedRecordsResponse>(*std::move(page)), std::move(reply));
  });
  dispatcher->Handle(service + "ListWithdrawals", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    absl::StatusOr<v1::ListWithdrawalsResponse> page = ListWithdrawals(*call, static_cast<const v1::ListWithdrawalsRequest&>(request));
    if (!page.ok()) return reply(page.status());
    std::vector<Delivered> sent;
    for (const v1::Withdrawal& withdrawal : page->withdrawals()) sent.push_back(DeliveredOf(withdrawal));
    door_.Deliver(*call, std::move(sent), std::make_unique<v1::ListWithdrawalsResponse>(*std::move(page)), std::move(reply));
  });
  dispatcher->Unary<v1::GetSuggestionRequest, v1::Suggestion>(
      service + "GetSuggestion",
      [this](const Call& call, const v1::GetSuggestionRequest& request) { return GetSuggestion(call, request); });
  dispatcher->Unary<v1::ListSuggestionsRequest, v1::ListSuggestionsResponse>(
      service + "ListSuggestions",
      [this](const Call& call, const v1::ListSuggestionsRequest& request) { return ListSuggestions(call, request); });
  dispatcher->Unary<v1::GetQuestionRequest, v1::Question>(
      service + "GetQuestion", [this](const Call& call, const v1::GetQuestionRequest& request) { return GetQuestion(call, request); });
  dispatcher->Unary<v1::ListQuestionsRequest, v1::ListQuestionsResponse>(
      service + "ListQuestions",
      [this](const Call& call, const v1::ListQuestionsRequest& request) { return ListQuestions(call, request); });
  dispatcher->Handle(service + "AcknowledgeWithdrawal", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Acknowledge(call, static_cast<const v1::AcknowledgeWithdrawalRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "SubmitSuggestion", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Submit(call, static_cast<const v1::SubmitSuggestionRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "AskQuestion", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Ask(call, static_cast<const v1::AskQuestionRequest&>(request), std::move(reply));
  });
  requests_.Register(dispatcher);
  practices_.Register(dispatcher);
  contacts_.Register(dispatcher);
  proofs_.Register(dispatcher);
}

// --- Reading -------------------------------------------------------------------------------------------------------------------------

absl::StatusOr<v1::ReleasedRecord> ExchangeMethods::GetRecord(const Call& call, const v1::GetReleasedRecordRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
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
  if (!v1::ReleasedKind_IsValid(request.kind())) return FieldError(Reason::kFieldInvalid, "kind", "is no kind of released record");
  const std::string filter = request.kind() == v1::RELEASED_KIND_UNSPECIFIED ? "" : fmt::format(" {}", static_cast<int>(request.kind()));
  const absl::StatusOr<std::string> last = door_.OpenToken(call, request.page_token(), filter);
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
  if (!disclosure.ok()) return disclosure.status();
  v1::ListReleasedRecordsResponse page;
  size_t bytes = 0;
  absl::StatusOr<std::optional<std::string>> next = disclosure->Next(last->empty() ? "" : disclosure->SubjectOf(*last));
  for (; next.ok() && next->has_value(); next = disclosure->Next(**next)) {
    if (call.cancelled()) break;
    absl::StatusOr<std::optional<v1::ReleasedRecord>> record = disclosure->Read(**next);
    if (!record.ok()) return record.status();
    if (!record->has_value() || !IsOfKind(**record, request.kind())) continue;
    // Only now, when there is another one: a token never leads to nothing.
    if (page.records_size() == *page_size || bytes > kExchangePageBytesMax) {
      page.set_next_page_token(door_.SealToken(call, page.records(page.records_size() - 1).name(), filter));
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
  withdrawal.set_name(std::string(kWithdrawals) + door_.pseudonyms().Of(nation, records::SubjectOf(release)));
  withdrawal.set_record("releasedRecords/" + door_.pseudonyms().Of(nation, records::SubjectOf(recalled.record())));
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
  const absl::StatusOr<std::string> last = door_.OpenToken(call, request.page_token());
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const std::string nation = NationOfCaller(call);
  const absl::StatusOr<std::vector<std::string>> recalls = RecallsFor(*view, nation);
  if (!recalls.ok()) return recalls.status();
  v1::ListWithdrawalsResponse page;
  std::string given;  // the last of the page
  for (const std::string& release : *recalls) {
    if (release <= *last) continue;
    if (page.withdrawals_size() == *page_size) {
      page.set_next_page_token(door_.SealToken(call, given));
      break;
    }
    given = release;
    const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(*view, release);
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    absl::StatusOr<v1::Withdrawal> withdrawal = WithdrawalOf(*view, nation, release, **state);
    if (!withdrawal.ok()) return withdrawal.status();
    *page.add_withdrawals() = *std::move(withdrawal);
  }
  return page;
}

absl::StatusOr<std::vector<std::string>> ExchangeMethods::RecallsFor(const storage::View& view, const std::string& nation) const {
  const records::RecordType& type = door_.TypeOf("Release");
  const std::string prefix = node::IndexPrefix(records::kRecallsByRecipient, nation);
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  std::vector<std::string> recalls;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, view, type, LastPart(it->key()));
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    const auto& release = static_cast<const v1::Release&>(*(*loaded)->message);
    if (records::IsEndOfPublication(release)) {
      const absl::StatusOr<bool> lost = exchange::HasLostPublic(*node_, view, door_.pseudonyms(), nation, release.record());
      if (!lost.ok()) return lost.status();
      if (!*lost) continue;
    }
    recalls.push_back(release.name());
  }
  if (!it->status().ok()) return it->status();
  return recalls;
}

absl::StatusOr<std::string> ExchangeMethods::ReleaseOf(const storage::View& view, const std::string& nation,
                                                       const std::string& withdrawal) const {
  const absl::StatusOr<std::vector<std::string>> recalls = RecallsFor(view, nation);
  if (!recalls.ok()) return recalls.status();
  for (const std::string& release : *recalls) {
    if (withdrawal == std::string(kWithdrawals) + door_.pseudonyms().Of(nation, records::SubjectOf(release))) return release;
  }
  return "";
}

v1::Suggestion ExchangeMethods::SuggestionOf(const std::string& nation, const Message& record) const {
  const auto& proposal = static_cast<const v1::Proposal&>(record);
  v1::Suggestion suggestion;
  suggestion.set_name(Renamed(proposal.name(), kSuggestions.inside, kSuggestions.outside));
  *suggestion.mutable_submit_time() = proposal.create_time();
  suggestion.set_kind(static_cast<v1::SuggestionKind>(proposal.kind()));
  if (!proposal.record().empty()) {
    suggestion.set_record("releasedRecords/" + door_.pseudonyms().Of(nation, records::SubjectOf(proposal.record())));
  }
  suggestion.set_subject(proposal.subject());
  suggestion.set_text(proposal.text());
  suggestion.set_outcome(OutcomeOf(proposal.state()));
  if (suggestion.outcome() != v1::SUGGESTION_OUTCOME_PENDING) suggestion.set_reason(proposal.reason());
  return suggestion;
}

absl::StatusOr<v1::Suggestion> ExchangeMethods::GetSuggestion(const Call& call, const v1::GetSuggestionRequest& request) const {
  const absl::StatusOr<Loaded> own = door_.GetOwn(node_->store(), call, kSuggestions, request.name());
  if (!own.ok()) return own.status();
  return SuggestionOf(NationOfCaller(call), *own->message);
}

absl::StatusOr<v1::ListSuggestionsResponse> ExchangeMethods::ListSuggestions(const Call& call,
                                                                             const v1::ListSuggestionsRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  v1::ListSuggestionsResponse page;
  absl::StatusOr<std::string> next =
      door_.EachOwn(*view, call, request, kSuggestions, [&](const Message& record) -> absl::StatusOr<size_t> {
        *page.add_suggestions() = SuggestionOf(NationOfCaller(call), record);
        return page.suggestions(page.suggestions_size() - 1).ByteSizeLong();
      });
  if (!next.ok()) return next.status();
  page.set_next_page_token(*std::move(next));
  return page;
}

absl::StatusOr<v1::Question> ExchangeMethods::GetQuestion(const Call& call, const v1::GetQuestionRequest& request) const {
  const absl::StatusOr<Loaded> own = door_.GetOwn(node_->store(), call, kQuestions, request.name());
  if (!own.ok()) return own.status();
  return QuestionOf(*own->message);
}

absl::StatusOr<v1::ListQuestionsResponse> ExchangeMethods::ListQuestions(const Call& call, const v1::ListQuestionsRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  v1::ListQuestionsResponse page;
  absl::StatusOr<std::string> next = door_.EachOwn(*view, call, request, kQuestions, [&](const Message& record) -> absl::StatusOr<size_t> {
    *page.add_questions() = QuestionOf(record);
    return page.questions(page.questions_size() - 1).ByteSizeLong();
  });
  if (!next.ok()) return next.status();
  page.set_next_page_token(*std::move(next));
  return page;
}

// --- Writing -------------------------------------------------------------------------------------------------------------------------

void ExchangeMethods::Acknowledge(const std::shared_ptr<Call>& call, const v1::AcknowledgeWithdrawalRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Acknowledgement");
  const std::string nation = NationOfCaller(*call);
  const absl::StatusOr<std::string> release = ReleaseOf(node_->store(), nation, request.name());
  if (!release.ok()) return reply(release.status());
  if (release->empty()) return reply(NotFound(request.name()));
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) {
    plan->name = fmt::format("{}/acknowledgements/{}", *release, call->identity.scope);
    if (!plan->replay) {
      auto record = std::make_unique<v1::Acknowledgement>();
      record->set_system(call->identity.name);
      record->set_remark(request.remark());
      const std::string name = plan->name;
      plan = door_.PlanNew(type, name, std::move(record), Under("withdrawal"), *std::move(plan));
    }
  }
  const ExchangeDoor::Narrate narrate = [this, nation, release = *release](const Message&) -> absl::StatusOr<MessagePtr> {
    const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(node_->store(), release);
    if (!state.ok()) return state.status();
    absl::StatusOr<v1::Withdrawal> withdrawal = WithdrawalOf(node_->store(), nation, release, **state);
    if (!withdrawal.ok()) return withdrawal.status();
    return std::make_unique<v1::Withdrawal>(*std::move(withdrawal));
  };
  door_.Finish(type, call, std::move(plan), request.name(), narrate, std::move(reply), /*settles=*/true);
}

void ExchangeMethods::Submit(const std::shared_ptr<Call>& call, const v1::SubmitSuggestionRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Proposal");
  const std::string nation = NationOfCaller(*call);
  const v1::Suggestion& suggestion = request.suggestion();
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kSuggestions.inside) + door_.NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    if (absl::Status free = door_.CheckUndecided(node_->store(), *call, kSuggestions); !free.ok()) return reply(free);
    auto record = std::make_unique<v1::Proposal>();
    if (!suggestion.record().empty()) {
      const absl::StatusOr<Disclosure> disclosure = door_.Disclose(node_->store(), *call);
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
    const std::string name = plan->name;
    plan = door_.PlanNew(type, name, std::move(record), Under("suggestion"), *std::move(plan));
  }
  const ExchangeDoor::Narrate narrate = [this, nation](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::Suggestion>(SuggestionOf(nation, record));
  };
  const std::string about = AboutOf(plan, kSuggestions);
  door_.Finish(type, call, std::move(plan), about, narrate, std::move(reply));
}

void ExchangeMethods::Ask(const std::shared_ptr<Call>& call, const v1::AskQuestionRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Inquiry");
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kQuestions.inside) + door_.NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    if (absl::Status free = door_.CheckUndecided(node_->store(), *call, kQuestions); !free.ok()) return reply(free);
    auto record = std::make_unique<v1::Inquiry>();
    record->set_subject(request.question().subject());
    record->set_question(request.question().text());
    record->set_channel(v1::INQUIRY_CHANNEL_WEB);
    record->set_inquirer(v1::INQUIRER_KIND_PARTNER);
    record->set_contact(call->identity.path);
    record->set_system(call->identity.path);
    record->set_country(NationOfCaller(*call));
    record->set_state(v1::INQUIRY_STATE_OPEN);
    const std::string name = plan->name;
    plan = door_.PlanNew(type, name, std::move(record), Under("question"), *std::move(plan));
  }
  const ExchangeDoor::Narrate narrate = [](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::Question>(QuestionOf(record));
  };
  const std::string about = AboutOf(plan, kQuestions);
  door_.Finish(type, call, std::move(plan), about, narrate, std::move(reply));
}

}  // namespace fairlead::rpc
