// Writes and reads beside peers.

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "tests/bench/etcd.h"
#include "tests/bench/measurements.h"
#include "tests/bench/network.h"
#include "tests/bench/peer_rows.h"
#include "tests/bench/postgres.h"

namespace fairlead::bench {
namespace {

constexpr char kGet[] = "/fairlead.v1.EngagementService/GetEngagement";
constexpr char kList[] = "/fairlead.v1.EngagementService/ListEngagements";
constexpr int kPage = 50;
constexpr char kListedCountry[] = "JP";
constexpr int kReadersInFlight[] = {1, 64};
constexpr int64_t kStride = 7919;  // a prime: the records are read out of order

absl::Status RunAll(PgConnection* connection, const std::vector<std::string>& statements) {
  for (const std::string& sql : statements) {
    if (absl::Status done = connection->Run(sql); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::unique_ptr<PgConnection>>> Connections(const Postgres& postgres, int count, const std::string& statement) {
  std::vector<std::unique_ptr<PgConnection>> connections;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::unique_ptr<PgConnection>> connection = postgres.Connect();
    if (!connection.ok()) return connection.status();
    if (absl::Status prepared = (*connection)->Prepare("s", statement); !prepared.ok()) return prepared;
    connections.push_back(*std::move(connection));
  }
  return connections;
}

// Rows ($1, $2, $3), ($4, ...
std::string MultiRowInsert(int64_t rows) {
  std::string sql = "INSERT INTO ports VALUES ";
  for (int64_t i = 0; i < rows; ++i) sql += fmt::format("{}(${}, ${}, ${})", i == 0 ? "" : ", ", 3 * i + 1, 3 * i + 2, 3 * i + 3);
  return sql;
}

// The ports that an import of `rows` brings, by the same number of calls at once; the rows a second.
absl::StatusOr<double> InsertPorts(const Postgres& postgres, int64_t rows) {
  const auto control = postgres.Connect();
  if (!control.ok()) return control.status();
  if (absl::Status empty = (*control)->Run("TRUNCATE ports"); !empty.ok()) return empty;
  const auto connections = Connections(postgres, kImportInFlight, MultiRowInsert(kImportRows));
  if (!connections.ok()) return connections.status();
  const absl::StatusOr<Load> load =
      RunThreads(kImportInFlight, absl::InfiniteDuration(), rows / kImportRows, [&](int thread, int64_t n) -> absl::Status {
        v1::ImportPortsRequest request;
        if (!request.ParseFromString(PortsRequest(n * kImportRows, (n + 1) * kImportRows))) return absl::InternalError("no ports");
        std::vector<std::string> parameters;
        for (const v1::Port& port : request.ports()) {
          parameters.insert(parameters.end(), {port.name(), port.country(), port.SerializeAsString()});
        }
        return (*connections)[static_cast<size_t>(thread)]->Execute("s", parameters).status();
      });
  if (!load.ok()) return load.status();
  const absl::StatusOr<int64_t> held = (*control)->Number("SELECT count(*) FROM ports");
  if (!held.ok()) return held.status();
  if (*held != rows) return absl::InternalError(fmt::format("{} rows were inserted, PostgreSQL has {}", rows, *held));
  return load->rate * static_cast<double>(kImportRows);
}

std::string CountryOf(int64_t n) { return std::string(kCountries[static_cast<size_t>(n % std::ssize(kCountries))]); }

// `count` engagements of all countries at a node: their names.
absl::StatusOr<std::vector<std::string>> FillNode(const Callers& callers, int64_t count) {
  absl::Mutex mu;
  std::vector<std::string> names;
  const absl::StatusOr<Load> filled = RunLoad(callers, {.method = kCreate,
                                                        .request = [](int64_t n) { return CreateRequest(CountryOf(n)); },
                                                        .in_flight = kPeakInFlight,
                                                        .calls_max = count,
                                                        .replied =
                                                            [&](const std::string& reply) {
                                                              v1::Engagement engagement;
                                                              const bool parsed = engagement.ParseFromString(reply);
                                                              absl::MutexLock lock(&mu);
                                                              if (parsed) names.push_back(engagement.name());
                                                            }});
  if (!filled.ok()) return filled.status();
  if (std::ssize(names) != count) return absl::InternalError("a reply is no engagement");
  return names;
}

absl::Status FillPostgres(const Postgres& postgres, const std::vector<std::string>& names) {
  const auto control = postgres.Connect();
  if (!control.ok()) return control.status();
  absl::Status made = RunAll(control->get(), {"CREATE TABLE engagements (name text PRIMARY KEY, country text NOT NULL, start_date text NOT "
                                              "NULL, record bytea NOT NULL)",
                                              "CREATE INDEX ON engagements (country, start_date, name)", "BEGIN"});
  if (!made.ok()) return made;
  if (made = (*control)->Prepare("fill", "INSERT INTO engagements VALUES ($1, $2, '2026', $3)"); !made.ok()) return made;
  for (int64_t n = 0; n < std::ssize(names); ++n) {
    const auto row = (*control)->Execute("fill", {names[static_cast<size_t>(n)], CountryOf(n), RecordBytes(CountryOf(n))});
    if (!row.ok()) return row.status();
  }
  return RunAll(control->get(), {"COMMIT", "VACUUM ANALYZE engagements"});
}

// What is asked of a PostgreSQL table, one call at a time a connection; each answer must have so many rows.
absl::StatusOr<Load> Select(const Postgres& postgres, const std::string& sql, int connections_count, absl::Duration duration, int rows,
                            const std::function<std::string(int64_t n)>& parameter) {
  const auto connections = Connections(postgres, connections_count, sql);
  if (!connections.ok()) return connections.status();
  return RunThreads(connections_count, duration, INT64_MAX, [&](int thread, int64_t n) -> absl::Status {
    const absl::StatusOr<int> got = (*connections)[static_cast<size_t>(thread)]->Execute("s", {parameter(n)});
    if (!got.ok()) return got.status();
    return *got == rows ? absl::OkStatus() : absl::InternalError(fmt::format("PostgreSQL answers {} rows, not {}", *got, rows));
  });
}

}  // namespace

std::vector<std::string> LoadColumns(const std::string& rate) { return {rate, "p50 ms", "p99 ms", "rate x", "p99 x"}; }

void AddRound(const std::string& work, const std::vector<SystemLoad>& systems, Section* section) {
  const Load& own = systems.front().second;
  for (const auto& [system, load] : systems) {
    section->Add(fmt::format("{}{}{}", work, work.empty() ? "" : ", ", system),
                 {load.rate, load.p50_ms, load.p99_ms, own.rate / load.rate, load.p99_ms == 0 ? 0 : own.p99_ms / load.p99_ms});
  }
}

absl::StatusOr<Section> CompareCreates(const PeerSettings& settings) {
  Section section(fmt::format("1, 2: durable unary creates of {} bytes, beside etcd's put and an empty call", kRecordBytes),
                  LoadColumns("calls/s"));
  const absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::unique_ptr<Etcd>> etcd = OrSkipped(Etcd::Start(kChannels));
  if (!etcd.ok()) return etcd.status();
  int64_t put = 1;  // etcd has been given the first key
  const auto puts = [&](int in_flight, absl::Duration duration) {
    LoadOptions options{.method = Etcd::kPut, .request = [put](int64_t n) { return Etcd::PutRequest(put + n); }, .in_flight = in_flight};
    options.duration = duration;
    absl::StatusOr<Load> load = RunLoad((*etcd)->callers(), options);
    if (load.ok()) put += load->calls;
    return load;
  };
  const auto creates = [&](int in_flight, absl::Duration duration) {
    LoadOptions options = Creates(in_flight);
    options.duration = duration;
    return RunLoad((*network)->callers(), options);
  };
  if (auto warm = creates(kPeakInFlight, std::min(settings.duration, kWarmUp)); !warm.ok()) return warm.status();
  if (*etcd) {
    if (auto warm = puts(kPeakInFlight, std::min(settings.duration, kWarmUp)); !warm.ok()) return warm.status();
  }
  for (int in_flight : {1, 16, 128, 512}) {
    for (int round = 0; round < settings.rounds; ++round) {
      std::vector<SystemLoad> systems;
      const absl::StatusOr<Load> own = creates(in_flight, settings.duration);
      if (!own.ok()) return own.status();
      systems.emplace_back("Fairlead create", *own);
      if (*etcd) {
        const absl::StatusOr<Load> load = puts(in_flight, settings.duration);
        if (!load.ok()) return load.status();
        systems.emplace_back("etcd put", *load);
      }
      const absl::StatusOr<Load> empty = RunLoad(
          (*network)->callers(),
          {.method = kEmpty, .request = [](int64_t) { return std::string(); }, .in_flight = in_flight, .duration = settings.duration});
      if (!empty.ok()) return empty.status();
      systems.emplace_back("empty call", *empty);
      AddRound(fmt::format("{:>3} in flight", in_flight), systems, &section);
    }
  }
  if (*etcd) {
    const absl::StatusOr<int64_t> keys = (*etcd)->Keys();
    if (!keys.ok()) return keys.status();
    if (*keys != put) return absl::InternalError(fmt::format("{} puts were acknowledged, etcd has {} keys", put, *keys));
  }
  return section;
}

absl::StatusOr<Section> CompareBatches(const PeerSettings& settings) {
  Section section(fmt::format("3: {} ports, {} a call, {} calls in flight, beside PostgreSQL's multi-row INSERT and RocksDB alone",
                              settings.rows, kImportRows, kImportInFlight),
                  {"rows/s", "rate x"});
  const absl::StatusOr<std::unique_ptr<Postgres>> postgres = OrSkipped(Postgres::Start());
  if (!postgres.ok()) return postgres.status();
  if (*postgres) {
    const auto control = (*postgres)->Connect();
    if (!control.ok()) return control.status();
    const absl::Status made = RunAll(
        control->get(),
        {"CREATE TABLE ports (name text PRIMARY KEY, country text NOT NULL, record bytea NOT NULL)", "CREATE INDEX ON ports (country)"});
    if (!made.ok()) return made;
  }
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<ImportFigures> figures = ImportRound(settings.rows);
    if (!figures.ok()) return figures.status();
    const double own = figures->api_rows_s;
    section.Add("Fairlead import", {own, 1});
    if (*postgres) {
      const absl::StatusOr<double> inserted = InsertPorts(**postgres, settings.rows);
      if (!inserted.ok()) return inserted.status();
      section.Add("PostgreSQL INSERT", {*inserted, own / *inserted});
    }
    section.Add("RocksDB alone", {figures->store_rows_s, own / figures->store_rows_s});
  }
  return section;
}

absl::StatusOr<Section> CompareReads(const PeerSettings& settings) {
  Section section(
      fmt::format("4: reads of {} records: one by name, beside etcd (serializable) and PostgreSQL; {} by country, beside PostgreSQL",
                  settings.engagements, kPage),
      LoadColumns("calls/s"));
  const absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::vector<std::string>> names = FillNode((*network)->callers(), settings.engagements);
  if (!names.ok()) return names.status();
  const auto name_of = [&](int64_t n) { return (*names)[static_cast<size_t>(n * kStride % settings.engagements)]; };
  const absl::StatusOr<std::unique_ptr<Etcd>> etcd = OrSkipped(Etcd::Start(kChannels));
  if (!etcd.ok()) return etcd.status();
  if (*etcd) {
    const auto filled = RunLoad((*etcd)->callers(), {.method = Etcd::kPut,
                                                     .request = [](int64_t n) { return Etcd::PutRequest(n); },
                                                     .in_flight = kPeakInFlight,
                                                     .calls_max = settings.engagements});
    if (!filled.ok()) return filled.status();
  }
  const absl::StatusOr<std::unique_ptr<Postgres>> postgres = OrSkipped(Postgres::Start());
  if (!postgres.ok()) return postgres.status();
  if (*postgres) {
    if (absl::Status filled = FillPostgres(**postgres, *names); !filled.ok()) return filled;
  }

  const auto get = [&](int64_t n) {
    v1::GetEngagementRequest request;
    request.set_name(name_of(n));
    return request.SerializeAsString();
  };
  v1::ListEngagementsRequest list;
  list.set_page_size(kPage);
  list.set_country(fmt::format("countries/{}", kListedCountry));
  const absl::StatusOr<std::string> listed = (*network)->callers()[0]->CallAndWait(kList, list.SerializeAsString());
  if (!listed.ok()) return listed.status();
  v1::ListEngagementsResponse page;
  if (!page.ParseFromString(*listed)) return absl::InternalError("a reply is no page");
  const int page_rows = page.engagements_size();
  if (page_rows != std::min<int64_t>(kPage, settings.engagements / std::ssize(kCountries))) {
    return absl::InternalError(fmt::format("a page of {} has {} engagements", kPage, page_rows));
  }

  for (const int in_flight : kReadersInFlight) {
    for (int round = 0; round < settings.rounds; ++round) {
      const auto node = [&](const char* method, std::function<std::string(int64_t)> request) {
        return RunLoad((*network)->callers(),
                       {.method = method, .request = std::move(request), .in_flight = in_flight, .duration = settings.duration});
      };
      std::vector<SystemLoad> gets, lists;
      const auto add = [](const std::string& system, const absl::StatusOr<Load>& load, std::vector<SystemLoad>* systems) {
        if (load.ok()) systems->emplace_back(system, *load);
        return load.status();
      };
      absl::Status status = add("Fairlead get", node(kGet, get), &gets);
      if (status.ok() && *etcd) {
        LoadOptions range{.method = Etcd::kRange, .in_flight = in_flight, .duration = settings.duration};
        range.request = [&](int64_t n) { return Etcd::GetRequest(n * kStride % settings.engagements); };
        status = add("etcd get", RunLoad((*etcd)->callers(), range), &gets);
      }
      if (status.ok() && *postgres) {
        status = add("PostgreSQL select",
                     Select(**postgres, "SELECT record FROM engagements WHERE name = $1", in_flight, settings.duration, 1, name_of), &gets);
      }
      if (status.ok()) status = add("Fairlead list", node(kList, [bytes = list.SerializeAsString()](int64_t) { return bytes; }), &lists);
      if (status.ok() && *postgres) {
        status = add(
            "PostgreSQL select",
            Select(**postgres, fmt::format("SELECT record FROM engagements WHERE country = $1 ORDER BY start_date, name LIMIT {}", kPage),
                   in_flight, settings.duration, page_rows, [](int64_t) { return std::string(kListedCountry); }),
            &lists);
      }
      if (!status.ok()) return status;
      AddRound(fmt::format("{:>2} in flight, one", in_flight), gets, &section);
      AddRound(fmt::format("{:>2} in flight, page", in_flight), lists, &section);
    }
  }
  return section;
}

}  // namespace fairlead::bench
