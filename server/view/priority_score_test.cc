#include "server/view/priority_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;
using ::testing::ElementsAre;

v1::PriorityWeights Weights(int vessels, int cargo, int history, int other) {
  v1::PriorityWeights weights;
  weights.set_vessels(vessels);
  weights.set_cargo(cargo);
  weights.set_history(history);
  weights.set_other(other);
  return weights;
}

using Value = std::optional<int64_t>;
CountryInputs Inputs(Value vessels, Value cargo, Value history, Value other) {
  CountryInputs inputs;
  inputs[0].value = vessels;
  inputs[1].value = cargo;
  inputs[2].value = history;
  inputs[3].value = other;
  return inputs;
}

std::vector<std::string> Order(const std::vector<v1::VisitPriority>& ranked) {
  std::vector<std::string> names;
  for (const auto& priority : ranked) names.push_back(priority.country());
  return names;
}

TEST(PriorityScoreTest, EachFactorIsASharedPartOfTheLargest) {
  const auto ranked = Rank({{"countries/A", Inputs(50, 200, 0, 10)}, {"countries/B", Inputs(100, 50, 100, 40)}}, Weights(40, 20, 25, 15));
  ASSERT_THAT(Order(ranked), ElementsAre("countries/B", "countries/A"));
  // 1 * 40% + 0.25 * 20% + 1 * 25% + 1 * 15%
  EXPECT_EQ(ranked[0].score_millionths(), 850'000);
  // 0.5 * 40% + 1 * 20% + 0 * 25% + 0.25 * 15%
  EXPECT_EQ(ranked[1].score_millionths(), 437'500);
  EXPECT_EQ(ranked[0].coverage_millionths(), 1'000'000);
  EXPECT_EQ(ranked[1].rank(), 2);
  int64_t sum = 0;
  for (const auto& factor : ranked[1].factors()) sum += factor.contribution_millionths();
  EXPECT_EQ(sum, ranked[1].score_millionths());
  EXPECT_EQ(ranked[1].factors(3).normalised_millionths(), 250'000);
  EXPECT_FALSE(ranked[1].factors(2).missing());  // a history of 0 is known
}

TEST(PriorityScoreTest, WhatIsMissingIsToldAndNotTakenForZero) {
  const auto ranked =
      Rank({{"countries/A", Inputs(100, {}, {}, {})}, {"countries/B", Inputs(100, 0, 0, 0)}, {"countries/C", Inputs({}, {}, {}, {})}},
           Weights(40, 20, 25, 15));
  ASSERT_THAT(Order(ranked), ElementsAre("countries/A", "countries/B", "countries/C"));
  EXPECT_EQ(ranked[0].score_millionths(), 1'000'000);
  EXPECT_EQ(ranked[0].coverage_millionths(), 400'000);
  EXPECT_TRUE(ranked[0].factors(1).missing());
  EXPECT_EQ(ranked[1].score_millionths(), 400'000);
  EXPECT_EQ(ranked[2].rank(), 0);
  EXPECT_EQ(ranked[2].coverage_millionths(), 0);
}

TEST(PriorityScoreTest, TiesGoByCoverageThenByName) {
  const auto ranked =
      Rank({{"countries/C", Inputs(10, 10, 10, 10)}, {"countries/B", Inputs(10, {}, {}, {})}, {"countries/A", Inputs(10, {}, {}, {})}},
           Weights(1, 1, 1, 1));
  EXPECT_THAT(Order(ranked), ElementsAre("countries/C", "countries/A", "countries/B"));
}

TEST(PriorityScoreTest, OtherWeightsGiveAnotherOrderAndLargeSumsFit) {
  const std::map<std::string, CountryInputs> inputs = {{"countries/A", Inputs(1, int64_t{1} << 62, {}, {})},
                                                       {"countries/B", Inputs(2, int64_t{1} << 61, {}, {})}};
  EXPECT_THAT(Order(Rank(inputs, Weights(1000, 1, 0, 0))), ElementsAre("countries/B", "countries/A"));
  EXPECT_THAT(Order(Rank(inputs, Weights(0, 1, 0, 0))), ElementsAre("countries/A", "countries/B"));
  EXPECT_EQ(Rank(inputs, Weights(0, 1, 0, 0))[1].score_millionths(), 500'000);
}

TEST(PriorityScoreTest, WeightsAreChecked) {
  EXPECT_TRUE(CheckWeights(Weights(0, 0, 0, 1000)).ok());
  for (const auto& weights : {Weights(0, 0, 0, 0), Weights(-1, 5, 0, 0), Weights(1001, 0, 0, 0)}) {
    EXPECT_EQ(FieldOf(CheckWeights(weights)), "weights") << weights.DebugString();
  }
}

}  // namespace
}  // namespace fairlead::view
