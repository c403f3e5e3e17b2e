// Members of one site that share a commit log: what one appends the others fold, whoever leads, whatever answers are lost.
//
// The log is of this process and does what server/node/commit_log.h promises; that etcd's does, too, is shown in tests/etcd.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "api/note.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/commit_log.h"
#include "server/node/erasures.h"
#include "server/node/node_testing.h"
#include "server/records/entry_void.h"
#include "storage/scratch_directory.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Site = TestNetwork::Site;

// What the members of a site share.
struct SharedLog {
  std::vector<JournalItem> items;
  uint64_t term = 0;         // of the member elected last
  bool lose_answer = false;  // of the next append
};

// One member's part of it. It may believe in a term that is over.
class MemberLog : public CommitLog {
 public:
  MemberLog(SharedLog* shared, storage::Store* store) : shared_(*shared), store_(store) {}
  bool needs_items() const override { return true; }
  size_t append_bytes_max() const override { return 4096; }
  uint64_t Term() const override { return term; }
  absl::Time LedUntil(uint64_t of, Position) const override { return of == term && of != 0 ? led_until : absl::InfinitePast(); }
  absl::Status Append(Position expected, Position end, const std::vector<JournalItem>& items, storage::Batch* folded) override {
    EXPECT_EQ(end.value(), expected.value() + items.size());
    if (items.empty()) return store_->Write(folded, storage::Sync::kYes);
    if (term == 0 || term != shared_.term) {
      term = 0;
      return absl::AbortedError("another member of the site writes now");
    }
    size_t bytes = 0;
    for (const JournalItem& item : items) {
      if (!item.header.empty()) bytes += kItemOverheadBytes + item.header.size() + item.payload.value_or("").size();
    }
    if (items.size() > 1024 || (items.size() > 1 && bytes > append_bytes_max())) {
      return Error(Reason::kMessageTooLarge, "more than is taken at once");
    }
    if (expected.value() != shared_.items.size()) return absl::FailedPreconditionError("the log ends elsewhere");
    shared_.items.insert(shared_.items.end(), items.begin(), items.end());
    if (std::exchange(shared_.lose_answer, false)) return absl::UnavailableError("it is not known");
    const absl::Status written = store_->Write(folded, storage::Sync::kYes);
    return written.ok() ? written : absl::UnavailableError(written.message());
  }
  absl::StatusOr<JournalPart> Read(Position from, size_t) override {
    ++reads;
    const size_t end = std::min(shared_.items.size(), from.value() + 7);
    return JournalPart{{shared_.items.begin() + static_cast<ptrdiff_t>(from.value()), shared_.items.begin() + static_cast<ptrdiff_t>(end)},
                       end == shared_.items.size()};
  }
  absl::StatusOr<Position> End() override { return Position(shared_.items.size()); }

  uint64_t term = 0;
  absl::Time led_until = absl::InfinitePast();
  int reads = 0;

 private:
  SharedLog& shared_;
  storage::Store* const store_;
};

struct Member {
  Site site;
  MemberLog* log = nullptr;  // the node's
  Node& node() const { return *site.node; }
};

