#include "server/report/staff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/training.pb.h"
#include "server/node/derived.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/types.h"
#include "server/view/assessments.h"
#include "server/view/conditions.h"
#include "server/view/countries.h"
#include "server/view/overview.h"
#include "server/view/records.h"
#include "storage/schema.h"

namespace fairlead::report {
namespace {

using google::protobuf::DynamicCastToGenerated;
using google::protobuf::Message;
using records::DateText;
using records::DayText;
using records::figures::IdOf;

constexpr std::string_view kHqSite = "hq";  // where the roster names no headquarters

// "country visit" of ENGAGEMENT_KIND_COUNTRY_VISIT.
std::string Words(const google::protobuf::EnumDescriptor* type, int number) {
  const auto* value = type->FindValueByNumber(number);
  if (value == nullptr) return std::to_string(number);
  // The names of the type's values begin with its own, which the value 0 shows.
  const std::string zero = type->FindValueByNumber(0)->name();
  std::string text = value->name().substr(zero.size() - std::string_view("UNSPECIFIED").size());
  for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}
template <class Enum>
std::string Words(Enum value) {
  return Words(google::protobuf::GetEnumDescriptor<Enum>(), value);
}

std::string RegionText(v1::Region region) {
  std::string text = Words(region);
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + std::string(IdOf(name));
  return text;
}

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

template <class M>
bool IsFor(const M& record, const std::string& site) {
  return record.audience().empty() || std::find(record.audience().begin(), record.audience().end(), site) != record.audience().end();
}

class Report {
 public:
  Report(const node::Node& node, const storage::View& view, const Period& period, v1::Region region, std::string site)
      : node_(node), view_(view), period_(period), region_(region), site_(std::move(site)) {}

  absl::StatusOr<Content> Make(absl::Duration staleness_bound) {
    Document& document = content_.document;
    document.title = fmt::format("International Port Security Program: {} report {}{}", Words(period_.kind), period_.text,
                                 region_ == v1::REGION_HQ ? "" : ", " + RegionText(region_));
    document.facts = {{"For", region_ == v1::REGION_HQ ? "the staff of headquarters" : "the staff of " + RegionText(region_)},
                      {"Period", fmt::format("{} to {}", DayText(period_.days.first), DayText(period_.days.last))},
                      {"Standings as of", DayText(period_.as_of)},
                      {"Made at", node_.options().site}};
    document.tables.push_back(SitesTable(node_, staleness_bound));
    for (const auto add : {&Report::AddCountries, &Report::AddEngagements, &Report::AddAssessments, &Report::AddConditions,
                           &Report::AddFollowUps, &Report::AddTraining, &Report::AddHelpDesk}) {
      if (absl::Status added = (this->*add)(); !added.ok()) return added;
    }
    document.banner = MarkingText(content_.marking);
    return std::move(content_);
  }

 private:
  // The record when the readers may see it; else null.
  template <class M>
  absl::StatusOr<std::unique_ptr<M>> Find(const std::string& name) {
    absl::StatusOr<std::unique_ptr<Message>> record = view::FindRecord(node_, view_, name);
    if (!record.ok()) return record.status();
    auto* found = DynamicCastToGenerated<M>(record->get());
    if (found == nullptr || !IsFor(*found, site_)) return nullptr;
    return std::unique_ptr<M>(static_cast<M*>(record->release()));
  }
  // The report is made of this record, too.
  template <class M>
  void Uses(const M& record) {
    content_.marking = std::max(content_.marking, record.marking());
  }
  bool InScope(v1::Region region) const { return region_ == v1::REGION_HQ || region == region_; }
  bool InScope(const std::string& country) const { return regions_.contains(country); }

  // The names in an index whose value is in [first, last], and the sort key likewise where a value is given. Each once.
  absl::StatusOr<std::set<std::string>> NamesOf(const std::string& lower, const std::string& upper) const {
    std::set<std::string> names;
    const std::unique_ptr<storage::Iterator> it = view_.Iterate(storage::Cf::kIndexes, lower, upper);
    for (it->SeekToFirst(); it->Valid(); it->Next()) names.emplace(it->key().substr(it->key().rfind('\0') + 1));
    if (!it->status().ok()) return it->status();
    return names;
  }
  absl::StatusOr<std::set<std::string>> NamesOfMonths(uint16_t index) const {
    return NamesOf(node::IndexPrefix(index, records::MonthText(absl::CivilMonth(period_.days.first))),
                   storage::PrefixEnd(node::IndexPrefix(index, records::MonthText(absl::CivilMonth(period_.days.last)))));
  }

