#include "server/etcd/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/entry.h"
#include "api/errors.h"

namespace fairlead::etcd {
namespace {

using node::JournalItem;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kId = "0123456789abcdef";

JournalItem Item(uint64_t seq, size_t bytes) {
  const std::string payload(bytes, 'p');
  Header header{.log = LogId(3), .seq = Seq(seq), .time = Hlc::FromMillis(1'700'000'000'000)};
  header.payload_digest = Sha256(payload);
  return {{header.log, header.seq}, EncodeHeader(header), payload};
}

void ExpectDamaged(const std::string& bytes, const std::string& why) {
  const auto packed = DecodePacked(bytes);
  ASSERT_FALSE(packed.ok()) << why;
  EXPECT_EQ(ReasonOf(packed.status()), "STORE_DAMAGED");
  EXPECT_THAT(std::string(packed.status().message()), HasSubstr(why));
}

TEST(PackingTest, BytesAreThoseOfTheGrammar) {
  const JournalItem whole = Item(5, 3);
  const Packed packed{
      .id = kId, .first = Position(300), .before = Sha256("before"), .items = {whole, {{LogId(2), Seq(200)}, "", std::nullopt}}};
  std::string want = "\x02" + kId + std::string("\xac\x02", 2) + std::string(AsView(Sha256("before"))) + '\x02';
  want += std::string("\x03\x03\x05", 3);
  PutBytes(&want, whole.header);
  want += std::string("\x03", 1) + "ppp";
  want += std::string("\x00\x02\xc8\x01", 4);
  EXPECT_EQ(EncodePacked(packed), want);
  EXPECT_EQ(AppendIdOf(want), kId);
  const auto decoded = DecodePacked(want);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->id, kId);
  EXPECT_EQ(decoded->first, Position(300));
  EXPECT_EQ(decoded->before, packed.before);
  EXPECT_EQ(decoded->end(), Position(302));
  EXPECT_THAT(decoded->items, ElementsAreArray(packed.items));
}

TEST(PackingTest, EveryDamageIsSeen) {
  const std::string bytes = EncodePacked({.id = kId, .first = Position(0), .before = {}, .items = {Item(5, 3)}});
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(DecodePacked(bytes.substr(0, n)).ok()) << "cut to " << n;
  ExpectDamaged(bytes + '\0', "more follows");
  ExpectDamaged("\x01" + bytes.substr(1), "version");
  ExpectDamaged("\x02" + kId + std::string(34, '\0'), "no valid count");
  std::string flags = bytes;
  flags[1 + kAppendIdBytes + 1 + 32 + 1] = 8;
  ExpectDamaged(flags, "malformed");
  std::string payload = bytes;
  payload.back() ^= 1;
  ExpectDamaged(payload, "a payload is not its header's");
  ExpectDamaged(
      EncodePacked({.id = kId, .first = Position(0), .before = {}, .items = {{{LogId(3), Seq(6)}, Item(5, 3).header, std::nullopt}}}),
      "another entry");
}

TEST(PackingTest, TheChainSaysWhatTheItemsAre) {
  const JournalItem whole = Item(5, 3);
  const std::string bytes = std::string("\0\0\0\3\0\0\0\0\0\0\0\5\3", 13);
  std::string header;
  PutBytes(&header, whole.header);
  EXPECT_EQ(Chained(Sha256("before"), whole), Sha256({AsView(Sha256("before")), bytes, header}));
  std::vector<JournalItem> others(5, whole);
  others[1].dot.seq = Seq(6);
  others[2].header = Item(6, 3).header;
  others[3].payload.reset();
  others[4].dot.log = LogId(4);
  std::set<Digest> chains;
  for (const JournalItem& item : others) chains.insert(Chained({}, item));
  chains.insert(Chained(Sha256("before"), whole));
  EXPECT_THAT(chains, SizeIs(6));
}

TEST(PackingTest, WhatIsKeptWithABatchFollowsItsLastItem) {
  JournalItem item{{LogId(2), Seq(200)}, "", std::nullopt};
  item.kept = {{storage::Cf::kLinks, "hq", std::string("a\0b", 3)}, {storage::Cf::kMeta, "proven/", ""}};
  const Packed packed{.id = kId, .first = Position(0), .before = {}, .items = {item}};
  const std::string head = "\x02" + kId + std::string(33, '\0') + std::string("\x01\x04\x02\xc8\x01", 5);
  const std::string links = std::string("\x0f\x02hq\x03", 5) + std::string("a\0b", 3);
  const std::string want = head + '\x02' + links + std::string("\x00\x07proven/\x00", 10);
  EXPECT_EQ(EncodePacked(packed), want);
  const auto decoded = DecodePacked(want);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(decoded->items, ElementsAreArray(packed.items));
  for (size_t n = 0; n < want.size(); ++n) EXPECT_FALSE(DecodePacked(want.substr(0, n)).ok()) << "cut to " << n;
  ExpectDamaged(head + '\x00', "no valid count of kept values");
  ExpectDamaged(head + '\x01' + std::string("\x11\x01k\x01v", 5), "of no family");

  // What is kept counts towards the size of what it lies in.
  item.kept = {{storage::Cf::kMeta, "proven/", std::string(kPackedBytesMax, 'x')}};
  Digest chain{};
  EXPECT_THAT(Pack(kId, Position(0), &chain, {Item(1, 3), item}), SizeIs(2));
}

TEST(PackingTest, ItemsArePackedUpToTheLimits) {
  std::vector<JournalItem> items;
  for (uint64_t i = 0; i < 30; ++i) items.push_back(Item(i, 20 << 10));
  items.push_back(Item(30, 300 << 10));
  items.push_back(Item(31, 1));
  const Digest before = Sha256("before");
  Digest chain = before;
  const std::vector<Packed> packed = Pack(kId, Position(7), &chain, items);
  ASSERT_THAT(packed, SizeIs(7)) << "six of 20 KiB fit in 128";
  Position next(7);
  Digest at = before;
  std::vector<JournalItem> all;
  for (const Packed& one : packed) {
    EXPECT_EQ(one.id, kId);
    EXPECT_EQ(one.first, next);
    if (one.items.size() > 1) {
      EXPECT_LE(EncodePacked(one).size(), kPackedBytesMax);
    }
    EXPECT_EQ(one.before, at);
    for (const JournalItem& item : one.items) at = Chained(at, item);
    next = one.end();
    all.insert(all.end(), one.items.begin(), one.items.end());
  }
  EXPECT_THAT(packed[5].items, SizeIs(1)) << "the large one lies alone";
  EXPECT_THAT(all, ElementsAreArray(items));
  EXPECT_EQ(chain, at);
}

TEST(PackingTest, SmallItemsArePackedUpToTheirNumber) {
  const std::vector<JournalItem> items(kPackedItemsMax + 1, JournalItem{{LogId(1), Seq(1)}, "", std::nullopt});
  Digest chain{};
  const std::vector<Packed> packed = Pack(kId, Position(0), &chain, items);
  ASSERT_THAT(packed, SizeIs(2));
  EXPECT_THAT(packed[0].items, SizeIs(kPackedItemsMax));
  EXPECT_EQ(packed[1].first, Position(kPackedItemsMax));
}

}  // namespace
}  // namespace fairlead::etcd