class FollowingTest : public ::testing::Test {
 protected:
  Member Open(std::unique_ptr<storage::MemoryStore> store = nullptr, LicenceFile* licence = nullptr) {
    Member member;
    if (store == nullptr) {
      store = std::make_unique<storage::MemoryStore>();
      auto instance = store->NewBatch();
      instance->Put(storage::Cf::kMeta, storage::kMetaJournalInstance, "an instance");
      EXPECT_TRUE(store->Write(instance.get(), storage::Sync::kYes).ok());
    }
    NodeOptions options = network_.OptionsOf("apac");
    options.registry = registry_;
    options.licence = licence;
    if (licence != nullptr) options.peers = {"hq"};
    options.commit_log = [&](storage::Store* s) -> absl::StatusOr<std::unique_ptr<CommitLog>> {
      auto log = std::make_unique<MemberLog>(&shared_, s);
      member.log = log.get();
      return log;
    };
    auto opened = TestNetwork::Open(std::move(options), std::move(store));
    EXPECT_TRUE(opened.ok()) << opened.status();
    member.site = *std::move(opened);
    return member;
  }
  void Elect(const Member& member) {
    member.log->term = ++shared_.term;
    member.log->led_until = clock_.Now();
    Follow(member);
  }
  void Follow(const Member& member) {
    member.node().Wake();
    RunNode(member.node());
    NoteSigned(member.node());
  }
  // Invariant: one root for each size of each log of the site, whoever signs.
  void NoteSigned(const Node& node) {
    for (const auto& [stream, log] : node.own_logs()) {
      const auto note = node.CheckpointNote(log);
      if (!note) continue;
      const auto checkpoint = note::ParseCheckpoint(note::Parse(*note)->text);
      ASSERT_TRUE(checkpoint.ok());
      const auto [it, inserted] = signed_.try_emplace({log, checkpoint->size}, checkpoint->root);
      EXPECT_EQ(it->second, checkpoint->root) << stream << " of size " << checkpoint->size;
    }
  }
  WriteRequest Naming(const Node& node, const std::string& code, const std::string& name) {
    clock_.Advance(absl::Milliseconds(1));
    v1::Country country;
    country.set_display_name(name);
    return RequestFor(node, "countries/" + code, country, {"display_name"}, clock_.RequestId());
  }
  absl::StatusOr<WriteResult> Name(Node& node, const std::string& code, const std::string& name) {
    return Write(node, Naming(node, code, name));
  }
  // For these sites alone.
  static void Restrict(WriteRequest* request, const std::vector<std::string>& sites) {
    Op audience;
    audience.field = 6;
    audience.kind = MergeKind::kRestrictIntersect;
    audience.has_value = true;
    for (const std::string& site : sites) PutBytes(&audience.value, site);
    request->mutations[0].ops.push_back(audience);
  }
  absl::StatusOr<WriteResult> Erase(Node& node, Dot entry) {
    clock_.Advance(absl::Milliseconds(1));
    const auto bytes = node.ReadPayload(entry);
    if (!bytes.ok() || !bytes->has_value()) return absl::NotFoundError("it is erased");
    WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = clock_.RequestId();
    request.method = "fairlead.v1.RecordService/EraseRevision";
    request.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**bytes), entry, "not to be kept", "ruling 7"));
    return Write(node, request);
  }
  absl::StatusOr<WriteResult> Discard(Node& node, Dot dot) {
    clock_.Advance(absl::Milliseconds(1));
    v1::EntryVoid entry_void;
    entry_void.set_entry("apac/1/" + std::to_string(dot.seq.value()));
    entry_void.set_reason("made by a faulty program");
    return Write(node, RequestFor(node, records::VoidRecord(dot), entry_void, {"entry", "reason"}, clock_.RequestId()));
  }
  // Everything that follows from the log is the same at both.
  static void ExpectSame(const Node& a, const Node& b) {
    EXPECT_EQ(a.JournalEnd(), b.JournalEnd());
    EXPECT_EQ(*a.ReadJournal(Position(0), 100000), *b.ReadJournal(Position(0), 100000));
    EXPECT_EQ(a.Applied(), b.Applied());
    EXPECT_EQ(Digests(a), Digests(b));
    EXPECT_EQ(a.Erasures(), b.Erasures());
    EXPECT_EQ(a.WantedPayloads(std::nullopt, 1000), b.WantedPayloads(std::nullopt, 1000));
    EXPECT_EQ(a.UnauthorisedCount(), b.UnauthorisedCount());
    using storage::Cf;
    for (const Cf cf : {Cf::kLogs, Cf::kHeaders, Cf::kPayloads, Cf::kTree, Cf::kRecords, Cf::kRevisions, Cf::kDerived, Cf::kIndexes,
                        Cf::kAggregates, Cf::kRequests, Cf::kOpaque, Cf::kLinks}) {
      EXPECT_TRUE(Rows(a.store(), cf, "") == Rows(b.store(), cf, "")) << storage::kCfNames[static_cast<size_t>(cf)];
    }
    for (const std::string_view prefix : {storage::kMetaWantedPrefix, storage::kMetaListedPrefix, storage::kMetaErasedPrefix,
                                          storage::kMetaErasurePrefix, storage::kMetaProvenPrefix, storage::kMetaVoidPrefix,
                                          storage::kMetaUnauthorisedPrefix, storage::kMetaUnjudgedPrefix, storage::kMetaDigestPrefix}) {
      EXPECT_TRUE(Rows(a.store(), Cf::kMeta, prefix) == Rows(b.store(), Cf::kMeta, prefix)) << prefix;
    }
  }
  static std::map<std::string, std::string> Rows(const storage::View& view, storage::Cf cf, std::string_view prefix) {
    std::map<std::string, std::string> rows;
    auto it = view.Iterate(cf, prefix, prefix.empty() ? "" : storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) rows.emplace(it->key(), it->value());
    return rows;
  }

  TestNetwork network_{{"apac", "eame", "hq"}, {std::string(kAuditStream)}};
  ManualClock& clock_ = network_.clock();
  const LogId log_ = network_.log("apac");
  const records::Registry* registry_ = &records::TheRegistry();  // of the program of members that are opened
  SharedLog shared_;
  std::map<std::pair<LogId, uint64_t>, Digest> signed_;
};

