// Erasures at nodes: what goes, what stays, and that the order in which things come does not matter.

#include "server/node/erasures.h"

#include <absl/synchronization/notification.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/note.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/assembly.h"
#include "server/node/fsck.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/node/runner.h"

namespace fairlead::node {
namespace {

using storage::Cf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// One whose files cannot be purged for a while.
class SlowStore : public storage::MemoryStore {
 public:
  absl::Status Purge(const std::vector<std::pair<Cf, std::string>>& keys, std::atomic<bool>* cancelled) override {
    asked.insert(keys.begin(), keys.end());
    while (takes_for_ever && !*cancelled) std::this_thread::yield();
    return result;
  }
  bool takes_for_ever = false;
  absl::Status result;
  std::set<std::pair<Cf, std::string>> asked;
};

class ErasureTest : public ::testing::Test {
 protected:
  using Site = TestNetwork::Site;

  absl::StatusOr<WriteResult> Name(Node& node, const std::string& name,
                                   const std::vector<std::string>& fields = {"display_name", "region"}) {
    clock_.Advance(absl::Milliseconds(10));
    v1::Country country;
    country.set_display_name(name);
    country.set_region(v1::REGION_APAC);
    return Write(node, RequestFor(node, "countries/JP", country, fields, clock_.RequestId()));
  }
  v1::Country Country(const Node& node) {
    const auto state = node.GetState(node.store(), "countries/JP");
    EXPECT_TRUE(state.ok() && state->has_value());
    return static_cast<const v1::Country&>(*Materialise(*node.registry().FindByName("countries/JP"), "countries/JP", **state));
  }
  // What erases the entry, as `writer` holds it.
  WriteRequest Erasing(const Node& holder, Dot entry, const std::string& reason = "not to be kept") {
    const auto bytes = holder.ReadPayload(entry);
    EXPECT_TRUE(bytes.ok() && bytes->has_value());
    WriteRequest request;
    request.actor = "hq/records/clerk";
    request.request_id = clock_.RequestId();
    request.method = "fairlead.v1.RecordService/EraseRevision";
    request.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**bytes), entry, reason, "ruling 7"));
    return request;
  }
  absl::StatusOr<WriteResult> Erase(Node& node, Dot entry) {
    clock_.Advance(absl::Milliseconds(10));
    return Write(node, Erasing(node, entry));
  }
  // Families of `store` that hold the text anywhere.
  static std::vector<std::string> Holding(const storage::Store& store, const std::string& text) {
    std::vector<std::string> families;
    for (size_t cf = 0; cf < storage::kCfCount; ++cf) {
      auto it = store.Iterate(static_cast<Cf>(cf), {}, {});
      bool holds = false;
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        holds = holds || it->key().find(text) != std::string_view::npos || it->value().find(text) != std::string_view::npos;
      }
      if (holds) families.emplace_back(storage::kCfNames[cf]);
    }
    return families;
  }
  std::vector<std::string> Fsck(const Node& node) {
    std::vector<std::string> findings;
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &network_.roster();
    options.registry = &node.registry();
    options.now = clock_.Now();
    options.on_finding = [&](const Finding& finding) { findings.push_back(ToString(finding)); };
    const auto report = node::Fsck(node.store(), &scratch, options);
    EXPECT_TRUE(report.ok()) << report.status();
    if (report.ok()) erased_ = report->erased;
    return findings;
  }
  // Brings `to` what it lacks, but for the payloads of `without`.
  void SyncWithout(const Node& from, Node& to, const std::set<Dot>& without) {
    replication::RemoteBatch batch = Missing(from, to);
    for (replication::VerifiedEntry& entry : batch.entries) {
      if (without.contains(entry.dot)) entry.payload.reset();
    }
    const auto applied = Apply(to, std::move(batch));
    EXPECT_TRUE(applied.status.ok()) << applied.status;
  }

  TestNetwork network_{{"apac", "eame", "hq"}};
  ManualClock& clock_ = network_.clock();
  uint64_t erased_ = 0;  // of the last Fsck
};

