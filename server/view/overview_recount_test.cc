// Figures against a recount of the records, and what an answer costs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/portfolio.pb.h"
#include "fairlead/v1/training.pb.h"
#include "server/node/materialise.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/months.h"
#include "server/view/overview_fixture.h"

namespace fairlead::view {
namespace {

using ::testing::ElementsAre;

bool IsCalledOff(const v1::Engagement& e) {
  return e.state() == v1::ENGAGEMENT_STATE_CANCELLED || e.state() == v1::ENGAGEMENT_STATE_REFUSED;
}
bool TookPlace(const v1::Engagement& e) {
  return e.state() == v1::ENGAGEMENT_STATE_COMPLETED || e.state() == v1::ENGAGEMENT_STATE_REPORTED ||
         e.state() == v1::ENGAGEMENT_STATE_CLOSED;
}

// The same figures, counted over the records as they are read, without anything that a commit has kept.
class Recount {
 public:
  explicit Recount(const node::Node& node) : today_(absl::ToCivilDay(node.options().clock->Now(), absl::UTCTimeZone())) {
    auto it = node.store().Iterate(storage::Cf::kRecords, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      auto state = node::DecodeState(it->value());
      EXPECT_TRUE(state.ok()) << state.status();
      const records::RecordType& type = *node.registry().FindByNumber(state->type);
      auto record = node::Materialise(type, std::string(it->key()), *state);
      const auto* reflection = record->GetReflection();
      if (reflection->GetBool(*record, record->GetDescriptor()->FindFieldByName("withdrawn"))) continue;
      const std::string& site = node.roster().FindLog(node::SpanOf(*state).first.log)->site_name;
      ++records_[site];
      conflicts_[site] += reflection->FieldSize(*record, record->GetDescriptor()->FindFieldByName("conflicts"));
      all_.push_back(std::move(record));
    }
  }

  void Check(const v1::Overview& overview) const {
    int64_t conflicts = 0;
    for (const v1::SiteOverview& site : overview.sites()) {
      EXPECT_EQ(site.records(), Of(records_, site.site())) << site.site();
      EXPECT_EQ(site.conflicts(), Of(conflicts_, site.site())) << site.site();
      conflicts += Of(conflicts_, site.site());
    }
    EXPECT_EQ(overview.conflicts().count(), conflicts);
    CheckRegions(overview);
    CheckEngagements(overview);
    CheckStandings(overview);
    CheckFindings(overview);
    CheckInquiries(overview);
    CheckTraining(overview);
  }

 private:
  static int64_t Of(const std::map<std::string, int64_t>& counts, const std::string& key) {
    auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
  }
  template <class T>
  std::vector<const T*> All() const {
    std::vector<const T*> out;
    for (const auto& record : all_) {
      if (const T* one = google::protobuf::DynamicCastToGenerated<T>(record.get())) out.push_back(one);
    }
    return out;
  }

  void CheckRegions(const v1::Overview& overview) const {
    std::set<std::string> engaged;
    for (const v1::Engagement* engagement : All<v1::Engagement>()) {
      if (!IsCalledOff(*engagement)) engaged.insert(engagement->countries().begin(), engagement->countries().end());
    }
    for (const v1::RegionCount& region : overview.regions()) {
      auto in_region = [&](const v1::Country* country) { return country->region() == region.region(); };
      int64_t countries = 0;
      int64_t with_engagement = 0;
      std::set<std::string> names;
      for (const v1::Country* country : All<v1::Country>()) {
        if (!in_region(country)) continue;
        ++countries;
        with_engagement += engaged.contains(country->name()) ? 1 : 0;
        names.insert(country->name());
      }
      int64_t ports = 0;
      for (const v1::Port* port : All<v1::Port>()) {
        const bool own = port->region_override() == v1::REGION_UNSPECIFIED;
        ports += own ? names.contains(port->country()) : port->region_override() == region.region();
      }
      EXPECT_EQ(region.countries(), countries) << region.region();
      if (region.region() == v1::REGION_UNSPECIFIED) continue;  // countries that are not here count there too
      EXPECT_EQ(region.countries_engaged(), with_engagement) << region.region();
      EXPECT_EQ(region.ports(), ports) << region.region();
    }
  }