TEST_F(FollowingTest, AMemberThatFollowsHasWhatItsLeaderHas) {
  Member a = Open(), b = Open();
  Site eame = network_.Open("eame"), hq = network_.Open("hq");
  Elect(a);
  ASSERT_TRUE(Name(a.node(), "JP", "Japan").ok());
  WriteRequest secret = Naming(*hq.node, "KR", "Korea");
  Restrict(&secret, {"hq"});
  ASSERT_TRUE(Write(*hq.node, secret).ok());
  const auto late = Name(*hq.node, "PH", "Philippines");
  ASSERT_TRUE(late.ok());
  replication::RemoteBatch batch = Missing(*hq.node, a.node());
  ASSERT_THAT(batch.entries, SizeIs(2));
  const std::string payload = *std::exchange(batch.entries[1].payload, std::nullopt);
  const std::string checkpoint = *hq.node->CheckpointNote(hq.node->own_log());
  auto proof = std::make_shared<replication::ProvenHeaders>();
  for (const replication::VerifiedEntry& entry : batch.entries) proof->leaf_hashes.push_back(merkle::LeafHash(entry.header_bytes));
  proof->end = {batch.checkpoints.at(0), Seq(2), {}};
  ASSERT_EQ(proof->end.checkpoint.note, checkpoint);
  for (replication::VerifiedEntry& entry : batch.entries) entry.proof = proof;
  ASSERT_TRUE(Apply(a.node(), batch).status.ok());
  Follow(b);
  EXPECT_THAT(b.node().WantedPayloads(std::nullopt, 9), ElementsAre(late->dot));
  EXPECT_TRUE(*b.node().IsOpaque({late->dot.log, Seq(0)})) << "it is not for this site";
  EXPECT_EQ(b.node().CheckpointNote(hq.node->own_log()), checkpoint) << "it can prove to others what came from others";
  EXPECT_EQ((*b.node().Proven(hq.node->own_log()))->size, Seq(2));
  ExpectSame(a.node(), b.node());

  std::vector<Position> told;
  b.node().AddJournalListener([&](Position end) { told.push_back(end); });
  ASSERT_TRUE(a.node().TakePayload(late->dot, payload).ok());
  RunNode(a.node());
  const auto erased = Name(a.node(), "JP", "SECRET");
  ASSERT_TRUE(erased.ok() && Erase(a.node(), erased->dot).ok());
  const auto discarded = Name(a.node(), "VN", "Vietnam");
  ASSERT_TRUE(discarded.ok() && Discard(a.node(), discarded->dot).ok());
  Follow(b);
  EXPECT_THAT(b.node().WantedPayloads(std::nullopt, 9), IsEmpty());
  EXPECT_FALSE((*b.node().ReadPayload(erased->dot)).has_value());
  EXPECT_FALSE((*b.node().GetState(b.node().store(), "countries/VN")).has_value());
  EXPECT_EQ(b.node().ResumePosition("hq"), std::pair("" + hq.node->JournalInstance(), hq.node->JournalEnd()));
  EXPECT_EQ(told.back(), a.node().JournalEnd()) << "who watches is told";
  ExpectSame(a.node(), b.node());
  // The discarded entry's place in the journal is the leader's: a token of one member is good at the other.
  EXPECT_EQ(a.node().JournalEnd(), Position(shared_.items.size()));

  const int reads = a.log->reads;
  a.node().Wake();
  RunNode(a.node());
  EXPECT_EQ(a.log->reads, reads) << "nobody else appends while it leads";

  ASSERT_TRUE(Name(a.node(), "PG", "Papua New Guinea").ok());
  const int read = b.log->reads;
  Follow(b);
  EXPECT_EQ(b.log->reads, read + 1) << "the log has said that this was its end";
  ExpectSame(a.node(), b.node());
}

