#include "api/entry.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/vectors.h"

namespace fairlead {
namespace {

ValueId Id(uint8_t byte, uint16_t op) {
  ValueId id;
  id.mutation.fill(byte);
  id.op = op;
  return id;
}

Header FullHeader(const Digest& payload_digest) {
  Header h;
  h.log = LogId(3);
  h.seq = Seq(300);
  h.time = Hlc(0x018f4e2a7c000005);
  h.deps.Set(LogId(1), Seq(1));
  h.deps.Set(LogId(2), Seq(128));
  h.deps.Set(LogId(70000), Seq(uint64_t{1} << 40));
  h.audience = {false, {SiteId(1), SiteId(4), SiteId(300)}};
  h.payload_digest = payload_digest;
  return h;
}

Payload FullPayload() {
  Payload p;
  for (uint8_t i = 0; i < 16; ++i) {
    p.nonce[i] = i;
    p.request_digest[i] = 16 + i;
  }
  p.actor = "officer/apac/watch";
  p.request_id = "018f4e2a-7c00-7abc-8def-0123456789ab";
  p.method = "fairlead.v1.EngagementService/CloseEngagement";
  Mutation close{4, "engagements/01hxyz", {Id(0x55, 3)}, {}};
  close.ops.push_back({2, MergeKind::kRegister, true, "\x12\x05hello", {Id(0x11, 0), Id(0x11, 1), Id(0x22, 0)}, false, {}});
  close.ops.push_back({9, MergeKind::kSet, true, FromHex("4a0141"), {}, false, {}});
  close.ops.push_back({9, MergeKind::kSet, false, "", {Id(0x33, 7)}, false, {}});
  close.ops.push_back({20, MergeKind::kRestrictMax, true, "\x03", {}, false, {}});
  close.ops.push_back({21, MergeKind::kRestrictIntersect, true, FromHex("046170616302") + "hq", {}, false, {}});
  close.ops.push_back({5, MergeKind::kState, true, FromHex("1e03"), {Id(0x44, 2)}, true, {Id(0x11, 0), Id(0x33, 65535)}});
  // A merge kind of the future.
  Mutation unknown{300, "ports/JPYOK", {}, {{1000, static_cast<MergeKind>(200), true, "", {}, true, {}}}};
  p.mutations = {close, unknown};
  return p;
}

TEST(Entry, GoldenPayloads) {
  const VectorCase full = ReadVector("entry.txt", "payload-full");
  EXPECT_EQ(HexEncode(EncodePayload(FullPayload())), full.at("bytes"));
  EXPECT_EQ(HexEncode(AsView(Sha256(FromHex(full.at("bytes"))))), full.at("sha256"));
  const auto decoded = DecodePayload(FromHex(full.at("bytes")));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, FullPayload());

  const VectorCase least = ReadVector("entry.txt", "payload-least");
  EXPECT_EQ(HexEncode(EncodePayload(Payload())), least.at("bytes"));
  EXPECT_EQ(*DecodePayload(FromHex(least.at("bytes"))), Payload());
}

TEST(Entry, GoldenHeaders) {
  EXPECT_EQ(HexEncode(EncodeHeader(Header())), ReadVector("entry.txt", "header-least").at("bytes"));

  const Header full = FullHeader(Sha256(EncodePayload(FullPayload())));
  EXPECT_EQ(HexEncode(EncodeHeader(full)), ReadVector("entry.txt", "header-full").at("bytes"));

  Header nobody;
  nobody.log = LogId(UINT32_MAX);
  nobody.seq = Seq(UINT64_MAX);
  nobody.time = Hlc(UINT64_MAX);
  nobody.deps.Set(LogId(0), Seq(UINT64_MAX));
  nobody.audience = {false, {}};
  nobody.payload_digest.fill(0xff);
  EXPECT_EQ(HexEncode(EncodeHeader(nobody)), ReadVector("entry.txt", "header-nobody").at("bytes"));

  for (const Header& h : {Header(), full, nobody}) {
    const auto decoded = DecodeHeader(EncodeHeader(h));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, h);
  }
}

TEST(Entry, GoldenMutationIds) {
  const VectorCase c = ReadVector("entry.txt", "payload-full");
  for (size_t i : {0, 1}) {
    const MutationId id = MutationIdOf(c.at("network"), FullPayload(), i);
    EXPECT_EQ(HexEncode({reinterpret_cast<const char*>(id.data()), id.size()}), c.at("mutation_id_" + std::to_string(i)));
  }
}

