// The clock of processes that are started on it: off by as much as a test says, now (tests/clock_shift/clock_shift.cc).
//
// Thread safety: any thread. Ownership: owns a mapping of its file; the processes read the file.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_SHIFTED_CLOCK_H_
#define FAIRLEAD_TESTS_FRAMEWORK_SHIFTED_CLOCK_H_

#include <absl/time/time.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::framework {

// The clock of processes that are started with its file.
class ShiftedClock {
 public:
  explicit ShiftedClock(std::string file) : file_(std::move(file)) {
    const int fd = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(int64_t)) != 0) abort();
    void* mapped = mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    shift_ns_ = static_cast<std::atomic<int64_t>*>(mapped);
  }
  ~ShiftedClock() { munmap(shift_ns_, sizeof(int64_t)); }
  ShiftedClock(const ShiftedClock&) = delete;
  ShiftedClock& operator=(const ShiftedClock&) = delete;
  // Words before a program's own that run it on this clock.
  std::vector<std::string> command() const {
    return {"/usr/bin/env", "LD_PRELOAD=" FAIRLEAD_CLOCK_SHIFT_LIBRARY, "FAIRLEAD_CLOCK_SHIFT=" + file_};
  }
  void Set(absl::Duration shift) { shift_ns_->store(absl::ToInt64Nanoseconds(shift)); }

 private:
  const std::string file_;
  std::atomic<int64_t>* shift_ns_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_SHIFTED_CLOCK_H_
