// A site of three nodes on etcd and headquarters of its own, as real processes: whoever is killed, what was acknowledged is everywhere,
// once.

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "certs/files.h"
#include "fairlead/v1/audit_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "tests/scenarios/member_scenario.h"

namespace fairlead::scenarios {
namespace {

using testing::HasSubstr;

constexpr char kHq[] = "hq";

class Members : public MemberScenario {};

TEST_F(Members, WhatIsWrittenThroughAnyMemberIsReadAtEveryOther) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const std::string through : {"a", "b", "c"}) {
    const auto officer = site().Connect("officer/apac/watch", {through});
    ASSERT_TRUE(Ok(officer));
    client::Answer answer;
    const auto created = (*officer)->Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement",
                                                          EngagementAt("apac", "by " + through), {}, &answer);
    ASSERT_TRUE(Ok(created)) << through;
    for (const std::string at : {"a", "b", "c", kHq}) {
      client::CallOptions call;
      call.token = answer.token;
      const auto read = GetEngagement(site().Analyst(at), created->name(), call);
      ASSERT_TRUE(Ok(read)) << "written through " << through << ", read at " << at;
      EXPECT_EQ(read->title(), "by " + through);
    }
    const auto revisions = Revisions(site().Analyst(kHq), created->name());
    ASSERT_TRUE(Ok(revisions));
    EXPECT_EQ(revisions->front().actor(), "officer/apac/watch") << "not the member that passed it on";
  }
  ASSERT_TRUE(Ok(site().WaitForConvergence(2 * kPatience)));
  const std::string leader = Leader();
  for (const std::string at : {"a", "b", "c"}) {
    const auto knows = [&] {
      const auto status = site().Status(at);
      if (!status.ok() || !status->writable() || !status->unwritable_reason().empty()) return false;
      const v1::MembershipStatus& site = status->membership();
      return site.member() == at && site.leader() == leader && site.members_size() == 3 && site.etcd_bytes() > 0 &&
             site.etcd_warning().empty() &&
             std::all_of(site.members().begin(), site.members().end(), [](const auto& member) { return member.durable_size() > 0; });
    };
    EXPECT_TRUE(Eventually(knows)) << site().Status(at)->membership().DebugString();
  }
  EXPECT_FALSE(site().Status(kHq)->has_membership());
  // What a member refuses that does not lead is in the site's audit, too.
  const std::string follower = leader == "a" ? "b" : "a";
  const auto officer = site().Connect("officer/apac/curious", {follower});
  ASSERT_TRUE(Ok(officer));
  v1::QueryAuditEventsRequest query;
  EXPECT_EQ((*officer)->Call<v1::QueryAuditEventsResponse>("fairlead.v1.AuditService.QueryAuditEvents", query).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Eventually([&] {
    const auto events = site().Analyst(follower).Call<v1::QueryAuditEventsResponse>("fairlead.v1.AuditService.QueryAuditEvents", query);
    return events.ok() && std::any_of(events->events().begin(), events->events().end(),
                                      [](const v1::AuditEvent& event) { return event.actor() == "officer/apac/curious"; });
  }));
  // A member's store is not its site's any more.
  site().Kill("a");
  ASSERT_TRUE(Ok(site().Configure("a", /*of_one_machine=*/true)));
  const auto refused = site().RunNode("a", {});
  ASSERT_TRUE(Ok(refused));
  EXPECT_NE(refused->exit, framework::Exit());
  EXPECT_THAT(refused->output, HasSubstr("this store is of a member of a site of several machines"));
}

