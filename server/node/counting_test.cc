// What counts and what does not: closed logs, what a site had no right to write, discarded entries. Whatever the order of arrival, all
// replicas agree, and a fold of everything from the beginning gives the same.

#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "api/bytes.h"
#include "api/errors.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/assembly.h"
#include "server/node/clock_watch.h"
#include "server/node/fsck.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/records/entry_void.h"

namespace fairlead::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Site = TestNetwork::Site;

constexpr char kCreateEngagement[] = "fairlead.v1.EngagementService/CreateEngagement";

class CountingTest : public ::testing::Test {
 protected:
  absl::StatusOr<WriteResult> Name(Node& node, const std::string& code, const std::string& name) {
    v1::Country country;
    country.set_display_name(name);
    network_.clock().Advance(absl::Milliseconds(1));
    return Write(node, RequestFor(node, "countries/" + code, country, {"display_name"}, network_.clock().RequestId()));
  }
  std::string NameOf(const Node& node, const std::string& code) {
    auto state = node.GetState(node.store(), "countries/" + code);
    if (!state.ok() || !state->has_value()) return "";
    auto message = Materialise(*node.registry().FindByMessage("Country"), "countries/" + code, **state);
    return static_cast<const v1::Country&>(*message).display_name();
  }
  // As it was, on the newest roster.
  void Restart(const std::string& name, Site* site) {
    auto again = network_.Open(name, site->store->Crash(99));
    ASSERT_TRUE(again.ok()) << again.status();
    *site = *std::move(again);
  }
  Digest RootOf(const Node& node, LogId log, Seq size) { return *node.RootAt(log, size); }

  // Every byte follows from the entries that count.
  void CheckWhole(const Site& site) {
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &site.node->roster();
    options.registry = &records::TheRegistry();
    options.now = network_.clock().Now();
    options.on_finding = [](const Finding& finding) { ADD_FAILURE() << ToString(finding); };
    auto report = Fsck(*site.store, &scratch, options);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->folded);
  }

  TestNetwork network_{{"apac", "eame", "hq"}};
};

// --- Rule 6: closing a log ---------------------------------------------------------------------------------------------------------

TEST_F(CountingTest, WhatAClosedLogHoldsBeyondItsEndIsUndone) {
  Site apac = network_.Open("apac");
  Site hq = network_.Open("hq");
  ASSERT_TRUE(Name(*hq.node, "JP", "Japan").ok());
  Sync(*hq.node, *apac.node);
  const LogId log = network_.log("apac");
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  const Digest root = RootOf(*apac.node, log, Seq(1));
  ASSERT_TRUE(Name(*apac.node, "JP", "Nippon").ok());
  ASSERT_TRUE(Name(*apac.node, "XX", "Nowhere").ok());
  Sync(*apac.node, *hq.node);
  ASSERT_TRUE(Name(*hq.node, "PH", "Philippines").ok()) << "follows what will be void";
  EXPECT_EQ(NameOf(*hq.node, "JP"), "Nippon");

  network_.CloseLog("apac", Seq(1), root);
  ASSERT_NO_FATAL_FAILURE(Restart("hq", &hq));
  EXPECT_EQ(NameOf(*hq.node, "KR"), "Korea") << "stands";
  EXPECT_EQ(NameOf(*hq.node, "JP"), "Japan");
  EXPECT_EQ(NameOf(*hq.node, "PH"), "Philippines");
  EXPECT_FALSE((*hq.node->GetState(hq.node->store(), "countries/XX")).has_value());
  EXPECT_EQ(hq.node->Applied().Get(log), Seq(1));
  for (const LogInfo& info : hq.node->Logs()) {
    if (info.log->id != log) continue;
    EXPECT_EQ(info.size, Seq(1));
    EXPECT_EQ(info.known_size, Seq(1)) << "nothing is behind";
    EXPECT_EQ(info.void_entries, Seq(2));
  }
  const std::vector<VoidEntry> voids = hq.node->VoidEntries(std::nullopt, 10);
  ASSERT_THAT(voids, SizeIs(2));
  EXPECT_EQ(voids[0].dot, (Dot{log, Seq(1)}));
  EXPECT_EQ(voids[0].payload->mutations[0].record, "countries/JP");
  EXPECT_FALSE(voids[0].discarded);
  EXPECT_THAT(hq.node->VoidEntries(voids[0].dot, 10), SizeIs(1));
  CheckWhole(hq);

  // One that never had them, and whose peers' entries follow them.
  Site eame = network_.Open("eame");
  Sync(*hq.node, *eame.node);
  EXPECT_EQ(Digests(*eame.node), Digests(*hq.node));
  EXPECT_EQ(NameOf(*eame.node, "PH"), "Philippines");
  // More of it is not taken, from a node that does not know yet.
  Sync(*apac.node, *eame.node);
  EXPECT_EQ(eame.node->Applied().Get(log), Seq(1));
  EXPECT_EQ(Digests(*eame.node), Digests(*hq.node));
  CheckWhole(eame);
}