TEST_F(ErasureTest, WhatWasSaidIsGoneAndTheLogVerifies) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  const auto secret = Name(*apac.node, "SECRET");
  ASSERT_TRUE(secret.ok());
  Sync(*apac.node, *hq.node);
  ASSERT_THAT(Holding(*hq.store, "SECRET"), ElementsAre("payloads", "records"));
  const Digest root = *apac.node->RootAt(LogId(1), Seq(2));

  const auto erasure = Erase(*hq.node, secret->dot);
  ASSERT_TRUE(erasure.ok()) << erasure.status();
  Sync(*hq.node, *apac.node);
  for (const Site* site : {&apac, &hq}) {
    const Node& node = *site->node;
    EXPECT_THAT(Holding(*site->store, "SECRET"), IsEmpty());
    EXPECT_EQ(Country(node).display_name(), "") << "what it had replaced stays replaced";
    EXPECT_EQ(Country(node).region(), v1::REGION_APAC) << "what another entry wrote stays";
    EXPECT_EQ(*node.RootAt(LogId(1), Seq(2)), root);
    EXPECT_TRUE(*node.Erased(secret->dot));
    EXPECT_FALSE(*node.Erased(erasure->dot));
    EXPECT_TRUE(*node.IsErasure(erasure->dot));
    EXPECT_FALSE(*node.IsErasure(secret->dot));
    EXPECT_EQ(node.Erasures().Get(LogId(3)), erasure->dot.seq + 1);
    EXPECT_FALSE((*node.ReadPayload(secret->dot)).has_value());
    EXPECT_THAT(*ErasuresOf(*site->store, secret->dot), ElementsAre(erasure->dot));
    EXPECT_EQ(node.OpaqueCount(), 0);
    EXPECT_THAT(Fsck(node), IsEmpty());
    EXPECT_EQ(erased_, 1u);
  }
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));

  // A node that comes later is given the shape.
  Site eame = network_.Open("eame");
  Sync(*apac.node, *eame.node);
  EXPECT_EQ(Digests(*eame.node), Digests(*hq.node));
  EXPECT_THAT(eame.node->WantedPayloads(std::nullopt, 10), IsEmpty());
  EXPECT_EQ(eame.node->OpaqueCount(), 0);
  EXPECT_THAT(Fsck(*eame.node), IsEmpty());
  // And the field can be written anew.
  ASSERT_TRUE(Name(*eame.node, "last").ok());
  EXPECT_EQ(Country(*eame.node).display_name(), "last");
}

TEST_F(ErasureTest, IndexesConflictsAndFiguresForgetToo) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  Sync(*apac.node, *hq.node);
  const auto secret = Name(*apac.node, "SECRET");
  ASSERT_TRUE(Name(*hq.node, "of hq").ok());
  Sync(*apac.node, *hq.node);
  Sync(*hq.node, *apac.node);
  ASSERT_THAT(Country(*apac.node).conflicts(), SizeIs(1));
  ASSERT_EQ(apac.node->Aggregate("conflicts/apac"), 1);
  ASSERT_TRUE(Erase(*apac.node, secret->dot).ok()) << "a site may erase what it wrote";
  Sync(*apac.node, *hq.node);
  for (const Site* site : {&apac, &hq}) {
    EXPECT_THAT(Country(*site->node).conflicts(), IsEmpty());
    EXPECT_EQ(Country(*site->node).display_name(), "of hq");
    EXPECT_EQ(site->node->Aggregate("conflicts/apac"), 0);
    EXPECT_THAT(Holding(*site->store, "SECRET"), IsEmpty());
    EXPECT_THAT(Fsck(*site->node), IsEmpty());
  }
}

TEST_F(ErasureTest, OneThatComesBeforeThePayload) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  const auto secret = Name(*apac.node, "SECRET");
  const std::string payload = **apac.node->ReadPayload(secret->dot);
  SyncWithout(*apac.node, *hq.node, {secret->dot});
  ASSERT_THAT(hq.node->WantedPayloads(std::nullopt, 10), ElementsAre(secret->dot));
  ASSERT_TRUE(Erase(*apac.node, secret->dot).ok());
  Sync(*apac.node, *hq.node);
  EXPECT_THAT(hq.node->WantedPayloads(std::nullopt, 10), IsEmpty());
  EXPECT_EQ(hq.node->OpaqueCount(), 0);
  EXPECT_EQ(Digests(*hq.node), Digests(*apac.node));
  EXPECT_EQ(Country(*hq.node).display_name(), "");
  // What comes late is dropped.
  EXPECT_TRUE(hq.node->TakePayload(secret->dot, payload).ok());
  RunNode(*hq.node);
  EXPECT_THAT(Holding(*hq.store, "SECRET"), IsEmpty());
  EXPECT_EQ(Digests(*hq.node), Digests(*apac.node));
  EXPECT_THAT(Fsck(*hq.node), IsEmpty());
}

