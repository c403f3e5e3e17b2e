#include "server/view/planning.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "api/errors.h"
#include "fairlead/v1/training.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/node/derived.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/types.h"
#include "server/view/records.h"
#include "storage/schema.h"

namespace fairlead::view {
namespace {

using google::protobuf::DynamicCastToGenerated;
using google::protobuf::Message;
using google::type::Date;

constexpr int kScanMin = 1000;  // keys looked at before a page ends early, at least
constexpr int kScanPerRecord = 10;
constexpr int kNextLooksMax = 200;  // keys of one index looked at for what comes next
constexpr uint16_t kCalendarIndexes[] = {records::kEngagementsByMonth, records::kReciprocalVisitsByMonth,
                                         records::kTrainingSessionsByMonth};

bool IsCalledOff(const v1::Engagement& e) {
  return e.state() == v1::ENGAGEMENT_STATE_CANCELLED || e.state() == v1::ENGAGEMENT_STATE_REFUSED;
}
bool IsCalledOff(const v1::ReciprocalVisit& v) {
  return v.state() == v1::RECIPROCAL_VISIT_STATE_DECLINED || v.state() == v1::RECIPROCAL_VISIT_STATE_CANCELLED;
}
bool IsCalledOff(const v1::TrainingSession& s) { return s.state() == v1::TRAINING_SESSION_STATE_CANCELLED; }

// "SCHEDULED" of ENGAGEMENT_STATE_SCHEDULED; the number of what a later release has.
std::string StateText(std::string_view name, std::string_view prefix, int number) {
  return name.starts_with(prefix) ? std::string(name.substr(prefix.size())) : std::to_string(number);
}

class Reader {
 public:
  Reader(const node::Node& node, const storage::View& view) : node_(node), view_(view), regions_(RegionsOfCountries(node)) {}

  // nullopt for what is in no calendar.
  absl::StatusOr<std::optional<Occasion>> Read(const std::string& name) {
    absl::StatusOr<std::unique_ptr<Message>> record = FindRecord(node_, view_, name);
    if (!record.ok()) return record.status();
    if (*record == nullptr) return std::nullopt;
    Occasion occasion;
    occasion.entry.set_record(name);
    if (const auto* engagement = DynamicCastToGenerated<const v1::Engagement>(record->get())) {
      if (!Take(*engagement, &occasion)) return std::nullopt;
      OfEngagement(*engagement, &occasion);
    } else if (const auto* visit = DynamicCastToGenerated<const v1::ReciprocalVisit>(record->get())) {
      if (!Take(*visit, &occasion)) return std::nullopt;
      OfVisit(*visit, &occasion);
    } else if (const auto* session = DynamicCastToGenerated<const v1::TrainingSession>(record->get())) {
      if (!Take(*session, &occasion)) return std::nullopt;
      if (absl::Status status = OfSession(*session, &occasion); !status.ok()) return status;
    } else {
      return std::nullopt;
    }
    return occasion;
  }

 private:
  template <class M>
  bool Take(const M& record, Occasion* occasion) const {
    const Date* start = records::StartOf(record);
    const Date* end = records::EndOf(record);
    if (IsCalledOff(record) || start == nullptr || !records::IsDate(*start) || (end != nullptr && !records::IsDate(*end))) return false;
    occasion->days = records::DaysOf(*start, end);
    occasion->whole = records::IsWholeDate(*start) && (end == nullptr || records::IsWholeDate(*end));
    *occasion->entry.mutable_start_date() = *start;
    if (end != nullptr) *occasion->entry.mutable_end_date() = *end;
    return true;
  }

  static void OfEngagement(const v1::Engagement& engagement, Occasion* occasion) {
    v1::CalendarEntry& entry = occasion->entry;
    entry.set_title(engagement.title());
    entry.set_kind(engagement.kind());
    entry.set_state(StateText(v1::EngagementState_Name(engagement.state()), "ENGAGEMENT_STATE_", engagement.state()));
    entry.set_region(engagement.region());
    *entry.mutable_countries() = engagement.countries();
    std::set<std::string> officers;  // one may take part in two roles
    for (const v1::Participant& participant : engagement.participants()) {
      if (!participant.officer().empty()) officers.insert(participant.officer());
    }
    entry.mutable_officers()->Assign(officers.begin(), officers.end());
    occasion->settled = engagement.state() != v1::ENGAGEMENT_STATE_DRAFT;
  }