  // The last engagement with the country that had ended by the day of standings and that the readers may see.
  absl::StatusOr<std::optional<absl::CivilDay>> LastEngaged(const std::string& country) {
    const std::string prefix = node::IndexPrefix(records::kEngagementsHeld, country);
    const auto it = view_.Iterate(storage::Cf::kIndexes, prefix, prefix + DayText(period_.as_of) + '\x01');
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      const std::string rest(it->key().substr(prefix.size()));
      const absl::StatusOr<std::unique_ptr<v1::Engagement>> held = Find<v1::Engagement>(rest.substr(rest.find('\0') + 1));
      if (!held.ok()) return held.status();
      absl::CivilDay day;
      if (*held == nullptr || !absl::ParseCivilTime(rest.substr(0, rest.find('\0')), &day)) continue;
      Uses(**held);
      return day;
    }
    if (!it->status().ok()) return it->status();
    return std::nullopt;
  }

  absl::Status AddCountries() {
    const absl::Status read = view::ForEachRecord(node_, view_, "countries", [this](const Message& message) {
      const auto& country = static_cast<const v1::Country&>(message);
      if (country.region() == v1::REGION_HQ || !InScope(country.region()) || !IsFor(country, site_)) return;
      Uses(country);
      regions_[country.name()] = country.region();
    });
    if (!read.ok()) return read;
    Table counts{"Coverage",
                 fmt::format("Countries by their last engagement; the measure is {} years (46 USC 70108(d)).", view::kStandingYears),
                 {"region", "countries", "engaged", "due", "overdue", "never"},
                 {}};
    Table open{"Countries due, overdue and never engaged", "", {"country", "region", "standing", "last engaged", "due"}, {}};
    std::map<v1::Region, std::map<v1::Standing, int>> standings;
    for (const auto& [country, region] : regions_) {
      const absl::StatusOr<std::optional<absl::CivilDay>> last = LastEngaged(country);
      if (!last.ok()) return last.status();
      const v1::Standing standing = *last ? view::StandingOn(**last, period_.as_of) : v1::STANDING_NEVER;
      ++standings[region][standing];
      if (standing == v1::STANDING_ENGAGED) continue;
      open.rows.push_back({std::string(IdOf(country)), RegionText(region), Words(standing), *last ? DayText(**last) : "",
                           *last ? DayText(records::YearsAfter(**last, view::kStandingYears)) : ""});
    }
    for (auto& [region, by_standing] : standings) {
      std::vector<std::string> row = {RegionText(region), ""};
      int all = 0;
      for (int standing = v1::STANDING_ENGAGED; standing <= v1::STANDING_NEVER; ++standing) {
        const int n = by_standing[static_cast<v1::Standing>(standing)];
        all += n;
        row.push_back(std::to_string(n));
      }
      row[1] = std::to_string(all);
      counts.rows.push_back(std::move(row));
    }
    content_.document.tables.push_back(std::move(counts));
    content_.document.tables.push_back(std::move(open));
    return absl::OkStatus();
  }

