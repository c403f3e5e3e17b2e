// Rule 12: who may write what, at every replica and whatever the order of arrival.

#include <absl/strings/str_join.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/assessment.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "server/node/assembly.h"
#include "server/node/counting_testing.h"
#include "server/node/erasures.h"

namespace fairlead::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Site = TestNetwork::Site;

// One whose disk cannot read a family for a while.
class UnreadableStore : public storage::MemoryStore {
 public:
  std::unique_ptr<storage::Iterator> Iterate(storage::Cf cf, std::string_view lower, std::string_view upper) const override {
    if (cf == unreadable) return std::make_unique<Unread>();
    return MemoryStore::Iterate(cf, lower, upper);
  }
  std::optional<storage::Cf> unreadable;

 private:
  class Unread : public storage::Iterator {
   public:
    void SeekToFirst() override {}
    void SeekToLast() override {}
    void Seek(std::string_view) override {}
    void Next() override {}
    void Prev() override {}
    bool Valid() const override { return false; }
    std::string_view key() const override { return {}; }
    std::string_view value() const override { return {}; }
    absl::Status status() const override { return Error(Reason::kStoreDamaged, "a block cannot be read"); }
  };
};

constexpr char kCreateEngagement[] = "fairlead.v1.EngagementService/CreateEngagement";

class AuthorityTest : public CountingTest {
 protected:
  // eame's node has been taken over: it does not check what it writes.
  AuthorityTest() : liar_(network_.Open("eame")), forger_(network_.Open("eame")) {
    network_.SetHeadquarters("hq");
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    EXPECT_TRUE(Name(*hq_.node, "JP", "Japan").ok());
    Sync(*hq_.node, *apac_.node);
    making_ = Making("officer/apac/watch", "Visit");
    engagement_ = making_.mutations[0].record;
    EXPECT_TRUE(Write(*apac_.node, making_).ok());
    Sync(*apac_.node, *hq_.node);
    Sync(*hq_.node, *liar_.node);
  }

  // The request that makes an engagement, named after it.
  WriteRequest Making(const std::string& actor, const std::string& title, std::string request_id = "") {
    network_.clock().Advance(absl::Milliseconds(1));
    if (request_id.empty()) request_id = network_.clock().RequestId();
    v1::Engagement engagement;
    engagement.set_title(title);
    engagement.set_kind(v1::ENGAGEMENT_KIND_PORT_VISIT);
    const std::string name = "engagements/" + CreatedRecordId(network_.roster().network(), actor, kCreateEngagement, request_id);
    WriteRequest request = RequestFor(*forger_.node, name, engagement, {"title", "kind"}, request_id);
    request.actor = actor;
    request.method = kCreateEngagement;
    return request;
  }
  WriteRequest Titling(Node& node, const std::string& title) {
    network_.clock().Advance(absl::Milliseconds(1));
    v1::Engagement engagement;
    engagement.set_title(title);
    return RequestFor(node, engagement_, engagement, {"title"}, network_.clock().RequestId());
  }
  v1::Engagement EngagementAt(const Node& node) {
    auto state = node.GetState(node.store(), engagement_);
    if (!state.ok() || !state->has_value()) return {};
    return static_cast<const v1::Engagement&>(*Materialise(*node.registry().FindByMessage("Engagement"), engagement_, **state));
  }
  // The entries of a log, as a peer gives them; without what they follow, as their author could have said.
  std::vector<replication::VerifiedEntry> EntriesOf(const Node& node, LogId log, bool follow) {
    std::vector<replication::VerifiedEntry> out;
    for (Seq seq(0); seq < node.Applied().Get(log); ++seq) {
      replication::VerifiedEntry& entry = out.emplace_back();
      entry.dot = {log, seq};
      entry.header_bytes = (*node.ReadHeaders(log, seq, seq + 1))[0];
      entry.header = *DecodeHeader(entry.header_bytes);
      entry.payload = *node.ReadPayload(entry.dot);
      if (follow) continue;
      entry.header.deps = {};
      entry.header_bytes = EncodeHeader(entry.header);
    }
    return out;
  }

  // The request as an entry of eame's log, whatever it says.
  replication::VerifiedEntry ByHand(const WriteRequest& request, Seq seq) {
    auto entries = EntriesOf(*hq_.node, network_.log("hq"), false);
    Payload payload = *DecodePayload(*entries[0].payload);
    payload.mutations = request.mutations;
    payload.request_id = request.request_id;
    replication::VerifiedEntry entry;
    entry.payload = EncodePayload(payload);
    entry.header = entries[0].header;
    entry.header.log = network_.log("eame");
    entry.header.seq = seq;
    entry.header.payload_digest = Sha256(*entry.payload);
    entry.header_bytes = EncodeHeader(entry.header);
    entry.dot = {entry.header.log, entry.header.seq};
    return entry;
  }

