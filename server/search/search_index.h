// A node's search index: it follows the journal, off the commit path, and is built from all records where it cannot.
//
// A document is a record as it is when it is taken in, so an index that is at the journal's end is right whatever it has missed before.
// Documents of withdrawn records are removed. After an erasure the index's files are written anew, and the node does not cosign the
// erasure before (Node::AddEraser).
//
// Thread safety: any thread, but Step by one at a time. Ownership: owns its folder and its thread; borrows the node, which outlives it.

#ifndef FAIRLEAD_SERVER_SEARCH_SEARCH_INDEX_H_
#define FAIRLEAD_SERVER_SEARCH_SEARCH_INDEX_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "api/steady_event.h"
#include "server/node/node.h"
#include "server/search/index_folder.h"
#include "server/search/terms.h"

namespace fairlead::search {

struct IndexFigures {
  int64_t records = 0;
  Position indexed;       // of the journal, what is before it is in
  bool building = false;  // anew, from all records
  int64_t builds = 0;     // since the start
  std::string error;      // why it does not follow; empty when it does
};

class SearchIndex {
 public:
  SearchIndex(node::Node* node, std::string folder);
  ~SearchIndex();  // stops
  SearchIndex(const SearchIndex&) = delete;
  SearchIndex& operator=(const SearchIndex&) = delete;

  // Follows the journal in a thread of its own, until Stop; from here on the node cosigns no erasure before it is out of these files. To be
  // called before the node's runner starts, once.
  void Start();
  void Stop();
  // One commit's worth of work: true when there may be more to do. (The thread calls it; so does a test that has not started one.) After an
  // error, the same is tried again by the next call.
  absl::StatusOr<bool> Step();

  IndexFigures figures() const;
  // The database as of its last commit. UNAVAILABLE (INDEX_UNAVAILABLE) when there is none.
  absl::StatusOr<Xapian::Database> Read() const { return folder_.Read(); }
  // Called after each commit, from the thread. Returns an id for RemoveListener, which waits for a running call to end.
  uint64_t AddListener(std::function<void(Position indexed)> listener);
  void RemoveListener(uint64_t id);
  // A reader has found the files damaged: the index is built anew.
  void ReportDamage();

 private:
  void Run();
  absl::StatusOr<bool> Work();
  absl::Status Open();
  absl::StatusOr<bool> Build();
  absl::StatusOr<bool> Follow();
  // The entry at the journal's end - 1; none when there is none such.
  absl::StatusOr<Dot> EntryBefore(Position end) const;
  absl::Status Put(const std::string& name);
  // The records that an entry of the journal may have changed.
  absl::StatusOr<std::set<std::string>> ChangedBy(Dot entry, bool* erases) const;
  absl::Status Commit(Progress next);
  // Tells figures and listeners how far it is.
  void Publish();

  node::Node* const node_;
  const std::string version_;
  IndexFolder folder_;
  std::optional<Progress> progress_;  // Step's; nullopt until the folder is open
  std::atomic<bool> damaged_{false};
  std::atomic<uint64_t> erased_{0};  // what erasures before this position of the journal took is out of the files
  uint64_t journal_listener_ = 0;
  uint64_t eraser_ = 0;
  std::string last_error_;  // the thread's
  SteadyEvent grown_;       // or stopping
  SteadyEvent stop_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;

  mutable absl::Mutex mu_;
  IndexFigures figures_ ABSL_GUARDED_BY(mu_);
  absl::Mutex listeners_mu_;
  std::map<uint64_t, std::function<void(Position)>> listeners_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;
};

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_SEARCH_INDEX_H_
