#include "server/node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "api/state_digest.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/conflicts.h"
#include "server/node/derived.h"
#include "server/node/lattice_hash.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "storage/memory_store.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NodeTest : public ::testing::Test {
 protected:
  using Site = TestNetwork::Site;

  absl::StatusOr<Site> Open(const std::string& site, std::unique_ptr<storage::MemoryStore> store) {
    return network_.Open(site, std::move(store));
  }
  Site Open(const std::string& site) { return network_.Open(site); }

  std::string RequestId() { return clock_.RequestId(); }

  // The request that makes country `code` be named `name`, after what the node holds.
  static WriteRequest Naming(const Node& node, const std::string& code, const std::string& name, const std::string& request_id) {
    v1::Country country;
    country.set_display_name(name);
    country.set_region(v1::REGION_APAC);
    return RequestFor(node, "countries/" + code, country, {"display_name", "region"}, request_id);
  }
  absl::StatusOr<WriteResult> Name(Node& node, const std::string& code, const std::string& name) {
    return Write(node, Naming(node, code, name, RequestId()));
  }

  static v1::Country Country(const Node& node, const std::string& code) {
    auto state = node.GetState(node.store(), "countries/" + code);
    EXPECT_TRUE(state.ok() && state->has_value());
    auto message = Materialise(*records::TheRegistry().FindByMessage("Country"), "countries/" + code, **state);
    return static_cast<const v1::Country&>(*message);
  }

  TestNetwork network_{{"apac", "eame", "hq"}};
  ManualClock& clock_ = network_.clock();
  const Roster& roster_ = network_.roster();
};

TEST_F(NodeTest, AWriteIsReadableSignedAndSyncedOnce) {
  Site apac = Open("apac");
  int64_t syncs = apac.store->syncs();
  auto result = Name(*apac.node, "JP", "Japan");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->dot, (Dot{LogId(1), Seq(0)}));
  EXPECT_EQ(apac.store->syncs(), syncs + 1);
  EXPECT_EQ(Country(*apac.node, "JP").display_name(), "Japan");
  EXPECT_EQ(apac.node->Aggregate("country/1/JP"), 1);
  EXPECT_EQ(apac.node->Aggregate("records/apac"), 1);

  auto note = note::Parse(*apac.node->CheckpointNote(LogId(1)));
  ASSERT_TRUE(note.ok());
  EXPECT_TRUE(note::Verify(*note, roster_.FindLog(LogId(1))->verifier));
  auto checkpoint = note::ParseCheckpoint(note->text);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->size, 1u);
  EXPECT_EQ(checkpoint->root, merkle::LeafHash((*apac.node->ReadHeaders(LogId(1), Seq(0), Seq(1)))[0]));
}

TEST_F(NodeTest, WhatWaitsTogetherIsOneSync) {
  Site apac = Open("apac");
  int64_t syncs = apac.store->syncs();
  int done = 0;
  for (int i = 0; i < 50; ++i) {
    std::string code = {static_cast<char>('A' + i / 26), static_cast<char>('A' + i % 26)};
    apac.node->Write(Naming(*apac.node, code, "c" + code, RequestId()), [&](absl::StatusOr<WriteResult> result) {
      EXPECT_TRUE(result.ok()) << result.status();
      ++done;
    });
  }
  RunNode(*apac.node);
  EXPECT_EQ(done, 50);
  EXPECT_EQ(apac.store->syncs(), syncs + 1);
  EXPECT_EQ(apac.node->Applied().Get(LogId(1)), Seq(50));
}

TEST_F(NodeTest, ARequestIdHasOneEffect) {
  Site apac = Open("apac");
  WriteRequest request = Naming(*apac.node, "JP", "Japan", RequestId());
  auto first = Write(*apac.node, request);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->replayed);
  auto second = Write(*apac.node, request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->replayed);
  EXPECT_EQ(second->dot, first->dot);
  EXPECT_EQ(apac.node->JournalEnd(), Position(1));

  request.request_digest[0] = 1;
  EXPECT_EQ(ReasonOf(Write(*apac.node, request).status()), "REQUEST_ID_REUSED");
  request.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now() - absl::Hours(24 * 31))));
  EXPECT_EQ(ReasonOf(Write(*apac.node, request).status()), "REQUEST_ID_EXPIRED");
  request.request_id = "not a uuid";
  auto bad = Write(*apac.node, request).status();
  EXPECT_EQ(ReasonOf(bad), "FIELD_INVALID");
  EXPECT_EQ(FieldOf(bad), "request_id");
}

TEST_F(NodeTest, ARequestAcceptedAtTwoSitesIsOneValue) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  WriteRequest request = Naming(*apac.node, "JP", "Japan", RequestId());
  ASSERT_TRUE(Write(*apac.node, request).ok());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Write(*hq.node, request).ok());
  Sync(*apac.node, *hq.node);
  Sync(*hq.node, *apac.node);
  EXPECT_EQ(apac.node->JournalEnd(), Position(2));
  EXPECT_THAT(Country(*apac.node, "JP").conflicts(), IsEmpty());
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  // Whoever retries anywhere finds it.
  EXPECT_TRUE((*apac.node->FindRequest(request.actor, request.request_id, request.request_digest)).has_value());
  EXPECT_TRUE((*hq.node->FindRequest(request.actor, request.request_id, request.request_digest)).has_value());
}

TEST_F(NodeTest, AStaleEtagAborts) {
  Site apac = Open("apac");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  WriteRequest stale = Naming(*apac.node, "JP", "Nippon", RequestId());
  ASSERT_TRUE(Name(*apac.node, "JP", "Nihon").ok());
  auto refused = Write(*apac.node, stale);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(refused.status()), "ETAG_MISMATCH");
  EXPECT_EQ(Country(*apac.node, "JP").display_name(), "Nihon");
  WriteRequest create = Naming(*apac.node, "JP", "again", RequestId());
  create.expectations = {{"countries/JP", ""}};
  EXPECT_EQ(ReasonOf(Write(*apac.node, create).status()), "RECORD_EXISTS");
  EXPECT_EQ(apac.node->JournalEnd(), Position(2));
}

TEST_F(NodeTest, ConcurrentEditsConflictAlikeEverywhereAndBothValuesStay) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *eame.node);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Name(*apac.node, "JP", "Nihon").ok());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Name(*eame.node, "JP", "Nippon").ok());
  // hq hears of it through eame alone, in another order than apac.
  Sync(*eame.node, *hq.node);
  Sync(*apac.node, *hq.node);
  Sync(*hq.node, *apac.node);
  Sync(*hq.node, *eame.node);
  for (Node* node : {apac.node.get(), eame.node.get(), hq.node.get()}) {
    v1::Country country = Country(*node, "JP");
    EXPECT_EQ(country.display_name(), "Nippon");
    ASSERT_THAT(country.conflicts(), SizeIs(1));
    EXPECT_EQ(country.conflicts(0).field(), "display_name");
    EXPECT_THAT(country.conflicts(0).other_values(0), HasSubstr("Nihon"));
    EXPECT_EQ(node->Aggregate("conflicts/apac"), 1);
  }
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  EXPECT_EQ(Digests(*eame.node), Digests(*hq.node));
}

