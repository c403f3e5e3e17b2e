#include "client/import/loader.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <thread>

#include "api/errors.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::import {
namespace {

using client::CallOptions;
using client::Client;
using fairlead::v1::Country;
using fairlead::v1::Engagement;
using fairlead::v1::Port;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr int kPageSize = 1000;

// Calls `work(i)` for i in [0, n) from up to `in_flight` threads, until stopped. Returns how many were called.
size_t ForEach(size_t n, int in_flight, const std::stop_token& stop, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::atomic<size_t> called = 0;
  const auto run = [&] {
    while (!stop.stop_requested()) {
      const size_t i = next.fetch_add(1);
      if (i >= n) return;
      ++called;
      work(i);
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min<size_t>(n, in_flight); ++i) threads.emplace_back(run);
  run();
  threads.clear();
  return called;
}

// The sites found not to answer. Each call waits for its whole timeout, so one is enough: the site's other rows are refused at once.
class Outages {
 public:
  // OK while the site is not known to be out.
  absl::Status Check(const std::string& site) const {
    absl::MutexLock lock(&mutex_);
    const auto it = out_.find(site);
    return it == out_.end() ? absl::OkStatus() : it->second;
  }
  void Note(const std::string& site, const absl::Status& status) {
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return;
    absl::MutexLock lock(&mutex_);
    out_.emplace(site, status);
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, absl::Status> out_ ABSL_GUARDED_BY(mutex_);
};

// The reason a caller is shown: the node's, else the status code.
std::string ReasonText(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

std::string MessageText(const absl::Status& status) {
  const std::string field = FieldOf(status);
  return field.empty() ? std::string(status.message()) : fmt::format("{}: {}", field, std::string(status.message()));
}

std::string LastSegment(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::string NameOf(const Message& record) {
  return record.GetReflection()->GetString(record, record.GetDescriptor()->FindFieldByName("name"));
}

template <class Record>
Report Begin(Parsed<Record>* parsed) {
  Report report;
  report.read = parsed->read;
  report.skipped = parsed->skipped;
  report.refusals = std::move(parsed->refusals);
  return report;
}

void Finish(absl::Time begun, Report* report) {
  std::stable_sort(report->refusals.begin(), report->refusals.end(), [](const Refusal& a, const Refusal& b) { return a.line < b.line; });
  report->elapsed = absl::Now() - begun;
}

// A row whose call failed as a whole.
void Refuse(int64_t line, std::string key, const absl::Status& status, Report* report) {
  report->refusals.push_back({line, std::move(key), ReasonText(status), MessageText(status)});
  if (report->failure.ok()) report->failure = status;
}

void RefuseAll(const std::vector<Outgoing>& rows, const absl::Status& status, Report* report) {
  for (const Outgoing& row : rows) Refuse(row.line, LastSegment(NameOf(*row.record)), status, report);
}

struct Batch {
  std::string site;
  std::vector<Outgoing> rows;
};

// Calls `visit` for each record of a list, page by page.
template <class Request, class Response, class Visit>
absl::Status ListAll(Client& client, const std::string& method, Request request, const CallOptions& call, const Visit& visit) {
  request.set_page_size(kPageSize);
  do {
    absl::StatusOr<Response> page = client.Call<Response>(method, request, call);
    if (!page.ok()) return page.status();
    visit(*page);
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status ListCountries(Client& client, const CallOptions& call, const std::function<void(const Country&)>& visit) {
  fairlead::v1::ListCountriesRequest request;
  request.set_show_withdrawn(true);
  return ListAll<fairlead::v1::ListCountriesRequest, fairlead::v1::ListCountriesResponse>(
      client, "fairlead.v1.ReferenceService.ListCountries", std::move(request), call,
      [&visit](const fairlead::v1::ListCountriesResponse& page) {
        for (const Country& country : page.countries()) visit(country);
      });
}

void SetIfPresent(Message* request, const Engagement& engagement) {
  const auto* from = engagement.GetReflection();
  for (const char* name : {"start_date", "end_date", "outcome", "reason", "alternative_basis"}) {
    const FieldDescriptor* target = request->GetDescriptor()->FindFieldByName(name);
    const FieldDescriptor* source = engagement.GetDescriptor()->FindFieldByName(name);
    if (target == nullptr || !from->HasField(engagement, source)) continue;
    if (source->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      request->GetReflection()->MutableMessage(request, target)->CopyFrom(from->GetMessage(engagement, source));
    } else {
      request->GetReflection()->SetString(request, target, from->GetString(engagement, source));
    }
  }
}

enum class Outcome { kCreated, kUpdated, kUnchanged };

// The engagement of the row's source and title, if the node of `call` has one.
absl::StatusOr<std::optional<Engagement>> FindEngagement(Client& client, const EngagementRow& row, const CallOptions& call) {
  fairlead::v1::ListEngagementsRequest request;
  request.set_country(row.engagement.countries(0));
  request.set_show_withdrawn(true);
  std::optional<Engagement> found;
  absl::Status status = ListAll<fairlead::v1::ListEngagementsRequest, fairlead::v1::ListEngagementsResponse>(
      client, "fairlead.v1.EngagementService.ListEngagements", std::move(request), call,
      [&](const fairlead::v1::ListEngagementsResponse& page) {
        for (const Engagement& engagement : page.engagements()) {
          if (engagement.source() == row.engagement.source() && engagement.title() == row.engagement.title()) found = engagement;
        }
      });
  if (!status.ok()) return status;
  return found;
}

// Creates the engagement unless it is there, and moves it to its state.
absl::StatusOr<Outcome> LoadEngagement(Client& client, const EngagementRow& row, const CallOptions& call) {
  absl::StatusOr<std::optional<Engagement>> existing = FindEngagement(client, row, call);
  if (!existing.ok()) return existing.status();
  Engagement current;
  if (existing->has_value()) {
    current = **existing;
  } else {
    fairlead::v1::CreateEngagementRequest create;
    *create.mutable_engagement() = row.engagement;
    absl::StatusOr<Engagement> created = client.Call<Engagement>("fairlead.v1.EngagementService.CreateEngagement", create, call);
    if (!created.ok()) return created.status();
    current = *std::move(created);
  }
  const auto path = LifecyclePath(current.state(), row.state);
  if (!path.has_value()) {
    // It has moved on since the first import, or was called off: that stands.
    return Outcome::kUnchanged;
  }
  for (const std::string& name : *path) {
    const MethodDescriptor* method =
        google::protobuf::DescriptorPool::generated_pool()->FindMethodByName("fairlead.v1.EngagementService." + name);
    const std::unique_ptr<Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type())->New());
    request->GetReflection()->SetString(request.get(), method->input_type()->FindFieldByName("name"), current.name());
    request->GetReflection()->SetString(request.get(), method->input_type()->FindFieldByName("etag"), current.etag());
    SetIfPresent(request.get(), row.engagement);
    if (absl::Status status = client.Call(*method, *request, &current, call); !status.ok()) return status;
  }
  if (!existing->has_value()) return Outcome::kCreated;
  return path->empty() ? Outcome::kUnchanged : Outcome::kUpdated;
}

}  // namespace

namespace {

void SendBatches(Client& client, const MethodDescriptor& method, std::vector<Outgoing> rows, const LoadOptions& options, Outages* outages,
                 Report* report) {
  const FieldDescriptor* records = nullptr;
  for (int i = 0; i < method.input_type()->field_count(); ++i) {
    if (method.input_type()->field(i)->is_repeated()) records = method.input_type()->field(i);
  }
  // Nodes are independent: batches are dealt out site by site in turn, so that all of them work.
  std::map<std::string, std::vector<Batch>> by_site;
  for (Outgoing& row : rows) {
    std::vector<Batch>& batches = by_site[row.site];
    if (batches.empty() || batches.back().rows.size() >= options.batch_rows_max) batches.push_back({row.site, {}});
    batches.back().rows.push_back(std::move(row));
  }
  std::vector<Batch> batches;
  for (size_t i = 0, added = 1; added > 0; ++i) {
    added = 0;
    for (auto& [site, of_site] : by_site) {
      if (i >= of_site.size()) continue;
      batches.push_back(std::move(of_site[i]));
      ++added;
    }
  }
  // What the caller has read so far, such as the countries, must be known at every node; what one batch wrote need not be.
  const std::string token = client.token();
  const int64_t total = static_cast<int64_t>(rows.size());
  int64_t done = 0;
  absl::Mutex mutex;  // guards report and done
  std::vector<bool> sent(batches.size(), false);
  ForEach(batches.size(), options.calls_in_flight_max, options.stop, [&](size_t i) {
    const Batch& batch = batches[i];
    const std::unique_ptr<Message> request(google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.input_type())->New());
    for (const Outgoing& row : batch.rows) request->GetReflection()->AddMessage(request.get(), records)->CopyFrom(*row.record);
    fairlead::v1::ImportResponse response;
    CallOptions call;
    call.site = batch.site;
    call.token = token;
    absl::Status status = outages->Check(batch.site);
    if (status.ok()) status = client.Call(method, *request, &response, call);
    outages->Note(batch.site, status);
    const int64_t answered =
        static_cast<int64_t>(response.created()) + response.updated() + response.unchanged() + response.refusals_size();
    if (status.ok() && answered != static_cast<int64_t>(batch.rows.size())) {
      status = absl::InternalError(fmt::format("the node answered for {} of {} records", answered, batch.rows.size()));
    }
    absl::MutexLock lock(&mutex);
    sent[i] = true;
    done += static_cast<int64_t>(batch.rows.size());
    if (!status.ok()) {
      RefuseAll(batch.rows, status, report);
    } else {
      report->created += response.created();
      report->updated += response.updated();
      report->unchanged += response.unchanged();
      for (const fairlead::v1::ImportRefusal& refusal : response.refusals()) {
        const absl::Status why = FromProto(refusal.status());
        const size_t index = std::min<size_t>(refusal.index(), batch.rows.size() - 1);
        const Outgoing& row = batch.rows[index];
        report->refusals.push_back({row.line, LastSegment(NameOf(*row.record)), ReasonText(why), MessageText(why)});
      }
    }
    options.progress(done, total);
  });
  for (size_t i = 0; i < batches.size(); ++i) {
    if (!sent[i]) report->unsent += static_cast<int64_t>(batches[i].rows.size());
  }
}

}  // namespace

void Load(Client& client, const MethodDescriptor& method, std::vector<Outgoing> rows, const LoadOptions& options, Report* report) {
  Outages outages;
  SendBatches(client, method, std::move(rows), options, &outages, report);
}

absl::StatusOr<RegionTable> ReadRegions(Client& client, std::stop_token stop) {
  RegionTable regions;
  CallOptions call;
  call.stop = std::move(stop);
  absl::Status status = ListCountries(client, call, [&regions](const Country& country) {
    regions[LastSegment(country.name())] = {country.region(), country.landlocked()};
  });
  if (!status.ok()) return status;
  return regions;
}

Report LoadCountries(Client& client, Parsed<Country> parsed, const LoadOptions& options) {
  const absl::Time begun = absl::Now();
  Report report = Begin(&parsed);
  // Country records belong to headquarters; a network without one has them where the caller is.
  const std::string hq = SiteOfRegion(fairlead::v1::REGION_HQ);
  const std::string site = client.HasSite(hq) ? hq : "";
  std::set<std::string> existing;
  CallOptions call;
  call.site = site;
  const absl::Status listed = ListCountries(client, call, [&existing](const Country& country) { existing.insert(country.name()); });
  std::vector<Outgoing> rows;
  for (Row<Country>& row : parsed.rows) {
    if (existing.contains(row.record.name())) row.record.clear_marking();  // left to people
    rows.push_back({row.line, site, std::make_unique<Country>(std::move(row.record))});
  }
  if (!listed.ok()) {
    RefuseAll(rows, listed, &report);
    rows.clear();
  }
  const auto* service = fairlead::v1::ImportCountriesRequest::descriptor()->file()->FindServiceByName("ReferenceService");
  Load(client, *service->FindMethodByName("ImportCountries"), std::move(rows), options, &report);
  Finish(begun, &report);
  return report;
}

Report LoadPorts(Client& client, Parsed<Port> parsed, PortSource source, const RegionTable& regions, const LoadOptions& options) {
  const absl::Time begun = absl::Now();
  Report report = Begin(&parsed);
  struct Bound {
    std::string site;
    Row<Port> row;
  };
  // What the node of each row's site holds for the row's country.
  struct Shelf {
    std::map<std::string, Port> ports;
    absl::Status status;
  };
  std::vector<Bound> bound;
  std::map<std::pair<std::string, std::string>, Shelf> shelves;
  for (Row<Port>& row : parsed.rows) {
    const std::string site = options.ports_site.empty() ? SiteOfRegion(RegionOf(row.record, regions)) : options.ports_site;
    if (!client.HasSite(site)) {
      report.refusals.push_back(
          {row.line, LastSegment(row.record.name()), kSiteUnknown, fmt::format("no node of site {} is configured", site)});
      continue;
    }
    shelves.try_emplace({site, row.record.country()});
    bound.push_back({site, std::move(row)});
  }
  std::vector<std::pair<const std::pair<std::string, std::string>, Shelf>*> work;
  for (auto& shelf : shelves) work.push_back(&shelf);
  const std::string token = client.token();
  Outages outages;
  const size_t asked = ForEach(work.size(), options.calls_in_flight_max, options.stop, [&](size_t i) {
    auto& [key, shelf] = *work[i];
    fairlead::v1::ListPortsRequest request;
    request.set_country(key.second);
    request.set_show_withdrawn(true);
    CallOptions call;
    call.site = key.first;
    call.token = token;
    if (shelf.status = outages.Check(key.first); !shelf.status.ok()) return;
    shelf.status = ListAll<fairlead::v1::ListPortsRequest, fairlead::v1::ListPortsResponse>(
        client, "fairlead.v1.ReferenceService.ListPorts", std::move(request), call,
        [&shelf = shelf](const fairlead::v1::ListPortsResponse& page) {
          for (const Port& port : page.ports()) shelf.ports[port.name()] = port;
        });
    outages.Note(key.first, shelf.status);
  });
  if (asked < work.size()) {
    report.unsent += static_cast<int64_t>(bound.size());
    Finish(begun, &report);
    return report;
  }
  std::vector<Outgoing> rows;
  for (Bound& entry : bound) {
    Port& port = entry.row.record;
    const Shelf& shelf = shelves.at({entry.site, port.country()});
    const auto existing = shelf.ports.find(port.name());
    if (!shelf.status.ok()) {
      Refuse(entry.row.line, LastSegment(port.name()), shelf.status, &report);
      continue;
    }
    rows.push_back({entry.row.line, entry.site,
                    std::make_unique<Port>(Combine(port, source, existing == shelf.ports.end() ? nullptr : &existing->second))});
  }
  const auto* service = fairlead::v1::ImportPortsRequest::descriptor()->file()->FindServiceByName("ReferenceService");
  SendBatches(client, *service->FindMethodByName("ImportPorts"), std::move(rows), options, &outages, &report);
  Finish(begun, &report);
  return report;
}

Report LoadEngagements(Client& client, Parsed<EngagementRow> parsed, const LoadOptions& options) {
  const absl::Time begun = absl::Now();
  Report report = Begin(&parsed);
  std::vector<Row<EngagementRow>> rows;
  for (Row<EngagementRow>& row : parsed.rows) {
    if (client.HasSite(row.record.site)) {
      rows.push_back(std::move(row));
    } else {
      report.refusals.push_back({row.line, row.record.key, kSiteUnknown, fmt::format("no node of site {} is configured", row.record.site)});
    }
  }
  const std::string token = client.token();
  const int64_t total = static_cast<int64_t>(rows.size());
  int64_t done = 0;
  absl::Mutex mutex;  // guards report and done
  Outages outages;
  const size_t tried = ForEach(rows.size(), options.calls_in_flight_max, options.stop, [&](size_t i) {
    const EngagementRow& row = rows[i].record;
    CallOptions call;
    call.site = row.site;
    call.token = token;
    const absl::Status known = outages.Check(row.site);
    const absl::StatusOr<Outcome> outcome = known.ok() ? LoadEngagement(client, row, call) : absl::StatusOr<Outcome>(known);
    outages.Note(row.site, outcome.status());
    absl::MutexLock lock(&mutex);
    if (!outcome.ok()) {
      report.refusals.push_back({rows[i].line, row.key, ReasonText(outcome.status()), MessageText(outcome.status())});
      const bool silent = absl::IsUnavailable(outcome.status()) || absl::IsDeadlineExceeded(outcome.status());
      if (silent && report.failure.ok()) report.failure = outcome.status();
    } else if (*outcome == Outcome::kCreated) {
      ++report.created;
    } else if (*outcome == Outcome::kUpdated) {
      ++report.updated;
    } else {
      ++report.unchanged;
    }
    options.progress(++done, total);
  });
  report.unsent += total - static_cast<int64_t>(tried);
  Finish(begun, &report);
  return report;
}

Report LoadOutgoing(Client& client, const std::string& service, std::vector<Outgoing> rows, Report report, const LoadOptions& options) {
  const absl::Time begun = absl::Now();
  if (!rows.empty()) {
    // The one Import method whose request repeats the type.
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
    for (int i = 0; i < descriptor->method_count(); ++i) {
      const MethodDescriptor& method = *descriptor->method(i);
      const bool of_type =
          method.input_type()->field_count() == 1 && method.input_type()->field(0)->message_type() == rows.front().record->GetDescriptor();
      if (!of_type || !method.name().starts_with("Import")) continue;
      Load(client, method, std::move(rows), options, &report);
      break;
    }
  }
  Finish(begun, &report);
  return report;
}

}  // namespace fairlead::import
