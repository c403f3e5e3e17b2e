// Erasures where entries do not count: beyond a closing, discarded, or without the right to. Whatever the order of arrival, all replicas
// agree, and a fold of everything from the beginning gives the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/assembly.h"
#include "server/node/erasures.h"
#include "server/node/fsck.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/records/entry_void.h"

namespace fairlead::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Site = TestNetwork::Site;

constexpr char kCreateEngagement[] = "fairlead.v1.EngagementService/CreateEngagement";
constexpr char kJapan[] = "countries/JP";

absl::StatusOr<WriteResult> NameCountry(TestNetwork& network, Node& node, const std::string& code, const std::string& name) {
  v1::Country country;
  country.set_display_name(name);
  network.clock().Advance(absl::Milliseconds(1));
  return Write(node, RequestFor(node, "countries/" + code, country, {"display_name"}, network.clock().RequestId()));
}

std::string CountryAt(const Node& node, const std::string& name = kJapan) {
  auto state = node.GetState(node.store(), name);
  if (!state.ok() || !state->has_value()) return "nothing";
  return static_cast<const v1::Country&>(*Materialise(*node.registry().FindByMessage("Country"), name, **state)).display_name();
}

// What erases the entry, as `holder` holds it.
WriteRequest Erasing(TestNetwork& network, const Node& holder, Dot entry) {
  network.clock().Advance(absl::Milliseconds(1));
  WriteRequest request;
  request.actor = "hq/records/clerk";
  request.request_id = network.clock().RequestId();
  request.method = "fairlead.v1.RecordService/EraseRevision";
  const auto bytes = holder.ReadPayload(entry);
  if (!bytes.ok() || !bytes->has_value()) {
    ADD_FAILURE() << "nothing to erase";
    return request;
  }
  request.mutations = MutationsOf(ErasureOf(network.roster(), *DecodePayload(**bytes), entry, "not to be kept", "ruling 7"));
  return request;
}

absl::StatusOr<WriteResult> Discard(TestNetwork& network, Node& node, Dot dot) {
  network.clock().Advance(absl::Milliseconds(1));
  v1::EntryVoid entry_void;
  entry_void.set_entry("apac/1/" + std::to_string(dot.seq.value()));
  entry_void.set_reason("made by a faulty program");
  return Write(node, RequestFor(node, records::VoidRecord(dot), entry_void, {"entry", "reason"}, network.clock().RequestId()));
}

// The site as it was, on the newest roster.
void Restart(const TestNetwork& network, const std::string& name, Site* site) {
  auto again = network.Open(name, site->store->Crash(99));
  ASSERT_TRUE(again.ok()) << again.status();
  *site = *std::move(again);
}

// Every byte follows from the entries that count.
void CheckWhole(TestNetwork& network, const Site& site) {
  storage::MemoryStore scratch;
  FsckOptions options;
  options.roster = &site.node->roster();
  options.registry = &site.node->registry();
  options.now = network.clock().Now();
  options.on_finding = [](const Finding& finding) { ADD_FAILURE() << ToString(finding); };
  const auto report = Fsck(*site.store, &scratch, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->folded);
}

// Gives `to` what payloads it wants and `from` has.
void GiveWanted(const Node& from, Node& to) {
  for (const Dot& dot : to.WantedPayloads(std::nullopt, 100)) {
    auto payload = from.ReadPayload(dot);
    if (payload.ok() && payload->has_value()) {
      EXPECT_TRUE(to.TakePayload(dot, **payload).ok());
    }
  }
  RunNode(to);
}

class ErasedCountingTest : public ::testing::Test {
 protected:
  ErasedCountingTest() {
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    EXPECT_TRUE(NameCountry(network_, *apac_.node, "JP", "first").ok());
    EXPECT_TRUE(NameCountry(network_, *apac_.node, "JP", "SECRET").ok());
    Sync(*apac_.node, *hq_.node);
  }
  Digest RootOf(const Site& site, const std::string& log, Seq size) { return *site.node->RootAt(network_.log(log), size); }

  TestNetwork network_{{"apac", "eame", "hq", "csa"}};
  Site apac_;
  Site hq_;
  const Dot secret_{LogId(1), Seq(1)};
};

// --- Closed logs -------------------------------------------------------------------------------------------------------------------

