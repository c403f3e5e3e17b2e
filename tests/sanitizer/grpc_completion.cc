// Tells ThreadSanitizer that what a call was begun with happened before its completion.
//
// gRPC hands completions from thread to thread through atomics of a library that was not compiled for the tool. This definition of
// grpc_call_start_batch comes before the library's own: of a batch that ends with a callback it puts a function before the callback, and
// ties the two together by the callback's address. What has ended of a server's calls comes before the end of its shutdown. The counts of
// references of a generic service's calls are in gRPC's headers, and compiled here, so that the tool sees them. Linked into every program
// of the `tsan` preset, and of no other.

#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <link.h>
#include <sanitizer/tsan_interface.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <utility>

template class grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>;

namespace {

using Run = void (*)(grpc_completion_queue_functor*, int);

constexpr size_t kRunsMax = 16;
std::array<std::atomic<Run>, kRunsMax> runs{};  // gRPC has a handful of such functions

template <size_t index>
void RunAfter(grpc_completion_queue_functor* functor, int ok) {
  __tsan_acquire(functor);
  runs[index].load()(functor, ok);
}

template <size_t... indexes>
constexpr std::array<Run, kRunsMax> AllRunAfter(std::index_sequence<indexes...>) {
  return {RunAfter<indexes>...};
}
constexpr std::array<Run, kRunsMax> kRunAfter = AllRunAfter(std::make_index_sequence<kRunsMax>());

struct Address {
  uintptr_t value;
  bool code = false;
};

int FindSegment(dl_phdr_info* info, size_t, void* data) {
  auto* address = static_cast<Address*>(data);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && address->value >= begin && address->value < begin + segment.p_memsz) {
      address->code = true;
      return 1;
    }
  }
  return 0;
}

// Where `run` stands in `runs`; kRunsMax for what is no function. A tag that is not a callback begins with the address of a table instead.
size_t IndexOf(Run run) {
  for (size_t i = 0; i < kRunsMax; ++i) {
    if (runs[i].load() == run) return i;
  }
  Address address{reinterpret_cast<uintptr_t>(run)};
  dl_iterate_phdr(FindSegment, &address);
  if (!address.code) return kRunsMax;
  for (size_t i = 0; i < kRunsMax; ++i) {
    Run expected = nullptr;
    if (runs[i].compare_exchange_strong(expected, run) || expected == run) return i;
  }
  std::abort();
}

bool IsRunAfter(Run run) {
  for (Run known : kRunAfter) {
    if (known == run) return true;
  }
  return false;
}

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t nops, void* tag, void* reserved) {
  using Start = grpc_call_error(grpc_call*, const grpc_op*, size_t, void*, void*);
  static auto* const real = reinterpret_cast<Start*>(dlsym(RTLD_NEXT, "grpc_call_start_batch"));
  if (tag != nullptr) {
    auto* functor = static_cast<grpc_completion_queue_functor*>(tag);
    if (!IsRunAfter(functor->functor_run)) {
      const size_t index = IndexOf(functor->functor_run);
      if (index < kRunsMax) functor->functor_run = kRunAfter[index];
    }
    __tsan_release(tag);
  }
  return real(call, ops, nops, tag, reserved);
}

namespace grpc {

void Server::UnrefWithPossibleNotify() {
  static auto* const real = reinterpret_cast<void (*)(Server*)>(dlsym(RTLD_NEXT, "_ZN4grpc6Server23UnrefWithPossibleNotifyEv"));
  __tsan_release(this);
  real(this);
}

void Server::ShutdownInternal(gpr_timespec deadline) {
  static auto* const real =
      reinterpret_cast<void (*)(Server*, gpr_timespec)>(dlsym(RTLD_NEXT, "_ZN4grpc6Server16ShutdownInternalE12gpr_timespec"));
  real(this, deadline);
  __tsan_acquire(this);
}

}  // namespace grpc