  absl::Status AddEngagements() {
    const absl::StatusOr<std::set<std::string>> names = NamesOfMonths(records::kEngagementsByMonth);
    if (!names.ok()) return names.status();
    std::map<std::pair<int, int>, int> mix;
    std::map<std::string, int> months;
    std::map<std::pair<int, int>, int> observations;  // by severity and element
    for (absl::CivilMonth month(period_.days.first); month <= absl::CivilMonth(period_.days.last); ++month)
      months[records::MonthText(month)];
    Table list{"Engagements of the period", "", {"start", "end", "kind", "state", "countries", "title"}, {}};
    for (const std::string& name : *names) {
      const absl::StatusOr<std::unique_ptr<v1::Engagement>> found = Find<v1::Engagement>(name);
      if (!found.ok()) return found.status();
      if (*found == nullptr || !InScope((*found)->region())) continue;
      const v1::Engagement& engagement = **found;
      Uses(engagement);
      ++mix[{engagement.kind(), engagement.state()}];
      list.rows.push_back({DateText(engagement.start_date()), engagement.has_end_date() ? DateText(engagement.end_date()) : "",
                           Words(engagement.kind()), Words(engagement.state()), Joined(engagement.countries()), engagement.title()});
      const bool called_off = engagement.state() == v1::ENGAGEMENT_STATE_CANCELLED || engagement.state() == v1::ENGAGEMENT_STATE_REFUSED;
      for (const std::string& month : records::MonthsOf(engagement)) {
        if (const auto of_period = months.find(month); of_period != months.end() && !called_off) ++of_period->second;
      }
      if (absl::Status counted = CountObservations(name, &observations); !counted.ok()) return counted;
    }
    std::sort(list.rows.begin(), list.rows.end());
    Table by_kind{"Engagements by kind and state", "", {"kind", "state", "engagements"}, {}};
    for (const auto& [key, n] : mix) {
      by_kind.rows.push_back(
          {Words(v1::EngagementKind_descriptor(), key.first), Words(v1::EngagementState_descriptor(), key.second), std::to_string(n)});
    }
    Table by_month{"Engagements by month",
                   "Neither cancelled nor refused; one that lasts counts in each of its months.",
                   {"month", "engagements"},
                   {}};
    for (const auto& [month, n] : months) by_month.rows.push_back({month, std::to_string(n)});
    Table observed{"Observations of these engagements", "", {"severity", "element of 46 USC 70108(b)", "observations"}, {}};
    for (const auto& [key, n] : observations) {
      observed.rows.push_back(
          {Words(v1::Severity_descriptor(), key.first), Words(v1::AssessmentElement_descriptor(), key.second), std::to_string(n)});
    }
    for (Table* table : {&by_kind, &by_month, &list, &observed}) content_.document.tables.push_back(std::move(*table));
    return absl::OkStatus();
  }

  absl::Status CountObservations(const std::string& engagement, std::map<std::pair<int, int>, int>* counts) {
    const std::string lower = engagement + "/observations/";
    const auto it = view_.Iterate(storage::Cf::kRecords, lower, storage::PrefixEnd(lower));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const absl::StatusOr<std::unique_ptr<v1::Observation>> observation = Find<v1::Observation>(std::string(it->key()));
      if (!observation.ok()) return observation.status();
      if (*observation == nullptr) continue;
      Uses(**observation);
      ++(*counts)[{(*observation)->severity(), (*observation)->element()}];
    }
    return it->status();
  }

  absl::Status AddAssessments() {
    std::vector<v1::Assessment> assessments;
    const absl::Status read = view::ForEachRecord(node_, view_, "assessments", [&](const Message& message) {
      const auto& assessment = static_cast<const v1::Assessment&>(message);
      if (!InScope(assessment.country()) || !IsFor(assessment, site_)) return;
      Uses(assessment);
      assessments.push_back(assessment);
    });
    if (!read.ok()) return read;
    const auto newest = view::NewestDeterminations(std::move(assessments), period_.as_of);
    std::map<int, int> counts;
    Table alternative{"Assessments on an alternative basis", "46 USC 70108(f).", {"country", "determined", "due", "evidence"}, {}};
    Table late{"Assessments due and overdue", "", {"country", "status", "determined", "due", "days left"}, {}};
    for (const auto& [country, region] : regions_) {
      const auto found = newest.find(country);
      const v1::Assessment* assessment = found == newest.end() ? nullptr : &found->second;
      const v1::AssessmentStanding standing = view::StandingOf(country, assessment, period_.as_of, view::kDueWithinDaysDefault);
      ++counts[standing.status()];
      if (assessment == nullptr) continue;
      const std::string determined = DateText(assessment->determination_date());
      const std::string due = DateText(assessment->due_date());
      if (standing.basis() == v1::ASSESSMENT_BASIS_ALTERNATIVE) {
        alternative.rows.push_back({std::string(IdOf(country)), determined, due, assessment->alternative_evidence()});
      }
      if (standing.status() == v1::CYCLE_STATUS_CURRENT) continue;
      late.rows.push_back({std::string(IdOf(country)), Words(standing.status()), determined, due, std::to_string(standing.days_left())});
    }
    Table cycle{"Assessment cycle", "At least every three years (46 USC 70108(d)).", {"status", "countries"}, {}};
    for (const auto& [status, n] : counts) cycle.rows.push_back({Words(v1::CycleStatus_descriptor(), status), std::to_string(n)});
    for (Table* table : {&cycle, &late, &alternative}) content_.document.tables.push_back(std::move(*table));
    return absl::OkStatus();
  }

