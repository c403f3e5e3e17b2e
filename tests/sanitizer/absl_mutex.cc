// Tells ThreadSanitizer of Abseil's mutexes, notifications and counters.
//
// Debian's Abseil is a shared library that was not compiled for ThreadSanitizer: its mutexes are atomics and futexes that the tool does not
// see, and everything they guard would be reported. These definitions come before the library's own in the order of symbols; each calls
// the library's and says what it did. gRPC's calls come through here too. Linked into every program of the `tsan` preset, and of no other.
//
// Between pre_lock and post_lock, and between pre_unlock and post_unlock, the tool looks away: a mutex evaluates there the conditions of
// those who wait for it.

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>
#include <type_traits>

namespace {

constexpr unsigned kWrite = 0;
constexpr unsigned kRead = __tsan_mutex_read_lock;

template <class Fn>
Fn* Real(const char* symbol) {
  void* found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Fn*>(found);
}

// One of these functions may call another; only the outermost speaks.
thread_local int depth = 0;

template <class Call>
auto Quietly(Call call) {
  ++depth;
  struct Leave {
    ~Leave() { --depth; }
  } const leave;
  return call();
}

// Calls what takes the mutex; `flags` says how.
template <class Call>
auto Taking(void* mutex, unsigned flags, Call call) {
  if (depth > 0) return call();
  __tsan_mutex_pre_lock(mutex, flags);
  if constexpr (std::is_void_v<decltype(call())>) {
    Quietly(call);
    __tsan_mutex_post_lock(mutex, flags, 0);
  } else {
    const auto result = Quietly(call);
    const bool failed = (flags & __tsan_mutex_try_lock) != 0 && !result;
    __tsan_mutex_post_lock(mutex, flags | (failed ? __tsan_mutex_try_lock_failed : 0), 0);
    return result;
  }
}

template <class Call>
void Giving(void* mutex, unsigned flags, Call call) {
  if (depth > 0) return call();
  __tsan_mutex_pre_unlock(mutex, flags);
  Quietly(call);
  __tsan_mutex_post_unlock(mutex, flags);
}

// A wait gives the mutex up and takes it again.
template <class Call>
auto Waiting(void* mutex, Call call) {
  if (depth > 0) return call();
  Giving(mutex, kWrite, [] {});
  return Taking(mutex, kWrite, call);
}

}  // namespace

#define FAIRLEAD_REAL(signature, symbol) static auto* const real = Real<signature>(symbol)

namespace absl {

Mutex::~Mutex() {
  FAIRLEAD_REAL(void(Mutex*), "_ZN4absl7debian35MutexD1Ev");
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
  real(this);
}

void Mutex::Lock() {
  FAIRLEAD_REAL(void(Mutex*), "_ZN4absl7debian35Mutex4LockEv");
  Taking(this, kWrite, [&] { real(this); });
}

void Mutex::Unlock() {
  FAIRLEAD_REAL(void(Mutex*), "_ZN4absl7debian35Mutex6UnlockEv");
  Giving(this, kWrite, [&] { real(this); });
}

bool Mutex::TryLock() {
  FAIRLEAD_REAL(bool(Mutex*), "_ZN4absl7debian35Mutex7TryLockEv");
  return Taking(this, __tsan_mutex_try_lock, [&] { return real(this); });
}

void Mutex::ReaderLock() {
  FAIRLEAD_REAL(void(Mutex*), "_ZN4absl7debian35Mutex10ReaderLockEv");
  Taking(this, kRead, [&] { real(this); });
}

void Mutex::ReaderUnlock() {
  FAIRLEAD_REAL(void(Mutex*), "_ZN4absl7debian35Mutex12ReaderUnlockEv");
  Giving(this, kRead, [&] { real(this); });
}

void Mutex::LockWhen(const Condition& condition) {
  FAIRLEAD_REAL(void(Mutex*, const Condition&), "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
  Taking(this, kWrite, [&] { real(this, condition); });
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  FAIRLEAD_REAL(bool(Mutex*, const Condition&, Duration), "_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Taking(this, kWrite, [&] { return real(this, condition, timeout); });
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  FAIRLEAD_REAL(bool(Mutex*, const Condition&, Time), "_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Taking(this, kWrite, [&] { return real(this, condition, deadline); });
}

void Mutex::Await(const Condition& condition) {
  FAIRLEAD_REAL(void(Mutex*, const Condition&), "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  Waiting(this, [&] { real(this, condition); });
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  FAIRLEAD_REAL(bool(Mutex*, const Condition&, Duration), "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Waiting(this, [&] { return real(this, condition, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  FAIRLEAD_REAL(bool(Mutex*, const Condition&, Time), "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Waiting(this, [&] { return real(this, condition, deadline); });
}

void CondVar::Wait(Mutex* mutex) {
  FAIRLEAD_REAL(void(CondVar*, Mutex*), "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  Waiting(mutex, [&] { real(this, mutex); });
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  FAIRLEAD_REAL(bool(CondVar*, Mutex*, Duration), "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mutex, [&] { return real(this, mutex, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  FAIRLEAD_REAL(bool(CondVar*, Mutex*, Time), "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mutex, [&] { return real(this, mutex, deadline); });
}

void Notification::Notify() {
  FAIRLEAD_REAL(void(Notification*), "_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  real(this);
}

void Notification::WaitForNotification() const {
  FAIRLEAD_REAL(void(const Notification*), "_ZNK4absl7debian312Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  FAIRLEAD_REAL(bool(const Notification*, Duration), "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  FAIRLEAD_REAL(bool(const Notification*, Time), "_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
  const bool notified = real(this, deadline);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  FAIRLEAD_REAL(bool(BlockingCounter*), "_ZN4absl7debian315BlockingCounter14DecrementCountEv");
  __tsan_release(this);
  return real(this);
}

void BlockingCounter::Wait() {
  FAIRLEAD_REAL(void(BlockingCounter*), "_ZN4absl7debian315BlockingCounter4WaitEv");
  real(this);
  __tsan_acquire(this);
}

}  // namespace absl
