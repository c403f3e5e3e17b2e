#include "tests/bench/postgres.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>

#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"

namespace fairlead::bench {
namespace {

constexpr char kBin[] = "/usr/lib/postgresql/15/bin/";
constexpr char kLog[] = "postgres.log";
constexpr int kBinary = 1;

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

}  // namespace

absl::StatusOr<std::unique_ptr<PgConnection>> PgConnection::Open(const std::string& target) {
  std::unique_ptr<PgConnection> connection(new PgConnection(PQconnectdb(target.c_str())));
  if (PQstatus(connection->connection_.get()) != CONNECTION_OK) return connection->Failed(nullptr);
  return connection;
}

absl::Status PgConnection::Failed(const PGresult* result) const {
  const char* why = result == nullptr ? PQerrorMessage(connection_.get()) : PQresultErrorMessage(result);
  return absl::InternalError(fmt::format("PostgreSQL: {}", why));
}

absl::Status PgConnection::Run(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? absl::OkStatus() : Failed(result.get());
}

absl::StatusOr<int64_t> PgConnection::Number(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return Failed(result.get());
  if (PQntuples(result.get()) != 1) return absl::InternalError(fmt::format("PostgreSQL answers no one row: {}", sql));
  return std::strtoll(PQgetvalue(result.get(), 0, 0), nullptr, 10);
}

absl::Status PgConnection::Prepare(const std::string& name, const std::string& sql) {
  const Result result(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr));
  return PQresultStatus(result.get()) == PGRES_COMMAND_OK ? absl::OkStatus() : Failed(result.get());
}

absl::StatusOr<int> PgConnection::Execute(const std::string& name, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& parameter : parameters) {
    values.push_back(parameter.data());
    lengths.push_back(static_cast<int>(parameter.size()));
  }
  const std::vector<int> formats(parameters.size(), kBinary);
  const Result result(PQexecPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()), values.data(), lengths.data(),
                                     formats.data(), kBinary));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return Failed(result.get());
  return PQntuples(result.get());
}

absl::StatusOr<std::unique_ptr<Postgres>> Postgres::Start() {
  const std::string program = std::string(kBin) + "postgres";
  if (absl::Status there = RequireProgram(program, "postgresql-15"); !there.ok()) return there;
  std::unique_ptr<Postgres> postgres(new Postgres);
  absl::StatusOr<std::unique_ptr<PeerHome>> home = PeerHome::Make(RunAs::kPostgres);
  if (!home.ok()) return home.status();
  postgres->home_ = *std::move(home);
  const absl::StatusOr<int> port = framework::FreePort();
  if (!port.ok()) return port.status();
  postgres->port_ = *port;
  const PeerHome& files = *postgres->home_;
  const std::string data = files.path() + "/data";
  absl::Status made = files.Run({std::string(kBin) + "initdb", "--pgdata", data, "--username", kPeerUser, "--encoding=UTF8", "--locale=C"});
  if (!made.ok()) return made;
  // Durability is as it comes: fsync and synchronous_commit are on. Memory and checkpoints as for a machine that does this alone.
  made = files.Write("data/postgresql.conf",
                     fmt::format("listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n"
                                 "max_connections = 600\nmax_replication_slots = 110\nshared_buffers = '512MB'\nmax_wal_size = '8GB'\n"
                                 "wal_level = logical\nssl = on\nssl_ca_file = '{}'\nssl_cert_file = '{}'\n"
                                 "ssl_key_file = '{}'\n",
                                 *port, files.ca_file(), files.certificate_file(), files.key_file()));
  if (!made.ok()) return made;
  made = files.Write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 cert\n");
  if (!made.ok()) return made;
  absl::StatusOr<std::unique_ptr<framework::Process>> process = files.Start({program, "-D", data}, kLog);
  if (!process.ok()) return process.status();
  postgres->process_ = *std::move(process);
  absl::Status answered;
  framework::Eventually(
      [&] {
        answered = postgres->Connect().status();
        return answered.ok() || postgres->process_->HasEnded();
      },
      kPeerStartTimeout);
  if (!answered.ok()) return files.WithLog(answered, kLog);
  return postgres;
}

// The signal for what PostgreSQL calls a fast shutdown.
Postgres::~Postgres() { EndPeer(process_.get(), SIGINT); }

std::string Postgres::Target() const {
  return fmt::format("host=127.0.0.1 port={} user={} dbname=postgres sslmode=verify-full sslrootcert={} sslcert={} sslkey={}", port_,
                     kPeerUser, home_->ca_file(), home_->certificate_file(), home_->key_file());
}

}  // namespace fairlead::bench