  void CheckEngagements(const v1::Overview& overview) const {
    std::map<std::tuple<int, int, int>, int64_t> counts;
    std::map<std::tuple<std::string, int, int>, int64_t> months;
    const absl::CivilMonth first = absl::CivilMonth(today_) - (kMonthsDefault - 1);
    const absl::CivilMonth last = absl::CivilMonth(today_) + kMonthsAhead;
    for (const v1::Engagement* engagement : All<v1::Engagement>()) {
      ++counts[{engagement->region(), engagement->kind(), engagement->state()}];
      if (IsCalledOff(*engagement)) continue;
      for (absl::CivilMonth month = first; month <= last; ++month) {
        if (Touches(*engagement, month)) ++months[{records::MonthText(month), engagement->region(), engagement->kind()}];
      }
    }
    std::map<std::tuple<int, int, int>, int64_t> shown;
    for (const v1::EngagementCount& count : overview.engagements()) shown[{count.region(), count.kind(), count.state()}] = count.count();
    EXPECT_EQ(shown, counts);
    std::map<std::tuple<std::string, int, int>, int64_t> by_month;
    for (const v1::MonthCount& row : overview.months()) by_month[{row.month(), row.region(), row.kind()}] = row.engagements().count();
    EXPECT_EQ(by_month, months);
  }

  static bool Touches(const v1::Engagement& engagement, absl::CivilMonth month) {
    if (!engagement.has_start_date()) return false;
    const absl::CivilDay start = records::EarliestDay(engagement.start_date());
    const absl::CivilDay end = std::max(start, engagement.has_end_date() ? records::LatestDay(engagement.end_date()) : start);
    return start < absl::CivilDay(month + 1) && end >= absl::CivilDay(month);
  }

  v1::Standing StandingOf(const v1::Country& country) const {
    if (country.region() == v1::REGION_HQ) return v1::STANDING_UNSPECIFIED;
    std::optional<absl::CivilDay> last;
    for (const v1::Engagement* engagement : All<v1::Engagement>()) {
      if (!TookPlace(*engagement) || !engagement->has_start_date()) continue;
      if (std::find(engagement->countries().begin(), engagement->countries().end(), country.name()) == engagement->countries().end())
        continue;
      const absl::CivilDay start = records::EarliestDay(engagement->start_date());
      const absl::CivilDay end = std::max(start, engagement->has_end_date() ? records::LatestDay(engagement->end_date()) : start);
      if (end <= today_ && (!last || *last < end)) last = end;
    }
    if (!last) return v1::STANDING_NEVER;
    const absl::CivilDay due(last->year() + 3, last->month(), last->day());
    return due < today_ ? v1::STANDING_OVERDUE : due - today_ <= 180 ? v1::STANDING_DUE : v1::STANDING_ENGAGED;
  }

