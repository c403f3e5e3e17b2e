// The ends of RocksDB's write-ahead logs and manifests.
//
// A loss of power may leave the last record of such a file torn, so RocksDB takes a record that reaches beyond the end of its file for one
// that was never written whole, and drops it and all that follows without a word. A damaged length looks the same. But what a torn record
// lacks is its end: a record whose bytes are all there, by its own checksum, has a wrong length.
//
// Thread safety: a pure function of the file. Ownership: borrows the environment.

#ifndef FAIRLEAD_STORAGE_LOG_TAIL_H_
#define FAIRLEAD_STORAGE_LOG_TAIL_H_

#include <absl/status/status.h>
#include <rocksdb/env.h>

#include <string>

namespace fairlead::storage {

// STORE_DAMAGED when the record at which `file` seems to end is whole; an error when the file cannot be read.
absl::Status CheckLogTail(rocksdb::Env* env, const std::string& file);

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_LOG_TAIL_H_
