// Sends parsed rows to the nodes, in batches, a few at a time.
//
// A row goes to the node of its own site. A refused row never stops the rest; a batch whose call fails is counted as refused with the
// call's reason. Stopping lets the calls in flight end and sends no more: what has been imported is whole, and importing again does the
// rest.
//
// Invariant of a report: read == skipped + created + updated + unchanged + refusals.size() + unsent.
//
// Thread safety: free functions, any thread. Ownership: borrows the client.

#ifndef FAIRLEAD_CLIENT_IMPORT_LOADER_H_
#define FAIRLEAD_CLIENT_IMPORT_LOADER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/import/countries.h"
#include "client/import/engagements.h"
#include "client/import/ports.h"
#include "client/import/rows.h"

namespace fairlead::import {

struct LoadOptions {
  size_t batch_rows_max = 500;  // a node takes 2,000
  int calls_in_flight_max = 4;
  std::string ports_site;  // where ports are entered; empty: each in its region
  std::stop_token stop;
  // Called after each batch with the rows done and all rows; one call at a time.
  std::function<void(int64_t done, int64_t total)> progress = [](int64_t, int64_t) {};
};

struct Report {
  int64_t read = 0;
  int64_t skipped = 0;
  int64_t created = 0;
  int64_t updated = 0;
  int64_t unchanged = 0;
  int64_t unsent = 0;             // not tried, because the import was stopped
  std::vector<Refusal> refusals;  // by line
  absl::Status failure;           // the first call that failed as a whole
  absl::Duration elapsed;
};

// A record on its way to the node of `site` (empty: the client's own choice).
struct Outgoing {
  int64_t line = 0;
  std::string site;
  std::unique_ptr<google::protobuf::Message> record;
};

// Sends `rows` by `method`, an Import method of their type, and adds the outcome to `report`.
void Load(client::Client& client, const google::protobuf::MethodDescriptor& method, std::vector<Outgoing> rows, const LoadOptions& options,
          Report* report);

// Sends the rows of a type to the client's own node by the Import method that `service` ("fairlead.v1.PriorityService") has for it. The
// counts and refusals of `parsed` are part of the report.
template <class Record>
Report LoadRows(client::Client& client, const std::string& service, Parsed<Record> parsed, const LoadOptions& options);
// The same for rows of any type.
Report LoadOutgoing(client::Client& client, const std::string& service, std::vector<Outgoing> rows, Report report,
                    const LoadOptions& options);

// The importers. The counts and refusals of `parsed` are part of the report.
Report LoadCountries(client::Client& client, Parsed<fairlead::v1::Country> parsed, const LoadOptions& options);
Report LoadPorts(client::Client& client, Parsed<fairlead::v1::Port> parsed, PortSource source, const RegionTable& regions,
                 const LoadOptions& options);
Report LoadEngagements(client::Client& client, Parsed<EngagementRow> parsed, const LoadOptions& options);

// The regions of the countries that the network holds.
absl::StatusOr<RegionTable> ReadRegions(client::Client& client, std::stop_token stop);

template <class Record>
Report LoadRows(client::Client& client, const std::string& service, Parsed<Record> parsed, const LoadOptions& options) {
  Report report;
  report.read = parsed.read;
  report.skipped = parsed.skipped;
  report.refusals = std::move(parsed.refusals);
  std::vector<Outgoing> rows;
  for (Row<Record>& row : parsed.rows) rows.push_back({row.line, "", std::make_unique<Record>(std::move(row.record))});
  return LoadOutgoing(client, service, std::move(rows), std::move(report), options);
}

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_LOADER_H_
