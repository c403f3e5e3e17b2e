#include "server/rpc/exchange_methods.h"

#include <absl/synchronization/notification.h>

#include <set>
#include <thread>

#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/training.pb.h"
#include "server/rpc/exchange_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ExchangeTest : public ::testing::Test, protected Office {
 protected:
  ExchangeTest() : Office(absl::Milliseconds(50)) {
    Country("JP");
    Country("AU");
    Port("JPYOK", "Yokohama");
  }
};

// --- Release control -------------------------------------------------------------------------------------------------------------------

TEST_F(ExchangeTest, NothingIsSeenBeforeApproval) {
  EXPECT_THAT(Ports(jp_), IsEmpty());
  const v1::Release proposed = Propose(Draft("ports/JPYOK", {"JP"}));
  EXPECT_EQ(proposed.state(), v1::RELEASE_STATE_PROPOSED);
  EXPECT_THAT(Ports(jp_), IsEmpty());
  const auto approved = Approve(hq_, proposed);
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->state(), v1::RELEASE_STATE_APPROVED);
  EXPECT_THAT(Ports(jp_), ElementsAre("JPYOK Yokohama"));
  EXPECT_THAT(Ports(au_), IsEmpty());
}

TEST_F(ExchangeTest, TheAuthorsRoleDoesNotApprove) {
  EXPECT_THAT(Approve(officer_, Propose(Draft("ports/JPYOK", {"JP"}))), FailsWith("PERMISSION_DENIED"));
  v1::CreateReleaseRequest request;
  *request.mutable_release() = Preview(Draft("ports/JPYOK", {"JP"})).release();
  const auto own = Must<v1::Release>(hq_, "ReleaseService/CreateRelease", request);
  EXPECT_THAT(Approve(site_.As("hq/release/other"), own), FailsWith("PERMISSION_DENIED"));
  EXPECT_TRUE(Approve(site_.As("hq/counsel/desk"), own).ok());
}

TEST_F(ExchangeTest, ThePreviewSaysWhoWouldSeeWhat) {
  Group("quad", {"JP", "AU"});
  Group("none", {});
  v1::Release draft = Draft("ports/JPYOK", {"JP"});
  draft.add_groups("partnerGroups/quad");
  draft.add_groups("partnerGroups/none");
  draft.add_fields()->set_field("display_name");
  const v1::PreviewReleaseResponse preview = Preview(draft);
  ASSERT_EQ(preview.nations_size(), 2);
  EXPECT_EQ(preview.nations(0).nation(), "countries/AU");
  EXPECT_THAT(preview.nations(0).groups(), ElementsAre("partnerGroups/quad"));
  ASSERT_EQ(preview.nations(1).fields_size(), 1);
  EXPECT_EQ(preview.nations(1).fields(0).field(), "display_name");
  EXPECT_THAT(preview.nations(1).fields(0).values(), ElementsAre("\"Yokohama\""));
  EXPECT_THAT(preview.empty_groups(), ElementsAre("partnerGroups/none"));
  EXPECT_THAT(preview.replaced_fields(), IsEmpty());

  const v1::Release proposed = Propose(draft);
  Rename("JPYOK", "Yokohama-ko");
  v1::PreviewReleaseRequest again;
  again.set_name(proposed.name());
  const auto now = Must<v1::PreviewReleaseResponse>(hq_, "ReleaseService/PreviewRelease", again);
  EXPECT_THAT(now.replaced_fields(), ElementsAre("display_name"));
  ASSERT_EQ(now.nations_size(), 2);
  EXPECT_THAT(now.nations(1).fields(), IsEmpty());
  EXPECT_NE(now.nations(1).reason(), "");
}

