// The streams of a site: what goes into which log, that a request's entries come together or not at all, and what a site that lost them
// does.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "api/crypto.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "api/note.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/assembly.h"
#include "server/node/erasures.h"
#include "server/node/fsck.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"
#include "server/records/entry_void.h"
#include "storage/scratch_directory.h"

namespace fairlead::node {
namespace {

using storage::Cf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kCompanionMethod[] = "fairlead.v1.ExchangeService/Receipt";

class StreamsTest : public ::testing::Test {
 protected:
  using Site = TestNetwork::Site;

  // Begins a country.
  Mutation Begin(const Node& node, const std::string& code) {
    v1::Country country;
    country.set_display_name("the land of " + code);
    country.set_region(v1::REGION_APAC);
    return RequestFor(node, "countries/" + code, country, {"display_name", "region"}, clock_.RequestId()).mutations.front();
  }
  WriteRequest Request(const Node& node, const std::string& code) {
    clock_.Advance(absl::Milliseconds(10));
    WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = clock_.RequestId();
    request.request_digest = {1, 2, 3};
    request.method = "fairlead.v1.ReferenceService/CreateCountry";
    request.mutations = {Begin(node, code)};
    return request;
  }
  CompanionWrite Companion(const Node& node, const std::string& stream, const std::string& code) {
    return {.stream = stream, .mutations = {Begin(node, code)}, .method = kCompanionMethod};
  }
  // Writes to main, with a companion in each other stream.
  WriteRequest WithCompanions(const Node& node, const std::string& code) {
    WriteRequest request = Request(node, code);
    request.companions = {Companion(node, "audit", "A" + code), Companion(node, PartnerStream("JP"), "J" + code)};
    return request;
  }
  static bool Has(const Node& node, const std::string& code) {
    const auto state = node.GetState(node.store(), "countries/" + code);
    EXPECT_TRUE(state.ok()) << state.status();
    return state->has_value();
  }
  static Header HeaderAt(const Node& node, Dot dot) { return *DecodeHeader(node.ReadHeaders(dot.log, dot.seq, dot.seq + 1)->front()); }
  static uint64_t SignedSize(const Node& node, LogId log) {
    const auto note = node.CheckpointNote(log);
    return note ? note::ParseCheckpoint(note::Parse(*note)->text)->size : 0;
  }
  std::vector<std::string> Findings(const storage::Store& store) {
    std::vector<std::string> findings;
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &network_.roster();
    options.registry = &records::TheRegistry();
    options.now = clock_.Now();
    options.on_finding = [&findings](const Finding& finding) { findings.push_back(ToString(finding)); };
    const auto report = Fsck(store, &scratch, options);
    EXPECT_TRUE(report.ok() && report->folded) << report.status();
    return findings;
  }

  TestNetwork network_{{"apac", "eame", "hq"}, {"audit", PartnerStream("JP")}};
  ManualClock& clock_ = network_.clock();
  Site apac_ = network_.Open("apac");
  Site hq_ = network_.Open("hq");
  const LogId main_ = network_.log("apac");
  const LogId audit_ = network_.log("apac", "audit");
  const LogId partner_ = network_.log("apac", PartnerStream("JP"));
};

TEST_F(StreamsTest, AWriteGoesIntoTheLogOfItsStreamAndIsSignedUnderThatLogsKey) {
  WriteRequest request = Request(*apac_.node, "JP");
  request.stream = "audit";
  const auto written = Write(*apac_.node, request);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->dot, (Dot{audit_, Seq(0)}));
  EXPECT_EQ(apac_.node->Applied().Get(main_), Seq(0));
  ASSERT_TRUE(written->records.contains("countries/JP"));
  const WrittenRecord& record = written->records.at("countries/JP");
  EXPECT_EQ(record.state, **apac_.node->store().Get(storage::Cf::kRecords, "countries/JP"));
  EXPECT_EQ(record.fields->GetDescriptor(), v1::Country::descriptor());

  const auto note = note::Parse(*apac_.node->CheckpointNote(audit_));
  const auto checkpoint = note::ParseCheckpoint(note->text);
  EXPECT_EQ(checkpoint->origin, "test.example/apac/1/audit");
  EXPECT_EQ(checkpoint->size, 1u);
  EXPECT_TRUE(note::Verify(*note, network_.roster().FindLog(audit_)->verifier));
  EXPECT_FALSE(note::Verify(*note, network_.roster().FindLog(main_)->verifier));
  EXPECT_EQ(SignedSize(*apac_.node, main_), 0u);

