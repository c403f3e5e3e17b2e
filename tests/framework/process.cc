#include "tests/framework/process.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "certs/files.h"
#include "storage/scratch_directory.h"

namespace fairlead::framework {
namespace {

// After fork only what is safe in a signal handler may be called: other threads may have held locks.
[[noreturn]] void Become(char* const* argv, int output, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const bool ready = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
                     pthread_sigmask(SIG_SETMASK, &none, nullptr) == 0 && dup2(input, 0) == 0 && dup2(output, 1) == 1 &&
                     dup2(output, 2) == 2;
  if (ready) execv(argv[0], argv);
  _exit(127);
}

absl::Status Errno(const std::string& what) { return absl::InternalError(fmt::format("{}: {}", what, strerror(errno))); }

}  // namespace

std::string ToString(const Exit& exit) {
  return exit.signal != 0 ? fmt::format("signal {}", exit.signal) : fmt::format("exit code {}", exit.code);
}

std::vector<std::string> At(const Place& place, std::vector<std::string> command) {
  command.insert(command.begin(), place.enter.begin(), place.enter.end());
  return command;
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& arguments, const std::string& output_file) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int output = open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return Errno(output_file);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(argv.data(), output, parent);
  const absl::Status forked = pid < 0 ? Errno("fork") : absl::OkStatus();
  close(output);
  if (!forked.ok()) return forked;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    const absl::Status status = Errno("pidfd_open");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return status;
  }
  return std::unique_ptr<Process>(new Process(pid, pidfd));
}

Process::~Process() {
  if (!HasEnded()) {
    kill(-pid_, SIGKILL);
    Signal(SIGKILL);  // should it not have reached its own group yet
    Wait(absl::InfiniteDuration());
  }
  close(pidfd_);
}

void Process::Signal(int signal) {
  if (!exit_) syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
}

std::optional<Exit> Process::Wait(absl::Duration timeout) {
  if (exit_) return exit_;
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    pollfd ended{pidfd_, POLLIN, 0};
    const absl::Duration left = std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Minutes(1));
    if (poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))))) > 0) break;
    if (absl::Now() >= deadline) return std::nullopt;
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_ = WIFSIGNALED(status) ? Exit{.signal = WTERMSIG(status)} : Exit{.code = WEXITSTATUS(status)};
  return exit_;
}

absl::StatusOr<Ended> RunToEnd(const std::vector<std::string>& arguments, absl::Duration timeout) {
  const storage::ScratchDirectory scratch;
  const std::string file = scratch.path() + "/output";
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(arguments, file);
  if (!process.ok()) return process.status();
  const std::optional<Exit> exit = (*process)->Wait(timeout);
  if (!exit) {  // what can say where it is says so now
    (*process)->Signal(SIGABRT);
    (*process)->Wait(absl::Seconds(10));
  }
  const absl::StatusOr<std::string> output = certs::ReadFile(file);
  if (!output.ok()) return output.status();
  if (!exit) return absl::DeadlineExceededError(fmt::format("{} still runs:\n{}", arguments[0], *output));
  return Ended{*exit, *output};
}

}  // namespace fairlead::framework
