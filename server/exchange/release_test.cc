#include "server/exchange/release.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ids.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/conflicts.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"

namespace fairlead::exchange {
namespace {

using node::Sync;
using ::testing::ElementsAre;
using ::testing::Pair;

// --- The rule --------------------------------------------------------------------------------------------------------------------------

Grant Allows(const std::string& release, std::set<std::string> nations, FieldValues values) {
  Grant grant;
  grant.release = release;
  grant.nations = std::move(nations);
  grant.approved = grant.in_force = true;
  grant.values = std::move(values);
  grant.marking = v1::MARKING_OFFICIAL;
  return grant;
}
Grant ToGroup(Grant grant, const std::string& group) {
  grant.nations.clear();
  grant.groups = {group};
  return grant;
}
Grant Ended(Grant grant) {
  grant.in_force = false;
  return grant;
}
Grant NeverApproved(Grant grant) {
  grant.approved = grant.in_force = false;
  return grant;
}
Grant Until(Grant grant, const std::string& day) {
  grant.last_day = day;
  return grant;
}
Grant InPlaceOf(Grant grant, const std::string& other) {
  grant.replaces = {other};
  return grant;
}

// "name:n1,n2 port:p" of what is seen; "" of nothing.
std::string Text(const std::optional<Sight>& sight) {
  if (!sight) return "";
  std::string text;
  for (const auto& [field, ids] : sight->values) {
    if (!text.empty()) text += ' ';
    text += field + ':';
    for (const std::string& id : ids) text += (text.ends_with(':') ? "" : ",") + id;
  }
  return text;
}

TEST(ReleaseRuleTest, TheMostRestrictiveWins) {
  const std::string jp = "countries/JP";
  const Groups groups = {{"partnerGroups/quad", {"countries/AU", "countries/JP"}}, {"partnerGroups/none", {}}};
  const FieldValues wide = {{"name", {"n1", "n2"}}, {"port", {"p"}}};
  const FieldValues narrow = {{"name", {"n1"}}};
  const Grant to_jp = Allows("releases/a", {jp}, wide);
  const struct {
    const char* what;
    std::vector<Grant> grants;
    const char* seen;
  } kCases[] = {
      {"no release", {}, ""},
      {"one that names the nation", {to_jp}, "name:n1,n2 port:p"},
      {"one that names another", {Allows("releases/a", {"countries/AU"}, wide)}, ""},
      {"one to a group it is in", {ToGroup(to_jp, "partnerGroups/quad")}, "name:n1,n2 port:p"},
      {"one to a group that is empty", {ToGroup(to_jp, "partnerGroups/none")}, ""},
      {"one to a group that there is not", {ToGroup(to_jp, "partnerGroups/gone")}, ""},
      {"two: what both allow", {to_jp, Allows("releases/b", {jp}, narrow)}, "name:n1"},
      {"in either order", {Allows("releases/b", {jp}, narrow), to_jp}, "name:n1"},
      {"two with nothing in common", {to_jp, Allows("releases/b", {jp}, {{"text", {"t"}}})}, ""},
      {"of one field, two values of which none is in both", {to_jp, Allows("releases/b", {jp}, {{"name", {"n3"}}})}, ""},
      {"a narrower one for another nation", {to_jp, Allows("releases/b", {"countries/AU"}, narrow)}, "name:n1,n2 port:p"},
      {"a recalled one beside it", {to_jp, Ended(Allows("releases/b", {jp}, narrow))}, ""},
      {"one recalled before it was approved", {to_jp, NeverApproved(Allows("releases/b", {jp}, narrow))}, ""},
      {"one that takes the recalled one's place", {Ended(to_jp), InPlaceOf(Allows("releases/b", {jp}, narrow), "releases/a")}, "name:n1"},
      {"one never approved takes no place",
       {Ended(to_jp), Allows("releases/b", {jp}, wide),
        InPlaceOf(NeverApproved(Allows("releases/c", {"countries/AU"}, wide)), "releases/a")},
       ""},
      {"the end of a replacement does not revive what it replaced",
       {to_jp, InPlaceOf(Ended(Allows("releases/b", {"countries/AU"}, narrow)), "releases/a")},
       ""},
      {"on its last day", {Until(to_jp, "2027-01-15")}, "name:n1,n2 port:p"},
      {"after its last day", {Until(to_jp, "2027-01-14")}, ""},
      {"the end of a narrow one widens nothing", {to_jp, Until(Allows("releases/b", {jp}, narrow), "2027-01-14")}, ""},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Text(SightOf(test.grants, {v1::MARKING_OFFICIAL, false}, jp, groups, "2027-01-15")), test.seen) << test.what;
  }
}

TEST(ReleaseRuleTest, AHigherMarkingAndAWithdrawalEndIt) {
  const std::vector<Grant> grants = {Allows("releases/a", {"countries/JP"}, {{"name", {"n"}}})};
  const auto seen = [&grants](v1::Marking marking, bool withdrawn) {
    return Text(SightOf(grants, {marking, withdrawn}, "countries/JP", {}, "2027-01-15"));
  };
  EXPECT_EQ(seen(v1::MARKING_PUBLIC, false), "name:n");
  EXPECT_EQ(seen(v1::MARKING_OFFICIAL, false), "name:n");
  EXPECT_EQ(seen(v1::MARKING_SENSITIVE, false), "");
  EXPECT_EQ(seen(v1::MARKING_OFFICIAL, true), "");
}

TEST(ReleaseRuleTest, MembersThatComeAndGoCountAtOnce) {
  const Grant grant = ToGroup(Allows("releases/a", {}, {{"name", {"n"}}}), "partnerGroups/quad");
  const auto seen = [&grant](const Groups& groups) {
    return Text(SightOf({grant}, {v1::MARKING_OFFICIAL, false}, "countries/JP", groups, "2027-01-15"));
  };
  EXPECT_EQ(seen({{"partnerGroups/quad", {"countries/AU"}}}), "");
  EXPECT_EQ(seen({{"partnerGroups/quad", {"countries/AU", "countries/JP"}}}), "name:n");
  EXPECT_EQ(seen({{"partnerGroups/quad", {}}}), "");
  EXPECT_EQ(ReachOf(grant, {{"partnerGroups/quad", {"countries/AU"}}}), (std::set<std::string>{"countries/AU"}));
}

// --- What the fold makes of releases ---------------------------------------------------------------------------------------------------

class ReleaseFoldTest : public ::testing::Test {
 protected:
  // Node `liar` is apac's, and keeps nothing for anyone: what it writes, a compromised region could have written.
  ReleaseFoldTest() : network_({"apac", "hq"}), liar_(network_.Open("apac")) {
    network_.SetHeadquarters("hq");
    hq_ = network_.Open("hq");
    v1::Release release;
    release.set_record("ports/JPYOK");
    release.add_nations("countries/JP");
    release.set_purpose("drill");
    release.set_record_marking(v1::MARKING_OFFICIAL);
    release.add_fields()->set_field("display_name");
    release.mutable_fields(0)->add_value_ids("some");
    release.set_state(v1::RELEASE_STATE_PROPOSED);
    const std::string id = Id();
    name_ = "releases/" + CreatedRecordId(network_.roster().network(), kOfficer, kCreate, id);
    node::WriteRequest request =
        node::RequestFor(*liar_.node, name_, release, {"record", "nations", "purpose", "record_marking", "fields", "state"}, id);
    request.actor = kOfficer;
    request.method = kCreate;
    EXPECT_TRUE(node::Write(*liar_.node, request).ok());
    Sync(*liar_.node, *hq_.node);
  }