TEST_F(FollowingTest, AMemberThatFollowsNeitherWritesNorSigns) {
  Member a = Open(), b = Open();
  Site hq = network_.Open("hq");
  ASSERT_TRUE(Name(*hq.node, "PH", "Philippines").ok());
  Elect(a);
  ASSERT_TRUE(Name(a.node(), "JP", "Japan").ok());
  Follow(b);
  EXPECT_EQ(b.node().UnwritableReason(), "another member of the site writes");
  EXPECT_EQ(ReasonOf(Name(b.node(), "KR", "Korea").status()), "NODE_READ_ONLY");
  const replication::ApplyResult applied = Apply(b.node(), Missing(*hq.node, b.node()));
  EXPECT_EQ(applied.applied, 0u);
  EXPECT_EQ(applied.status.code(), absl::StatusCode::kUnavailable) << "the peer offers it again";
  replication::RemoteBatch batch = Missing(*hq.node, b.node());
  Sync(*hq.node, a.node());
  Follow(b);
  ASSERT_TRUE(Name(*hq.node, "VN", "Vietnam").ok());
  EXPECT_TRUE(Apply(b.node(), batch).status.ok());
  batch.entries.push_back(Missing(*hq.node, b.node()).entries.at(0));
  EXPECT_EQ(Apply(b.node(), batch).applied, 1u) << "what its leader has taken";
  clock_.Advance(absl::Seconds(2));
  b.node().Tick();
  EXPECT_EQ(b.node().CheckpointNote(log_), std::nullopt);
  EXPECT_THAT(b.node().Cosigned(log_), IsEmpty());
  EXPECT_EQ(a.node().UnwritableReason(), "");
  EXPECT_NE(a.node().CheckpointNote(log_), std::nullopt);
  ExpectSame(a.node(), b.node());
}

TEST_F(FollowingTest, AMemberThatFollowsSignsNothingWhenItsLicenceComes) {
  const storage::ScratchDirectory folder;
  const std::unique_ptr<LicenceFile> licence = LicenceFileAt(folder.path() + "/licence");
  ASSERT_TRUE(
      licence
          ->Replace(FormatLicence(
              {.origin = network_.roster().FindLog(log_)->origin(), .unused_until = clock_.Now() + absl::Hours(1), .id = "", .size = {}}))
          .ok());
  Member b = Open(nullptr, licence.get());
  auto copy = b.site.store->Crash(99);
  b = Open(b.site.store->Crash(99), licence.get());  // a restart: the copy's licence is an old one
  b = Open(std::move(copy), licence.get());
  std::vector<replication::HeldOwnLog> held;
  for (const auto& [stream, log] : b.node().own_logs()) held.push_back({log, Seq(0), {}});
  b.node().PeerHolds("hq", held);
  EXPECT_EQ(b.node().CheckpointNote(log_), std::nullopt);
  Elect(b);
  EXPECT_EQ(b.node().UnwritableReason(), "");
  EXPECT_NE(b.node().CheckpointNote(log_), std::nullopt);
}

TEST_F(FollowingTest, APayloadThatComesToAMemberThatDoesNotLeadIsWantedStill) {
  Member a = Open(), b = Open();
  Site hq = network_.Open("hq");
  const auto written = Name(*hq.node, "PH", "Philippines");
  ASSERT_TRUE(written.ok());
  Elect(a);
  replication::RemoteBatch batch = Missing(*hq.node, a.node());
  const std::string payload = *std::exchange(batch.entries.at(0).payload, std::nullopt);
  ASSERT_TRUE(Apply(a.node(), batch).status.ok());
  Follow(b);
  // Folded there alone it would be lost to the others, since nobody asks for what it does not want.
  ASSERT_TRUE(b.node().TakePayload(written->dot, payload).ok());
  RunNode(b.node());
  EXPECT_THAT(b.node().WantedPayloads(std::nullopt, 9), ElementsAre(written->dot));
  Elect(b);
  ASSERT_TRUE(b.node().TakePayload(written->dot, payload).ok());
  RunNode(b.node());
  a.log->term = 0;
  Follow(a);
  EXPECT_THAT(a.node().WantedPayloads(std::nullopt, 9), IsEmpty());
  ExpectSame(a.node(), b.node());
}

