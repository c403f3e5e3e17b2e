// A site of three nodes on three members of etcd: whatever one of them does, nodes and etcd alike, writes go on, and what was acknowledged
// is everywhere, once.

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/v1/node_service.pb.h"
#include "tests/framework/shifted_clock.h"
#include "tests/scenarios/member_scenario.h"

namespace fairlead::scenarios {
namespace {

using framework::ShiftedClock;
using ::testing::HasSubstr;

constexpr size_t kWritesDuringFault = 10;

class MemberFaults : public MemberScenario {
 protected:
  // While the fault lasts, those officers write who ask a node that can; after it, all do.
  void During(const std::string& what, const std::string& without, MemberWriters* writers, const std::function<void()>& fault,
              const std::function<absl::Status()>& end) {
    const absl::Time began = absl::Now();
    fault();
    std::vector<std::string> through = site().members();
    std::erase(through, without);
    through.push_back("any");
    EXPECT_TRUE(writers->EachAcknowledges(kWritesDuringFault, through)) << what;
    const absl::Duration lasted = absl::Now() - began;
    ASSERT_TRUE(Ok(end())) << what;
    ASSERT_NO_FATAL_FAILURE(AwaitAll());
    EXPECT_TRUE(writers->EachAcknowledges(1)) << "after: " << what;
    std::cout << fmt::format("{}: {} more each after {}\n", what, kWritesDuringFault, absl::FormatDuration(lasted));
  }
  void KillNode(const std::string& what, const std::string& name, MemberWriters* writers) {
    During(
        fmt::format("{} {} killed", what, name), name, writers, [&] { site().Kill(name); }, [&] { return site().Launch(name); });
  }
  void PauseNode(const std::string& what, const std::string& name, MemberWriters* writers) {
    const auto resume = [&] {
      site().Signal(name, SIGCONT);
      return absl::OkStatus();
    };
    During(
        fmt::format("{} {} stands still", what, name), name, writers, [&] { site().Signal(name, SIGSTOP); }, resume);
  }
  void KillEtcd(const std::string& what, int member, MemberWriters* writers) {
    During(
        fmt::format("etcd's {} killed", what), "", writers, [&] { site().etcd().Kill(member); },
        [&] { return site().etcd().StartAgain(member); });
  }
  void PauseEtcd(const std::string& what, int member, MemberWriters* writers) {
    const auto resume = [&] {
      site().etcd().Signal(member, SIGCONT);
      return absl::OkStatus();
    };
    During(
        fmt::format("etcd's {} stands still", what), "", writers, [&] { site().etcd().Signal(member, SIGSTOP); }, resume);
  }
  // Waits for one.
  int EtcdLeader() {
    int leader = -1;
    EXPECT_TRUE(Eventually([&] { return (leader = site().etcd().Leader()) >= 0; }));
    return leader;
  }
};

TEST_F(MemberFaults, WhicheverNodeOrMemberOfEtcdIsKilledOrStandsStillWritesGoOn) {
  constexpr int kRounds = 2;
  ASSERT_NO_FATAL_FAILURE(Start({.etcd_members = 3}));
  MemberWriters writers(&site(), site().members(), "loop");
  writers.AddFor(site().members());
  ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(KillNode("leader", Leader(), &writers));
    ASSERT_NO_FATAL_FAILURE(KillEtcd("leader", EtcdLeader(), &writers));
    ASSERT_NO_FATAL_FAILURE(PauseNode("leader", Leader(), &writers));
    ASSERT_NO_FATAL_FAILURE(PauseEtcd("leader", EtcdLeader(), &writers));
    ASSERT_NO_FATAL_FAILURE(KillNode("follower", Another(Leader()), &writers));
    ASSERT_NO_FATAL_FAILURE(KillEtcd("follower", (EtcdLeader() + 1) % 3, &writers));
    ASSERT_NO_FATAL_FAILURE(PauseNode("follower", Another(Leader()), &writers));
    ASSERT_NO_FATAL_FAILURE(PauseEtcd("follower", (EtcdLeader() + 1) % 3, &writers));
  }
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

// Without a majority of etcd nothing is acknowledged, reads go on, and nothing of what was under way is lost or doubled by it.
TEST_F(MemberFaults, WithoutEtcdsMajorityReadsGoOnAndWritesAreTakenUpAgain) {
  ASSERT_NO_FATAL_FAILURE(Start({.etcd_members = 3}));
  MemberWriters writers(&site(), site().members(), "quorum");
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
    const int kept = round;
    for (int member = 0; member < 3; ++member) {
      if (member != kept) site().etcd().Signal(member, SIGSTOP);
    }
    // What was on its way when they stopped is answered or waits; after a lease nobody leads.
    EXPECT_TRUE(NobodyTakesWrites());
    const size_t before = writers.count();
    for (const std::string& name : site().members()) {
      const auto read = GetCountry(site().Analyst(name), "countries/JP");
      ASSERT_TRUE(Ok(read)) << name;
      EXPECT_EQ(read->display_name(), "Japan");
    }
    EXPECT_EQ(writers.count(), before);
    for (int member = 0; member < 3; ++member) site().etcd().Signal(member, SIGCONT);
  }
  EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

// As an operator brings a new version: one node after the other is stopped and started, and each member of etcd. FAIRLEAD_NODE_BEFORE names
// the program of an older version, as which all of them begin; headquarters goes on as that.
TEST_F(MemberFaults, RestartedOneAfterTheOtherTheSiteGoesOnWriting) {
  const char* before = std::getenv("FAIRLEAD_NODE_BEFORE");
  ASSERT_NO_FATAL_FAILURE(Start({.etcd_members = 3, .node_binary = before == nullptr ? "" : before}));
  site().Upgrade();
  MemberWriters writers(&site(), {}, "rolling");
  writers.AddFor(site().members());
  writers.AddFor(site().members());
  // What other sites have learned from one member is good at another: a watch of theirs goes on, and a token stays good.
  client::Answer answer;
  auto officer = site().Connect("officer/apac/watch", site().members());
  ASSERT_TRUE(Ok(officer));
  const auto first =
      (*officer)->Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement", EngagementAt("apac", "before"), {}, &answer);
  ASSERT_TRUE(Ok(first));
  for (const std::string& name : site().members()) {
    ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
    ASSERT_TRUE(Ok(site().Stop(name)));
    EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault)) << "without " << name;
    ASSERT_TRUE(Ok(site().Launch(name)));
    ASSERT_NO_FATAL_FAILURE(AwaitAll());
  }
  for (int member = 0; member < 3; ++member) {
    site().etcd().Kill(member);
    EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault)) << "without etcd's member " << member;
    ASSERT_TRUE(Ok(site().etcd().StartAgain(member)));
    EXPECT_TRUE(Eventually([&] { return EtcdLeader() >= 0; }));
  }
  for (const std::string& name : site().names()) {
    client::CallOptions call;
    call.token = answer.token;
    const auto read = GetEngagement(site().Analyst(name), first->name(), call);
    ASSERT_TRUE(Ok(read)) << name;
    EXPECT_EQ(read->title(), "before");
  }
  auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  acknowledged->emplace_back(first->name(), first->title());
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

