#include "server/etcd/watch.h"

#include <chrono>
#include <utility>

namespace fairlead::etcd {

EtcdWatch::EtcdWatch(EtcdClient* etcd, std::string key, absl::Duration interval, std::function<void()> wake)
    : etcd_(etcd), key_(std::move(key)), interval_(interval), wake_(std::move(wake)), thread_([this] { Run(); }) {}

EtcdWatch::~EtcdWatch() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    if (open_ != nullptr) open_->TryCancel();
  }
  thread_.join();
}

void EtcdWatch::Run() {
  for (int failures = 0;;) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(interval_));
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) return;
      open_ = &context;
    }
    const absl::Status ended = etcd_->Watch(&context, key_, wake_);
    {
      absl::MutexLock lock(&mu_);
      open_ = nullptr;
      if (stopping_) return;
    }
    failures = ended.ok() ? 0 : failures + 1;
    if (failures > 0) etcd_->Pause(failures);
  }
}

}  // namespace fairlead::etcd
