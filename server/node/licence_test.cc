#include "server/node/licence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/note.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/node_testing.h"
#include "storage/memory_store.h"
#include "storage/scratch_directory.h"

namespace fairlead::node {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kOrigin[] = "test.example/apac/1/main";
constexpr char kAuditOrigin[] = "test.example/apac/1/audit";

LogSizes Sizes(uint64_t main, uint64_t audit = 0) { return {{kOrigin, Seq(main)}, {kAuditOrigin, Seq(audit)}}; }

class LicenceTest : public ::testing::Test {
 protected:
  LicenceTest() { Issue(); }

  void Issue() {
    ASSERT_TRUE(
        file_->Replace(FormatLicence({.origin = kOrigin, .unused_until = clock_.Now() + absl::Hours(1), .id = "", .size = {}})).ok());
  }
  std::unique_ptr<LicenceKeeper> Open(storage::Store* store, uint64_t main, uint64_t audit = 0) {
    auto keeper = LicenceKeeper::Open(
        {.file = file_.get(), .origin = kOrigin, .peers = {"csa", "eame"}, .clock = &clock_, .renew_interval = absl::Minutes(1)}, store,
        Sizes(main, audit));
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    return *std::move(keeper);
  }
  Licence InFile() {
    auto licence = ParseLicence(file_->Read()->value());
    EXPECT_TRUE(licence.ok()) << licence.status();
    return *licence;
  }

