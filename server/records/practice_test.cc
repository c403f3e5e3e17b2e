#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/practice.pb.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::BestPractice;
using v1::Inquiry;
using v1::PracticeContribution;

// The small world, whose country JP has names and whose first engagement has a port.
class NamedWorld : public World {
 public:
  std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const override {
    std::unique_ptr<google::protobuf::Message> found = World::Find(name);
    if (name == "countries/JP") {
      static_cast<v1::Country&>(*found).set_display_name("Korea, Kingdom of");
      static_cast<v1::Country&>(*found).set_region(v1::REGION_APAC);
    }
    if (name == "engagements/first") static_cast<v1::Engagement&>(*found).add_ports("ports/JPYOK");
    if (name == "ports/JPYOK") static_cast<v1::Port&>(*found).set_display_name("Yokohama");
    return found;
  }
};

PracticeContribution Accepted() {
  PracticeContribution contribution;
  contribution.set_name("practiceContributions/one");
  contribution.set_engagement("engagements/first");
  contribution.set_country("countries/JP");
  contribution.set_state(v1::CONTRIBUTION_STATE_ACCEPTED);
  contribution.set_title("Two persons at the gate");
  contribution.set_text("A second guard checks what the first has admitted.");
  contribution.set_review("Fit to share.");
  return contribution;
}

TEST(PracticeTest, WhatIsToBeSharedNamesNoSource) {
  NamedWorld world;
  const RecordType type = PracticeContributionType();
  ASSERT_EQ(type.validate(Accepted(), nullptr, world), absl::OkStatus());
  struct Case {
    const char* text;
    const char* field;  // empty: fine
  };
  const Case cases[] = {{"As done in Korea.", "text"},        {"as done in KOREA", "text"}, {"The Korea, Kingdom of, does so.", "text"},
                        {"Seen at Yokohama's gate.", "text"}, {"Koreans and others.", ""},  {"A chorea of guards.", ""}};
  for (const Case& c : cases) {
    PracticeContribution contribution = Accepted();
    contribution.set_text(c.text);
    EXPECT_EQ(FieldOf(type.validate(contribution, nullptr, world)), c.field) << c.text;
    contribution.set_state(v1::CONTRIBUTION_STATE_SUBMITTED);  // not shared yet
    EXPECT_EQ(type.validate(contribution, nullptr, world), absl::OkStatus()) << c.text;
  }
  BestPractice practice;
  practice.set_name("bestPractices/one");
  practice.set_title("A practice of Korea");
  practice.set_text("Text.");
  practice.set_state(v1::PRACTICE_STATE_DRAFT);
  practice.set_version(1);
  EXPECT_EQ(FieldOf(BestPracticeType().validate(practice, nullptr, world)), "title");
}

TEST(PracticeTest, ABestPracticeHasNoFieldThatCouldTellItsSource) {
  const auto* shared = BestPractice::descriptor();
  const auto* own = PracticeContribution::descriptor();
  for (int i = 0; i < own->field_count(); ++i) {
    const std::string& field = own->field(i)->name();
    if (field == "country" || field == "engagement" || field == "notes" || field == "review") {
      EXPECT_EQ(shared->FindFieldByName(field), nullptr) << field;
    }
  }
}

TEST(PracticeTest, RefusesWhatBreaksARule) {
  ExpectRefused<PracticeContribution>(
      PracticeContributionType(), Accepted(),
      {{"no engagement", [](PracticeContribution* c) { c->clear_engagement(); }, "engagement", Reason::kFieldRequired},
       {"no such engagement", [](PracticeContribution* c) { c->set_engagement("engagements/none"); }, "engagement",
        Reason::kReferenceNotFound},
       {"another country", [](PracticeContribution* c) { c->set_country("countries/KR"); }, "country", Reason::kFieldInvalid},
       {"no review", [](PracticeContribution* c) { c->clear_review(); }, "review", Reason::kFieldRequired},
       {"no such practice", [](PracticeContribution* c) { c->set_practice("bestPractices/none"); }, "practice",
        Reason::kReferenceNotFound}});
  BestPractice practice;
  practice.set_name("bestPractices/one");
  practice.set_title("Two persons at the gate");
  practice.set_text("Text.");
  practice.set_state(v1::PRACTICE_STATE_PUBLISHED);
  practice.set_version(2);
  ExpectRefused<BestPractice>(
      BestPracticeType(), practice,
      {{"a version that falls", [](BestPractice* p) { p->set_version(1); }, "version", Reason::kFieldInvalid},
       {"a change without a new version", [](BestPractice* p) { p->set_text("Other."); }, "version", Reason::kFieldInvalid},
       {"retired without a reason", [](BestPractice* p) { p->set_state(v1::PRACTICE_STATE_RETIRED); }, "reason", Reason::kFieldRequired},
       {"in its own place", [](BestPractice* p) { p->set_supersedes("bestPractices/one"); }, "supersedes", Reason::kFieldInvalid}});
}

TEST(InquiryTest, IsRoutedByItsCountryAndTimed) {
  NamedWorld world;
  const RecordType type = InquiryType();
  Inquiry inquiry;
  inquiry.set_subject("A question");
  inquiry.set_question("What is asked?");
  inquiry.set_channel(v1::INQUIRY_CHANNEL_EMAIL);
  inquiry.set_inquirer(v1::INQUIRER_KIND_OPERATOR);
  inquiry.set_country("countries/JP");
  inquiry.set_state(v1::INQUIRY_STATE_OPEN);
  type.complete(&inquiry, nullptr, world, absl::FromUnixSeconds(1000));
  EXPECT_EQ(inquiry.region(), v1::REGION_APAC);
  EXPECT_EQ(inquiry.received_time().seconds(), 1000);
  EXPECT_FALSE(inquiry.has_answered_time());
  EXPECT_EQ(SortOf(type, "state", inquiry), "1970-01-01T00:16:40");
  Inquiry answered = inquiry;
  answered.set_state(v1::INQUIRY_STATE_ANSWERED);
  answered.set_answer("This.");
  type.complete(&answered, &inquiry, world, absl::FromUnixSeconds(4600));
  EXPECT_EQ(answered.answered_time().seconds(), 4600);
  EXPECT_EQ(answered.received_time().seconds(), 1000);
  // Closing does not answer again.
  Inquiry closed = answered;
  closed.set_state(v1::INQUIRY_STATE_CLOSED);
  type.complete(&closed, &answered, world, absl::FromUnixSeconds(9000));
  EXPECT_EQ(closed.answered_time().seconds(), 4600);
  ExpectRefused<Inquiry>(type, answered,
                         {{"no subject", [](Inquiry* i) { i->clear_subject(); }, "subject", Reason::kFieldRequired},
                          {"no answer", [](Inquiry* i) { i->clear_answer(); }, "answer", Reason::kFieldRequired},
                          {"no channel", [](Inquiry* i) { i->clear_channel(); }, "channel", Reason::kFieldRequired},
                          {"routed to nobody",
                           [](Inquiry* i) {
                             i->set_state(v1::INQUIRY_STATE_ROUTED);
                             i->clear_region();
                           },
                           "region", Reason::kFieldRequired},
                          {"answered before it came", [](Inquiry* i) { i->mutable_answered_time()->set_seconds(999); }, "received_time",
                           Reason::kFieldInvalid}});
}

}  // namespace
}  // namespace fairlead::records
