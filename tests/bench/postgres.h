// A PostgreSQL 15 server with mutual TLS and synced commits, and its connections.
//
// Thread safety: a connection by one thread at a time, a server likewise. Ownership: a server owns its process and its folder, and must
// outlive its connections.

#ifndef FAIRLEAD_TESTS_BENCH_POSTGRES_H_
#define FAIRLEAD_TESTS_BENCH_POSTGRES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/peer.h"

namespace fairlead::bench {

class PgConnection {
 public:
  static absl::StatusOr<std::unique_ptr<PgConnection>> Open(const std::string& target);

  // Statements whose rows nobody asks for.
  absl::Status Run(const std::string& sql);
  // The one figure that a query answers; 0 when it is NULL.
  absl::StatusOr<int64_t> Number(const std::string& sql);
  absl::Status Prepare(const std::string& name, const std::string& sql);
  // A prepared statement: the number of rows it answers. Parameters are bytes, as they are: text, or for a bytea its content; rows come in
  // binary form.
  absl::StatusOr<int> Execute(const std::string& name, const std::vector<std::string>& parameters);

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  explicit PgConnection(PGconn* connection) : connection_(connection) {}
  absl::Status Failed(const PGresult* result) const;

  const std::unique_ptr<PGconn, Finish> connection_;
};

class Postgres {
 public:
  // Returns when it answers. NOT_FOUND when it is not installed.
  static absl::StatusOr<std::unique_ptr<Postgres>> Start();
  ~Postgres();

  absl::StatusOr<std::unique_ptr<PgConnection>> Connect() const { return PgConnection::Open(Target()); }
  // What a client, or a subscriber, connects to.
  std::string Target() const;

 private:
  Postgres() = default;

  std::unique_ptr<PeerHome> home_;
  std::unique_ptr<framework::Process> process_;
  int port_ = 0;
};

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_POSTGRES_H_
