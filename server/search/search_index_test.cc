#include "server/search/search_index.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <filesystem>
#include <thread>

#include "api/errors.h"
#include "fairlead/v1/reference.pb.h"
#include "server/search/search_testing.h"

namespace fairlead::search {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(30);

class SearchIndexTest : public IndexedNodeTest {
 protected:
  // Writes over the middle of every file of the index.
  void Damage() {
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      if (!entry.is_regular_file() || entry.file_size() < 64) continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(entry.file_size() / 2 - 32));
      file << std::string(64, '\x5a');
    }
  }
};

TEST_F(SearchIndexTest, ItFollowsTheJournalAndIsFoundAgain) {
  EXPECT_EQ(ReasonOf(index().Read().status()), "INDEX_UNAVAILABLE");
  PutEngagement("engagements/A", "Windlass");
  CatchUp();
  EXPECT_EQ(index().figures().records, 1);
  EXPECT_EQ(index().figures().builds, 1);
  PutEngagement("engagements/B", "Windlass");
  CatchUp();
  EXPECT_EQ(index().figures().records, 2);
  Reopen();
  PutEngagement("engagements/C", "Windlass");
  CatchUp();
  EXPECT_EQ(index().figures().builds, 0);
  EXPECT_THAT(Names("windlass"), SizeIs(3));
  EXPECT_EQ(index().figures().indexed, Position(3));
  EXPECT_FALSE(index().figures().building);
}

TEST_F(SearchIndexTest, RecordsThatComeFromElsewhereAreFound) {
  node::TestNetwork::Site hq = network_.Open("hq");
  v1::Country country;
  country.set_display_name("Windlassia");
  ASSERT_TRUE(
      node::Write(*hq.node, node::RequestFor(*hq.node, "countries/WA", country, {"display_name"}, network_.clock().RequestId())).ok());
  CatchUp();
  EXPECT_THAT(Names("windlassia"), IsEmpty());
  node::Sync(*hq.node, node());
  CatchUp();
  EXPECT_THAT(Names("windlassia"), ElementsAre("countries/WA"));
}

TEST_F(SearchIndexTest, WhatCannotBeUsedIsBuiltAnew) {
  for (int i = 0; i < 40; ++i) PutEngagement(fmt::format("engagements/E{}", i), "Windlass", fmt::format("number{}", i));
  CatchUp();
  const auto rebuilt = [this](const std::string& what) {
    Reopen();
    CatchUp();
    EXPECT_EQ(index().figures().builds, 1) << what;
    EXPECT_THAT(Names("windlass"), SizeIs(40)) << what;
    EXPECT_THAT(Names("number7"), ElementsAre("engagements/E7")) << what;
  };
  index_.reset();
  fs::remove_all(folder());
  rebuilt("missing");

  index_.reset();
  Damage();
  rebuilt("damaged");

  index_.reset();
  fs::resize_file(folder() + "/index/postlist.glass", 100);
  rebuilt("cut short");

  index_.reset();
  Xapian::WritableDatabase(folder() + "/index", Xapian::DB_OPEN).set_metadata("version", "another");
  rebuilt("of another version");

  index_.reset();
  {
    Xapian::WritableDatabase database(folder() + "/index", Xapian::DB_OPEN);
    std::string progress = database.get_metadata("progress");
    progress[5] ^= 1;  // within the journal's instance
    database.set_metadata("progress", progress);
  }
  rebuilt("of another journal");

  index_.reset();
  std::ofstream(folder() + "/next") << "what a purge that was cut off left";
  Reopen();
  CatchUp();
  EXPECT_EQ(index().figures().builds, 0);
}

TEST_F(SearchIndexTest, AnIndexOfWhatTheStoreHasLostIsBuiltAnew) {
  node::TestNetwork::Site hq = network_.Open("hq");
  v1::Country country;
  country.set_display_name("Windlassia");
  ASSERT_TRUE(
      node::Write(*hq.node, node::RequestFor(*hq.node, "countries/WA", country, {"display_name"}, network_.clock().RequestId())).ok());
  PutEngagement("engagements/A", "Windlass");
  std::unique_ptr<storage::MemoryStore> copy = apac_.store->Crash(0);
  node::Sync(*hq.node, node());
  CatchUp();
  ASSERT_THAT(Names("windlassia"), SizeIs(1));
  // The store of before is put back, and its journal takes another course, as far.
  index_.reset();
  apac_ = *network_.Open("apac", std::move(copy));
  PutEngagement("engagements/C", "Capstan");
  Reopen();
  CatchUp();
  EXPECT_EQ(index().figures().builds, 1);
  EXPECT_THAT(Names("capstan"), ElementsAre("engagements/C"));
  EXPECT_EQ(index().figures().records, 2);
}