  Sync(*apac_.node, *hq_.node);
  EXPECT_TRUE(Has(*hq_.node, "JP"));
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
}

TEST_F(StreamsTest, ARequestIdIsOneRequestWhateverItsStream) {
  WriteRequest request = Request(*apac_.node, "JP");
  request.stream = "audit";
  const auto first = Write(*apac_.node, request);
  ASSERT_TRUE(first.ok()) << first.status();
  auto again = Write(*apac_.node, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->dot, first->dot);
  request.stream = std::string(kMainStream);
  again = Write(*apac_.node, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(apac_.node->Applied().Get(main_), Seq(0));
  request.request_digest = {4};
  EXPECT_EQ(ReasonOf(Write(*apac_.node, request).status()), "REQUEST_ID_REUSED");
  Sync(*apac_.node, *hq_.node);
  request.request_digest = {1, 2, 3};
  EXPECT_EQ(Write(*hq_.node, request)->dot, first->dot) << "at another site, too";
}

TEST_F(StreamsTest, AStreamThatTheSiteHasNotIsNamed) {
  WriteRequest request = Request(*apac_.node, "JP");
  request.stream = PartnerStream("SG");
  const absl::Status status = Write(*apac_.node, request).status();
  EXPECT_EQ(ReasonOf(status), "STREAM_MISSING");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "the roster names no open log of stream partner-SG of site apac");
  request.stream = std::string(kMainStream);
  request.companions = {Companion(*apac_.node, "audit", "AA"), Companion(*apac_.node, PartnerStream("SG"), "BB")};
  EXPECT_EQ(ReasonOf(Write(*apac_.node, request).status()), "STREAM_MISSING");
  EXPECT_EQ(apac_.node->JournalEnd(), Position(0)) << "neither the request's own entry nor the other companion";
}

TEST_F(StreamsTest, CompanionsComeWithTheirRequest) {
  const auto written = Write(*apac_.node, WithCompanions(*apac_.node, "X"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->dot, (Dot{main_, Seq(0)}));
  EXPECT_THAT(written->companions, ElementsAre(Dot{audit_, Seq(0)}, Dot{partner_, Seq(0)}));
  for (const char* code : {"X", "AX", "JX"}) EXPECT_TRUE(Has(*apac_.node, code)) << code;
  EXPECT_THAT(written->records, SizeIs(1));
  const Payload main = *DecodePayload(**apac_.node->ReadPayload(written->dot));
  for (const Dot& dot : written->companions) {
    const Payload companion = *DecodePayload(**apac_.node->ReadPayload(dot));
    EXPECT_EQ(companion.actor, main.actor);
    EXPECT_EQ(companion.request_id, main.request_id);
    EXPECT_EQ(companion.method, kCompanionMethod);
    EXPECT_EQ(companion.request_digest, kCompanionDigest);
    EXPECT_NE(companion.nonce, main.nonce);
    EXPECT_EQ(SignedSize(*apac_.node, dot.log), 1u);
  }
  EXPECT_THAT(Findings(apac_.node->store()), IsEmpty());
}

// Whoever may write the log that an erasure lies in: a site its own, headquarters any.
TEST_F(StreamsTest, NoErasureReachesTheAudit) {
  Site eame = network_.Open("eame");
  const auto written = Write(*apac_.node, WithCompanions(*apac_.node, "X"));
  ASSERT_TRUE(written.ok()) << written.status();
  const Dot event = written->companions.front();
  ASSERT_EQ(event.log, audit_);
  for (const char* site : {"apac", "hq"}) EXPECT_FALSE(MayErase(network_.roster(), network_.roster().FindSite(site)->id, event)) << site;
  EXPECT_TRUE(MayErase(network_.roster(), network_.roster().FindSite("apac")->id, written->companions.back()));
  Sync(*apac_.node, *eame.node);

  const auto bytes = apac_.node->ReadPayload(event);
  ASSERT_TRUE(bytes.ok() && bytes->has_value());
  WriteRequest erase = Request(*apac_.node, "Y");
  erase.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**bytes), event, "unwelcome", "nobody"));
  EXPECT_EQ(ReasonOf(Write(*apac_.node, erase).status()), "INTERNAL");

  // One that a compromised site has signed all the same, in place of an entry of its main log.
  ASSERT_TRUE(Write(*apac_.node, Request(*apac_.node, "Y")).ok());
  replication::RemoteBatch batch = Missing(*apac_.node, *eame.node);
  ASSERT_THAT(batch.entries, SizeIs(1));
  replication::VerifiedEntry& entry = batch.entries.front();
  Payload payload = *DecodePayload(*entry.payload);
  payload.mutations = erase.mutations;
  entry.payload = EncodePayload(payload);
  entry.header.payload_digest = Sha256(*entry.payload);
  entry.header.deps.Set(audit_, Seq(1));
  entry.header_bytes = EncodeHeader(entry.header);
  batch.checkpoints.clear();
  ASSERT_TRUE(Apply(*eame.node, batch).status.ok());
  const std::vector<OpaqueInfo> opaque = eame.node->OpaqueEntries(std::nullopt, 10);
  ASSERT_THAT(opaque, SizeIs(1));
  EXPECT_EQ(opaque[0].dot, entry.dot);
  EXPECT_EQ(opaque[0].cause, kCauseUnauthorised);
  EXPECT_FALSE(*eame.node->Erased(event));
  EXPECT_TRUE(Has(*eame.node, "AX"));
}

