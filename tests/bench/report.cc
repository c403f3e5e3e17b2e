#include "tests/bench/report.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
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

struct CpuTime {
  double busy = 0;
  double all = 0;
};
CpuTime CpuTimeSoFar() {
  // /proc/stat, proc(5): cpu user nice system idle iowait irq softirq steal
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  CpuTime time;
  for (int i = 0; i < 8; ++i) {
    double jiffies = 0;
    stat >> jiffies;
    time.all += jiffies;
    if (i != 3 && i != 4) time.busy += jiffies;
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
  return absl::Seconds(1) * ticks / sysconf(_SC_CLK_TCK);
}

double OthersBusy() {
  const CpuTime before = CpuTimeSoFar();
  absl::SleepFor(absl::Seconds(1));
  const CpuTime after = CpuTimeSoFar();
  return after.all > before.all ? (after.busy - before.busy) / (after.all - before.all) : 0;
}

}  // namespace fairlead::bench