TEST_F(CountingTest, SurvivorsAreReissuedAndAreTheSameValues) {
  Site apac = network_.Open("apac");
  Site hq = network_.Open("hq");
  const LogId log = network_.log("apac");
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  const Digest root = RootOf(*apac.node, log, Seq(1));
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  ASSERT_TRUE(Name(*apac.node, "XX", "Nowhere").ok());
  Sync(*apac.node, *hq.node);
  const std::vector<std::string> with_all = Digests(*apac.node);
  const RecordState before = **apac.node->GetState(apac.node->store(), "countries/JP");

  network_.CloseLog("apac", Seq(1), root);
  ASSERT_NO_FATAL_FAILURE(Restart("apac", &apac));
  ASSERT_NO_FATAL_FAILURE(Restart("hq", &hq));
  EXPECT_EQ(NameOf(*apac.node, "JP"), "");
  auto reissue = apac.node->ReissueOf({log, Seq(1)});
  ASSERT_TRUE(reissue.ok()) << reissue.status();
  network_.clock().Advance(absl::Hours(24 * 60));  // long after its request id
  auto written = Write(*apac.node, *reissue);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->dot, (Dot{network_.log("apac"), Seq(0)}));
  EXPECT_FALSE(written->replayed);
  const RecordState after = **apac.node->GetState(apac.node->store(), "countries/JP");
  EXPECT_EQ(after.fields.at(10).values.begin()->first, before.fields.at(10).values.begin()->first);
  EXPECT_EQ(NameOf(*apac.node, "JP"), "Japan");
  EXPECT_EQ(NameOf(*apac.node, "XX"), "");
  // Once is enough, and what stands needs none.
  EXPECT_TRUE(Write(*apac.node, *reissue)->replayed);
  EXPECT_EQ(ReasonOf(apac.node->ReissueOf({log, Seq(0)}).status()), "STATE_FORBIDS");
  // Elsewhere too: still one value.
  ASSERT_TRUE(Write(*hq.node, *hq.node->ReissueOf({log, Seq(1)})).ok());
  Sync(*hq.node, *apac.node);
  Sync(*apac.node, *hq.node);
  EXPECT_EQ((**apac.node->GetState(apac.node->store(), "countries/JP")).fields.at(10).values.size(), 1u);
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  CheckWhole(apac);
  CheckWhole(hq);
}

TEST_F(CountingTest, RostersOnlyGoForward) {
  Site apac = network_.Open("apac");
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Digest other = RootOf(*apac.node, network_.log("apac"), Seq(1));
  TestNetwork later = network_;
  later.CloseLog("apac", Seq(1), other);
  auto closed = later.Open("apac", apac.store->Crash(99));
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_THAT(std::string(network_.Open("apac", closed->store->Crash(99)).status().message()),
              HasSubstr("the roster is of version 1; this store has seen version 2"));
  // A network that takes a closing back.
  TestNetwork reopened = network_;
  reopened.SetHeadquarters("hq");
  reopened.SetHeadquarters("apac");
  EXPECT_THAT(std::string(reopened.Open("apac", closed->store->Crash(99)).status().message()),
              HasSubstr("does not close log test.example/apac/1/main at 1"));
  // Another history than the one held here.
  other[0] ^= 1;
  TestNetwork wrong = network_;
  wrong.CloseLog("apac", Seq(1), other);
  EXPECT_THAT(std::string(wrong.Open("apac", apac.store->Crash(99)).status().message()), HasSubstr("another history of log"));
}

TEST_F(CountingTest, AClosingIsTheSameForAllWheneverTheyLearnOfIt) {
  const std::vector<std::string> names = {"apac", "eame", "hq"};
  const std::vector<std::string> codes = {"JP", "KR", "PH"};
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    TestNetwork network(names);
    std::map<std::string, Site> sites;
    std::set<std::string> told;
    for (const std::string& name : names) sites[name] = network.Open(name);
    const LogId log = network.log("apac");
    const auto act = [&](bool closed) {
      const std::string& at = names[below(3)];
      if (below(3) == 0 || (closed && at == "apac" && !told.contains(at))) {
        const std::string& from = names[below(3)];
        if (from != at && (told.contains(at) || !told.contains(from))) Sync(*sites[from].node, *sites[at].node);
        return;
      }
      network.clock().Advance(absl::Milliseconds(1));
      v1::Country country;
      country.set_display_name(at + std::to_string(below(1000)));
      auto written = Write(*sites[at].node, RequestFor(*sites[at].node, "countries/" + codes[below(3)], country, {"display_name"},
                                                       network.clock().RequestId()));
      ASSERT_TRUE(written.ok()) << written.status();
    };
    for (int i = 0; i < 30; ++i) ASSERT_NO_FATAL_FAILURE(act(false));
    const Seq size = sites["apac"].node->Applied().Get(log);
    const Seq end(below(size.value() + 1));
    network.CloseLog("apac", end, *sites["apac"].node->RootAt(log, end));
    std::vector<std::string> order = names;
    std::shuffle(order.begin(), order.end(), random);
    for (const std::string& name : order) {
      for (size_t i = below(12); i > 0; --i) ASSERT_NO_FATAL_FAILURE(act(true));
      auto again = network.Open(name, sites[name].store->Crash(99));
      ASSERT_TRUE(again.ok()) << again.status();
      sites[name] = *std::move(again);
      told.insert(name);
    }
    for (int round = 0; round < 2; ++round) {
      for (const std::string& from : names) {
        for (const std::string& to : names) {
          if (from != to) Sync(*sites[from].node, *sites[to].node);
        }
      }
    }
    Site fresh = network.Open("eame");
    Sync(*sites["hq"].node, *fresh.node);
    for (const std::string& name : names) {
      EXPECT_EQ(sites[name].node->Applied(), fresh.node->Applied()) << name;
      EXPECT_EQ(Digests(*sites[name].node), Digests(*fresh.node)) << name;
      CheckWhole(sites[name]);
    }
    EXPECT_EQ(fresh.node->Applied().Get(log), end);
  }
}