TEST_F(NodeTest, AnEntryWaitsForWhatItFollows) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *eame.node);
  ASSERT_TRUE(Name(*eame.node, "JP", "Nippon").ok());
  replication::RemoteBatch all = Missing(*eame.node, *hq.node);
  ASSERT_THAT(all.entries, SizeIs(2));
  replication::RemoteBatch answer = all;
  answer.entries.erase(answer.entries.begin());
  replication::ApplyResult blocked = Apply(*hq.node, answer);
  EXPECT_EQ(blocked.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(blocked.applied, 0u);
  EXPECT_EQ(hq.node->JournalEnd(), Position(0));
  EXPECT_TRUE(Apply(*hq.node, all).status.ok());
  EXPECT_EQ(Country(*hq.node, "JP").display_name(), "Nippon");
  // The same again changes nothing.
  EXPECT_EQ(Apply(*hq.node, all).applied, 2u);
  EXPECT_EQ(hq.node->JournalEnd(), Position(2));
}

TEST_F(NodeTest, AnEntryOfTheFutureWaitsAndIsNotLost) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  clock_.Advance(absl::Minutes(10));
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  clock_.Advance(-absl::Minutes(10));
  replication::RemoteBatch batch = Missing(*apac.node, *hq.node);
  const replication::ApplyResult early = Apply(*hq.node, batch);
  EXPECT_EQ(early.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_GT(early.due, clock_.Now() + absl::Minutes(9));
  EXPECT_LE(early.due, clock_.Now() + absl::Minutes(10));
  EXPECT_EQ(hq.node->JournalEnd(), Position(0));
  EXPECT_EQ(ReasonOf(Name(*apac.node, "KR", "Korea").status()), "CLOCK_DRIFT");
  EXPECT_THAT(apac.node->ClockTrouble(), testing::HasSubstr("ms behind what it has seen"));
  clock_.Advance(absl::Minutes(10));
  EXPECT_TRUE(Apply(*hq.node, batch).status.ok());
  EXPECT_EQ(hq.node->JournalEnd(), Position(1));
  EXPECT_TRUE(Name(*apac.node, "KR", "Korea").ok());
}

TEST_F(NodeTest, AnEntryThatCannotBeFoldedIsOpaqueAndTheRestFlows) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  ASSERT_TRUE(Name(*apac.node, "PH", "Philippines").ok());
  replication::RemoteBatch batch = Missing(*apac.node, *hq.node);
  batch.entries[0].payload = std::nullopt;  // withheld
  MakeUnknown(batch, 1);
  replication::ApplyResult result = Apply(*hq.node, batch);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(hq.node->Applied().Get(LogId(1)), Seq(3));
  auto opaque = hq.node->OpaqueEntries(std::nullopt, 10);
  ASSERT_THAT(opaque, SizeIs(2));
  EXPECT_EQ(opaque[0].cause, "PENDING");
  EXPECT_EQ(opaque[1].cause, "UNKNOWN_KIND");
  EXPECT_THAT(hq.node->OpaqueEntries(opaque[0].dot, 10), SizeIs(1));
  EXPECT_EQ(hq.node->OpaqueCount(), 2);
  // A store of before, which has no list.
  auto older = hq.store->Crash(99);
  auto changes = older->NewBatch();
  changes->Delete(storage::Cf::kMeta, storage::kMetaDerived);
  for (const OpaqueInfo& info : opaque)
    changes->Delete(storage::Cf::kMeta, std::string(storage::kMetaListedPrefix) + storage::DotKey(info.dot));
  ASSERT_TRUE(older->Write(changes.get(), storage::Sync::kYes).ok());
  auto reopened = Open("hq", std::move(older));
  ASSERT_TRUE(reopened.ok());
  EXPECT_THAT(reopened->node->OpaqueEntries(std::nullopt, 10), SizeIs(2));
  EXPECT_EQ(reopened->node->OpaqueCount(), 2);
  EXPECT_EQ(Country(*hq.node, "PH").display_name(), "Philippines");
}

TEST_F(NodeTest, ARestartFindsWhatWasAcknowledgedAndSignsItsTail) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*hq.node, "US", "United States").ok());
  Sync(*hq.node, *apac.node);
  for (int i = 0; i < 300; ++i) {
    std::string code = {static_cast<char>('A' + i / 26 % 26), static_cast<char>('A' + i % 26)};
    ASSERT_TRUE(Name(*apac.node, code, "round " + std::to_string(i)).ok());
  }
  std::vector<std::string> digests = Digests(*apac.node);
  auto figures = apac.node->Aggregates("");
  // Nothing unsynced survives: neither the checkpoint of the last batch nor the cosignatures.
  auto restarted = Open("apac", apac.store->Crash(0));
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  EXPECT_EQ(restarted->node->Applied(), apac.node->Applied());
  EXPECT_EQ(restarted->node->JournalEnd(), Position(301));
  EXPECT_EQ(Digests(*restarted->node), digests);
  EXPECT_EQ(restarted->node->Aggregates(""), figures);
  EXPECT_EQ(note::Parse(*restarted->node->CheckpointNote(LogId(1)))->text, note::Parse(*apac.node->CheckpointNote(LogId(1)))->text);
  ASSERT_TRUE(Name(*restarted->node, "ZZ", "next").ok());
  EXPECT_EQ(restarted->node->Applied().Get(LogId(1)), Seq(301));
}

TEST_F(NodeTest, AFullDiskRefusesWritesByNameAndLosesNothing) {
  Site apac = Open("apac");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  apac.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "no space"); });
  auto refused = Name(*apac.node, "KR", "Korea");
  EXPECT_EQ(ReasonOf(refused.status()), "STORAGE_FULL");
  EXPECT_EQ(apac.node->JournalEnd(), Position(1));
  EXPECT_EQ(apac.node->Aggregate("records/apac"), 1);
  apac.store->set_write_fault(nullptr);
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  EXPECT_EQ(apac.node->Applied().Get(LogId(1)), Seq(2));
  EXPECT_EQ(apac.node->Aggregate("records/apac"), 2);
}

