#include "api/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/test_log.h"

namespace fairlead::evidence {
namespace {

using ::testing::SizeIs;

MATCHER_P2(Fails, code, text, "") {
  *result_listener << arg.status();
  return arg.status().code() == code && std::string(arg.status().message()).find(text) != std::string::npos;
}

constexpr absl::StatusCode kMalformed = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kFalse = absl::StatusCode::kDataLoss;

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class EvidenceTest : public ::testing::Test {
 protected:
  EvidenceTest() { log_.AddMany(21); }
  TestLog log_;
};

TEST_F(EvidenceTest, ACheckpointSaysWhoStandsForIt) {
  const auto checkpoint = VerifyCheckpoint(log_.Checkpoint(21), log_.roster);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->log, &log_.roster.logs()[0]);
  EXPECT_EQ(checkpoint->size, 21u);
  EXPECT_EQ(checkpoint->root, log_.RootAt(21));
  ASSERT_THAT(checkpoint->cosignatures, SizeIs(1));
  EXPECT_EQ(checkpoint->cosignatures[0].site, "hq");
  EXPECT_EQ(checkpoint->cosignatures[0].time_s, TestLog::kTimeS);
}

TEST_F(EvidenceTest, SignaturesOfStrangersAreSkipped) {
  note::Note signed_note = *note::Parse(log_.Checkpoint(21));
  signed_note.signatures.push_back(note::Cosign("elsewhere.example/witness", SigningKey::Generate(), signed_note.text, 1));
  const auto checkpoint = VerifyCheckpoint(note::Format(signed_note), log_.roster);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->cosignatures, SizeIs(1));
}

TEST_F(EvidenceTest, ACheckpointFailsByName) {
  const std::string good = log_.Checkpoint(21);
  EXPECT_THAT(VerifyCheckpoint("", log_.roster), Fails(kMalformed, "checkpoint: "));
  EXPECT_THAT(VerifyCheckpoint(Replaced(good, "21\n", "x\n"), log_.roster), Fails(kMalformed, "checkpoint: "));
  EXPECT_THAT(VerifyCheckpoint(Replaced(good, "21\n", "22\n"), log_.roster),
              Fails(kFalse, "of size 22: the signature by test.example/apac/1/main does not verify"));
  EXPECT_THAT(VerifyCheckpoint(Replaced(good, "apac/1/main\n21", "apac/2/main\n21"), log_.roster),
              Fails(kFalse, "test.example/apac/2/main is no log of the roster of test.example"));
  note::Note bare = *note::Parse(good);
  const note::Signature by_log = bare.signatures[0];
  bare.signatures.erase(bare.signatures.begin());
  const auto unsigned_by_log = VerifyCheckpoint(note::Format(bare), log_.roster);
  EXPECT_THAT(unsigned_by_log, Fails(kFalse, "is not signed by its log's key"));
  EXPECT_EQ(ReasonOf(unsigned_by_log.status()), "SIGNATURE_INVALID");
  // A cosignature of another text, or of another time than it states.
  note::Note forged = *note::Parse(good);
  forged.signatures[1] = note::Cosign("test.example/hq/mirror", log_.hq_mirror, log_.Text(20), TestLog::kTimeS);
  EXPECT_THAT(VerifyCheckpoint(note::Format(forged), log_.roster), Fails(kFalse, "the cosignature by test.example/hq/mirror"));
  forged = *note::Parse(good);
  forged.signatures[1].bytes[7] ^= 1;
  EXPECT_THAT(VerifyCheckpoint(note::Format(forged), log_.roster), Fails(kFalse, "the cosignature by test.example/hq/mirror"));
  // Signed by the key of another log of the roster.
  const std::string text = log_.Text(21);
  EXPECT_THAT(VerifyCheckpoint(note::Format({text, {note::Sign(TestLog::kOrigin, log_.hq_key, text)}}), log_.roster),
              Fails(kFalse, "is not signed by its log's key"));
}

TEST_F(EvidenceTest, EveryEntryHasAReceipt) {
  for (uint64_t i = 0; i < 21; ++i) {
    const std::string text = FormatReceipt(log_.Receipt(i));
    const auto proven = VerifyReceipt(text, log_.roster);
    ASSERT_TRUE(proven.ok()) << proven.status();
    EXPECT_EQ(proven->header.seq, Seq(i));
    EXPECT_EQ(proven->payload, "payload " + std::to_string(i));
    EXPECT_EQ(proven->checkpoint.size, 21u);
    EXPECT_EQ(FormatReceipt(*ParseReceipt(text)), text);
  }
}