  storage::ScratchDirectory folder_;
  std::unique_ptr<LicenceFile> file_ = LicenceFileAt(folder_.path() + "/licence");
  ManualClock clock_;
  storage::MemoryStore store_;
};

TEST_F(LicenceTest, ANewSiteWritesAtOnce) {
  auto keeper = Open(&store_, 0);
  EXPECT_EQ(keeper->Missing(), "");
  EXPECT_EQ(InFile().size, Seq(0));
  EXPECT_EQ(InFile().id.size(), kLicenceIdBytes);
}

TEST_F(LicenceTest, AnUnusedLicenceIsForAnEmptyLogAndATime) {
  EXPECT_THAT(Open(&store_, 1)->Missing(), HasSubstr("has never been used, and this store has entries"));
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(Open(&store_, 0)->Missing(), HasSubstr("was to be taken up sooner"));
}

TEST_F(LicenceTest, ARestartKeepsIt) {
  std::string id;
  for (int i = 0; i < 3; ++i) {
    auto keeper = Open(&store_, static_cast<uint64_t>(i));
    EXPECT_EQ(keeper->Missing(), "") << i;
    EXPECT_NE(InFile().id, id) << "each opening has its own";
    id = InFile().id;
  }
}

TEST_F(LicenceTest, OneThatIsGrantedIsTheStoresAndNoOthers) {
  storage::MemoryStore former;
  Open(&former, 0);
  ASSERT_TRUE(LicenceKeeper::Grant({.file = file_.get(), .origin = kOrigin, .clock = &clock_}, &store_, Sizes(4, 2)).ok());
  EXPECT_EQ(InFile().size, Seq(4));
  EXPECT_THAT(Open(&former, 5)->Missing(), HasSubstr("belongs to another store"));
  EXPECT_EQ(Open(&store_, 4, 2)->Missing(), "");
}

// --- What has none -----------------------------------------------------------------------------------------------------------------------

TEST_F(LicenceTest, AnEmptyStoreInPlaceOfALostOne) {
  Open(&store_, 0);
  storage::MemoryStore empty;
  EXPECT_THAT(Open(&empty, 0)->Missing(), HasSubstr("belongs to another store"));
}

TEST_F(LicenceTest, ACopyMadeBeforeARestart) {
  Open(&store_, 0);
  std::unique_ptr<storage::MemoryStore> copy = store_.Crash(0);
  Open(&store_, 0);
  EXPECT_THAT(Open(copy.get(), 0)->Missing(), HasSubstr("of which this may be an older copy"));
}

TEST_F(LicenceTest, ACopyMadeBeforeARenewal) {
  auto keeper = Open(&store_, 0);
  std::unique_ptr<storage::MemoryStore> copy = store_.Crash(0);
  keeper->Renew(Sizes(5), Position(0));
  EXPECT_EQ(InFile().size, Seq(0)) << "not before its time";
  clock_.Advance(absl::Minutes(2));
  keeper->Renew(Sizes(5), Position(0));
  EXPECT_EQ(InFile().size, Seq(5));
  EXPECT_THAT(Open(copy.get(), 0)->Missing(), HasSubstr("of which this may be an older copy"));
}

TEST_F(LicenceTest, AStoreThatIsShorterThanItWas) {
  Open(&store_, 7);  // its licence was never used: not taken
  ASSERT_EQ(InFile().id, "");
  Open(&store_, 0);
  Open(&store_, 7);
  EXPECT_EQ(InFile().size, Seq(7));
  EXPECT_THAT(Open(&store_, 6)->Missing(), HasSubstr("knows of 7 entries of test.example/apac/1/main, and this store has 6"));
}

TEST_F(LicenceTest, AStoreWhoseOtherStreamsAreShorterThanTheyWere) {
  Open(&store_, 0);
  Open(&store_, 7, 3);
  EXPECT_EQ(InFile().others, (LogSizes{{kAuditOrigin, Seq(3)}}));
  EXPECT_THAT(Open(&store_, 7, 2)->Missing(), HasSubstr("knows of 3 entries of test.example/apac/1/audit, and this store has 2"));
}

TEST_F(LicenceTest, AnUnusedLicenceIsForAStoreWithoutEntriesOfAnyStream) {
  EXPECT_THAT(Open(&store_, 0, 1)->Missing(), HasSubstr("has never been used, and this store has entries"));
}

// Written by a program that knew of one stream, or before there was another.
TEST_F(LicenceTest, ALicenceThatNamesOneLogIsForTheStreamsThatCameSince) {
  Open(&store_, 0);
  const Licence used = InFile();
  ASSERT_TRUE(used.others.empty());
  EXPECT_EQ(Open(&store_, 2, 5)->Missing(), "");
  EXPECT_EQ(InFile().others, (LogSizes{{kAuditOrigin, Seq(5)}}));
}

TEST_F(LicenceTest, AStreamThatGrowsRenewsIt) {
  auto keeper = Open(&store_, 0);
  clock_.Advance(absl::Minutes(2));
  const std::string id = InFile().id;
  keeper->Renew(Sizes(0), Position(0));
  EXPECT_EQ(InFile().id, id) << "nothing has grown";
  keeper->Renew(Sizes(0, 1), Position(0));
  EXPECT_NE(InFile().id, id);
  EXPECT_EQ(InFile().others, (LogSizes{{kAuditOrigin, Seq(1)}}));
}

// What was received since is not in the copy either: its journal will go on otherwise.
TEST_F(LicenceTest, AJournalThatGrowsRenewsIt) {
  auto keeper = Open(&store_, 0);
  clock_.Advance(absl::Minutes(2));
  const std::string id = InFile().id;
  std::unique_ptr<storage::MemoryStore> copy = store_.Crash(0);
  keeper->Renew(Sizes(0), Position(1));
  const std::string next = InFile().id;
  EXPECT_NE(next, id);
  clock_.Advance(absl::Minutes(2));
  keeper->Renew(Sizes(0), Position(1));
  EXPECT_EQ(InFile().id, next) << "nothing has come";
  EXPECT_FALSE(Open(copy.get(), 0)->Entitled());
}

TEST_F(LicenceTest, NoFileAndAnotherLogsFile) {
  ASSERT_TRUE(
      file_->Replace(FormatLicence({.origin = "test.example/apac/2/main", .unused_until = clock_.Now(), .id = "", .size = {}})).ok());
  EXPECT_THAT(Open(&store_, 0)->Missing(), HasSubstr("is for log test.example/apac/2/main"));
  ASSERT_TRUE(file_->Replace("fairlead licence v1\n").ok());
  EXPECT_THAT(Open(&store_, 0)->Missing(), HasSubstr("licence line 2"));
  file_ = LicenceFileAt(folder_.path() + "/absent");
  EXPECT_THAT(Open(&store_, 0)->Missing(), HasSubstr("there is no " + folder_.path() + "/absent"));
}

// A crash between the writes to store and file, at each of them.
TEST_F(LicenceTest, ACrashWhileItIsTakenLosesNothing) {
  for (int writes = 0; writes < 3; ++writes) {
    SCOPED_TRACE(writes);
    storage::MemoryStore store;
    Issue();
    Open(&store, 0);
    int left = writes;
    store.set_write_fault([&](storage::Sync) { return left-- > 0 ? absl::OkStatus() : absl::UnavailableError("crashed"); });
    Open(&store, 3);
    store.set_write_fault(nullptr);
    EXPECT_EQ(Open(&store, 3)->Missing(), "");
  }
}

// The disk was full at the start and has room again: no peer is needed.
TEST_F(LicenceTest, AFullDiskAtTheStartIsNoLoss) {
  Open(&store_, 0);
  store_.set_write_fault([](storage::Sync) { return absl::ResourceExhaustedError("no space"); });
  auto keeper = Open(&store_, 3);
  EXPECT_THAT(keeper->Missing(), HasSubstr("no space"));
  clock_.Advance(absl::Seconds(2));
  EXPECT_FALSE(keeper->Renew(Sizes(3), Position(0)));
  store_.set_write_fault(nullptr);
  EXPECT_FALSE(keeper->Renew(Sizes(3), Position(0))) << "not at once again";
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(keeper->Renew(Sizes(3), Position(0)));
  EXPECT_EQ(keeper->Missing(), "");
  EXPECT_EQ(InFile().size, Seq(3));
}

// --- How it comes back -------------------------------------------------------------------------------------------------------------------

TEST_F(LicenceTest, ComesWhenEveryPeersWordIsCovered) {
  Open(&store_, 0);
  storage::MemoryStore empty;
  auto keeper = Open(&empty, 0);
  EXPECT_THAT(keeper->Missing(), HasSubstr("it waits for csa, eame."));
  EXPECT_FALSE(keeper->PeerHolds("csa", Sizes(4), Sizes(0)));
  EXPECT_THAT(keeper->Missing(), HasSubstr("it waits for csa (4 entries of test.example/apac/1/main), eame."));
  EXPECT_FALSE(keeper->PeerHolds("eame", Sizes(2), Sizes(2)));
  EXPECT_FALSE(keeper->PeerHolds("hq", Sizes(2), Sizes(2))) << "not a peer of the configuration";
  EXPECT_THAT(keeper->Missing(), HasSubstr("it waits for csa (4 entries of test.example/apac/1/main)."));
  EXPECT_FALSE(keeper->PeerHolds("csa", Sizes(4), Sizes(3)));
  EXPECT_TRUE(keeper->PeerHolds("csa", Sizes(4), Sizes(4)));
  EXPECT_EQ(keeper->Missing(), "");
  EXPECT_EQ(InFile().size, Seq(4));
  EXPECT_EQ(Open(&empty, 4)->Missing(), "");
}

TEST_F(LicenceTest, DoesNotComeWhileAPeerHoldsMoreOfAnotherStream) {
  Open(&store_, 0);
  storage::MemoryStore empty;
  auto keeper = Open(&empty, 0);
  EXPECT_FALSE(keeper->PeerHolds("csa", Sizes(4, 2), Sizes(4, 1)));
  EXPECT_FALSE(keeper->PeerHolds("eame", Sizes(0, 0), Sizes(4, 1)));
  EXPECT_THAT(keeper->Missing(), HasSubstr("it waits for csa (2 entries of test.example/apac/1/audit)."));
  EXPECT_FALSE(keeper->PeerHolds("csa", Sizes(5, 2), Sizes(4, 2)));
  EXPECT_THAT(keeper->Missing(), HasSubstr("it waits for csa (5 entries of test.example/apac/1/main)."));
  EXPECT_TRUE(keeper->PeerHolds("csa", Sizes(5, 2), Sizes(5, 2)));
  EXPECT_EQ(InFile().others, (LogSizes{{kAuditOrigin, Seq(2)}}));
}

TEST_F(LicenceTest, WithoutPeersItDoesNotComeBack) {
  auto keeper = LicenceKeeper::Open({.file = file_.get(), .origin = kOrigin, .clock = &clock_}, &store_, Sizes(9));
  ASSERT_TRUE(keeper.ok());
  EXPECT_FALSE((*keeper)->PeerHolds("csa", Sizes(0), Sizes(9)));
  EXPECT_THAT((*keeper)->Missing(), HasSubstr("it has no peer to ask"));
  EXPECT_THAT((*keeper)->Missing(), HasSubstr("begin a new epoch"));
}

// Nothing may be signed under a licence that could not be written down.
TEST_F(LicenceTest, AFileThatCannotBeWrittenIsNoLicence) {
  const std::string path = folder_.path() + "/sub/licence";
  std::filesystem::create_directory(folder_.path() + "/sub");
  file_ = LicenceFileAt(path);
  Issue();
  std::filesystem::create_directory(path + ".next");  // in the way
  auto keeper = Open(&store_, 0);
  EXPECT_THAT(keeper->Missing(), HasSubstr(path));
  EXPECT_THAT(keeper->Missing(), HasSubstr("cannot be made"));
}

// --- The node ----------------------------------------------------------------------------------------------------------------------------

class LicensedNodeTest : public ::testing::Test {
 protected:
  std::unique_ptr<LicenceFile> IssueTo(const std::string& site) {
    auto file = LicenceFileAt(folder_.path() + "/" + site);
    const std::string origin = network_.roster().CurrentLog(network_.roster().FindSite(site)->id, kMainStream)->origin();
    const absl::Time until = absl::FromUnixSeconds(absl::ToUnixSeconds(network_.clock().Now()) + 3600);
    EXPECT_TRUE(file->Replace(FormatLicence({.origin = origin, .unused_until = until, .id = "", .size = {}})).ok());
    return file;
  }
  absl::Status Name(Node& node, const std::string& code) {
    v1::Country country;
    country.set_display_name(code);
    country.set_region(v1::REGION_APAC);
    return Write(node, RequestFor(node, "countries/" + code, country, {"display_name", "region"}, network_.clock().RequestId())).status();
  }
  std::vector<replication::HeldOwnLog> Held(uint64_t size, std::optional<replication::VerifiedCheckpoint> awaited = {}) const {
    return {{apac_log_, Seq(size), std::move(awaited)}};
  }
  static uint64_t SignedSize(const Node& node, LogId log) {
    auto note = node.CheckpointNote(log);
    return note ? note::ParseCheckpoint(note::Parse(*note)->text)->size : 0;
  }

