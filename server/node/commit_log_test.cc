// What a committer hands to a commit log that asks for it. What a log does with it is in tests/etcd.

#include "server/node/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/bytes.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/committer.h"
#include "server/node/log_book.h"
#include "server/node/node_testing.h"
#include "server/node/witness.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAreArray;
using ::testing::SizeIs;

// The store as commit point, which keeps what it is handed.
class RecordingLog : public EmbeddedCommitLog {
 public:
  explicit RecordingLog(storage::Store* store) : EmbeddedCommitLog(store, Position(0)) {}
  bool needs_items() const override { return true; }
  absl::Status Append(Position expected, Position end, const std::vector<JournalItem>& items, storage::Batch* folded) override {
    EXPECT_EQ(expected.value(), handed.size());
    EXPECT_EQ(end.value(), expected.value() + items.size());
    handed.insert(handed.end(), items.begin(), items.end());
    return EmbeddedCommitLog::Append(expected, end, items, folded);
  }
  std::vector<JournalItem> handed;
};

TEST(CommitLogItemsTest, EachPositionOfTheJournalIsHandedOverWithWhatIsNew) {
  TestNetwork network({"apac", "hq"});
  TestNetwork::Site apac = network.Open("apac");
  TestNetwork::Site hq = network.Open("hq");
  for (const std::string code : {"JP", "KR", "PH"}) {
    v1::Country country;
    country.set_display_name("The country " + code);
    country.set_region(v1::REGION_APAC);
    const auto written =
        Write(*apac.node, RequestFor(*apac.node, "countries/" + code, country, {"display_name", "region"}, network.clock().RequestId()));
    ASSERT_TRUE(written.ok()) << written.status();
  }
  replication::RemoteBatch batch = Missing(*apac.node, *hq.node);
  ASSERT_THAT(batch.entries, SizeIs(3));
  std::vector<JournalItem> want;
  for (const replication::VerifiedEntry& entry : batch.entries) want.push_back({entry.dot, entry.header_bytes, entry.payload});
  const Dot late = batch.entries[1].dot;
  const std::string late_payload = *batch.entries[1].payload;
  batch.entries[1].payload = want[1].payload = std::nullopt;
  want.push_back({late, "", late_payload});
  std::string read_to;
  PutBytes(&read_to, batch.journal_instance);
  PutU64(&read_to, 3);
  want[2].kept = {{storage::Cf::kLinks, "apac", read_to}};

  storage::MemoryStore store;
  auto instance = store.NewBatch();
  instance->Put(storage::Cf::kMeta, storage::kMetaJournalInstance, "an instance");
  ASSERT_TRUE(store.Write(instance.get(), storage::Sync::kYes).ok());
  NodeOptions options{.site = "hq", .roster = network.roster(), .log_keys = {}, .mirror_key = network.mirror_key("hq")};
  options.registry = &records::TheRegistry();
  options.clock = &network.clock();
  Witness witness({.roster = &network.roster(), .site = hq.node->site(), .own_logs = {}, .clock = &network.clock()}, &store,
                  [&](LogId log, Seq size) { return LogBook(store).Root(log, size); });
  RecordingLog log(&store);
  Committer committer(&options, hq.node->site(), {}, &store, &log, &witness, nullptr);
  ASSERT_TRUE(committer.Load().ok());
  replication::ApplyResult result;
  committer.ApplyRemote(std::move(batch), [&](const replication::ApplyResult& applied) { result = applied; });
  ASSERT_TRUE(committer.CommitOnce());
  ASSERT_TRUE(committer.TakePayload(late, late_payload).ok());
  ASSERT_TRUE(committer.CommitOnce());
  while (committer.RunCompletions()) {
  }
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(committer.JournalEnd(), Position(4));
  EXPECT_THAT(log.handed, ElementsAreArray(want));

  // Read from the store, an item has what is there now.
  want[2].kept.clear();
  want[1].payload = late_payload;
  want[3].header = want[1].header;
  const auto read = log.Read(Position(0), 1 << 20);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->items, ElementsAreArray(want));
  EXPECT_TRUE(read->last);
}

}  // namespace
}  // namespace fairlead::node
