// A child process of a test, which never outlives it.
//
// Thread safety: one thread at a time. Ownership: owns the process: it is killed and reaped by the destructor, and by the kernel should the
// test itself be killed.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_PROCESS_H_
#define FAIRLEAD_TESTS_FRAMEWORK_PROCESS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::framework {

// How a process ended: `code` by itself, or `signal`.
struct Exit {
  int code = 0;
  int signal = 0;
  friend bool operator==(const Exit&, const Exit&) = default;
};
std::string ToString(const Exit& exit);

// Where a program runs: a machine, or what a test makes one of.
struct Place {
  std::string host = "127.0.0.1";
  std::vector<std::string> enter = {};  // words before the program's own that make it run there
};
std::vector<std::string> At(const Place& place, std::vector<std::string> command);

class Process {
 public:
  // Runs `arguments` (the program's path first) in a process group of its own, with no input and what it writes appended to `output_file`.
  // REQUIRES: the calling thread lives as long as the process should: the kernel kills the process when that thread ends.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& arguments, const std::string& output_file);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Has no effect once the process has ended.
  void Signal(int signal);
  // nullopt when it has not ended within `timeout`.
  std::optional<Exit> Wait(absl::Duration timeout);
  bool HasEnded() { return Wait(absl::ZeroDuration()).has_value(); }

 private:
  Process(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}

  const pid_t pid_;
  const int pidfd_;  // readable once the process has ended
  std::optional<Exit> exit_;
};

// How a program that ends by itself ended, and all it wrote.
struct Ended {
  Exit exit;
  std::string output;
};
// DEADLINE_EXCEEDED when it runs on after `timeout`: it is then aborted, so that what can say where it was does, and killed.
absl::StatusOr<Ended> RunToEnd(const std::vector<std::string>& arguments, absl::Duration timeout);

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_PROCESS_H_