  storage::ScratchDirectory folder_;
  TestNetwork network_{{"apac", "eame", "hq"}};
  const LogId apac_log_{1};
};

// The copy holds less than was acknowledged, no peer has told it so, and it must not say or do anything in its site's name.
TEST_F(LicensedNodeTest, AnOldCopySignsNothingUntilItHasRecovered) {
  const std::unique_ptr<LicenceFile> licence = IssueTo("apac");
  auto apac = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"eame", "hq"});
  ASSERT_TRUE(apac.ok()) << apac.status();
  auto hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac->node, "JP").ok());
  auto copy = apac->store->Crash(99);
  auto again = network_.Open("apac", apac->store->Crash(99), licence.get(), {"eame", "hq"});  // a restart: the copy's id is an old one
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(Name(*again->node, "KR").ok());
  Sync(*again->node, *hq.node);
  const std::string journal = again->node->JournalInstance();
  EXPECT_EQ(journal, apac->node->JournalInstance());

  auto restored = network_.Open("apac", std::move(copy), licence.get(), {"eame", "hq"});
  ASSERT_TRUE(restored.ok()) << restored.status();
  Node& node = *restored->node;
  EXPECT_EQ(node.Applied().Get(apac_log_), Seq(1));
  EXPECT_NE(node.JournalInstance(), journal) << "what follows in it is not what had followed: tokens of before do not resume here";
  EXPECT_THAT(node.UnwritableReason(), HasSubstr("older copy"));
  EXPECT_EQ(Name(node, "PH").code(), absl::StatusCode::kUnavailable);
  network_.clock().Advance(absl::Seconds(5));
  node.Tick();
  for (const auto& held : node.CosignaturesAfter(0)) EXPECT_NE(held.log, apac_log_) << "it would say that its log ends at 1";

  node.PeerHolds("eame", Held(1));
  node.PeerHolds("hq", Held(2));
  EXPECT_THAT(node.UnwritableReason(), HasSubstr("hq (2 entries of test.example/apac/1/main)"));
  Sync(*hq.node, node);
  EXPECT_THAT(node.UnwritableReason(), HasSubstr("hq (2 entries of test.example/apac/1/main)")) << "until it says so again";
  node.PeerHolds("hq", Held(2));
  EXPECT_EQ(node.UnwritableReason(), "");
  EXPECT_EQ(SignedSize(node, apac_log_), 2u);
  ASSERT_TRUE(Name(node, "PH").ok());
  EXPECT_EQ(SignedSize(node, apac_log_), 3u);
  Sync(node, *hq.node);
  EXPECT_EQ(Digests(node), Digests(*hq.node));
}

