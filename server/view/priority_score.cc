#include "server/view/priority_score.h"

#include <algorithm>

#include "api/errors.h"

namespace fairlead::view {
namespace {

using fairlead::v1::FactorScore;
using fairlead::v1::PriorityWeights;
using fairlead::v1::VisitPriority;

std::array<int, kFactors> InOrder(const PriorityWeights& weights) {
  return {weights.vessels(), weights.cargo(), weights.history(), weights.other()};
}

// value / of in millionths, rounded down. In 128 bits, since a sum of traffic may be large.
int32_t Share(int64_t value, int64_t of) {
  if (of <= 0) return 0;
  return static_cast<int32_t>(static_cast<__int128>(value) * kMillion / of);
}

VisitPriority Score(const std::string& country, const CountryInputs& inputs, const std::array<int64_t, kFactors>& largest,
                    const std::array<int, kFactors>& weights) {
  VisitPriority out;
  out.set_country(country);
  int64_t present = 0;
  int64_t all = 0;
  for (int i = 0; i < kFactors; ++i) {
    all += weights[i];
    if (inputs[i].value) present += weights[i];
  }
  int64_t score = 0;
  for (int i = 0; i < kFactors; ++i) {
    const FactorInput& input = inputs[i];
    FactorScore& factor = *out.add_factors();
    factor.set_factor(static_cast<fairlead::v1::PriorityFactor>(i + 1));
    factor.set_missing(!input.value.has_value());
    factor.set_unit(input.unit);
    factor.set_explanation(input.explanation);
    factor.set_weight(weights[i]);
    factor.set_record_count(input.record_count);
    for (const std::string& name : input.records) factor.add_records(name);
    if (!input.value) continue;
    factor.set_value(*input.value);
    factor.set_normalised_millionths(Share(*input.value, largest[i]));
    if (present == 0) continue;
    factor.set_contribution_millionths(static_cast<int32_t>(static_cast<int64_t>(factor.normalised_millionths()) * weights[i] / present));
    score += factor.contribution_millionths();
  }
  out.set_score_millionths(static_cast<int32_t>(score));
  out.set_coverage_millionths(Share(present, all));
  return out;
}

}  // namespace

absl::Status CheckWeights(const PriorityWeights& weights) {
  int sum = 0;
  for (const int weight : InOrder(weights)) {
    if (weight < 0 || weight > kWeightMax) return FieldError(Reason::kFieldInvalid, "weights", "each weight must be in [0, 1000]");
    sum += weight;
  }
  if (sum == 0) return FieldError(Reason::kFieldInvalid, "weights", "one weight at least must not be 0");
  return absl::OkStatus();
}

std::vector<VisitPriority> Rank(const std::map<std::string, CountryInputs>& countries, const PriorityWeights& weights) {
  std::array<int64_t, kFactors> largest = {};
  for (const auto& [country, inputs] : countries) {
    for (int i = 0; i < kFactors; ++i) largest[i] = std::max(largest[i], inputs[i].value.value_or(0));
  }
  std::vector<VisitPriority> ranked;
  for (const auto& [country, inputs] : countries) ranked.push_back(Score(country, inputs, largest, InOrder(weights)));
  std::sort(ranked.begin(), ranked.end(), [](const VisitPriority& a, const VisitPriority& b) {
    const bool a_known = a.coverage_millionths() > 0;
    const bool b_known = b.coverage_millionths() > 0;
    if (a_known != b_known) return a_known;
    if (a.score_millionths() != b.score_millionths()) return a.score_millionths() > b.score_millionths();
    if (a.coverage_millionths() != b.coverage_millionths()) return a.coverage_millionths() > b.coverage_millionths();
    return a.country() < b.country();
  });
  int32_t rank = 0;
  for (VisitPriority& priority : ranked) {
    if (priority.coverage_millionths() > 0) priority.set_rank(++rank);
  }
  return ranked;
}

}  // namespace fairlead::view