// From several machines back to one: with what a member had, the rest from headquarters, and the same log goes on.
TEST_F(MemberFaults, BackToOneMachineTheSameLogGoesOn) {
  ASSERT_NO_FATAL_FAILURE(Start());
  MemberWriters writers(&site(), site().members(), "several");
  ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
  const auto backup = site().Analyst("b").Call<v1::Backup>("fairlead.v1.NodeService.CreateBackup", v1::CreateBackupRequest());
  ASSERT_TRUE(Ok(backup));
  ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
  auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
  // The machines are gone at once, the one that leads last: nobody takes over, and writes what no peer has.
  const std::string leader = Leader();
  ASSERT_TRUE(Ok(site().WaitForConvergence(2 * kPatience)));
  for (const std::string& name : site().members()) {
    if (name != leader) site().Kill(name);
  }
  site().Kill(leader);
  site().Remove("a");
  site().Remove("c");
  ASSERT_TRUE(Ok(site().Configure("b", /*of_one_machine=*/true)));
  std::filesystem::remove_all(site().folder("b") + "/data");
  const auto restored = site().RunNode("b", {"restore", "--backup", backup->name()});
  ASSERT_TRUE(Ok(restored));
  ASSERT_EQ(restored->exit, framework::Exit()) << restored->output;
  ASSERT_TRUE(Ok(site().Launch("b")));
  // It takes no write before it has its own log again.
  ASSERT_TRUE(Eventually(
      [&] {
        const auto status = site().Status("b");
        return status.ok() && status->writable();
      },
      3 * kPatience));
  MemberWriters alone(&site(), {"b"}, "one");
  EXPECT_TRUE(alone.EachAcknowledges(kWritesDuringFault));
  const auto more = alone.Stop();
  ASSERT_TRUE(Ok(more));
  acknowledged->insert(acknowledged->end(), more->begin(), more->end());
  const auto status = site().Status("b");
  ASSERT_TRUE(Ok(status));
  EXPECT_FALSE(status->has_membership());
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

// With etcd there, nobody else is needed: neither another member's store nor a peer. And it can grow again.
TEST_F(MemberFaults, ASiteWhoseLogOnEtcdIsEndedGoesOnOnOneMachineAndGrowsAgain) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto shrink = [&](int exit, const std::string& says) {
    const auto ended = site().RunNode("b", {"shrink"});
    ASSERT_TRUE(Ok(ended));
    EXPECT_EQ(ended->exit, framework::Exit{exit}) << ended->output;
    EXPECT_THAT(ended->output, HasSubstr(says));
  };
  Acknowledged acknowledged;
  const auto write = [&](const std::vector<std::string>& through, const std::string& what) {
    MemberWriters writers(&site(), through, what);
    EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault)) << what;
    const auto written = writers.Stop();
    ASSERT_TRUE(Ok(written));
    acknowledged.insert(acknowledged.end(), written->begin(), written->end());
  };
  ASSERT_NO_FATAL_FAILURE(write(site().members(), "several"));
  site().Kill("b");
  ASSERT_NO_FATAL_FAILURE(write({"a", "c"}, "without b"));
  ASSERT_NO_FATAL_FAILURE(shrink(4, "every node of the site must be stopped"));
  for (const std::string name : {"hq", "a", "c"}) site().Kill(name);
  ASSERT_NO_FATAL_FAILURE(shrink(0, "site 'apac' is in"));
  ASSERT_NO_FATAL_FAILURE(shrink(4, "is no member's"));
  const auto other = site().RunNode("c", {});
  ASSERT_TRUE(Ok(other));
  EXPECT_EQ(other->exit, framework::Exit{4}) << other->output;
  EXPECT_THAT(other->output, HasSubstr("the site is on the machine of 'b' alone"));
  site().Remove("a");
  site().Remove("c");

  ASSERT_TRUE(Ok(site().Configure("b", /*of_one_machine=*/true)));
  ASSERT_TRUE(Ok(site().Launch("b")));
  ASSERT_NO_FATAL_FAILURE(write({"b"}, "one"));  // headquarters has not been heard
  const auto alone = site().Status("b");
  ASSERT_TRUE(Ok(alone));
  EXPECT_FALSE(alone->has_membership());
  ASSERT_TRUE(Ok(site().Launch("hq")));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));

  ASSERT_TRUE(Ok(site().Stop("b")));
  ASSERT_TRUE(Ok(site().Configure("b")));
  const auto grown = site().RunNode("b", {"grow"});
  ASSERT_TRUE(Ok(grown));
  ASSERT_EQ(grown->exit, framework::Exit()) << grown->output;
  ASSERT_TRUE(Ok(site().Launch("b")));
  ASSERT_NO_FATAL_FAILURE(write({"b"}, "again"));
  const auto again = site().Status("b");
  ASSERT_TRUE(Ok(again));
  EXPECT_TRUE(again->has_membership());
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));
}