TEST(Entry, MutationIdNamesTheRequestAndNothingElse) {
  const Payload base = FullPayload();
  const MutationId id = MutationIdOf("net", base, 0);
  Payload p = base;
  p.nonce.fill(9);
  p.request_digest.fill(9);
  p.mutations[1].record = "ports/OTHER";
  EXPECT_EQ(MutationIdOf("net", p, 0), id) << "nonce, request digest and other mutations take no part";

  std::set<MutationId> ids = {id, MutationIdOf("net2", base, 0)};
  const std::vector<std::function<void(Payload&)>> changes = {
      [](Payload& q) { q.actor += "x"; }, [](Payload& q) { q.method += "x"; }, [](Payload& q) { q.request_id += "x"; },
      [](Payload& q) { q.mutations[0].type += 1; }, [](Payload& q) { q.mutations[0].record += "x"; },
      [](Payload& q) { q.mutations[0].seen_seals.clear(); }, [](Payload& q) { q.mutations[0].ops.pop_back(); },
      [](Payload& q) { q.mutations[0].ops[0].value += "x"; }, [](Payload& q) { q.mutations[0].ops[0].replaces.pop_back(); },
      // A byte moved from one part to the next.
      [](Payload& q) {
        q.method += q.request_id[0];
        q.request_id.erase(0, 1);
      }};
  for (const auto& change : changes) {
    Payload q = base;
    change(q);
    EXPECT_TRUE(ids.insert(MutationIdOf("net", q, 0)).second);
  }
  // The same mutation twice in one payload is two mutations.
  p.mutations = {base.mutations[0], base.mutations[0]};
  EXPECT_NE(MutationIdOf("net", p, 0), MutationIdOf("net", p, 1));
}

// Whatever decodes is canonical: no two byte strings are one header or payload.
template <class Decode, class Encode>
void ExpectCanonical(const std::string& good, Decode decode, Encode encode) {
  ASSERT_TRUE(decode(good).ok());
  for (size_t n = 0; n < good.size(); ++n) {
    const auto decoded = decode(std::string_view(good).substr(0, n));
    ASSERT_FALSE(decoded.ok()) << "cut after " << n;
    ASSERT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss);
  }
  ASSERT_FALSE(decode(good + '\0').ok()) << "a byte after the end";
  int survived = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int b = 0; b < 256; ++b) {
      std::string mutated = good;
      mutated[i] = static_cast<char>(b);
      const auto decoded = decode(mutated);
      if (!decoded.ok()) continue;
      ++survived;
      ASSERT_EQ(HexEncode(encode(*decoded)), HexEncode(mutated)) << "byte " << i << " = " << b;
    }
  }
  EXPECT_GT(survived, 0);
}

TEST(Entry, HeaderBytesAreCanonical) {
  for (const char* name : {"header-least", "header-full", "header-nobody"}) {
    SCOPED_TRACE(name);
    ExpectCanonical(FromHex(ReadVector("entry.txt", name).at("bytes")), DecodeHeader, EncodeHeader);
  }
}

TEST(Entry, PayloadBytesAreCanonical) {
  for (const char* name : {"payload-least", "payload-full"}) {
    SCOPED_TRACE(name);
    ExpectCanonical(FromHex(ReadVector("entry.txt", name).at("bytes")), DecodePayload, EncodePayload);
  }
}

// Bytes drawn at random, and good bytes with pieces cut out, doubled or overwritten, never crash and never decode to what encodes
// otherwise.
TEST(Entry, RandomBytesDoNoHarm) {
  std::mt19937_64 random(20261121);
  const std::string good[] = {FromHex(ReadVector("entry.txt", "header-full").at("bytes")),
                              FromHex(ReadVector("entry.txt", "payload-full").at("bytes"))};
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good[round % 2];
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % bytes.size();
      const size_t n = std::min<size_t>(1 + random() % 8, bytes.size() - at);
      switch (random() % 3) {
        case 0:
          if (n < bytes.size()) bytes.erase(at, n);
          break;
        case 1:
          bytes.insert(at, bytes.substr(at, n));
          break;
        default:
          for (size_t i = at; i < at + n; ++i) bytes[i] = static_cast<char>(random());
      }
    }
    if (const auto header = DecodeHeader(bytes); header.ok()) {
      ASSERT_EQ(EncodeHeader(*header), bytes);
    }
    if (const auto payload = DecodePayload(bytes); payload.ok()) {
      ASSERT_EQ(EncodePayload(*payload), bytes);
    }
  }
}

void ExpectRefused(const absl::Status& status, std::string_view part) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << status;
}

std::string HeaderBytes(const std::string& deps_and_audience) {
  std::string out = FromHex("0105000000000000000000");  // version, log 5, seq 0, time 0
  return out + FromHex(deps_and_audience) + std::string(32, '\0');
}