  void CheckStandings(const v1::Overview& overview) const {
    std::map<std::string, v1::Standing> standings;
    std::map<std::pair<int, int>, int64_t> by_region;
    std::map<std::pair<std::string, int>, int64_t> by_officer;
    for (const v1::Country* country : All<v1::Country>()) {
      standings[country->name()] = StandingOf(*country);
      if (country->region() == v1::REGION_HQ) continue;
      ++by_region[{country->region(), standings[country->name()]}];
      std::set<std::string> officers;
      for (const v1::Assignment* assignment : All<v1::Assignment>()) {
        if (assignment->country() == country->name() && records::EarliestDay(assignment->start_date()) <= today_) {
          officers.insert(assignment->officer());
        }
      }
      if (officers.empty()) officers.insert("");
      for (const std::string& officer : officers) ++by_officer[{officer, standings[country->name()]}];
    }
    std::map<std::string, v1::Standing> shown;
    for (const v1::CountryOverview& country : overview.countries()) shown[country.country()] = country.standing();
    EXPECT_EQ(shown, standings);
    std::map<std::pair<int, int>, int64_t> regions;
    std::map<std::pair<std::string, int>, int64_t> officers;
    const auto add = [](const v1::CoverageCount& row, const auto& key, auto* counts) {
      for (const auto& [standing, figure] : {std::pair(v1::STANDING_ENGAGED, row.engaged()), std::pair(v1::STANDING_DUE, row.due()),
                                             std::pair(v1::STANDING_OVERDUE, row.overdue()), std::pair(v1::STANDING_NEVER, row.never())}) {
        if (figure.count() > 0) (*counts)[{key, standing}] = figure.count();
      }
      EXPECT_EQ(row.countries().count(), row.engaged().count() + row.due().count() + row.overdue().count() + row.never().count());
    };
    for (const v1::CoverageCount& row : overview.coverage_by_region()) add(row, static_cast<int>(row.region()), &regions);
    for (const v1::CoverageCount& row : overview.coverage_by_officer()) add(row, row.officer(), &officers);
    EXPECT_EQ(regions, by_region);
    EXPECT_EQ(officers, by_officer);
  }

  void CheckFindings(const v1::Overview& overview) const {
    std::map<int, int64_t> severities;
    for (const v1::Observation* observation : All<v1::Observation>()) ++severities[observation->severity()];
    std::map<int, int64_t> shown;
    for (const v1::ObservationCount& row : overview.findings().observations()) shown[row.severity()] = row.observations().count();
    EXPECT_EQ(shown, severities);
    int64_t open = 0;
    int64_t overdue = 0;
    int64_t of_observations = 0;
    int64_t of_observations_overdue = 0;
    for (const v1::FollowUp* follow_up : All<v1::FollowUp>()) {
      if (follow_up->state() == v1::FOLLOW_UP_STATE_VERIFIED) continue;
      const bool late = records::EarliestDay(follow_up->due_date()) < today_;
      ++open;
      overdue += late;
      if (follow_up->observation().empty()) continue;
      ++of_observations;
      of_observations_overdue += late;
    }
    EXPECT_EQ(overview.follow_ups_open(), open);
    EXPECT_EQ(overview.follow_ups_overdue(), overdue);
    EXPECT_EQ(overview.findings().follow_ups_open().count(), open);
    EXPECT_EQ(overview.findings().follow_ups_overdue().count(), overdue);
    EXPECT_EQ(overview.findings().observations_open().count(), of_observations);
    EXPECT_EQ(overview.findings().observations_overdue().count(), of_observations_overdue);
  }

  void CheckInquiries(const v1::Overview& overview) const {
    using Key = std::tuple<std::string, int, int>;
    std::map<Key, std::pair<int64_t, int64_t>> counts;  // and the seconds of answers
    for (const v1::Inquiry* inquiry : All<v1::Inquiry>()) {
      const bool answered = inquiry->state() == v1::INQUIRY_STATE_ANSWERED || inquiry->state() == v1::INQUIRY_STATE_CLOSED;
      const int64_t seconds = answered ? inquiry->answered_time().seconds() - inquiry->received_time().seconds() : 0;
      const absl::CivilMonth month(records::DayOf(inquiry->received_time()));
      for (const std::string& text : {std::string(), records::MonthText(month)}) {
        if (!text.empty() && month < absl::CivilMonth(today_) - (kMonthsDefault - 1)) continue;
        auto& [n, sum] = counts[{text, inquiry->region(), inquiry->state()}];
        ++n;
        sum += seconds;
      }
    }
    std::map<Key, std::pair<int64_t, int64_t>> shown;
    for (const v1::InquiryCount& row : overview.inquiries()) {
      const int64_t n = row.inquiries().count();
      shown[{row.month(), row.region(), row.state()}] = {n, row.mean_time().seconds() * n};
    }
    ASSERT_EQ(shown.size(), counts.size());
    for (const auto& [key, expected] : counts) {
      EXPECT_EQ(shown[key].first, expected.first);
      EXPECT_NEAR(static_cast<double>(shown[key].second), static_cast<double>(expected.second), static_cast<double>(expected.first));
    }
  }