TEST_F(ErasureTest, OneBatchMayBringBoth) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  const auto secret = Name(*apac.node, "SECRET");
  replication::RemoteBatch both = Missing(*apac.node, *hq.node);
  ASSERT_TRUE(Erase(*apac.node, secret->dot).ok());
  const replication::RemoteBatch rest = Missing(*apac.node, *hq.node);
  both.entries.push_back(rest.entries.back());
  EXPECT_TRUE(Apply(*hq.node, std::move(both)).status.ok());
  EXPECT_THAT(Holding(*hq.store, "SECRET"), IsEmpty());
  EXPECT_EQ(Digests(*hq.node), Digests(*apac.node));
  EXPECT_THAT(Fsck(*hq.node), IsEmpty());
}

TEST_F(ErasureTest, AnotherSiteMayNot) {
  Site apac = network_.Open("apac"), eame = network_.Open("eame"), hq = network_.Open("hq");
  const auto entry = Name(*apac.node, "Japan");
  Sync(*apac.node, *eame.node);
  Sync(*apac.node, *hq.node);
  EXPECT_FALSE(MayErase(network_.roster(), SiteId(2), entry->dot));
  EXPECT_TRUE(MayErase(network_.roster(), SiteId(1), entry->dot));
  EXPECT_TRUE(MayErase(network_.roster(), SiteId(3), entry->dot));
  EXPECT_FALSE(Erase(*eame.node, entry->dot).ok());
  EXPECT_EQ(eame.node->Applied().Get(LogId(2)), Seq(0));

  // One that a compromised site has signed all the same, as an entry of its own.
  Site liar = network_.Open("eame");
  v1::Country other;
  other.set_display_name("other");
  ASSERT_TRUE(Write(*liar.node, RequestFor(*liar.node, "countries/KR", other, {"display_name"}, clock_.RequestId())).ok());
  replication::RemoteBatch batch = Missing(*liar.node, *apac.node);
  Payload payload = *DecodePayload(*batch.entries[0].payload);
  payload.mutations = Erasing(*apac.node, entry->dot).mutations;
  batch.checkpoints.clear();
  batch.entries[0].payload = EncodePayload(payload);
  batch.entries[0].header.payload_digest = Sha256(*batch.entries[0].payload);
  batch.entries[0].header.deps.Set(LogId(1), Seq(1));
  batch.entries[0].header_bytes = EncodeHeader(batch.entries[0].header);
  for (const Site* site : {&apac, &hq}) {
    EXPECT_TRUE(Apply(*site->node, batch).status.ok());
    const std::vector<OpaqueInfo> opaque = site->node->OpaqueEntries(std::nullopt, 10);
    ASSERT_THAT(opaque, SizeIs(1));
    EXPECT_EQ(opaque[0].cause, kCauseUnauthorised);
    EXPECT_THAT(opaque[0].detail, HasSubstr("may not erase entry 0 of log 1"));
    EXPECT_EQ(Country(*site->node).display_name(), "Japan");
    EXPECT_FALSE(*site->node->Erased(entry->dot));
  }
}

