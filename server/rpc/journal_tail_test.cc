#include "server/rpc/journal_tail.h"

#include <gmock/gmock.h>

#include <utility>

#include "fairlead/v1/reference.pb.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/rpc/record_access.h"
#include "storage/memory_store.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr size_t kEverything = 256;

class JournalTailTest : public testing::Test {
 protected:
  JournalTailTest() {
    auto owned = std::make_unique<node::CountingStore>();
    store_ = owned.get();
    auto site = network_.Open("apac", std::move(owned));
    EXPECT_TRUE(site.ok()) << site.status();
    site_ = *std::move(site);
    tail_ = std::make_unique<JournalTail>(site_.node.get());
  }

  // One entry that writes countries of these names.
  void Write(const std::vector<std::string>& names, const std::string& official_name = "") {
    const records::RecordType& type = *records::TheRegistry().FindByMessage("Country");
    v1::Country country;
    country.set_display_name("Country");
    country.set_official_name(official_name);
    node::WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = network_.clock().RequestId();
    request.method = "fairlead.v1.ReferenceService/ImportCountries";
    for (const std::string& name : names) request.mutations.push_back(node::MutationFor(type, name, nullptr, country, FoldedFields(type)));
    bool done = false;
    site_.node->Write(std::move(request), [&done](const absl::StatusOr<node::WriteResult>& result) {
      EXPECT_TRUE(result.ok()) << result.status();
      done = true;
    });
    node::RunNode(*site_.node);
    ASSERT_TRUE(done);
  }
  static std::vector<std::string> Names(size_t count, size_t bytes) {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
      std::string name = "countries/" + std::to_string(i) + '-';
      name.resize(bytes, 'x');
      names.push_back(std::move(name));
    }
    return names;
  }
  // The entries that one Read gives from here on: of each, how many records.
  std::vector<size_t> Read(Position from) {
    const auto entries = tail_->Read(from, kEverything);
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<size_t> sizes;
    for (const auto& entry : *entries) {
      EXPECT_EQ(entry->position, from + sizes.size());
      sizes.push_back(entry->records.size());
    }
    return sizes;
  }
  int64_t ReadsOf(Position from) {
    const int64_t before = store_->reads();
    EXPECT_THAT(Read(from), SizeIs(1));
    return store_->reads() - before;
  }

  node::TestNetwork network_{{"apac"}};
  node::CountingStore* store_;
  node::TestNetwork::Site site_;
  std::unique_ptr<JournalTail> tail_;
};

TEST_F(JournalTailTest, NoMoreIsReadAtOnceThanItsReadersUse) {
  const Position start = site_.node->JournalEnd();
  for (int i = 0; i < 3; ++i) Write(Names(2100, 24));
  EXPECT_THAT(Read(start), ElementsAre(2100, 2100));
  EXPECT_THAT(Read(start + 2), ElementsAre(2100));
  const Position large = site_.node->JournalEnd();
  for (int i = 0; i < 3; ++i) Write(Names(1, 24), std::string(600 << 10, 'x'));
  EXPECT_THAT(Read(large), ElementsAre(1, 1));
  EXPECT_THAT(Read(large + 2), ElementsAre(1));
  EXPECT_THAT(Read(large + 3), ElementsAre());
}

TEST_F(JournalTailTest, WhatIsKeptOfAnEntryIsBoundedInBytes) {
  const Position small = site_.node->JournalEnd();
  Write(Names(300, 24));
  EXPECT_GT(ReadsOf(small), 0);
  EXPECT_EQ(ReadsOf(small), 0);
  const Position large = site_.node->JournalEnd();
  Write(Names(100, 500));
  EXPECT_GT(ReadsOf(large), 0);
  EXPECT_GT(ReadsOf(large), 0);
}

}  // namespace
}  // namespace fairlead::rpc