TEST_F(ExchangeTest, WhatCannotBeReleasedIsRefusedByName) {
  v1::PreviewReleaseRequest request;
  *request.mutable_draft() = Draft("ports/JPYOK", {"JP"});
  request.mutable_draft()->add_fields()->set_field("source");
  EXPECT_THAT(officer_.Call<v1::PreviewReleaseResponse>("ReleaseService/PreviewRelease", request),
              FailsWith("FIELD_INVALID", "draft.fields[0].field"));
  request.mutable_draft()->set_record("ports/JPTYO");
  EXPECT_THAT(officer_.Call<v1::PreviewReleaseResponse>("ReleaseService/PreviewRelease", request),
              FailsWith("REFERENCE_NOT_FOUND", "draft.record"));
}

TEST_F(ExchangeTest, ANewValueNeedsItsOwnApproval) {
  const v1::Release first = Release(Draft("ports/JPYOK", {"JP"}));
  Rename("JPYOK", "Yokohama-ko");
  EXPECT_THAT(Ports(jp_), ElementsAre("JPYOK "));
  v1::Release draft = Draft("ports/JPYOK", {"JP"});
  draft.add_replaces(first.name());
  Release(draft);
  EXPECT_THAT(Ports(jp_), ElementsAre("JPYOK Yokohama-ko"));
}

TEST_F(ExchangeTest, AHigherMarkingAndTheLastDayEndIt) {
  v1::Release draft = Draft("ports/JPYOK", {"JP"});
  draft.mutable_retention_date()->set_year(2027);
  draft.mutable_retention_date()->set_month(1);
  draft.mutable_retention_date()->set_day(15);
  Release(draft);  // the clock says 2027-01-15
  ASSERT_THAT(Ports(jp_), SizeIs(1));
  EXPECT_EQ(List(jp_).records(0).retention_date().day(), 15);
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(Ports(jp_), IsEmpty());

  Port("AUSYD", "Sydney");
  Release(Draft("ports/AUSYD", {"JP"}));
  ASSERT_THAT(Ports(jp_), SizeIs(1));
  v1::GetPortRequest get;
  get.set_name("ports/AUSYD");
  v1::UpdatePortRequest mark;
  *mark.mutable_port() = Must<v1::Port>(officer_, "ReferenceService/GetPort", get);
  mark.mutable_port()->set_marking(v1::MARKING_SENSITIVE);
  Must<v1::Port>(officer_, "ReferenceService/UpdatePort", mark);
  EXPECT_THAT(Ports(jp_), IsEmpty());
}

TEST_F(ExchangeTest, MembershipCountsBothWays) {
  v1::PartnerGroup group = Group("quad", {"JP"});
  v1::Release draft = Draft("ports/JPYOK", {});
  draft.add_groups(group.name());
  Release(draft);
  EXPECT_THAT(Ports(jp_), SizeIs(1));
  EXPECT_THAT(Ports(au_), IsEmpty());
  v1::UpdatePartnerGroupRequest request;
  *request.mutable_partner_group() = group;
  request.mutable_partner_group()->set_nations(0, "countries/AU");
  request.mutable_update_mask()->add_paths("nations");
  group = Must<v1::PartnerGroup>(officer_, "ReleaseService/UpdatePartnerGroup", request);
  EXPECT_THAT(Ports(jp_), IsEmpty());
  EXPECT_THAT(Ports(au_), SizeIs(1));
  v1::WithdrawPartnerGroupRequest withdraw;
  withdraw.set_name(group.name());
  withdraw.set_etag(group.etag());
  Must<v1::PartnerGroup>(officer_, "ReleaseService/WithdrawPartnerGroup", withdraw);
  EXPECT_THAT(Ports(au_), IsEmpty());
}

