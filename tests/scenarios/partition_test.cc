// Networks that fall apart in every way while all sites write: who can be reached, over however many others, is told; who cannot be is
// told once it can.

#include <fmt/format.h>

#include <functional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

// A link that was cut for long is dialled again up to this much later, and then there is something to catch up with.
constexpr absl::Duration kDialPatience = absl::Seconds(90);

// (receiver, peer): `receiver` dials and hears `peer`.
using Link = std::pair<std::string, std::string>;
using Links = std::set<Link>;

struct Shape {
  std::string name;
  Links open;
};

Links BothWays(const std::vector<Link>& pairs) {
  Links links;
  for (const auto& [a, b] : pairs) {
    links.insert({a, b});
    links.insert({b, a});
  }
  return links;
}

std::vector<Shape> Shapes() {
  const Links all = BothWays({{"apac", "eame"}, {"apac", "csa"}, {"apac", "hq"}, {"eame", "csa"}, {"eame", "hq"}, {"csa", "hq"}});
  Links apac_is_not_heard = all;
  Links hq_is_deaf = all;
  for (const Link& link : all) {
    if (link.second == "apac") apac_is_not_heard.erase(link);
    if (link.first == "hq") hq_is_deaf.erase(link);
  }
  return {
      {"apac alone", BothWays({{"eame", "csa"}, {"eame", "hq"}, {"csa", "hq"}})},
      {"hq alone", BothWays({{"apac", "eame"}, {"apac", "csa"}, {"eame", "csa"}})},
      {"two halves", BothWays({{"apac", "eame"}, {"csa", "hq"}})},
      {"only via hq", BothWays({{"apac", "hq"}, {"eame", "hq"}, {"csa", "hq"}})},
      {"only via csa", BothWays({{"apac", "csa"}, {"eame", "csa"}, {"hq", "csa"}})},
      {"a line", BothWays({{"apac", "eame"}, {"eame", "csa"}, {"csa", "hq"}})},
      {"a ring", BothWays({{"apac", "eame"}, {"eame", "csa"}, {"csa", "hq"}, {"hq", "apac"}})},
      {"a ring in one direction", {{"eame", "apac"}, {"csa", "eame"}, {"hq", "csa"}, {"apac", "hq"}}},
      {"apac hears and is not heard", apac_is_not_heard},
      {"hq is heard and does not hear", hq_is_deaf},
      {"each alone", {}},
  };
}

// Who gets what `origin` writes.
std::set<std::string> ReachedFrom(const std::string& origin, const Links& open) {
  std::set<std::string> reached = {origin};
  for (bool more = true; more;) {
    more = false;
    for (const auto& [receiver, peer] : open) more |= reached.contains(peer) && reached.insert(receiver).second;
  }
  return reached;
}

class Partition : public Scenario {
 protected:
  void SetOpen(const Links& open) {
    ForEachLink([&](const std::string& receiver, const std::string& peer) {
      cluster().SetLink(receiver, peer, open.contains({receiver, peer}) ? LinkState::kOpen : LinkState::kCut);
    });
  }
  void ForEachLink(const std::function<void(const std::string& receiver, const std::string& peer)>& visit) {
    for (const std::string& receiver : cluster().sites()) {
      for (const std::string& peer : cluster().sites()) {
        if (peer != receiver) visit(receiver, peer);
      }
    }
  }
  void OpenAll() {
    ForEachLink([&](const std::string& receiver, const std::string& peer) { cluster().SetLink(receiver, peer, LinkState::kOpen); });
  }
  bool Has(const std::string& site, const std::string& name) { return GetEngagement(cluster().Officer(site), name, AtSite(site)).ok(); }
  void ExpectHealed(WritersEverywhere* writers, Acknowledged others = {}) {
    auto acknowledged = writers->Stop();
    ASSERT_TRUE(Ok(acknowledged));
    acknowledged->insert(acknowledged->end(), others.begin(), others.end());
    ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, kDialPatience)));
    ExpectEachOnceEverywhere(*acknowledged);
  }
};

