// The node's evidence is what verifiers accept: each answer is made into its file and verified with the roster alone.

#include "server/rpc/log_service.h"

#include <absl/synchronization/notification.h>

#include <algorithm>
#include <sstream>

#include "api/evidence.h"
#include "api/log_file.h"
#include "api/merkle.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::SizeIs;

constexpr char kOrigin[] = "test.example/apac/1/main";

class LogServiceTest : public SiteTest {
 protected:
  LogServiceTest() { MakeCountry("JP", "Japan"); }

  static std::vector<Digest> Digests(const google::protobuf::RepeatedPtrField<std::string>& hashes) {
    std::vector<Digest> out;
    for (const std::string& hash : hashes) {
      EXPECT_EQ(hash.size(), sizeof(Digest));
      std::copy(hash.begin(), hash.end(), out.emplace_back().begin());
    }
    return out;
  }
  // The newest checkpoint, once it covers `size` entries: the node answers a write before it signs.
  v1::Checkpoint Checkpoint(int64_t size) {
    v1::GetCheckpointRequest request;
    request.set_log("apac");
    const absl::Time until = absl::Now() + kPatience;
    for (;;) {
      const auto checkpoint = officer_.Call<v1::Checkpoint>("LogService/GetCheckpoint", request);
      EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
      if (!checkpoint.ok() || checkpoint->size() >= size || absl::Now() > until) return checkpoint.value_or(v1::Checkpoint());
    }
  }
  absl::StatusOr<v1::ListLogEntriesResponse> List(int64_t first, int64_t tree_size) {
    v1::ListLogEntriesRequest request;
    request.set_log("apac/1/main");
    request.set_first_sequence(first);
    request.set_tree_size(tree_size);
    return officer_.Call<v1::ListLogEntriesResponse>("LogService/ListLogEntries", request);
  }
  absl::StatusOr<v1::Receipt> ReceiptOf(const std::string& entry, const std::string& record) {
    v1::GetReceiptRequest request;
    if (!entry.empty()) request.set_entry(entry);
    if (!record.empty()) request.set_record(record);
    return officer_.Call<v1::Receipt>("LogService/GetReceipt", request);
  }
  absl::StatusOr<v1::ConsistencyProof> Consistency(int64_t old_size) {
    v1::GetConsistencyProofRequest request;
    request.set_log("apac");
    request.set_old_size(old_size);
    return officer_.Call<v1::ConsistencyProof>("LogService/GetConsistencyProof", request);
  }
  const Roster& roster() const { return apac_.node().roster(); }
};

TEST_F(LogServiceTest, TheCheckpointIsTheLogsAndCarriesItsCosignatures) {
  Checkpoint(1);
  v1::Checkpoint checkpoint;
  absl::StatusOr<evidence::Checkpoint> verified;
  const absl::Time until = absl::Now() + kPatience;
  do {  // the site cosigns its own log, a round later
    clock_.Advance(absl::Seconds(1));
    checkpoint = Checkpoint(1);
    verified = evidence::VerifyCheckpoint(checkpoint.note(), roster());
    ASSERT_TRUE(verified.ok()) << verified.status();
  } while (verified->cosignatures.empty() && absl::Now() < until);
  EXPECT_EQ(checkpoint.origin(), kOrigin);
  EXPECT_EQ(checkpoint.size(), 1);
  EXPECT_EQ(verified->log->origin(), kOrigin);
  EXPECT_EQ(verified->size, 1u);
  ASSERT_THAT(verified->cosignatures, SizeIs(1));
  EXPECT_EQ(verified->cosignatures[0].site, "apac");
}

