// Records in wire form, as callers are shown them, for methods that show many.
//
// What was put together once is kept, beside the state that it was made of, up to a bound; what was read least lately goes first. It is a
// memo: of a record there is only ever said what its state in the view says. While nothing is written the state is not even read again.
// What has been erased may stay in memory until the record is read again or others take its place; it is not shown.
//
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_SERVER_RPC_SHOWN_RECORDS_H_
#define FAIRLEAD_SERVER_RPC_SHOWN_RECORDS_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "server/records/record_type.h"
#include "storage/store.h"

namespace fairlead::rpc {

// Of a node: some ten thousands of records.
inline constexpr size_t kShownRecordsBytes = size_t{32} << 20;

// A record as it is shown.
struct Shown {
  std::string bytes;  // of the message
  bool withdrawn = false;
};

class ShownRecords {
 public:
  // Keeps about as many bytes of states and messages.
  explicit ShownRecords(size_t bytes_max) : part_bytes_max_(bytes_max / kParts) {}

  // Null when there is no such record. STORE_DAMAGED when its state cannot be read.
  absl::StatusOr<std::shared_ptr<const Shown>> Find(const storage::View& view, const records::RecordType& type, const std::string& name);

  // What it keeps.
  size_t bytes() const;

 private:
  struct Kept : Shown {
    std::string name;
    std::string state;                          // as it lies in the store
    mutable std::atomic<uint64_t> version = 0;  // of a store that held this state
    size_t size() const { return sizeof(Kept) + name.size() + state.size() + bytes.size(); }
  };
  using Order = std::list<std::shared_ptr<const Kept>>;  // read last comes first
  // Readers of different records seldom meet.
  struct Part {
    mutable absl::Mutex mu;
    Order order ABSL_GUARDED_BY(mu);
    absl::flat_hash_map<std::string_view, Order::iterator> places ABSL_GUARDED_BY(mu);  // by the names in `order`
    size_t bytes ABSL_GUARDED_BY(mu) = 0;
  };
  static constexpr size_t kParts = 16;

  Part& PartOf(std::string_view name) { return parts_[absl::HashOf(name) % kParts]; }
  static std::shared_ptr<const Kept> Look(Part* part, std::string_view name);
  void Keep(Part* part, std::shared_ptr<const Kept> kept) const;

  const size_t part_bytes_max_;
  std::array<Part, kParts> parts_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_SHOWN_RECORDS_H_
