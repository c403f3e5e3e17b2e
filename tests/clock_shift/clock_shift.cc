// libfairlead_clock_shift.so, for LD_PRELOAD: a process whose CLOCK_REALTIME is off by what a file says, now.
//
// The file that FAIRLEAD_CLOCK_SHIFT names holds nanoseconds as a native int64, mapped: writing to it is a clock that jumps. Clocks that do
// not follow the time of day are left alone. Waits until a time of day follow the jump, as the kernel's do: a wait of 50 ms during which
// the clock is set back by an hour takes an hour.
//
// libfaketime 0.9.10 does not serve: it leaves the deadlines of futexes as they are, and with Abseil every wait of a thread of a shifted
// process ends at once, or by as much later as the clock is ahead.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSliceNs = 50'000'000;  // after which a wait looks at the shift again

int64_t Shift() {
  static const std::atomic<int64_t>* const shift = [] {
    const char* path = getenv("FAIRLEAD_CLOCK_SHIFT");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void* mapped = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    return static_cast<const std::atomic<int64_t>*>(mapped);
  }();
  return shift->load();
}

template <class Function>
Function Next(Function, const char* name, const char* version = nullptr) {
  return reinterpret_cast<Function>(version == nullptr ? dlsym(RTLD_NEXT, name) : dlvsym(RTLD_NEXT, name, version));
}

bool OfDay(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }
int64_t Ns(const timespec& t) { return static_cast<int64_t>(t.tv_sec) * kSecond + t.tv_nsec; }
timespec Spec(int64_t ns) { return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)}; }

int64_t RealNow() {
  static const auto real = Next(&clock_gettime, "clock_gettime");
  timespec now;
  real(CLOCK_REALTIME, &now);
  return Ns(now);
}

// What is left of a wait until `deadline` of the shifted clock: the kernel's deadline, at most a slice away.
struct Slice {
  explicit Slice(const timespec& deadline)
      : left(Ns(deadline) - Shift() - RealNow()), until(Spec(RealNow() + std::clamp<int64_t>(left, 0, kSliceNs))) {}
  bool last() const { return left <= kSliceNs; }
  int64_t left;
  timespec until;
};

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  static const auto real = Next(&clock_gettime, "clock_gettime");
  const int result = real(clock, out);
  if (result == 0 && OfDay(clock)) *out = Spec(Ns(*out) + Shift());
  return result;
}

int gettimeofday(timeval* out, void*) noexcept {
  const int64_t now = RealNow() + Shift();
  *out = {static_cast<time_t>(now / kSecond), static_cast<suseconds_t>(now % kSecond / 1000)};
  return 0;
}

time_t time(time_t* out) noexcept {
  const time_t now = static_cast<time_t>((RealNow() + Shift()) / kSecond);
  if (out != nullptr) *out = now;
  return now;
}

// A wait that ends early is one that was woken for nothing, which all who wait allow for.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* deadline) {
  static const auto real = Next(&pthread_cond_clockwait, "pthread_cond_clockwait");
  if (!OfDay(clock)) return real(condition, mutex, clock, deadline);
  const Slice slice(*deadline);
  const int result = real(condition, mutex, clock, &slice.until);
  return result == ETIMEDOUT && !slice.last() ? 0 : result;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* deadline) {
  static const auto real = Next(&pthread_cond_timedwait, "pthread_cond_timedwait", "GLIBC_2.3.2");
  // A condition may have been made for the steady clock, whose times are those of a machine that has not run for thirty years.
  if (deadline->tv_sec < 1'000'000'000) return real(condition, mutex, deadline);
  const Slice slice(*deadline);
  const int result = real(condition, mutex, &slice.until);
  return result == ETIMEDOUT && !slice.last() ? 0 : result;
}

long syscall(long number, ...) noexcept {
  static const auto real = Next(&syscall, "syscall");
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const auto* deadline = reinterpret_cast<const timespec*>(arguments[3]);
  const long operation = arguments[1];
  const bool waits = number == SYS_futex && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && (operation & FUTEX_CLOCK_REALTIME) != 0;
  if (!waits || deadline == nullptr) {
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  }
  const Slice slice(*deadline);
  const long result = real(number, arguments[0], operation, arguments[2], &slice.until, arguments[4], arguments[5]);
  if (result == -1 && errno == ETIMEDOUT && !slice.last()) errno = EINTR;
  return result;
}

}  // extern "C"