TEST_F(ExchangeTest, ARecallReachesWhoHasLeftTheGroupSince) {
  Country("SG");
  v1::PartnerGroup group = Group("quad", {"JP", "AU", "SG"});
  const auto members = [&](const std::vector<std::string>& nations) {
    clock_.Advance(absl::Seconds(10));
    v1::UpdatePartnerGroupRequest update;
    *update.mutable_partner_group() = group;
    update.mutable_partner_group()->clear_nations();
    for (const std::string& nation : nations) update.mutable_partner_group()->add_nations("countries/" + nation);
    update.set_request_id(NextId());
    group = Must<v1::PartnerGroup>(officer_, "ReleaseService/UpdatePartnerGroup", update);
    clock_.Advance(absl::Seconds(10));
  };
  members({"JP", "AU"});  // Singapore was never shown anything
  v1::Release draft = Draft("ports/JPYOK", {});
  draft.add_groups("partnerGroups/quad");
  const v1::Release release = Release(draft);
  EXPECT_THAT(Ports(au_), ElementsAre("JPYOK Yokohama"));
  members({"JP"});
  EXPECT_THAT(Ports(au_), IsEmpty());
  ASSERT_EQ(group.former_members_size(), 2);
  const v1::Release recalled = Recall(release);
  EXPECT_THAT(recalled.recipients(), ElementsAre("countries/AU", "countries/JP"));
  ASSERT_EQ(Withdrawals(au_).withdrawals_size(), 1);
  v1::AcknowledgeWithdrawalRequest acknowledge;
  acknowledge.set_name(Withdrawals(au_).withdrawals(0).name());
  EXPECT_TRUE(Must<v1::Withdrawal>(au_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  v1::ListRecallsRequest outstanding;
  outstanding.set_outstanding(true);
  const auto recalls = Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", outstanding);
  ASSERT_EQ(recalls.recalls_size(), 1);
  EXPECT_THAT(recalls.recalls(0).unacknowledged(), ElementsAre("countries/JP"));
}

TEST_F(ExchangeTest, NobodyWritesWhoWasAMember) {
  v1::CreatePartnerGroupRequest create;
  create.set_partner_group_id("quad");
  create.mutable_partner_group()->set_display_name("quad");
  create.mutable_partner_group()->add_nations("countries/JP");
  create.mutable_partner_group()->add_former_members()->set_nation("countries/AU");
  EXPECT_EQ(Must<v1::PartnerGroup>(officer_, "ReleaseService/CreatePartnerGroup", create).former_members_size(), 0);
}

TEST_F(ExchangeTest, APublicationIsPreviewed) {
  v1::CreateBestPracticeRequest create;
  create.mutable_best_practice()->set_title("Two persons at the gate");
  create.mutable_best_practice()->set_text("A second guard checks.");
  create.mutable_best_practice()->set_marking(v1::MARKING_PUBLIC);
  const auto practice = Make<v1::BestPractice>("PracticeService/CreateBestPractice", create);
  v1::PreviewReleaseRequest request;
  request.set_publication(practice.name());
  const auto preview = Must<v1::PreviewReleaseResponse>(hq_, "ReleaseService/PreviewRelease", request);
  ASSERT_EQ(preview.nations_size(), 1);
  EXPECT_EQ(preview.nations(0).nation(), "");
  std::vector<std::string> fields;
  for (const auto& field : preview.nations(0).fields()) fields.push_back(field.field() + " " + field.values(0));
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("title \"Two persons at the gate\"", "text \"A second guard checks.\""));
  EXPECT_THAT(List(jp_).records(), IsEmpty());  // a preview publishes nothing

  Offering("for-au", v1::MARKING_OFFICIAL, {"AU"});
  request.set_publication("trainingOfferings/for-au");
  const auto course = Must<v1::PreviewReleaseResponse>(hq_, "ReleaseService/PreviewRelease", request);
  ASSERT_EQ(course.nations_size(), 1);
  EXPECT_EQ(course.nations(0).nation(), "countries/AU");
  EXPECT_GT(course.nations(0).fields_size(), 0);
  request.set_publication("ports/JPYOK");
  EXPECT_THAT(hq_.Call<v1::PreviewReleaseResponse>("ReleaseService/PreviewRelease", request), FailsWith("FIELD_INVALID", "publication"));
  request.set_publication("bestPractices/none");
  EXPECT_THAT(hq_.Call<v1::PreviewReleaseResponse>("ReleaseService/PreviewRelease", request),
              FailsWith("REFERENCE_NOT_FOUND", "publication"));
}

TEST_F(ExchangeTest, ARecallIsTrackedUntilEachNationHasSaidSo) {
  const v1::Release release = Release(Draft("ports/JPYOK", {"JP", "AU"}));
  const std::string name = List(jp_).records(0).name();
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), IsEmpty());
  Recall(release);
  EXPECT_THAT(Ports(jp_), IsEmpty());
  ASSERT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  const v1::Withdrawal withdrawal = Withdrawals(jp_).withdrawals(0);
  EXPECT_EQ(withdrawal.record(), name);
  EXPECT_FALSE(withdrawal.acknowledged());
  EXPECT_NE(withdrawal.name(), Withdrawals(au_).withdrawals(0).name());

  v1::ListRecallsRequest outstanding;
  outstanding.set_outstanding(true);
  auto recalls = Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", outstanding);
  ASSERT_EQ(recalls.recalls_size(), 1);
  EXPECT_THAT(recalls.recalls(0).unacknowledged(), ElementsAre("countries/AU", "countries/JP"));

  v1::AcknowledgeWithdrawalRequest acknowledge;
  acknowledge.set_name(withdrawal.name());
  EXPECT_THAT(au_.Call<v1::Withdrawal>("ExchangeService/AcknowledgeWithdrawal", acknowledge), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_TRUE(Must<v1::Withdrawal>(jp_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  EXPECT_TRUE(Must<v1::Withdrawal>(jp_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());  // once more
  recalls = Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", outstanding);
  ASSERT_EQ(recalls.recalls_size(), 1);
  EXPECT_THAT(recalls.recalls(0).acknowledged(), ElementsAre("countries/JP"));
  EXPECT_THAT(recalls.recalls(0).unacknowledged(), ElementsAre("countries/AU"));

  // Nobody sees the record again before another release takes the recalled one's place.
  Release(Draft("ports/JPYOK", {"JP"}));
  EXPECT_THAT(Ports(jp_), IsEmpty());
  acknowledge.set_name(Withdrawals(au_).withdrawals(0).name());
  Must<v1::Withdrawal>(au_, "ExchangeService/AcknowledgeWithdrawal", acknowledge);
  EXPECT_EQ(Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", outstanding).recalls_size(), 0);
}

// One of them finds what the other wrote, and is told nothing of its name inside.
TEST_F(ExchangeTest, TwoSystemsThatAcknowledgeAtOnceAreToldNoNames) {
  const std::vector<Client> systems = {jp_, site_.As("partner/JP/harbour"), jp_, site_.As("partner/JP/harbour")};
  for (int round = 0; round < 8; ++round) {
    Recall(Release(Draft("ports/JPYOK", {"JP"})));
    std::string name;
    const v1::ListWithdrawalsResponse withdrawals = Withdrawals(jp_);
    for (const v1::Withdrawal& withdrawal : withdrawals.withdrawals()) {
      if (!withdrawal.acknowledged()) name = withdrawal.name();
    }
    ASSERT_NE(name, "");
    absl::Notification go;
    std::vector<absl::Status> ends(systems.size());
    std::vector<std::thread> callers;
    for (size_t i = 0; i < systems.size(); ++i) {
      callers.emplace_back([&, i] {
        v1::AcknowledgeWithdrawalRequest acknowledge;
        acknowledge.set_name(name);
        go.WaitForNotification();
        ends[i] = systems[i].Call<v1::Withdrawal>("ExchangeService/AcknowledgeWithdrawal", acknowledge).status();
      });
    }
    go.Notify();
    for (std::thread& caller : callers) caller.join();
    for (const absl::Status& end : ends) {
      if (end.ok()) continue;
      EXPECT_THAT(end, FailsWith("ETAG_MISMATCH"));
      EXPECT_THAT(ToProto(end).SerializeAsString(), ::testing::Not(::testing::HasSubstr("releases/")));
    }
  }
}

TEST_F(ExchangeTest, TheEndOfWhatWasPublicIsAcknowledgedByThoseItWasSentTo) {
  const v1::BestPractice practice = Practice("Two persons at the gate", v1::MARKING_PUBLIC);
  ASSERT_THAT(List(jp_).records(), SizeIs(1));  // Australia never asks
  const std::string name = List(jp_).records(0).name();
  v1::ListRecallsRequest outstanding;
  outstanding.set_outstanding(true);
  const auto recalls = [&](const Client& caller) {
    const auto listed = Must<v1::ListRecallsResponse>(caller, "ReleaseService/ListRecalls", outstanding);
    std::vector<std::string> told;
    for (const v1::Recall& recall : listed.recalls()) {
      for (const std::string& nation : recall.unacknowledged()) told.push_back(recall.record() + ' ' + nation + ' ' + recall.reason());
    }
    return told;
  };
  v1::RetireBestPracticeRequest retire;
  retire.set_reason("A guard was bribed.");
  ASSERT_TRUE(Move(hq_, "PracticeService/RetireBestPractice", practice, retire).ok());
  EXPECT_THAT(List(jp_).records(), IsEmpty());
  EXPECT_THAT(recalls(officer_), ElementsAre(practice.name() + " countries/JP A guard was bribed."));
  EXPECT_THAT(Withdrawals(au_).withdrawals(), IsEmpty());
  ASSERT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  const v1::Withdrawal withdrawal = Withdrawals(jp_).withdrawals(0);
  EXPECT_EQ(withdrawal.record(), name);
  EXPECT_EQ(withdrawal.recall_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  EXPECT_FALSE(withdrawal.acknowledged());
  v1::AcknowledgeWithdrawalRequest acknowledge;
  acknowledge.set_name(withdrawal.name());
  EXPECT_THAT(au_.Call<v1::Withdrawal>("ExchangeService/AcknowledgeWithdrawal", acknowledge), FailsWith("RECORD_NOT_FOUND"));

  // At another site, which has it by replication.
  TestSite hq("hq", &clock_);
  hq.Receive(site_);
  EXPECT_THAT(recalls(hq.As("hq/release/desk")), ElementsAre(practice.name() + " countries/JP A guard was bribed."));
  EXPECT_TRUE(Must<v1::Withdrawal>(hq.As("partner/JP/registry"), "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  EXPECT_THAT(recalls(hq.As("hq/release/desk")), IsEmpty());
  EXPECT_TRUE(Must<v1::Withdrawal>(jp_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  EXPECT_THAT(recalls(officer_), IsEmpty());
  const auto all = Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", v1::ListRecallsRequest());
  ASSERT_THAT(all.recalls(), SizeIs(1));
  EXPECT_THAT(all.recalls(0).acknowledged(), ElementsAre("countries/JP"));
}

TEST_F(ExchangeTest, EachNationLosesWhatWasPublicWhenItIsNotShownAnyMore) {
  v1::TrainingOffering course = Offering("drills", v1::MARKING_PUBLIC);
  for (const Client* nation : {&jp_, &au_}) ASSERT_THAT(List(*nation).records(), SizeIs(1));
  const auto update = [&](const std::string& field) {
    v1::UpdateTrainingOfferingRequest request;
    *request.mutable_training_offering() = course;
    request.mutable_update_mask()->add_paths(field);
    request.set_request_id(NextId());
    course = Must<v1::TrainingOffering>(hq_, "TrainingService/UpdateTrainingOffering", request);
  };
  course.set_description("Of three days.");
  update("description");
  for (const Client* nation : {&jp_, &au_}) EXPECT_THAT(Withdrawals(*nation).withdrawals(), IsEmpty());
  course.add_open_to("countries/AU");
  update("open_to");
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  EXPECT_THAT(Withdrawals(au_).withdrawals(), IsEmpty());
  course.set_marking(v1::MARKING_OFFICIAL);
  update("marking");
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));  // it lost it once
  EXPECT_THAT(Withdrawals(au_).withdrawals(), SizeIs(1));

  // Withdrawn altogether; and what was sent to nobody is nobody's to acknowledge.
  const v1::TrainingOffering sent = Offering("audits", v1::MARKING_PUBLIC);
  ASSERT_THAT(List(au_).records(), SizeIs(1));
  const v1::TrainingOffering unsent = Offering("plans", v1::MARKING_PUBLIC);
  for (const v1::TrainingOffering& each : {sent, unsent}) {
    ASSERT_TRUE(Move(officer_, "TrainingService/WithdrawTrainingOffering", each, v1::WithdrawTrainingOfferingRequest()).ok());
  }
  EXPECT_THAT(Withdrawals(au_).withdrawals(), SizeIs(2));
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  const auto recalls = Must<v1::ListRecallsResponse>(officer_, "ReleaseService/ListRecalls", v1::ListRecallsRequest());
  std::vector<std::string> told;
  for (const v1::Recall& recall : recalls.recalls()) {
    for (const std::string& nation : recall.unacknowledged()) told.push_back(recall.record() + ' ' + nation);
  }
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("trainingOfferings/drills countries/JP", "trainingOfferings/drills countries/AU",
                                                    "trainingOfferings/audits countries/AU"));
  EXPECT_THAT(recalls.recalls(), SizeIs(3));

  // Withdrawals come in pages, too.
  v1::ListWithdrawalsRequest request;
  request.set_page_size(1);
  std::set<std::string> names;
  do {
    const auto page = Must<v1::ListWithdrawalsResponse>(au_, "ExchangeService/ListWithdrawals", request);
    ASSERT_THAT(page.withdrawals(), SizeIs(1));
    names.insert(page.withdrawals(0).name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(2));
}

TEST_F(ExchangeTest, WhatIsStillReleasedIsNotToBeWithdrawn) {
  const v1::BestPractice practice = Practice("Two persons at the gate", v1::MARKING_PUBLIC);
  ASSERT_THAT(List(jp_).records(), SizeIs(1));
  const v1::Release release = Release(Draft(practice.name(), {"JP"}));
  v1::RetireBestPracticeRequest retire;
  retire.set_reason("There is a better one.");
  ASSERT_TRUE(Move(hq_, "PracticeService/RetireBestPractice", practice, retire).ok());
  EXPECT_THAT(List(jp_).records(), SizeIs(1));
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), IsEmpty());
  Recall(release);
  EXPECT_THAT(List(jp_).records(), IsEmpty());
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(2));  // of what was released, and of what was PUBLIC
}

// --- What a partner sends --------------------------------------------------------------------------------------------------------------

TEST_F(ExchangeTest, ASuggestionComesBackWithItsOutcome) {
  Release(Draft("ports/JPYOK", {"JP"}));
  v1::SubmitSuggestionRequest request;
  request.set_request_id(NextId());
  request.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_CORRECTION);
  request.mutable_suggestion()->set_record(List(jp_).records(0).name());
  request.mutable_suggestion()->set_text("It is written Yokohama-ko.");
  const auto submitted = Must<v1::Suggestion>(jp_, "ExchangeService/SubmitSuggestion", request);
  EXPECT_EQ(submitted.outcome(), v1::SUGGESTION_OUTCOME_PENDING);
  EXPECT_EQ(Must<v1::Suggestion>(jp_, "ExchangeService/SubmitSuggestion", request).name(), submitted.name());

  const auto proposals = Must<v1::ListProposalsResponse>(officer_, "ReleaseService/ListProposals", v1::ListProposalsRequest());
  ASSERT_EQ(proposals.proposals_size(), 1);
  EXPECT_EQ(proposals.proposals(0).record(), "ports/JPYOK");
  EXPECT_EQ(proposals.proposals(0).nation(), "countries/JP");
  EXPECT_EQ(proposals.proposals(0).region(), v1::REGION_APAC);
  v1::MergeProposalRequest merge;
  merge.set_name(proposals.proposals(0).name());
  merge.set_etag(proposals.proposals(0).etag());
  merge.set_reason("Taken over, with a space.");
  Must<v1::Proposal>(officer_, "ReleaseService/MergeProposal", merge);

  v1::GetSuggestionRequest get;
  get.set_name(submitted.name());
  const auto decided = Must<v1::Suggestion>(jp_, "ExchangeService/GetSuggestion", get);
  EXPECT_EQ(decided.outcome(), v1::SUGGESTION_OUTCOME_MERGED);
  EXPECT_EQ(decided.reason(), "Taken over, with a space.");
  EXPECT_EQ(decided.record(), List(jp_).records(0).name());
  EXPECT_THAT(au_.Call<v1::Suggestion>("ExchangeService/GetSuggestion", get), FailsWith("RECORD_NOT_FOUND"));
  const auto listed = Must<v1::ListSuggestionsResponse>(jp_, "ExchangeService/ListSuggestions", v1::ListSuggestionsRequest());
  ASSERT_EQ(listed.suggestions_size(), 1);
  EXPECT_EQ(listed.suggestions(0).SerializeAsString(), decided.SerializeAsString());
  EXPECT_EQ(Must<v1::ListSuggestionsResponse>(au_, "ExchangeService/ListSuggestions", v1::ListSuggestionsRequest()).suggestions_size(), 0);
}

TEST_F(ExchangeTest, ASuggestionIsCheckedAndIsAboutWhatIsReleased) {
  v1::SubmitSuggestionRequest request;
  request.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_FACILITY);
  request.mutable_suggestion()->set_text("It has a second gate.");
  request.mutable_suggestion()->set_subject("gate");
  EXPECT_THAT(jp_.Call<v1::Suggestion>("ExchangeService/SubmitSuggestion", request), FailsWith("FIELD_INVALID", "suggestion.subject"));
  request.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_CORRECTION);
  request.mutable_suggestion()->set_record(NameFor("JP", "ports/JPYOK"));  // is there, and is not released
  EXPECT_THAT(jp_.Call<v1::Suggestion>("ExchangeService/SubmitSuggestion", request), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(ExchangeTest, AQuestionReachesTheHelpDeskAndItsAnswerTheNation) {
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  const auto asked = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", ask);
  EXPECT_EQ(asked.answer(), "");
  const auto inquiries = Must<v1::ListInquiriesResponse>(officer_, "HelpDeskService/ListInquiries", v1::ListInquiriesRequest());
  ASSERT_EQ(inquiries.inquiries_size(), 1);
  EXPECT_EQ(inquiries.inquiries(0).contact(), "partner/JP/registry");
  EXPECT_EQ(inquiries.inquiries(0).region(), v1::REGION_APAC);
  v1::AnswerInquiryRequest answer;
  answer.set_name(inquiries.inquiries(0).name());
  answer.set_etag(inquiries.inquiries(0).etag());
  answer.set_answer("Every three months.");
  Must<v1::Inquiry>(officer_, "HelpDeskService/AnswerInquiry", answer);
  v1::GetQuestionRequest get;
  get.set_name(asked.name());
  EXPECT_EQ(Must<v1::Question>(jp_, "ExchangeService/GetQuestion", get).answer(), "Every three months.");
  EXPECT_THAT(au_.Call<v1::Question>("ExchangeService/GetQuestion", get), FailsWith("RECORD_NOT_FOUND"));
}

// --- Watch -----------------------------------------------------------------------------------------------------------------------------

TEST_F(ExchangeTest, AWatchSendsWhatIsReleasedAndEachChangeOfIt) {
  const v1::Release first = Release(Draft("ports/JPYOK", {"JP"}));
  Feed feed(jp_);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "JPYOK Yokohama", "end"));
  const std::string before = feed.token();
  Port("AUSYD", "Sydney");
  Release(Draft("ports/AUSYD", {"AU"}));
  feed.Idle();
  Release(Draft("ports/AUSYD", {"JP", "AU"}));
  EXPECT_THAT(feed.ToEnd(), ElementsAre("AUSYD Sydney", "end"));
  EXPECT_NE(feed.token(), before);
  Rename("JPYOK", "Yokohama-ko");
  EXPECT_THAT(feed.ToEnd(), ElementsAre("JPYOK ", "end"));
  Recall(first);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("-" + NameFor("JP", "ports/JPYOK"), "end"));

  EXPECT_THAT(Feed(jp_, feed.token()).ToEnd(), ElementsAre("end"));  // nothing has changed since
  EXPECT_THAT(Feed(jp_, before).ToEnd(), ElementsAre("reset", "AUSYD Sydney", "end"));
}

