#include <gmock/gmock.h>

#include <map>
#include <set>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using v1::Engagement;

Engagement Valid() {
  Engagement engagement;
  engagement.set_name("engagements/first");
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Country visit");
  engagement.add_countries("countries/JP");
  engagement.add_ports("ports/JPYOK");
  engagement.add_facilities("portFacilities/JPYOK-0001");
  engagement.set_region(v1::REGION_APAC);
  engagement.set_state(v1::ENGAGEMENT_STATE_DRAFT);
  SetDate(engagement.mutable_start_date(), 2025, 6, 2);
  SetDate(engagement.mutable_end_date(), 2025, 6, 6);
  engagement.add_topics(v1::TOPIC_ACCESS_CONTROL);
  engagement.add_participants()->set_officer("liaisonOfficers/watch");
  v1::Participant* counterpart = engagement.add_participants();
  counterpart->set_counterpart("Director, Port Security");
  counterpart->set_organisation("Designated Authority");
  counterpart->set_role("head of delegation");
  return engagement;
}

TEST(EngagementType, Rules) {
  ExpectRefused<Engagement>(
      EngagementType(), Valid(),
      {
          {"no kind", [](Engagement* e) { e->clear_kind(); }, "kind", Reason::kFieldRequired},
          {"unknown kind", [](Engagement* e) { e->set_kind(static_cast<v1::EngagementKind>(99)); }, "kind", Reason::kFieldInvalid},
          {"no title", [](Engagement* e) { e->clear_title(); }, "title", Reason::kFieldRequired},
          {"long title", [](Engagement* e) { e->set_title(std::string(201, 'x')); }, "title", Reason::kFieldTooLarge},
          {"no countries", [](Engagement* e) { e->clear_countries(); }, "countries", Reason::kFieldRequired},
          {"country of no form", [](Engagement* e) { e->set_countries(0, "countries/Japan"); }, "countries[0]", Reason::kFieldInvalid},
          {"country that is not there", [](Engagement* e) { e->add_countries("countries/ZZ"); }, "countries[1]",
           Reason::kReferenceNotFound},
          {"country twice", [](Engagement* e) { e->add_countries("countries/JP"); }, "countries[1]", Reason::kFieldInvalid},
          {"multilateral with one nation", [](Engagement* e) { e->set_kind(v1::ENGAGEMENT_KIND_MULTILATERAL); }, "countries",
           Reason::kFieldInvalid},
          {"bilateral with two nations",
           [](Engagement* e) {
             e->set_kind(v1::ENGAGEMENT_KIND_BILATERAL);
             e->add_countries("countries/KR");
           },
           "countries", Reason::kFieldInvalid},
          {"port that is not there", [](Engagement* e) { e->add_ports("ports/JPTYO"); }, "ports[1]", Reason::kReferenceNotFound},
          {"port of no form", [](Engagement* e) { e->add_ports("ports/Tokyo"); }, "ports[1]", Reason::kFieldInvalid},
          {"facility that is not there", [](Engagement* e) { e->add_facilities("portFacilities/JPYOK-0002"); }, "facilities[1]",
           Reason::kReferenceNotFound},
          {"no region", [](Engagement* e) { e->clear_region(); }, "region", Reason::kFieldRequired},
          {"no state", [](Engagement* e) { e->clear_state(); }, "state", Reason::kFieldRequired},
          {"unknown state", [](Engagement* e) { e->set_state(static_cast<v1::EngagementState>(99)); }, "state", Reason::kFieldInvalid},
          {"start on no day", [](Engagement* e) { SetDate(e->mutable_start_date(), 2025, 2, 30); }, "start_date", Reason::kFieldInvalid},
          {"day without a month", [](Engagement* e) { SetDate(e->mutable_end_date(), 2025, 0, 3); }, "end_date", Reason::kFieldInvalid},
          {"end before start", [](Engagement* e) { SetDate(e->mutable_end_date(), 2025, 6, 1); }, "end_date", Reason::kFieldInvalid},
          {"end without start", [](Engagement* e) { e->clear_start_date(); }, "start_date", Reason::kFieldRequired},
          {"longer than the calendar goes", [](Engagement* e) { SetDate(e->mutable_end_date(), 2028, 6, 1); }, "end_date",
           Reason::kFieldInvalid},
          {"visit refused without another basis",
           [](Engagement* e) {
             e->set_state(v1::ENGAGEMENT_STATE_REFUSED);
             e->set_reason("No visit this year.");
           },
           "alternative_basis", Reason::kFieldRequired},
          {"no topic", [](Engagement* e) { e->add_topics(v1::TOPIC_UNSPECIFIED); }, "topics[1]", Reason::kFieldInvalid},
          {"unknown topic", [](Engagement* e) { e->add_topics(static_cast<v1::Topic>(99)); }, "topics[1]", Reason::kFieldInvalid},
          {"topic twice", [](Engagement* e) { e->add_topics(v1::TOPIC_ACCESS_CONTROL); }, "topics[1]", Reason::kFieldInvalid},
          {"long objectives", [](Engagement* e) { e->set_objectives(std::string(4001, 'x')); }, "objectives", Reason::kFieldTooLarge},
          {"long outcome", [](Engagement* e) { e->set_outcome(std::string(4001, 'x')); }, "outcome", Reason::kFieldTooLarge},
          {"long notes", [](Engagement* e) { e->set_notes(std::string(16001, 'x')); }, "notes", Reason::kFieldTooLarge},
          {"long source", [](Engagement* e) { e->set_source(std::string(501, 'x')); }, "source", Reason::kFieldTooLarge},
          {"long reason", [](Engagement* e) { e->set_reason(std::string(1001, 'x')); }, "reason", Reason::kFieldTooLarge},
          {"long alternative basis", [](Engagement* e) { e->set_alternative_basis(std::string(1001, 'x')); }, "alternative_basis",
           Reason::kFieldTooLarge},
      });
  ExpectAccepted<Engagement>(EngagementType(), Valid(),
                             {
                                 {"no dates",
                                  [](Engagement* e) {
                                    e->clear_start_date();
                                    e->clear_end_date();
                                  }},
                                 {"one day", [](Engagement* e) { SetDate(e->mutable_end_date(), 2025, 6, 2); }},
                                 {"some day of the month it starts in", [](Engagement* e) { SetDate(e->mutable_end_date(), 2025, 6, 0); }},
                                 {"some year", [](Engagement* e) { SetDate(e->mutable_start_date(), 2025, 0, 0); }},
                                 {"multilateral",
                                  [](Engagement* e) {
                                    e->set_kind(v1::ENGAGEMENT_KIND_MULTILATERAL);
                                    e->add_countries("countries/KR");
                                  }},
                                 {"bilateral", [](Engagement* e) { e->set_kind(v1::ENGAGEMENT_KIND_BILATERAL); }},
                                 {"notes of several lines", [](Engagement* e) { e->set_notes("one\n\ttwo"); }},
                             });
}

