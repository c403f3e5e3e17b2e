// Machines with a network between them, made of network namespaces: each has an address and a packet filter of its own, and no file system.
//
// Needs root, ip and nft. Nothing of it outlives the process.
// Thread safety: one thread at a time, which outlives it (process.h). Ownership: owns the namespaces; what runs there must end before.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_MACHINES_H_
#define FAIRLEAD_TESTS_FRAMEWORK_MACHINES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/framework/process.h"

namespace fairlead::framework {

// Gives this process, and those it starts from now on, a network of their own, in which only loopback is: at the first call, which is made
// before any other thread is there. Why it could not, or that there is no packet filter; empty when all is well.
const std::string& WhyNoOwnNetwork();
// One command to the packet filter of this process's network.
absl::Status Nft(const std::string& command);

class Machines {
 public:
  // All reach each other, and this process all of them. REQUIRES: WhyNoOwnNetwork().empty().
  static absl::StatusOr<std::unique_ptr<Machines>> Make(const std::vector<std::string>& names);
  ~Machines();

  Place place(const std::string& name) const { return machines_.at(name).place; }
  // Packets from one to the other vanish, without a word to either side. Returns when it is so.
  absl::Status Cut(const std::string& from, const std::string& to);
  // Both ways.
  absl::Status Part(const std::string& one, const std::string& other);
  // Nothing is cut any more.
  absl::Status Heal();

 private:
  struct Machine {
    Place place;
    std::unique_ptr<Process> holder;  // whose network it is
  };
  Machines() = default;
  absl::Status Add(const std::string& name);

  std::map<std::string, Machine> machines_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_MACHINES_H_