TEST_F(FollowingTest, WhoeverTakesTheLeadHasAllThatWasAcknowledged) {
  Member a = Open(), b = Open();
  Elect(a);
  const WriteRequest request = Naming(a.node(), "JP", "Japan");
  const auto written = Write(a.node(), request);
  ASSERT_TRUE(written.ok());
  Elect(b);
  EXPECT_EQ(b.node().UnwritableReason(), "");
  EXPECT_EQ(a.node().CheckpointNote(log_), b.node().CheckpointNote(log_)) << "one key, one log, one signature";
  const auto again = Write(b.node(), request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->dot, written->dot);
  const auto next = Name(b.node(), "JP", "Nippon");
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->dot, (Dot{log_, Seq(1)}));
  EXPECT_LT(written->time, next->time);
}

TEST_F(FollowingTest, WhatWaitsIsAppendedInPartsThatTheLogTakes) {
  Member a = Open(), b = Open();
  Elect(a);
  int written = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string code = {static_cast<char>('A' + i / 26), static_cast<char>('A' + i % 26)};
    a.node().Write(Naming(a.node(), code, "Japan"), [&](const absl::StatusOr<WriteResult>& result) {
      EXPECT_TRUE(result.ok()) << result.status();
      written += result.ok() ? 1 : 0;
    });
  }
  RunNode(a.node());
  EXPECT_EQ(written, 100);
  Follow(b);
  ExpectSame(a.node(), b.node());
}

TEST_F(FollowingTest, ANodeWithALogOfItsOwnGoesToSleepAgainWhenItIsWoken) {
  Site hq = network_.Open("hq");
  hq.node->Wake();
  ASSERT_TRUE(hq.node->WaitForWork());
  RunNode(*hq.node);
  hq.node->Stop();
  EXPECT_FALSE(hq.node->WaitForWork());
}

TEST_F(FollowingTest, ADeposedLeaderWritesNothingAndSignsNothing) {
  Member a = Open(), b = Open();
  Elect(a);
  ASSERT_TRUE(Name(a.node(), "JP", "Japan").ok());
  Elect(b);  // and a does not know
  ASSERT_TRUE(Name(b.node(), "JP", "Nippon").ok());
  const std::string before = *a.node().CheckpointNote(log_);
  const auto lost = Name(a.node(), "JP", "Yapan");
  EXPECT_EQ(lost.status().code(), absl::StatusCode::kUnavailable) << lost.status();
  EXPECT_EQ(a.node().CheckpointNote(log_), before);
  Follow(a);
  ExpectSame(a.node(), b.node());
  EXPECT_EQ(a.node().CheckpointNote(log_), before);
  EXPECT_EQ(shared_.items.size(), 2u);
}

TEST_F(FollowingTest, AWriteWhoseAnswerWasLostIsOneEntry) {
  Member a = Open();
  Elect(a);
  shared_.lose_answer = true;
  const WriteRequest request = Naming(a.node(), "JP", "Japan");
  const auto unknown = Write(a.node(), request);
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(unknown.status()), "") << "as when a connection breaks: the same is asked for again";
  const auto again = Write(a.node(), request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->dot, (Dot{log_, Seq(0)}));
  EXPECT_THAT(shared_.items, SizeIs(1));
  EXPECT_EQ(a.node().Applied().Get(log_), Seq(1));
}