// One whose payload is under way is folded when it comes, whatever headquarters' log says of it.
TEST_F(StreamsTest, NoDiscardReachesTheAudit) {
  const auto written = Write(*apac_.node, WithCompanions(*apac_.node, "X"));
  ASSERT_TRUE(written.ok()) << written.status();
  const Dot event = written->companions.front();
  replication::RemoteBatch batch = Missing(*apac_.node, *hq_.node);
  for (replication::VerifiedEntry& entry : batch.entries) {
    if (entry.dot == event) entry.payload.reset();
  }
  ASSERT_TRUE(Apply(*hq_.node, batch).status.ok());
  ASSERT_THAT(hq_.node->WantedPayloads(std::nullopt, 10), ElementsAre(event));

  v1::EntryVoid entry_void;
  entry_void.set_entry("apac/1/audit/0");
  entry_void.set_reason("unwelcome");
  ASSERT_TRUE(
      Write(*hq_.node, RequestFor(*hq_.node, records::VoidRecord(event), entry_void, {"entry", "reason"}, clock_.RequestId())).ok());
  EXPECT_THAT(hq_.node->WantedPayloads(std::nullopt, 10), ElementsAre(event));
  EXPECT_THAT(hq_.node->VoidEntries(std::nullopt, 10), IsEmpty());
  Sync(*hq_.node, *apac_.node);
  EXPECT_TRUE(Has(*apac_.node, "AX"));
  const std::optional<std::string> payload = *apac_.node->ReadPayload(event);
  ASSERT_TRUE(payload && hq_.node->TakePayload(event, *payload).ok());
  RunNode(*hq_.node);
  EXPECT_TRUE(Has(*hq_.node, "AX"));
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
}

TEST_F(StreamsTest, TwoCompanionsOfOneStreamAreTwoEntries) {
  WriteRequest request = Request(*apac_.node, "X");
  request.companions = {Companion(*apac_.node, "audit", "AA"), Companion(*apac_.node, "audit", "BB")};
  const auto written = Write(*apac_.node, request);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(written->companions, ElementsAre(Dot{audit_, Seq(0)}, Dot{audit_, Seq(1)}));
  EXPECT_EQ(SignedSize(*apac_.node, audit_), 2u);
}

// Each kind of refusal of the request or of a companion leaves nothing of either.
TEST_F(StreamsTest, WhatIsRefusedInPartLeavesNothing) {
  const auto refused = [this](WriteRequest request, const std::string& reason) {
    const absl::Status status = Write(*apac_.node, std::move(request)).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_EQ(apac_.node->JournalEnd(), Position(0));
  };
  WriteRequest request = WithCompanions(*apac_.node, "X");
  request.expectations = {{"countries/X", "0123456789abcdef"}};
  refused(request, "RECORD_NOT_FOUND");

  request = WithCompanions(*apac_.node, "X");
  request.companions.back().mutations = request.mutations;
  refused(request, "INTERNAL");  // it writes what the request writes

  request = WithCompanions(*apac_.node, "X");
  request.companions.back().mutations.front().ops.front().replaces = {{MutationId{7}, 0}};
  refused(request, "INTERNAL");  // it follows something

  request = WithCompanions(*apac_.node, "X");
  Op op;
  op.field = 6;  // audience
  op.kind = MergeKind::kRestrictIntersect;
  op.has_value = true;
  op.value = std::string("\x04gulf", 5);
  request.companions.back().mutations.front().ops.push_back(op);
  refused(request, "FIELD_INVALID");  // its audience names no site

  network_.SetHeadquarters("hq");  // whose the countries are from now on
  apac_ = network_.Open("apac");
  refused(WithCompanions(*apac_.node, "X"), "PERMISSION_DENIED");
}

