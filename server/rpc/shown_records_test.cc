#include "server/rpc/shown_records.h"

#include <gmock/gmock.h>

#include <map>
#include <thread>

#include "api/errors.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/rpc/record_access.h"
#include "storage/memory_store.h"

namespace fairlead::rpc {
namespace {

const records::RecordType& Countries() { return *records::TheRegistry().FindByMessage("Country"); }

class ShownRecordsTest : public testing::Test {
 protected:
  ShownRecordsTest() {
    auto owned = std::make_unique<node::CountingStore>();
    store_ = owned.get();
    auto site = network_.Open("apac", std::move(owned));
    EXPECT_TRUE(site.ok()) << site.status();
    site_ = *std::move(site);
  }

  void Put(const std::string& code, const std::string& display_name, bool withdrawn = false) {
    const std::string name = "countries/" + code;
    const auto state = site_.node->GetState(*store_, name);
    ASSERT_TRUE(state.ok());
    v1::Country country;
    country.set_display_name(display_name);
    country.set_withdrawn(withdrawn);
    node::WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = network_.clock().RequestId();
    request.method = "fairlead.v1.ReferenceService/UpdateCountry";
    request.mutations = {node::MutationFor(Countries(), name, state->has_value() ? &**state : nullptr, country, FoldedFields(Countries()))};
    bool done = false;
    site_.node->Write(std::move(request), [&done](const absl::StatusOr<node::WriteResult>& result) {
      EXPECT_TRUE(result.ok()) << result.status();
      done = true;
    });
    node::RunNode(*site_.node);
    ASSERT_TRUE(done);
  }
  // The country as it is shown; "none".
  static std::string Show(ShownRecords& shown, const storage::View& view, const std::string& code) {
    const auto found = shown.Find(view, Countries(), "countries/" + code);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok() || *found == nullptr) return "none";
    v1::Country country;
    EXPECT_TRUE(country.ParseFromString((*found)->bytes));
    EXPECT_EQ(country.withdrawn(), (*found)->withdrawn);
    EXPECT_EQ(country.name(), "countries/" + code);
    return country.display_name();
  }
  int64_t ReadsOf(const std::function<void()>& work) const {
    const int64_t before = store_->reads();
    work();
    return store_->reads() - before;
  }

  node::TestNetwork network_{{"apac"}};
  node::CountingStore* store_;
  node::TestNetwork::Site site_;
};

TEST_F(ShownRecordsTest, IsTheMessageThatIsPutTogetherOfTheState) {
  ShownRecords shown(1 << 20);
  EXPECT_EQ(Show(shown, *store_, "JP"), "none");
  Put("JP", "Japan");
  const auto loaded = Load(*site_.node, *store_, Countries(), "countries/JP");
  ASSERT_TRUE(loaded.ok() && loaded->has_value());
  const auto found = shown.Find(*store_, Countries(), "countries/JP");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->bytes, (*loaded)->message->SerializeAsString());
  EXPECT_FALSE((*found)->withdrawn);
  Put("JP", "Japan", /*withdrawn=*/true);
  EXPECT_TRUE((*shown.Find(*store_, Countries(), "countries/JP"))->withdrawn);
}

TEST_F(ShownRecordsTest, WhileNothingIsWrittenTheStateIsReadOnce) {
  ShownRecords shown(1 << 20);
  Put("JP", "Japan");
  Put("KR", "Korea");
  EXPECT_EQ(ReadsOf([&] { EXPECT_EQ(Show(shown, *store_, "JP"), "Japan"); }), 1);
  EXPECT_EQ(ReadsOf([&] { EXPECT_EQ(Show(shown, *store_, "JP"), "Japan"); }), 0);
  const auto kept = shown.Find(*store_, Countries(), "countries/JP");
  // Another record is written: the state is looked at once more, and what was made of it serves.
  Put("KR", "South Korea");
  EXPECT_EQ(ReadsOf([&] { EXPECT_EQ(Show(shown, *store_, "JP"), "Japan"); }), 1);
  EXPECT_EQ(ReadsOf([&] { EXPECT_EQ(Show(shown, *store_, "JP"), "Japan"); }), 0);
  EXPECT_EQ(*shown.Find(*store_, Countries(), "countries/JP"), *kept);
}

TEST_F(ShownRecordsTest, EachViewIsShownWhatItHolds) {
  ShownRecords shown(1 << 20);
  Put("JP", "Japan");
  const auto before = store_->NewSnapshot();
  EXPECT_EQ(Show(shown, *store_, "JP"), "Japan");
  Put("JP", "Nippon");
  const auto after = store_->NewSnapshot();
  Put("JP", "Nihon");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Show(shown, *before, "JP"), "Japan");
    EXPECT_EQ(Show(shown, *store_, "JP"), "Nihon");
    EXPECT_EQ(Show(shown, *after, "JP"), "Nippon");
    EXPECT_EQ(Show(shown, *before, "KR"), "none");
  }
}

TEST_F(ShownRecordsTest, WhatWasReadLeastLatelyGoesFirst) {
  ShownRecords shown(64 << 10);
  std::vector<std::string> codes;
  for (char a = 'A'; a <= 'Z'; ++a) {
    for (char b = 'A'; b <= 'J'; ++b) codes.push_back({a, b});
  }
  for (const std::string& code : codes) Put(code, std::string(300, 'n'));
  for (const std::string& code : codes) {
    EXPECT_EQ(Show(shown, *store_, code).size(), 300u);
    EXPECT_EQ(ReadsOf([&] { Show(shown, *store_, codes[0]); }), 0) << "it is read all the time";
  }
  EXPECT_LE(shown.bytes(), size_t{64} << 10);
  EXPECT_GT(shown.bytes(), size_t{32} << 10);
  EXPECT_EQ(ReadsOf([&] { Show(shown, *store_, codes[1]); }), 1);
}

TEST_F(ShownRecordsTest, ReadersBesideAWriterSeeEachOfItsWritesOnceItIsDone) {
  ShownRecords shown(1 << 20);
  Put("JP", "0");
  std::atomic<int> written = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      for (int last = 0; last < 300;) {
        const int at_least = written;
        last = std::stoi(Show(shown, *store_, "JP"));
        EXPECT_GE(last, at_least);
      }
    });
  }
  for (int i = 1; i <= 300; ++i) {
    Put("JP", std::to_string(i));
    written = i;
  }
  for (std::thread& reader : readers) reader.join();
}

TEST_F(ShownRecordsTest, ADamagedStateIsAnError) {
  ShownRecords shown(1 << 20);
  Put("JP", "Japan");
  EXPECT_EQ(Show(shown, *store_, "JP"), "Japan");
  auto batch = store_->NewBatch();
  batch->Put(storage::Cf::kRecords, "countries/JP", "damaged");
  ASSERT_TRUE(store_->Write(batch.get(), storage::Sync::kYes).ok());
  const auto found = shown.Find(*store_, Countries(), "countries/JP");
  EXPECT_EQ(ReasonOf(found.status()), "STORE_DAMAGED");
}

}  // namespace
}  // namespace fairlead::rpc