// A leader whose clock is set back believes for longer that its lease lasts; one that is set ahead, that it has ended.
TEST_F(MemberFaults, WhateverTheClocksOfItsMembersSayNothingIsLostOrDoubled) {
  // As against this machine's, by which certificates were made just now.
  constexpr absl::Duration kRight = absl::Hours(2);
  storage::ScratchDirectory files;
  std::map<std::string, std::unique_ptr<ShiftedClock>> clocks;
  framework::MemberSiteOptions options{.etcd_members = 3};
  for (const std::string name : {"a", "b", "c", "hq"}) {
    clocks[name] = std::make_unique<ShiftedClock>(files.path() + "/" + name);
    clocks[name]->Set(kRight);
    options.places[name].enter = clocks[name]->command();
  }
  ASSERT_NO_FATAL_FAILURE(Start(std::move(options)));
  MemberWriters writers(&site(), site().members(), "clock");
  writers.AddFor(site().members());
  ASSERT_TRUE(writers.EachAcknowledges(kWritesDuringFault));
  // Ahead by less than others take for the future: entries need not wait.
  for (const absl::Duration wrong_by : {-absl::Hours(1), -absl::Seconds(6), absl::Seconds(4)}) {
    const std::string leader = Leader();
    ASSERT_NE(leader, "");
    clocks[leader]->Set(kRight + wrong_by);
    EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault)) << wrong_by;
    ASSERT_NO_FATAL_FAILURE(PauseNode(fmt::format("leader, its clock off by {},", absl::FormatDuration(wrong_by)), leader, &writers));
    clocks[leader]->Set(kRight);
    EXPECT_TRUE(writers.EachAcknowledges(kWritesDuringFault)) << wrong_by;
  }
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

}  // namespace
}  // namespace fairlead::scenarios