TEST_F(NodeTest, CosignaturesSayWhoHoldsWhatAndUntilWhen) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  apac.node->Tick();
  hq.node->Tick();
  for (auto [from, to] : {std::pair(&apac, &hq), std::pair(&hq, &apac)}) {
    for (const auto& held : from->node->CosignaturesAfter(0)) {
      EXPECT_TRUE(to->node->TakeCosignature(held.log, held.note).ok());
      EXPECT_TRUE(to->node->TakeCosignature(held.log, held.note).ok());  // again: nothing
    }
  }
  LogInfo log = hq.node->Logs()[0];
  EXPECT_EQ(log.as_of, clock_.Now());
  EXPECT_EQ(log.cosignatures[SiteId(1)].first, Seq(1));
  EXPECT_EQ(apac.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(1));

  // A later statement about entries that are not here yet shows how far behind hq is, and for how long.
  clock_.Advance(absl::Seconds(5));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  apac.node->Tick();
  uint64_t last = hq.node->CosignaturesAfter(0).back().version;
  for (const auto& held : apac.node->CosignaturesAfter(0)) ASSERT_TRUE(hq.node->TakeCosignature(held.log, held.note).ok());
  EXPECT_THAT(hq.node->CosignaturesAfter(last), SizeIs(2));  // apac's on its own log and on hq's empty one
  clock_.Advance(absl::Seconds(3));
  log = hq.node->Logs()[0];
  EXPECT_EQ(log.known_size, Seq(2));
  EXPECT_EQ(log.oldest_unapplied_age, absl::Seconds(3));
  EXPECT_EQ(log.as_of, clock_.Now() - absl::Seconds(8));
  Sync(*apac.node, *hq.node);
  log = hq.node->Logs()[0];
  EXPECT_EQ(log.oldest_unapplied_age, absl::ZeroDuration());
  EXPECT_EQ(log.as_of, clock_.Now() - absl::Seconds(3));
}

TEST_F(NodeTest, WhatASiteHasCosignedItCosignsAfterAPowerCut) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  hq.node->Tick();
  ASSERT_EQ(hq.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(1));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  clock_.Advance(absl::Seconds(1));
  hq.node->Tick();
  ASSERT_EQ(hq.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(2));

  auto found = Open("hq", hq.store->Crash(0));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->node->Logs()[0].cosignatures[SiteId(3)].first, Seq(2));
  clock_.Advance(absl::Seconds(10));
  found->node->Tick();
  EXPECT_EQ(found->node->Logs()[0].cosignatures[SiteId(3)].first, Seq(2));
}

TEST_F(NodeTest, ASiteWhoseClockIsSetBackCosignsOn) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  clock_.Advance(absl::Hours(1));
  hq.node->Tick();
  ASSERT_EQ(hq.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(1));
  for (const replication::HeldCosignature& held : hq.node->CosignaturesAfter(0)) {
    ASSERT_TRUE(apac.node->TakeCosignature(held.log, held.note).ok());
  }

  clock_.Advance(-absl::Hours(1));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  hq.node->Tick();
  EXPECT_EQ(hq.node->Logs()[0].cosignatures[SiteId(3)], std::pair(Seq(2), absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now()))));
  // Peers take it though they believed the other, their clocks being ahead, too; and an idle site repeats nothing.
  for (const replication::HeldCosignature& held : hq.node->CosignaturesAfter(0)) {
    EXPECT_TRUE(apac.node->TakeCosignature(held.log, held.note).ok());
  }
  EXPECT_EQ(apac.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(2));
  const auto before = hq.node->CosignaturesAfter(0);
  clock_.Advance(absl::Seconds(2));
  hq.node->Tick();
  EXPECT_EQ(hq.node->CosignaturesAfter(0).size(), before.size());
}

TEST_F(NodeTest, ACosignatureThatCannotBeKeptIsNotGivenOut) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  hq.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "the disk is full"); });
  hq.node->Tick();
  EXPECT_THAT(hq.node->CosignaturesAfter(0), IsEmpty());
  hq.store->set_write_fault(nullptr);
  clock_.Advance(absl::Seconds(1));
  hq.node->Tick();
  EXPECT_EQ(hq.node->Logs()[0].cosignatures[SiteId(3)].first, Seq(1));
}

TEST_F(NodeTest, AnEmptyLogIsVouchedForToo) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  EXPECT_EQ(hq.node->Logs()[0].as_of, std::nullopt);
  apac.node->Tick();
  for (const auto& held : apac.node->CosignaturesAfter(0)) ASSERT_TRUE(hq.node->TakeCosignature(held.log, held.note).ok());
  EXPECT_EQ(hq.node->Logs()[0].as_of, clock_.Now());
  EXPECT_EQ(hq.node->Logs()[0].known_size, Seq(0));
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  EXPECT_EQ(note::ParseCheckpoint(note::Parse(*hq.node->CheckpointNote(LogId(1)))->text)->size, 1u);
}

TEST_F(NodeTest, AContradictingCosignatureQuarantinesItsLogOnly) {
  Site apac = Open("apac");
  Site other = Open("apac");  // the same site's key, another history
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  ASSERT_TRUE(Name(*other.node, "JP", "Another").ok());
  other.node->Tick();
  auto held = other.node->CosignaturesAfter(0);
  ASSERT_THAT(held, SizeIs(1));  // of its own log
  EXPECT_EQ(ReasonOf(hq.node->TakeCosignature(LogId(1), held[0].note)), "LOG_FORKED");
  EXPECT_TRUE(hq.node->Quarantined(LogId(1)));
  EXPECT_FALSE(hq.node->Quarantined(LogId(2)));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  EXPECT_EQ(hq.node->Applied().Get(LogId(1)), Seq(1));
  ASSERT_TRUE(Name(*hq.node, "US", "United States").ok());

  // A forged one is refused and changes nothing.
  Site eame = Open("eame");
  std::string forged = held[0].note;
  forged[forged.size() - 4] = forged[forged.size() - 4] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(eame.node->TakeCosignature(LogId(1), forged).ok());
  EXPECT_FALSE(eame.node->Quarantined(LogId(1)));
}

TEST_F(NodeTest, ANodeBehindItsOwnLogRecoversItBeforeItWrites) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  auto backup = apac.store->Crash(0);
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  hq.node->Tick();
  auto restored = Open("apac", std::move(backup));
  ASSERT_TRUE(restored.ok());
  for (const auto& held : hq.node->CosignaturesAfter(0)) ASSERT_TRUE(restored->node->TakeCosignature(held.log, held.note).ok());
  EXPECT_THAT(restored->node->UnwritableReason(), HasSubstr("recovers"));
  EXPECT_EQ(ReasonOf(Name(*restored->node, "PH", "Philippines").status()), "NODE_READ_ONLY");
  Sync(*hq.node, *restored->node);
  EXPECT_EQ(restored->node->UnwritableReason(), "");
  ASSERT_TRUE(Name(*restored->node, "PH", "Philippines").ok());
  EXPECT_EQ(restored->node->Applied().Get(LogId(1)), Seq(3));
  Sync(*restored->node, *hq.node);
  EXPECT_EQ(Digests(*restored->node), Digests(*hq.node));
}