  Site liar_;    // holds what apac and hq wrote
  Site forger_;  // holds nothing
  Site apac_;
  Site hq_;
  WriteRequest making_;
  std::string engagement_;
};

// Who made a record is read from its revisions: what cannot be read is not taken for nobody.
TEST_F(AuthorityTest, WhatADiskCannotReadIsNotDecidedUpon) {
  auto owned = std::make_unique<UnreadableStore>();
  UnreadableStore* store = owned.get();
  auto opened = network_.Open("eame", std::move(owned));
  ASSERT_TRUE(opened.ok()) << opened.status();
  Site eame = *std::move(opened);
  Sync(*hq_.node, *eame.node);
  ASSERT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Talks")).ok());
  replication::RemoteBatch batch = Missing(*apac_.node, *eame.node);
  ASSERT_THAT(batch.entries, SizeIs(1));

  store->unreadable = storage::Cf::kRevisions;
  const replication::ApplyResult result = Apply(*eame.node, batch);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_EQ(result.applied, 0u);
  store->unreadable.reset();
  EXPECT_EQ(EngagementAt(*eame.node).title(), "Visit");
  auto again = network_.Open("eame", eame.store->Crash(99));
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(Apply(*again->node, std::move(batch)).status.ok());
  EXPECT_EQ(again->node->UnauthorisedCount(), 0);
  EXPECT_EQ(EngagementAt(*again->node).title(), "Talks");
  EXPECT_EQ(Digests(*again->node), Digests(*apac_.node));
}

TEST_F(AuthorityTest, TheOriginRefusesByTheFieldsName) {
  const auto country = Name(*apac_.node, "JP", "Nippon");
  EXPECT_EQ(ReasonOf(country.status()), "PERMISSION_DENIED");
  EXPECT_EQ(FieldOf(country.status()), "display_name");
  EXPECT_EQ(NameOf(*apac_.node, "JP"), "Japan");
  EXPECT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Longer visit")).ok()) << "the home";
  EXPECT_TRUE(Write(*hq_.node, Titling(*hq_.node, "Longest visit")).ok()) << "headquarters";
  Site eame = network_.Open("eame");
  Sync(*apac_.node, *eame.node);
  const auto foreign = Write(*eame.node, Titling(*eame.node, "Mine"));
  EXPECT_EQ(ReasonOf(foreign.status()), "PERMISSION_DENIED");
  EXPECT_EQ(FieldOf(foreign.status()), "title");
  EXPECT_THAT(std::string(foreign.status().message()), HasSubstr(engagement_));
  EXPECT_EQ(eame.node->Applied().Get(network_.log("eame")), Seq(0));
  EXPECT_EQ(eame.node->UnauthorisedCount(), 0);
  // An officer whose own node is down makes a record elsewhere; it belongs to the officer's site.
  const WriteRequest elsewhere = Making("officer/apac/watch", "Made at eame's");
  ASSERT_TRUE(Write(*eame.node, elsewhere).ok());
  engagement_ = elsewhere.mutations[0].record;
  EXPECT_EQ(ReasonOf(Write(*eame.node, Titling(*eame.node, "Mine")).status()), "PERMISSION_DENIED");
  Sync(*eame.node, *apac_.node);
  EXPECT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Apac's")).ok());
}

TEST_F(AuthorityTest, ACompromisedSiteChangesNothingAndIsNamed) {
  const std::vector<std::string> before = Digests(*hq_.node);
  ASSERT_TRUE(Name(*liar_.node, "JP", "Eame's Japan").ok());
  ASSERT_TRUE(Name(*liar_.node, "ZZ", "A country of eame's").ok());
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  for (Site* site : {&hq_, &apac_}) {
    Sync(*liar_.node, *site->node);
    EXPECT_EQ(site->node->Applied().Get(network_.log("eame")), Seq(3));
    EXPECT_EQ(Digests(*site->node), before);
    EXPECT_EQ(NameOf(*site->node, "JP"), "Japan");
    EXPECT_FALSE((*site->node->GetState(site->node->store(), "countries/ZZ")).has_value());
    EXPECT_EQ(EngagementAt(*site->node).title(), "Visit");
    EXPECT_THAT(EngagementAt(*site->node).conflicts(), IsEmpty());
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(site->node->UnauthorisedCount(), 3);
    const std::vector<UnauthorisedChange> changes = site->node->UnauthorisedChanges(std::nullopt, 10);
    ASSERT_THAT(changes, SizeIs(3));
    EXPECT_EQ(changes[0].dot, (Dot{network_.log("eame"), Seq(0)}));
    EXPECT_EQ(changes[0].record, "countries/JP");
    EXPECT_THAT(changes[0].fields, ElementsAre("display_name"));
    EXPECT_EQ(changes[2].record, engagement_);
    EXPECT_THAT(changes[2].fields, ElementsAre("title"));
    EXPECT_THAT(site->node->UnauthorisedChanges(std::pair(changes[1].dot, changes[1].mutation), 10), SizeIs(1));
    CheckWhole(*site);
  }
  // What hangs on what was refused merges as if it had not been.
  ASSERT_TRUE(Name(*hq_.node, "ZZ", "After all").ok());
  EXPECT_EQ(NameOf(*hq_.node, "ZZ"), "After all");
}

