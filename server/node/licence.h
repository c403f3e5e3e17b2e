// A store's right to extend its site's logs (api/PROTOCOL.md, rule 7).
//
// A restored or copied store must not write where the original went on: that would be a second history of one log. So the right is an id
// that is kept twice, in the store and in a file that lies outside it and that no backup holds. Each opening of a store whose id is the
// file's gives both a new one, and so does each minute of writing or receiving; a copy made before has the old one. The file also has the
// sizes that the logs had then, and a store that is shorter is an old one. A store without the right gets it when each peer has shown what
// it holds of the logs and all of that is here. It is one right for all current logs of the site: their entries come in one batch.
//
// Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_NODE_LICENCE_H_
#define FAIRLEAD_SERVER_NODE_LICENCE_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/ids.h"
#include "api/licence.h"
#include "server/node/clock.h"
#include "storage/store.h"

namespace fairlead::node {

// Where the licence is kept.
class LicenceFile {
 public:
  virtual ~LicenceFile() = default;
  virtual std::string name() const = 0;
  // nullopt: there is none.
  virtual absl::StatusOr<std::optional<std::string>> Read() const = 0;
  // Durable when it returns OK; the old text or the new after a crash.
  virtual absl::Status Replace(const std::string& text) = 0;
};

// A file of the machine.
std::unique_ptr<LicenceFile> LicenceFileAt(std::string path);

class LicenceKeeper {
 public:
  struct Options {
    LicenceFile* file = nullptr;
    std::string origin;              // of the main log
    std::vector<std::string> peers;  // sites that must be heard before a store without licence gets one
    const Clock* clock = nullptr;
    absl::Duration renew_interval = absl::Minutes(1);
    absl::Duration retry_interval = absl::Seconds(1);  // after a failure to take it at the start
  };

  // `held`, here and below: the entries in the store of each of the site's current logs. An error is the store's.
  static absl::StatusOr<std::unique_ptr<LicenceKeeper>> Open(Options options, storage::Store* store, const LogSizes& held);

  // Gives the store the licence, whichever had it. REQUIRES: nobody holds more of the logs than the store, and no other store extends them.
  static absl::Status Grant(Options options, storage::Store* store, const LogSizes& held);

  // Whether store and file belonged together at the start; else the store may be an older copy.
  bool Entitled() const;
  // Empty when the store may extend the logs; else why not, and what would help.
  std::string Missing() const;
  // `peer` has shown that it holds `sizes` entries of the logs. True when that brought the licence.
  bool PeerHolds(const std::string& peer, const LogSizes& sizes, const LogSizes& held);
  // Gives a licensed store a new id when a log or the journal has grown and the interval has passed. True when that brought the licence,
  // which a full disk had kept the store from taking at its start.
  bool Renew(const LogSizes& held, Position journal);

 private:
  LicenceKeeper(Options options, storage::Store* store) : options_(std::move(options)), store_(store) {}

  // A new id for store and file.
  absl::Status Take(const LogSizes& held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  storage::Store* const store_;
  mutable absl::Mutex mu_;
  bool licensed_ ABSL_GUARDED_BY(mu_) = false;
  bool entitled_ ABSL_GUARDED_BY(mu_) = false;  // by what store and file said at the start
  std::string id_ ABSL_GUARDED_BY(mu_);         // in the store; empty when none
  LogSizes sizes_ ABSL_GUARDED_BY(mu_);         // of the last taking
  Position journal_ ABSL_GUARDED_BY(mu_);       // of the last renewal
  absl::Time taken_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::string cause_ ABSL_GUARDED_BY(mu_);                           // why there was none at the start
  std::map<std::string, std::string> awaited_ ABSL_GUARDED_BY(mu_);  // peers, and what each was last seen to hold that is not here
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_LICENCE_H_
