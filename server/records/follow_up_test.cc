#include <gmock/gmock.h>

#include <map>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::FollowUp;

FollowUp Valid() {
  FollowUp follow_up;
  follow_up.set_name("engagements/first/followUps/a");
  follow_up.set_task("Send the drill schedule.");
  follow_up.set_owner("liaisonOfficers/watch");
  SetDate(follow_up.mutable_due_date(), 2025, 9, 30);
  follow_up.set_state(v1::FOLLOW_UP_STATE_OPEN);
  follow_up.set_observation("engagements/first/observations/one");
  return follow_up;
}

TEST(FollowUpType, Rules) {
  ExpectRefused<FollowUp>(
      FollowUpType(), Valid(),
      {
          {"engagement that is not there",
           [](FollowUp* f) {
             f->set_name("engagements/none/followUps/a");
             f->clear_observation();
           },
           "name", Reason::kReferenceNotFound},
          {"no task", [](FollowUp* f) { f->clear_task(); }, "task", Reason::kFieldRequired},
          {"long task", [](FollowUp* f) { f->set_task(std::string(1001, 'x')); }, "task", Reason::kFieldTooLarge},
          {"no owner", [](FollowUp* f) { f->clear_owner(); }, "owner", Reason::kFieldRequired},
          {"owner of no form", [](FollowUp* f) { f->set_owner("countries/JP"); }, "owner", Reason::kFieldInvalid},
          {"owner that is not there", [](FollowUp* f) { f->set_owner("liaisonOfficers/none"); }, "owner", Reason::kReferenceNotFound},
          {"no due date", [](FollowUp* f) { f->clear_due_date(); }, "due_date", Reason::kFieldRequired},
          {"due some day of a month", [](FollowUp* f) { f->mutable_due_date()->clear_day(); }, "due_date", Reason::kFieldInvalid},
          {"due on no day", [](FollowUp* f) { f->mutable_due_date()->set_day(31); }, "due_date", Reason::kFieldInvalid},
          {"no state", [](FollowUp* f) { f->clear_state(); }, "state", Reason::kFieldRequired},
          {"observation of another engagement", [](FollowUp* f) { f->set_observation("engagements/second/observations/two"); },
           "observation", Reason::kFieldInvalid},
          {"observation without an id", [](FollowUp* f) { f->set_observation("engagements/first/observations/"); }, "observation",
           Reason::kFieldInvalid},
          {"observation that goes on", [](FollowUp* f) { f->set_observation("engagements/first/observations/one/more"); }, "observation",
           Reason::kFieldInvalid},
          {"observation that is not there", [](FollowUp* f) { f->set_observation("engagements/first/observations/none"); }, "observation",
           Reason::kReferenceNotFound},
          {"verified without saying what was found", [](FollowUp* f) { f->set_state(v1::FOLLOW_UP_STATE_VERIFIED); }, "verification",
           Reason::kFieldRequired},
          {"reopened without saying what was found", [](FollowUp* f) { f->set_state(v1::FOLLOW_UP_STATE_REOPENED); }, "verification",
           Reason::kFieldRequired},
          {"long verification", [](FollowUp* f) { f->set_verification(std::string(1001, 'x')); }, "verification", Reason::kFieldTooLarge},
      });
  ExpectAccepted<FollowUp>(FollowUpType(), Valid(),
                           {
                               {"of no observation", [](FollowUp* f) { f->clear_observation(); }},
                               {"done", [](FollowUp* f) { f->set_state(v1::FOLLOW_UP_STATE_DONE); }},
                               {"verified",
                                [](FollowUp* f) {
                                  f->set_state(v1::FOLLOW_UP_STATE_VERIFIED);
                                  f->set_verification("Seen on site.");
                                }},
                           });
}

TEST(FollowUpType, Lifecycle) {
  enum { kOpen = 1, kDone, kReopened, kVerified };
  RecordType type = FollowUpType();
  EXPECT_EQ(type.state_field, "state");
  EXPECT_EQ(type.initial_state, kOpen);
  std::map<std::string, std::pair<std::vector<int>, int>> table;
  for (const Transition& t : type.transitions) table[t.method] = {t.from, t.to};
  const std::map<std::string, std::pair<std::vector<int>, int>> expected = {
      {"CompleteFollowUp", {{kOpen, kReopened}, kDone}},
      {"VerifyFollowUp", {{kDone}, kVerified}},
      {"ReopenFollowUp", {{kDone}, kReopened}},
  };
  EXPECT_EQ(table, expected);
}

TEST(FollowUpType, IndexesAndFigures) {
  RecordType type = FollowUpType();
  FollowUp follow_up = Valid();
  EXPECT_THAT(ValuesOf(type, "parent", follow_up), ElementsAre("engagements/first"));
  EXPECT_THAT(ValuesOf(type, "owner", follow_up), ElementsAre("liaisonOfficers/watch"));
  EXPECT_THAT(ValuesOf(type, "state", follow_up), ElementsAre("1"));
  EXPECT_EQ(SortOf(type, "parent", follow_up), "");
  EXPECT_EQ(SortOf(type, "owner", follow_up), "2025-09-30");
  EXPECT_EQ(SortOf(type, "state", follow_up), "2025-09-30");
  EXPECT_EQ(SortOf(type, "outstanding", follow_up), "2025-09-30");
  for (auto state : {v1::FOLLOW_UP_STATE_OPEN, v1::FOLLOW_UP_STATE_DONE, v1::FOLLOW_UP_STATE_REOPENED}) {
    follow_up.set_state(state);
    EXPECT_THAT(type.contribute(follow_up),
                ElementsAre(Contribution{"follow_up_due/2025-09-30", 1}, Contribution{"remedy_due/2025-09-30", 1}));
    EXPECT_THAT(ValuesOf(type, "outstanding", follow_up), ElementsAre("1"));
  }
  follow_up.set_state(v1::FOLLOW_UP_STATE_VERIFIED);
  EXPECT_THAT(type.contribute(follow_up), IsEmpty());
  EXPECT_THAT(ValuesOf(type, "outstanding", follow_up), IsEmpty());
}

}  // namespace
}  // namespace fairlead::records
