#include "server/node/fsck.h"

#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/entry.h"
#include "api/note.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/lattice_hash.h"
#include "server/node/node_testing.h"
#include "storage/memory_store.h"

namespace fairlead::node {
namespace {

using storage::Cf;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The store of apac, which has written of its own and received from hq, one payload of which is withheld from it.
class FsckTest : public ::testing::Test {
 protected:
  FsckTest() : hq_(network_.Open("hq")) {
    TestNetwork::Site apac = network_.Open("apac");
    Name(*hq_.node, "JP", "Japan");
    Name(*hq_.node, "KR", "Korea");
    Sync(*hq_.node, *apac.node);
    for (int i = 0; i < 5; ++i) Name(*apac.node, "JP", "Japan " + std::to_string(i));
    Name(*hq_.node, "KR", "Republic of Korea");
    replication::RemoteBatch batch = Missing(*hq_.node, *apac.node);
    batch.entries.back().payload.reset();
    EXPECT_TRUE(Apply(*apac.node, std::move(batch)).status.ok());
    Name(*apac.node, "AU", "Australia");
    apac.node->Tick();  // cosigns
    node_ = std::move(apac.node);
    store_ = apac.store;
  }

  void Name(Node& node, const std::string& code, const std::string& name) {
    v1::Country country;
    country.set_display_name(name);
    country.set_region(v1::REGION_APAC);
    const auto written = Write(node, RequestFor(node, "countries/" + code, country, {"display_name", "region"}, clock_.RequestId()));
    ASSERT_TRUE(written.ok()) << written.status();
    clock_.Advance(absl::Seconds(1));
  }

  std::vector<std::string> Findings() {
    findings_.clear();
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &network_.roster();
    options.registry = &records::TheRegistry();
    options.now = clock_.Now();
    options.on_finding = [this](const Finding& finding) { findings_.push_back(ToString(finding)); };
    const auto report = Fsck(*store_, &scratch, options);
    EXPECT_TRUE(report.ok()) << report.status();
    if (report.ok()) report_ = *report;
    EXPECT_EQ(report_.findings, findings_.size());
    return findings_;
  }
  std::string Get(Cf cf, const std::string& key) const {
    const auto value = *store_->Get(cf, key);
    EXPECT_TRUE(value.has_value());
    return value.value_or("");
  }
  void Put(Cf cf, const std::string& key, const std::string& value) {
    auto batch = store_->NewBatch();
    batch->Put(cf, key, value);
    ASSERT_TRUE(store_->Write(batch.get(), storage::Sync::kYes).ok());
  }
  void Delete(Cf cf, const std::string& key) {
    auto batch = store_->NewBatch();
    batch->Delete(cf, key);
    ASSERT_TRUE(store_->Write(batch.get(), storage::Sync::kYes).ok());
  }
  void Flip(Cf cf, const std::string& key, size_t at) {
    std::string value = Get(cf, key);
    ASSERT_LT(at, value.size());
    value[at] ^= 1;
    Put(cf, key, value);
  }
  std::string FirstKey(Cf cf) const {
    auto it = store_->Iterate(cf, {}, {});
    it->SeekToFirst();
    EXPECT_TRUE(it->Valid());
    return std::string(it->key());
  }