TEST_F(LogServiceTest, TheEntriesMakeALogFile) {
  constexpr int64_t kEntries = 300;  // two blocks
  for (int64_t i = 1; i < kEntries; ++i) MakeEngagement("Visit " + std::to_string(i));
  const v1::Checkpoint checkpoint = Checkpoint(kEntries);
  ASSERT_EQ(checkpoint.size(), kEntries);
  std::stringstream file;
  LogFileWriter writer(checkpoint.note(), &file);
  int pages = 0;
  for (int64_t next = 0; next < kEntries; ++pages) {
    const auto page = List(next, kEntries);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_GT(page->entries_size(), 0);
    for (const v1::LogEntry& entry : page->entries()) {
      EXPECT_TRUE(entry.has_payload());
      writer.AddEntry(entry.header(), entry.payload());
    }
    next += page->entries_size();
    EXPECT_TRUE(next == 256 || next == kEntries) << next;
    writer.EndBlock(Digests(page->block_proof()));
  }
  EXPECT_EQ(pages, 2);
  const auto verified = VerifyLogFile(file, roster());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->checkpoint.size, 300u);
  EXPECT_EQ(verified->payloads, 300u);

  // From within a block, and against an older tree: to the block's end, with its proof in that tree.
  const auto rest = List(200, 250);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->entries_size(), 50);
  EXPECT_EQ(rest->block_proof_size(), 0);  // a tree of one block
  EXPECT_THAT(List(-1, 10), FailsWith("FIELD_INVALID", "first_sequence"));
  EXPECT_THAT(List(10, 10), FailsWith("FIELD_INVALID", "first_sequence"));
  EXPECT_THAT(List(0, 301), FailsWith("FIELD_INVALID", "tree_size"));
  EXPECT_THAT(List(0, 0), FailsWith("FIELD_INVALID", "tree_size"));
}

TEST_F(LogServiceTest, LogsAreNamedBySiteOrWhole) {
  for (const char* name : {"apac", "apac/1/main"}) {
    v1::GetCheckpointRequest request;
    request.set_log(name);
    const auto checkpoint = officer_.Call<v1::Checkpoint>("LogService/GetCheckpoint", request);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->origin(), kOrigin);
  }
  for (const char* name : {"mars", "apac/2/main", "apac/1/gossip", "apac/1", "test.example/apac/1/main"}) {
    v1::GetCheckpointRequest request;
    request.set_log(name);
    EXPECT_THAT(officer_.Call<v1::Checkpoint>("LogService/GetCheckpoint", request), FailsWith("RECORD_NOT_FOUND")) << name;
  }
  EXPECT_THAT(officer_.Call<v1::Checkpoint>("LogService/GetCheckpoint", v1::GetCheckpointRequest()), FailsWith("FIELD_REQUIRED", "log"));
  v1::GetCheckpointRequest silent;  // in the roster, and nothing of it here
  silent.set_log("hq");
  EXPECT_THAT(officer_.Call<v1::Checkpoint>("LogService/GetCheckpoint", silent), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(LogServiceTest, AReceiptIsForAnEntryOrForARecordsNewestRevision) {
  const v1::Country korea = MakeCountry("KR", "Korea");
  v1::UpdateCountryRequest update;
  *update.mutable_country() = korea;
  update.mutable_country()->set_display_name("Republic of Korea");
  update.mutable_update_mask()->add_paths("display_name");
  ASSERT_TRUE(officer_.Call<v1::Country>("ReferenceService/UpdateCountry", update).ok());
  Checkpoint(3);
  for (const auto& [entry, record, sequence] : {std::tuple("apac/1/0", "", 0), std::tuple("", "countries/JP", 0),
                                                std::tuple("apac/1/1", "", 1), std::tuple("", "countries/KR", 2)}) {
    const auto receipt = ReceiptOf(entry, record);
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->entry(), "apac/1/" + std::to_string(sequence));
    EXPECT_EQ(receipt->sequence(), sequence);
    const auto proven = evidence::VerifyReceipt(
        evidence::FormatReceipt({static_cast<uint64_t>(receipt->sequence()), Digests(receipt->audit_path()), receipt->log_entry().header(),
                                 receipt->log_entry().payload(), receipt->checkpoint().note()}),
        roster());
    ASSERT_TRUE(proven.ok()) << proven.status();
    EXPECT_EQ(DecodePayload(*proven->payload)->actor, "officer/apac/watch");
  }
  EXPECT_THAT(ReceiptOf("apac/1/3", ""), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("apac/2/0", ""), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("", "countries/XX"), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("", "countries/J"), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("apac/1/x", ""), FailsWith("FIELD_INVALID", "entry"));
  EXPECT_THAT(ReceiptOf("7", ""), FailsWith("FIELD_INVALID", "entry"));
  EXPECT_THAT(ReceiptOf("", ""), FailsWith("FIELD_REQUIRED", "entry"));
}

