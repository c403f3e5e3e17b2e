// A site of three machines, each with a node and a member of etcd, and headquarters on a fourth: parted in every way, in network namespaces
// of this program's own, what was acknowledged is everywhere, once.
//
// Needs root, ip and nft (tests/framework/machines.h).

#include <fmt/format.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/framework/machines.h"
#include "tests/scenarios/member_scenario.h"

namespace fairlead::scenarios {
namespace {

using framework::Machines;

constexpr size_t kWrites = 10;

class MemberPartition : public MemberScenario {
 protected:
  void SetUp() override {
    if (!framework::WhyNoOwnNetwork().empty()) GTEST_SKIP() << "needs network namespaces: " << framework::WhyNoOwnNetwork();
    MemberScenario::SetUp();
    if (IsSkipped()) return;
    auto machines = Machines::Make({"a", "b", "c", "hq"});
    if (!machines.ok()) GTEST_SKIP() << "needs network namespaces: " << machines.status();
    machines_ = *std::move(machines);
    framework::MemberSiteOptions options{.etcd_members = 3};
    for (const std::string name : {"a", "b", "c", "hq"}) options.places[name] = machines_->place(name);
    ASSERT_NO_FATAL_FAILURE(Start(std::move(options)));
  }
  Machines& machines() { return *machines_; }
  // The two of the site's that are not this one.
  std::vector<std::string> Rest(const std::string& name) {
    std::vector<std::string> out = site().members();
    std::erase(out, name);
    return out;
  }
  // While the network is so, those through `able` are acknowledged more; when it is whole again, all are.
  void During(const std::string& what, MemberWriters* writers, const std::vector<std::string>& able,
              const std::function<absl::Status()>& part) {
    ASSERT_TRUE(Ok(part())) << what;
    EXPECT_TRUE(writers->EachAcknowledges(kWrites, able)) << what;
    ASSERT_TRUE(Ok(machines().Heal())) << what;
    ASSERT_NO_FATAL_FAILURE(AwaitAll());
    EXPECT_TRUE(writers->EachAcknowledges(1)) << "after: " << what;
    std::cout << what << ": those of the greater part wrote on\n";
  }

 private:
  std::unique_ptr<Machines> machines_;  // outlives what runs there
};

TEST_F(MemberPartition, HoweverItsMachinesArePartedWhatWasAcknowledgedIsEverywhereOnce) {
  MemberWriters writers(&site(), site().members(), "parted");
  ASSERT_TRUE(writers.EachAcknowledges(kWrites));
  const auto leader_alone = [&](const std::string& leader, const std::function<absl::Status(const std::string&)>& cut) {
    absl::Status status;
    for (const std::string& other : Rest(leader)) status.Update(cut(other));
    return status;
  };
  // Its officers still ask the leader that is alone, and headquarters may: neither is told of a write that is not to be.
  std::string leader = Leader();
  ASSERT_NO_FATAL_FAILURE(During(fmt::format("leader {} alone", leader), &writers, Rest(leader), [&] {
    return leader_alone(leader, [&](const std::string& other) { return machines().Part(leader, other); });
  }));
  leader = Leader();
  ASSERT_NO_FATAL_FAILURE(During(fmt::format("leader {} hears nobody", leader), &writers, Rest(leader), [&] {
    return leader_alone(leader, [&](const std::string& other) { return machines().Cut(other, leader); });
  }));
  leader = Leader();
  ASSERT_NO_FATAL_FAILURE(During(fmt::format("leader {} is not heard", leader), &writers, Rest(leader), [&] {
    return leader_alone(leader, [&](const std::string& other) { return machines().Cut(leader, other); });
  }));
  leader = Leader();
  const std::string follower = Another(leader);
  ASSERT_NO_FATAL_FAILURE(During(fmt::format("follower {} alone", follower), &writers, Rest(follower), [&] {
    absl::Status status;
    for (const std::string& other : Rest(follower)) status.Update(machines().Part(follower, other));
    return status;
  }));
  // A line: two that do not reach each other, and one between them that reaches both.
  for (const std::string& middle : site().members()) {
    const std::vector<std::string> ends = Rest(middle);
    ASSERT_NO_FATAL_FAILURE(
        During(fmt::format("a line with {} in the middle", middle), &writers, {middle}, [&] { return machines().Part(ends[0], ends[1]); }));
  }
  // Everyone alone: nobody of the site can be acknowledged anything.
  ASSERT_TRUE(Ok(machines().Part("a", "b")));
  ASSERT_TRUE(Ok(machines().Part("a", "c")));
  ASSERT_TRUE(Ok(machines().Part("b", "c")));
  EXPECT_TRUE(NobodyTakesWrites());
  const size_t before = writers.count();
  ASSERT_TRUE(Ok(GetCountry(site().Analyst("a"), "countries/JP")));
  EXPECT_EQ(writers.count(), before);
  ASSERT_TRUE(Ok(machines().Heal()));
  ASSERT_NO_FATAL_FAILURE(AwaitAll());
  // From headquarters, each in turn, the leader last.
  leader = Leader();
  std::vector<std::string> order = Rest(leader);
  order.push_back(leader);
  for (const std::string& name : order) {
    ASSERT_NO_FATAL_FAILURE(
        During(fmt::format("{} cut off from headquarters", name), &writers, site().members(), [&] { return machines().Part(name, "hq"); }));
  }
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(*acknowledged));
}

}  // namespace
}  // namespace fairlead::scenarios
