// TCP ports of this machine's loopback for a test's servers.
//
// Thread safety: any thread. Ownership: none.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_PORTS_H_
#define FAIRLEAD_TESTS_FRAMEWORK_PORTS_H_

#include <absl/status/statusor.h>

namespace fairlead::framework {

// A port that nobody listens on, below the range the kernel takes for outgoing connections, so that it stays free while its server is down.
// No port is given twice in a process, nor by two processes that run at the same time. UNAVAILABLE when none is left.
absl::StatusOr<int> FreePort();

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_PORTS_H_