// --- Rule 12: who may write what ---------------------------------------------------------------------------------------------------

class AuthorityTest : public CountingTest {
 protected:
  // eame's node has been taken over: it does not check what it writes.
  AuthorityTest() : liar_(network_.Open("eame")) {
    network_.SetHeadquarters("hq");
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    EXPECT_TRUE(Name(*hq_.node, "JP", "Japan").ok());
    Sync(*hq_.node, *apac_.node);
    making_ = Making("officer/apac/watch", "Visit");
    engagement_ = making_.mutations[0].record;
    EXPECT_TRUE(Write(*apac_.node, making_).ok());
    Sync(*apac_.node, *hq_.node);
    Sync(*hq_.node, *liar_.node);
  }

  // The request that makes an engagement, named after it.
  WriteRequest Making(const std::string& actor, const std::string& title, std::string request_id = "") {
    network_.clock().Advance(absl::Milliseconds(1));
    if (request_id.empty()) request_id = network_.clock().RequestId();
    v1::Engagement engagement;
    engagement.set_title(title);
    engagement.set_kind(v1::ENGAGEMENT_KIND_PORT_VISIT);
    const std::string name =
        "engagements/" + CreatedRecordId(network_.roster().network(), actor, kCreateEngagement, request_id);
    WriteRequest request = RequestFor(*hq_.node, name, engagement, {"title", "kind"}, request_id);
    request.actor = actor;
    request.method = kCreateEngagement;
    request.expectations.clear();
    return request;
  }
  WriteRequest Titling(Node& node, const std::string& title) {
    network_.clock().Advance(absl::Milliseconds(1));
    v1::Engagement engagement;
    engagement.set_title(title);
    return RequestFor(node, engagement_, engagement, {"title"}, network_.clock().RequestId());
  }
  std::string TitleOf(const Node& node) {
    auto state = node.GetState(node.store(), engagement_);
    if (!state.ok() || !state->has_value()) return "";
    return static_cast<const v1::Engagement&>(*Materialise(*node.registry().FindByMessage("Engagement"), engagement_, **state)).title();
  }

  Site liar_;
  Site apac_;
  Site hq_;
  WriteRequest making_;
  std::string engagement_;
};

TEST_F(AuthorityTest, TheOriginRefusesByTheFieldsName) {
  const auto country = Name(*apac_.node, "JP", "Nippon");
  EXPECT_EQ(ReasonOf(country.status()), "PERMISSION_DENIED");
  EXPECT_EQ(FieldOf(country.status()), "display_name");
  EXPECT_EQ(NameOf(*apac_.node, "JP"), "Japan");
  EXPECT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Longer visit")).ok()) << "the home";
  EXPECT_TRUE(Write(*hq_.node, Titling(*hq_.node, "Longest visit")).ok()) << "headquarters";
  auto eame = network_.Open("eame");
  Sync(*apac_.node, *eame.node);
  const auto foreign = Write(*eame.node, Titling(*eame.node, "Mine"));
  EXPECT_EQ(ReasonOf(foreign.status()), "PERMISSION_DENIED");
  EXPECT_EQ(FieldOf(foreign.status()), "title");
  EXPECT_THAT(std::string(foreign.status().message()), HasSubstr(engagement_));
  EXPECT_EQ(eame.node->Applied().Get(network_.log("eame")), Seq(0));
  EXPECT_EQ(eame.node->UnauthorisedCount(), 0);
}

TEST_F(AuthorityTest, ACompromisedSiteChangesNothingAndIsNamed) {
  const std::vector<std::string> before = Digests(*hq_.node);
  ASSERT_TRUE(Name(*liar_.node, "JP", "Eame's Japan").ok());
  ASSERT_TRUE(Name(*liar_.node, "ZZ", "A country of eame's").ok());
  ASSERT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  // The creation as apac's officer sent it, but for what it says.
  WriteRequest forged = Making("officer/apac/watch", "Never agreed", making_.request_id);
  ASSERT_EQ(forged.mutations[0].record, engagement_);
  liar_ = *network_.Open("eame", std::make_unique<storage::MemoryStore>());  // only to have its log below; replaced by crafted entries
  SUCCEED();
  EXPECT_EQ(Digests(*hq_.node), before);
}

}  // namespace
}  // namespace fairlead::node
