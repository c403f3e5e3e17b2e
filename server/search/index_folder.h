// The files of a search index: a Xapian database, and what it has taken in, in one commit.
//
// All of it can be had again from the records. So whatever cannot be used is thrown away: what is missing, damaged, of another version of
// this code, or of another store's journal.
//
//   FOLDER/index         the database
//   FOLDER/next          one in the making (Purge); what is found of it at start is removed
//
// Thread safety: one thread writes; Read may be called from any thread. Ownership: owns the folder: nothing else may lie in it.

#ifndef FAIRLEAD_SERVER_SEARCH_INDEX_FOLDER_H_
#define FAIRLEAD_SERVER_SEARCH_INDEX_FOLDER_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <xapian.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "api/ids.h"

namespace fairlead::search {

// What a database has taken in.
struct Progress {
  std::string instance;   // of the journal
  Position journal;       // everything before it, once it is built
  Dot last;               // the entry before it; none at 0
  bool building = false;  // records up to the name `built` are in, as they were at `journal` or later
  std::string built;
  bool stale = false;  // something was erased: it is out of the database, and may be in its files
};

class IndexFolder {
 public:
  explicit IndexFolder(std::string folder) : folder_(std::move(folder)) {}

  // Makes the database ready to be written. What it has taken in; nullopt of one that is new, perhaps because what was there could not be
  // used: `version` and `instance` say what would be. INTERNAL (STORAGE_FAILED) when the folder cannot be written, or another process does.
  absl::StatusOr<std::optional<Progress>> Open(const std::string& version, const std::string& instance);
  // Takes the database's files away. Open begins anew.
  void Discard();

  // REQUIRES: Open was OK, for all of these. After an error Open is to be called again (after Discard, when a file was found damaged): what
  // was put and removed since the last Commit may have taken place, though its progress has not.
  absl::Status Put(const std::string& record_term, const Xapian::Document& document);
  absl::Status Remove(const std::string& record_term);
  // Durable when it returns OK.
  absl::Status Commit(const Progress& progress);
  // Writes the files anew, without what is no longer in the database. REQUIRES: all is committed.
  absl::Status Purge();
  int64_t documents() const { return writer_->get_doccount(); }

  // Whether one of the above has found a file damaged since Open.
  bool damaged() const { return damaged_; }

  // The database as of the last commit. UNAVAILABLE (INDEX_UNAVAILABLE) when there is none, or it cannot be read.
  absl::StatusOr<Xapian::Database> Read() const;
  // What it has taken in; nullopt when nothing was ever committed to it.
  static std::optional<Progress> ProgressOf(const Xapian::Database& database);

 private:
  template <class Fn>
  absl::Status Try(Fn fn);

  const std::string folder_;
  std::string version_;
  bool damaged_ = false;
  std::optional<Xapian::WritableDatabase> writer_;  // the writing thread's
  mutable absl::Mutex mu_;                          // held while the files are exchanged
};

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_INDEX_FOLDER_H_