  absl::Status AddConditions() {
    Table table{"Conditions of entry", "46 USC 70110.", {"country", "status", "notified", "effective", "explanation"}, {}};
    const absl::Status read = view::ForEachRecord(node_, view_, "conditionsOfEntry", [&](const Message& message) {
      const auto& condition = static_cast<const v1::ConditionOfEntry&>(message);
      if (!InScope(condition.country()) || !IsFor(condition, site_)) return;
      Uses(condition);
      const v1::ConditionStanding standing = view::StandingOn(condition, period_.as_of);
      if (standing.status() == v1::CONDITION_STATUS_NOT_IN_FORCE) return;
      table.rows.push_back({std::string(IdOf(condition.country())), Words(standing.status()),
                            condition.has_notification_date() ? DateText(condition.notification_date()) : "",
                            condition.has_effective_date() ? DateText(condition.effective_date()) : "", standing.explanation()});
    });
    content_.document.tables.push_back(std::move(table));
    return read;
  }

  absl::Status AddFollowUps() {
    const std::string prefix = node::IndexPrefix(records::kOutstandingFollowUps, "1");
    const absl::StatusOr<std::set<std::string>> names = NamesOf(prefix, storage::PrefixEnd(prefix));
    if (!names.ok()) return names.status();
    int64_t open = 0;
    Table late{"Follow-ups overdue",
               "Outstanding now, and past their due date on the day of standings.",
               {"due", "owner", "task", "countries"},
               {}};
    for (const std::string& name : *names) {
      const absl::StatusOr<std::unique_ptr<v1::FollowUp>> found = Find<v1::FollowUp>(name);
      if (!found.ok()) return found.status();
      if (*found == nullptr) continue;
      const absl::StatusOr<std::unique_ptr<v1::Engagement>> parent = Find<v1::Engagement>(std::string(records::ParentOf(name)));
      if (!parent.ok()) return parent.status();
      if (*parent == nullptr || !InScope((*parent)->region())) continue;
      Uses(**found);
      Uses(**parent);
      ++open;
      if (records::EarliestDay((*found)->due_date()) >= period_.as_of) continue;
      late.rows.push_back(
          {DateText((*found)->due_date()), std::string(IdOf((*found)->owner())), (*found)->task(), Joined((*parent)->countries())});
    }
    std::sort(late.rows.begin(), late.rows.end());
    Table counts{"Follow-ups", "", {"outstanding", "overdue"}, {{std::to_string(open), std::to_string(late.rows.size())}}};
    content_.document.tables.push_back(std::move(counts));
    content_.document.tables.push_back(std::move(late));
    return absl::OkStatus();
  }

  absl::Status AddTraining() {
    const absl::StatusOr<std::set<std::string>> names = NamesOfMonths(records::kTrainingSessionsByMonth);
    if (!names.ok()) return names.status();
    Table table{"Training delivered", "", {"start", "course", "place", "countries", "attended", "completed"}, {}};
    for (const std::string& name : *names) {
      const absl::StatusOr<std::unique_ptr<v1::TrainingSession>> found = Find<v1::TrainingSession>(name);
      if (!found.ok()) return found.status();
      if (*found == nullptr || !InScope((*found)->region())) continue;
      const v1::TrainingSession& session = **found;
      if (session.state() != v1::TRAINING_SESSION_STATE_HELD && session.state() != v1::TRAINING_SESSION_STATE_EVALUATED) continue;
      Uses(session);
      uint64_t attended = 0;
      uint64_t completed = 0;
      for (const v1::Attendance& of : session.attendance()) {
        attended += of.attended();
        completed += of.completed();
      }
      table.rows.push_back({DateText(session.start_date()), std::string(IdOf(session.offering())), session.place(),
                            Joined(session.countries()), std::to_string(attended), std::to_string(completed)});
    }
    std::sort(table.rows.begin(), table.rows.end());
    content_.document.tables.push_back(std::move(table));
    return absl::OkStatus();
  }

