#include "client/outbox/database.h"

#include <fmt/format.h>

namespace fairlead::client {

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_PRIVATECACHE, nullptr);
  std::unique_ptr<Database> database(new Database(handle));
  if (opened != SQLITE_OK) return absl::UnavailableError(fmt::format("cannot open {}: {}", path, sqlite3_errstr(opened)));
  // EXTRA also syncs the folder when a commit's journal goes: a power cut does not bring back what was before it.
  absl::Status locked =
      database->Execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; BEGIN EXCLUSIVE; COMMIT");
  if (absl::IsUnavailable(locked)) return absl::UnavailableError(fmt::format("{} is in use by another process", path));
  if (!locked.ok()) return absl::Status(locked.code(), fmt::format("{}: {}", path, std::string(locked.message())));
  return database;
}

absl::Status Database::Failure() const {
  const std::string message = sqlite3_errmsg(handle_.get());
  switch (sqlite3_errcode(handle_.get())) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status Database::Execute(const std::string& sql) {
  return sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? absl::OkStatus() : Failure();
}

Statement Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  // What fails here fails again, with its error, when it is stepped.
  sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  return {this, statement};
}

absl::Status Database::Transaction(const std::function<absl::Status()>& steps) {
  if (absl::Status begun = Execute("BEGIN"); !begun.ok()) return begun;
  absl::Status done = steps();
  if (done.ok()) done = Execute("COMMIT");
  // A commit that failed leaves its transaction open, or has rolled it back.
  if (!done.ok() && sqlite3_get_autocommit(handle_.get()) == 0) (void)Execute("ROLLBACK");
  return done;
}

Statement& Statement::Bind(int64_t value) {
  sqlite3_bind_int64(handle_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::Bind(std::string_view bytes) {
  // Null would be another value than an empty one.
  sqlite3_bind_blob64(handle_.get(), ++bound_, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = Next();
  return row.status();
}

absl::StatusOr<bool> Statement::Next() {
  switch (sqlite3_step(handle_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return database_->Failure();
  }
}

std::string Statement::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

}  // namespace fairlead::client