// The lines that C2SP's tlog-proof has, in its order.
TEST_F(EvidenceTest, AReceiptIsATlogProof) {
  evidence::Receipt receipt = log_.Receipt(20);
  receipt.payload.reset();
  std::string extra("\x01");
  PutBytes(&extra, receipt.header);
  extra.push_back('\0');
  ASSERT_THAT(receipt.audit_path, SizeIs(2));  // the last of 21 leaves: 16 + 4 + 1
  EXPECT_EQ(FormatReceipt(receipt), "c2sp.org/tlog-proof@v1\nextra " + Base64Encode(extra) + "\nindex 20\n" +
                                        Base64Encode(AsView(receipt.audit_path[0])) + "\n" + Base64Encode(AsView(receipt.audit_path[1])) +
                                        "\n\n" + receipt.checkpoint);
  const auto proven = VerifyReceipt(FormatReceipt(receipt), log_.roster);
  ASSERT_TRUE(proven.ok()) << proven.status();
  EXPECT_FALSE(proven->payload.has_value());
}

TEST_F(EvidenceTest, AReceiptFailsByName) {
  const evidence::Receipt good = log_.Receipt(7);
  const auto changed = [&](const std::function<void(evidence::Receipt*)>& change) {
    evidence::Receipt receipt = good;
    change(&receipt);
    return VerifyReceipt(FormatReceipt(receipt), log_.roster);
  };
  EXPECT_THAT(changed([](auto* r) { r->payload = "payload 8"; }), Fails(kFalse, "entry 7 of test.example/apac/1/main: its payload"));
  EXPECT_THAT(changed([&](auto* r) { r->header = log_.headers[8]; }), Fails(kFalse, "its header is that of entry 8 of log 1"));
  EXPECT_THAT(changed([](auto* r) { r->index = 8; }), Fails(kFalse, "entry 8 of test.example/apac/1/main: its header is that of entry 7"));
  EXPECT_THAT(changed([](auto* r) { r->header.pop_back(); }), Fails(kFalse, "entry 7 of test.example/apac/1/main: "));
  EXPECT_THAT(changed([](auto* r) { r->audit_path[2][0] ^= 1; }), Fails(kFalse, "its audit path does not lead to the checkpoint's root"));
  EXPECT_THAT(changed([](auto* r) { r->audit_path.pop_back(); }), Fails(kFalse, "its audit path does not lead"));
  EXPECT_THAT(changed([&](auto* r) { r->checkpoint = log_.Checkpoint(20); }), Fails(kFalse, "its audit path does not lead"));
  EXPECT_THAT(changed([&](auto* r) { r->checkpoint = log_.Checkpoint(7); }), Fails(kFalse, "the checkpoint covers 7 entries"));
  EXPECT_THAT(changed([](auto* r) { r->checkpoint = "nothing\n"; }), Fails(kMalformed, "checkpoint: "));
  // Another header of the same entry: of another time, and so not the leaf that was signed.
  EXPECT_THAT(changed([](auto* r) {
                Header header = *DecodeHeader(r->header);
                header.time = Hlc(header.time.raw() + 1);
                r->header = EncodeHeader(header);
              }),
              Fails(kFalse, "its audit path does not lead"));
}