TEST_F(NodeTest, AStoreOfAnotherSiteOrWithAnotherTreeIsRefused) {
  Site apac = Open("apac");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  EXPECT_THAT(std::string(Open("hq", apac.store->Crash(9)).status().message()), HasSubstr("site 'apac'"));

  auto damaged = apac.store->Crash(9);
  auto batch = damaged->NewBatch();
  Header header = *DecodeHeader((*apac.node->ReadHeaders(LogId(1), Seq(0), Seq(1)))[0]);
  header.time = Hlc(header.time.raw() + 1);
  batch->Put(storage::Cf::kHeaders, storage::DotKey({LogId(1), Seq(0)}), EncodeHeader(header));
  ASSERT_TRUE(damaged->Write(batch.get(), storage::Sync::kYes).ok());
  EXPECT_EQ(ReasonOf(Open("apac", std::move(damaged)).status()), "STORE_DAMAGED");
}

TEST_F(NodeTest, AudienceKeepsPayloadsFromOtherSitesAndHasItsOwnDigest) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  WriteRequest request = Naming(*apac.node, "KR", "Korea", RequestId());
  Op audience;
  audience.field = 6;
  audience.kind = MergeKind::kRestrictIntersect;
  audience.has_value = true;
  PutBytes(&audience.value, "apac");
  PutBytes(&audience.value, "hq");
  request.mutations[0].ops.push_back(audience);
  ASSERT_TRUE(Write(*apac.node, request).ok());
  Sync(*apac.node, *eame.node);
  Sync(*apac.node, *hq.node);
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  EXPECT_THAT(Digests(*hq.node), SizeIs(2));
  ASSERT_THAT(Digests(*eame.node), SizeIs(1));
  EXPECT_EQ(Digests(*eame.node)[0], Digests(*hq.node)[0]);
  EXPECT_FALSE((*eame.node->GetState(eame.node->store(), "countries/KR")).has_value());
  EXPECT_EQ(eame.node->OpaqueCount(), 0) << "it is not due there";
  const std::string listed(storage::kMetaListedPrefix);
  auto rows = eame.node->store().Iterate(storage::Cf::kMeta, listed, storage::PrefixEnd(listed));
  rows->SeekToFirst();
  EXPECT_FALSE(rows->Valid()) << "a list walks past none of those that are not due";

  WriteRequest unknown = Naming(*apac.node, "PH", "Philippines", RequestId());
  audience.value.clear();
  PutBytes(&audience.value, "nowhere");
  unknown.mutations[0].ops.push_back(audience);
  EXPECT_EQ(FieldOf(Write(*apac.node, unknown).status()), "audience");
}

v1::StateDigest DigestOf(const TestNetwork::Site& site) {
  v1::StateDigest digest;
  digest.set_site(site.node->options().site);
  for (const ClassDigestInfo& info : site.node->StateDigests().second) {
    v1::ClassDigest* one = digest.add_classes();
    one->set_audience(info.audience);
    one->set_digest(HexEncode(AsView(info.digest)));
    one->set_records(info.records);
  }
  return digest;
}

// The classes of two sites' records of which one site says that both hold them whole, and whether the digests are the same.
std::map<std::string, bool> Compared(const TestNetwork::Site& a, const TestNetwork::Site& b) {
  EXPECT_EQ(a.node->Applied(), b.node->Applied());
  EXPECT_EQ(a.node->OpaqueCount() + b.node->OpaqueCount(), 0);
  std::map<std::string, bool> compared;
  const ClassComparison classes = CompareClasses(DigestOf(a), DigestOf(b));
  for (const std::string& sites : classes.same) compared[sites] = true;
  for (const std::string& sites : classes.different) compared[sites] = false;
  return compared;
}

Mutation For(const Node& node, const std::string& code, const std::vector<std::string>& sites) {
  const auto state = *node.GetState(node.store(), "countries/" + code);
  v1::Country country;
  for (const std::string& site : sites) country.add_audience(site);
  const records::RecordType& type = *records::TheRegistry().FindByMessage("Country");
  return MutationFor(type, "countries/" + code, state ? &*state : nullptr, country, {country.GetDescriptor()->FindFieldByName("audience")});
}

TEST_F(NodeTest, ARecordThatASiteHoldsInPartIsNotComparedWithIt) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  const auto sync = [&] {
    for (const Site* from : {&apac, &eame, &hq}) {
      for (const Site* to : {&apac, &eame, &hq}) {
        if (from != to) Sync(*from->node, *to->node);
      }
    }
  };
  const auto write = [&](const Site& site, const std::string& code, const std::vector<std::string>& sites) {
    WriteRequest request = Naming(*site.node, code, code + site.node->options().site, RequestId());
    const Mutation audience = For(*site.node, code, sites);
    request.mutations[0].ops.insert(request.mutations[0].ops.end(), audience.ops.begin(), audience.ops.end());
    ASSERT_TRUE(Write(*site.node, request).ok());
  };
  const std::vector<std::string> two = {"apac", "hq"};
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  write(hq, "GB", {"eame", "hq"});
  sync();
  EXPECT_EQ(Compared(eame, hq), (std::map<std::string, bool>{{"*", true}, {"eame,hq", true}}));

  // An officer narrows a record's audience. eame has it for all, as it was.
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  sync();
  write(apac, "KR", two);
  sync();
  EXPECT_EQ(Compared(eame, hq), (std::map<std::string, bool>{{"eame,hq", true}}));
  EXPECT_EQ(Compared(eame, apac), (std::map<std::string, bool>{}));
  EXPECT_EQ(Compared(apac, hq), (std::map<std::string, bool>{{"*", true}, {"apac,hq", true}}));
  EXPECT_EQ(hq.node->Aggregate("partly/!apac,hq/*"), 1);
  EXPECT_EQ(eame.node->Aggregate("partly/!apac,hq/*"), 0) << "it cannot know";
  // One that has no other record for all says it, too.
  Site bare = Open("hq");
  Site all = Open("eame");
  Site author = Open("apac");
  ASSERT_TRUE(Name(*author.node, "KR", "Korea").ok());
  Sync(*author.node, *all.node);
  Sync(*author.node, *bare.node);
  write(author, "KR", two);
  Sync(*author.node, *all.node);
  Sync(*author.node, *bare.node);
  EXPECT_EQ(Compared(all, bare), (std::map<std::string, bool>{}));
  EXPECT_EQ(Compared(author, bare), (std::map<std::string, bool>{{"apac,hq", true}}));
  // Widened again, to one that lacks what was said meanwhile.
  write(apac, "KR", {});
  sync();
  EXPECT_EQ(Compared(eame, hq), (std::map<std::string, bool>{{"eame,hq", true}}));
  EXPECT_EQ(Compared(apac, hq), (std::map<std::string, bool>{{"*", true}}));

  // Between two restricted classes: those for all are compared.
  apac = Open("apac");
  eame = Open("eame");
  hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  write(apac, "KR", {"apac", "eame", "hq"});
  write(hq, "GB", {"eame", "hq"});
  sync();
  write(apac, "KR", two);
  sync();
  EXPECT_EQ(Compared(eame, hq), (std::map<std::string, bool>{{"*", true}, {"eame,hq", true}}));
  EXPECT_EQ(Compared(apac, hq), (std::map<std::string, bool>{{"*", true}, {"apac,hq", true}}));
}