TEST_F(ErasureTest, AnotherShapeErasesNothing) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  const auto entry = Name(*apac.node, "Japan");
  Sync(*apac.node, *hq.node);
  WriteRequest request = Erasing(*hq.node, entry->dot);
  Erasure erasure = *ErasureIn(Payload{.mutations = request.mutations});
  for (Op& op : erasure.mutations[0].shape.ops) op.replaces.clear();  // what it replaced would be back
  request.mutations = MutationsOf(erasure);
  EXPECT_THAT(Write(*hq.node, request).status().message(), HasSubstr("states another shape"));
  erasure = *ErasureIn(Payload{.mutations = Erasing(*hq.node, entry->dot).mutations});
  erasure.entry.seq = Seq(7);
  request.mutations = MutationsOf(erasure);
  EXPECT_THAT(Write(*hq.node, request).status().message(), HasSubstr("does not follow"));
  EXPECT_EQ(Country(*hq.node).display_name(), "Japan");
}

// Where the payload is not held nobody can tell a false shape, which a compromised origin states of its own entry.
TEST_F(ErasureTest, OfTwoShapesThatOfHeadquartersCountsWhicheverComesFirst) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "first").ok());
  const auto secret = Name(*apac.node, "SECRET");
  Sync(*apac.node, *hq.node);
  ASSERT_TRUE(Name(*apac.node, "third").ok());
  Site lied_to = network_.Open("eame"), told_first = network_.Open("eame"), told_alone = network_.Open("eame");
  replication::RemoteBatch lie = Missing(*apac.node, *lied_to.node);
  ASSERT_THAT(lie.entries, SizeIs(3));
  Erasure erasure = *ErasureIn(Payload{.mutations = Erasing(*apac.node, secret->dot).mutations});
  for (Op& op : erasure.mutations[0].shape.ops) {
    op.has_value = false;  // as if it had only taken away
    op.value.clear();
  }
  Payload payload = *DecodePayload(*lie.entries[2].payload);
  payload.mutations = MutationsOf(erasure);
  lie.entries[1].payload.reset();
  lie.entries[2].payload = EncodePayload(payload);
  lie.entries[2].header.payload_digest = Sha256(*lie.entries[2].payload);
  lie.entries[2].header_bytes = EncodeHeader(lie.entries[2].header);
  lie.checkpoints.clear();
  replication::RemoteBatch before = lie;
  before.entries.pop_back();
  ASSERT_TRUE(Erase(*hq.node, secret->dot).ok());
  replication::RemoteBatch truth = Missing(*hq.node, *lied_to.node);
  std::erase_if(truth.entries, [&](const auto& entry) { return entry.dot.log != hq.node->own_log(); });
  truth.checkpoints.clear();

  for (const auto& batch : {lie, truth}) EXPECT_TRUE(Apply(*lied_to.node, batch).status.ok());
  for (const auto& batch : {before, truth, lie}) EXPECT_TRUE(Apply(*told_first.node, batch).status.ok());
  for (const auto& batch : {before, truth}) EXPECT_TRUE(Apply(*told_alone.node, batch).status.ok());
  for (const Site* site : {&lied_to, &told_first}) {
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(Digests(*site->node), Digests(*told_alone.node));
    EXPECT_THAT(Fsck(*site->node), IsEmpty());
  }
}

TEST_F(ErasureTest, AudienceMarkingStateAndWithdrawalStay) {
  Site apac = network_.Open("apac"), eame = network_.Open("eame");
  v1::Engagement engagement;
  engagement.set_title("SECRET");
  engagement.set_marking(v1::MARKING_SENSITIVE);
  engagement.set_state(v1::ENGAGEMENT_STATE_SCHEDULED);
  engagement.set_withdrawn(true);
  engagement.add_audience("apac");
  engagement.add_audience("eame");
  const std::string name = "engagements/e";
  const auto entry = Write(
      *apac.node, RequestFor(*apac.node, name, engagement, {"title", "marking", "state", "withdrawn", "audience"}, clock_.RequestId()));
  ASSERT_TRUE(entry.ok()) << entry.status();
  Sync(*apac.node, *eame.node);
  const auto erasure = Erase(*apac.node, entry->dot);
  ASSERT_TRUE(erasure.ok());
  EXPECT_EQ(apac.node->AudienceOf(erasure->dot)->sites, (std::vector<SiteId>{SiteId(1), SiteId(2)})) << "the shape names the record";
  Sync(*apac.node, *eame.node);
  for (const Site* site : {&apac, &eame}) {
    const auto state = site->node->GetState(*site->store, name);
    const auto message = Materialise(*site->node->registry().FindByName(name), name, **state);
    const auto& held = static_cast<const v1::Engagement&>(*message);
    EXPECT_EQ(held.title(), "");
    EXPECT_EQ(held.marking(), v1::MARKING_SENSITIVE);
    EXPECT_EQ(held.state(), v1::ENGAGEMENT_STATE_SCHEDULED);
    EXPECT_TRUE(held.withdrawn());
    EXPECT_THAT(held.audience(), ElementsAre("apac", "eame"));
    EXPECT_THAT(Holding(*site->store, "SECRET"), IsEmpty());
    EXPECT_THAT(Fsck(*site->node), IsEmpty());
  }
  Site hq = network_.Open("hq");
  Sync(*eame.node, *hq.node);
  EXPECT_THAT(Holding(*hq.store, name), IsEmpty()) << "a site outside the audience does not learn the record's name";
  EXPECT_EQ(hq.node->OpaqueCount(), 0) << "neither entry is due there";
}