TEST_F(SearchIndexTest, ABuildThatIsCutOffGoesOnWhereItWas) {
  for (int i = 0; i < 4500; ++i) {
    v1::Country country;
    country.set_display_name("Windlass");
    node::WriteRequest request =
        node::RequestFor(node(), fmt::format("countries/{}", i), country, {"display_name"}, network_.clock().RequestId());
    node().Write(std::move(request), [](const absl::StatusOr<node::WriteResult>& written) { EXPECT_TRUE(written.ok()); });
    if (i % 500 == 499) node::RunNode(node());
  }
  node::RunNode(node());
  ASSERT_TRUE(*index().Step());  // opens
  ASSERT_TRUE(*index().Step());  // takes in the first 4,096
  EXPECT_TRUE(index().figures().building);
  EXPECT_EQ(index().figures().indexed, Position(0));
  EXPECT_EQ(index().figures().records, 4096);
  // What has been taken in changes before the rest is.
  v1::Country country;
  country.set_display_name("Capstan");
  Put("countries/0", country, {"display_name"});
  Reopen();
  ASSERT_TRUE(*index().Step());
  EXPECT_EQ(index().figures().records, 4096);
  CatchUp();
  EXPECT_EQ(index().figures().records, 4500);
  EXPECT_THAT(Names("capstan"), ElementsAre("countries/0"));
}

TEST_F(SearchIndexTest, AnErasureTakesItOutOfTheFiles) {
  const Dot secret = PutEngagement("engagements/A", "Visit", "Zanzibarqueville is its name");
  PutEngagement("engagements/B", "Visit", "Windlass");
  CatchUp();
  ASSERT_TRUE(InFiles("zanzibarqueville"));
  // Replaced: out of the index, and in its files for all we know. Then erased.
  PutEngagement("engagements/A", "Visit", "No name");
  CatchUp();
  ASSERT_THAT(Names("zanzibarqueville"), IsEmpty());
  Erase(secret);
  CatchUp();
  EXPECT_FALSE(InFiles("zanzibarqueville"));
  EXPECT_THAT(Names("windlass"), ElementsAre("engagements/B"));
  // The index that was written anew goes on.
  PutEngagement("engagements/C", "Windlass");
  CatchUp();
  EXPECT_THAT(Names("windlass"), SizeIs(2));
  EXPECT_EQ(index().figures().builds, 1);
}

TEST_F(SearchIndexTest, APurgeThatIsCutOffIsMadeAgain) {
  const Dot secret = PutEngagement("engagements/A", "Visit", "Zanzibarqueville is its name");
  CatchUp();
  Erase(secret);
  ASSERT_TRUE(*index().Step());  // takes the erasure in
  ASSERT_TRUE(InFiles("zanzibarqueville"));
  Reopen();
  CatchUp();
  EXPECT_FALSE(InFiles("zanzibarqueville"));
}

TEST_F(SearchIndexTest, AnErasureIsNotCosignedBeforeItIsOutOfTheFiles) {
  const Dot secret = PutEngagement("engagements/A", "Visit", "Zanzibarqueville is its name");
  CatchUp();
  const auto vouched = [this] {
    network_.clock().Advance(absl::Seconds(1));
    node().Purge(nullptr);
    node().Tick();
    return node().Cosigned(network_.log("apac"))[node().site()];
  };
  EXPECT_EQ(vouched(), Seq(1));
  // Held while the index cannot be written.
  index_.reset();
  fs::remove_all(folder());
  std::ofstream(folder()) << "in the way";
  Reopen();
  index().Start();
  Erase(secret);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(vouched(), Seq(1));
  absl::Time deadline = absl::Now() + kPatience;
  while (index().figures().error.empty() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_THAT(index().figures().error, HasSubstr("the search index"));
  EXPECT_EQ(vouched(), Seq(1));
  fs::remove(folder());
  deadline = absl::Now() + kPatience;
  while (vouched() < Seq(2) && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(vouched(), Seq(2));
  EXPECT_FALSE(InFiles("zanzibarqueville"));
  EXPECT_EQ(index().figures().error, "");
  index().Stop();
}

TEST_F(SearchIndexTest, DamageThatAReaderFindsIsMended) {
  for (int i = 0; i < 200; ++i) PutEngagement(fmt::format("engagements/E{}", i), "Windlass", fmt::format("number{}", i));
  CatchUp();
  index().ReportDamage();
  CatchUp();
  EXPECT_EQ(index().figures().builds, 2);
  EXPECT_THAT(Ask(Asking("windlass"), std::nullopt, 500).results, SizeIs(200));
}

TEST_F(SearchIndexTest, ListenersHearOfEachCommit) {
  std::vector<uint64_t> heard;
  const uint64_t id = index().AddListener([&heard](Position indexed) { heard.push_back(indexed.value()); });
  PutEngagement("engagements/A", "Windlass");
  CatchUp();
  PutEngagement("engagements/B", "Windlass");
  CatchUp();
  EXPECT_THAT(heard, ElementsAre(1, 2));
  index().RemoveListener(id);
  PutEngagement("engagements/C", "Windlass");
  CatchUp();
  EXPECT_THAT(heard, SizeIs(2));
}

}  // namespace
}  // namespace fairlead::search
