#include "tests/framework/ports.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

namespace fairlead::framework {
namespace {

constexpr int kFirst = 12000;
constexpr int kEnd = 32000;  // the kernel's own range starts at 32768 (ip_local_port_range)

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return free;
}

}  // namespace

absl::StatusOr<int> FreePort() {
  static absl::Mutex mutex(absl::kConstInit);
  // From a random place, so that test programs that run side by side seldom meet.
  static int next = std::uniform_int_distribution<int>(kFirst, kEnd - 1)(*new std::random_device);
  absl::MutexLock lock(&mutex);
  for (int tried = 0; tried < kEnd - kFirst; ++tried) {
    const int port = next;
    next = port + 1 == kEnd ? kFirst : port + 1;
    if (IsFree(port)) return port;
  }
  return absl::UnavailableError("no TCP port is free");
}

}  // namespace fairlead::framework