  void CheckTraining(const v1::Overview& overview) const {
    std::map<int, std::tuple<int64_t, int64_t, int64_t>> sessions;
    for (const v1::TrainingSession* session : All<v1::TrainingSession>()) {
      auto& [n, attended, completed] = sessions[session->state()];
      ++n;
      for (const v1::Attendance& of : session->attendance()) {
        attended += of.attended();
        completed += of.completed();
      }
    }
    std::map<int, std::tuple<int64_t, int64_t, int64_t>> shown;
    for (const v1::TrainingSessionCount& row : overview.training_sessions()) {
      shown[row.state()] = {row.sessions().count(), row.attended(), row.completed()};
    }
    EXPECT_EQ(shown, sessions);
  }

  const absl::CivilDay today_;
  std::vector<std::unique_ptr<google::protobuf::Message>> all_;
  std::map<std::string, int64_t> records_;
  std::map<std::string, int64_t> conflicts_;
};

class OverviewRecountTest : public OverviewTest {
 protected:
  static void SetDay(google::type::Date* date, absl::CivilDay day) { *date = records::DateOf(day); }

  // Something at `site`, drawn from `random`; about one in seven brings it what another has.
  void Operate(std::mt19937* random, Site& site, int i) {
    const auto pick = [random](int n) { return static_cast<int>((*random)() % static_cast<unsigned>(n)); };
    const auto region = [&] { return static_cast<v1::Region>(1 + pick(4)); };
    const std::string code = codes_[pick(5)];
    const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
    switch (pick(12)) {
      case 0:
      case 1:
        node::Sync(*sites_[pick(3)]->node, *site.node);
        break;
      case 2: {
        v1::Country country = InRegion(code + std::to_string(i), region());
        country.set_withdrawn(pick(6) == 0);
        Put(site, "countries/" + code, country, {"display_name", "region", "withdrawn"});
        break;
      }
      case 3: {
        v1::Port port;
        port.set_display_name("port " + std::to_string(i));
        port.set_country("countries/" + codes_[pick(5)]);
        if (pick(3) == 0) port.set_region_override(region());
        Put(site, "ports/" + code + "AAA", port, {"display_name", "country", "region_override"});
        break;
      }
      case 4: {
        v1::FollowUp follow_up = Due(2027, 1, 10 + pick(10), static_cast<v1::FollowUpState>(1 + pick(4)));
        if (pick(2) == 0) follow_up.set_observation("engagements/1/observations/" + code);
        Put(site, "engagements/1/followUps/" + code, follow_up, {"due_date", "state", "observation"});
        break;
      }
      case 5: {
        v1::Observation observation;
        observation.set_severity(static_cast<v1::Severity>(1 + pick(3)));
        observation.set_country("countries/" + code);
        observation.set_withdrawn(pick(6) == 0);
        Put(site, "engagements/1/observations/" + code, observation, {"severity", "country", "withdrawn"});
        break;
      }
      case 6: {
        v1::Inquiry inquiry;
        inquiry.set_region(static_cast<v1::Region>(pick(5)));
        inquiry.set_state(static_cast<v1::InquiryState>(1 + pick(5)));
        inquiry.mutable_received_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()) - 86400 * pick(500));
        inquiry.mutable_answered_time()->set_seconds(inquiry.received_time().seconds() + pick(100000));
        Put(site, "inquiries/" + std::to_string(1 + pick(8)), inquiry, {"region", "state", "received_time", "answered_time"});
        break;
      }
      case 7: {
        v1::TrainingSession session;
        session.set_state(static_cast<v1::TrainingSessionState>(1 + pick(4)));
        for (int n = pick(3); n > 0; --n) {
          v1::Attendance* of = session.add_attendance();
          of->set_country("countries/" + codes_[pick(5)]);
          of->set_attended(static_cast<uint32_t>(pick(30)));
          of->set_completed(static_cast<uint32_t>(pick(10)));
        }
        Put(site, "trainingSessions/" + std::to_string(1 + pick(4)), session, {"state", "attendance"});
        break;
      }
      case 8: {
        v1::Assignment assignment;
        assignment.set_officer("liaisonOfficers/officer-" + std::to_string(pick(3)));
        assignment.set_country("countries/" + code);
        assignment.set_duty(v1::ASSIGNMENT_DUTY_PRIMARY);
        SetDay(assignment.mutable_start_date(), today - 100 + pick(110));
        Put(site, "assignments/" + std::to_string(1 + pick(6)), assignment, {"officer", "country", "duty", "start_date"});
        break;
      }
      default: {
        v1::Engagement engagement =
            With({}, region(), static_cast<v1::EngagementKind>(1 + pick(3)), static_cast<v1::EngagementState>(1 + pick(9)));
        engagement.set_title("visit " + std::to_string(i));
        for (const std::string& with : codes_) {
          if (pick(3) == 0) engagement.add_countries("countries/" + with);
        }
        engagement.set_withdrawn(pick(8) == 0);
        const absl::CivilDay start = today - pick(1400) + 100;
        SetDay(engagement.mutable_start_date(), start);
        SetDay(engagement.mutable_end_date(), start + pick(70));
        Put(site, "engagements/" + std::to_string(1 + pick(9)), engagement,
            {"title", "countries", "region", "kind", "state", "withdrawn", "start_date", "end_date"});
      }
    }
  }

