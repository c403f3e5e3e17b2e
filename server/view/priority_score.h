// The order of visits: four factors of each country, normalised, weighted and summed.
//
// In whole numbers, so that every site and machine gives the same answer. A factor without data is missing: its weight is left out of the
// country's sum, and the share of the weights that had data is told beside the score.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_VIEW_PRIORITY_SCORE_H_
#define FAIRLEAD_SERVER_VIEW_PRIORITY_SCORE_H_

#include <absl/status/status.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/v1/priority.pb.h"

namespace fairlead::view {

inline constexpr int kFactors = 4;
inline constexpr int kWeightMax = 1000;
inline constexpr int64_t kMillion = 1'000'000;

// What is known of one factor of one country.
struct FactorInput {
  std::optional<int64_t> value;  // >= 0; nullopt: missing
  std::string unit;
  std::string explanation;
  std::vector<std::string> records;
  int64_t record_count = 0;
};
using CountryInputs = std::array<FactorInput, kFactors>;  // in the order of PriorityFactor, from 1

// INVALID_ARGUMENT on "weights" unless each is in [0, 1000] and one is not 0.
absl::Status CheckWeights(const fairlead::v1::PriorityWeights& weights);

// By country name, such as "countries/JP". Each value is shared by the largest of its factor. REQUIRES: CheckWeights.
std::vector<fairlead::v1::VisitPriority> Rank(const std::map<std::string, CountryInputs>& countries,
                                              const fairlead::v1::PriorityWeights& weights);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_PRIORITY_SCORE_H_
