// A SQLite database file, as the outbox uses it: one process at a time, every commit synced.
//
// Thread safety: one thread. Ownership: owns its handle; statements borrow the database.

#ifndef FAIRLEAD_CLIENT_OUTBOX_DATABASE_H_
#define FAIRLEAD_CLIENT_OUTBOX_DATABASE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fairlead::client {

class Statement;

class Database {
 public:
  // Opens or creates the file and locks it. UNAVAILABLE when another process has it, DATA_LOSS when it is no database.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // SQL without parameters or rows.
  absl::Status Execute(const std::string& sql);
  // REQUIRES: the SQL is this program's own, and right.
  Statement Prepare(std::string_view sql);
  // All that `steps` does, or nothing.
  absl::Status Transaction(const std::function<absl::Status()>& steps);
  int64_t LastInserted() const { return sqlite3_last_insert_rowid(handle_.get()); }
  absl::Status Failure() const;

 private:
  struct Closer {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}

  const std::unique_ptr<sqlite3, Closer> handle_;
};

// One statement: its parameters in order, then its rows.
class Statement {
 public:
  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view bytes);
  // Runs what gives no row.
  absl::Status Run();
  // Goes to the next row; false after the last.
  absl::StatusOr<bool> Next();
  int64_t Number(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  std::string Bytes(int column) const;

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  Statement(Database* database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}

  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
  int bound_ = 0;
};

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_OUTBOX_DATABASE_H_
