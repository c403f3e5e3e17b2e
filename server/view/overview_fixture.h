// Three sites in one process, and what is written at them, for tests of the overview.
//
// Thread safety: one thread. Ownership: owns the sites.

#ifndef FAIRLEAD_SERVER_VIEW_OVERVIEW_FIXTURE_H_
#define FAIRLEAD_SERVER_VIEW_OVERVIEW_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/node_testing.h"
#include "server/view/overview.h"

namespace fairlead::view {

inline constexpr absl::Duration kStale = absl::Seconds(60);

inline v1::Country InRegion(const std::string& name, v1::Region region) {
  v1::Country country;
  country.set_display_name(name);
  country.set_region(region);
  return country;
}

inline v1::Engagement With(const std::vector<std::string>& countries, v1::Region region, v1::EngagementKind kind,
                           v1::EngagementState state) {
  v1::Engagement engagement;
  engagement.set_title("a visit");
  for (const std::string& country : countries) engagement.add_countries("countries/" + country);
  engagement.set_region(region);
  engagement.set_kind(kind);
  engagement.set_state(state);
  return engagement;
}

inline v1::FollowUp Due(int year, int month, int day, v1::FollowUpState state) {
  v1::FollowUp follow_up;
  follow_up.mutable_due_date()->set_year(year);
  follow_up.mutable_due_date()->set_month(month);
  follow_up.mutable_due_date()->set_day(day);
  follow_up.set_state(state);
  return follow_up;
}

class OverviewTest : public ::testing::Test {
 protected:
  using Site = node::TestNetwork::Site;

  // Makes the named fields of a record what they are in `next`, at the site.
  void Put(Site& site, const std::string& record, const google::protobuf::Message& next, const std::vector<std::string>& fields) {
    clock_.Advance(absl::Milliseconds(10));
    auto written = node::Write(*site.node, node::RequestFor(*site.node, record, next, fields, clock_.RequestId()));
    ASSERT_TRUE(written.ok()) << record << ": " << written.status();
  }
  void PutCountry(Site& site, const std::string& code, v1::Region region) {
    Put(site, "countries/" + code, InRegion(code, region), {"display_name", "region"});
  }
  void PutEngagement(Site& site, const std::string& id, const v1::Engagement& engagement) {
    Put(site, "engagements/" + id, engagement, {"title", "countries", "region", "kind", "state"});
  }

  // Brings `to` every statement that `from` holds.
  static void Tell(const Site& from, Site& to) {
    for (const auto& held : from.node->CosignaturesAfter(0)) ASSERT_TRUE(to.node->TakeCosignature(held.log, held.note).ok());
  }

  static OverviewOptions Options() {
    OverviewOptions options;
    options.staleness_bound = kStale;
    options.weights.set_vessels(40);
    options.weights.set_cargo(20);
    options.weights.set_history(25);
    options.weights.set_other(15);
    return options;
  }
  static v1::Overview Of(const Site& site, const v1::GetOverviewRequest& request = {}) {
    const absl::StatusOr<v1::Overview> overview = OverviewOf(*site.node, Options(), request);
    EXPECT_TRUE(overview.ok()) << overview.status();
    return overview.value_or(v1::Overview());
  }

  node::TestNetwork network_{{"apac", "eame", "hq"}};
  node::ManualClock& clock_ = network_.clock();
  Site apac_ = network_.Open("apac");
  Site eame_ = network_.Open("eame");
  Site hq_ = network_.Open("hq");
};

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_OVERVIEW_FIXTURE_H_