TEST_F(ErasureTest, ARetryDoesNotBringItBack) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  v1::Country country;
  country.set_display_name("SECRET");
  country.set_region(v1::REGION_APAC);
  const WriteRequest request = RequestFor(*apac.node, "countries/JP", country, {"display_name", "region"}, clock_.RequestId());
  const auto first = Write(*apac.node, request);
  ASSERT_TRUE(Erase(*apac.node, first->dot).ok());
  const auto again = Write(*apac.node, request);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->replayed);
  // hq has never seen the payload, and so not the request id.
  SyncWithout(*apac.node, *hq.node, {first->dot});
  WriteRequest elsewhere = request;
  elsewhere.expectations.clear();
  const auto late = Write(*hq.node, elsewhere);
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_TRUE(late->replayed);
  EXPECT_EQ(late->dot, first->dot);
  EXPECT_EQ(hq.node->Applied().Get(LogId(3)), Seq(0));
  EXPECT_THAT(Holding(*hq.store, "SECRET"), IsEmpty());
}

TEST_F(ErasureTest, OfOneRequestAtTwoSitesEachEntryIsErasedAndTheValueByEither) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  v1::Country country;
  country.set_display_name("SECRET");
  const WriteRequest request = RequestFor(*apac.node, "countries/JP", country, {"display_name"}, clock_.RequestId());
  const auto at_apac = Write(*apac.node, request);
  clock_.Advance(absl::Seconds(1));
  const auto at_hq = Write(*hq.node, request);
  ASSERT_TRUE(Erase(*apac.node, at_apac->dot).ok());
  Sync(*apac.node, *hq.node);
  Sync(*hq.node, *apac.node);
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  for (const Site* site : {&apac, &hq}) {
    EXPECT_EQ(Country(*site->node).display_name(), "");
    EXPECT_THAT(Holding(*site->store, "SECRET"), ElementsAre("payloads")) << "of the other entry";
  }
  ASSERT_TRUE(Erase(*hq.node, at_hq->dot).ok());
  Sync(*hq.node, *apac.node);
  for (const Site* site : {&apac, &hq}) {
    EXPECT_THAT(Holding(*site->store, "SECRET"), IsEmpty());
    EXPECT_THAT(Fsck(*site->node), IsEmpty());
  }
}