TEST_F(LogServiceTest, AnEntryOfAnotherStreamIsNamedWithItAndProvenInItsLog) {
  v1::Country korea;
  korea.set_display_name("Korea");
  korea.set_region(v1::REGION_APAC);
  node::WriteRequest request = node::RequestFor(apac_.node(), "countries/KR", korea, {"display_name", "region"}, clock_.RequestId());
  request.stream = PartnerStream("JP");
  absl::Notification written;
  apac_.node().Write(request, [&written](const absl::StatusOr<node::WriteResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    written.Notify();
  });
  ASSERT_TRUE(written.WaitForNotificationWithTimeout(kPatience));
  // It is signed after it is answered.
  absl::StatusOr<v1::Receipt> receipt;
  const absl::Time until = absl::Now() + kPatience;
  do {
    receipt = ReceiptOf("", "countries/KR");
  } while (!receipt.ok() && absl::Now() < until);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->entry(), "apac/1/partner-JP/0");
  EXPECT_EQ(receipt->checkpoint().origin(), roster().network() + "/apac/1/partner-JP");
  const auto proven = evidence::VerifyReceipt(
      evidence::FormatReceipt({static_cast<uint64_t>(receipt->sequence()), Digests(receipt->audit_path()), receipt->log_entry().header(),
                               receipt->log_entry().payload(), receipt->checkpoint().note()}),
      roster());
  ASSERT_TRUE(proven.ok()) << proven.status();
  EXPECT_EQ(ReceiptOf("apac/1/partner-JP/0", "")->SerializeAsString(), receipt->SerializeAsString());
  EXPECT_EQ(ReceiptOf("apac/1/0", "")->checkpoint().origin(), roster().network() + "/apac/1/main") << "Japan's";
  EXPECT_THAT(ReceiptOf("apac/1/partner-JP/1", ""), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("apac/1/gossip/0", ""), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(ReceiptOf("apac/1/main/0", ""), FailsWith("RECORD_NOT_FOUND")) << "an entry has one name";
}

TEST_F(LogServiceTest, TheNewestCheckpointContinuesEachBefore) {
  std::vector<std::string> older = {Checkpoint(1).note()};
  for (int i = 0; i < 4; ++i) {
    MakeCountry(std::string("A") + static_cast<char>('A' + i), "Somewhere");
    older.push_back(Checkpoint(i + 2).note());
  }
  for (size_t i = 0; i < older.size(); ++i) {
    const auto proof = Consistency(static_cast<int64_t>(i + 1));
    ASSERT_TRUE(proof.ok()) << proof.status();
    const auto proven = evidence::VerifyConsistency(
        older[i], evidence::FormatConsistency({i + 1, Digests(proof->hashes()), proof->checkpoint().note()}), roster());
    ASSERT_TRUE(proven.ok()) << proven.status();
    EXPECT_EQ(proven->newer.size, 5u);
  }
  const auto from_nothing = Consistency(0);
  ASSERT_TRUE(from_nothing.ok()) << from_nothing.status();
  EXPECT_EQ(from_nothing->hashes_size(), 0);
  EXPECT_THAT(Consistency(6), FailsWith("FIELD_INVALID", "old_size"));
  EXPECT_THAT(Consistency(-1), FailsWith("FIELD_INVALID", "old_size"));
}

}  // namespace
}  // namespace fairlead::rpc