TEST(EngagementType, IsListedByWhatTakesPartAndInTheCalendar) {
  const RecordType type = EngagementType();
  EXPECT_THAT(ValuesOf(type, "topic", Valid()), ElementsAre("3"));
  EXPECT_THAT(ValuesOf(type, "officer", Valid()), ElementsAre("liaisonOfficers/watch"));
  EXPECT_THAT(ValuesOf(type, "port", Valid()), ElementsAre("ports/JPYOK"));
  EXPECT_THAT(ValuesOf(type, "facility", Valid()), ElementsAre("portFacilities/JPYOK-0001"));
  EXPECT_THAT(ValuesOf(type, "month", Valid()), ElementsAre("2025-06"));
  for (const char* filter : {"topic", "officer", "port", "facility", "month"}) EXPECT_EQ(SortOf(type, filter, Valid()), "2025-06-02");
}

TEST(EngagementType, Participants) {
  ExpectRefused<Engagement>(
      EngagementType(), Valid(),
      {
          {"neither", [](Engagement* e) { e->add_participants()->set_role("interpreter"); }, "participants[2]", Reason::kFieldInvalid},
          {"both", [](Engagement* e) { e->mutable_participants(0)->set_counterpart("x"); }, "participants[0]", Reason::kFieldInvalid},
          {"officer of no form", [](Engagement* e) { e->mutable_participants(0)->set_officer("watch"); }, "participants[0].officer",
           Reason::kFieldInvalid},
          {"officer that is not there", [](Engagement* e) { e->mutable_participants(0)->set_officer("liaisonOfficers/none"); },
           "participants[0].officer", Reason::kReferenceNotFound},
          {"the same twice", [](Engagement* e) { e->add_participants()->set_officer("liaisonOfficers/watch"); }, "participants[2]",
           Reason::kFieldInvalid},
          {"long counterpart", [](Engagement* e) { e->mutable_participants(1)->set_counterpart(std::string(201, 'x')); },
           "participants[1].counterpart", Reason::kFieldTooLarge},
          {"long organisation", [](Engagement* e) { e->mutable_participants(1)->set_organisation(std::string(201, 'x')); },
           "participants[1].organisation", Reason::kFieldTooLarge},
          {"role of two lines", [](Engagement* e) { e->mutable_participants(1)->set_role("a\nb"); }, "participants[1].role",
           Reason::kFieldInvalid},
          {"malformed role", [](Engagement* e) { e->mutable_participants(1)->set_role("\xff"); }, "participants[1].role",
           Reason::kFieldInvalid},
          {"101",
           [](Engagement* e) {
             for (int i = 2; i < 101; ++i) e->add_participants()->set_counterpart("delegate " + std::to_string(i));
           },
           "participants", Reason::kFieldTooLarge},
      });
  ExpectAccepted<Engagement>(EngagementType(), Valid(),
                             {
                                 {"100",
                                  [](Engagement* e) {
                                    for (int i = 2; i < 100; ++i) e->add_participants()->set_counterpart("delegate " + std::to_string(i));
                                  }},
                                 {"the same officer in another role",
                                  [](Engagement* e) {
                                    v1::Participant* again = e->add_participants();
                                    again->set_officer("liaisonOfficers/watch");
                                    again->set_role("interpreter");
                                  }},
                             });
}