// An assessment of an officer of apac that not all may see.
class RestrictedTest : public AuthorityTest {
 protected:
  static constexpr char kMethod[] = "fairlead.v1.AssessmentService/CreateAssessment";

  // What makes it when the request has `making_id_`.
  WriteRequest Change(const Site& site, v1::Marking marking, const std::vector<std::string>& audience, std::string id = "") {
    network_.clock().Advance(absl::Milliseconds(1));
    if (id.empty()) id = network_.clock().RequestId();
    v1::Assessment assessment;
    assessment.set_country("countries/JP");
    assessment.set_marking(marking);
    for (const std::string& one : audience) assessment.add_audience(one);
    std::vector<std::string> fields = {"marking", "audience"};
    if (id == making_id_) fields.push_back("country");
    WriteRequest request = RequestFor(*site.node, name_, assessment, fields, id);
    request.method = kMethod;
    return request;
  }
  std::string Seen(const Site& site) const {
    auto state = site.node->GetState(site.node->store(), name_);
    if (!state.ok() || !state->has_value()) return "none";
    const auto message = Materialise(*site.node->registry().FindByMessage("Assessment"), name_, **state);
    const auto& assessment = static_cast<const v1::Assessment&>(*message);
    std::vector<std::string> audience(assessment.audience().begin(), assessment.audience().end());
    std::sort(audience.begin(), audience.end());
    return v1::Marking_Name(assessment.marking()) + " for " + absl::StrJoin(audience, ",");
  }
  void MakeIt() {
    ASSERT_TRUE(Write(*apac_.node, Change(apac_, v1::MARKING_SENSITIVE, {"apac", "eame", "hq"}, making_id_)).ok());
    Sync(*apac_.node, *hq_.node);
    Sync(*apac_.node, *liar_.node);
    ASSERT_EQ(Seen(liar_), kRestricted);
  }

  static constexpr char kRestricted[] = "MARKING_SENSITIVE for apac,eame,hq";
  const std::string making_id_ = network_.clock().RequestId();
  const std::string name_ = "assessments/" + CreatedRecordId(network_.roster().network(), "officer/apac/watch", kMethod, making_id_);
};

TEST_F(RestrictedTest, NobodyElseWidensAnAudienceOrLowersAMarking) {
  ASSERT_NO_FATAL_FAILURE(MakeIt());

  // At an honest node it is refused by name.
  Site eame = network_.Open("eame");
  Sync(*hq_.node, *eame.node);
  const auto refused = Write(*eame.node, Change(eame, v1::MARKING_PUBLIC, {}));
  EXPECT_EQ(ReasonOf(refused.status()), "PERMISSION_DENIED");
  EXPECT_EQ(FieldOf(refused.status()), "marking");

  ASSERT_TRUE(Write(*liar_.node, Change(liar_, v1::MARKING_PUBLIC, {})).ok());
  const std::vector<std::string> before = Digests(*hq_.node);
  Sync(*liar_.node, *hq_.node);
  EXPECT_EQ(Seen(hq_), kRestricted);
  EXPECT_EQ(Digests(*hq_.node), before);
  const std::vector<UnauthorisedChange> changes = hq_.node->UnauthorisedChanges(std::nullopt, 10);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].record, name_);
  EXPECT_THAT(changes[0].fields, ElementsAre("marking", "audience"));
  const std::vector<std::string> more = {"apac", "csa", "eame", "hq"};
  ASSERT_TRUE(Write(*liar_.node, Change(liar_, v1::MARKING_OFFICIAL, more)).ok());
  ASSERT_EQ(Seen(liar_), "MARKING_OFFICIAL for apac,csa,eame,hq");
  Sync(*liar_.node, *hq_.node);
  EXPECT_EQ(Seen(hq_), kRestricted);
  EXPECT_EQ(hq_.node->UnauthorisedCount(), 1) << "the lie that it replaced was none here";
  CheckWhole(hq_);

  // Another site may narrow: what it writes in the place of a restriction stands beside it.
  ASSERT_TRUE(Write(*eame.node, Change(eame, v1::MARKING_SENSITIVE, {"apac", "hq"})).ok());
  Sync(*eame.node, *apac_.node);
  EXPECT_EQ(Seen(apac_), "MARKING_SENSITIVE for apac,hq");
  EXPECT_EQ(apac_.node->UnauthorisedCount(), 0);
  CheckWhole(apac_);
  // The home widens again, and so does headquarters.
  ASSERT_TRUE(Write(*apac_.node, Change(apac_, v1::MARKING_OFFICIAL, {"apac", "csa", "hq"})).ok());
  EXPECT_EQ(Seen(apac_), "MARKING_OFFICIAL for apac,csa,hq");
  // A record that nobody is known to have made, such as a receipt of what is PUBLIC, has no home that this is kept for.
  v1::Assessment homeless;
  homeless.set_marking(v1::MARKING_PUBLIC);
  network_.clock().Advance(absl::Milliseconds(1));
  const WriteRequest of_nobody =
      RequestFor(*apac_.node, "assessments/0000000000000000000000000a", homeless, {"marking"}, network_.clock().RequestId());
  EXPECT_TRUE(Write(*apac_.node, of_nobody).ok());
}