TEST_F(EvidenceTest, AReceiptIsReadStrictly) {
  const std::string good = FormatReceipt(log_.Receipt(7));
  EXPECT_THAT(ParseReceipt(Replaced(good, "@v1", "@v2")), Fails(kMalformed, "the first line"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "extra A", "extra ~")), Fails(kMalformed, "the second line"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "extra A", "extra B")), Fails(kMalformed, "extra data is not an entry"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "index 7", "index 07")), Fails(kMalformed, "the third line"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "index 7", "index -7")), Fails(kMalformed, "the third line"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "index 7", "index 18446744073709551616")), Fails(kMalformed, "the third line"));
  EXPECT_THAT(ParseReceipt(Replaced(good, "index 7\n", "index 7\nAAAA\n")), Fails(kMalformed, "hash 1 is not base 64 of 32 bytes"));
  EXPECT_THAT(ParseReceipt(good.substr(0, good.find("index"))), Fails(kMalformed, "the third line"));
  EXPECT_THAT(ParseReceipt(good.substr(0, good.find("\n\n") + 1)), Fails(kMalformed, "ends before its checkpoint"));
  std::string hashes;
  for (size_t i = 0; i <= kProofHashesMax; ++i) hashes += Base64Encode(std::string(32, 'x')) + "\n";
  EXPECT_THAT(ParseReceipt(Replaced(good, "index 7\n", "index 7\n" + hashes)), Fails(kMalformed, "more than 64 hashes"));
  EXPECT_THAT(ParseReceipt(std::string(kReceiptBytesMax + 1, 'x')), Fails(kMalformed, "larger than"));
}

TEST_F(EvidenceTest, EveryTreeContinuesEveryEarlierOne) {
  for (uint64_t older = 0; older <= 21; ++older) {
    Consistency proof{.old_size = older, .checkpoint = log_.Checkpoint(21)};
    if (older > 0) proof.hashes = *merkle::ConsistencyProof(older, 21, log_.Subtrees());
    const auto proven = VerifyConsistency(log_.Checkpoint(older), FormatConsistency(proof), log_.roster);
    ASSERT_TRUE(proven.ok()) << older << ": " << proven.status();
    EXPECT_EQ(proven->older.size, older);
    EXPECT_EQ(proven->newer.size, 21u);
  }
}

// What C2SP's tlog-witness takes as the body of add-checkpoint.
TEST_F(EvidenceTest, AConsistencyFileIsAnAddCheckpointBody) {
  Digest hash;
  hash.fill(0x2a);
  EXPECT_EQ(FormatConsistency({20, {hash}, "the checkpoint\n"}),
            "old 20\nKioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=\n\nthe checkpoint\n");
}

TEST_F(EvidenceTest, ConsistencyFailsByName) {
  const std::string older = log_.Checkpoint(8);
  const Consistency good{8, *merkle::ConsistencyProof(8, 21, log_.Subtrees()), log_.Checkpoint(21)};
  Consistency proof = good;
  proof.hashes[0][5] ^= 1;
  EXPECT_THAT(VerifyConsistency(older, FormatConsistency(proof), log_.roster),
              Fails(kFalse, "of size 8 is not shown to be the beginning of that of size 21"));
  EXPECT_THAT(VerifyConsistency(log_.Checkpoint(9), FormatConsistency(good), log_.roster), Fails(kMalformed, "from size 8"));
  EXPECT_THAT(VerifyConsistency(log_.Checkpoint(21), FormatConsistency({21, {}, older}), log_.roster),
              Fails(kMalformed, "said to be older"));
  EXPECT_THAT(VerifyConsistency("", FormatConsistency(good), log_.roster), Fails(kMalformed, "the older: "));
  EXPECT_THAT(VerifyConsistency(older, FormatConsistency({8, {}, ""}), log_.roster), Fails(kMalformed, "the newer: "));
  EXPECT_THAT(VerifyConsistency(older, "", log_.roster), Fails(kMalformed, "the first line"));
  EXPECT_THAT(VerifyConsistency(log_.Checkpoint(0), FormatConsistency({0, {Digest{}}, log_.Checkpoint(21)}), log_.roster),
              Fails(kFalse, "no hashes"));
  // Another history under the same key.
  const std::string text = note::CheckpointText({TestLog::kOrigin, 8, log_.RootAt(7)});
  EXPECT_THAT(VerifyConsistency(log_.Sign(text), FormatConsistency(good), log_.roster), Fails(kFalse, "of size 8 is not shown"));
  const std::string of_hq = note::CheckpointText({"test.example/hq/1/main", 8, log_.RootAt(8)});
  EXPECT_THAT(VerifyConsistency(note::Format({of_hq, {note::Sign("test.example/hq/1/main", log_.hq_key, of_hq)}}), FormatConsistency(good),
                                log_.roster),
              Fails(kMalformed, "the checkpoints are of test.example/hq/1/main and of test.example/apac/1/main"));
}

}  // namespace
}  // namespace fairlead::evidence
