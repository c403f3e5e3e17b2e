#include "server/view/priorities.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "api/errors.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/types.h"
#include "server/view/assessments.h"
#include "server/view/conditions.h"
#include "server/view/measures.h"
#include "server/view/priority_score.h"
#include "server/view/records.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;
namespace figures = records::figures;

constexpr int kWindowDaysMax = 3660;
constexpr int kWindowDaysDefault = 365;
constexpr size_t kRecordsShown = 20;
constexpr int64_t kPointsMax = 100;
constexpr int kCurrentDays = 0;  // of a cycle that is only asked whether it is past due

struct Window {
  absl::CivilDay first;
  absl::CivilDay last;  // included
};

absl::StatusOr<Window> WindowOf(absl::CivilDay first, absl::CivilDay last) {
  if (last < first) return FieldError(Reason::kFieldInvalid, "end_date", "is before start_date");
  if (last - first >= kWindowDaysMax) return FieldError(Reason::kFieldTooLarge, "end_date", "is more than ten years after start_date");
  return Window{first, last};
}

template <class Request>
absl::StatusOr<Window> RequiredWindow(const Request& request) {
  if (!request.has_start_date()) return FieldError(Reason::kFieldRequired, "start_date", "is required");
  if (!request.has_end_date()) return FieldError(Reason::kFieldRequired, "end_date", "is required");
  for (const auto& [field, date] : {std::pair("start_date", request.start_date()), std::pair("end_date", request.end_date())}) {
    if (!records::IsWholeDate(date)) return FieldError(Reason::kFieldInvalid, field, "must be a day, with year and month");
  }
  return WindowOf(records::EarliestDay(request.start_date()), records::EarliestDay(request.end_date()));
}

// "2025-07" of every month that the window touches.
std::vector<std::string> MonthsOf(const Window& window) {
  std::vector<std::string> months;
  for (absl::CivilMonth month(window.first); month <= absl::CivilMonth(window.last); ++month) {
    months.push_back(fmt::format("{:04}-{:02}", month.year(), month.month()));
  }
  return months;
}

// The sums of figures `{prefix}{yyyy-mm-dd}/{key}` over the days of the window, by key.
std::map<std::string, int64_t> SumDays(const node::Node& node, std::string_view prefix, const Window& window) {
  std::map<std::string, int64_t> sums;
  const std::string first = records::DayText(window.first);
  const std::string last = records::DayText(window.last);
  for (const std::string& month : MonthsOf(window)) {
    for (const auto& [key, n] : node.Aggregates(std::string(prefix) + month)) {
      const std::string day = key.substr(prefix.size(), first.size());
      if (day >= first && day <= last && n != 0) sums[key.substr(prefix.size() + first.size() + 1)] += n;
    }
  }
  return sums;
}

// The sums of figures `{prefix}{source}/{yyyy-mm}/{CC}` over the months that lie in the window, if only in part.
std::map<std::string, int64_t> SumMonths(const node::Node& node, std::string_view prefix, const Window& window) {
  std::map<std::string, int64_t> sums;
  for (const std::string& month : MonthsOf(window)) {
    const std::string head = fmt::format("{}{}/{}/", prefix, static_cast<int>(v1::TRAFFIC_SOURCE_EIA_PETROLEUM), month);
    for (const auto& [key, n] : node.Aggregates(head)) sums[key.substr(head.size())] += n;
  }
  return sums;
}

std::string NameOf(const std::string& code) { return "countries/" + code; }

std::map<std::string, v1::Region> Countries(const node::Node& node) {
  std::map<std::string, v1::Region> regions;
  for (const auto& [key, n] : node.Aggregates(figures::kCountry)) {
    const std::string rest = key.substr(figures::kCountry.size());  // {region}/{CC}
    const size_t slash = rest.find('/');
    regions[rest.substr(slash + 1)] = static_cast<v1::Region>(std::stoi(rest.substr(0, slash)));
  }
  return regions;
}

// What the four factors are made of, read once for all countries.
struct Sources {
  Window window;
  absl::CivilDay as_of;
  std::map<std::string, int64_t> arrivals;   // by alpha-2
  std::map<std::string, int64_t> shipments;  // a proxy, where there are no arrivals at all
  std::map<std::string, int64_t> barrels;
  std::vector<v1::ConditionOfEntry> conditions;
  std::map<std::string, v1::Assessment> determinations;        // by country
  std::map<std::string, std::map<int, int64_t>> observations;  // by alpha-2 and severity
};