TEST_F(FollowingTest, WhatTheStoreDidNotTakeIsReadFromTheLogAgain) {
  Member a = Open();
  Elect(a);
  a.site.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "full"); });
  const WriteRequest request = Naming(a.node(), "JP", "Japan");
  const auto refused = Write(a.node(), request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused.status()), "") << "its other members have it: the same is to be asked for again";
  EXPECT_EQ(a.node().Applied().Get(log_), Seq(0));
  a.site.store->set_write_fault(nullptr);
  const auto again = Write(a.node(), request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_THAT(shared_.items, SizeIs(1));
}

TEST_F(FollowingTest, AMemberWhoseStoreTakesNothingLetsAnotherLead) {
  Member a = Open(), b = Open();
  Elect(a);
  a.site.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "full"); });
  ASSERT_FALSE(Name(a.node(), "JP", "Japan").ok());
  Follow(a);
  EXPECT_FALSE(a.node().CanLead());
  EXPECT_EQ(a.node().UnwritableReason(), "full");
  a.log->term = 0;
  Elect(b);
  ASSERT_TRUE(Name(b.node(), "JP", "Nippon").ok());
  Follow(a);
  EXPECT_FALSE(a.node().CanLead());
  a.site.store->set_write_fault(nullptr);
  Follow(a);
  EXPECT_TRUE(a.node().CanLead());
  ExpectSame(a.node(), b.node());
  Elect(a);
  EXPECT_EQ(a.node().UnwritableReason(), "");

  // From this one no store recovers before it is opened again.
  Follow(b);
  a.site.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFailed, "failed"); });
  Elect(b);
  ASSERT_TRUE(Name(b.node(), "JP", "Zipangu").ok());
  a.log->term = 0;
  Follow(a);
  EXPECT_FALSE(a.node().CanLead());
}

TEST_F(FollowingTest, ASiteSaysHowFarItsLogGoesOnlyAsOfWhenItWasKnownToLead) {
  Member a = Open(), b = Open();
  Elect(a);
  ASSERT_TRUE(Name(a.node(), "JP", "Japan").ok());
  const absl::Time elected = a.log->led_until;
  clock_.Advance(absl::Seconds(30));
  a.node().Tick();
  const auto said = a.node().Cosigned(log_);
  ASSERT_THAT(said, SizeIs(1));
  const auto as_of = [&](const Node& node) {
    for (const LogInfo& info : node.Logs()) {
      if (info.log->id == log_) return info.cosignatures.at(node.site()).second;
    }
    return absl::InfinitePast();
  };
  EXPECT_EQ(as_of(a.node()), absl::FromUnixSeconds(absl::ToUnixSeconds(elected))) << "another may write since";
  a.log->led_until = clock_.Now();
  a.node().Tick();
  EXPECT_EQ(as_of(a.node()), absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now())));
  // Elected, and not yet at the end of the log: it does not know how far that goes.
  b.log->term = ++shared_.term;
  b.log->led_until = clock_.Now();
  b.node().Tick();
  EXPECT_THAT(b.node().Cosigned(log_), IsEmpty());
  Follow(b);
  b.node().Tick();
  EXPECT_THAT(b.node().Cosigned(log_), ElementsAre(std::pair(b.node().site(), Seq(1))));
}

TEST_F(FollowingTest, AClosingThatAMemberLearnsOfAtItsStartUndoesTheSameEverywhere) {
  Member a = Open(), b = Open(), c = Open();
  Elect(a);
  for (const char* name : {"Japan", "Nippon", "Yapan"}) ASSERT_TRUE(Name(a.node(), "JP", name).ok());
  Follow(b);
  network_.CloseLog("apac", Seq(1), *a.node().RootAt(log_, Seq(1)));
  const auto reopen = [&](Member* member) { *member = Open(member->site.store->Crash(99)); };
  reopen(&b);
  reopen(&c);  // which has not folded them yet
  Follow(b);
  Follow(c);
  reopen(&b);  // and has still to say what it has undone
  ASSERT_TRUE(Name(a.node(), "JP", "Zipangu").ok()) << "its roster is the old one";
  Elect(b);
  Follow(c);
  reopen(&a);
  Follow(a);
  for (const Member* member : {&a, &b, &c}) {
    const Node& node = member->node();
    EXPECT_EQ(node.Applied().Get(log_), Seq(1));
    EXPECT_EQ(Digests(node), Digests(b.node()));
    EXPECT_EQ(*node.ReadJournal(Position(0), 99), *b.node().ReadJournal(Position(0), 99));
    EXPECT_THAT(node.VoidEntries(std::nullopt, 9), SizeIs(3));
  }
  const std::vector<Dot> journal = *b.node().ReadJournal(Position(0), 99);
  ASSERT_THAT(journal, SizeIs(6)) << "four entries, and that two of those that b had folded are void";
  EXPECT_THAT(std::vector<Dot>(journal.end() - 2, journal.end()), ElementsAre(Dot{log_, Seq(1)}, Dot{log_, Seq(2)}));
  const auto next = Name(b.node(), "JP", "Cipangu");
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->dot, (Dot{network_.log("apac"), Seq(0)}));
  const Position end = b.node().JournalEnd();
  reopen(&b);
  Elect(b);
  EXPECT_EQ(b.node().JournalEnd(), end) << "what was said is not said again";
}