TEST_F(NodeTest, ANaturalKeyThatTwoSitesMakeForDifferentSitesIsNotComparedWithThoseThatHaveOne) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  WriteRequest request = Naming(*apac.node, "KR", "Korea", RequestId());
  const Mutation audience = For(*apac.node, "KR", {"apac", "hq"});
  request.mutations[0].ops.insert(request.mutations[0].ops.end(), audience.ops.begin(), audience.ops.end());
  ASSERT_TRUE(Write(*apac.node, request).ok());
  ASSERT_TRUE(Name(*eame.node, "KR", "Republic of Korea").ok());
  ASSERT_TRUE(Name(*eame.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  Sync(*eame.node, *hq.node);
  Sync(*hq.node, *apac.node);
  Sync(*hq.node, *eame.node);
  EXPECT_EQ(Compared(eame, hq), (std::map<std::string, bool>{}));
  EXPECT_EQ(Compared(apac, hq), (std::map<std::string, bool>{{"*", true}, {"apac,hq", true}}));
  // What is derived anew says the same.
  auto store = hq.store->Crash(99);
  auto batch = store->NewBatch();
  batch->Delete(storage::Cf::kMeta, storage::kMetaDerived);
  ASSERT_TRUE(store->Write(batch.get(), storage::Sync::kYes).ok());
  auto again = Open("hq", std::move(store));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(Compared(eame, *again), (std::map<std::string, bool>{}));
  EXPECT_EQ(again->node->Aggregates(""), hq.node->Aggregates(""));
}

// hq was relayed an entry by a site outside its audience, then hears the origin.
TEST_F(NodeTest, AWantedPayloadIsFoldedWhenItComesThoughLaterEntriesCameFirst) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  WriteRequest request = Naming(*apac.node, "KR", "Korea", RequestId());
  Op audience;
  audience.field = 6;
  audience.kind = MergeKind::kRestrictIntersect;
  audience.has_value = true;
  PutBytes(&audience.value, "apac");
  PutBytes(&audience.value, "hq");
  request.mutations[0].ops.push_back(audience);
  ASSERT_TRUE(Write(*apac.node, request).ok());
  const Dot dot{LogId(1), Seq(1)};
  const std::string payload = **apac.node->ReadPayload(dot);
  Sync(*apac.node, *eame.node);
  EXPECT_THAT(eame.node->WantedPayloads(std::nullopt, 9), IsEmpty()) << "not for it";
  EXPECT_TRUE(*eame.node->IsOpaque(dot));
  EXPECT_THAT(eame.node->OpaqueEntries(std::nullopt, 9), IsEmpty()) << "nothing is wrong with it";
  EXPECT_EQ(eame.node->OpaqueCount(), 0);
  Sync(*eame.node, *hq.node);
  ASSERT_TRUE(Name(*apac.node, "KR", "Republic of Korea").ok());
  Sync(*apac.node, *hq.node);

  EXPECT_EQ(hq.node->OpaqueEntries(std::nullopt, 9)[0].cause, "PENDING");
  EXPECT_THAT(hq.node->WantedPayloads(std::nullopt, 9), ElementsAre(dot));
  EXPECT_THAT(hq.node->WantedPayloads(dot, 9), IsEmpty());
  EXPECT_NE(Digests(*hq.node), Digests(*apac.node));
  auto reopened = Open("hq", hq.store->Crash(99));
  ASSERT_TRUE(reopened.ok());
  Node& node = *reopened->node;
  EXPECT_THAT(node.WantedPayloads(std::nullopt, 9), ElementsAre(dot)) << "a restart forgets nothing";

  EXPECT_EQ(node.TakePayload(dot, payload + "x").code(), absl::StatusCode::kInvalidArgument);
  const Position before = node.JournalEnd();
  std::vector<Position> told;
  node.AddJournalListener([&](Position end) { told.push_back(end); });
  ASSERT_TRUE(node.TakePayload(dot, payload).ok());
  ASSERT_TRUE(node.TakePayload(dot, payload).ok()) << "two peers may send it";
  RunNode(node);
  EXPECT_EQ(node.OpaqueCount(), 0);
  EXPECT_THAT(node.WantedPayloads(std::nullopt, 9), IsEmpty());
  EXPECT_EQ(**node.ReadPayload(dot), payload);
  EXPECT_EQ(Country(node, "KR").display_name(), "Republic of Korea");
  EXPECT_EQ(Digests(node), Digests(*apac.node));
  // It is news here: whoever reads the journal finds the entry again.
  EXPECT_EQ(node.JournalEnd(), before + 1);
  EXPECT_THAT(*node.ReadJournal(before, 9), ElementsAre(dot));
  EXPECT_THAT(told, ElementsAre(before + 1));
  EXPECT_EQ(Name(node, "PH", "Philippines").status(), absl::OkStatus());
  Sync(node, *apac.node);
  EXPECT_EQ(Digests(node), Digests(*apac.node));
}

TEST_F(NodeTest, AWantedPayloadThatCannotBeFoldedIsInvalidAndNotWanted) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  // A payload of no known version, under a header that names it.
  Header header{.log = LogId(1), .seq = Seq(0), .time = Hlc::FromMillis(1'800'000'000'000), .deps = {}, .audience = {}};
  const std::string payload = "\x7f nothing that can be read";
  header.payload_digest = Sha256(payload);
  replication::RemoteBatch batch{.peer = "apac", .entries = {{{LogId(1), Seq(0)}, EncodeHeader(header), header, std::nullopt}}};
  EXPECT_EQ(Apply(*hq.node, batch).applied, 1u);
  ASSERT_TRUE(hq.node->TakePayload({LogId(1), Seq(0)}, payload).ok());
  RunNode(*hq.node);
  EXPECT_EQ(hq.node->OpaqueCount(), 1);
  EXPECT_EQ(hq.node->OpaqueEntries(std::nullopt, 9)[0].cause, "INVALID");
  EXPECT_THAT(hq.node->WantedPayloads(std::nullopt, 9), IsEmpty());
}

// An older program had no fold for the entry; this one has.
TEST_F(NodeTest, WhatAnOlderProgramDidNotKnowIsFoldedAtTheNextStart) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  replication::RemoteBatch batch = Missing(*apac.node, *hq.node);
  const std::string payload = *std::exchange(batch.entries[0].payload, std::nullopt);
  ASSERT_EQ(Apply(*hq.node, batch).applied, 1u);
  auto store = hq.store->Crash(99);
  const std::string key = storage::DotKey({LogId(1), Seq(0)});
  auto changes = store->NewBatch();
  changes->Put(storage::Cf::kPayloads, key, payload);
  changes->Delete(storage::Cf::kMeta, std::string(storage::kMetaWantedPrefix) + key);
  std::string cause;
  PutBytes(&cause, "UNKNOWN_KIND");
  PutBytes(&cause, "merge kind 9");
  changes->Put(storage::Cf::kOpaque, key, cause);
  ASSERT_TRUE(store->Write(changes.get(), storage::Sync::kYes).ok());
  auto newer = Open("hq", std::move(store));
  ASSERT_TRUE(newer.ok());
  RunNode(*newer->node);
  EXPECT_EQ(newer->node->OpaqueCount(), 0);
  EXPECT_EQ(Country(*newer->node, "JP").display_name(), "Japan");
  EXPECT_EQ(Digests(*newer->node), Digests(*apac.node));
}

