#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "client/cli/run.h"
#include "client/connection.h"

namespace {

int TerminalColumns() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  fairlead::RequireTls13();
  // What gRPC would log, the error of the call says.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  // The first Ctrl-C ends the command in order; the second one kills it. Blocked before any thread starts, so that only the waiter gets it.
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigaddset(&interrupts, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &interrupts, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  std::stop_source stop;
  std::thread([stop, interrupts]() mutable {
    int signal = 0;
    sigwait(&interrupts, &signal);
    pthread_sigmask(SIG_UNBLOCK, &interrupts, nullptr);
    stop.request_stop();
    pause();  // the next one takes its default action
  }).detach();

  fairlead::cli::Environment environment;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.columns = TerminalColumns();
  environment.err_is_terminal = isatty(STDERR_FILENO) != 0;
  environment.variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  environment.stop = stop.get_token();
  const int code = fairlead::cli::Run(std::vector<std::string>(argv + 1, argv + argc), environment);
  std::cout.flush();
  // Standard output may be a full disk.
  return std::cout.good() ? code : fairlead::cli::kExitInternal;
}