TEST_F(ExchangeTest, AResumeTokenIsTheNationsOwn) {
  Feed feed(jp_);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "end"));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::WatchReleasedRecordsRequest request;
  request.set_resume_token(feed.token());
  const auto stub = v1::ExchangeService::NewStub(au_.channel());
  const auto reader = stub->WatchReleasedRecords(&context, request);
  v1::WatchReleasedRecordsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_THAT(FromGrpc(reader->Finish()), FailsWith("FIELD_INVALID", "resume_token"));
}

TEST_F(ExchangeTest, AnotherSiteGoesOnWithTheTokensOfTheFirst) {
  Port("JPOSA", "Osaka");
  Release(Draft("ports/JPYOK", {"JP"}));
  Release(Draft("ports/JPOSA", {"JP"}));
  TestSite hq("hq", &clock_);
  hq.Receive(site_);
  const Client jp_at_hq = hq.As("partner/JP/registry");
  v1::ListReleasedRecordsRequest request;
  request.set_page_size(1);
  const auto first = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", request);
  request.set_page_token(first.next_page_token());
  const auto here = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", request);
  const auto there = Must<v1::ListReleasedRecordsResponse>(jp_at_hq, "ExchangeService/ListReleasedRecords", request);
  ASSERT_EQ(here.records_size(), 1);
  EXPECT_NE(here.records(0).name(), first.records(0).name());
  EXPECT_EQ(here.SerializeAsString(), there.SerializeAsString());
  Feed feed(jp_);
  feed.ToEnd();
  EXPECT_THAT(Feed(jp_at_hq, feed.token()).ToEnd(), ElementsAre("end"));
}