TEST_F(ErasedCountingTest, AnErasureBeyondAClosingIsTakenBack) {
  Site eame = network_.Open("eame");
  Sync(*apac_.node, *eame.node);  // has the payload, and will not hear of the erasure
  const Digest root = RootOf(hq_, "hq", Seq(0));
  const auto erasure = Write(*hq_.node, Erasing(network_, *hq_.node, secret_));
  ASSERT_TRUE(erasure.ok()) << erasure.status();
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(CountryAt(*apac_.node), "");

  network_.CloseLog("hq", Seq(0), root);
  for (auto [name, site] : {std::pair("apac", &apac_), std::pair("hq", &hq_), std::pair("eame", &eame)}) {
    ASSERT_NO_FATAL_FAILURE(Restart(network_, name, site));
  }
  for (const Site* site : {&apac_, &hq_}) {
    EXPECT_FALSE(*site->node->Erased(secret_));
    EXPECT_EQ(site->node->Erasures(), VersionVector());
    EXPECT_THAT(site->node->MaybeErased(), IsEmpty());
    EXPECT_THAT(site->node->WantedPayloads(std::nullopt, 10), ElementsAre(secret_));
    EXPECT_EQ(site->node->OpaqueCount(), 1);
    EXPECT_EQ(CountryAt(*site->node), "first") << "until the payload comes";
    CheckWhole(network_, *site);
    site->node->PeerErasures(SiteId(3), [&] {
      VersionVector told;
      told.Set(erasure->dot.log, Seq(1));
      return told;
    }());
    EXPECT_THAT(site->node->MaybeErased(), IsEmpty()) << "of a peer that does not know the roster yet";
  }
  GiveWanted(*eame.node, *apac_.node);
  GiveWanted(*eame.node, *hq_.node);
  for (const Site* site : {&apac_, &hq_}) {
    EXPECT_EQ(CountryAt(*site->node), "SECRET");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(Digests(*site->node), Digests(*eame.node));
    CheckWhole(network_, *site);
  }
  // Written anew, it erases.
  const auto again = hq_.node->ReissuesOf({erasure->dot});
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(Write(*hq_.node, again->front()).ok());
  Site csa = network_.Open("csa");
  for (Site* site : {&apac_, &eame, &csa}) {
    Sync(*hq_.node, *site->node);
    EXPECT_EQ(CountryAt(*site->node), "");
    EXPECT_FALSE((*site->node->ReadPayload(secret_)).has_value());
    EXPECT_EQ(Digests(*site->node), Digests(*hq_.node));
    CheckWhole(network_, *site);
  }
}

TEST_F(ErasedCountingTest, OfTwoErasuresTheOneThatCountsHolds) {
  const Digest root = RootOf(hq_, "hq", Seq(0));
  const WriteRequest by_apac = Erasing(network_, *apac_.node, secret_);
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, secret_)).ok());
  ASSERT_TRUE(Write(*apac_.node, by_apac).ok());
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(ErasuresOf(*apac_.store, secret_)->size(), 2u);
  network_.CloseLog("hq", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart(network_, "apac", &apac_));
  EXPECT_THAT(*ErasuresOf(*apac_.store, secret_), ElementsAre(Dot{LogId(1), Seq(2)}));
  EXPECT_EQ(apac_.node->OpaqueCount(), 0);
  EXPECT_EQ(CountryAt(*apac_.node), "");
  CheckWhole(network_, apac_);
}

TEST_F(ErasedCountingTest, AnErasedEntryBeyondAClosingIsVoid) {
  const Digest root = RootOf(apac_, "apac", Seq(1));
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, secret_)).ok());
  Sync(*hq_.node, *apac_.node);
  Site late = network_.Open("eame");  // learns of the closing before the erasure, and holds the entry
  replication::RemoteBatch batch = Missing(*apac_.node, *late.node);
  std::erase_if(batch.entries, [](const auto& entry) { return entry.dot.log != LogId(1); });
  batch.checkpoints.clear();
  ASSERT_TRUE(Apply(*late.node, std::move(batch)).status.ok());
  network_.CloseLog("apac", Seq(1), root);
  for (auto [name, site] : {std::pair("apac", &apac_), std::pair("hq", &hq_), std::pair("eame", &late)}) {
    ASSERT_NO_FATAL_FAILURE(Restart(network_, name, site));
  }
  Site fresh = network_.Open("csa");
  Sync(*hq_.node, *late.node);
  Sync(*hq_.node, *fresh.node);
  for (const Site* site : {&apac_, &hq_, &late, &fresh}) {
    EXPECT_EQ(CountryAt(*site->node), "first");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_FALSE((*site->node->ReadPayload(secret_)).has_value()) << "gone all the same";
    EXPECT_EQ(Digests(*site->node), Digests(*fresh.node));
    CheckWhole(network_, *site);
  }
}