TEST_F(StreamsTest, AFailedWriteLeavesNeither) {
  const WriteRequest request = WithCompanions(*apac_.node, "X");
  apac_.store->set_write_fault([](storage::Sync) { return absl::ResourceExhaustedError("no space"); });
  EXPECT_FALSE(Write(*apac_.node, request).ok());
  apac_.store->set_write_fault(nullptr);
  EXPECT_EQ(apac_.node->JournalEnd(), Position(0));
  for (const char* code : {"X", "AX", "JX"}) EXPECT_FALSE(Has(*apac_.node, code)) << code;
  const auto written = Write(*apac_.node, request);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_FALSE(written->replayed);
  EXPECT_THAT(written->companions, SizeIs(2));
}

// All are durable with the answer; what a power cut takes, it takes whole.
TEST_F(StreamsTest, ACrashLeavesAllOrNone) {
  std::unique_ptr<storage::MemoryStore> before = apac_.store->Crash(0);
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  auto after = network_.Open("apac", apac_.store->Crash(0));
  ASSERT_TRUE(after.ok()) << after.status();
  for (const LogId log : {main_, audit_, partner_}) {
    EXPECT_EQ(after->node->Applied().Get(log), Seq(1));
    EXPECT_EQ(SignedSize(*after->node, log), 1u) << "the tail of each log is signed at the start";
  }
  auto none = network_.Open("apac", std::move(before));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->node->JournalEnd(), Position(0));
}

TEST_F(StreamsTest, AReplayIsAnsweredWithTheRequestsOwnEntryAtEverySite) {
  const WriteRequest request = WithCompanions(*apac_.node, "X");
  const auto written = Write(*apac_.node, request);
  ASSERT_TRUE(written.ok()) << written.status();
  // hq has the companions before the entry: nothing answers the request there yet.
  replication::RemoteBatch all = Missing(*apac_.node, *hq_.node);
  replication::RemoteBatch companions = all;
  std::erase_if(companions.entries, [this](const auto& entry) { return entry.dot.log == main_; });
  ASSERT_THAT(companions.entries, SizeIs(2));
  ASSERT_TRUE(Apply(*hq_.node, companions).status.ok()) << "they follow nothing";
  auto known = hq_.node->FindRequest(request.actor, request.request_id, request.request_digest);
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_FALSE(known->has_value());
  ASSERT_TRUE(Apply(*hq_.node, all).status.ok());
  known = hq_.node->FindRequest(request.actor, request.request_id, request.request_digest);
  ASSERT_TRUE(known.ok() && known->has_value());
  EXPECT_EQ(**known, written->dot);
  for (Node* node : {apac_.node.get(), hq_.node.get()}) {
    const auto again = Write(*node, request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->dot, written->dot);
    EXPECT_THAT(again->companions, IsEmpty());
  }
  EXPECT_EQ(hq_.node->JournalEnd(), Position(3));
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
  EXPECT_THAT(Findings(hq_.node->store()), IsEmpty());
}

TEST_F(StreamsTest, TheSameRequestAtTwoSitesIsTheSameFactInEveryStream) {
  const WriteRequest request = WithCompanions(*apac_.node, "X");
  ASSERT_TRUE(Write(*apac_.node, request).ok());
  ASSERT_TRUE(Write(*hq_.node, request).ok());
  Sync(*apac_.node, *hq_.node);
  Sync(*hq_.node, *apac_.node);
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
  const auto state = apac_.node->GetState(apac_.node->store(), "countries/AX");
  for (const auto& [number, field] : (*state)->fields) EXPECT_THAT(field.values, SizeIs(1)) << number;
}