// Each of them alone would only narrow, or replaces what is not there: written by headquarters both together would open the record.
TEST_F(RestrictedTest, WhatReplacesARestrictionIsNotReissued) {
  ASSERT_NO_FATAL_FAILURE(MakeIt());
  const LogId log = network_.log("eame");
  const Digest root = RootOf(*liar_.node, log, Seq(0));
  ASSERT_TRUE(Write(*liar_.node, Change(liar_, v1::MARKING_SENSITIVE, {"apac", "hq"})).ok());
  ASSERT_TRUE(Write(*liar_.node, Change(liar_, v1::MARKING_OFFICIAL, {"apac", "csa", "eame", "hq"})).ok());
  Sync(*liar_.node, *hq_.node);
  network_.CloseLog("eame", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart("hq", &hq_));
  ASSERT_EQ(Seen(hq_), kRestricted);
  for (uint64_t seq : {0, 1}) {
    const absl::Status status = hq_.node->ReissuesOf({Dot{log, Seq(seq)}}).status();
    EXPECT_EQ(ReasonOf(status), "STATE_FORBIDS") << seq;
    EXPECT_EQ(FieldOf(status), seq == 0 ? "audience" : "marking");
  }
  for (const VoidEntry& entry : hq_.node->VoidEntries(std::nullopt, 10)) EXPECT_THAT(entry.refused, HasSubstr("may not write"));
}

// Whose making headquarters does not hold, of that it cannot say who may write it.
TEST_F(RestrictedTest, WhatIsOfARecordThatNobodyHereMadeIsNotReissued) {
  ASSERT_TRUE(Write(*apac_.node, Change(apac_, v1::MARKING_SENSITIVE, {"apac", "eame", "hq"}, making_id_)).ok());
  Sync(*apac_.node, *liar_.node);
  const LogId log = network_.log("eame");
  const Digest root = RootOf(*liar_.node, log, Seq(0));
  WriteRequest publishing = Change(forger_, v1::MARKING_PUBLIC, {});
  std::erase_if(publishing.mutations[0].ops, [](const Op& op) { return !op.has_value || op.kind != MergeKind::kRestrictMax; });
  ASSERT_THAT(publishing.mutations[0].ops, SizeIs(1));
  ASSERT_TRUE(Apply(*hq_.node, {.peer = "eame", .entries = {ByHand(publishing, Seq(0))}}).status.ok());
  network_.CloseLog("eame", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart("hq", &hq_));
  const absl::Status status = hq_.node->ReissuesOf({Dot{log, Seq(0)}}).status();
  EXPECT_EQ(ReasonOf(status), "STATE_FORBIDS");
  EXPECT_THAT(std::string(status.message()), HasSubstr("made " + name_));
}