// --- Discards ----------------------------------------------------------------------------------------------------------------------

class ErasedPortTest : public ::testing::Test {
 protected:
  ErasedPortTest() {
    network_.SetHeadquarters("hq");
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    for (const char* name : {"Yokohama", "SECRET"}) {
      v1::Port port;
      network_.clock().Advance(absl::Milliseconds(1));
      port.set_display_name(name);
      EXPECT_TRUE(Write(*apac_.node, RequestFor(*apac_.node, kPort, port, {"display_name"}, network_.clock().RequestId())).ok());
    }
  }
  std::string PortAt(const Node& node) {
    auto state = node.GetState(node.store(), kPort);
    if (!state.ok() || !state->has_value()) return "nothing";
    return static_cast<const v1::Port&>(*Materialise(*node.registry().FindByMessage("Port"), kPort, **state)).display_name();
  }

  static constexpr char kPort[] = "ports/JPYOK";
  TestNetwork network_{{"apac", "eame", "hq"}};
  const Dot secret_{LogId(1), Seq(1)};
  Site apac_;
  Site hq_;
};

TEST_F(ErasedPortTest, ErasedAndDiscardedIsTheSameWhicheverComesFirst) {
  const Digest root = *hq_.node->RootAt(network_.log("hq"), Seq(0));
  ASSERT_TRUE(Discard(network_, *hq_.node, secret_).ok());
  ASSERT_TRUE(Write(*apac_.node, Erasing(network_, *apac_.node, secret_)).ok());
  Site first = network_.Open("eame");
  Sync(*hq_.node, *first.node);
  Sync(*apac_.node, *first.node);
  Site last = network_.Open("eame");
  Sync(*apac_.node, *last.node);
  Sync(*hq_.node, *last.node);
  for (const Site* site : {&first, &last}) {
    EXPECT_EQ(PortAt(*site->node), "Yokohama");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_TRUE(*site->node->Erased(secret_));
    EXPECT_FALSE((*site->node->ReadPayload(secret_)).has_value());
    EXPECT_EQ(Digests(*site->node), Digests(*last.node));
    CheckWhole(network_, *site);
  }
  // A closing takes the discard back, and the shape counts again.
  network_.CloseLog("hq", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart(network_, "eame", &first));
  ASSERT_NO_FATAL_FAILURE(Restart(network_, "eame", &last));
  Site fresh = network_.Open("eame");
  Sync(*first.node, *fresh.node);
  for (const Site* site : {&first, &last, &fresh}) {
    EXPECT_EQ(PortAt(*site->node), "");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(Digests(*site->node), Digests(*fresh.node));
    CheckWhole(network_, *site);
  }
}

TEST_F(ErasedPortTest, ADiscardOfAnErasedEntryBringsBackWhatItReplaced) {
  ASSERT_TRUE(Write(*apac_.node, Erasing(network_, *apac_.node, secret_)).ok());
  EXPECT_EQ(PortAt(*apac_.node), "");
  const Digest root = *hq_.node->RootAt(network_.log("hq"), Seq(0));
  ASSERT_TRUE(Discard(network_, *hq_.node, secret_).ok());
  Sync(*apac_.node, *hq_.node);
  Sync(*hq_.node, *apac_.node);
  for (const Site* site : {&apac_, &hq_}) {
    EXPECT_EQ(PortAt(*site->node), "Yokohama");
    EXPECT_EQ(Digests(*site->node), Digests(*hq_.node));
    CheckWhole(network_, *site);
  }
  network_.CloseLog("hq", Seq(0), root);
  ASSERT_NO_FATAL_FAILURE(Restart(network_, "apac", &apac_));
  ASSERT_NO_FATAL_FAILURE(Restart(network_, "hq", &hq_));
  for (const Site* site : {&apac_, &hq_}) {
    EXPECT_EQ(PortAt(*site->node), "") << "what it had replaced is replaced again";
    CheckWhole(network_, *site);
  }
  EXPECT_EQ(Digests(*apac_.node), Digests(*hq_.node));
}