TEST_F(NodeTest, OtherLogsGoOnWhenOneIsQuarantined) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  // eame holds more of apac's log than hq will ever take, and its own entry follows it.
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *eame.node);
  ASSERT_TRUE(Name(*eame.node, "FR", "France").ok());
  Site other = Open("apac");
  ASSERT_TRUE(Name(*other.node, "JP", "Another").ok());
  hq.node->ReportFork(LogId(1), *other.node->CheckpointNote(LogId(1)), "seen by a test");
  ASSERT_TRUE(hq.node->Quarantined(LogId(1)));
  Sync(*eame.node, *hq.node);
  EXPECT_EQ(Country(*hq.node, "FR").display_name(), "France");
  EXPECT_EQ(hq.node->Applied().Get(LogId(1)), Seq(1));
  EXPECT_EQ(hq.node->Applied().Get(LogId(2)), Seq(1));
}

TEST_F(NodeTest, AForkThatIsLongerThanWhatIsHeldIsFoundWhenTheLogGetsThere) {
  Site apac = Open("apac");
  Site other = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  ASSERT_TRUE(Name(*other.node, "JP", "Another").ok());
  ASSERT_TRUE(Name(*other.node, "KR", "Another").ok());
  Sync(*apac.node, *hq.node);
  hq.node->ReportFork(LogId(1), *other.node->CheckpointNote(LogId(1)), "seen by a test");
  EXPECT_FALSE(hq.node->Quarantined(LogId(1)));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  EXPECT_TRUE(hq.node->Quarantined(LogId(1)));
}

// An entry whose mutations revive a value of its own: the bytes of a dead value are fetched again from the entry that is being folded, so
// that the state does not depend on what is folded after it.
TEST_F(NodeTest, AValueRevivedWithinItsEntryHasItsBytesInEveryOrder) {
  const uint32_t type = records::TheRegistry().FindByMessage("Country")->number;
  auto mutation = [&](std::vector<Op> ops) {
    Mutation out;
    out.type = type;
    out.record = "countries/JP";
    out.ops = std::move(ops);
    return out;
  };
  auto request = [&](std::vector<Mutation> mutations) {
    WriteRequest out;
    out.actor = "officer/apac/watch";
    out.request_id = RequestId();
    out.method = "test";
    out.mutations = std::move(mutations);
    return out;
  };
  Payload shape;
  WriteRequest first = request({});
  shape.actor = first.actor;
  shape.request_id = first.request_id;
  shape.method = first.method;
  Op title{.field = 10, .kind = MergeKind::kRegister, .has_value = true, .value = "old"};
  shape.mutations.push_back(mutation({title}));
  title.value = "new";
  title.replaces = {{MutationIdOf(roster_.network(), shape, 0), 0}};
  shape.mutations.push_back(mutation({title}));
  Op seal{.field = 40, .kind = MergeKind::kState, .has_value = true, .seals = true};
  PutVarint(&seal.value, 1);
  PutVarint(&seal.value, 1);
  shape.mutations.push_back(mutation({seal}));
  first.mutations = shape.mutations;

  Site apac = Open("apac");
  Site eame = Open("eame");
  ASSERT_TRUE(Write(*apac.node, first).ok());
  Op note{.field = 11, .kind = MergeKind::kRegister, .has_value = true, .value = "note"};
  ASSERT_TRUE(Write(*eame.node, request({mutation({note})})).ok());
  Sync(*apac.node, *eame.node);
  Sync(*eame.node, *apac.node);
  EXPECT_EQ(Digests(*apac.node), Digests(*eame.node));
}

TEST_F(NodeTest, AWriteThatPeersCouldNotReadIsRefused) {
  Site apac = Open("apac");
  WriteRequest request = Naming(*apac.node, "JP", "Japan", RequestId());
  Op element{.field = 20, .kind = MergeKind::kSet, .has_value = true};
  for (size_t i = 0; i <= kOpsMax; ++i) {
    element.value = std::to_string(i);
    request.mutations[0].ops.push_back(element);
  }
  auto refused = Write(*apac.node, request);
  EXPECT_EQ(ReasonOf(refused.status()), "MESSAGE_TOO_LARGE");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("at most 4096"));
  EXPECT_EQ(apac.node->JournalEnd(), Position(0));
}

TEST_F(NodeTest, RequestIdsAreForgottenHoweverManyThereAre) {
  Site apac = Open("apac");
  auto remembered = [&] {
    size_t n = 0;
    auto it = apac.node->store().Iterate(storage::Cf::kRequests, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++n;
    return n;
  };
  const v1::Country country = [] {
    v1::Country c;
    c.set_display_name("Japan");
    return c;
  }();
  for (int i = 0; i < 12000; ++i) {
    WriteRequest request = RequestFor(*apac.node, "countries/C" + std::to_string(i), country, {"display_name"}, RequestId());
    apac.node->Write(std::move(request), [](const absl::StatusOr<WriteResult>& result) { ASSERT_TRUE(result.ok()); });
  }
  RunNode(*apac.node);
  ASSERT_EQ(remembered(), 12000u);
  // Not as soon as they are refused: one that was let in before that may wait in the queue.
  clock_.Advance(apac.node->options().request_horizon + absl::Minutes(1));
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  EXPECT_EQ(remembered(), 12001u);
  clock_.Advance(absl::Hours(2));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Name(*apac.node, "KR", "Korea " + std::to_string(i)).ok());
  EXPECT_EQ(remembered(), 5u);
}