// A making has read nothing. Whoever has read another's can repeat its request, and has no more right to what it made.
TEST_F(RestrictedTest, WhoRepeatsAMakingMayNotReplaceWhatItMade) {
  // apac's officer made it at csa, while apac could not be reached.
  Site csa = network_.Open("csa");
  ASSERT_TRUE(Write(*csa.node, Change(csa, v1::MARKING_SENSITIVE, {"csa", "eame", "hq"}, making_id_)).ok());
  Sync(*csa.node, *hq_.node);
  Sync(*csa.node, *liar_.node);
  const std::string made = "MARKING_SENSITIVE for csa,eame,hq";
  ASSERT_EQ(Seen(hq_), made);
  const WriteRequest widening = Change(liar_, v1::MARKING_OFFICIAL, {"apac", "csa", "eame", "hq"}, making_id_);
  ASSERT_THAT(widening.mutations[0].ops, testing::Not(IsEmpty()));
  ASSERT_FALSE(widening.mutations[0].ops[0].replaces.empty());
  const Payload making = *DecodePayload(**hq_.node->ReadPayload(Dot{network_.log("csa"), Seq(0)}));
  replication::VerifiedEntry entry = ByHand(widening, Seq(0));
  Payload repeated = *DecodePayload(*entry.payload);
  repeated.actor = making.actor;
  repeated.method = making.method;
  entry.payload = EncodePayload(repeated);
  entry.header.payload_digest = Sha256(*entry.payload);
  entry.header_bytes = EncodeHeader(entry.header);
  ASSERT_TRUE(Apply(*hq_.node, {.peer = "eame", .entries = {entry}}).status.ok());
  EXPECT_EQ(Seen(hq_), made);
  CheckWhole(hq_);
}

// Whether a restriction was loosened is seen as it comes, by what is there then. What was loosened may be erased since.
TEST_F(RestrictedTest, AStoreIsWholeWhenWhatWasLoosenedIsErased) {
  ASSERT_TRUE(Write(*apac_.node, Change(apac_, v1::MARKING_OFFICIAL, {"apac", "csa", "eame", "hq"}, making_id_)).ok());
  const auto narrowed = Write(*apac_.node, Change(apac_, v1::MARKING_SENSITIVE, {"apac", "eame", "hq"}));
  ASSERT_TRUE(narrowed.ok()) << narrowed.status();
  Sync(*apac_.node, *hq_.node);
  Sync(*apac_.node, *liar_.node);
  ASSERT_TRUE(Write(*liar_.node, Change(liar_, v1::MARKING_OFFICIAL, {"apac", "csa", "eame", "hq"})).ok());
  Sync(*liar_.node, *hq_.node);
  EXPECT_EQ(Seen(hq_), kRestricted);
  ASSERT_EQ(hq_.node->UnauthorisedCount(), 1);
  WriteRequest erasing;
  erasing.actor = "hq/analyst/desk";
  erasing.request_id = network_.clock().RequestId();
  erasing.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**hq_.node->ReadPayload(narrowed->dot)), narrowed->dot,
                                            "a name in it", "hq/analyst/desk"));
  ASSERT_TRUE(Write(*hq_.node, erasing).ok());
  CheckWhole(hq_);
  // What is no such list, or lists what no site could do, is a finding all the same.
  auto it = hq_.store->Iterate(storage::Cf::kMeta, storage::kMetaUnauthorisedPrefix, storage::PrefixEnd(storage::kMetaUnauthorisedPrefix));
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  const std::string key(it->key());
  const std::string value(it->value());
  for (const std::string& other : {value + "x", value.substr(0, value.size() - 1), std::string()}) {
    auto batch = hq_.store->NewBatch();
    batch->Put(storage::Cf::kMeta, key, other);
    ASSERT_TRUE(hq_.store->Write(batch.get(), storage::Sync::kYes).ok());
    EXPECT_THAT(FindingsOf(hq_), SizeIs(1)) << other.size();
  }
}

// The list of what another had no right to is checked to the byte where it is not about restrictions.
TEST_F(AuthorityTest, AChangedListOfWhatWasUnauthorisedIsFound) {
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  Sync(*liar_.node, *hq_.node);
  ASSERT_EQ(hq_.node->UnauthorisedCount(), 1);
  CheckWhole(hq_);
  auto it = hq_.store->Iterate(storage::Cf::kMeta, storage::kMetaUnauthorisedPrefix, storage::PrefixEnd(storage::kMetaUnauthorisedPrefix));
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  const std::string key(it->key());
  std::string value(it->value());
  ++value.back();  // another field
  auto batch = hq_.store->NewBatch();
  batch->Put(storage::Cf::kMeta, key, value);
  ASSERT_TRUE(hq_.store->Write(batch.get(), storage::Sync::kYes).ok());
  EXPECT_THAT(FindingsOf(hq_), SizeIs(1));
}