TEST(EngagementType, WhatEachStateNeeds) {
  const std::set<int> dated = {v1::ENGAGEMENT_STATE_SCHEDULED, v1::ENGAGEMENT_STATE_IN_PROGRESS, v1::ENGAGEMENT_STATE_COMPLETED,
                               v1::ENGAGEMENT_STATE_REPORTED, v1::ENGAGEMENT_STATE_CLOSED};
  const std::set<int> reported = {v1::ENGAGEMENT_STATE_REPORTED, v1::ENGAGEMENT_STATE_CLOSED};
  const std::set<int> reasoned = {v1::ENGAGEMENT_STATE_CANCELLED, v1::ENGAGEMENT_STATE_REFUSED};
  World world;
  for (int state = v1::EngagementState_MIN + 1; state <= v1::EngagementState_MAX; ++state) {
    SCOPED_TRACE(v1::EngagementState_Name(state));
    Engagement full = Valid();
    full.set_state(static_cast<v1::EngagementState>(state));
    full.set_outcome("done");
    full.set_reason("weather");
    full.set_alternative_basis("a certified assessment of another government");
    EXPECT_EQ(EngagementType().validate(full, nullptr, world), absl::OkStatus());

    auto expect = [&](const Engagement& record, bool needed, const std::string& field) {
      absl::Status status = EngagementType().validate(record, nullptr, world);
      EXPECT_EQ(ReasonOf(status), needed ? ReasonName(Reason::kFieldRequired) : "") << field;
      EXPECT_EQ(FieldOf(status), needed ? field : "");
    };
    Engagement undated = full;
    undated.clear_start_date();
    undated.clear_end_date();
    expect(undated, dated.contains(state), "start_date");
    Engagement unreported = full;
    unreported.clear_outcome();
    expect(unreported, reported.contains(state), "outcome");
    Engagement unreasoned = full;
    unreasoned.clear_reason();
    expect(unreasoned, reasoned.contains(state), "reason");
    Engagement unfounded = full;
    unfounded.clear_alternative_basis();
    expect(unfounded, state == v1::ENGAGEMENT_STATE_REFUSED, "alternative_basis");
    unfounded.set_kind(v1::ENGAGEMENT_KIND_TECHNICAL_EXCHANGE);  // no assessment rests on it
    expect(unfounded, false, "");
  }
}

