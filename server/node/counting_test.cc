// What counts and what does not: closed logs, discarded entries. Whatever the order of arrival, all
// replicas agree, and a fold of everything from the beginning gives the same.

#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "api/bytes.h"
#include "api/errors.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/assembly.h"
#include "server/node/clock_watch.h"
#include "server/node/counting_testing.h"
#include "server/records/entry_void.h"

namespace fairlead::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Site = TestNetwork::Site;

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
  const auto reissue = apac.node->ReissuesOf({Dot{log, Seq(1)}});
  ASSERT_TRUE(reissue.ok()) << reissue.status();
  network_.clock().Advance(absl::Hours(24 * 60));  // long after its request id
  auto written = Write(*apac.node, reissue->front());
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->dot, (Dot{network_.log("apac"), Seq(0)}));
  EXPECT_FALSE(written->replayed);
  const RecordState after = **apac.node->GetState(apac.node->store(), "countries/JP");
  EXPECT_EQ(after.fields.at(10).values.begin()->first, before.fields.at(10).values.begin()->first);
  EXPECT_EQ(NameOf(*apac.node, "JP"), "Japan");
  EXPECT_EQ(NameOf(*apac.node, "XX"), "");
  // Once is enough, and what stands needs none.
  EXPECT_TRUE(Write(*apac.node, reissue->front())->replayed);
  EXPECT_EQ(ReasonOf(apac.node->ReissuesOf({Dot{log, Seq(0)}}).status()), "STATE_FORBIDS");
  // Elsewhere too: still one value.
  ASSERT_TRUE(Write(*hq.node, hq.node->ReissuesOf({Dot{log, Seq(1)}})->front()).ok());
  Sync(*hq.node, *apac.node);
  Sync(*apac.node, *hq.node);
  EXPECT_EQ((**apac.node->GetState(apac.node->store(), "countries/JP")).fields.at(10).values.size(), 1u);
  EXPECT_EQ(Digests(*apac.node), Digests(*hq.node));
  CheckWhole(apac);
  CheckWhole(hq);
}

