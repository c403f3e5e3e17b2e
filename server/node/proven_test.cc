#include "server/node/proven.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "api/merkle.h"
#include "api/note.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/fsck.h"
#include "server/node/node_testing.h"
#include "server/records/types.h"
#include "storage/memory_store.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProvenTest : public ::testing::Test {
 protected:
  ProvenTest() : apac_(network_.Open("apac")) {
    for (const char* code : {"JP", "KR", "PH", "AU", "NZ"}) Name(*apac_.node, code);
  }

  void Name(Node& node, const std::string& code) {
    v1::Country country;
    country.set_display_name(code);
    country.set_region(v1::REGION_APAC);
    const auto written =
        Write(node, RequestFor(node, "countries/" + code, country, {"display_name", "region"}, network_.clock().RequestId()));
    ASSERT_TRUE(written.ok()) << written.status();
  }

  // Up to `count` entries that `from` holds of apac's log and `to` lacks, as they come from there: with their proof.
  replication::RemoteBatch Part(const Node& from, const Node& to, size_t count) {
    replication::RemoteBatch batch = Missing(from, to);
    std::erase_if(batch.entries, [this](const auto& entry) { return entry.dot.log != log_; });
    batch.checkpoints.clear();
    const Seq first = to.Applied().Get(log_);
    auto proof = std::make_shared<replication::ProvenHeaders>();
    auto proven = from.Proven(log_);
    EXPECT_TRUE(proven.ok()) << proven.status();
    if (proven->has_value()) {
      proof->end = **proven;
    } else {
      const std::string note = *from.CheckpointNote(log_);
      const auto checkpoint = note::ParseCheckpoint(note::Parse(note)->text);
      proof->end = {{log_, Seq(checkpoint->size), checkpoint->root, note}, Seq(checkpoint->size), {}};
    }
    proof->first = first;
    const auto headers = from.ReadHeaders(log_, first, proof->end.size);
    for (const std::string& header : *headers) proof->leaf_hashes.push_back(merkle::LeafHash(header));
    batch.checkpoints.push_back(proof->end.checkpoint);
    batch.entries.resize(std::min(count, batch.entries.size()));
    for (replication::VerifiedEntry& entry : batch.entries) entry.proof = proof;
    return batch;
  }

  // The node can show to others that it holds `size` entries of a checkpoint of `of`.
  void ExpectProven(const Node& node, uint64_t size, uint64_t of) {
    const auto proven = node.Proven(log_);
    ASSERT_TRUE(proven.ok() && proven->has_value()) << proven.status();
    EXPECT_EQ((*proven)->size, Seq(size));
    EXPECT_EQ((*proven)->checkpoint.size, Seq(of));
    std::vector<Digest> leaves;
    const auto headers = node.ReadHeaders(log_, Seq(0), Seq(size));
    for (const std::string& header : *headers) leaves.push_back(merkle::LeafHash(header));
    const auto proof = node.BlockProof(log_, 0, **proven);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_TRUE(merkle::VerifyBlock(merkle::BlockRoot(leaves, of, (*proven)->rest), 0, of, *proof, (*proven)->checkpoint.root).ok());
  }
  uint64_t CompleteSize(const Node& node) {
    const auto note = node.CheckpointNote(log_);
    return note ? note::ParseCheckpoint(note::Parse(*note)->text)->size : 0;
  }
  // After a power cut that takes all that was not synced.
  TestNetwork::Site PowerCut(const std::string& site, const TestNetwork::Site& before) {
    auto again = network_.Open(site, before.store->Crash(0));
    EXPECT_TRUE(again.ok()) << again.status();
    return *std::move(again);
  }

  TestNetwork network_{{"apac", "eame", "hq"}};
  const LogId log_{1};
  TestNetwork::Site apac_;
};

TEST_F(ProvenTest, PartOfACheckpointIsProvenToOthersAlsoAfterAPowerCut) {
  TestNetwork::Site hq = network_.Open("hq");
  ASSERT_TRUE(Apply(*hq.node, Part(*apac_.node, *hq.node, 3)).status.ok());
  EXPECT_EQ(hq.node->Applied().Get(log_), Seq(3));
  EXPECT_EQ(CompleteSize(*hq.node), 0u);
  ExpectProven(*hq.node, 3, 5);

  TestNetwork::Site again = PowerCut("hq", hq);
  ExpectProven(*again.node, 3, 5);
  EXPECT_EQ(again.node->AwaitedCheckpointNote(log_), apac_.node->CheckpointNote(log_)) << "what apac has signed is not forgotten";

  TestNetwork::Site eame = network_.Open("eame");
  ASSERT_TRUE(Apply(*eame.node, Part(*again.node, *eame.node, 2)).status.ok());
  ExpectProven(*eame.node, 2, 5);
  ASSERT_TRUE(Apply(*eame.node, Part(*again.node, *eame.node, 9)).status.ok());
  ExpectProven(*eame.node, 3, 5);
  EXPECT_EQ(Digests(*eame.node), Digests(*again.node));
}

// The note of a complete checkpoint is kept unsynced: without the proof, what was synced could be proven by its own site only.
TEST_F(ProvenTest, ACompleteCheckpointIsThereAfterAPowerCut) {
  TestNetwork::Site hq = network_.Open("hq");
  ASSERT_TRUE(Apply(*hq.node, Part(*apac_.node, *hq.node, 3)).status.ok());
  ASSERT_TRUE(Apply(*hq.node, Part(*apac_.node, *hq.node, 9)).status.ok());
  EXPECT_EQ(CompleteSize(*hq.node), 5u);
  TestNetwork::Site again = PowerCut("hq", hq);
  EXPECT_EQ(CompleteSize(*again.node), 5u);
  EXPECT_EQ(again.node->AwaitedCheckpointNote(log_), std::nullopt);
  ExpectProven(*again.node, 5, 5);
}