  void OfVisit(const v1::ReciprocalVisit& visit, Occasion* occasion) const {
    v1::CalendarEntry& entry = occasion->entry;
    entry.set_title(fmt::format("Officials of {} visit the United States", records::figures::IdOf(visit.country())));
    entry.set_kind(v1::ENGAGEMENT_KIND_RECIPROCAL_VISIT);
    entry.set_state(StateText(v1::ReciprocalVisitState_Name(visit.state()), "RECIPROCAL_VISIT_STATE_", visit.state()));
    entry.add_countries(visit.country());
    if (const auto region = regions_.find(visit.country()); region != regions_.end()) entry.set_region(region->second);
    if (!visit.coordinator().empty()) entry.add_officers(visit.coordinator());
    occasion->settled = visit.state() != v1::RECIPROCAL_VISIT_STATE_REQUESTED;
  }

  absl::Status OfSession(const v1::TrainingSession& session, Occasion* occasion) const {
    const absl::StatusOr<std::unique_ptr<Message>> offering = FindRecord(node_, view_, session.offering());
    if (!offering.ok()) return offering.status();
    const auto* course = DynamicCastToGenerated<const v1::TrainingOffering>(offering->get());
    v1::CalendarEntry& entry = occasion->entry;
    entry.set_title(
        fmt::format("{}, {}", course == nullptr ? records::figures::IdOf(session.offering()) : course->display_name(), session.place()));
    entry.set_kind(v1::ENGAGEMENT_KIND_TRAINING);
    entry.set_state(StateText(v1::TrainingSessionState_Name(session.state()), "TRAINING_SESSION_STATE_", session.state()));
    entry.set_region(session.region());
    *entry.mutable_countries() = session.countries();
    *entry.mutable_officers() = session.instructors();
    occasion->part_of = session.engagement();
    return absl::OkStatus();
  }

