// The bytes of attachments, which the records name by their SHA-256 and which lie beside the logs, in Cf::kContents.
//
// Bytes arrive by transfers: an officer's upload, or a fetch from a peer. Each keeps its chunks to itself, so that what one source sends
// is never mixed with what another does; a transfer that was cut goes on after its last durable chunk. Once all is there and its SHA-256 is
// the one that was promised, a manifest names the transfer, in one write. Readers look at manifests alone.
//
//   "m" sha256:hex{64}             0x01 size:u64 transfer[16] since_ms:u64                                       the bytes are here
//   "t" transfer[16]               0x01 sha256:hex{64} size:u64 chunks:u32 touched_ms:u64 source:bytes            not yet
//   "c" transfer[16] chunk:u32     kContentChunkBytes bytes, or what is left
//
// Which bytes are due here follows from the records (attachments.h); those that a commit has made due are listed in Cf::kMeta under
// kMetaFetchPrefix. Nothing here is folded, and no digest covers it.
//
// Thread safety: any thread. Ownership: borrows store and clock.

#ifndef FAIRLEAD_SERVER_NODE_CONTENTS_H_
#define FAIRLEAD_SERVER_NODE_CONTENTS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/clock.h"
#include "storage/store.h"

namespace fairlead::node {

inline constexpr uint64_t kContentChunkBytes = 256 << 10;

// How long chunk `index` of `size` bytes is. REQUIRES: index * kContentChunkBytes < size.
uint64_t ChunkSize(uint64_t size, uint64_t index);

// Complete bytes.
struct Content {
  uint64_t size = 0;
  std::string transfer;  // by which they came
  absl::Time since;
};

struct Transfer {
  std::string id;  // 16 bytes, which follow from source and SHA-256
  std::string sha256;
  uint64_t size = 0;
  uint64_t offset = 0;  // all before it is durable
  std::string source;   // "officer/apac/watch", "node/hq"
  absl::Time touched;   // when it last went on
};

std::string TransferId(std::string_view source, std::string_view sha256);

// What is complete, from any view of the store. DATA_LOSS when it is damaged.
absl::StatusOr<std::optional<Content>> FindContent(const storage::View& view, std::string_view sha256);
// DATA_LOSS when it is damaged, NOT_FOUND when it has been removed since.
absl::StatusOr<std::string> ReadChunk(const storage::View& view, const Content& content, uint64_t index);
// Every chunk in order, until `visit` returns an error, which is then returned.
absl::Status VisitChunks(const storage::View& view, const Content& content, const std::function<absl::Status(std::string_view)>& visit);
// Calls `on_fault` with the key and the rule of all that is not as above, and of what has not the SHA-256 that its manifest states.
absl::Status CheckContents(const storage::View& store,
                           const std::function<void(const std::string& key, const std::string& rule)>& on_fault);

class Contents {
 public:
  Contents(storage::Store* store, const Clock* clock) : store_(store), clock_(clock) {}
  // Counts what is there. DATA_LOSS when it is damaged.
  absl::Status Load();

  // Goes on with the source's transfer of these bytes, or begins one: anew when its size was another. LIMIT_REACHED when the source has
  // `transfers_max` others. REQUIRES: `sha256` is 64 hex digits, 0 < size.
  absl::StatusOr<Transfer> Begin(std::string_view source, std::string_view sha256, uint64_t size, size_t transfers_max);
  // nullopt when there is none.
  absl::StatusOr<std::optional<Transfer>> Find(std::string_view id) const;
  // Adds a chunk, durably; one that is there already changes nothing. The transfer as it is then. FIELD_INVALID on `offset` or `data` when
  // it is not one that is due; NOT_FOUND when there is no such transfer.
  absl::StatusOr<Transfer> Append(std::string_view id, uint64_t offset, std::string_view data);
  // Reads all of it back, and makes the bytes content when they have their SHA-256: INVALID_ARGUMENT when not, and the transfer is dropped.
  // So it is after an error of `visit`, which sees every chunk in order. Other transfers of the same bytes are dropped, too. REQUIRES: the
  // transfer is there and has every chunk.
  absl::Status Complete(const Transfer& transfer, const std::function<absl::Status(std::string_view)>& visit = {});
  absl::Status Drop(std::string_view id);

  // While it lives, the bytes are not removed: a record that will need them is being written.
  class Pin {
   public:
    Pin(Contents* contents, std::string sha256);
    ~Pin();
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

   private:
    Contents* const contents_;
    const std::string sha256_;
  };

  // Takes the bytes, and what transfers have of them, out of the store, unless a record needs them. For each transfer that goes,
  // `deleted` adds to the write what it has to. UNAVAILABLE while they are pinned: try again.
  absl::Status RemoveUnneeded(std::string_view sha256, const std::function<void(std::string_view key, storage::Batch*)>& deleted = {});
  // Drops transfers that have not gone on since `idle_since`, and bytes that no record needs and that are as old; lists what is due here
  // and neither here nor listed.
  absl::Status Sweep(absl::Time idle_since);

  // Of what is listed as due, in order after the given one, what is not here. Unlists the rest.
  struct Wanted {
    std::string sha256;
    uint64_t bytes_max = 0;  // the records say that it is no more
  };
  absl::StatusOr<std::vector<Wanted>> ListWanted(std::string_view after, size_t max);

  // Figures.
  int64_t bytes_held() const { return bytes_held_.load(); }
  int64_t wanted() const;

 private:
  absl::Status DropLocked(std::string_view id, const Transfer& transfer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::vector<Transfer>> Transfers() const;

  storage::Store* const store_;
  const Clock* const clock_;
  absl::Mutex mu_;  // held while transfers, manifests and the list of what is due change
  std::multiset<std::string> pinned_ ABSL_GUARDED_BY(mu_);
  std::atomic<int64_t> bytes_held_{0};
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_CONTENTS_H_
