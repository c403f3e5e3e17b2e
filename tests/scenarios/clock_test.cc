// Clocks that are ahead, behind, or set while a node runs (rule 18): an origin that cannot write with its own clock says so, a receiver
// keeps what comes from its future until its clock is there, nobody drops anything and nothing stands still.
// tests/clock_shift/clock_shift.cc is the clock.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "storage/scratch_directory.h"
#include "tests/framework/shifted_clock.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

// The time that is right here, as against this machine's: the network's certificates were made just now, and are good an hour earlier.
constexpr absl::Duration kRight = absl::Hours(2);

using framework::ShiftedClock;

class Clocks : public Scenario {
 protected:
  // Every node on a clock of its own, which is right.
  void Start() {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    for (const std::string& site : cluster().sites()) {
      clocks_[site] = std::make_unique<ShiftedClock>(files_.path() + "/" + site);
      clocks_[site]->Set(kRight);
      std::vector<std::string> command = clocks_[site]->command();
      command.push_back(cluster().node_binary());
      cluster().RunAs(site, std::move(command));
      ASSERT_TRUE(Ok(cluster().Stop(site)));
    }
    for (const std::string& site : cluster().sites()) ASSERT_TRUE(Ok(cluster().StartNode(site)));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
  }
  // Returns once the node goes by it: Abseil looks at the machine's clock every two seconds and counts cycles in between.
  void SetClock(const std::string& site, absl::Duration wrong_by) {
    const absl::Duration shift = kRight + wrong_by;
    clocks_.at(site)->Set(shift);
    ASSERT_TRUE(Eventually([&] {
      const auto status = cluster().Status(site);
      const absl::Duration ahead = status.ok() ? absl::FromUnixSeconds(status->time().seconds()) - absl::Now() : absl::InfiniteDuration();
      return absl::AbsDuration(ahead - shift) < absl::Seconds(2);
    })) << site;
  }
  absl::StatusOr<v1::Engagement> CreateAt(const std::string& site, const std::string& title) {
    client::CallOptions call = AtSite(site);
    call.timeout = absl::Seconds(10);
    auto created = Create(cluster().Officer(site), EngagementAt(site, title), call);
    if (created.ok()) acknowledged_.emplace_back(created->name(), title);
    return created;
  }
  bool Has(const std::string& site, const v1::Engagement& engagement) {
    return GetEngagement(cluster().Officer(site), engagement.name(), AtSite(site)).ok();
  }
  // How long `site` has known of entries of `origin` that it has not applied.
  absl::Duration Waiting(const std::string& site, const std::string& origin) {
    const auto status = cluster().Status(site);
    if (!status.ok()) return absl::ZeroDuration();
    for (const v1::LogStatus& log : status->logs()) {
      if (log.site() == origin && log.oldest_unapplied_age().ByteSizeLong() > 0) {
        return absl::Seconds(log.oldest_unapplied_age().seconds()) + absl::Nanoseconds(log.oldest_unapplied_age().nanos());
      }
    }
    return absl::ZeroDuration();
  }
  void ExpectHealed() {
    ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, 2 * kPatience)));
    ExpectEachOnceEverywhere(acknowledged_);
  }

  Acknowledged acknowledged_;

 private:
  const storage::ScratchDirectory files_;
  std::map<std::string, std::unique_ptr<ShiftedClock>> clocks_;
};

TEST_F(Clocks, WhatAFastClockWroteWaitsAtTheOthersAndIsNotDropped) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(SetClock("apac", absl::Hours(1)));
  const auto early = CreateAt("apac", "An hour early");
  ASSERT_TRUE(Ok(early));
  for (const std::string site : {"eame", "csa", "hq"}) {
    EXPECT_TRUE(Eventually([&] { return Waiting(site, "apac") > absl::ZeroDuration(); })) << site;
    EXPECT_FALSE(Has(site, *early)) << site;
  }
  // Nobody else waits for it: not those who write, not those who hear of that from apac.
  for (const std::string site : {"eame", "csa", "hq"}) {
    const auto created = CreateAt(site, "Meanwhile at " + site);
    ASSERT_TRUE(Ok(created));
    for (const std::string& other : cluster().sites()) EXPECT_TRUE(Eventually([&] { return Has(other, *created); })) << site << other;
  }
  // Its clock put right, apac has written what it may not follow yet. It says so, and reads go on.
  ASSERT_NO_FATAL_FAILURE(SetClock("apac", absl::ZeroDuration()));
  EXPECT_THAT(CreateAt("apac", "After the correction").status(), FailsWith(absl::StatusCode::kUnavailable, "CLOCK_DRIFT"));
  EXPECT_TRUE(Has("apac", *early));
  for (const std::string& site : cluster().sites()) cluster().Kill(site);
  for (const std::string& site : cluster().sites()) ASSERT_TRUE(Ok(cluster().StartNode(site)));
  EXPECT_FALSE(Has("hq", *early));
  // When the hour has come it is applied everywhere, and apac writes on.
  for (const std::string& site : cluster().sites()) ASSERT_NO_FATAL_FAILURE(SetClock(site, absl::Hours(1)));
  for (const std::string& site : cluster().sites()) EXPECT_TRUE(Eventually([&] { return Has(site, *early); }, 2 * kPatience)) << site;
  // Once it has heard that its peers' clocks have come as far.
  EXPECT_TRUE(Eventually([&] { return CreateAt("apac", "On time").ok(); }));
  ASSERT_NO_FATAL_FAILURE(ExpectHealed());
}

