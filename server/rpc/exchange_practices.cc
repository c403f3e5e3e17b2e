#include "server/rpc/exchange_practices.h"

#include <optional>
#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/practice.pb.h"
#include "server/node/derived.h"
#include "server/records/checks.h"
#include "server/records/release.h"
#include "server/rpc/read_methods.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;
using google::protobuf::Message;

constexpr OwnKind kContributed = {"PracticeContribution", "practiceContributions/", "contributedPractices/",
                                  records::kContributionsByAsker};

std::string SameField(const std::string& field) { return field; }

v1::ContributionOutcome OutcomeOf(v1::ContributionState state) {
  switch (state) {
    case v1::CONTRIBUTION_STATE_ACCEPTED:
      return v1::CONTRIBUTION_OUTCOME_ACCEPTED;
    case v1::CONTRIBUTION_STATE_RETURNED:
      return v1::CONTRIBUTION_OUTCOME_RETURNED;
    default:
      return v1::CONTRIBUTION_OUTCOME_PENDING;
  }
}

MessagePtr Copy(const Message& message) {
  MessagePtr copy(message.New());
  copy->CopyFrom(message);
  return copy;
}

}  // namespace

void ExchangePractices::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Handle(service + "ContributePractice", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Contribute(call, static_cast<const v1::ContributePracticeRequest&>(request), std::move(reply));
  });
  dispatcher->Unary<v1::GetContributedPracticeRequest, v1::ContributedPractice>(
      service + "GetContributedPractice",
      [this](const Call& call, const v1::GetContributedPracticeRequest& request) { return GetContributed(call, request); });
  dispatcher->Unary<v1::ListContributedPracticesRequest, v1::ListContributedPracticesResponse>(
      service + "ListContributedPractices",
      [this](const Call& call, const v1::ListContributedPracticesRequest& request) { return ListContributed(call, request); });
  dispatcher->Handle(service + "EndorsePractice", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Endorse(call, static_cast<const v1::EndorsePracticeRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "RetractEndorsement", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Retract(call, static_cast<const v1::RetractEndorsementRequest&>(request), std::move(reply));
  });
  dispatcher->Unary<v1::ListPracticeEndorsementsRequest, v1::ListPracticeEndorsementsResponse>(
      service + "ListPracticeEndorsements",
      [this](const Call& call, const v1::ListPracticeEndorsementsRequest& request) { return ListEndorsements(call, request); });
}

// --- Contributions -------------------------------------------------------------------------------------------------------------------

void ExchangePractices::Contribute(const std::shared_ptr<Call>& call, const v1::ContributePracticeRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf(kContributed.message);
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kContributed.inside) + door_.NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    if (absl::Status free = door_.CheckUndecided(door_.node().store(), *call, kContributed); !free.ok()) return reply(free);
    auto record = std::make_unique<v1::PracticeContribution>();
    record->set_country(NationOfCaller(*call));
    record->set_system(call->identity.path);
    record->set_state(v1::CONTRIBUTION_STATE_SUBMITTED);
    record->set_title(request.title());
    record->set_text(request.text());
    const std::string name = plan->name;
    plan = door_.PlanNew(type, name, std::move(record), SameField, *std::move(plan));
  }
  const auto narrate = [this, call](const Message& record) -> absl::StatusOr<MessagePtr> {
    const absl::StatusOr<Disclosure> disclosure = door_.Disclose(door_.node().store(), *call);
    if (!disclosure.ok()) return disclosure.status();
    absl::StatusOr<v1::ContributedPractice> contributed = ContributedOf(*disclosure, record);
    if (!contributed.ok()) return contributed.status();
    return std::make_unique<v1::ContributedPractice>(*std::move(contributed));
  };
  const std::string about = AboutOf(plan, kContributed);
  door_.Finish(type, call, std::move(plan), about, narrate, std::move(reply));
}