TEST_F(FollowingTest, WhatANewLeaderHasToSayMayBeMoreThanOneAppendTakes) {
  constexpr uint64_t kEntries = 1030;
  Member a = Open(), b = Open();
  Elect(a);
  for (uint64_t i = 0; i < kEntries; ++i) ASSERT_TRUE(Name(a.node(), "JP", "Japan").ok());
  Follow(b);
  network_.CloseLog("apac", Seq(0), *a.node().RootAt(log_, Seq(0)));
  b = Open(b.site.store->Crash(0));
  Elect(b);
  EXPECT_EQ(b.node().UnwritableReason(), "");
  EXPECT_EQ(b.node().JournalEnd(), Position(2 * kEntries));
  EXPECT_TRUE(Name(b.node(), "JP", "Nippon").ok());
}

TEST_F(FollowingTest, WhatAMemberJudgesAnewItTellsOnceItLeads) {
  Site liar = network_.Open("eame");  // whose roster names no headquarters: it writes what it may not
  network_.SetHeadquarters("hq");
  Site hq = network_.Open("hq");
  std::vector<records::RecordType> fewer = records::TheRegistry().types();
  std::erase_if(fewer, [](const records::RecordType& type) { return type.singular() == "Country"; });
  const records::Registry older(std::move(fewer));
  Member a = Open();
  Elect(a);
  registry_ = &older;
  Member b = Open();
  registry_ = &records::TheRegistry();
  ASSERT_TRUE(Name(*hq.node, "JP", "Japan").ok());
  ASSERT_TRUE(Name(*liar.node, "JP", "Eame's Japan").ok());
  Sync(*hq.node, a.node());
  Sync(*liar.node, a.node());
  Follow(b);
  const Position end = b.node().JournalEnd();
  EXPECT_EQ(end, Position(2));
  EXPECT_NE(Digests(b.node()), Digests(a.node())) << "it cannot know";
  b = Open(b.site.store->Crash(99));
  EXPECT_EQ(Digests(b.node()), Digests(a.node()));
  b = Open(b.site.store->Crash(99));  // before it leads
  Elect(b);
  EXPECT_THAT(*b.node().ReadJournal(end, 99), ElementsAre(Dot{network_.log("eame"), Seq(0)}, Dot{network_.log("hq"), Seq(0)}));
  b = Open(b.site.store->Crash(99));
  Elect(b);
  EXPECT_EQ(b.node().JournalEnd(), end + 2) << "what was said is not said again";
}