  const Dot own_{LogId(1), Seq(3)};  // apac/1/main/3
  TestNetwork network_{{"apac", "hq"}};
  ManualClock& clock_ = network_.clock();
  TestNetwork::Site hq_;
  std::unique_ptr<Node> node_;
  storage::MemoryStore* store_ = nullptr;
  std::vector<std::string> findings_;
  FsckReport report_;
};

TEST_F(FsckTest, AWholeStoreIsClean) {
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(report_.entries, 9u);
  EXPECT_EQ(report_.withheld, 1u);
  EXPECT_EQ(report_.records, 3u);
  EXPECT_TRUE(report_.folded);
}

TEST_F(FsckTest, AStoreWithAPayloadThatCameLateIsClean) {
  const Dot late{LogId(2), Seq(2)};
  ASSERT_TRUE(node_->TakePayload(late, **hq_.node->ReadPayload(late)).ok());
  RunNode(*node_);
  ASSERT_EQ(node_->OpaqueCount(), 0);
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(report_.withheld, 0u);
  EXPECT_TRUE(report_.folded);
}

TEST_F(FsckTest, AnEmptyStoreIsClean) {
  const TestNetwork::Site fresh = network_.Open("hq");
  store_ = fresh.store;
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(report_.entries, 0u);
}

TEST_F(FsckTest, AHeaderThatDoesNotDecodeIsNamed) {
  Flip(Cf::kHeaders, storage::DotKey(own_), 0);  // its version
  EXPECT_THAT(Findings(), Contains(StartsWith("headers apac/1/main/3: entry 3 of test.example/apac/1/main: ")));
  EXPECT_FALSE(report_.folded);
}

TEST_F(FsckTest, AHeaderOfOtherBytesIsFoundByTheTreeAndTheCheckpoint) {
  Header header = *DecodeHeader(Get(Cf::kHeaders, storage::DotKey(own_)));
  header.time = Hlc(header.time.raw() + 1);
  Put(Cf::kHeaders, storage::DotKey(own_), EncodeHeader(header));
  EXPECT_THAT(Findings(), AllOf(Contains("headers apac/1/main/2 or 3: is not what the tree above it was computed from"),
                                Contains("checkpoints apac/1/main: its root is not that of entries [0, 6)")));
}

TEST_F(FsckTest, AMissingHeaderIsNamed) {
  Delete(Cf::kHeaders, storage::DotKey(own_));
  EXPECT_THAT(Findings(), AllOf(Contains("headers apac/1/main/3: is missing"), Contains("payloads apac/1/main/3: belongs to no header")));
  Put(Cf::kHeaders, storage::DotKey({LogId(1), Seq(17)}), "beyond");
  EXPECT_THAT(Findings(), Contains("headers apac/1/main/17: is beyond what `logs` says there is"));
}

TEST_F(FsckTest, APayloadOfOtherBytesIsNamed) {
  Flip(Cf::kPayloads, storage::DotKey(own_), 30);
  EXPECT_THAT(Findings(), ElementsAre("payloads apac/1/main/3: does not have the digest that its header states"));
}

TEST_F(FsckTest, APayloadThatIsMissingAndNotWithheldIsNamed) {
  Delete(Cf::kPayloads, storage::DotKey(own_));
  EXPECT_THAT(Findings(), ElementsAre("payloads apac/1/main/3: is missing, and the entry is not listed as withheld or erased"));
}

TEST_F(FsckTest, ATreeNodeOfOtherBytesIsNamed) {
  Flip(Cf::kTree, storage::TreeKey(LogId(1), 1, 1), 5);
  EXPECT_THAT(Findings(), ElementsAre("tree apac/1/main level 1 index 1: is not the hash of what is below it"));
  EXPECT_TRUE(report_.folded);  // nothing is folded from it
}

TEST_F(FsckTest, ATreeNodeTooFewOrTooManyIsNamed) {
  Delete(Cf::kTree, storage::TreeKey(LogId(1), 2, 0));
  Put(Cf::kTree, storage::TreeKey(LogId(1), 3, 0), std::string(32, 'x'));
  EXPECT_THAT(Findings(), ElementsAre("tree apac/1/main level 2 index 0: is missing",
                                      "tree apac/1/main level 3 index 0: is no complete subtree of 6 entries"));
}

TEST_F(FsckTest, ACheckpointThatDoesNotVerifyIsNamed) {
  const std::string key = storage::LogKey(LogId(1));
  const std::string good = Get(Cf::kCheckpoints, key);
  Put(Cf::kCheckpoints, key, absl::StrReplaceAll(good, {{"\n6\n", "\n5\n"}}));
  EXPECT_THAT(Findings(), ElementsAre(AllOf(StartsWith("checkpoints apac/1/main: "), HasSubstr("does not verify"))));
  Put(Cf::kCheckpoints, key, "nothing");
  EXPECT_THAT(Findings(), ElementsAre(StartsWith("checkpoints apac/1/main: checkpoint: ")));
  Put(Cf::kCheckpoints, key, Get(Cf::kCheckpoints, storage::LogKey(LogId(2))));
  EXPECT_THAT(Findings(), ElementsAre("checkpoints apac/1/main: is of test.example/hq/1/main"));
  // A signed checkpoint that the entries contradict.
  const std::string text = note::CheckpointText({"test.example/apac/1/main", 6, Digest{}});
  Put(Cf::kCheckpoints, key, note::Format({text, {note::Sign("test.example/apac/1/main", network_.log_key("apac"), text)}}));
  EXPECT_THAT(Findings(), ElementsAre("checkpoints apac/1/main: its root is not that of entries [0, 6)"));
  const std::string more = note::CheckpointText({"test.example/apac/1/main", 7, Digest{}});
  Put(Cf::kCheckpoints, key, note::Format({more, {note::Sign("test.example/apac/1/main", network_.log_key("apac"), more)}}));
  EXPECT_THAT(Findings(), ElementsAre("checkpoints apac/1/main: covers 7 entries; the log has 6"));
}

TEST_F(FsckTest, ACosignatureThatDoesNotVerifyIsNamed) {
  std::string key = storage::LogKey(LogId(1));
  PutU16(&key, 1);
  const std::string good = Get(Cf::kCosignatures, key);
  note::Note cosigned = *note::Parse(good);
  auto by_mirror = std::find_if(cosigned.signatures.begin(), cosigned.signatures.end(),
                                [](const note::Signature& s) { return s.name == "test.example/apac/mirror"; });
  ASSERT_NE(by_mirror, cosigned.signatures.end());
  by_mirror->bytes[20] ^= 1;
  Put(Cf::kCosignatures, key, note::Format(cosigned));
  EXPECT_THAT(Findings(), ElementsAre(AllOf(StartsWith("cosignatures apac/1/main by apac: "), HasSubstr("does not verify"))));
  cosigned.signatures.erase(by_mirror);
  Put(Cf::kCosignatures, key, note::Format(cosigned));
  EXPECT_THAT(Findings(), ElementsAre("cosignatures apac/1/main by apac: is not cosigned by that site"));
}

TEST_F(FsckTest, ACosignatureByAKeyThatTheRosterHasReplacedIsNoFault) {
  network_.ChangeMirrorKey("apac");
  EXPECT_THAT(Findings(), IsEmpty());
  const auto reopened = network_.Open("apac", store_->Crash(99));
  EXPECT_TRUE(reopened.ok()) << reopened.status();
}

TEST_F(FsckTest, AJournalWithAGapIsNamed) {
  Delete(Cf::kJournal, storage::JournalKey(Position(4)));
  EXPECT_THAT(Findings(), Contains("journal 4: is missing"));
  EXPECT_FALSE(report_.folded);
}

TEST_F(FsckTest, AJournalThatEndsEarlyIsNamed) {
  Delete(Cf::kJournal, storage::JournalKey(Position(8)));
  EXPECT_THAT(Findings(), ElementsAre("journal apac/1/main: has 5 entries of it; `logs` says 6"));
}

TEST_F(FsckTest, AJournalOutOfOrderIsNamed) {
  // Positions 0 and 1 are hq's first two, 2 is apac's first, which follows them.
  const std::string hq1 = Get(Cf::kJournal, storage::JournalKey(Position(1)));
  const std::string apac0 = Get(Cf::kJournal, storage::JournalKey(Position(2)));
  Put(Cf::kJournal, storage::JournalKey(Position(1)), apac0);
  Put(Cf::kJournal, storage::JournalKey(Position(2)), hq1);
  EXPECT_THAT(Findings(), ElementsAre("journal 1: is entry apac/1/main/0, before one that it follows"));
  Put(Cf::kJournal, storage::JournalKey(Position(2)), Get(Cf::kJournal, storage::JournalKey(Position(3))));
  EXPECT_THAT(Findings(), Contains("journal 7: is entry hq/1/main/2; the next of its log is 1"));
  Put(Cf::kJournal, storage::JournalKey(Position(2)), "?");
  EXPECT_THAT(Findings(), Contains("journal 2: is no entry"));
}

TEST_F(FsckTest, ARecordThatTheEntriesDoNotFoldToIsNamed) {
  std::string state = Get(Cf::kRecords, "countries/JP");
  const size_t at = state.find("Japan");
  ASSERT_NE(at, std::string::npos);
  Flip(Cf::kRecords, "countries/JP", at);
  EXPECT_THAT(Findings(), ElementsAre("records countries/JP: is not what the entries fold to"));
  Delete(Cf::kRecords, "countries/JP");
  EXPECT_THAT(Findings(), ElementsAre("records countries/JP: is missing"));
  Put(Cf::kRecords, "countries/JP", state);
  Put(Cf::kRecords, "countries/XX", state);
  EXPECT_THAT(Findings(), ElementsAre("records countries/XX: follows from no entry"));
}

TEST_F(FsckTest, WhatIsDerivedIsComparedKeyByKey) {
  for (const Cf family : {Cf::kRevisions, Cf::kDerived, Cf::kIndexes, Cf::kAggregates, Cf::kRequests, Cf::kOpaque}) {
    const std::string name(storage::kCfNames[static_cast<size_t>(family)]);
    const std::string key = FirstKey(family);
    const std::string value = Get(family, key);
    Put(family, key, value + "x");
    EXPECT_THAT(Findings(), Contains(AllOf(StartsWith(name + " "), HasSubstr(": is not what the entries fold to")))) << name;
    Delete(family, key);
    EXPECT_THAT(Findings(), Contains(StartsWith(family == Cf::kOpaque ? "payloads hq/1/main/2: is missing" : name + " "))) << name;
    Put(family, key, value);
    Put(family, key + "x", value);
    EXPECT_THAT(Findings(), ElementsAre(AllOf(StartsWith(name + " "), HasSubstr("x: follows from no entry")))) << name;
    Delete(family, key + "x");
    EXPECT_THAT(Findings(), IsEmpty()) << name;
  }
}

TEST_F(FsckTest, TheStateDigestAndTheTimeAreCompared) {
  const std::string digest = std::string(storage::kMetaDigestPrefix) + "*";
  Flip(Cf::kMeta, digest, 1000);
  EXPECT_THAT(Findings(), ElementsAre("meta digest/*: is not what the entries fold to"));
  Flip(Cf::kMeta, digest, 1000);
  // A class without records is as one that is not there.
  Put(Cf::kMeta, std::string(storage::kMetaDigestPrefix) + "apac", std::string(8 + LatticeHash::kBytes, '\0'));
  EXPECT_THAT(Findings(), IsEmpty());
  Flip(Cf::kMeta, std::string(storage::kMetaHlc), 0);
  EXPECT_THAT(Findings(), ElementsAre("meta hlc: is not what the entries fold to"));
}

TEST_F(FsckTest, OnlyRequestIdsBeyondTheHorizonMayBeForgotten) {
  const std::string key = FirstKey(Cf::kRequests);
  Delete(Cf::kRequests, key);
  EXPECT_THAT(Findings(), ElementsAre(AllOf(StartsWith("requests "), HasSubstr(": is missing"))));
  clock_.Advance(absl::Hours(24 * 31));
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(FsckTest, ASizeThatIsNotTheLogsIsNamed) {
  std::string size;
  PutU64(&size, 7);
  Put(Cf::kLogs, storage::LogKey(LogId(1)), size);
  EXPECT_THAT(Findings(), AllOf(Contains("headers apac/1/main/6: is missing"), Contains(StartsWith("journal apac/1/main: has 6 entries"))));
  Put(Cf::kLogs, storage::LogKey(LogId(9)), size);
  EXPECT_THAT(Findings(), Contains("logs log 9: is no log of the roster"));
}

TEST_F(FsckTest, ALinkThatIsNoPositionIsNamed) {
  Put(Cf::kLinks, "hq", "nowhere");
  EXPECT_THAT(Findings(), ElementsAre("links hq: is no instance and position"));
}

// A family of which nothing can be read beyond one key, as where a block of a file is damaged.
class CutIterator : public storage::Iterator {
 public:
  CutIterator(std::unique_ptr<storage::Iterator> it, std::string last) : it_(std::move(it)), last_(std::move(last)) {}
  void SeekToFirst() override { it_->SeekToFirst(); }
  void SeekToLast() override { it_->SeekToLast(); }
  void Seek(std::string_view key) override { it_->Seek(key); }
  void Next() override { it_->Next(); }
  void Prev() override { it_->Prev(); }
  bool Valid() const override { return it_->Valid() && it_->key() <= last_; }
  std::string_view key() const override { return it_->key(); }
  std::string_view value() const override { return it_->value(); }
  absl::Status status() const override {
    return it_->Valid() && it_->key() > last_ ? absl::DataLossError("checksum mismatch") : absl::OkStatus();
  }

 private:
  const std::unique_ptr<storage::Iterator> it_;
  const std::string last_;
};

class CutView : public storage::View {
 public:
  CutView(const storage::View* view, Cf family, std::string last) : view_(view), family_(family), last_(std::move(last)) {}
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override { return view_->Get(cf, key); }
  std::unique_ptr<storage::Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    auto it = view_->Iterate(cf, lower, upper);
    if (cf != family_) return it;
    return std::make_unique<CutIterator>(std::move(it), last_);
  }
  uint64_t version() const override { return view_->version(); }

 private:
  const storage::View* const view_;
  const Cf family_;
  const std::string last_;
};

TEST_F(FsckTest, OfWhatCannotBeReadNothingIsSaidBeyondThat) {
  const auto findings = [&](Cf family, const std::string& last) {
    const CutView view(store_, family, last);
    std::vector<std::string> found;
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &network_.roster();
    options.registry = &records::TheRegistry();
    options.now = clock_.Now();
    options.on_finding = [&found](const Finding& finding) { found.push_back(ToString(finding)); };
    EXPECT_TRUE(Fsck(view, &scratch, options).ok());
    return found;
  };
  EXPECT_THAT(findings(Cf::kRecords, "countries/AU"), ElementsAre("records after countries/AU: checksum mismatch"));
  EXPECT_THAT(findings(Cf::kHeaders, storage::DotKey(own_)), ElementsAre("headers after apac/1/main/3: checksum mismatch"));
  EXPECT_THAT(findings(Cf::kPayloads, storage::DotKey(own_)), ElementsAre("payloads -: checksum mismatch"));
  EXPECT_THAT(findings(Cf::kJournal, storage::JournalKey(Position(4))), ElementsAre("journal after 4: checksum mismatch"));
}

TEST_F(FsckTest, AStoreOfAnotherNetworkIsRefused) {
  Put(Cf::kMeta, std::string(storage::kMetaNetwork), "other.example");
  storage::MemoryStore scratch;
  FsckOptions options;
  options.roster = &network_.roster();
  options.registry = &records::TheRegistry();
  EXPECT_EQ(Fsck(*store_, &scratch, options).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fairlead::node