TEST_F(StreamsTest, EntriesOfMainFollowMainLogsAndTheOthersNothing) {
  ASSERT_TRUE(Write(*hq_.node, WithCompanions(*hq_.node, "H")).ok());
  Sync(*hq_.node, *apac_.node);
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  const auto second = Write(*apac_.node, WithCompanions(*apac_.node, "Y"));
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(HeaderAt(*apac_.node, second->dot).deps.entries(), ElementsAre(std::pair(network_.log("hq"), Seq(1))));
  for (const Dot& dot : second->companions) EXPECT_THAT(HeaderAt(*apac_.node, dot).deps.entries(), IsEmpty());
}

// What was made in another stream may be changed in main, and nothing says which comes first elsewhere.
TEST_F(StreamsTest, AChangeOfWhatAnotherStreamMadeMayComeBeforeIt) {
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  v1::Country renamed;
  renamed.set_display_name("renamed");
  WriteRequest change = RequestFor(*apac_.node, "countries/AX", renamed, {"display_name"}, clock_.RequestId());
  const auto changed = Write(*apac_.node, change);
  ASSERT_TRUE(changed.ok()) << changed.status();
  replication::RemoteBatch all = Missing(*apac_.node, *hq_.node);
  replication::RemoteBatch main = all;
  std::erase_if(main.entries, [this](const auto& entry) { return entry.dot.log != main_; });
  ASSERT_TRUE(Apply(*hq_.node, main).status.ok());
  EXPECT_TRUE(Has(*hq_.node, "AX"));
  ASSERT_TRUE(Apply(*hq_.node, all).status.ok());
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
  EXPECT_THAT(Findings(hq_.node->store()), IsEmpty());
}

TEST_F(StreamsTest, AnErasureFollowsWhatItErasesInWhateverStream) {
  const auto written = Write(*apac_.node, WithCompanions(*apac_.node, "X"));
  ASSERT_TRUE(written.ok());
  const Dot entry = written->companions.back();
  WriteRequest erasure;
  erasure.actor = "hq/records/clerk";
  erasure.request_id = clock_.RequestId();
  erasure.method = "fairlead.v1.RecordService/EraseRevision";
  erasure.mutations =
      MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**apac_.node->ReadPayload(entry)), entry, "not to be kept", "ruling 7"));
  const auto erased = Write(*apac_.node, erasure);
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_EQ(erased->dot, (Dot{main_, Seq(1)}));
  EXPECT_EQ(HeaderAt(*apac_.node, erased->dot).deps.Get(partner_), Seq(1));
  replication::RemoteBatch main = Missing(*apac_.node, *hq_.node);
  replication::RemoteBatch all = main;
  std::erase_if(main.entries, [this](const auto& each) { return each.dot.log != main_; });
  EXPECT_EQ(Apply(*hq_.node, main).status.code(), absl::StatusCode::kUnavailable) << "it waits";
  ASSERT_TRUE(Apply(*hq_.node, all).status.ok());
  for (const Node* node : {apac_.node.get(), hq_.node.get()}) EXPECT_TRUE(*node->Erased(entry));
  EXPECT_EQ(Digests(*hq_.node), Digests(*apac_.node));
  erasure.request_id = clock_.RequestId();
  erasure.stream = "audit";
  EXPECT_EQ(ReasonOf(Write(*apac_.node, erasure).status()), "INTERNAL") << "erasures are for main";
}

// --- Losses ------------------------------------------------------------------------------------------------------------------------------