// Who asks for it reads and hashes the entries that made it: not for each op of a payload that is full of them.
TEST(AuthorityJudgeTest, WhoMadeARecordIsAskedOnce) {
  TestNetwork network({"apac", "eame", "hq"});
  network.SetHeadquarters("hq");
  const Roster roster = network.roster();
  const Authority authority(&roster, &records::TheRegistry());
  const records::RecordType& type = *records::TheRegistry().FindByMessage("Assessment");
  v1::Assessment assessment;
  assessment.set_marking(v1::MARKING_PUBLIC);
  Mutation mutation = MutationFor(type, "assessments/0000000000000000000000000a", nullptr, assessment,
                                  {assessment.GetDescriptor()->FindFieldByName("marking")});
  ASSERT_THAT(mutation.ops, SizeIs(1));
  mutation.ops.resize(1000, mutation.ops[0]);
  int asked = 0;
  const auto makers = [&](const std::string&, bool) {
    ++asked;
    return std::vector<Maker>{{"apac", roster.FindSite("apac")->id, {}}};
  };
  EXPECT_THAT(authority.Judge(mutation, {}, /*makes=*/false, roster.FindSite("eame")->id, makers).ops, SizeIs(1000));
  EXPECT_LE(asked, 2);
}

TEST_F(AuthorityTest, AMakingThatTheHomeDidNotWriteDoesNotStandAgainstTheHomes) {
  ASSERT_TRUE(Write(*forger_.node, Making("officer/apac/watch", "Never agreed", making_.request_id)).ok());
  Site first = network_.Open("hq");
  Sync(*forger_.node, *first.node);
  EXPECT_EQ(EngagementAt(*first.node).title(), "Never agreed") << "until the home's is here, it is a failover";
  Sync(*hq_.node, *first.node);
  Sync(*forger_.node, *hq_.node);
  for (Site* site : {&first, &hq_}) {
    EXPECT_EQ(EngagementAt(*site->node).title(), "Visit");
    EXPECT_THAT(EngagementAt(*site->node).conflicts(), IsEmpty());
    EXPECT_EQ(site->node->UnauthorisedCount(), 1);
    CheckWhole(*site);
  }
  EXPECT_EQ(Digests(*first.node), Digests(*hq_.node));
}

// What the thief had no right to write is of no effect. Headquarters, which may write all of it, does not make it its own.
TEST_F(AuthorityTest, WhatItsSiteMightNotWriteIsNotReissued) {
  const std::vector<std::string> before = Digests(*hq_.node);
  const LogId log = network_.log("eame");
  const Digest root = RootOf(*liar_.node, log, Seq(0));
  ASSERT_TRUE(Name(*liar_.node, "JP", "Eame's Japan").ok());
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  const WriteRequest own = Making("officer/eame/desk", "Eame's own");
  ASSERT_TRUE(Write(*liar_.node, own).ok());
  const std::string visit = std::exchange(engagement_, own.mutations[0].record);
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's own, longer")).ok());
  WriteRequest kind = Titling(*liar_.node, "of another kind");
  kind.mutations[0].ops[0].kind = MergeKind::kSet;
  WriteRequest type = Titling(*liar_.node, "of a type to come");
  type.mutations[0].type = 9999;
  type.mutations[0].record = "things/1";
  WriteRequest erasing;
  erasing.request_id = network_.clock().RequestId();
  const Dot japan{network_.log("hq"), Seq(0)};
  erasing.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**hq_.node->ReadPayload(japan)), japan, "gone", "a thief"));
  Sync(*liar_.node, *hq_.node);
  replication::RemoteBatch by_hand{.peer = "eame", .entries = {ByHand(kind, Seq(4)), ByHand(type, Seq(5)), ByHand(erasing, Seq(6))}};
  ASSERT_TRUE(Apply(*hq_.node, by_hand).status.ok());
  EXPECT_THAT(hq_.node->OpaqueEntries(std::nullopt, 10), SizeIs(2)) << "the kind and the erasure";

  network_.CloseLog("eame", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart("hq", &hq_));
  ASSERT_NO_FATAL_FAILURE(Restart("apac", &apac_));
  EXPECT_EQ(Digests(*hq_.node), before);
  const auto refused = [&](uint64_t seq, const std::string& why) {
    const absl::Status status = hq_.node->ReissuesOf({Dot{log, Seq(3)}, Dot{log, Seq(seq)}}).status();
    EXPECT_EQ(ReasonOf(status), "STATE_FORBIDS") << seq;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why)) << seq;
    return FieldOf(status);
  };
  EXPECT_EQ(refused(0, "may not write display_name of countries/JP"), "display_name");
  EXPECT_EQ(refused(1, "may not write title of " + visit), "title");
  refused(4, "merge kind");
  refused(5, "does not know");
  refused(6, "may not erase");
  const std::vector<VoidEntry> voids = hq_.node->VoidEntries(std::nullopt, 10);
  ASSERT_THAT(voids, SizeIs(7));
  for (const VoidEntry& entry : voids) {
    EXPECT_EQ(entry.refused.empty(), entry.dot.seq == Seq(2) || entry.dot.seq == Seq(3)) << entry.dot.seq.value() << entry.refused;
  }
  EXPECT_THAT(voids[0].refused, HasSubstr("display_name of countries/JP"));

  // What was its own survives, also what hangs on a record that is void with it.
  const auto survivors = hq_.node->ReissuesOf({Dot{log, Seq(2)}, Dot{log, Seq(3)}});
  ASSERT_TRUE(survivors.ok()) << survivors.status();
  for (const WriteRequest& survivor : *survivors) {
    const auto written = Write(*hq_.node, survivor);
    ASSERT_TRUE(written.ok()) << written.status();
  }
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(Digests(*apac_.node), Digests(*hq_.node));
  for (Site* site : {&hq_, &apac_}) {
    EXPECT_EQ(EngagementAt(*site->node).title(), "Eame's own, longer");
    EXPECT_EQ(NameOf(*site->node, "JP"), "Japan");
    EXPECT_TRUE(site->node->ReadPayload(japan)->has_value());
    CheckWhole(*site);
  }
}