TEST_F(CountingTest, RostersOnlyGoForward) {
  Site apac = network_.Open("apac");
  Site hq = network_.Open("hq");
  ASSERT_TRUE(Name(*apac.node, "KR", "Korea").ok());
  ASSERT_TRUE(Name(*apac.node, "JP", "Japan").ok());
  Sync(*apac.node, *hq.node);
  const Roster first = network_.roster();
  const LogId log = network_.log("apac");
  Digest root = RootOf(*hq.node, log, Seq(1));
  network_.CloseLog("apac", Seq(1), root);
  auto closed = network_.Open("hq", hq.store->Crash(99));
  ASSERT_TRUE(closed.ok()) << closed.status();
  network_.UseRoster(first);
  EXPECT_THAT(std::string(network_.Open("hq", closed->store->Crash(99)).status().message()),
              HasSubstr("the roster is of version 1; this store has seen version 2"));
  // One that takes the closing back.
  network_.logs()[0].closing.reset();
  network_.Sign();
  EXPECT_THAT(std::string(network_.Open("hq", closed->store->Crash(99)).status().message()),
              HasSubstr("does not close log test.example/apac/1/main at 1"));
  // One that closes another history than is held here.
  root[0] ^= 1;
  network_.logs()[0].closing = LogClosing{Seq(1), root};
  network_.Sign();
  EXPECT_THAT(std::string(network_.Open("hq", hq.store->Crash(99)).status().message()),
              HasSubstr("another history of log test.example/apac/1/main"));
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

// --- Rule 13: discarding an entry --------------------------------------------------------------------------------------------------

class VoidTest : public CountingTest {
 protected:
  VoidTest() {
    network_.SetHeadquarters("hq");
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    v1::Port port;
    for (const char* name : {"Yokohama", "Yokohama-ko"}) {
      network_.clock().Advance(absl::Milliseconds(1));
      port.set_display_name(name);
      EXPECT_TRUE(Write(*apac_.node, RequestFor(*apac_.node, kPort, port, {"display_name"}, network_.clock().RequestId())).ok());
    }
  }
  std::string PortAt(const Node& node) {
    auto state = node.GetState(node.store(), kPort);
    if (!state.ok() || !state->has_value()) return "";
    return static_cast<const v1::Port&>(*Materialise(*node.registry().FindByMessage("Port"), kPort, **state)).display_name();
  }
  absl::StatusOr<WriteResult> Discard(Node& node, Dot dot) {
    network_.clock().Advance(absl::Milliseconds(1));
    v1::EntryVoid entry_void;
    entry_void.set_entry("apac/1/" + std::to_string(dot.seq.value()));
    entry_void.set_reason("made by a faulty program");
    return Write(node, RequestFor(node, records::VoidRecord(dot), entry_void, {"entry", "reason"}, network_.clock().RequestId()));
  }

  static constexpr char kPort[] = "ports/JPYOK";
  const Dot dot_{LogId(1), Seq(1)};
  Site apac_;
  Site hq_;
};

TEST_F(VoidTest, AnOpaqueEntryIsDiscardedEverywhere) {
  // hq has an older program than apac, say: it does not understand the entry.
  replication::RemoteBatch batch = Missing(*apac_.node, *hq_.node);
  MakeUnknown(batch, 1);
  ASSERT_TRUE(Apply(*hq_.node, batch).status.ok());
  ASSERT_EQ(hq_.node->OpaqueCount(), 1);
  EXPECT_TRUE(*hq_.node->IsOpaque(dot_));

  ASSERT_TRUE(Discard(*hq_.node, dot_).ok());
  EXPECT_EQ(hq_.node->OpaqueCount(), 0);
  EXPECT_THAT(hq_.node->OpaqueEntries(std::nullopt, 10), IsEmpty());
  EXPECT_EQ(PortAt(*hq_.node), "Yokohama");
  // Where it was understood, it is undone.
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama-ko");
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama");
  EXPECT_EQ(Digests(*apac_.node), Digests(*hq_.node));
  const std::vector<VoidEntry> voids = apac_.node->VoidEntries(std::nullopt, 10);
  ASSERT_THAT(voids, SizeIs(1));
  EXPECT_EQ(voids[0].dot, dot_);
  EXPECT_TRUE(voids[0].discarded);
  CheckWhole(apac_);
  // A restart knows it, and a second discard changes nothing.
  ASSERT_NO_FATAL_FAILURE(Restart("apac", &apac_));
  EXPECT_THAT(apac_.node->VoidEntries(std::nullopt, 10), SizeIs(1));
  ASSERT_TRUE(Discard(*hq_.node, dot_).ok());
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama");
  EXPECT_EQ(Digests(*apac_.node), Digests(*hq_.node));
  CheckWhole(apac_);
}

TEST_F(VoidTest, ItIsTheSameWhicheverComesFirst) {
  ASSERT_TRUE(Discard(*hq_.node, dot_).ok());  // of an entry that hq has not seen
  Site first = network_.Open("eame");
  Sync(*hq_.node, *first.node);
  Sync(*apac_.node, *first.node);
  Site last = network_.Open("eame");
  Sync(*apac_.node, *last.node);
  Sync(*hq_.node, *last.node);
  for (Site* site : {&first, &last}) {
    EXPECT_EQ(PortAt(*site->node), "Yokohama");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    CheckWhole(*site);
  }
  EXPECT_EQ(Digests(*first.node), Digests(*last.node));
  // A payload that was wanted is wanted no more.
  Site lacking = network_.Open("eame");
  replication::RemoteBatch batch = Missing(*apac_.node, *lacking.node);
  batch.entries[1].payload.reset();
  ASSERT_TRUE(Apply(*lacking.node, batch).status.ok());
  EXPECT_THAT(lacking.node->WantedPayloads(std::nullopt, 10), ElementsAre(dot_));
  Sync(*hq_.node, *lacking.node);
  EXPECT_THAT(lacking.node->WantedPayloads(std::nullopt, 10), IsEmpty());
  EXPECT_EQ(lacking.node->OpaqueCount(), 0);
  EXPECT_EQ(Digests(*lacking.node), Digests(*last.node));
}

TEST_F(VoidTest, OnlyHeadquartersDiscards) {
  EXPECT_EQ(ReasonOf(Discard(*apac_.node, dot_).status()), "PERMISSION_DENIED");
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama-ko");
}

TEST_F(VoidTest, AClosingTakesADiscardBack) {
  Sync(*apac_.node, *hq_.node);
  const Digest root = RootOf(*hq_.node, network_.log("hq"), Seq(0));
  ASSERT_TRUE(Discard(*hq_.node, dot_).ok());
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama");
  network_.CloseLog("hq", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart("apac", &apac_));
  EXPECT_EQ(PortAt(*apac_.node), "Yokohama-ko");
  EXPECT_FALSE((*apac_.node->GetState(apac_.node->store(), records::VoidRecord(dot_))).has_value());
  Site fresh = network_.Open("eame");
  Sync(*apac_.node, *fresh.node);
  EXPECT_EQ(Digests(*fresh.node), Digests(*apac_.node));
  CheckWhole(apac_);
}

TEST(EntryVoidTest, OneNameForOneEntry) {
  const Dot dot{LogId(3), Seq(17)};
  EXPECT_EQ(records::VoidRecord(dot), "voids/3-17");
  EXPECT_EQ(records::VoidedBy("voids/3-17"), dot);
  for (const char* other :
       {"voids/03-17", "voids/3-017", "voids/3", "voids/3-", "voids/-17", "voids/3-17-1", "voids/3-17x", "ports/3-17", ""}) {
    EXPECT_EQ(records::VoidedBy(other), std::nullopt) << other;
  }
}

// --- Rule 18: clocks ---------------------------------------------------------------------------------------------------------------

TEST_F(CountingTest, ANodeWhoseClockDisagreesWithMostPeersTakesNoWrites) {
  Site apac = network_.Open("apac");
  const auto hear = [&](const std::string& peer, absl::Duration ahead) {
    apac.node->PeerClock(peer, network_.clock().Now() + ahead, absl::Milliseconds(100));
  };
  hear("hq", absl::Minutes(2));
  EXPECT_TRUE(Name(*apac.node, "JP", "Japan").ok()) << "one peer is no majority";
  hear("eame", absl::Minutes(2));
  EXPECT_THAT(apac.node->UnwritableReason(), HasSubstr("disagrees with 2 of 2 peers: eame 1200"));
  EXPECT_EQ(ReasonOf(Name(*apac.node, "JP", "Nippon").status()), "CLOCK_DISAGREES");
  EXPECT_EQ(NameOf(*apac.node, "JP"), "Japan");
  hear("csa", absl::Seconds(1));
  hear("gulf", absl::ZeroDuration());
  EXPECT_EQ(apac.node->UnwritableReason(), "") << "two of four are not most";
  hear("csa", -absl::Minutes(2));
  EXPECT_THAT(apac.node->ClockDisagreement(), HasSubstr("csa 1199"));
  EXPECT_THAT(apac.node->ClockDisagreement(), HasSubstr("ms behind"));
  for (const char* peer : {"hq", "eame", "csa"}) hear(peer, absl::Milliseconds(30));
  EXPECT_EQ(apac.node->UnwritableReason(), "");
  EXPECT_TRUE(Name(*apac.node, "JP", "Nippon").ok()) << "the clock agrees again";
}

TEST(ClockWatchTest, OldAnswersAndSlowLinksSayNothing) {
  ManualClock clock;
  ClockWatch watch(&clock, absl::Seconds(5));
  for (const char* peer : {"a", "b"}) watch.Heard(peer, clock.Now() + absl::Seconds(2), absl::Seconds(20));
  EXPECT_EQ(watch.Disagreement(), "") << "within half the round trip";
  for (const char* peer : {"a", "b"}) watch.Heard(peer, clock.Now() + absl::Minutes(1), absl::Seconds(1));
  EXPECT_NE(watch.Disagreement(), "");
  clock.Advance(absl::Minutes(2));
  EXPECT_EQ(watch.Disagreement(), "") << "heard too long ago";
}

}  // namespace
}  // namespace fairlead::node
