// The simulator itself: a seed is a run, and the bugs that are planted are found.

#include "tests/simulation/simulation.h"

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "api/crypto.h"
#include "tests/simulation/verified.h"

namespace fairlead::simulation {
namespace {

class SimulationTest : public ::testing::Test {
 protected:
  SimulationTest() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    spdlog::set_level(spdlog::level::off);
  }
};

TEST_F(SimulationTest, ASeedGivesOneTrace) {
  for (const uint64_t seed : {3, 4, 5}) {
    const Result first = Simulate({.seed = seed});
    const Result second = Simulate({.seed = seed});
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.trace_tail, second.trace_tail);
    EXPECT_GT(first.entries, 0);
    EXPECT_NE(first.trace_hash, Simulate({.seed = seed + 100}).trace_hash);
  }
}

TEST_F(SimulationTest, ASeedOfASiteOfSeveralMachinesGivesOneTrace) {
  for (const uint64_t seed : {3, 4, 5}) {
    const Result first = Simulate({.seed = seed, .members = 3});
    const Result second = Simulate({.seed = seed, .members = 3});
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.trace_tail, second.trace_tail);
    EXPECT_NE(first.trace_hash, Simulate({.seed = seed, .members = 1}).trace_hash);
  }
}

TEST_F(SimulationTest, RunsOfASiteOfSeveralMachinesDoSomething) {
  int64_t acknowledged = 0, elections = 0, trims = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Result result = Simulate({.seed = seed, .members = 2 + static_cast<int>(seed % 2)});
    EXPECT_TRUE(result.failures.empty()) << "seed " << seed << ": " << result.failures.front();
    acknowledged += result.acknowledged;
    elections += result.elections;
    trims += result.trims;
  }
  EXPECT_GT(acknowledged, 100);
  EXPECT_GT(elections, 20);
  EXPECT_GT(trims, 10);
}

TEST_F(SimulationTest, ARunInThreeHasASiteOfSeveralMachines) {
  int with_members = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) with_members += Simulate({.seed = seed, .length = absl::Seconds(1)}).members > 1;
  EXPECT_GE(with_members, 1);
  EXPECT_LE(with_members, 8);
}

TEST_F(SimulationTest, RunsDoSomething) {
  int64_t faults = 0, acknowledged = 0, refused = 0, conflicts = 0, erased = 0, companions = 0;
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    const Result result = Simulate({.seed = seed});
    EXPECT_TRUE(result.failures.empty()) << "seed " << seed << ": " << result.failures.front();
    faults += result.faults;
    acknowledged += result.acknowledged;
    refused += result.refused;
    conflicts += result.conflicts;
    erased += result.erased;
    companions += result.companions;
  }
  EXPECT_GT(faults, 20);
  EXPECT_GT(acknowledged, 200);
  EXPECT_GT(refused, 20);
  EXPECT_GT(conflicts, 10);
  EXPECT_GT(erased, 10);
  EXPECT_GT(companions, 50);
}

TEST(VerifiedTest, EveryQuestionIsAnsweredAsTheKeyAnswersIt) {
  const SigningKey signer = *SigningKey::FromSeed(std::string(32, 'a'));
  const VerifyKey key = *VerifyKey::FromRaw(signer.public_raw());
  const VerifyKey other = *VerifyKey::FromRaw(SigningKey::FromSeed(std::string(32, 'b'))->public_raw());
  const std::string good = signer.Sign("message");
  std::string forged = good;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  const auto ask = [&] {
    return std::vector<bool>{key.Verify("message", good), key.Verify("message", forged), key.Verify("messages", good),
                             key.Verify("message", good.substr(1)), other.Verify("message", good)};
  };
  const std::vector<bool> expected = {true, false, false, false, false};
  EXPECT_EQ(ask(), expected);
  {
    Verified verified;
    EXPECT_EQ(ask(), expected);
    EXPECT_EQ(verified.answers.size(), expected.size());
    EXPECT_EQ(ask(), expected);
    EXPECT_EQ(verified.answers.size(), expected.size());
  }
  EXPECT_EQ(ask(), expected);
}

// Each plant breaks one rule; the simulator finds it within the seeds that the plant states, by a failure that the plant names.
class PlantTest : public SimulationTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(PlantTest, IsFound) {
  const Plant* plant = FindPlant(GetParam());
  ASSERT_NE(plant, nullptr);
  std::string others;
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(plant->seeds_max); ++seed) {
    const Result result = Simulate({.seed = seed, .plant = plant});
    const auto expected = std::find_if(result.failures.begin(), result.failures.end(), [&](const std::string& failure) {
      return std::any_of(plant->expects.begin(), plant->expects.end(),
                         [&](std::string_view text) { return failure.find(text) != std::string::npos; });
    });
    if (expected == result.failures.end()) {
      if (!result.failures.empty()) others += fmt::format("\nseed {}: {}", seed, result.failures.front());
      continue;
    }
    RecordProperty("seed", std::to_string(seed));
    fmt::print("{} (rule {}): seed {}: {}\n", plant->name, plant->rule, seed, *expected);
    return;
  }
  FAIL() << plant->name << " was not found in " << plant->seeds_max << " seeds; rule " << plant->rule << "; other failures:" << others;
}

std::vector<std::string> PlantNames() {
  std::vector<std::string> names;
  for (const Plant& plant : Plants()) names.emplace_back(plant.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Plants, PlantTest, ::testing::ValuesIn(PlantNames()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace fairlead::simulation