TEST_F(ErasedPortTest, ADiscardedErasureErasesNothing) {
  Site eame = network_.Open("eame");
  Sync(*apac_.node, *eame.node);  // keeps the payload
  const auto erasure = Write(*apac_.node, Erasing(network_, *apac_.node, secret_));
  ASSERT_TRUE(erasure.ok());
  ASSERT_TRUE(Discard(network_, *hq_.node, erasure->dot).ok());
  Sync(*hq_.node, *eame.node);
  Sync(*apac_.node, *eame.node);
  EXPECT_EQ(PortAt(*eame.node), "SECRET");
  EXPECT_FALSE(*eame.node->Erased(secret_));
  Sync(*hq_.node, *apac_.node);
  EXPECT_THAT(apac_.node->WantedPayloads(std::nullopt, 10), ElementsAre(secret_));
  CheckWhole(network_, apac_);
  GiveWanted(*eame.node, *apac_.node);
  for (const Site* site : {&apac_, &eame}) {
    EXPECT_EQ(PortAt(*site->node), "SECRET");
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(site->node->Erasures(), VersionVector());
    EXPECT_EQ(Digests(*site->node), Digests(*eame.node));
    CheckWhole(network_, *site);
  }
}

// --- Authority ---------------------------------------------------------------------------------------------------------------------

class ErasedAuthorityTest : public ::testing::Test {
 protected:
  // eame's node has been taken over: it does not check what it writes.
  ErasedAuthorityTest() : liar_(network_.Open("eame")) {
    network_.SetHeadquarters("hq");
    apac_ = network_.Open("apac");
    hq_ = network_.Open("hq");
    const std::string request_id = network_.clock().RequestId();
    const std::string actor = "officer/apac/watch";
    engagement_ = "engagements/" + CreatedRecordId(network_.roster().network(), actor, kCreateEngagement, request_id);
    v1::Engagement engagement;
    engagement.set_title("Visit");
    WriteRequest making = RequestFor(*apac_.node, engagement_, engagement, {"title"}, request_id);
    making.actor = actor;
    making.method = kCreateEngagement;
    EXPECT_TRUE(Write(*apac_.node, making).ok());
    Sync(*apac_.node, *hq_.node);
    Sync(*apac_.node, *liar_.node);
    EXPECT_TRUE(Write(*liar_.node, Titling(*liar_.node, "Eame's visit")).ok());
  }
  WriteRequest Titling(Node& node, const std::string& title) {
    network_.clock().Advance(absl::Milliseconds(1));
    v1::Engagement engagement;
    engagement.set_title(title);
    return RequestFor(node, engagement_, engagement, {"title"}, network_.clock().RequestId());
  }
  std::string TitleAt(const Node& node) {
    auto state = node.GetState(node.store(), engagement_);
    if (!state.ok() || !state->has_value()) return "nothing";
    const auto message = Materialise(*node.registry().FindByMessage("Engagement"), engagement_, **state);
    return static_cast<const v1::Engagement&>(*message).title();
  }

  TestNetwork network_{{"apac", "eame", "hq", "csa"}};
  Site liar_;  // of before headquarters were named
  Site apac_;
  Site hq_;
  std::string engagement_;
  const Dot made_{LogId(1), Seq(0)};
  const Dot lie_{LogId(2), Seq(0)};
};

TEST_F(ErasedAuthorityTest, WhatWasUnauthorisedStaysSo) {
  Sync(*liar_.node, *hq_.node);
  ASSERT_EQ(hq_.node->UnauthorisedCount(), 1);
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, lie_)).ok());
  Sync(*liar_.node, *apac_.node);
  Sync(*hq_.node, *apac_.node);
  Site late = network_.Open("csa");  // never has the payload
  Sync(*hq_.node, *late.node);
  for (const Site* site : {&hq_, &apac_, &late}) {
    EXPECT_TRUE(*site->node->Erased(lie_));
    EXPECT_EQ(TitleAt(*site->node), "Visit") << "the shape replaces nothing either";
    EXPECT_EQ(site->node->UnauthorisedCount(), 1);
    EXPECT_EQ(site->node->OpaqueCount(), 0);
    EXPECT_EQ(Digests(*site->node), Digests(*hq_.node));
    CheckWhole(network_, *site);
  }
}