// apac has signed two histories. A stream that followed the one does not know what came by another link meanwhile, of the other.
TEST_F(ProvenTest, NoEntryContinuesAnotherHistoryThanItsOwn) {
  TestNetwork::Site other = network_.Open("apac"), hq = network_.Open("hq");
  for (const char* code : {"US", "CA", "MX"}) Name(*other.node, code);
  ASSERT_TRUE(Apply(*hq.node, Part(*other.node, *hq.node, 2)).status.ok());
  const auto before = Digests(*hq.node);
  const replication::ApplyResult result = Apply(*hq.node, Part(*apac_.node, *hq.node, 9));
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status)) << result.status;
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("entry 2 of log 1 continues another history than the one that is here"));
  EXPECT_EQ(result.applied, 0u);
  EXPECT_EQ(Digests(*hq.node), before);
  TestNetwork::Site again = PowerCut("hq", hq);
  ExpectProven(*again.node, 2, 3);
  ASSERT_TRUE(Apply(*again.node, Part(*other.node, *again.node, 9)).status.ok());
  EXPECT_EQ(again.node->Applied().Get(log_), Seq(3));
}

TEST_F(ProvenTest, ABatchThatIsTakenInPartIsProvenAsFarAsItWas) {
  TestNetwork::Site hq = network_.Open("hq");
  replication::RemoteBatch batch = Part(*apac_.node, *hq.node, 4);
  batch.entries[2].header.deps.Set(LogId(2), Seq(1));  // waits for another log
  const replication::ApplyResult result = Apply(*hq.node, std::move(batch));
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_EQ(result.applied, 2u);
  ExpectProven(*hq.node, 2, 5);
}

// apac lost its disk; of what it had signed hq holds a part. apac gets that back, and must not write over the rest.
TEST_F(ProvenTest, ASiteGetsBackThePartOfItsLogThatIsLeft) {
  TestNetwork::Site hq = network_.Open("hq");
  ASSERT_TRUE(Apply(*hq.node, Part(*apac_.node, *hq.node, 3)).status.ok());
  TestNetwork::Site empty = network_.Open("apac");
  ASSERT_TRUE(Apply(*empty.node, Part(*hq.node, *empty.node, 9)).status.ok());
  EXPECT_EQ(empty.node->Applied().Get(log_), Seq(3));
  ExpectProven(*empty.node, 3, 5);
  EXPECT_THAT(empty.node->UnwritableReason(), HasSubstr("peers hold 5 entries of this site's log and this node 3"));
  EXPECT_EQ(CompleteSize(*empty.node), 0u) << "it signs nothing that it had signed otherwise";

  TestNetwork::Site again = PowerCut("apac", empty);
  EXPECT_THAT(again.node->UnwritableReason(), HasSubstr("peers hold 5 entries of this site's log and this node 3"));
  ExpectProven(*again.node, 3, 5);

  // The rest turns up.
  ASSERT_TRUE(Apply(*again.node, Part(*apac_.node, *again.node, 9)).status.ok());
  EXPECT_EQ(again.node->UnwritableReason(), "");
  Name(*again.node, "FJ");
  EXPECT_EQ(CompleteSize(*again.node), 6u);
}

TEST_F(ProvenTest, ADamagedProofIsNamed) {
  TestNetwork::Site hq = network_.Open("hq");
  ASSERT_TRUE(Apply(*hq.node, Part(*apac_.node, *hq.node, 3)).status.ok());
  const std::string whole = **hq.store->Get(storage::Cf::kMeta, ProvenKey(log_));
  const struct {
    std::string value;
    std::string says;
  } cases[] = {
      {whole.substr(0, whole.size() - 1), "is damaged"},
      {whole.substr(0, whole.size() - 32), "is damaged"},
      {whole.substr(0, whole.size() - 1) + static_cast<char>(whole.back() ^ 1), "does not lead to its checkpoint"},
      {std::string(7, '\0') + '\x02' + whole.substr(8), "does not lead to its checkpoint"},
      {std::string(7, '\0') + '\x04' + whole.substr(8), "is damaged"},  // too many digests for one entry
      {std::string(7, '\0') + '\x04' + whole.substr(8, whole.size() - 8 - 32), "is of 4, and 3 are held"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.says);
    auto store = hq.store->Crash(0);
    auto batch = store->NewBatch();
    batch->Put(storage::Cf::kMeta, ProvenKey(log_), each.value);
    ASSERT_TRUE(store->Write(batch.get(), storage::Sync::kYes).ok());
    std::vector<std::string> findings;
    storage::MemoryStore scratch;
    FsckOptions options{.roster = &network_.roster(), .registry = &records::TheRegistry(), .now = network_.clock().Now()};
    options.on_finding = [&findings](const Finding& finding) { findings.push_back(ToString(finding)); };
    ASSERT_TRUE(Fsck(*store, &scratch, options).ok());
    EXPECT_THAT(findings, ElementsAre(HasSubstr("proven apac/1/main: ")));
    EXPECT_THAT(findings, ElementsAre(HasSubstr(each.says)));
    auto opened = network_.Open("hq", std::move(store));
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr(each.says));
  }
}

}  // namespace
}  // namespace fairlead::node