TEST_F(ErasureTest, ASiteVouchesForAnErasureOnceItsFilesAreRid) {
  auto owned = std::make_unique<SlowStore>();
  SlowStore* store = owned.get();
  Site apac = network_.Open("apac");
  auto hq = network_.Open("hq", std::move(owned));
  ASSERT_TRUE(hq.ok());
  const auto entry = Name(*apac.node, "SECRET");
  const auto erasure = Erase(*apac.node, entry->dot);
  Sync(*apac.node, *hq->node);
  store->result = absl::UnavailableError("a reader");
  const auto vouches = [&] {
    clock_.Advance(absl::Seconds(2));
    hq->node->Purge(nullptr);
    hq->node->Tick();
    return hq->node->Cosigned(LogId(1))[SiteId(3)];
  };
  EXPECT_EQ(vouches(), Seq(0));
  EXPECT_THAT(store->asked, ::testing::Contains(std::pair(Cf::kPayloads, storage::DotKey(entry->dot))));
  EXPECT_THAT(store->asked, ::testing::Contains(std::pair(Cf::kRecords, std::string("countries/JP"))));
  // Over a restart too.
  auto again = std::make_unique<SlowStore>();
  auto batch = again->NewBatch();
  for (size_t cf = 0; cf < storage::kCfCount; ++cf) {
    auto it = store->Iterate(static_cast<Cf>(cf), {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) batch->Put(static_cast<Cf>(cf), it->key(), it->value());
  }
  ASSERT_TRUE(again->Write(batch.get(), storage::Sync::kYes).ok());
  store = again.get();
  store->result = absl::UnavailableError("a reader");
  hq = network_.Open("hq", std::move(again));
  ASSERT_TRUE(hq.ok()) << hq.status();
  EXPECT_EQ(vouches(), Seq(0));
  store->result = absl::OkStatus();
  EXPECT_EQ(vouches(), erasure->dot.seq + 1);
  store->asked.clear();
  EXPECT_EQ(vouches(), erasure->dot.seq + 1);
  EXPECT_THAT(store->asked, IsEmpty());
}

TEST_F(ErasureTest, WhileItsFilesAreBeingRidASiteVouchesForOtherLogs) {
  absl::Notification vouched;
  auto owned = std::make_unique<SlowStore>();
  owned->takes_for_ever = true;
  owned->result = absl::UnavailableError("given up");
  Site apac = network_.Open("apac"), eame = network_.Open("eame");
  auto hq = network_.Open("hq", std::move(owned));
  ASSERT_TRUE(hq.ok());
  const auto entry = Name(*apac.node, "SECRET");
  ASSERT_TRUE(Erase(*apac.node, entry->dot).ok());
  const auto other = Name(*eame.node, "Japan");
  Sync(*apac.node, *hq->node);
  Sync(*eame.node, *hq->node);
  clock_.Advance(absl::Seconds(2));
  hq->node->AddCosignatureListener([&](LogId log) {
    if (log == other->dot.log && !vouched.HasBeenNotified()) vouched.Notify();
  });
  Runner runner(hq->node.get(), /*completion_threads=*/1, nullptr);
  runner.Start();
  EXPECT_TRUE(vouched.WaitForNotificationWithTimeout(absl::Seconds(60)));
  runner.Stop();  // does not wait for the files
  EXPECT_EQ(hq->node->Cosigned(other->dot.log)[SiteId(3)], other->dot.seq + 1);
  EXPECT_EQ(hq->node->Cosigned(entry->dot.log)[SiteId(3)], Seq(0));
}

TEST_F(ErasureTest, ASiteDoesNotVouchForAPayloadItLacks) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  const auto entry = Name(*apac.node, "Japan");
  SyncWithout(*apac.node, *hq.node, {entry->dot});
  clock_.Advance(absl::Seconds(2));
  hq.node->Tick();
  EXPECT_EQ(hq.node->Cosigned(LogId(1))[SiteId(3)], Seq(0));
  ASSERT_TRUE(hq.node->TakePayload(entry->dot, **apac.node->ReadPayload(entry->dot)).ok());
  RunNode(*hq.node);
  clock_.Advance(absl::Seconds(2));
  hq.node->Tick();
  EXPECT_EQ(hq.node->Cosigned(LogId(1))[SiteId(3)], Seq(1));
}

TEST_F(ErasureTest, WhatPeersHaveErasedIsNotSentBefore) {
  Site apac = network_.Open("apac"), eame = network_.Open("eame");
  const auto entry = Name(*apac.node, "SECRET");
  Sync(*apac.node, *eame.node);
  EXPECT_THAT(eame.node->MaybeErased(), IsEmpty());
  ASSERT_TRUE(Erase(*apac.node, entry->dot).ok());
  eame.node->PeerErasures(SiteId(1), apac.node->Erasures());
  EXPECT_THAT(eame.node->MaybeErased(), Not(IsEmpty()));
  Sync(*apac.node, *eame.node);
  EXPECT_THAT(eame.node->MaybeErased(), IsEmpty());
  eame.node->PeerErasures(SiteId(1), apac.node->Erasures());

  // A peer that tells of what is not there stops this node for a moment, once.
  VersionVector invented;
  invented.Set(LogId(3), Seq(1000));
  eame.node->PeerErasures(SiteId(3), invented);
  EXPECT_THAT(eame.node->MaybeErased(), Not(IsEmpty()));
  clock_.Advance(absl::Seconds(11));
  EXPECT_THAT(eame.node->MaybeErased(), IsEmpty());
  eame.node->PeerErasures(SiteId(3), {});
  eame.node->PeerErasures(SiteId(3), invented);
  EXPECT_THAT(eame.node->MaybeErased(), IsEmpty());
}