TEST_F(ErasedAuthorityTest, AnErasedMakingStillShowsTheHome) {
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, made_)).ok());
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(TitleAt(*apac_.node), "");
  ASSERT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Visit, at home")).ok()) << "apac is the home";
  Site late = network_.Open("csa");  // never has the payload
  Sync(*apac_.node, *late.node);
  EXPECT_EQ(Write(*late.node, Titling(*late.node, "Mine")).status().code(), absl::StatusCode::kPermissionDenied);
  for (const Site* site : {&apac_, &hq_, &late}) {
    Sync(*apac_.node, *site->node);
    Sync(*liar_.node, *site->node);
    EXPECT_EQ(TitleAt(*site->node), "Visit, at home");
    EXPECT_EQ(site->node->UnauthorisedCount(), 1);
    EXPECT_EQ(Digests(*site->node), Digests(*apac_.node));
    CheckWhole(network_, *site);
  }
}

TEST_F(ErasedAuthorityTest, AShapeThatClaimsAnotherMakerErasesNothing) {
  WriteRequest request = Erasing(network_, *hq_.node, made_);
  Erasure erasure = *ErasureIn(Payload{.mutations = request.mutations});
  EXPECT_EQ(erasure.mutations[0].maker, "apac");
  erasure.mutations[0].maker = "eame";
  request.mutations = MutationsOf(erasure);
  EXPECT_THAT(std::string(Write(*hq_.node, request).status().message()), testing::HasSubstr("states another shape"));
  EXPECT_EQ(TitleAt(*hq_.node), "Visit");
}

TEST_F(ErasedAuthorityTest, EveryOrderGivesTheSame) {
  Sync(*liar_.node, *hq_.node);
  ASSERT_TRUE(Write(*hq_.node, Titling(*hq_.node, "Longer visit")).ok());
  Sync(*hq_.node, *apac_.node);
  ASSERT_TRUE(Write(*apac_.node, Titling(*apac_.node, "SECRET")).ok());
  const Dot secret{LogId(1), Seq(1)};
  Sync(*apac_.node, *hq_.node);
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, lie_)).ok());
  ASSERT_TRUE(Write(*hq_.node, Erasing(network_, *hq_.node, made_)).ok());
  ASSERT_TRUE(Write(*apac_.node, Erasing(network_, *apac_.node, secret)).ok());
  ASSERT_TRUE(Write(*apac_.node, Titling(*apac_.node, "Last visit")).ok());
  Sync(*apac_.node, *hq_.node);
  Site kept = network_.Open("csa");  // what a peer that has not heard of the erasures still gives
  Sync(*liar_.node, *kept.node);
  std::map<LogId, std::vector<replication::VerifiedEntry>> logs;
  for (const LogId log : {LogId(1), LogId(2), LogId(3)}) {
    for (Seq seq(0); seq < hq_.node->Applied().Get(log); ++seq) {
      replication::VerifiedEntry& entry = logs[log].emplace_back();
      entry.dot = {log, seq};
      entry.header_bytes = (*hq_.node->ReadHeaders(log, seq, seq + 1))[0];
      entry.payload = *hq_.node->ReadPayload(entry.dot);
      if (!entry.payload && seq < kept.node->Applied().Get(log)) entry.payload = *kept.node->ReadPayload(entry.dot);
      entry.header = *DecodeHeader(entry.header_bytes);
      if (log != LogId(2)) continue;  // what eame wrote may come before all that it hangs on
      entry.header.deps = {};
      entry.header_bytes = EncodeHeader(entry.header);
    }
  }
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    Site site = network_.Open("csa");
    size_t left = 0;
    for (const auto& [log, entries] : logs) left += entries.size();
    while (left > 0) {
      const auto& [log, entries] = *std::next(logs.begin(), static_cast<long>(below(3)));
      const uint64_t next = site.node->Applied().Get(log).value();
      if (next == entries.size()) continue;
      replication::RemoteBatch batch;
      batch.peer = "any";
      const size_t count = 1 + below(entries.size() - next);
      batch.entries.assign(entries.begin() + static_cast<long>(next), entries.begin() + static_cast<long>(next + count));
      for (replication::VerifiedEntry& entry : batch.entries) {
        const bool erased = entry.dot == lie_ || entry.dot == made_ || entry.dot == secret;
        if (erased && below(2) == 0) entry.payload.reset();
      }
      left -= Apply(*site.node, batch).applied;
    }
    EXPECT_EQ(TitleAt(*site.node), "Last visit");
    EXPECT_EQ(site.node->UnauthorisedCount(), 1);
    EXPECT_EQ(site.node->OpaqueCount(), 0);
    EXPECT_EQ(Digests(*site.node), Digests(*hq_.node));
    for (const Dot& dot : {lie_, made_, secret}) EXPECT_FALSE((*site.node->ReadPayload(dot)).has_value());
    CheckWhole(network_, site);
    if (HasFailure()) return;
  }
}