std::string WindowText(const Window& window) {
  return fmt::format("{} to {}", records::DayText(window.first), records::DayText(window.last));
}

absl::StatusOr<FactorInput> Vessels(const node::Node& node, const storage::View& view, const Sources& from, const std::string& code) {
  FactorInput input;
  if (!from.arrivals.empty()) {
    const auto found = from.arrivals.find(code);
    input.unit = "arrivals";
    // Arrivals are recorded: a country that none of them names has sent none.
    input.value = found == from.arrivals.end() ? 0 : found->second;
    input.record_count = *input.value;
    input.explanation =
        fmt::format("{} arrivals from {} had a port of the country among their last five", *input.value, WindowText(from.window));
    absl::StatusOr<std::vector<std::string>> names =
        NamesInIndex(node, view, records::kArrivalsByLastCountry, NameOf(code), records::DayText(from.window.first),
                     records::DayText(from.window.last), kRecordsShown);
    if (!names.ok()) return names.status();
    input.records = *std::move(names);
    return input;
  }
  input.unit = "EIA shipments";
  const auto found = from.shipments.find(code);
  if (found == from.shipments.end()) {
    input.explanation = fmt::format("no arrivals and no traffic figures from {}", WindowText(from.window));
    return input;
  }
  input.value = found->second;
  input.explanation =
      fmt::format("{} petroleum shipments in the figures of {}: companies' records, several to a voyage, a proxy for vessels",
                  found->second, WindowText(from.window));
  return input;
}

absl::StatusOr<FactorInput> Cargo(const node::Node& node, const storage::View& view, const Sources& from, const std::string& code) {
  FactorInput input;
  input.unit = "thousand barrels";
  const auto found = from.barrels.find(code);
  if (found == from.barrels.end()) {
    input.explanation = fmt::format("no traffic figures from {}", WindowText(from.window));
    return input;
  }
  input.value = found->second;
  input.explanation = fmt::format("{} thousand barrels of petroleum in the figures of {}: a proxy, for petroleum only", found->second,
                                  WindowText(from.window));
  absl::StatusOr<std::vector<std::string>> names =
      NamesInIndex(node, view, records::kTrafficByCountry, NameOf(code), records::DayText(from.window.first).substr(0, 7),
                   records::DayText(from.window.last).substr(0, 7), kRecordsShown);
  if (!names.ok()) return names.status();
  input.records = *std::move(names);
  return input;
}

// Points of 100: conditions in force 100, a determination NOT_EFFECTIVE 80, conditions that may be in force, are pending or are yet to come
// 60, past conditions 40, those remedied before they applied 20, a determination EFFECTIVE 0. The largest counts.
FactorInput History(const Sources& from, const std::string& code) {
  FactorInput input;
  input.unit = "points of 100";
  const auto note = [&input](int64_t points, const std::string& record, const std::string& text) {
    input.value = std::max(input.value.value_or(0), points);
    input.records.push_back(record);
    input.explanation += (input.explanation.empty() ? "" : "; ") + fmt::format("{}: {}", record, text);
  };
  for (const v1::ConditionOfEntry& condition : from.conditions) {
    if (condition.country() != NameOf(code)) continue;
    const v1::ConditionStanding standing = StandingOn(condition, from.as_of);
    const bool remedied = condition.state() == v1::CONDITION_STATE_REMEDIED;
    const bool yet_to_come = standing.status() == v1::CONDITION_STATUS_NOT_IN_FORCE && condition.state() == v1::CONDITION_STATE_IMPOSED;
    const int64_t points = standing.status() == v1::CONDITION_STATUS_IN_FORCE                      ? 100
                           : standing.status() != v1::CONDITION_STATUS_NOT_IN_FORCE || yet_to_come ? 60
                           : remedied                                                              ? 20
                                                                                                   : 40;
    note(points, condition.name(), fmt::format("conditions of entry, {} ({} points)", standing.explanation(), points));
  }
  if (const auto found = from.determinations.find(NameOf(code)); found != from.determinations.end()) {
    const bool effective = found->second.determination() == v1::DETERMINATION_EFFECTIVE;
    note(effective ? 0 : 80, found->second.name(),
         fmt::format("determined {} on {} ({} points)", effective ? "effective" : "not effective",
                     records::DateText(found->second.determination_date()), effective ? 0 : 80));
  }
  input.record_count = static_cast<int64_t>(input.records.size());
  if (!input.value) input.explanation = "no conditions of entry and no determination are recorded";
  return input;
}

