// Wakes whoever reads a key in etcd, when it may have changed.
//
// A watch of etcd can miss changes, repeat them, and hang with its member: it says that there is something to read, and never what. It is
// opened anew after each interval and after each failure, and wakes whenever it is opened, so that nothing waits longer than that.
//
// Thread safety: any thread. Ownership: owns a thread, which ends with it; borrows the client.

#ifndef FAIRLEAD_SERVER_ETCD_WATCH_H_
#define FAIRLEAD_SERVER_ETCD_WATCH_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <string>
#include <thread>

#include "server/etcd/client.h"

namespace fairlead::etcd {

class EtcdWatch {
 public:
  // `wake` is called from the watch's thread, about once for each change and once for each interval.
  EtcdWatch(EtcdClient* etcd, std::string key, absl::Duration interval, std::function<void()> wake);
  ~EtcdWatch();
  EtcdWatch(const EtcdWatch&) = delete;
  EtcdWatch& operator=(const EtcdWatch&) = delete;

 private:
  void Run();

  EtcdClient* const etcd_;
  const std::string key_;
  const absl::Duration interval_;
  const std::function<void()> wake_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* open_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::thread thread_;
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_WATCH_H_