// A thief may have written as much as it liked: who looks through it page by page does not read it anew for each.
TEST_F(AuthorityTest, AVoidEntryIsJudgedWithoutReadingAllBeforeIt) {
  constexpr uint64_t kMany = 200;
  const LogId log = network_.log("eame");
  const Digest root = RootOf(*liar_.node, log, Seq(0));
  WriteRequest own;
  for (uint64_t i = 0; i < kMany; ++i) {
    own = Making("officer/eame/desk", "Eame's own");
    ASSERT_TRUE(Write(*liar_.node, own).ok());
  }
  engagement_ = own.mutations[0].record;
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's own, longer")).ok());
  Sync(*liar_.node, *hq_.node);
  network_.CloseLog("eame", Seq(0), root);
  auto counting = std::make_unique<CountingStore>(*hq_.store->Crash(99));
  const CountingStore& store = *counting;
  auto restarted = network_.Open("hq", std::move(counting));
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  const auto reads_of_last = [&] {
    const int64_t before = store.reads();
    const std::vector<VoidEntry> last = restarted->node->VoidEntries(Dot{log, Seq(kMany - 1)}, 10);
    EXPECT_THAT(last, SizeIs(1));
    for (const VoidEntry& entry : last) EXPECT_EQ(entry.refused, "");
    return store.reads() - before;
  };
  const int64_t first = reads_of_last();
  EXPECT_GT(first, static_cast<int64_t>(kMany)) << "who made the record is found in what is void";
  EXPECT_LT(reads_of_last(), first - static_cast<int64_t>(kMany));
  EXPECT_EQ(ReasonOf(restarted->node->ReissuesOf({Dot{log, Seq(kMany)}}).status()), "");
}

TEST_F(AuthorityTest, ARecordIsOfItsTypeAndItsFieldsOfTheirKind) {
  const std::vector<std::string> before = Digests(*hq_.node);
  WriteRequest request = Titling(*liar_.node, "x");
  request.mutations[0].ops[0].kind = MergeKind::kRestrictMax;
  request.mutations[0].ops[0].value = "\x01";
  WriteRequest other = Titling(*liar_.node, "x");
  other.mutations[0].type = 2;
  // Written at a node that takes anything, they would be in the log: here by hand.
  EXPECT_TRUE(Apply(*hq_.node, {.peer = "eame", .entries = {ByHand(request, Seq(0)), ByHand(other, Seq(1))}}).status.ok());
  const std::vector<OpaqueInfo> opaque = hq_.node->OpaqueEntries(std::nullopt, 10);
  ASSERT_THAT(opaque, SizeIs(2));
  EXPECT_EQ(opaque[0].cause, kCauseInvalid);
  EXPECT_THAT(opaque[0].detail, HasSubstr("merge kind"));
  EXPECT_EQ(opaque[1].cause, kCauseInvalid);
  EXPECT_THAT(opaque[1].detail, HasSubstr("is not a name of type 2"));
  EXPECT_EQ(Digests(*hq_.node), before);
}