  const node::Node& node_;
  const storage::View& view_;
  const std::map<std::string, v1::Region> regions_;
};

template <class Names>
bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool Passes(const CalendarQuery& query, const Occasion& occasion) {
  const v1::CalendarEntry& entry = occasion.entry;
  return occasion.days.first <= query.days.last && query.days.first <= occasion.days.last &&
         (query.region == v1::REGION_UNSPECIFIED || query.region == entry.region()) &&
         (query.country.empty() || Contains(entry.countries(), query.country)) &&
         (query.officer.empty() || Contains(entry.officers(), query.officer));
}

void Order(std::vector<Occasion>* occasions) {
  std::sort(occasions->begin(), occasions->end(),
            [](const Occasion& a, const Occasion& b) { return PositionOf(a.entry) < PositionOf(b.entry); });
}

// What clashes are ordered by.
auto OrderOf(const v1::Clash& clash) {
  return std::tuple(records::DateText(clash.start_date()), clash.officer(), clash.first(), clash.second());
}
struct ByOrder {
  bool operator()(const v1::Clash& a, const v1::Clash& b) const { return OrderOf(a) < OrderOf(b); }
};

v1::Clash ClashOf(const std::string& officer, const Occasion& a, const Occasion& b) {
  v1::Clash clash;
  clash.set_officer(officer);
  clash.set_first(a.entry.record());
  clash.set_first_title(a.entry.title());
  clash.set_second(b.entry.record());
  clash.set_second_title(b.entry.title());
  *clash.mutable_start_date() = records::DateOf(std::max(a.days.first, b.days.first));
  *clash.mutable_end_date() = records::DateOf(std::min(a.days.last, b.days.last));
  clash.set_uncertain(!a.whole || !b.whole);
  return clash;
}

absl::StatusOr<absl::CivilDay> WholeDay(const Date& date, std::string_view field) {
  if (records::IsWholeDate(date)) return records::EarliestDay(date);
  return FieldError(Reason::kFieldInvalid, std::string(field), "must be a day, with year and month");
}

// The row of an outstanding follow-up; nullopt when the query does not ask for it.
absl::StatusOr<std::optional<v1::OverdueFollowUp>> OverdueRow(const node::Node& node, const storage::View& view, const OverdueQuery& query,
                                                              const std::string& name) {
  const absl::StatusOr<std::unique_ptr<Message>> record = FindRecord(node, view, name);
  if (!record.ok()) return record.status();
  const auto* follow_up = DynamicCastToGenerated<const v1::FollowUp>(record->get());
  if (follow_up == nullptr || (!query.owner.empty() && follow_up->owner() != query.owner)) return std::nullopt;
  if (query.of_observation && follow_up->observation().empty()) return std::nullopt;
  const absl::StatusOr<std::unique_ptr<Message>> parent = FindRecord(node, view, std::string(records::ParentOf(name)));
  if (!parent.ok()) return parent.status();
  static const v1::Engagement kNone;
  const auto* found = DynamicCastToGenerated<const v1::Engagement>(parent->get());
  const v1::Engagement& engagement = found == nullptr ? kNone : *found;
  if (!query.country.empty() && !Contains(engagement.countries(), query.country)) return std::nullopt;
  if (query.region != v1::REGION_UNSPECIFIED && engagement.region() != query.region) return std::nullopt;
  v1::OverdueFollowUp row;
  row.set_follow_up(name);
  row.set_state(follow_up->state());
  *row.mutable_due_date() = follow_up->due_date();
  row.set_days_overdue(static_cast<int32_t>(query.as_of - records::EarliestDay(follow_up->due_date())));
  row.set_owner(follow_up->owner());
  row.set_task(follow_up->task());
  *row.mutable_countries() = engagement.countries();
  return row;
}

}  // namespace

absl::StatusOr<absl::CivilDay> AsOf(const node::Node& node, const Date* date, std::string_view field) {
  if (date == nullptr) return absl::ToCivilDay(node.options().clock->Now(), absl::UTCTimeZone());
  return WholeDay(*date, field);
}

std::map<std::string, v1::Region> RegionsOfCountries(const node::Node& node) {
  std::map<std::string, v1::Region> regions;
  for (const auto& [key, n] : node.Aggregates(records::figures::kCountry)) {
    // country/{region}/{CC}
    const std::string_view rest = std::string_view(key).substr(records::figures::kCountry.size());
    const size_t slash = rest.find('/');
    int region = 0;
    std::from_chars(rest.data(), rest.data() + slash, region);
    if (n > 0) regions[fmt::format("countries/{}", rest.substr(slash + 1))] = static_cast<v1::Region>(region);
  }
  return regions;
}

absl::StatusOr<CalendarQuery> CalendarOf(const Date* start, const Date* end) {
  for (const auto& [date, field] : {std::pair(start, "start_date"), std::pair(end, "end_date")}) {
    if (date == nullptr) return FieldError(Reason::kFieldRequired, field, "is required: which days are asked about");
  }
  const absl::StatusOr<absl::CivilDay> first = WholeDay(*start, "start_date");
  if (!first.ok()) return first.status();
  const absl::StatusOr<absl::CivilDay> last = WholeDay(*end, "end_date");
  if (!last.ok()) return last.status();
  if (*last < *first) return FieldError(Reason::kFieldInvalid, "end_date", "is before start_date");
  if (*last - *first > kRangeDaysMax) {
    return FieldError(Reason::kFieldInvalid, "end_date", fmt::format("is more than {} days after start_date", kRangeDaysMax));
  }
  CalendarQuery query;
  query.days = {*first, *last};
  return query;
}

absl::StatusOr<std::vector<Occasion>> OccasionsOf(const node::Node& node, const storage::View& view, const CalendarQuery& query) {
  Reader reader(node, view);
  std::vector<Occasion> occasions;
  for (const uint16_t index : kCalendarIndexes) {
    // Months follow each other in the index, so that those of the query are one range of keys.
    const std::string lower = node::IndexPrefix(index, records::MonthText(absl::CivilMonth(query.days.first)));
    const std::string upper = storage::PrefixEnd(node::IndexPrefix(index, records::MonthText(absl::CivilMonth(query.days.last))));
    std::set<std::string> seen;  // what lasts is there under each of its months
    const std::unique_ptr<storage::Iterator> it = view.Iterate(storage::Cf::kIndexes, lower, upper);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const std::string_view key = it->key();
      const auto [name, fresh] = seen.emplace(key.substr(key.rfind('\0') + 1));
      if (!fresh) continue;
      absl::StatusOr<std::optional<Occasion>> occasion = reader.Read(*name);
      if (!occasion.ok()) return occasion.status();
      if (!occasion->has_value() || !Passes(query, **occasion)) continue;
      if (occasions.size() == kOccasionsMax) {
        return FieldError(Reason::kFieldTooLarge, "end_date",
                          fmt::format("there is more than {} in these days: ask about fewer, or filter", kOccasionsMax));
      }
      occasions.push_back(**std::move(occasion));
    }
    if (!it->status().ok()) return it->status();
  }
  Order(&occasions);
  return occasions;
}

