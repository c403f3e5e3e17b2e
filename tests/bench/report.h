// The figures of a run: each the median of its rounds, which the JSON form keeps.
//
// Thread safety: one thread at a time. Ownership: values.

#ifndef FAIRLEAD_TESTS_BENCH_REPORT_H_
#define FAIRLEAD_TESTS_BENCH_REPORT_H_

#include <absl/time/time.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::bench {

double Median(std::vector<double> rounds);

// One table. A row is added round by round: what a round measured, by column.
class Section {
 public:
  Section(std::string title, std::vector<std::string> columns) : title_(std::move(title)), columns_(std::move(columns)) {}

  // REQUIRES: one figure a column.
  void Add(const std::string& row, const std::vector<double>& round);
  std::string Text() const;
  nlohmann::json Json() const;

 private:
  const std::string title_;
  const std::vector<std::string> columns_;
  std::vector<std::pair<std::string, std::vector<std::vector<double>>>> rows_;  // of each column, its rounds
};

// What the figures were measured on: cores, memory, kernel, compiler.
std::map<std::string, std::string> Machine();

// The processor time that the child processes of this one have used so far: the nodes'.
absl::Duration ChildrenCpuTime();

// Processor time of all cores since it was made, and the part that neither this program nor its children used: what others, and the
// kernel for anyone, took from a measurement.
class Disturbance {
 public:
  Disturbance();
  double Share() const;  // 0 to 1

 private:
  const absl::Duration all_;
  const absl::Duration busy_;
  const absl::Duration own_;
};

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_REPORT_H_