TEST_F(Members, WhoeverIsKilledWhatWasAcknowledgedIsEverywhereOnce) {
  constexpr size_t kWritesBetweenKills = 60;
  constexpr int kKills = 4;
  ASSERT_NO_FATAL_FAILURE(Start());
  Acknowledged acknowledged;
  for (int kill = 0; kill < kKills; ++kill) {
    const std::string leader = Leader();
    ASSERT_NE(leader, "");
    // Through the two that follow.
    std::vector<std::string> followers = site().members();
    std::erase(followers, leader);
    MemberWriters writers(&site(), followers, std::to_string(kill));
    ASSERT_TRUE(writers.EachAcknowledges(kWritesBetweenKills));
    site().Kill(leader);
    const absl::Time killed = absl::Now();
    EXPECT_TRUE(writers.EachAcknowledges(2));  // one may have been answered before
    std::cout << fmt::format("member {} killed: the next writes were answered after {}\n", leader,
                             absl::FormatDuration(absl::Now() - killed));
    EXPECT_TRUE(writers.EachAcknowledges(kWritesBetweenKills));
    const auto more = writers.Stop();
    ASSERT_TRUE(Ok(more));
    acknowledged.insert(acknowledged.end(), more->begin(), more->end());
    ASSERT_TRUE(Ok(site().Launch(leader)));
    ASSERT_NO_FATAL_FAILURE(AwaitAll());
  }
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));
}

// It stands still for longer than its lease, with calls under way, and goes on as if nothing had been.
TEST_F(Members, ALeaderThatStoodStillWritesNothingMore) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string leader = Leader();
  MemberWriters writers(&site(), {Another(leader)}, "paused");
  ASSERT_TRUE(writers.EachAcknowledges(20));
  site().Signal(leader, SIGSTOP);
  // One call may wait for the leader that stands still until the connection is found to be dead.
  EXPECT_TRUE(writers.EachAcknowledges(20));
  site().Signal(leader, SIGCONT);
  EXPECT_TRUE(Eventually([&] {
    const auto status = site().Status(leader);
    return status.ok() && !status->membership().leader().empty() && status->membership().leader() != leader;
  }));
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

TEST_F(Members, AMemberIsReplacedByOneThatBeginsWithABackup) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string leader = Leader();
  const std::string lost = Another(leader);
  site().Kill(lost);
  const auto admitted = site().RunNode(leader, {"admit", "d"});
  ASSERT_TRUE(Ok(admitted));
  ASSERT_EQ(admitted->exit, framework::Exit()) << admitted->output;
  // By a member that follows: a backup is of the node that makes it.
  std::vector<std::string> others = site().members();
  std::erase(others, leader);
  std::erase(others, lost);
  const std::string other = others.front();
  const auto backup = site().Analyst(other).Call<v1::Backup>("fairlead.v1.NodeService.CreateBackup", v1::CreateBackupRequest());
  ASSERT_TRUE(Ok(backup));
  const auto country = SetCountryText(site().Analyst(other), "countries/JP", "display_name", "Nippon");
  ASSERT_TRUE(Ok(country));

  ASSERT_TRUE(Ok(site().Add("d")));
  ASSERT_TRUE(Ok(site().Configure("d")));
  std::filesystem::copy(site().folder(other) + "/backups", site().folder("d") + "/backups", std::filesystem::copy_options::recursive);
  const auto restored = site().RunNode("d", {"restore", "--backup", backup->name()});
  ASSERT_TRUE(Ok(restored));
  ASSERT_EQ(restored->exit, framework::Exit()) << restored->output;
  ASSERT_TRUE(Ok(site().Launch("d")));
  const auto forgotten = site().RunNode(leader, {"forget", lost});
  ASSERT_TRUE(Ok(forgotten));
  ASSERT_EQ(forgotten->exit, framework::Exit()) << forgotten->output;
  site().Remove(lost);
  ASSERT_TRUE(Eventually([&] { return site().Status("d").ok(); }, 2 * kPatience)) << site().Log("d");
  ASSERT_TRUE(Ok(site().WaitForConvergence(2 * kPatience)));
  const auto read = GetCountry(site().Analyst("d"), "countries/JP");
  ASSERT_TRUE(Ok(read));
  EXPECT_EQ(read->display_name(), "Nippon");
  EXPECT_TRUE(Eventually([&] {
    const auto status = site().Status("d");
    return status.ok() && status->membership().members_size() == 3;
  }));
}

}  // namespace
}  // namespace fairlead::scenarios