TEST_F(StreamsTest, ASiteThatLostItsDiskWritesNothingBeforeAllItsLogsAreBack) {
  const storage::ScratchDirectory folder;
  const auto licence = LicenceFileAt(folder.path() + "/licence");
  ASSERT_TRUE(licence->Replace(FormatLicence({.origin = "test.example/apac/1/main", .unused_until = clock_.Now() + absl::Hours(1)})).ok());
  auto apac = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  ASSERT_TRUE(apac.ok()) << apac.status();
  for (const char* code : {"X", "Y"}) ASSERT_TRUE(Write(*apac->node, WithCompanions(*apac->node, code)).ok());
  Sync(*apac->node, *hq_.node);

  auto empty = network_.Open("apac", std::make_unique<storage::MemoryStore>(), licence.get(), {"hq"});
  ASSERT_TRUE(empty.ok()) << empty.status();
  Node& node = *empty->node;
  for (const LogId log : {main_, audit_, partner_}) EXPECT_EQ(node.CheckpointNote(log), std::nullopt) << "it would be a second history";
  const std::vector<replication::HeldOwnLog> held = {{main_, Seq(2), {}}, {audit_, Seq(2), {}}, {partner_, Seq(2), {}}};
  replication::RemoteBatch all = Missing(*hq_.node, node);
  for (const LogId missing : {partner_, audit_, main_}) {
    // All but the entries of one log.
    replication::RemoteBatch batch = Missing(*hq_.node, node);
    std::erase_if(batch.entries, [missing](const auto& entry) { return entry.dot.log == missing; });
    std::erase_if(batch.checkpoints, [missing](const auto& checkpoint) { return checkpoint.log == missing; });
    if (missing == partner_) {
      ASSERT_TRUE(Apply(node, batch).status.ok());
    }
    node.PeerHolds("hq", held);
    EXPECT_THAT(node.UnwritableReason(), HasSubstr("hq (2 entries of test.example/apac/1/partner-JP)"));
    WriteRequest request = Request(node, "Z");
    request.stream = network_.roster().FindLog(missing)->stream;
    EXPECT_EQ(ReasonOf(Write(node, request).status()), "NODE_READ_ONLY") << request.stream << ": it is one licence";
  }
  EXPECT_EQ(node.CheckpointNote(main_), hq_.node->CheckpointNote(main_)) << "that of its peer: it signs none";
  ASSERT_TRUE(Apply(node, all).status.ok());
  node.PeerHolds("hq", held);
  EXPECT_EQ(node.UnwritableReason(), "");
  const auto written = Write(node, WithCompanions(node, "Z"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(written->companions, ElementsAre(Dot{audit_, Seq(2)}, Dot{partner_, Seq(2)}));
  Sync(node, *hq_.node);
  for (const LogId log : {main_, audit_, partner_}) {
    EXPECT_FALSE(hq_.node->Quarantined(log));
    EXPECT_EQ(SignedSize(*hq_.node, log), 3u);
  }
  EXPECT_EQ(Digests(node), Digests(*hq_.node));
}

TEST_F(StreamsTest, WhatASiteHasSignedInAnotherStreamAndLostKeepsItsLogsShut) {
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  const std::string note = *apac_.node->CheckpointNote(audit_);
  const auto checkpoint = note::ParseCheckpoint(note::Parse(note)->text);
  auto empty = network_.Open("apac", std::make_unique<storage::MemoryStore>());
  ASSERT_TRUE(empty.ok());
  empty->node->PeerHolds("hq", {{main_, Seq(0), {}},
                                {audit_, Seq(0), replication::VerifiedCheckpoint{audit_, Seq(1), checkpoint->root, note}},
                                {partner_, Seq(0), {}}});
  EXPECT_THAT(empty->node->UnwritableReason(), HasSubstr("peers hold 1 entries of this site's log audit and this node 0"));
  EXPECT_EQ(ReasonOf(Write(*empty->node, Request(*empty->node, "Y")).status()), "NODE_READ_ONLY") << "in main, too";
  // Kept, should everyone else forget it.
  auto again = network_.Open("apac", empty->store->Crash(0));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again->node->UnwritableReason(), HasSubstr("log audit"));
}

TEST_F(StreamsTest, AForkOfAnotherStreamStopsTheSitesWrites) {
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  auto other = network_.Open("apac", std::make_unique<storage::MemoryStore>());
  WriteRequest request = Request(*other->node, "Y");
  request.stream = "audit";
  ASSERT_TRUE(Write(*other->node, request).ok());
  apac_.node->ReportFork(audit_, *other->node->CheckpointNote(audit_), "two histories of size 1");
  EXPECT_TRUE(apac_.node->Quarantined(audit_));
  EXPECT_FALSE(apac_.node->Quarantined(main_));
  EXPECT_THAT(apac_.node->UnwritableReason(), HasSubstr("own log audit is quarantined"));
}

TEST_F(StreamsTest, AnEpochIsOfAllStreamsAndEachBeginsWhereItsPredecessorEnded) {
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "Y")).ok());
  Sync(*apac_.node, *hq_.node);
  network_.CloseLog("apac", Seq(1), *apac_.node->RootAt(main_, Seq(1)));
  auto apac = network_.Open("apac", apac_.store->Crash(99));
  ASSERT_TRUE(apac.ok()) << apac.status();
  EXPECT_FALSE(Has(*apac->node, "Y")) << "void";
  EXPECT_TRUE(Has(*apac->node, "AY")) << "its log was not closed";
  const LogId audit = network_.log("apac", "audit");
  EXPECT_NE(audit, audit_);
  const auto first = Write(*apac->node, WithCompanions(*apac->node, "Z"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->companions.front(), (Dot{audit, Seq(0)}));
  EXPECT_THAT(HeaderAt(*apac->node, first->companions.front()).deps.entries(), ElementsAre(std::pair(audit_, Seq(2))));
  const auto second = Write(*apac->node, WithCompanions(*apac->node, "W"));
  EXPECT_THAT(HeaderAt(*apac->node, second->companions.front()).deps.entries(), IsEmpty());
}