// The peer has seen the checkpoint of an entry, and never had the entry. A second entry of that number would be a second history.
TEST_F(LicensedNodeTest, WhatWasSignedAndIsLostKeepsTheLogShut) {
  const std::unique_ptr<LicenceFile> licence = IssueTo("apac");
  auto apac = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  auto hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac->node, "JP").ok());
  Sync(*apac->node, *hq.node);
  EXPECT_EQ(hq.node->AwaitedCheckpointNote(apac_log_), std::nullopt);
  ASSERT_TRUE(Name(*apac->node, "KR").ok());
  replication::RemoteBatch lost = Missing(*apac->node, *hq.node);
  replication::RemoteBatch signed_only = lost;
  signed_only.entries.clear();
  ASSERT_TRUE(Apply(*hq.node, std::move(signed_only)).status.ok());
  const std::optional<std::string> note = hq.node->AwaitedCheckpointNote(apac_log_);
  ASSERT_EQ(note, apac->node->CheckpointNote(apac_log_));
  auto checkpoint = note::ParseCheckpoint(note::Parse(*note)->text);
  const replication::VerifiedCheckpoint awaited{apac_log_, Seq(2), checkpoint->root, *note};

  auto empty = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  ASSERT_TRUE(empty.ok());
  Sync(*hq.node, *empty->node);
  empty->node->PeerHolds("hq", Held(1, awaited));
  EXPECT_THAT(empty->node->UnwritableReason(), HasSubstr("peers hold 2 entries of this site's log and this node 1"));
  EXPECT_EQ(Name(*empty->node, "PH").code(), absl::StatusCode::kUnavailable);

  // Not even when nobody else remembers, and the power has failed here.
  auto again = network_.Open("apac", empty->store->Crash(99), licence.get(), {"hq"});
  ASSERT_TRUE(again.ok()) << again.status();
  again->node->PeerHolds("hq", Held(1));
  EXPECT_THAT(again->node->UnwritableReason(), HasSubstr("peers hold 2 entries of this site's log and this node 1"));
  network_.clock().Advance(absl::Seconds(5));
  again->node->Tick();
  for (const auto& held : again->node->CosignaturesAfter(0)) EXPECT_NE(held.log, apac_log_) << "it would say that its log ends at 1";

  // The entry turns up.
  ASSERT_TRUE(Apply(*again->node, std::move(lost)).status.ok());
  again->node->PeerHolds("hq", Held(1, awaited));
  EXPECT_EQ(again->node->UnwritableReason(), "");
  EXPECT_TRUE(Name(*again->node, "PH").ok());
  EXPECT_EQ(SignedSize(*again->node, apac_log_), 3u);
}

