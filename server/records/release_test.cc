#include "server/records/release.h"

#include <gmock/gmock.h>

#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/release.pb.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Proposal;
using v1::Release;

// The small world with the group "quad" of JP and KR, a withdrawn one of FR, and a release of the port.
class PartnerWorld : public World {
 public:
  std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const override {
    if (name == "partnerGroups/quad" || name == "partnerGroups/old") {
      auto group = std::make_unique<v1::PartnerGroup>();
      group->set_name(std::string(name));
      if (name == "partnerGroups/quad") group->add_nations("countries/JP");
      group->add_nations(name == "partnerGroups/quad" ? "countries/KR" : "countries/FR");
      group->set_withdrawn(name == "partnerGroups/old");
      return group;
    }
    if (name == "releases/other" || name == "releases/recalled") {
      auto release = std::make_unique<Release>();
      release->set_name(std::string(name));
      release->set_record(name == "releases/other" ? "ports/JPYOK" : "engagements/first");
      release->set_state(name == "releases/other" ? v1::RELEASE_STATE_APPROVED : v1::RELEASE_STATE_RECALLED);
      return release;
    }
    std::unique_ptr<google::protobuf::Message> found = World::Find(name);
    if (name == "ports/JPYOK") {
      static_cast<v1::Port&>(*found).set_marking(v1::MARKING_SENSITIVE);
      static_cast<v1::Port&>(*found).add_audience("apac");
    }
    if (name == "countries/JP") static_cast<v1::Country&>(*found).set_region(v1::REGION_APAC);
    return found;
  }
};

Release Valid() {
  Release release;
  release.set_name("releases/one");
  release.set_record("ports/JPYOK");
  release.add_nations("countries/JP");
  v1::ReleasedField* field = release.add_fields();
  field->set_field("display_name");
  field->add_value_ids("0123-0");
  release.set_purpose("A joint drill.");
  release.set_record_marking(v1::MARKING_OFFICIAL);
  release.set_state(v1::RELEASE_STATE_PROPOSED);
  return release;
}

struct Case {
  const char* what;
  void (*change)(Release*);
  const char* field;
};

TEST(ReleaseTest, SaysWhatIsReleasedToWhomAndWhy) {
  const RecordType type = ReleaseType();
  const PartnerWorld world;
  ASSERT_EQ(type.validate(Valid(), nullptr, world), absl::OkStatus());
  const Case kCases[] = {
      {"no record", [](Release* r) { r->clear_record(); }, "record"},
      {"a record that there is not", [](Release* r) { r->set_record("ports/JPTYO"); }, "record"},
      {"nobody", [](Release* r) { r->clear_nations(); }, "nations"},
      {"a nation that there is not", [](Release* r) { r->add_nations("countries/XX"); }, "nations[1]"},
      {"a group that there is not", [](Release* r) { r->add_groups("partnerGroups/none"); }, "groups[0]"},
      {"nothing", [](Release* r) { r->clear_fields(); }, "fields"},
      {"a field that the record has not", [](Release* r) { r->mutable_fields(0)->set_field("beam"); }, "fields[0].field"},
      {"a field twice", [](Release* r) { *r->add_fields() = r->fields(0); }, "fields[1].field"},
      {"a field without values", [](Release* r) { r->mutable_fields(0)->clear_value_ids(); }, "fields[0].value_ids"},
      {"no purpose", [](Release* r) { r->clear_purpose(); }, "purpose"},
      {"a month for a day", [](Release* r) { r->mutable_retention_date()->set_year(2027); }, "retention_date"},
      {"in place of none", [](Release* r) { r->add_replaces("releases/none"); }, "replaces[0]"},
      {"in place of another record's", [](Release* r) { r->add_replaces("releases/recalled"); }, "replaces[0]"},
      {"recalled without a reason", [](Release* r) { r->set_state(v1::RELEASE_STATE_RECALLED); }, "reason"},
      {"recipients before a recall", [](Release* r) { r->add_recipients("countries/JP"); }, "recipients"},
  };
  for (const Case& broken : kCases) {
    Release release = Valid();
    broken.change(&release);
    EXPECT_EQ(FieldOf(type.validate(release, nullptr, world)), broken.field) << broken.what;
  }
  Release fine = Valid();
  fine.clear_nations();
  fine.add_groups("partnerGroups/quad");
  fine.add_replaces("releases/other");
  EXPECT_EQ(type.validate(fine, nullptr, world), absl::OkStatus());
}