TEST_F(Clocks, ASlowClockHoldsWhatComesAndItsOwnWritesGoOut) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(SetClock("csa", -absl::Hours(1)));
  const auto here = CreateAt("eame", "From its future");
  ASSERT_TRUE(Ok(here));
  for (const std::string site : {"apac", "hq"}) EXPECT_TRUE(Eventually([&] { return Has(site, *here); })) << site;
  EXPECT_TRUE(Eventually([&] { return Waiting("csa", "eame") > absl::ZeroDuration(); }));
  EXPECT_FALSE(Has("csa", *here));
  // csa has applied what was written before its clock was set back, and cannot write before that.
  EXPECT_THAT(CreateAt("csa", "From the past").status(), FailsWith(absl::StatusCode::kUnavailable, "CLOCK_DRIFT"));
  ASSERT_NO_FATAL_FAILURE(SetClock("csa", absl::ZeroDuration()));
  EXPECT_TRUE(Eventually([&] { return Has("csa", *here); }, 2 * kPatience));
  EXPECT_TRUE(Ok(CreateAt("csa", "Of the present")));
  ASSERT_NO_FATAL_FAILURE(ExpectHealed());
}

// A clock that was ahead while nothing was written, and is set back.
TEST_F(Clocks, AClockSetBackStopsNothing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto own_cosignature = [&](const std::string& at) -> int64_t {
    const auto status = cluster().Status(at);
    for (int i = 0; status.ok() && i < status->logs_size(); ++i) {
      for (const v1::CosignatureStatus& cosignature : status->logs(i).cosignatures()) {
        if (status->logs(i).origin().ends_with("/hq/1/main") && cosignature.site() == "apac") return cosignature.size();
      }
    }
    return -1;
  };
  int jump = 0;
  for (const absl::Duration shift : {absl::Hours(1), absl::ZeroDuration(), absl::Minutes(20), absl::ZeroDuration()}) {
    SCOPED_TRACE(absl::FormatDuration(shift));
    ASSERT_NO_FATAL_FAILURE(SetClock("apac", shift));
    const auto created = CreateAt("hq", fmt::format("After jump {}", ++jump));
    ASSERT_TRUE(Ok(created));
    const auto status = cluster().Status("hq");
    ASSERT_TRUE(Ok(status));
    // apac takes the entry and tells the others that it has it, which it does on its own clock's beat. What it says while its clock is
    // ahead they do not count (rule 18).
    EXPECT_TRUE(Eventually([&] { return Has("apac", *created); }));
    if (shift > absl::ZeroDuration()) continue;
    int64_t size = 0;
    for (const v1::LogStatus& log : status->logs()) size = log.origin().ends_with("/hq/1/main") ? log.size() : size;
    EXPECT_TRUE(Eventually([&] { return own_cosignature("eame") >= size; })) << own_cosignature("eame") << " of " << size;
  }
  EXPECT_TRUE(Ok(CreateAt("apac", "With the right clock")));
  // An idle node goes on as well: it hears its peers.
  ASSERT_NO_FATAL_FAILURE(SetClock("apac", -absl::Minutes(10)));
  const absl::Time since = absl::Now();
  EXPECT_TRUE(Eventually([&] { return LinkOf("hq", "apac").connected() && absl::Now() - since > absl::Seconds(12); }))
      << LinkOf("hq", "apac").DebugString();
  EXPECT_TRUE(LinkOf("apac", "hq").connected()) << LinkOf("apac", "hq").DebugString();
  ASSERT_NO_FATAL_FAILURE(SetClock("apac", absl::ZeroDuration()));
  ASSERT_NO_FATAL_FAILURE(ExpectHealed());
}

}  // namespace
}  // namespace fairlead::scenarios