  std::string Id() {
    network_.clock().Advance(absl::Milliseconds(1));
    return network_.clock().RequestId();
  }
  void Change(node::Node& node, const v1::Release& next, const std::vector<std::string>& fields) {
    EXPECT_TRUE(node::Write(node, node::RequestFor(node, name_, next, fields, Id())).ok());
  }
  void Approve(node::Node& node) {
    v1::Release next;
    next.set_state(v1::RELEASE_STATE_APPROVED);
    next.mutable_approve_time()->set_seconds(1'800'000'000);
    Change(node, next, {"state", "approve_time"});
  }
  void Move(node::Node& node, v1::ReleaseState state) {
    v1::Release next;
    next.set_state(state);
    next.set_reason("spilled");
    Change(node, next, {"state", "reason"});
  }
  void SyncBoth() {
    Sync(*liar_.node, *hq_.node);
    Sync(*hq_.node, *liar_.node);
  }
  // As the node sees it: "none", "ended" or "in force".
  std::string At(const node::Node& node) {
    const auto state = node.GetState(node.store(), name_);
    const auto grant = GrantOf(*node.registry().FindByMessage("Release"), name_, **state);
    return !grant ? "none" : grant->in_force ? "in force" : "ended";
  }

  static constexpr char kOfficer[] = "officer/apac/watch";
  static constexpr char kCreate[] = "fairlead.v1.ReleaseService/CreateRelease";
  node::TestNetwork network_;
  node::TestNetwork::Site liar_;
  node::TestNetwork::Site hq_;
  std::string name_;
};

TEST_F(ReleaseFoldTest, IsInForceOnceHeadquartersApproves) {
  EXPECT_EQ(At(*hq_.node), "none");
  Approve(*hq_.node);
  EXPECT_EQ(At(*hq_.node), "in force");
  Sync(*hq_.node, *liar_.node);
  EXPECT_EQ(At(*liar_.node), "in force");
}

TEST_F(ReleaseFoldTest, NoRegionCanApprove) {
  Approve(*liar_.node);
  Sync(*liar_.node, *hq_.node);
  EXPECT_EQ(At(*hq_.node), "none");
  EXPECT_EQ(hq_.node->UnauthorisedCount(), 1);
  ASSERT_EQ(hq_.node->UnauthorisedChanges(std::nullopt, 10).size(), 1u);
  EXPECT_THAT(hq_.node->UnauthorisedChanges(std::nullopt, 10)[0].fields, ::testing::UnorderedElementsAre("state", "approve_time"));
}

TEST_F(ReleaseFoldTest, ARecallBeatsAnApprovalMadeAtTheSameTime) {
  Approve(*hq_.node);
  Move(*liar_.node, v1::RELEASE_STATE_RECALLED);
  SyncBoth();
  EXPECT_EQ(At(*hq_.node), "ended");
  EXPECT_EQ(At(*liar_.node), "ended");
  EXPECT_EQ(node::Digests(*hq_.node), node::Digests(*liar_.node));
}

TEST_F(ReleaseFoldTest, ARecallStaysOneWhoeverReplacesIt) {
  Approve(*hq_.node);
  Move(*liar_.node, v1::RELEASE_STATE_RECALLED);
  Move(*liar_.node, v1::RELEASE_STATE_PROPOSED);  // replaces the recall, not the approval, which it has not seen
  SyncBoth();
  const auto state = hq_.node->GetState(hq_.node->store(), name_);
  const auto shown = node::Materialise(*hq_.node->registry().FindByMessage("Release"), name_, **state);
  EXPECT_EQ(static_cast<const v1::Release&>(*shown).state(), v1::RELEASE_STATE_APPROVED);
  EXPECT_EQ(At(*hq_.node), "ended");
  EXPECT_EQ(At(*liar_.node), "ended");
}

TEST_F(ReleaseFoldTest, ARecallStaysOneWhenItIsTakenAway) {
  Approve(*hq_.node);
  Move(*liar_.node, v1::RELEASE_STATE_RECALLED);
  v1::Release next;
  next.set_state(v1::RELEASE_STATE_PROPOSED);
  node::WriteRequest request = node::RequestFor(*liar_.node, name_, next, {"state"}, Id());
  Op& op = request.mutations[0].ops[0];
  op.has_value = false;  // puts nothing in the recall's place: the approval is the only move that is left
  op.value.clear();
  ASSERT_TRUE(node::Write(*liar_.node, request).ok());
  SyncBoth();
  const auto state = hq_.node->GetState(hq_.node->store(), name_);
  EXPECT_EQ(node::ViewOf(**state).at(v1::Release::kStateFieldNumber).live.size(), 1u);
  EXPECT_EQ(At(*hq_.node), "ended");
  EXPECT_EQ(At(*liar_.node), "ended");
}

TEST_F(ReleaseFoldTest, IsWhatWasApprovedOrNothing) {
  Approve(*hq_.node);
  Sync(*hq_.node, *liar_.node);
  v1::Release next;
  next.add_nations("countries/JP");
  next.add_nations("countries/KP");
  Change(*liar_.node, next, {"nations"});  // has seen the approval, so it is no amendment
  SyncBoth();
  EXPECT_EQ(At(*hq_.node), "ended");
  EXPECT_EQ(At(*liar_.node), "ended");
}

TEST_F(ReleaseFoldTest, AChangeThatTheApprovalHadNotSeenWaitsAndChangesNothing) {
  Approve(*hq_.node);
  v1::Release next;
  next.add_nations("countries/KP");
  Change(*liar_.node, next, {"nations"});
  SyncBoth();
  EXPECT_EQ(At(*hq_.node), "in force");
  const auto state = hq_.node->GetState(hq_.node->store(), name_);
  const auto grant = GrantOf(*hq_.node->registry().FindByMessage("Release"), name_, **state);
  EXPECT_THAT(grant->nations, ElementsAre("countries/JP"));
  EXPECT_THAT(grant->values, ElementsAre(Pair("display_name", ElementsAre("some"))));
}

TEST_F(ReleaseFoldTest, OnlyTheValuesThatWereReleasedAreThere) {
  node::Node& node = *hq_.node;
  const records::RecordType& type = *node.registry().FindByMessage("Port");
  v1::Port port;
  port.set_display_name("Yokohama");
  port.set_country("countries/JP");
  port.set_source("a secret");
  ASSERT_TRUE(node::Write(node, node::RequestFor(node, "ports/JPYOK", port, {"display_name", "country", "source"}, Id())).ok());
  FieldValues values;
  {
    const auto state = node.GetState(node.store(), "ports/JPYOK");
    for (const auto& [number, view] : node::ViewOf(**state)) {
      values[type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number))->name()].insert(
          node::ValueIdText(view.live.front().first));
    }
  }
  port.set_display_name("Yokohama-ko");
  ASSERT_TRUE(node::Write(node, node::RequestFor(node, "ports/JPYOK", port, {"display_name"}, Id())).ok());
  const auto state = node.GetState(node.store(), "ports/JPYOK");
  const node::RecordState only = OnlyValues(type, **state, values);
  const auto shown = node::Materialise(type, "ports/JPYOK", only);
  const auto& seen = static_cast<const v1::Port&>(*shown);
  EXPECT_EQ(seen.display_name(), "");  // a new value: it needs its own approval
  EXPECT_EQ(seen.country(), "countries/JP");
  EXPECT_EQ(seen.source(), "");  // can not be released, whatever is approved
}

}  // namespace
}  // namespace fairlead::exchange