TEST_F(Partition, InEveryShapeAllWriteAndTheReachableAreTold) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Acknowledged acknowledged;
  // On from shape to shape: who is cut off while it catches up passes on what it got in part, and what follows that.
  WritersEverywhere writers(&cluster(), 1);
  for (const Shape& shape : Shapes()) {
    SCOPED_TRACE(shape.name);
    SetOpen(shape.open);
    ASSERT_TRUE(writers.EachAcknowledges(3));
    std::map<std::string, std::string> written;  // by site
    for (const std::string& site : cluster().sites()) {
      const auto created = Create(cluster().Officer(site), EngagementAt(site, fmt::format("{}: of {}", shape.name, site)), AtSite(site));
      ASSERT_TRUE(Ok(created));
      written[site] = created->name();
      acknowledged.emplace_back(created->name(), created->title());
    }
    for (const auto& [origin, name] : written) {
      for (const std::string& site : ReachedFrom(origin, shape.open)) {
        ASSERT_TRUE(Eventually([&, &name = name] { return Has(site, name); }, kDialPatience)) << origin << " to " << site;
      }
    }
    for (const auto& [origin, name] : written) {
      const std::set<std::string> reached = ReachedFrom(origin, shape.open);
      for (const std::string& site : cluster().sites()) EXPECT_EQ(Has(site, name), reached.contains(site)) << origin << " to " << site;
    }
  }
  OpenAll();
  ASSERT_NO_FATAL_FAILURE(ExpectHealed(&writers, acknowledged));
}

TEST_F(Partition, ShapesThatChangeFasterThanAnyoneCatchesUp) {
  constexpr int kChanges = 40;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  WritersEverywhere writers(&cluster(), 1);
  std::minstd_rand random(1);
  for (int i = 0; i < kChanges; ++i) {
    ForEachLink([&](const std::string& receiver, const std::string& peer) {
      constexpr LinkState kStates[] = {LinkState::kOpen, LinkState::kOpen, LinkState::kCut, LinkState::kStalled, LinkState::kOneWay};
      cluster().SetLink(receiver, peer, kStates[random() % std::size(kStates)]);
    });
    ASSERT_TRUE(writers.EachAcknowledges(4));
  }
  OpenAll();
  ASSERT_NO_FATAL_FAILURE(ExpectHealed(&writers));
}

TEST_F(Partition, ALinkThatCarriesOneWayOnlyIsNoticedAndGoneAround) {
  constexpr absl::Duration kStallBound = absl::Seconds(15);  // replication's stall timeout of 10 s, and time to see it
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto link = [&] { return LinkOf("hq", "apac"); };
  ASSERT_TRUE(Eventually([&] { return link().connected(); }));
  WritersEverywhere writers(&cluster(), 1);
  // What hq says reaches apac; what apac says does not reach hq.
  cluster().SetLink("hq", "apac", LinkState::kOneWay);
  EXPECT_TRUE(Eventually([&] { return !link().connected() && !link().last_error().empty(); }, kStallBound)) << link().DebugString();
  const auto created = Create(cluster().Officer("apac"), EngagementAt("apac", "Around"), AtSite("apac"));
  ASSERT_TRUE(Ok(created));
  EXPECT_TRUE(Eventually([&] { return Has("hq", created->name()); }));
  EXPECT_FALSE(link().connected());
  cluster().SetLink("hq", "apac", LinkState::kOpen);
  EXPECT_TRUE(Eventually([&] { return link().connected(); }, kDialPatience));
  ASSERT_NO_FATAL_FAILURE(ExpectHealed(&writers, {{created->name(), created->title()}}));
}

TEST_F(Partition, LatencyJitterAndConnectionsThatBreakLoseNothing) {
  constexpr int kBreaks = 40;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  std::vector<Link> links;
  ForEachLink([&](const std::string& receiver, const std::string& peer) {
    links.emplace_back(receiver, peer);
    cluster().SetDelay(receiver, peer, absl::Milliseconds(80), absl::Milliseconds(60));
  });
  cluster().SetRate("csa", "hq", 20'000);
  cluster().SetRate("hq", "csa", 20'000);
  WritersEverywhere writers(&cluster(), 1);
  std::minstd_rand random(2);
  for (int i = 0; i < kBreaks; ++i) {
    const auto& [receiver, peer] = links[random() % links.size()];
    cluster().ResetConnections(receiver, peer);
    ASSERT_TRUE(writers.EachAcknowledges(5));
  }
  // It heals while the links are as slow as before.
  ASSERT_NO_FATAL_FAILURE(ExpectHealed(&writers));
}

}  // namespace
}  // namespace fairlead::scenarios