// Indexes and figures equal what is derived anew from the states, after random writes at three sites.
TEST_F(NodeTest, DerivedDataEqualsARecount) {
  std::mt19937 random(7);
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  std::vector<Node*> nodes = {apac.node.get(), eame.node.get(), hq.node.get()};
  for (int i = 0; i < 300; ++i) {
    clock_.Advance(absl::Milliseconds(10));
    Node& node = *nodes[random() % 3];
    if (random() % 4 == 0) {
      Sync(*nodes[random() % 3], node);
      continue;
    }
    v1::Country country;
    country.set_display_name("n" + std::to_string(i));
    country.set_region(static_cast<v1::Region>(1 + random() % 4));
    country.set_withdrawn(random() % 8 == 0);
    const std::string name = "countries/" + std::string(1, 'A' + random() % 5) + "X";
    WriteRequest request = RequestFor(node, name, country, {"display_name", "region", "withdrawn"}, RequestId());
    ASSERT_TRUE(Write(node, request).ok());
  }
  for (int round = 0; round < 2; ++round) {
    for (Node* from : nodes) {
      for (Node* to : nodes) {
        if (from != to) Sync(*from, *to);
      }
    }
  }
  for (Node* node : nodes) {
    EXPECT_EQ(Digests(*node), Digests(*nodes[0]));
    Derived recount;
    LatticeHash digest;
    auto it = node->store().Iterate(storage::Cf::kRecords, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      auto state = DecodeState(it->value());
      ASSERT_TRUE(state.ok());
      std::string element;
      PutBytes(&element, it->key());
      digest.Add(element.append(it->value()));
      Derived one = DeriveFrom(*records::TheRegistry().FindByNumber(state->type), roster_, std::string(it->key()), *state);
      recount.index_keys.insert(one.index_keys.begin(), one.index_keys.end());
      for (const auto& [key, amount] : one.figures) recount.figures[key] += amount;
    }
    EXPECT_THAT(Digests(*node), ElementsAre("*:" + HexEncode(AsView(digest.Sum()))));
    std::set<std::string> stored;
    auto index = node->store().Iterate(storage::Cf::kIndexes, {}, {});
    for (index->SeekToFirst(); index->Valid(); index->Next()) stored.emplace(index->key());
    EXPECT_EQ(stored, recount.index_keys);
    auto figures = node->Aggregates("");
    EXPECT_EQ((std::map<std::string, int64_t>(figures.begin(), figures.end())), recount.figures);
  }
}

using Dump = std::map<std::string, std::string>;

// Folded and derived families, by family and key.
Dump FoldedOf(const storage::Store& store) {
  Dump dump;
  for (storage::Cf cf : {storage::Cf::kRecords, storage::Cf::kIndexes, storage::Cf::kDerived, storage::Cf::kAggregates}) {
    auto it = store.Iterate(cf, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      dump[std::string(storage::kCfNames[static_cast<size_t>(cf)]) + "/" + std::string(it->key())] = std::string(it->value());
    }
  }
  return dump;
}

class ConflictIndexTest : public NodeTest {
 protected:
  // Conflicts by the index, as "site collection name" and "collection name".
  static std::set<std::string> Indexed(const storage::Store& store) {
    std::set<std::string> keys;
    for (uint16_t index : {kConflictsByCollection, kConflictsBySite}) {
      std::string prefix;
      PutU16(&prefix, index);
      auto it = store.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        std::string key(it->key().substr(prefix.size()));
        std::replace(key.begin(), key.end(), '\0', ' ');
        keys.insert(key);
      }
    }
    return keys;
  }

  // A mutation of an engagement by someone who has read what the node holds: an edit, a move, a close.
  WriteRequest RandomEdit(Node& node, std::mt19937* random) {
    const auto below = [random](uint32_t n) { return (*random)() % n; };
    const records::RecordType& type = *records::TheRegistry().FindByMessage("Engagement");
    const std::string name = "engagements/e" + std::to_string(below(3));
    auto state = node.GetState(node.store(), name);
    EXPECT_TRUE(state.ok());
    v1::Engagement next;
    if (state->has_value()) next = static_cast<const v1::Engagement&>(*Materialise(type, name, **state));
    std::vector<std::string> fields;
    switch (below(5)) {
      case 0:
        next.set_title("title " + std::to_string(below(4)));
        fields = {"title"};
        break;
      case 1:
        next.set_notes("notes " + std::to_string(below(4)));
        fields = {"notes", "title"};
        break;
      case 2:
        if (next.countries_size() > 0 && below(2) == 0) {
          next.mutable_countries()->RemoveLast();
        } else {
          next.add_countries("countries/" + std::string(1, static_cast<char>('A' + below(5))) + "X");
        }
        fields = {"countries"};
        break;
      case 3:
        next.set_state(static_cast<v1::EngagementState>(1 + below(9)));
        fields = {"state"};
        break;
      default:
        next.set_withdrawn(below(4) == 0);
        fields = {"withdrawn"};
    }
    std::vector<const google::protobuf::FieldDescriptor*> descriptors;
    for (const std::string& field : fields) descriptors.push_back(next.GetDescriptor()->FindFieldByName(field));
    WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = RequestId();
    request.method = "fairlead.v1.EngagementService/UpdateEngagement";
    request.mutations = {MutationFor(type, name, state->has_value() ? &**state : nullptr, next, descriptors)};
    request.expectations = {{name, state->has_value() ? EtagOf(**state) : ""}};
    return request;
  }
};

TEST_F(ConflictIndexTest, HoldsEachFieldInConflictUnderItsCollectionAndTheSitesThatWrote) {
  Site apac = Open("apac");
  Site eame = Open("eame");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*hq.node, "JP", "Japan").ok());
  Sync(*hq.node, *apac.node);
  Sync(*hq.node, *eame.node);
  ASSERT_TRUE(Name(*apac.node, "JP", "of apac").ok());
  ASSERT_TRUE(Name(*eame.node, "JP", "of eame").ok());
  EXPECT_THAT(Indexed(*apac.store), IsEmpty());
  Sync(*apac.node, *hq.node);
  EXPECT_THAT(Indexed(*hq.store), IsEmpty());
  Sync(*eame.node, *hq.node);
  const std::string name = "countries/JP/conflicts/display_name";
  EXPECT_THAT(Indexed(*hq.store), ElementsAre("apac countries " + name, "countries  " + name, "eame countries " + name));
  EXPECT_EQ(hq.node->Aggregate(std::string(kConflictsFigure) + "hq"), 1);

  ASSERT_TRUE(Name(*hq.node, "JP", "settled").ok());
  EXPECT_THAT(Indexed(*hq.store), IsEmpty());
  EXPECT_EQ(hq.node->Aggregate(std::string(kConflictsFigure) + "hq"), 0);
}