TEST_F(StreamsTest, SurvivorsAreReissuedInTheirStream) {
  const auto written = Write(*apac_.node, WithCompanions(*apac_.node, "X"));
  ASSERT_TRUE(written.ok());
  const Dot companion = written->companions.front();
  for (RosterLog& log : network_.logs()) {
    if (log.id == audit_ || log.id == main_) log.closing = LogClosing{Seq(0), merkle::EmptyRoot()};
  }
  network_.Sign();
  Sync(*apac_.node, *hq_.node);
  auto hq = network_.Open("hq", hq_.store->Crash(99));
  ASSERT_TRUE(hq.ok()) << hq.status();
  EXPECT_FALSE(Has(*hq->node, "X"));
  EXPECT_FALSE(Has(*hq->node, "AX"));
  const auto requests = hq->node->ReissuesOf({companion, written->dot});
  ASSERT_TRUE(requests.ok()) << requests.status();
  const WriteRequest& request = requests->front();
  EXPECT_EQ(request.stream, "audit");
  // Whichever of a request's entries is first, the other is written as well, and each once.
  auto again = Write(*hq->node, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->dot, (Dot{network_.log("hq", "audit"), Seq(0)}));
  EXPECT_TRUE(Has(*hq->node, "AX"));
  EXPECT_FALSE(Has(*hq->node, "X"));
  auto main = Write(*hq->node, requests->back());
  ASSERT_TRUE(main.ok()) << main.status();
  EXPECT_FALSE(main->replayed);
  EXPECT_TRUE(Has(*hq->node, "X"));
  again = Write(*hq->node, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->dot, (Dot{network_.log("hq", "audit"), Seq(0)}));
  EXPECT_THAT(Findings(hq->node->store()), IsEmpty());
}

// --- Rosters -----------------------------------------------------------------------------------------------------------------------------

TEST_F(StreamsTest, AnOldRosterHasMainAlone) {
  TestNetwork old({"apac", "hq"});
  Site apac = old.Open("apac");
  EXPECT_THAT(apac.node->own_logs(), SizeIs(1));
  EXPECT_TRUE(Write(*apac.node, Request(*apac.node, "JP")).ok());
  WriteRequest request = Request(*apac.node, "KR");
  request.stream = "audit";
  EXPECT_EQ(ReasonOf(Write(*apac.node, request).status()), "STREAM_MISSING");
}

// A stream that comes with a later roster, at a site that has written.
TEST_F(StreamsTest, AStreamMayComeLater) {
  TestNetwork grown({"apac", "hq"});
  Site apac = grown.Open("apac");
  ASSERT_TRUE(Write(*apac.node, Request(*apac.node, "JP")).ok());
  for (const char* site : {"apac", "hq"}) grown.AddLog(*grown.roster().FindSite(site), 1, "audit");
  grown.Sign();
  auto again = grown.Open("apac", apac.store->Crash(99));
  ASSERT_TRUE(again.ok()) << again.status();
  WriteRequest request = Request(*again->node, "KR");
  request.stream = "audit";
  ASSERT_TRUE(Write(*again->node, request).ok());
  Site hq = grown.Open("hq");
  Sync(*again->node, *hq.node);
  EXPECT_TRUE(Has(*hq.node, "KR"));
}

