#include "tests/framework/machines.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "tests/framework/eventually.h"

namespace fairlead::framework {
namespace {

constexpr char kNft[] = "/usr/sbin/nft";
constexpr char kIp[] = "/usr/sbin/ip";
constexpr char kBridge[] = "fairlead0";
constexpr char kOwnNamespace[] = "/proc/self/ns/net";

// Before any thread is there, since each has its own.
std::string EnterOwnNetwork() {
  for (const char* program : {kNft, kIp}) {
    if (access(program, X_OK) != 0) return fmt::format("there is no {}", program);
  }
  if (unshare(CLONE_NEWNET) != 0) return fmt::format("unshare: {}", strerror(errno));
  ifreq loopback{};
  strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool up = ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
  close(fd);
  return up ? "" : fmt::format("lo: {}", strerror(errno));
}

absl::Status Run(std::vector<std::string> command) {
  const absl::StatusOr<Ended> ended = RunToEnd(command, kPatience);
  if (!ended.ok()) return ended.status();
  if (ended->exit == Exit()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("{}: {}", command.back(), ended->output));
}

absl::Status RunAll(const std::vector<std::vector<std::string>>& commands) {
  for (const std::vector<std::string>& command : commands) {
    if (absl::Status ran = Run(command); !ran.ok()) return ran;
  }
  return absl::OkStatus();
}

std::string AddressOf(size_t machine) { return fmt::format("10.77.0.{}", machine); }

}  // namespace

const std::string& WhyNoOwnNetwork() {
  static const std::string why = EnterOwnNetwork();
  return why;
}

absl::Status Nft(const std::string& command) { return Run({kNft, command}); }

absl::StatusOr<std::unique_ptr<Machines>> Machines::Make(const std::vector<std::string>& names) {
  std::unique_ptr<Machines> machines(new Machines);
  absl::Status made = RunAll({{kIp, "link", "add", kBridge, "type", "bridge"},
                              {kIp, "address", "add", AddressOf(254) + "/24", "dev", kBridge},
                              {kIp, "link", "set", kBridge, "up"}});
  if (!made.ok()) return made;
  for (const std::string& name : names) {
    if (absl::Status added = machines->Add(name); !added.ok()) return added;
  }
  return machines;
}

Machines::~Machines() {
  machines_.clear();
  Run({kIp, "link", "delete", kBridge}).IgnoreError();
}

absl::Status Machines::Add(const std::string& name) {
  Machine machine;
  machine.place.host = AddressOf(machines_.size() + 1);
  absl::StatusOr<std::unique_ptr<Process>> holder =
      Process::Start({"/usr/bin/unshare", "--net", "/usr/bin/sleep", "infinity"}, "/dev/null");
  if (!holder.ok()) return holder.status();
  machine.holder = *std::move(holder);
  const std::string pid = std::to_string(machine.holder->pid());
  const std::string its = fmt::format("/proc/{}/ns/net", pid);
  std::error_code error;
  const auto own = std::filesystem::read_symlink(kOwnNamespace, error);
  if (!Eventually([&] { return std::filesystem::read_symlink(its, error) != own && !error; })) {
    return absl::FailedPreconditionError(fmt::format("machine {} has no network of its own", name));
  }
  machine.place.enter = {"/usr/bin/nsenter", "--net=" + its, "--"};
  const std::string link = "to-" + name;
  const auto inside = [&](std::vector<std::string> command) { return At(machine.place, std::move(command)); };
  absl::Status made = RunAll({{kIp, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid},
                              {kIp, "link", "set", link, "master", kBridge, "up"},
                              inside({kIp, "link", "set", "lo", "up"}),
                              inside({kIp, "address", "add", machine.place.host + "/24", "dev", "eth0"}),
                              inside({kIp, "link", "set", "eth0", "up"}),
                              inside({kNft, "add table inet cut; add chain inet cut in { type filter hook input priority 0; }"})});
  if (!made.ok()) return made;
  machines_.emplace(name, std::move(machine));
  return absl::OkStatus();
}

absl::Status Machines::Cut(const std::string& from, const std::string& to) {
  return Run(At(place(to), {kNft, fmt::format("add rule inet cut in ip saddr {} drop", place(from).host)}));
}

absl::Status Machines::Part(const std::string& one, const std::string& other) {
  absl::Status cut = Cut(one, other);
  cut.Update(Cut(other, one));
  return cut;
}

absl::Status Machines::Heal() {
  absl::Status healed;
  for (const auto& [name, machine] : machines_) healed.Update(Run(At(machine.place, {kNft, "flush chain inet cut in"})));
  return healed;
}

}  // namespace fairlead::framework