TEST(EngagementType, Lifecycle) {
  enum { kDraft = 1, kProposed, kScheduled, kInProgress, kCompleted, kReported, kClosed, kCancelled, kRefused };
  RecordType type = EngagementType();
  EXPECT_EQ(type.state_field, "state");
  EXPECT_EQ(type.initial_state, kDraft);
  std::map<std::string, std::pair<std::vector<int>, int>> table;
  for (const Transition& t : type.transitions) table[t.method] = {t.from, t.to};
  const std::map<std::string, std::pair<std::vector<int>, int>> expected = {
      {"ProposeEngagement", {{kDraft}, kProposed}},
      {"ScheduleEngagement", {{kDraft, kProposed}, kScheduled}},
      {"StartEngagement", {{kScheduled}, kInProgress}},
      {"CompleteEngagement", {{kInProgress}, kCompleted}},
      {"ReportEngagement", {{kCompleted}, kReported}},
      {"CloseEngagement", {{kReported}, kClosed}},
      {"CancelEngagement", {{kDraft, kProposed, kScheduled, kInProgress}, kCancelled}},
      {"RefuseEngagement", {{kProposed, kScheduled}, kRefused}},
  };
  EXPECT_EQ(table, expected);
}

TEST(EngagementType, Indexes) {
  RecordType type = EngagementType();
  Engagement engagement = Valid();
  engagement.add_countries("countries/KR");
  EXPECT_THAT(ValuesOf(type, "region", engagement), ElementsAre("1"));
  EXPECT_THAT(ValuesOf(type, "country", engagement), ElementsAre("countries/JP", "countries/KR"));
  EXPECT_THAT(ValuesOf(type, "kind", engagement), ElementsAre("3"));
  EXPECT_THAT(ValuesOf(type, "state", engagement), ElementsAre("1"));
  Engagement later = engagement;
  SetDate(later.mutable_start_date(), 2025, 10, 1);
  Engagement undated = engagement;
  undated.clear_start_date();
  for (const char* filter : {"region", "country", "kind", "state"}) {
    EXPECT_EQ(SortOf(type, filter, engagement), "2025-06-02");
    EXPECT_LT(SortOf(type, filter, engagement), SortOf(type, filter, later));
    EXPECT_LT(SortOf(type, filter, later), SortOf(type, filter, undated));
  }
}

TEST(EngagementType, Figures) {
  Engagement engagement = Valid();
  engagement.add_countries("countries/KR");
  engagement.set_state(v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_THAT(EngagementType().contribute(engagement),
              UnorderedElementsAre(Contribution{"engagement/1/3/7", 1}, Contribution{"engaged/JP", 1}, Contribution{"engaged/KR", 1},
                                   Contribution{"engagement_month/2025-06/1/3", 1}));
  engagement.set_state(v1::ENGAGEMENT_STATE_CANCELLED);
  EXPECT_THAT(EngagementType().contribute(engagement), ElementsAre(Contribution{"engagement/1/3/8", 1}));
  engagement.set_state(v1::ENGAGEMENT_STATE_REFUSED);
  EXPECT_THAT(EngagementType().contribute(engagement), ElementsAre(Contribution{"engagement/1/3/9", 1}));
}

}  // namespace
}  // namespace fairlead::records