TEST_F(StreamsTest, ANodeNeedsTheKeyOfEachOfItsLogs) {
  NodeOptions options = apac_.node->options();
  options.log_keys.erase("audit");
  EXPECT_EQ(Node::Open(options, std::make_unique<storage::MemoryStore>()).status().message(),
            "there is no key of test.example/apac/1/audit");
  options.log_keys.emplace("audit", network_.log_key("hq", "audit"));
  EXPECT_EQ(Node::Open(std::move(options), std::make_unique<storage::MemoryStore>()).status().message(),
            "the log key is not the one the roster names for test.example/apac/1/audit");
}

// A nation reads the headers of its stream.
TEST_F(StreamsTest, TheTimeOfAnEntryInAnotherStreamTellsNothingOfTheOthers) {
  const auto time_of = [this](const absl::StatusOr<WriteResult>& written) { return HeaderAt(*apac_.node, written->dot).time; };
  const auto write = [&](const std::string& stream, const std::string& code) {
    WriteRequest request = Request(*apac_.node, code);
    clock_.Advance(absl::Milliseconds(-10));
    request.stream = stream;
    return Write(*apac_.node, request);
  };
  const auto now = [this] { return Hlc::FromMillis(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))); };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(write("main", fmt::format("M{}", i)).ok());
  const auto audit = write("audit", "A");
  ASSERT_TRUE(audit.ok()) << audit.status();
  const auto first = write(PartnerStream("JP"), "J1");
  const auto second = write(PartnerStream("JP"), "J2");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(time_of(first), now());
  EXPECT_EQ(time_of(second), Hlc(now().raw() + 1)) << "later than what is in the same log";
  EXPECT_EQ(first->time, now());
  const auto main = write("main", "MM");
  EXPECT_GT(time_of(main), Hlc(now().raw() + 4)) << "later than all that is applied";

  clock_.Advance(absl::Milliseconds(1));
  for (int i = 5; i < 9; ++i) ASSERT_TRUE(write("main", fmt::format("M{}", i)).ok());
  WriteRequest request = WithCompanions(*apac_.node, "C");
  clock_.Advance(absl::Milliseconds(-10));
  const auto companions = Write(*apac_.node, request);
  ASSERT_TRUE(companions.ok()) << companions.status();
  for (const Dot& dot : companions->companions) EXPECT_EQ(HeaderAt(*apac_.node, dot).time, now());
  // The clock is set back.
  clock_.Advance(absl::Milliseconds(-2));
  EXPECT_EQ(time_of(write(PartnerStream("JP"), "J3")), Hlc(Hlc::FromMillis(now().millis() + 2).raw() + 1));
}

// The origin says of each of its logs that it ends where it does, of the quiet ones more rarely.
TEST_F(StreamsTest, LogsOfOtherStreamsAreVouchedForMoreRarelyWhileTheyAreQuiet) {
  ASSERT_TRUE(Write(*apac_.node, WithCompanions(*apac_.node, "X")).ok());
  clock_.Advance(absl::Seconds(1));
  apac_.node->Tick();
  const auto versions = [this] {
    std::map<LogId, uint64_t> out;
    for (const auto& held : apac_.node->CosignaturesAfter(0)) out[held.log] = held.version;
    return out;
  };
  const auto first = versions();
  for (const LogId log : {main_, audit_, partner_}) EXPECT_TRUE(first.contains(log));
  clock_.Advance(absl::Seconds(2));
  apac_.node->Tick();
  auto later = versions();
  EXPECT_GT(later.at(main_), first.at(main_));
  EXPECT_EQ(later.at(audit_), first.at(audit_));
  clock_.Advance(absl::Minutes(10));
  apac_.node->Tick();
  EXPECT_EQ(versions().at(audit_), first.at(audit_)) << "hundreds of notes a minute, over each link";
  clock_.Advance(absl::Minutes(50));
  apac_.node->Tick();
  EXPECT_GT(versions().at(audit_), first.at(audit_));
  WriteRequest request = Request(*apac_.node, "Y");
  request.stream = "audit";
  ASSERT_TRUE(Write(*apac_.node, request).ok());
  later = versions();
  clock_.Advance(absl::Milliseconds(200));
  apac_.node->Tick();
  EXPECT_GT(versions().at(audit_), later.at(audit_)) << "what is new is cosigned at once";
  EXPECT_EQ(apac_.node->Cosigned(audit_).at(apac_.node->site()), Seq(2));
}

}  // namespace
}  // namespace fairlead::node