// Points of 100: each observation MINOR 5, MAJOR 15, CRITICAL 40, COMMENDABLE 0, together at most 70; 30 when the assessment is past due.
absl::StatusOr<FactorInput> Other(const node::Node& node, const storage::View& view, const Sources& from, const std::string& code) {
  FactorInput input;
  input.unit = "points of 100";
  if (const auto found = from.observations.find(code); found != from.observations.end()) {
    constexpr int64_t kPoints[] = {0, 0, 5, 15, 40};
    int64_t points = 0;
    for (const auto& [severity, n] : found->second) {
      points += kPoints[std::clamp(severity, 0, 4)] * n;
      input.record_count += n;
    }
    points = std::min<int64_t>(points, 70);
    input.value = points;
    input.explanation = fmt::format("{} observations ({} points)", input.record_count, points);
    absl::StatusOr<std::vector<std::string>> names =
        NamesInIndex(node, view, records::kObservationsByCountry, NameOf(code), "", "", kRecordsShown);
    if (!names.ok()) return names.status();
    input.records = *std::move(names);
  }
  if (const auto found = from.determinations.find(NameOf(code)); found != from.determinations.end()) {
    const v1::AssessmentStanding standing = StandingOf(NameOf(code), &found->second, from.as_of, kCurrentDays);
    const int64_t points = standing.status() == v1::CYCLE_STATUS_OVERDUE ? 30 : 0;
    input.value = std::min(kPointsMax, input.value.value_or(0) + points);
    input.explanation += (input.explanation.empty() ? "" : "; ") +
                         fmt::format("{} is due {} ({} points)", found->second.name(), records::DateText(found->second.due_date()), points);
    if (input.records.size() < kRecordsShown) input.records.push_back(found->second.name());
    ++input.record_count;
  }
  if (!input.value) input.explanation = "no observations and no assessment are recorded";
  return input;
}

absl::StatusOr<Sources> ReadSources(const node::Node& node, const storage::View& view, const Window& window, absl::CivilDay as_of) {
  Sources from;
  from.window = window;
  from.as_of = as_of;
  from.arrivals = SumDays(node, figures::kLastPort, window);
  from.shipments = SumMonths(node, figures::kTrafficShipments, window);
  from.barrels = SumMonths(node, figures::kTrafficBarrels, window);
  absl::StatusOr<std::vector<v1::ConditionOfEntry>> conditions = AllRecords<v1::ConditionOfEntry>(node, view, "conditionsOfEntry");
  if (!conditions.ok()) return conditions.status();
  from.conditions = *std::move(conditions);
  absl::StatusOr<std::vector<v1::Assessment>> assessments = AllRecords<v1::Assessment>(node, view, "assessments");
  if (!assessments.ok()) return assessments.status();
  from.determinations = NewestDeterminations(*std::move(assessments), as_of);
  for (const auto& [key, n] : node.Aggregates(figures::kObserved)) {
    const std::string rest = key.substr(figures::kObserved.size());  // {CC}/{severity}
    const size_t slash = rest.find('/');
    if (n != 0) from.observations[rest.substr(0, slash)][std::stoi(rest.substr(slash + 1))] = n;
  }
  return from;
}

std::string DataNote(const Sources& from) {
  std::string vessels = "the number of vessels is missing: no arrivals and no traffic figures are recorded in the window";
  if (!from.arrivals.empty()) {
    vessels = "the number of vessels is that of recorded arrivals";
  } else if (!from.shipments.empty()) {
    vessels = "EIA petroleum shipments stand for the number of vessels: a proxy, several records to a voyage";
  }
  const std::string cargo = from.barrels.empty() ? "the amount of cargo is missing"
                                                 : "EIA petroleum imports stand for the amount of cargo: a proxy, for petroleum only";
  return fmt::format("{}; {}", vessels, cargo);
}

}  // namespace