TEST_F(ErasureTest, ASiteThatInventsErasuresKeepsBackWhatItMayEraseAlone) {
  Site eame = network_.Open("eame");
  VersionVector invented;
  invented.Set(LogId(1), Seq(1000));
  eame.node->PeerErasures(SiteId(1), invented);
  EXPECT_THAT(eame.node->MaybeErased(), ElementsAre(LogId(1)));
  invented.Set(LogId(3), Seq(1000));  // headquarters' may be of any entry
  eame.node->PeerErasures(SiteId(1), invented);
  EXPECT_THAT(eame.node->MaybeErased(), ElementsAre(LogId(1), LogId(2), LogId(3)));
}

// A compromised site erases its own entry twice. Nobody holds the payload any more when it says the second time, falsely, which record that
// was of. Then its log is closed before both.
TEST_F(ErasureTest, AClosingTakesBackErasuresThatNameOtherRecords) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  const auto entry = Name(*apac.node, "SECRET");
  ASSERT_TRUE(entry.ok()) << entry.status();
  WriteRequest again = Erasing(*apac.node, entry->dot);
  Erasure erasure = *ErasureIn(Payload{.mutations = again.mutations});
  erasure.mutations[0].shape.record = "countries/KR";
  again.mutations = MutationsOf(erasure);
  ASSERT_TRUE(Erase(*apac.node, entry->dot).ok());
  clock_.Advance(absl::Milliseconds(10));
  ASSERT_TRUE(Write(*apac.node, again).ok());
  Sync(*apac.node, *hq.node);
  const Seq end = entry->dot.seq + 1;
  network_.CloseLog("apac", end, *hq.node->RootAt(entry->dot.log, end));
  const auto reopened = network_.Open("hq", hq.store->Crash(99));
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  const Site fresh = network_.Open("eame");
  SyncWithout(*reopened->node, *fresh.node, {entry->dot});
  EXPECT_EQ(reopened->node->Applied().Get(entry->dot.log), end);
  EXPECT_EQ(reopened->node->OpaqueCount(), 1) << "the payload is wanted again";
  EXPECT_EQ(Digests(*reopened->node), Digests(*fresh.node));
  EXPECT_THAT(Fsck(*reopened->node), IsEmpty());
}

TEST_F(ErasureTest, APayloadThatNoSiteMayWriteIsNotTakenLate) {
  Site apac = network_.Open("apac"), hq = network_.Open("hq");
  const auto entry = Name(*apac.node, "Japan");
  const std::string large(kPayloadBytesMax + 1, 'x');
  replication::RemoteBatch batch = Missing(*apac.node, *hq.node);
  batch.entries[0].payload.reset();
  batch.entries[0].header.payload_digest = Sha256(large);
  batch.entries[0].header_bytes = EncodeHeader(batch.entries[0].header);
  batch.checkpoints.clear();
  ASSERT_TRUE(Apply(*hq.node, std::move(batch)).status.ok());
  const absl::Status taken = hq.node->TakePayload(entry->dot, large);
  EXPECT_TRUE(absl::IsInvalidArgument(taken)) << taken;
  EXPECT_THAT(std::string(taken.message()), HasSubstr("the payload has 1048577 bytes, and 1048576 are allowed"));
  RunNode(*hq.node);
  EXPECT_EQ(*hq.node->ReadPayload(entry->dot), std::nullopt);
}