TEST(Entry, HeaderRefusals) {
  ASSERT_TRUE(DecodeHeader(HeaderBytes("0000")).ok());
  ASSERT_TRUE(DecodeHeader(HeaderBytes("02040106020100")).ok());  // two deps, an audience of nobody
  const struct {
    const char* name;
    const char* bytes;
    const char* part;
  } cases[] = {{"deps-descend", "020601040100", "deps"},
               {"deps-twice", "020401040100", "deps"},
               {"deps-of-its-own-log", "01050100", "deps"},
               {"deps-size-zero", "01040000", "deps"},
               {"deps-log-beyond-32-bits", "0180808080100100", "deps"},
               {"deps-count-beyond-the-bytes", "7f00", "deps"},
               {"audience-kind-2", "0002", "audience"},
               {"audience-descends", "0001020201", "audience"},
               {"audience-twice", "0001020202", "audience"},
               {"audience-site-beyond-16-bits", "000101808004", "audience"},
               {"audience-needless-zero", "0001018100", "audience"},
               {"trailing-garbage", "000000", "end"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ExpectRefused(DecodeHeader(HeaderBytes(c.bytes)).status(), c.part);
  }
  std::string other_version = HeaderBytes("0000");
  other_version[0] = 2;
  ExpectRefused(DecodeHeader(other_version).status(), "version");
}

TEST(Entry, HeaderLimits) {
  Header h;
  h.log = LogId(100000);
  for (uint32_t i = 0; i < kDepsMax; ++i) h.deps.Set(LogId(i), Seq(1));
  EXPECT_TRUE(DecodeHeader(EncodeHeader(h)).ok());
  h.deps.Set(LogId(kDepsMax), Seq(1));
  ExpectRefused(DecodeHeader(EncodeHeader(h)).status(), "deps");

  h.deps = VersionVector();
  h.audience.all = false;
  for (uint16_t i = 0; i < 2100; ++i) h.audience.sites.push_back(SiteId(i));
  EXPECT_GT(EncodeHeader(h).size(), kHeaderBytesMax);
  ExpectRefused(DecodeHeader(EncodeHeader(h)).status(), "at most 4096");
}

Payload WithOneOp(Op op) {
  Payload p;
  p.mutations = {{1, "r", {}, {std::move(op)}}};
  return p;
}

TEST(Entry, PayloadRefusals) {
  // The last bytes of WithOneOp's encoding: field, kind, flags, [value], replaces.
  const std::string good = EncodePayload(WithOneOp({7, MergeKind::kRegister, true, "v", {Id(1, 0), Id(1, 1)}, false, {}}));
  const size_t replaces = good.size() - 2 * 18;

  std::string swapped = good;
  swapped[replaces + 17] = 1;
  swapped[replaces + 35] = 0;
  ExpectRefused(DecodePayload(swapped).status(), "mutation 0");
  std::string twice = good;
  twice[replaces + 35] = 0;
  ExpectRefused(DecodePayload(twice).status(), "mutation 0");
  std::string flags = good;
  flags[replaces - 4] = 0x05;
  ExpectRefused(DecodePayload(flags).status(), "mutation 0");
  std::string version = good;
  version[0] = 0;
  ExpectRefused(DecodePayload(version).status(), "version");
  ExpectRefused(DecodePayload(good + "x").status(), "end");
  ExpectRefused(DecodePayload("").status(), "version");
}

TEST(Entry, PayloadLimits) {
  Payload p;
  p.mutations.resize(kMutationsMax);
  EXPECT_TRUE(DecodePayload(EncodePayload(p)).ok());
  p.mutations.resize(kMutationsMax + 1);
  ExpectRefused(DecodePayload(EncodePayload(p)).status(), "count of mutations");

  p.mutations.assign(1, Mutation());
  p.mutations[0].ops.resize(kOpsMax);
  EXPECT_TRUE(DecodePayload(EncodePayload(p)).ok());
  p.mutations[0].ops.resize(kOpsMax + 1);
  ExpectRefused(DecodePayload(EncodePayload(p)).status(), "mutation 0");

  p = WithOneOp({1, MergeKind::kRegister, true, "", {}, false, {}});
  p.mutations[0].ops[0].value.resize(kPayloadBytesMax - EncodePayload(p).size() - 2);
  ASSERT_EQ(EncodePayload(p).size(), kPayloadBytesMax);
  EXPECT_TRUE(DecodePayload(EncodePayload(p)).ok());
  p.mutations[0].ops[0].value.push_back('x');
  ExpectRefused(DecodePayload(EncodePayload(p)).status(), "at most 1048576");
}

// A count of 65,536 ids in a payload of few bytes must be refused before it is believed.
TEST(Entry, CountsAreBoundedByTheBytesThatFollow) {
  Payload p = WithOneOp({1, MergeKind::kRegister, false, "", {}, false, {}});
  std::string bytes = EncodePayload(p);
  bytes.pop_back();
  PutVarint(&bytes, kValueIdsMax);
  ExpectRefused(DecodePayload(bytes).status(), "mutation 0");
  bytes = EncodePayload(Payload());
  bytes.pop_back();
  PutVarint(&bytes, kMutationsMax);
  ExpectRefused(DecodePayload(bytes).status(), "count of mutations");
}

}  // namespace
}  // namespace fairlead