TEST(ReleaseTest, StaysAsItWasProposed) {
  const RecordType type = ReleaseType();
  const PartnerWorld world;
  const Release before = Valid();
  Release after = before;
  after.set_state(v1::RELEASE_STATE_APPROVED);
  after.mutable_approve_time()->set_seconds(7);
  EXPECT_EQ(type.validate(after, &before, world), absl::OkStatus());
  after.add_nations("countries/KR");
  EXPECT_EQ(FieldOf(type.validate(after, &before, world)), "record");
}

TEST(ReleaseTest, TakesMarkingAndAudienceFromTheRecord) {
  const RecordType type = ReleaseType();
  Release release = Valid();
  release.clear_record_marking();
  type.complete(&release, nullptr, PartnerWorld(), absl::FromUnixSeconds(100));
  EXPECT_EQ(release.record_marking(), v1::MARKING_SENSITIVE);
  EXPECT_THAT(release.audience(), ElementsAre("apac"));
  EXPECT_FALSE(release.has_approve_time());
}

TEST(ReleaseTest, ARecallNotesThoseItReached) {
  const RecordType type = ReleaseType();
  Release before = Valid();
  before.add_groups("partnerGroups/quad");
  before.add_groups("partnerGroups/old");
  before.set_state(v1::RELEASE_STATE_APPROVED);
  Release after = before;
  after.set_state(v1::RELEASE_STATE_RECALLED);
  type.complete(&after, &before, PartnerWorld(), absl::FromUnixSeconds(100));
  EXPECT_THAT(after.recipients(), ElementsAre("countries/JP", "countries/KR"));
}

TEST(ReleaseTest, IsFoundByThoseWhoMayReadIt) {
  const RecordType type = ReleaseType();
  Release release = Valid();
  release.add_groups("partnerGroups/quad");
  EXPECT_THAT(ValuesOf(type, "reader", release), IsEmpty());
  EXPECT_THAT(ValuesOf(type, "subject", release), IsEmpty());
  release.set_state(v1::RELEASE_STATE_APPROVED);
  release.mutable_approve_time()->set_seconds(7);
  release.add_recipients("countries/JP");
  EXPECT_THAT(ValuesOf(type, "reader", release), ElementsAre("countries/JP", "partnerGroups/quad"));
  EXPECT_EQ(SortOf(type, "reader", release), SubjectOf("ports/JPYOK"));
  EXPECT_THAT(ValuesOf(type, "subject", release), ElementsAre(SubjectOf("ports/JPYOK")));
  EXPECT_THAT(ValuesOf(type, "recipient", release), IsEmpty());
  release.set_state(v1::RELEASE_STATE_RECALLED);
  EXPECT_THAT(ValuesOf(type, "reader", release), IsEmpty());
  EXPECT_THAT(ValuesOf(type, "subject", release), ElementsAre(SubjectOf("ports/JPYOK")));
  EXPECT_THAT(ValuesOf(type, "recipient", release), ElementsAre("countries/JP"));
  release.clear_approve_time();  // recalled before it was approved: nobody was shown anything
  EXPECT_THAT(ValuesOf(type, "recipient", release), IsEmpty());
}