// Its peers may have no other way to each other.
TEST_F(LicensedNodeTest, ASiteWhoseLogStaysShutSendsPayloadsOnceAllPeersWereHeard) {
  const std::unique_ptr<LicenceFile> licence = IssueTo("apac");
  auto apac = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"eame", "hq"});
  auto hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac->node, "JP").ok());
  EXPECT_THAT(apac->node->MaybeErased(), IsEmpty()) << "it has its licence";
  ASSERT_TRUE(Name(*hq.node, "FR").ok());
  auto empty = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"eame", "hq"});
  ASSERT_TRUE(empty.ok());
  Sync(*hq.node, *empty->node);
  EXPECT_THAT(empty->node->MaybeErased(), Not(IsEmpty()));
  empty->node->PeerErasures(SiteId(3), hq.node->Erasures());
  EXPECT_THAT(empty->node->MaybeErased(), Not(IsEmpty())) << "what eame has erased it does not know";
  VersionVector of_eame;
  of_eame.Set(LogId(2), Seq(1));
  empty->node->PeerErasures(SiteId(2), of_eame);
  EXPECT_THAT(empty->node->MaybeErased(), Not(IsEmpty())) << "it knows, and has not done it";
  empty->node->PeerErasures(SiteId(2), {});
  EXPECT_THAT(empty->node->MaybeErased(), IsEmpty());
  EXPECT_NE(empty->node->UnwritableReason(), "");
}

TEST_F(LicensedNodeTest, AnEmptyStoreIsFilledByItsPeersAndThenWrites) {
  const std::unique_ptr<LicenceFile> licence = IssueTo("apac");
  auto apac = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  auto hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac->node, "JP").ok());
  Sync(*apac->node, *hq.node);
  ASSERT_TRUE(Name(*hq.node, "FR").ok());
  auto empty = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->node->CheckpointNote(apac_log_), std::nullopt) << "an empty log signed now would be a second history";
  Sync(*hq.node, *empty->node);
  empty->node->PeerHolds("hq", Held(1));
  ASSERT_TRUE(Name(*empty->node, "PH").ok());
  EXPECT_EQ(empty->node->Applied().Get(apac_log_), Seq(2));
  Sync(*empty->node, *hq.node);
  EXPECT_EQ(Digests(*empty->node), Digests(*hq.node));
}

}  // namespace
}  // namespace fairlead::node