  absl::Status AddHelpDesk() {
    struct Tally {
      int received = 0;
      std::vector<int64_t> seconds;  // of the answers
    };
    std::map<v1::Region, Tally> tallies;
    const std::string prefix = node::IndexPrefix(records::kInquiriesByTime, "");
    const absl::StatusOr<std::set<std::string>> names =
        NamesOf(prefix + DayText(period_.days.first), prefix + DayText(period_.days.last + 1));
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      const absl::StatusOr<std::unique_ptr<v1::Inquiry>> found = Find<v1::Inquiry>(name);
      if (!found.ok()) return found.status();
      if (*found == nullptr || !InScope((*found)->region())) continue;
      Uses(**found);
      Tally& tally = tallies[(*found)->region()];
      ++tally.received;
      const bool answered = (*found)->state() == v1::INQUIRY_STATE_ANSWERED || (*found)->state() == v1::INQUIRY_STATE_CLOSED;
      if (answered) tally.seconds.push_back((*found)->answered_time().seconds() - (*found)->received_time().seconds());
    }
    Table table{"Help desk", "The median is of those answered.", {"region", "received", "answered", "median hours"}, {}};
    for (auto& [region, tally] : tallies) {
      std::string median;
      if (!tally.seconds.empty()) {
        // Of an even number, the lower of the two in the middle.
        const auto middle = tally.seconds.begin() + static_cast<ptrdiff_t>((tally.seconds.size() - 1) / 2);
        std::nth_element(tally.seconds.begin(), middle, tally.seconds.end());
        median = fmt::format("{:.1f}", static_cast<double>(*middle) / 3600);
      }
      table.rows.push_back({RegionText(region), std::to_string(tally.received), std::to_string(tally.seconds.size()), median});
    }
    content_.document.tables.push_back(std::move(table));
    return absl::OkStatus();
  }

  const node::Node& node_;
  const storage::View& view_;
  const Period& period_;
  const v1::Region region_;
  const std::string site_;                     // that the readers work at
  std::map<std::string, v1::Region> regions_;  // of the countries in scope
  Content content_;
};

}  // namespace

absl::StatusOr<std::string> SiteOfRegion(const Roster& roster, v1::Region region) {
  if (region == v1::REGION_HQ && !roster.headquarters().empty()) return roster.headquarters();
  const std::string site = region == v1::REGION_HQ ? std::string(kHqSite) : Words(region);
  if (roster.FindSite(site) == nullptr) {
    return FieldError(Reason::kFieldInvalid, "region", fmt::format("the roster has no site {} whose staff could read it", site));
  }
  return site;
}

absl::StatusOr<Content> StaffReport(const node::Node& node, const storage::View& view, const Period& period, v1::Region region,
                                    absl::Duration staleness_bound) {
  absl::StatusOr<std::string> site = SiteOfRegion(node.roster(), region);
  if (!site.ok()) return site.status();
  return Report(node, view, period, region, *std::move(site)).Make(staleness_bound);
}

Table SitesTable(const node::Node& node, absl::Duration staleness_bound) {
  Table table{"Sites",
              "Every number is true as of these times; a site that is silent or stale is named, and what is known of it counts.",
              {"site", "as of", "state"},
              {}};
  const view::SitesKnown known = view::SitesOf(node, node.options().clock->Now(), staleness_bound);
  for (const v1::SiteOverview& site : known.sites) {
    const bool missing = std::find(known.unreachable.begin(), known.unreachable.end(), site.site()) != known.unreachable.end();
    table.rows.push_back({site.site(), site.has_as_of_time() ? TimeText(absl::FromUnixSeconds(site.as_of_time().seconds())) : "never",
                          missing ? "unreachable" : "current"});
  }
  return table;
}

std::string MarkingText(v1::Marking marking) {
  switch (marking) {
    case v1::MARKING_PUBLIC:
      return "PUBLIC";
    case v1::MARKING_SENSITIVE:
      return "SENSITIVE SECURITY INFORMATION (49 CFR part 1520)";
    default:
      return "FOR OFFICIAL USE ONLY";
  }
}

}  // namespace fairlead::report