absl::StatusOr<v1::ContributedPractice> ExchangePractices::ContributedOf(const Disclosure& disclosure, const Message& record) const {
  const auto& contribution = static_cast<const v1::PracticeContribution&>(record);
  v1::ContributedPractice out;
  out.set_name(Renamed(contribution.name(), kContributed.inside, kContributed.outside));
  *out.mutable_contribute_time() = contribution.create_time();
  out.set_outcome(OutcomeOf(contribution.state()));
  if (out.outcome() == v1::CONTRIBUTION_OUTCOME_PENDING) return out;
  out.set_review(contribution.review());
  if (out.outcome() != v1::CONTRIBUTION_OUTCOME_ACCEPTED || contribution.practice().empty()) return out;
  const std::string subject = records::SubjectOf(contribution.practice());
  const absl::StatusOr<std::string> shown = disclosure.RecordOf(subject);
  if (!shown.ok()) return shown.status();
  if (!shown->empty()) out.set_practice(disclosure.NameOf(subject));
  return out;
}

absl::StatusOr<v1::ContributedPractice> ExchangePractices::GetContributed(const Call& call,
                                                                          const v1::GetContributedPracticeRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<Loaded> own = door_.GetOwn(*view, call, kContributed, request.name());
  if (!own.ok()) return own.status();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
  if (!disclosure.ok()) return disclosure.status();
  return ContributedOf(*disclosure, *own->message);
}

absl::StatusOr<v1::ListContributedPracticesResponse> ExchangePractices::ListContributed(
    const Call& call, const v1::ListContributedPracticesRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
  if (!disclosure.ok()) return disclosure.status();
  v1::ListContributedPracticesResponse page;
  absl::StatusOr<std::string> next =
      door_.EachOwn(*view, call, request, kContributed, [&](const Message& record) -> absl::StatusOr<size_t> {
        absl::StatusOr<v1::ContributedPractice> contributed = ContributedOf(*disclosure, record);
        if (!contributed.ok()) return contributed.status();
        *page.add_contributed_practices() = *std::move(contributed);
        return page.contributed_practices(page.contributed_practices_size() - 1).ByteSizeLong();
      });
  if (!next.ok()) return next.status();
  page.set_next_page_token(*std::move(next));
  return page;
}

// --- Endorsements --------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::string> ExchangePractices::PracticeOf(const storage::View& view, const Call& call, const std::string& name) const {
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(view, call);
  if (!disclosure.ok()) return disclosure.status();
  absl::StatusOr<std::string> record = disclosure->RecordOf(disclosure->SubjectOf(name));
  if (!record.ok()) return record.status();
  const auto practice = records::FindAs<v1::BestPractice>(StoreReader(door_.node(), view), *record);
  const bool published = practice != nullptr && practice->state() == v1::PRACTICE_STATE_PUBLISHED;
  return published ? *std::move(record) : "";
}

std::string ExchangePractices::EndorsementName(const std::string& nation, const std::string& practice) const {
  return practice + "/endorsements/" + CreatedRecordId(door_.node().roster().network(), nation, "endorses", practice);
}

v1::PracticeEndorsement ExchangePractices::EndorsementOf(const std::string& nation, const Message& record) const {
  const auto& endorsement = static_cast<const v1::Endorsement&>(record);
  v1::PracticeEndorsement out;
  const std::string subject = records::SubjectOf(records::ParentOf(endorsement.name()));
  out.set_practice("releasedRecords/" + door_.pseudonyms().Of(nation, subject));
  *out.mutable_endorse_time() = endorsement.create_time();
  out.set_retracted(endorsement.withdrawn());
  return out;
}

absl::StatusOr<WriteMethods::Plan> ExchangePractices::PlanRetracted(const storage::View& view, Loaded read, bool retracted,
                                                                    WriteMethods::Plan plan) const {
  MessagePtr next = Copy(*read.message);
  static_cast<v1::Endorsement&>(*next).set_withdrawn(retracted);
  return door_.PlanChange(view, door_.TypeOf("Endorsement"), std::move(read), std::move(next), {"withdrawn"}, nullptr, std::move(plan));
}