  std::vector<Site*> sites_ = {&apac_, &eame_, &hq_};
  const std::vector<std::string> codes_ = {"FR", "JP", "KR", "PH", "VN"};
};

// Rule 16: figures are differences, and come to what a count from nothing gives, at every site, also while they differ, and after a
// restart.
TEST_F(OverviewRecountTest, FiguresEqualARecountAfterRandomOperations) {
  const unsigned seed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 1000; ++i) {
    Site& site = *sites_[random() % sites_.size()];
    Operate(&random, site, i);
    if (i % 50 == 0) Recount(*site.node).Check(Of(site));
    if (HasFailure()) FAIL() << "after operation " << i;
  }
  for (int round = 0; round < 2; ++round) {
    for (Site* from : sites_) {
      for (Site* to : sites_) node::Sync(*from->node, *to->node);
    }
  }
  int64_t conflicts = 0;
  for (Site* site : sites_) {
    EXPECT_EQ(node::Digests(*site->node), node::Digests(*hq_.node));
    Recount(*site->node).Check(Of(*site));
    conflicts += Of(*site).conflicts().count();
  }
  EXPECT_GT(conflicts, 0);  // the operations are of the kind that makes them
  // What is due becomes overdue by the passing of time alone.
  clock_.Advance(absl::Hours(24 * 400));
  for (Site* site : sites_) Recount(*site->node).Check(Of(*site));
  auto restarted = network_.Open("hq", hq_.store->Crash(0));
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  Recount(*restarted->node).Check(Of(*restarted));
}