TEST_F(ConflictIndexTest, EveryCausalOrderGivesTheSameBytes) {
  size_t conflicts_seen = 0;
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Site apac = Open("apac");
    Site eame = Open("eame");
    Site hq = Open("hq");
    const std::vector<Node*> nodes = {apac.node.get(), eame.node.get(), hq.node.get()};
    for (int i = 0; i < 80; ++i) {
      clock_.Advance(absl::Milliseconds(random() % 3));
      Node& node = *nodes[random() % 3];
      if (random() % 5 == 0) {
        Node& from = *nodes[random() % 3];
        if (&from != &node) Sync(from, node);
        continue;
      }
      WriteRequest request = RandomEdit(node, &random);
      if (request.mutations[0].ops.empty()) continue;
      ASSERT_TRUE(Write(node, std::move(request)).ok());
    }
    Sync(*apac.node, *hq.node);
    Sync(*eame.node, *hq.node);
    const Dump expected = FoldedOf(*hq.store);
    conflicts_seen += Indexed(*hq.store).size();

    // All entries, one by one, in an order that keeps causes before effects.
    const Site nobody = Open("apac");
    std::map<LogId, std::deque<replication::VerifiedEntry>> logs;
    for (replication::VerifiedEntry& entry : Missing(*hq.node, *nobody.node).entries) logs[entry.dot.log].push_back(std::move(entry));
    for (int order = 0; order < 4; ++order) {
      auto left = logs;
      Site fresh = Open("apac");
      for (size_t waiting = left.size(); waiting > 0;) {
        auto log = std::next(left.begin(), static_cast<ptrdiff_t>(random() % left.size()));
        if (log->second.empty() || !fresh.node->Applied().Covers(log->second.front().header.deps)) continue;
        replication::RemoteBatch batch;
        batch.peer = "hq";
        batch.entries.push_back(log->second.front());
        log->second.pop_front();
        const replication::ApplyResult applied = Apply(*fresh.node, std::move(batch));
        ASSERT_TRUE(applied.status.ok()) << applied.status;
        if (log->second.empty()) --waiting;
      }
      ASSERT_EQ(fresh.node->Applied(), hq.node->Applied());
      ASSERT_EQ(FoldedOf(*fresh.store), expected);
      ASSERT_EQ(Digests(*fresh.node), Digests(*hq.node));
    }

    // And so does deriving all of it anew.
    ASSERT_TRUE(RebuildDerived(records::TheRegistry(), roster_, hq.store).ok());
    ASSERT_EQ(FoldedOf(*hq.store), expected);
  }
  EXPECT_GT(conflicts_seen, 50u);
}

TEST_F(ConflictIndexTest, AStoreOfAnotherVersionOrCutOffWhileDerivingIsDerivedAnew) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  ASSERT_TRUE(Name(*apac.node, "JP", "of apac").ok());
  ASSERT_TRUE(Name(*hq.node, "JP", "of hq").ok());
  ASSERT_TRUE(Name(*hq.node, "KR", "Korea").ok());
  Sync(*apac.node, *hq.node);
  const Dump expected = FoldedOf(*hq.store);
  ASSERT_THAT(Indexed(*hq.store), SizeIs(3));
  const auto figures = hq.node->Aggregates("");

  // As an older program left it: no version, no index of conflicts, and a key that nothing accounts for.
  auto batch = hq.store->NewBatch();
  batch->Delete(storage::Cf::kMeta, storage::kMetaDerived);
  std::string prefix;
  PutU16(&prefix, kConflictsByCollection);
  auto it = hq.store->Iterate(storage::Cf::kIndexes, prefix, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) batch->Delete(storage::Cf::kIndexes, it->key());
  batch->Put(storage::Cf::kIndexes, "orphan", "");
  batch->Put(storage::Cf::kAggregates, "records/nowhere", std::string(8, '\1'));
  ASSERT_TRUE(hq.store->Write(batch.get(), storage::Sync::kYes).ok());
  it.reset();

  // The first attempt is cut off before its end.
  std::unique_ptr<storage::MemoryStore> cut = hq.store->Crash(0);
  int writes = 0;
  cut->set_write_fault([&writes](storage::Sync sync) {
    return sync == storage::Sync::kYes && ++writes == 2 ? absl::UnavailableError("power") : absl::OkStatus();
  });
  ASSERT_FALSE(RebuildDerived(records::TheRegistry(), roster_, cut.get()).ok());
  cut->set_write_fault(nullptr);
  ASSERT_EQ(*StoredDerivedVersion(*cut), 0u);
  auto reopened = Open("hq", cut->Crash(1));
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  EXPECT_EQ(FoldedOf(*reopened->store), expected);
  EXPECT_EQ(reopened->node->Aggregates(""), figures);
  EXPECT_EQ(*StoredDerivedVersion(*reopened->store), kDerivedVersion);
}

TEST_F(NodeTest, AWriteThatDependsOnOneFieldIsNotHeldUpByAnother) {
  Site apac = Open("apac");
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  const uint32_t display_name = static_cast<uint32_t>(v1::Country::kDisplayNameFieldNumber);
  const auto etag = [&] { return FieldEtagOf(**apac.node->GetState(apac.node->store(), "countries/JP"), display_name); };
  WriteRequest stale = Naming(*apac.node, "JP", "stale", RequestId());
  stale.expectations = {{"countries/JP", etag(), display_name}};
  WriteRequest good = stale;
  good.request_id = RequestId();

  // Another field changes: the record's etag is another one, the field's is not.
  v1::Country country = Country(*apac.node, "JP");
  country.set_alpha3("JPN");
  WriteRequest other = Naming(*apac.node, "JP", "Japan", RequestId());
  auto state = apac.node->GetState(apac.node->store(), "countries/JP");
  other.mutations = {MutationFor(*records::TheRegistry().FindByMessage("Country"), "countries/JP", &**state, country,
                                 {country.GetDescriptor()->FindFieldByName("alpha3")})};
  ASSERT_TRUE(Write(*apac.node, std::move(other)).ok());
  ASSERT_TRUE(Write(*apac.node, std::move(good)).ok());
  EXPECT_EQ(Country(*apac.node, "JP").display_name(), "stale");
  EXPECT_EQ(Country(*apac.node, "JP").alpha3(), "JPN");
  const auto refused = Write(*apac.node, std::move(stale));
  EXPECT_EQ(ReasonOf(refused.status()), "ETAG_MISMATCH");
}

TEST_F(NodeTest, MoreReplicasThanTheAudienceHasAreRefusedBeforeAnythingIsWritten) {
  Site apac = Open("apac");
  WriteRequest request = Naming(*apac.node, "JP", "Japan", RequestId());
  request.replicas = 3;
  const auto refused = Write(*apac.node, request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(refused.status()), "fairlead-durability");
  EXPECT_EQ(apac.node->JournalEnd(), Position(0));
  request.replicas = 2;
  const auto written = Write(*apac.node, request);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_TRUE(apac.node->AudienceOf(written->dot)->all);
  EXPECT_EQ(apac.node->AudienceOf({LogId(1), Seq(1)}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(NodeTest, CosignaturesAreToldToThoseWhoListen) {
  Site apac = Open("apac");
  Site hq = Open("hq");
  std::vector<LogId> told;
  const uint64_t listener = apac.node->AddCosignatureListener([&told](LogId log) { told.push_back(log); });
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  hq.node->Tick();
  EXPECT_THAT(told, IsEmpty());
  for (const replication::HeldCosignature& held : hq.node->CosignaturesAfter(0)) {
    ASSERT_TRUE(apac.node->TakeCosignature(held.log, held.note).ok());
  }
  EXPECT_THAT(told, testing::Contains(LogId(1)));
  const auto cosigned = apac.node->Cosigned(LogId(1));
  EXPECT_EQ(cosigned.at(hq.node->site()), Seq(1));
  apac.node->RemoveCosignatureListener(listener);
  told.clear();
  clock_.Advance(absl::Seconds(2));
  apac.node->Tick();
  EXPECT_THAT(told, IsEmpty());
}

}  // namespace
}  // namespace fairlead::node