absl::StatusOr<v1::ListEligibleCountriesResponse> ListEligible(const node::Node& node, const v1::ListEligibleCountriesRequest& request) {
  const absl::StatusOr<Window> window = RequiredWindow(request);
  if (!window.ok()) return window.status();
  v1::ListEligibleCountriesResponse response;
  for (const auto& [code, n] : SumDays(node, figures::kLastPort, *window)) {
    v1::EligibleCountry& country = *response.add_countries();
    country.set_country(NameOf(code));
    country.set_arrivals(n);
  }
  std::sort(response.mutable_countries()->begin(), response.mutable_countries()->end(),
            [](const v1::EligibleCountry& a, const v1::EligibleCountry& b) {
              return a.arrivals() != b.arrivals() ? a.arrivals() > b.arrivals() : a.country() < b.country();
            });
  for (const auto& [known, n] : SumDays(node, figures::kArrival, *window)) {
    response.set_arrivals(response.arrivals() + n);
    if (known == "0") response.set_arrivals_without_last_ports(n);
  }
  return response;
}

absl::StatusOr<v1::ListVisitPrioritiesResponse> ListPriorities(const node::Node& node, const v1::ListVisitPrioritiesRequest& request,
                                                               const v1::PriorityWeights& weights) {
  const v1::PriorityWeights& used = request.has_weights() ? request.weights() : weights;
  if (absl::Status checked = CheckWeights(used); !checked.ok()) return checked;
  if (request.limit() < 0) return FieldError(Reason::kFieldInvalid, "limit", "must not be negative");
  const absl::StatusOr<absl::CivilDay> as_of = DayOrToday(node, request.has_as_of(), request.as_of(), "as_of");
  if (!as_of.ok()) return as_of.status();
  for (const auto& [field, present, date] : {std::tuple("start_date", request.has_start_date(), request.start_date()),
                                             std::tuple("end_date", request.has_end_date(), request.end_date())}) {
    if (present && !records::IsWholeDate(date)) return FieldError(Reason::kFieldInvalid, field, "must be a day, with year and month");
  }
  const absl::CivilDay last = request.has_end_date() ? records::EarliestDay(request.end_date()) : *as_of;
  const absl::StatusOr<Window> window =
      WindowOf(request.has_start_date() ? records::EarliestDay(request.start_date()) : last - kWindowDaysDefault, last);
  if (!window.ok()) return window.status();

  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  const absl::StatusOr<Sources> from = ReadSources(node, *view, *window, *as_of);
  if (!from.ok()) return from.status();
  const std::map<std::string, v1::Region> regions = Countries(node);
  std::map<std::string, CountryInputs> inputs;
  for (const auto& [code, region] : regions) {
    if (region == v1::REGION_HQ) continue;  // domestic, or not visited
    absl::StatusOr<FactorInput> vessels = Vessels(node, *view, *from, code);
    if (!vessels.ok()) return vessels.status();
    absl::StatusOr<FactorInput> cargo = Cargo(node, *view, *from, code);
    if (!cargo.ok()) return cargo.status();
    absl::StatusOr<FactorInput> other = Other(node, *view, *from, code);
    if (!other.ok()) return other.status();
    inputs[NameOf(code)] = {*std::move(vessels), *std::move(cargo), History(*from, code), *std::move(other)};
  }
  v1::ListVisitPrioritiesResponse response;
  *response.mutable_weights() = used;
  *response.mutable_as_of() = records::DateOf(*as_of);
  *response.mutable_start_date() = records::DateOf(window->first);
  *response.mutable_end_date() = records::DateOf(window->last);
  response.set_data_note(DataNote(*from));
  for (v1::VisitPriority& priority : Rank(inputs, used)) {
    if (request.limit() != 0 && response.priorities_size() == request.limit()) break;
    const std::string code(figures::IdOf(priority.country()));
    if (request.region() != 0 && regions.at(code) != request.region()) continue;
    priority.set_eligible(from->arrivals.contains(code));
    *response.add_priorities() = std::move(priority);
  }
  return response;
}