void ExchangePractices::Endorse(const std::shared_ptr<Call>& call, const v1::EndorsePracticeRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf("Endorsement");
  const std::string nation = NationOfCaller(*call);
  if (request.practice().empty()) return reply(FieldError(Reason::kFieldRequired, "practice", "is required"));
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<std::string> practice = PracticeOf(*view, *call, request.practice());
  if (!practice.ok()) return reply(practice.status());
  if (practice->empty()) return reply(NotFound(request.practice()));
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = EndorsementName(nation, *practice);
  if (plan.ok() && !plan->replay) {
    absl::StatusOr<std::optional<Loaded>> read = Load(door_.node(), *view, type, plan->name);
    if (!read.ok()) return reply(read.status());
    if (read->has_value()) {
      plan = PlanRetracted(*view, **std::move(read), /*retracted=*/false, *std::move(plan));
    } else {
      auto record = std::make_unique<v1::Endorsement>();
      record->set_nation(nation);
      const std::string name = plan->name;
      plan = door_.PlanNew(type, name, std::move(record), SameField, *std::move(plan));
    }
  }
  const auto narrate = [this, nation](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::PracticeEndorsement>(EndorsementOf(nation, record));
  };
  door_.Finish(type, call, std::move(plan), request.practice(), narrate, std::move(reply));
}

void ExchangePractices::Retract(const std::shared_ptr<Call>& call, const v1::RetractEndorsementRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf("Endorsement");
  const std::string nation = NationOfCaller(*call);
  if (request.practice().empty()) return reply(FieldError(Reason::kFieldRequired, "practice", "is required"));
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  // Found among the nation's own: the practice may not be shown to it any more.
  std::optional<Loaded> own;
  const std::string prefix = node::IndexPrefix(records::kEndorsementsByNation, nation);
  const auto it = view->Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid() && !own; it->Next()) {
    absl::StatusOr<std::optional<Loaded>> read = Load(door_.node(), *view, type, std::string(it->key().substr(it->key().rfind('\0') + 1)));
    if (!read.ok()) return reply(read.status());
    if (read->has_value() && EndorsementOf(nation, *(*read)->message).practice() == request.practice()) own = **std::move(read);
  }
  if (!it->status().ok()) return reply(it->status());
  if (!own) return reply(NotFound(request.practice()));
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = GetString(*own->message, "name");
  if (plan.ok() && !plan->replay) plan = PlanRetracted(*view, *std::move(own), /*retracted=*/true, *std::move(plan));
  const auto narrate = [this, nation](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::PracticeEndorsement>(EndorsementOf(nation, record));
  };
  door_.Finish(type, call, std::move(plan), request.practice(), narrate, std::move(reply));
}

absl::StatusOr<v1::ListPracticeEndorsementsResponse> ExchangePractices::ListEndorsements(
    const Call& call, const v1::ListPracticeEndorsementsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> last = door_.OpenToken(call, request.page_token());
  if (!last.ok()) return last.status();
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const records::RecordType& type = door_.TypeOf("Endorsement");
  const std::string nation = NationOfCaller(call);
  const std::string prefix = node::IndexPrefix(records::kEndorsementsByNation, nation);
  const auto it = view->Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  v1::ListPracticeEndorsementsResponse page;
  bool after = last->empty();
  for (it->SeekToFirst(); it->Valid() && !call.cancelled(); it->Next()) {
    const absl::StatusOr<std::optional<Loaded>> read =
        Load(door_.node(), *view, type, std::string(it->key().substr(it->key().rfind('\0') + 1)));
    if (!read.ok()) return read.status();
    if (!read->has_value()) continue;
    v1::PracticeEndorsement own = EndorsementOf(nation, *(*read)->message);
    if (!after) {
      after = own.practice() == *last;
      continue;
    }
    if (page.practice_endorsements_size() == *page_size) {
      page.set_next_page_token(door_.SealToken(call, page.practice_endorsements(*page_size - 1).practice()));
      break;
    }
    *page.add_practice_endorsements() = std::move(own);
  }
  if (!it->status().ok()) return it->status();
  return page;
}

}  // namespace fairlead::rpc