TEST(ReleaseTest, TheEndOfAPublicationIsARecallToNobodyThatItsRecipientsAreTold) {
  const std::vector<std::string> nations = {"countries/FR", "countries/JP", "countries/KR"};
  v1::TrainingOffering open;
  open.set_name("trainingOfferings/drills");
  open.set_marking(v1::MARKING_PUBLIC);
  open.add_audience("apac");
  v1::TrainingOffering next = open;
  next.set_display_name("Drills");
  EXPECT_EQ(EndOfPublication(open, next, nations), std::nullopt);
  next.add_open_to("countries/JP");
  const auto narrowed = EndOfPublication(open, next, nations);
  ASSERT_TRUE(narrowed.has_value());
  EXPECT_THAT(narrowed->recipients(), ElementsAre("countries/FR", "countries/KR"));
  EXPECT_EQ(EndOfPublication(next, open, nations), std::nullopt);
  v1::TrainingOffering over = next;
  over.set_withdrawn(true);
  EXPECT_THAT(EndOfPublication(next, over, nations)->recipients(), ElementsAre("countries/JP"));
  over = next;
  over.set_marking(v1::MARKING_SENSITIVE);
  const auto ended = EndOfPublication(next, over, nations);
  ASSERT_TRUE(ended.has_value());
  EXPECT_THAT(ended->recipients(), ElementsAre("countries/JP"));
  EXPECT_EQ(ended->marking(), v1::MARKING_SENSITIVE);
  EXPECT_THAT(ended->audience(), ElementsAre("apac"));
  EXPECT_EQ(ended->record(), "trainingOfferings/drills");
  EXPECT_EQ(EndOfPublication(over, open, nations), std::nullopt);
  EXPECT_EQ(EndOfPublication(open, over, {}), std::nullopt);

  const RecordType type = ReleaseType();
  EXPECT_EQ(type.validate(*ended, nullptr, PartnerWorld()), absl::OkStatus());
  EXPECT_THAT(ValuesOf(type, "recipient", *ended), ElementsAre("countries/JP"));
  EXPECT_THAT(ValuesOf(type, "reader", *ended), IsEmpty());

  v1::BestPractice published;
  published.set_marking(v1::MARKING_PUBLIC);
  published.set_state(v1::PRACTICE_STATE_PUBLISHED);
  v1::BestPractice retired = published;
  retired.set_state(v1::PRACTICE_STATE_RETIRED);
  retired.set_reason("There is a better one.");
  EXPECT_EQ(EndOfPublication(published, retired, nations)->reason(), "There is a better one.");
}

TEST(ProposalTest, GoesToTheNationsRegionAndEndsWithAReason) {
  const RecordType type = ProposalType();
  const PartnerWorld world;
  Proposal proposal;
  proposal.set_name("proposals/one");
  proposal.set_nation("countries/JP");
  proposal.set_kind(v1::PROPOSAL_KIND_FACILITY);
  proposal.set_subject("JPYOK-0001");
  proposal.set_text("The berth has a second gate.");
  proposal.set_state(v1::PROPOSAL_STATE_SUBMITTED);
  type.complete(&proposal, nullptr, world, absl::FromUnixSeconds(100));
  EXPECT_EQ(proposal.region(), v1::REGION_APAC);
  EXPECT_EQ(type.validate(proposal, nullptr, world), absl::OkStatus());
  proposal.set_subject("berth 4");
  EXPECT_EQ(FieldOf(type.validate(proposal, nullptr, world)), "subject");
  proposal.set_kind(v1::PROPOSAL_KIND_CORRECTION);
  EXPECT_EQ(FieldOf(type.validate(proposal, nullptr, world)), "record");
  proposal.set_record("ports/JPYOK");
  EXPECT_EQ(type.validate(proposal, nullptr, world), absl::OkStatus());
  type.complete(&proposal, nullptr, world, absl::FromUnixSeconds(100));
  EXPECT_THAT(proposal.audience(), ElementsAre("apac"));  // the sites that hold the port
  proposal.set_state(v1::PROPOSAL_STATE_DECLINED);
  EXPECT_EQ(FieldOf(type.validate(proposal, nullptr, world)), "reason");
}

TEST(AcknowledgementTest, IsOfARecall) {
  const RecordType type = AcknowledgementType();
  v1::Acknowledgement acknowledgement;
  acknowledgement.set_name("releases/recalled/acknowledgements/JP");
  EXPECT_EQ(type.validate(acknowledgement, nullptr, PartnerWorld()), absl::OkStatus());
  acknowledgement.set_name("releases/other/acknowledgements/JP");
  EXPECT_EQ(FieldOf(type.validate(acknowledgement, nullptr, PartnerWorld())), "name");
}

}  // namespace
}  // namespace fairlead::records