TEST_F(FollowingTest, WhoeverLeadsAndWhateverIsLostMembersAreAlike) {
  int replayed = 0, refused = 0, came_late = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    const std::vector<std::string> codes = {"JP", "KR", "PH"};
    shared_ = SharedLog();
    signed_.clear();
    std::array<Member, 3> members = {Open(), Open(), Open()};
    Site eame = network_.Open("eame"), hq = network_.Open("hq");
    std::map<std::string, std::pair<WriteRequest, Dot>> acknowledged;  // by request id
    std::vector<WriteRequest> unknown;
    const auto take_wanted = [&](Node& node) {
      for (const Dot dot : node.WantedPayloads(std::nullopt, 1000)) {
        const auto payload = hq.node->ReadPayload(dot);
        if (!payload.ok() || !payload->has_value()) continue;
        ASSERT_TRUE(node.TakePayload(dot, **payload).ok());
        ++came_late;
      }
      RunNode(node);
    };
    const auto write = [&](Node& node, const WriteRequest& request) {
      const auto written = Write(node, request);
      if (written.ok()) {
        acknowledged.try_emplace(request.request_id, request, written->dot);
        EXPECT_EQ(acknowledged.at(request.request_id).second, written->dot);
        replayed += written->replayed ? 1 : 0;
      } else if (ReasonOf(written.status()).empty()) {
        unknown.push_back(request);
      } else {
        ++refused;
      }
    };
    for (int i = 0; i < 120; ++i) {
      Member& member = members[below(3)];
      switch (below(12)) {
        case 0:
          Elect(member);
          break;
        case 1:
          Follow(member);
          break;
        case 2:
          member = Open(member.site.store->Crash(below(3)));
          break;
        case 3:
          shared_.lose_answer = true;
          break;
        case 4:
          if (!unknown.empty()) write(member.node(), unknown[below(unknown.size())]);
          break;
        case 5: {
          WriteRequest request = Naming(*hq.node, codes[below(3)], "hq" + std::to_string(i));
          if (below(3) == 0) Restrict(&request, {"eame", "hq"});
          const auto written = Write(*hq.node, request);
          ASSERT_TRUE(written.ok()) << written.status();
          Sync(*hq.node, *eame.node);
          break;
        }
        case 6: {
          replication::RemoteBatch batch = Missing(below(2) == 0 ? *hq.node : *eame.node, member.node());
          for (replication::VerifiedEntry& entry : batch.entries) {
            if (below(4) == 0) entry.payload.reset();
          }
          Apply(member.node(), std::move(batch));
          break;
        }
        case 7:
          Sync(member.node(), below(2) == 0 ? *hq.node : *eame.node);
          break;
        case 8:
          take_wanted(member.node());
          break;
        case 9:
          if (!acknowledged.empty()) {
            const Dot dot = std::next(acknowledged.begin(), static_cast<ptrdiff_t>(below(acknowledged.size())))->second.second;
            if (dot.seq >= member.node().Applied().Get(dot.log)) break;
            // The request of an entry that is discarded may be made anew.
            std::erase_if(unknown, [&](const WriteRequest& request) {
              return acknowledged.contains(request.request_id) && acknowledged.at(request.request_id).second == dot;
            });
            const auto done = below(2) == 0 ? Erase(member.node(), dot) : Discard(member.node(), dot);
            refused += done.ok() ? 0 : 1;
          }
          break;
        default:
          write(member.node(), Naming(member.node(), codes[below(3)], "apac" + std::to_string(i)));
      }
      NoteSigned(member.node());
    }
    shared_.lose_answer = false;
    Elect(members[0]);
    absl::Status taken = absl::UnavailableError("");
    for (int part = 0; part < 100 && absl::IsUnavailable(taken); ++part) {
      taken = Apply(members[0].node(), Missing(*hq.node, members[0].node())).status;  // each what fits into one append
    }
    EXPECT_TRUE(taken.ok()) << taken;
    take_wanted(members[0].node());
    for (const WriteRequest& request : unknown) write(members[0].node(), request);
    for (const Member& member : members) {
      if (&member != &members[0]) member.log->term = 0;  // it has asked whether it is still elected
      Follow(member);
    }
    for (const Member& member : members) {
      ExpectSame(member.node(), members[0].node());
      EXPECT_EQ(member.node().JournalEnd(), Position(shared_.items.size()));
    }
    std::map<std::string, int> held;  // entries by request id
    for (const JournalItem& item : shared_.items) {
      if (item.dot.log == log_ && !item.header.empty()) ++held[DecodePayload(*item.payload)->request_id];
    }
    for (const auto& [id, answer] : acknowledged) EXPECT_EQ(held[id], 1) << id;
    // What the network holds was folded from the same entries by other code paths.
    Sync(members[0].node(), *hq.node);
    EXPECT_EQ(hq.node->Applied(), members[0].node().Applied());
    if (HasFailure()) return;
  }
  EXPECT_GT(replayed, 40);
  EXPECT_GT(refused, 100);
  EXPECT_GT(came_late, 40);
}

}  // namespace
}  // namespace fairlead::node