TEST_F(AuthorityTest, WhatAnOlderProgramDidNotKnowIsJudgedByALaterOne) {
  std::vector<records::RecordType> fewer = records::TheRegistry().types();
  std::erase_if(fewer, [](const records::RecordType& type) { return type.singular() == "Engagement"; });
  const records::Registry older(std::move(fewer));
  NodeOptions options = network_.OptionsOf("csa");
  options.registry = &older;
  auto opened = TestNetwork::Open(std::move(options), std::make_unique<storage::MemoryStore>());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Site csa = *std::move(opened);

  WriteRequest later = Titling(*hq_.node, "Longer visit");
  later.mutations[0].ops.push_back({.field = 999, .kind = MergeKind::kRegister, .has_value = true, .value = "of a field to come"});
  ASSERT_TRUE(Write(*hq_.node, later).ok());
  WriteRequest kind = Titling(*liar_.node, "of another kind");
  kind.mutations[0].ops[0].kind = MergeKind::kSet;
  WriteRequest type = Titling(*liar_.node, "of another type");
  const WriteRequest right = Titling(*liar_.node, "of no right");
  type.mutations[0].type = 9999;
  for (Site* site : {&csa, &hq_}) {
    if (site == &csa) Sync(*hq_.node, *csa.node);
    const auto applied =
        Apply(*site->node, {.peer = "eame", .entries = {ByHand(kind, Seq(0)), ByHand(type, Seq(1)), ByHand(right, Seq(2))}});
    ASSERT_TRUE(applied.status.ok()) << applied.status;
    EXPECT_EQ(site->node->Applied().Get(network_.log("eame")), Seq(3));
  }
  EXPECT_EQ(hq_.node->OpaqueCount(), 2);
  EXPECT_EQ(hq_.node->UnauthorisedCount(), 1);
  EXPECT_EQ(csa.node->OpaqueCount(), 0) << "it cannot know";
  EXPECT_NE(Digests(*csa.node), Digests(*hq_.node));
  const Position before = csa.node->JournalEnd();

  ASSERT_NO_FATAL_FAILURE(Restart("csa", &csa));
  EXPECT_EQ(Digests(*csa.node), Digests(*hq_.node));
  EXPECT_EQ(csa.node->OpaqueCount(), 2);
  EXPECT_EQ(csa.node->UnauthorisedCount(), 1);
  EXPECT_EQ(EngagementAt(*csa.node).title(), "Longer visit");
  EXPECT_GT(csa.node->JournalEnd(), before) << "whoever watches learns of it";
  CheckWhole(csa);
  // That of the field to come waits on.
  const std::string prefix(storage::kMetaUnjudgedPrefix);
  size_t waiting = 0;
  {
    auto it = csa.store->Iterate(storage::Cf::kMeta, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++waiting;
  }
  EXPECT_EQ(waiting, 1u);
  const Position judged = csa.node->JournalEnd();
  ASSERT_NO_FATAL_FAILURE(Restart("csa", &csa));
  EXPECT_EQ(csa.node->JournalEnd(), judged) << "once";
}

TEST_F(AuthorityTest, EveryOrderGivesTheSame) {
  ASSERT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Longer visit")).ok());
  ASSERT_TRUE(Name(*liar_.node, "JP", "Eame's Japan").ok());
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  ASSERT_TRUE(Write(*liar_.node, Making("officer/eame/desk", "Eame's own")).ok());
  Sync(*apac_.node, *hq_.node);
  ASSERT_TRUE(Write(*hq_.node, Titling(*hq_.node, "Longest visit")).ok());
  // What eame wrote may come before all that it hangs on.
  const std::map<LogId, std::vector<replication::VerifiedEntry>> logs = {
      {network_.log("apac"), EntriesOf(*hq_.node, network_.log("apac"), true)},
      {network_.log("hq"), EntriesOf(*hq_.node, network_.log("hq"), true)},
      {network_.log("eame"), EntriesOf(*liar_.node, network_.log("eame"), false)}};
  std::optional<std::vector<std::string>> digests;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Site site = network_.Open("csa");
    size_t left = 0;
    for (const auto& [log, entries] : logs) left += entries.size();
    while (left > 0) {
      auto log = std::next(logs.begin(), std::uniform_int_distribution<int>(0, 2)(random));
      const uint64_t next = site.node->Applied().Get(log->first).value();
      if (next == log->second.size()) continue;
      replication::RemoteBatch batch;
      batch.peer = "any";
      batch.entries = {log->second[next]};
      left -= Apply(*site.node, batch).applied;
    }
    EXPECT_EQ(EngagementAt(*site.node).title(), "Longest visit");
    EXPECT_EQ(NameOf(*site.node, "JP"), "Japan");
    EXPECT_EQ(site.node->UnauthorisedCount(), 2);
    if (!digests) digests = Digests(*site.node);
    EXPECT_EQ(Digests(*site.node), *digests);
    CheckWhole(site);
  }
}

}  // namespace
}  // namespace fairlead::node
