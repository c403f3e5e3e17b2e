#include "api/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <sstream>

#include "api/test_log.h"

namespace fairlead {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// The log up to `size`; entries for which `withheld` says so go without payload.
std::string FileOf(const TestLog& log, uint64_t size, const std::function<bool(uint64_t)>& withheld = nullptr) {
  std::ostringstream out;
  LogFileWriter writer(log.Checkpoint(size), &out);
  for (uint64_t i = 0; i < size; ++i) {
    const bool with = withheld == nullptr || !withheld(i);
    writer.AddEntry(log.headers[i], with ? std::optional(log.payloads[i]) : std::nullopt);
    if ((i + 1) % merkle::kBlockLeaves == 0 || i + 1 == size) {
      writer.EndBlock(*merkle::BlockProof(i / merkle::kBlockLeaves, size, log.Subtrees()));
    }
  }
  return out.str();
}

absl::StatusOr<VerifiedLog> Verify(const std::string& file, const Roster& roster) {
  std::istringstream in(file);
  return VerifyLogFile(in, roster);
}

std::string ErrorOf(const std::string& file, const Roster& roster) { return std::string(Verify(file, roster).status().message()); }

TEST(LogFileTest, AWholeLogVerifies) {
  TestLog log;
  log.AddMany(700);
  for (const uint64_t size : {0, 1, 2, 255, 256, 257, 512, 700}) {
    const auto verified = Verify(FileOf(log, size, [](uint64_t i) { return i % 3 == 0; }), log.roster);
    ASSERT_TRUE(verified.ok()) << size << ": " << verified.status();
    EXPECT_EQ(verified->checkpoint.size, size);
    EXPECT_EQ(verified->payloads, size - (size + 2) / 3);
    EXPECT_EQ(verified->last_time.millis() - verified->first_time.millis(), size == 0 ? 0 : size - 1);
  }
}

TEST(LogFileTest, EntriesAreToldInOrder) {
  TestLog log;
  log.AddMany(300);
  std::istringstream in(FileOf(log, 300, [](uint64_t i) { return i == 280; }));
  uint64_t next = 0;
  const auto verified = VerifyLogFile(in, log.roster, [&](const Header& header, const std::optional<std::string>& payload) {
    EXPECT_EQ(header.seq, Seq(next));
    EXPECT_EQ(payload, next == 280 ? std::nullopt : std::optional("payload " + std::to_string(next)));
    ++next;
  });
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(next, 300u);
}

// One bit anywhere is found, and the entry that it is in is named, or the one whose length it changed and so what follows.
TEST(LogFileTest, EveryFlippedBitIsFoundAndNamed) {
  TestLog log;
  log.AddMany(5);
  const std::string good = FileOf(log, 5);
  const std::string head = FileOf(log, 5).substr(0, good.find(log.headers[0]) - 33);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= 0x10;
    const auto verified = Verify(bad, log.roster);
    if (verified.ok()) {
      // It renamed a cosigner: a stranger's signature, which counts for nothing.
      EXPECT_LT(at, head.size());
      EXPECT_TRUE(verified->checkpoint.cosignatures.empty()) << "byte " << at;
      continue;
    }
    const std::string message(verified.status().message());
    if (at < head.size()) {
      EXPECT_THAT(message, AnyOf(HasSubstr("checkpoint"), HasSubstr("not an exported log"))) << "byte " << at;
    } else {
      EXPECT_THAT(message, AnyOf(HasSubstr("test.example/apac/1/main"), HasSubstr("the file ends"))) << "byte " << at;
    }
  }
  for (uint64_t i = 0; i < 5; ++i) {
    std::string bad = good;
    bad[bad.find(log.payloads[i]) + 3] ^= 1;
    EXPECT_EQ(ErrorOf(bad, log.roster),
              "entry " + std::to_string(i) + " of test.example/apac/1/main: its payload does not have the digest that its header states");
    bad = good;
    bad[bad.find(log.headers[i]) + 8] ^= 1;
    EXPECT_EQ(ErrorOf(bad, log.roster),
              "entry " + std::to_string(i) + " of test.example/apac/1/main: its header does not have the leaf hash written beside it");
  }
}

TEST(LogFileTest, AFileThatEndsEarlyOrLateIsNotWhole) {
  TestLog log;
  log.AddMany(3);
  const std::string good = FileOf(log, 3);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Verify(good.substr(0, size), log.roster).ok()) << size << " of " << good.size() << " bytes";
  }
  EXPECT_EQ(ErrorOf(good + "x", log.roster), "test.example/apac/1/main: bytes follow the last of 3 entries");
}

// Each breaks one rule only: hashes written beside headers, and proofs, are those of what is there.
TEST(LogFileTest, ALyingFileFailsByName) {
  TestLog log;
  log.AddMany(300);
  TestLog other = log;  // the same keys
  other.headers[280] = EncodeHeader([&] {
    Header header = *DecodeHeader(log.headers[280]);
    header.time = Hlc(header.time.raw() + 1);
    return header;
  }());
  EXPECT_THAT(
      ErrorOf(FileOf(other, 300), log.roster),
      HasSubstr("entries [256, 300) of test.example/apac/1/main: their proof does not lead to the root of the checkpoint of size 300"));
  other = log;
  std::swap(other.headers[3], other.headers[4]);
  std::swap(other.payloads[3], other.payloads[4]);
  EXPECT_THAT(ErrorOf(FileOf(other, 300), log.roster), HasSubstr("entry 3 of test.example/apac/1/main: its header is that of entry 4"));
  // An origin whose clock went back, and signed it.
  TestLog back;
  back.AddMany(2);
  back.Add("late", [](Header* header) { header->time = Hlc::FromMillis(TestLog::kTimeS * 1000); });
  EXPECT_THAT(ErrorOf(FileOf(back, 3), back.roster), HasSubstr("entry 2 of test.example/apac/1/main: its time is not later"));
  // Of another network.
  EXPECT_THAT(ErrorOf(FileOf(log, 300), TestLog(1).roster), HasSubstr("is not signed by its log's key"));
}

}  // namespace
}  // namespace fairlead