absl::StatusOr<std::vector<Occasion>> NextOccasions(const node::Node& node, const storage::View& view, absl::CivilDay from, size_t max) {
  Reader reader(node, view);
  std::vector<Occasion> next;
  for (const uint16_t index : kCalendarIndexes) {
    const std::string lower = node::IndexPrefix(index, records::MonthText(absl::CivilMonth(from))) + records::DayText(from);
    const std::string all = node::IndexPrefix(index, "");
    const std::unique_ptr<storage::Iterator> it =
        view.Iterate(storage::Cf::kIndexes, lower, storage::PrefixEnd(all.substr(0, all.size() - 1)));
    std::set<std::string> seen;
    size_t found = 0;
    int looks = kNextLooksMax;
    for (it->SeekToFirst(); it->Valid() && found < max && looks-- > 0; it->Next()) {
      const std::string_view key = it->key();
      const auto [name, fresh] = seen.emplace(key.substr(key.rfind('\0') + 1));
      if (!fresh) continue;
      absl::StatusOr<std::optional<Occasion>> occasion = reader.Read(*name);
      if (!occasion.ok()) return occasion.status();
      if (!occasion->has_value() || (*occasion)->days.first < from) continue;
      next.push_back(**std::move(occasion));
      ++found;
    }
    if (!it->status().ok()) return it->status();
  }
  Order(&next);
  if (next.size() > max) next.erase(next.begin() + static_cast<ptrdiff_t>(max), next.end());
  return next;
}

std::string PositionOf(const v1::CalendarEntry& entry) { return records::DateText(entry.start_date()) + " " + entry.record(); }

v1::ListClashesResponse ClashesAmong(const std::vector<Occasion>& occasions, const records::Days& days, std::string_view officer) {
  std::map<std::string, std::vector<const Occasion*>> by_officer;
  for (const Occasion& occasion : occasions) {
    if (!occasion.settled) continue;
    for (const std::string& name : occasion.entry.officers()) {
      if (officer.empty() || name == officer) by_officer[name].push_back(&occasion);
    }
  }
  std::set<v1::Clash, ByOrder> first;  // never more than kClashesMax
  v1::ListClashesResponse response;
  for (auto& [name, of_officer] : by_officer) {
    std::stable_sort(of_officer.begin(), of_officer.end(),
                     [](const Occasion* a, const Occasion* b) { return a->days.first < b->days.first; });
    for (size_t i = 0; i < of_officer.size(); ++i) {
      for (size_t k = i + 1; k < of_officer.size() && of_officer[k]->days.first <= of_officer[i]->days.last; ++k) {
        const Occasion& a = *of_officer[i];
        const Occasion& b = *of_officer[k];
        if (a.part_of == b.entry.record() || b.part_of == a.entry.record()) continue;
        if (b.days.first > days.last || std::min(a.days.last, b.days.last) < days.first) continue;
        first.insert(ClashOf(name, a, b));
        if (first.size() <= kClashesMax) continue;
        first.erase(std::prev(first.end()));
        response.set_truncated(true);
      }
    }
  }
  for (const v1::Clash& clash : first) *response.add_clashes() = clash;
  return response;
}

absl::StatusOr<std::vector<v1::OverdueFollowUp>> OverdueFollowUps(const node::Node& node, const storage::View& view,
                                                                  const OverdueQuery& query, int page_size, std::string* position) {
  const std::string prefix = node::IndexPrefix(records::kOutstandingFollowUps, "1");
  const std::string lower = position->empty() ? prefix : prefix + *position + '\0';
  const std::unique_ptr<storage::Iterator> it = view.Iterate(storage::Cf::kIndexes, lower, prefix + records::DayText(query.as_of));
  std::vector<v1::OverdueFollowUp> rows;
  int budget = std::max(kScanMin, page_size * kScanPerRecord);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (static_cast<int>(rows.size()) == page_size || budget-- == 0) return rows;
    const std::string key(it->key());
    absl::StatusOr<std::optional<v1::OverdueFollowUp>> row = OverdueRow(node, view, query, key.substr(key.rfind('\0') + 1));
    if (!row.ok()) return row.status();
    if (row->has_value()) rows.push_back(**std::move(row));
    *position = key.substr(prefix.size());
  }
  position->clear();
  if (!it->status().ok()) return it->status();
  return rows;
}

}  // namespace fairlead::view