absl::StatusOr<v1::AdviseMeasuresResponse> AdviseMeasures(const node::Node& node, const v1::AdviseMeasuresRequest& request) {
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  v1::Arrival arrival = request.arrival();
  if (request.subject_case() == v1::AdviseMeasuresRequest::kName) {
    const records::RecordType* type = node.registry().FindByName(request.name());
    if (type == nullptr || type->prototype != &v1::Arrival::default_instance()) {
      return FieldError(Reason::kFieldInvalid, "name", "must have the form arrivals/{arrival}");
    }
    absl::StatusOr<std::unique_ptr<google::protobuf::Message>> found = FindRecord(node, *view, request.name());
    if (!found.ok()) return found.status();
    if (*found == nullptr) return Error(Reason::kRecordNotFound, "there is no such record", {{"name", request.name()}});
    arrival = static_cast<const v1::Arrival&>(**found);
  } else if (request.subject_case() == v1::AdviseMeasuresRequest::SUBJECT_NOT_SET) {
    return FieldError(Reason::kFieldRequired, "name", "is required, or arrival");
  }
  if (!records::IsWholeDate(arrival.arrival_date())) {
    return FieldError(Reason::kFieldInvalid, "arrival.arrival_date", "must be a day, with year and month");
  }
  // As a written notice is completed: a call's country follows from its port.
  for (v1::PortCall& call : *arrival.mutable_last_calls()) {
    if (call.country().empty() && !call.port().empty()) call.set_country(NameOf(std::string(figures::IdOf(call.port()).substr(0, 2))));
  }
  const absl::StatusOr<std::vector<v1::ConditionOfEntry>> conditions = AllRecords<v1::ConditionOfEntry>(node, *view, "conditionsOfEntry");
  if (!conditions.ok()) return conditions.status();
  v1::AdviseMeasuresResponse response;
  *response.mutable_advice() = AdviseOn(arrival, *conditions);
  return response;
}

absl::StatusOr<v1::ServiceTimes> ServiceTimesOf(const node::Node& node, const v1::GetServiceTimesRequest& request) {
  const absl::StatusOr<Window> window = RequiredWindow(request);
  if (!window.ok()) return window.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  const absl::StatusOr<std::vector<std::string>> names = NamesInIndex(
      node, *view, records::kInquiriesByTime, "", records::DayText(window->first), records::DayText(window->last + 1), SIZE_MAX);
  if (!names.ok()) return names.status();
  struct Tally {
    v1::RegionServiceTimes out;
    std::vector<int64_t> seconds;
  };
  std::map<int, Tally> tallies;
  for (const std::string& name : *names) {
    const absl::StatusOr<std::unique_ptr<google::protobuf::Message>> found = FindRecord(node, *view, name);
    if (!found.ok()) return found.status();
    const auto& inquiry = static_cast<const v1::Inquiry&>(**found);
    if (records::DayOf(inquiry.received_time()) > window->last) continue;
    Tally& tally = tallies[inquiry.region()];
    tally.out.set_region(inquiry.region());
    tally.out.set_received(tally.out.received() + 1);
    const bool answered = inquiry.state() == v1::INQUIRY_STATE_ANSWERED || inquiry.state() == v1::INQUIRY_STATE_CLOSED;
    if (!answered) {
      tally.out.set_waiting(tally.out.waiting() + 1);
      continue;
    }
    tally.out.set_answered(tally.out.answered() + 1);
    tally.seconds.push_back(inquiry.answered_time().seconds() - inquiry.received_time().seconds());
  }
  v1::ServiceTimes times;
  for (auto& [region, tally] : tallies) {
    if (!tally.seconds.empty()) {
      // Of an even number, the lower of the two in the middle: a time that an answer took.
      const auto middle = tally.seconds.begin() + static_cast<ptrdiff_t>((tally.seconds.size() - 1) / 2);
      std::nth_element(tally.seconds.begin(), middle, tally.seconds.end());
      tally.out.mutable_median()->set_seconds(*middle);
      tally.out.mutable_longest()->set_seconds(*std::max_element(tally.seconds.begin(), tally.seconds.end()));
    }
    *times.add_regions() = std::move(tally.out);
  }
  return times;
}

}  // namespace fairlead::view