// --- No oracle -------------------------------------------------------------------------------------------------------------------------

TEST_F(ExchangeTest, WhatIsAnothersIsAbsentInTheSameWords) {
  Release(Draft("ports/JPYOK", {"JP"}));
  const std::string name = List(jp_).records(0).name();
  const absl::Status anothers = Get(au_, name).status();
  const absl::Status absent = Get(jp_, "releasedRecords/0123456789abcdef0123456789abcdef").status();
  EXPECT_THAT(anothers, FailsWith("RECORD_NOT_FOUND"));
  EXPECT_EQ(anothers.message(), absent.message());
  EXPECT_EQ(anothers.code(), absent.code());
}

TEST_F(ExchangeTest, PagesAreFullAndTheirTokensTheNationsOwn) {
  for (const char* port : {"JPOSA", "JPTYO", "JPUKB"}) {
    Port(port, "Port");
    Release(Draft(std::string("ports/") + port, {"JP", "AU"}));
  }
  Release(Draft("ports/JPYOK", {"JP"}));
  Rename("JPOSA", "Osaka");
  v1::ListReleasedRecordsRequest request;
  request.set_page_size(3);
  const auto first = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", request);
  EXPECT_EQ(first.records_size(), 3);
  request.set_page_token(first.next_page_token());
  const auto second = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", request);
  EXPECT_EQ(second.records_size(), 1);
  EXPECT_EQ(second.next_page_token(), "");
  std::set<std::string> names;
  for (const auto* page : {&first, &second}) {
    for (const auto& record : page->records()) names.insert(record.name());
  }
  EXPECT_THAT(names, SizeIs(4));
  EXPECT_THAT(au_.Call<v1::ListReleasedRecordsResponse>("ExchangeService/ListReleasedRecords", request), FailsWith("PAGE_TOKEN_INVALID"));
}

}  // namespace
}  // namespace fairlead::rpc