// Three sites write, erase and hear of each other at random, payloads late or never. They agree in the end, and nothing erased is left.
TEST_F(ErasureTest, AnyOrderGivesOneState) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) { return random() % n; };
    TestNetwork network({"apac", "eame", "hq"});
    std::vector<Site> sites;
    for (const char* site : {"apac", "eame", "hq"}) sites.push_back(network.Open(site));
    std::vector<std::pair<Dot, std::string>> written;
    std::map<Dot, std::string> payloads;
    std::set<Dot> erased;
    const auto hear = [&](size_t from, size_t to, size_t lost_one_in) {
      replication::RemoteBatch batch = Missing(*sites[from].node, *sites[to].node);
      for (auto& entry : batch.entries) {
        const auto bytes = sites[from].node->ReadPayload(entry.dot);
        const bool is_erasure = bytes->has_value() && IsErasure(*DecodePayload(**bytes));
        if (lost_one_in > 0 && !is_erasure && below(lost_one_in) == 0) entry.payload.reset();
      }
      ASSERT_TRUE(Apply(*sites[to].node, std::move(batch)).status.ok());
    };
    const auto give_late = [&](size_t to) {
      for (const Dot& dot : sites[to].node->WantedPayloads(std::nullopt, 100)) {
        if (!payloads.contains(dot)) continue;
        ASSERT_TRUE(sites[to].node->TakePayload(dot, payloads[dot]).ok());
      }
      RunNode(*sites[to].node);
    };
    for (int step = 0; step < 60; ++step) {
      network.clock().Advance(absl::Milliseconds(below(50)));
      const size_t at = below(3);
      Node& node = *sites[at].node;
      switch (below(6)) {
        case 0:
        case 1: {
          v1::Engagement next;
          const std::string text = "text" + std::to_string(written.size()) + ".";
          std::vector<std::string> fields = {below(2) == 0 ? "title" : "notes"};
          next.set_title(text);
          next.set_notes(text);
          if (below(4) == 0) {
            fields.emplace_back("state");
            next.set_state(below(2) == 0 ? v1::ENGAGEMENT_STATE_CLOSED : v1::ENGAGEMENT_STATE_REPORTED);
          }
          const auto result = Write(node, RequestFor(node, "engagements/e", next, fields, network.clock().RequestId()));
          ASSERT_TRUE(result.ok()) << result.status();
          written.emplace_back(result->dot, text);
          payloads[result->dot] = **node.ReadPayload(result->dot);
          break;
        }
        case 2: {
          if (written.empty()) break;
          const Dot dot = written[below(written.size())].first;
          if (!MayErase(network.roster(), node.site(), dot) || dot.seq >= node.Applied().Get(dot.log)) break;
          const auto bytes = node.ReadPayload(dot);
          if (!bytes->has_value()) break;
          WriteRequest request;
          request.actor = "hq/records/clerk";
          request.request_id = network.clock().RequestId();
          request.mutations = MutationsOf(ErasureOf(network.roster(), *DecodePayload(**bytes), dot, "", ""));
          ASSERT_TRUE(Write(node, request).ok());
          erased.insert(dot);
          break;
        }
        case 3:
          give_late(at);
          break;
        default:
          hear(below(3), at, 3);
      }
    }
    for (int round = 0; round < 2; ++round) {
      for (size_t from = 0; from < 3; ++from) {
        for (size_t to = 0; to < 3; ++to) hear(from, to, 0);
      }
    }
    for (size_t to = 0; to < 3; ++to) give_late(to);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(Digests(*sites[i].node), Digests(*sites[0].node)) << "seed " << seed;
      EXPECT_EQ(sites[i].node->OpaqueCount(), 0) << "seed " << seed;
      for (const auto& [dot, text] : written) {
        if (!erased.contains(dot)) continue;
        EXPECT_THAT(Holding(*sites[i].store, text), IsEmpty()) << "seed " << seed;
      }
      storage::MemoryStore scratch;
      FsckOptions options;
      options.roster = &network.roster();
      options.registry = &sites[i].node->registry();
      options.now = network.clock().Now();
      options.on_finding = [&](const Finding& finding) { ADD_FAILURE() << "seed " << seed << ": " << ToString(finding); };
      ASSERT_TRUE(node::Fsck(*sites[i].store, &scratch, options).ok());
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::node