// --- All of it ---------------------------------------------------------------------------------------------------------------------

TEST(ErasedClosingTest, AClosingIsTheSameForAllWheneverTheyLearnOfIt) {
  const std::vector<std::string> names = {"apac", "eame", "hq"};
  const std::vector<std::string> codes = {"JP", "KR", "PH"};
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    TestNetwork network(names);
    std::map<std::string, Site> sites;
    std::set<std::string> told;
    std::vector<Dot> written;
    for (const std::string& name : names) sites[name] = network.Open(name);
    const std::string closed_site = names[below(3)];
    const LogId log = network.log(closed_site);
    const auto act = [&](bool closed) {
      const std::string& at = names[below(3)];
      Node& node = *sites[at].node;
      if (below(3) == 0 || (closed && at == closed_site && !told.contains(at))) {
        const std::string& from = names[below(3)];
        if (from != at && (told.contains(at) || !told.contains(from))) Sync(*sites[from].node, node);
        return;
      }
      if (below(3) == 0 && !written.empty()) {
        const Dot dot = written[below(written.size())];
        if (!MayErase(node.roster(), node.site(), dot) || dot.seq >= node.Applied().Get(dot.log)) return;
        if (!(*node.ReadPayload(dot)).has_value()) return;
        const auto erased = Write(node, Erasing(network, node, dot));
        ASSERT_TRUE(erased.ok()) << erased.status();
        return;
      }
      const auto named = NameCountry(network, node, codes[below(3)], at + std::to_string(below(1000)));
      ASSERT_TRUE(named.ok()) << named.status();
      written.push_back(named->dot);
    };
    for (int i = 0; i < 40; ++i) ASSERT_NO_FATAL_FAILURE(act(false));
    const Seq size = sites[closed_site].node->Applied().Get(log);
    const Seq end(below(size.value() + 1));
    network.CloseLog(closed_site, end, *sites[closed_site].node->RootAt(log, end));
    std::vector<std::string> order = names;
    std::shuffle(order.begin(), order.end(), random);
    for (const std::string& name : order) {
      for (size_t i = below(12); i > 0; --i) ASSERT_NO_FATAL_FAILURE(act(true));
      ASSERT_NO_FATAL_FAILURE(Restart(network, name, &sites[name]));
      told.insert(name);
    }
    sites["fresh"] = network.Open("eame");
    for (int round = 0; round < 2; ++round) {
      for (auto& [from, source] : sites) {
        for (auto& [to, site] : sites) {
          if (from == to) continue;
          Sync(*source.node, *site.node);
          GiveWanted(*source.node, *site.node);
        }
      }
    }
    const Node& fresh = *sites["fresh"].node;
    for (const auto& [name, site] : sites) {
      SCOPED_TRACE(name);
      EXPECT_EQ(site.node->Applied(), fresh.Applied());
      EXPECT_EQ(Digests(*site.node), Digests(fresh));
      EXPECT_EQ(site.node->OpaqueCount(), fresh.OpaqueCount());
      EXPECT_EQ(site.node->Erasures(), fresh.Erasures());
      CheckWhole(network, site);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::node
