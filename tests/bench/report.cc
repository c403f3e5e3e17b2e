#include "tests/bench/report.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::bench {
namespace {

// Three significant digits, and all that stand before the point.
std::string Number(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  if (value >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

absl::Duration FromTicks(int64_t ticks) { return absl::Seconds(1) * ticks / sysconf(_SC_CLK_TCK); }

// What all cores spent, in proc(5)'s columns of /proc/stat: user nice system idle iowait irq softirq steal.
enum class Spent { kAnyhow, kBusy };
absl::Duration MachineTime(Spent spent) {
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  int64_t ticks = 0;
  for (int column = 0; column < 8; ++column) {
    int64_t more = 0;
    stat >> more;
    const bool idle = column == 3 || column == 4;
    if (spent == Spent::kAnyhow || !idle) ticks += more;
  }
  return FromTicks(ticks);
}

// Of this process and its children, those that have ended too.
absl::Duration OwnCpuTime() {
  absl::Duration time = ChildrenCpuTime();
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(who, &used);
    time += absl::DurationFromTimeval(used.ru_utime) + absl::DurationFromTimeval(used.ru_stime);
  }
  return time;
}

}  // namespace

double Median(std::vector<double> rounds) {
  if (rounds.empty()) return 0;
  std::sort(rounds.begin(), rounds.end());
  const size_t middle = rounds.size() / 2;
  return rounds.size() % 2 == 1 ? rounds[middle] : (rounds[middle - 1] + rounds[middle]) / 2;
}

void Section::Add(const std::string& row, const std::vector<double>& round) {
  auto it = std::find_if(rows_.begin(), rows_.end(), [&row](const auto& known) { return known.first == row; });
  if (it == rows_.end()) it = rows_.emplace(rows_.end(), row, std::vector<std::vector<double>>(columns_.size()));
  for (size_t i = 0; i < columns_.size(); ++i) it->second[i].push_back(round.at(i));
}

std::string Section::Text() const {
  size_t label = 0;
  for (const auto& [name, figures] : rows_) label = std::max(label, name.size());
  std::string out = fmt::format("\n{}\n{:{}}", title_, "", label);
  for (const std::string& column : columns_) out += fmt::format("  {:>10}", column);
  for (const auto& [name, figures] : rows_) {
    out += fmt::format("\n{:{}}", name, label);
    for (size_t i = 0; i < columns_.size(); ++i) {
      out += fmt::format("  {:>{}}", Number(Median(figures[i])), std::max<size_t>(10, columns_[i].size()));
    }
  }
  return out + "\n";
}

nlohmann::json Section::Json() const {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [name, figures] : rows_) {
    nlohmann::json row = {{"row", name}, {"figures", nlohmann::json::object()}};
    for (size_t i = 0; i < columns_.size(); ++i) row["figures"][columns_[i]] = {{"median", Median(figures[i])}, {"rounds", figures[i]}};
    rows.push_back(std::move(row));
  }
  return {{"title", title_}, {"rows", std::move(rows)}};
}

std::map<std::string, std::string> Machine() {
  std::map<std::string, std::string> machine;
  utsname name{};
  if (uname(&name) == 0) machine["kernel"] = fmt::format("{} {}", name.sysname, name.release);
  machine["cores"] = fmt::format("{}", sysconf(_SC_NPROCESSORS_ONLN));
  machine["memory"] = fmt::format("{} MiB", (sysconf(_SC_PHYS_PAGES) / 1024) * (sysconf(_SC_PAGESIZE) / 1024));
  machine["compiler"] = fmt::format("g++ {}", __VERSION__);
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    machine["processor"] = line.substr(line.find(':') + 2);
    break;
  }
  return machine;
}

absl::Duration ChildrenCpuTime() {
  int64_t ticks = 0;
  for (const auto& process : std::filesystem::directory_iterator("/proc")) {
    // proc(5): pid (name) state ppid, nine more, utime stime. The name may hold anything.
    std::ifstream file(process.path() / "stat");
    std::string stat;
    if (!std::getline(file, stat)) continue;
    std::istringstream fields(stat.substr(stat.rfind(')') + 1));
    std::string skipped;
    pid_t parent = 0;
    fields >> skipped >> parent;
    if (parent != getpid()) continue;
    for (int i = 0; i < 9; ++i) fields >> skipped;
    int64_t user = 0, system = 0;
    fields >> user >> system;
    ticks += user + system;
  }
  return FromTicks(ticks);
}

Disturbance::Disturbance() : all_(MachineTime(Spent::kAnyhow)), busy_(MachineTime(Spent::kBusy)), own_(OwnCpuTime()) {}

double Disturbance::Share() const {
  const absl::Duration all = MachineTime(Spent::kAnyhow) - all_;
  const absl::Duration others = (MachineTime(Spent::kBusy) - busy_) - (OwnCpuTime() - own_);
  return all > absl::ZeroDuration() ? std::clamp(absl::FDivDuration(others, all), 0.0, 1.0) : 0;
}

}  // namespace fairlead::bench