// Twenty times the engagements, of the same kinds, cost no read more.
TEST_F(OverviewRecountTest, AnAnswerCostsTheSameHoweverManyEngagementsThereAre) {
  auto owned = std::make_unique<node::CountingStore>();
  const node::CountingStore& store = *owned;
  auto site = network_.Open("hq", std::move(owned));
  ASSERT_TRUE(site.ok()) << site.status();
  for (const std::string& code : codes_) PutCountry(*site, code, v1::REGION_APAC);
  const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
  int written = 0;
  const auto write_until = [&](int count) {
    for (; written < count; ++written) {
      v1::Engagement engagement = With({codes_[written % 5]}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT,
                                       written % 2 == 0 ? v1::ENGAGEMENT_STATE_COMPLETED : v1::ENGAGEMENT_STATE_SCHEDULED);
      SetDay(engagement.mutable_start_date(), written % 2 == 0 ? today - written % 90 : today + written % 60);
      Put(*site, "engagements/" + std::to_string(written), engagement, {"title", "countries", "region", "kind", "state", "start_date"});
      v1::FollowUp follow_up = Due(2027, 1, 1 + written % 28, v1::FOLLOW_UP_STATE_OPEN);
      Put(*site, "engagements/" + std::to_string(written) + "/followUps/1", follow_up, {"due_date", "state"});
    }
  };
  const auto reads_of = [&] {
    const int64_t before = store.reads();
    const v1::Overview overview = Of(*site);
    EXPECT_EQ(overview.findings().follow_ups_open().count(), written);
    EXPECT_EQ(overview.upcoming_size(), 10);
    return store.reads() - before;
  };
  write_until(100);
  const int64_t few = reads_of();
  write_until(2000);
  const int64_t many = reads_of();
  EXPECT_GT(few, 0);
  EXPECT_LE(many, few) << "100 engagements cost " << few << " reads, 2,000 cost " << many;
}

TEST_F(OverviewRecountTest, WhatComesNextIsOrderedAndLeavesOutWhatIsCalledOff) {
  const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
  const auto put = [&](const std::string& id, int days, v1::EngagementState state) {
    v1::Engagement engagement = With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, state);
    SetDay(engagement.mutable_start_date(), today + days);
    SetDay(engagement.mutable_end_date(), today + days + 40);
    Put(hq_, "engagements/" + id, engagement, {"title", "countries", "region", "kind", "state", "start_date", "end_date"});
  };
  put("begun", -1, v1::ENGAGEMENT_STATE_IN_PROGRESS);
  put("later", 35, v1::ENGAGEMENT_STATE_SCHEDULED);
  put("off", 2, v1::ENGAGEMENT_STATE_CANCELLED);
  put("soon", 3, v1::ENGAGEMENT_STATE_SCHEDULED);
  put("today", 0, v1::ENGAGEMENT_STATE_SCHEDULED);
  std::vector<std::string> names;
  const v1::Overview overview = Of(hq_);
  for (const v1::CalendarEntry& entry : overview.upcoming()) names.push_back(entry.record());
  EXPECT_THAT(names, ElementsAre("engagements/today", "engagements/soon", "engagements/later"));
}

TEST_F(OverviewRecountTest, OnlyTheSectionsAskedForAreThere) {
  PutCountry(hq_, "JP", v1::REGION_APAC);
  PutEngagement(hq_, "1", With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, v1::ENGAGEMENT_STATE_DRAFT));
  v1::GetOverviewRequest request;
  request.add_sections(v1::OVERVIEW_SECTION_ENGAGEMENTS);
  const v1::Overview overview = Of(hq_, request);
  EXPECT_EQ(overview.engagements_size(), 1);
  EXPECT_EQ(overview.countries_size(), 0);
  EXPECT_FALSE(overview.has_findings());
  EXPECT_EQ(overview.sites_size(), 3);  // as-of times are in every answer
  EXPECT_EQ(overview.unreachable_size(), 2);
  request.add_sections(static_cast<v1::OverviewSection>(99));
  EXPECT_EQ(OverviewOf(*hq_.node, Options(), request).status().code(), absl::StatusCode::kInvalidArgument);
  request.clear_sections();
  request.set_months(kMonthsMax + 1);
  EXPECT_EQ(OverviewOf(*hq_.node, Options(), request).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead::view
