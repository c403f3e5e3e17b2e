#include "server/node/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "api/note.h"
#include "server/node/node_testing.h"
#include "storage/memory_store.h"

namespace fairlead::node {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LogId kApac(1);

Digest RootOf(const std::string& history, uint64_t size) { return merkle::LeafHash(history + std::to_string(size)); }

// hq's witness over logs whose roots are those of one history, "held".
class WitnessTest : public ::testing::Test {
 protected:
  std::unique_ptr<Witness> MakeWitness(storage::Store* store, const std::string& site = "hq") {
    const RosterSite* found = network_.roster().FindSite(site);
    return std::make_unique<Witness>(Witness::Options{.roster = &network_.roster(),
                                                      .site = found->id,
                                                      .own_logs = {{LogId(found->id.value()), &network_.log_key(site)}},
                                                      .mirror_key = &network_.mirror_key(site),
                                                      .clock = &network_.clock(),
                                                      .cosign_interval = absl::Milliseconds(100),
                                                      .heartbeat_interval = absl::Seconds(1)},
                                     store, [](LogId, Seq size) { return RootOf("held", size.value()); });
  }

  // A checkpoint of apac's log under its key.
  note::Note Signed(uint64_t size, const std::string& history = "held") {
    const std::string origin = network_.roster().FindLog(kApac)->origin();
    const std::string text = note::CheckpointText({origin, size, RootOf(history, size)});
    return {text, {note::Sign(origin, network_.log_key("apac"), text)}};
  }
  replication::VerifiedCheckpoint Checkpoint(uint64_t size, const std::string& history = "held") {
    return {kApac, Seq(size), RootOf(history, size), note::Format(Signed(size, history))};
  }
  note::Signature CosignatureOf(const std::string& site, const std::string& text, absl::Time time) {
    const std::string name = network_.roster().FindCosigner(network_.roster().FindSite(site)->id)->verifier.name();
    return note::Cosign(name, network_.mirror_key(site), text, static_cast<uint64_t>(absl::ToUnixSeconds(time)));
  }
  std::string Cosigned(const std::string& site, uint64_t size, const std::string& history = "held") {
    note::Note note = Signed(size, history);
    note.signatures.push_back(CosignatureOf(site, note.text, network_.clock().Now()));
    return note::Format(note);
  }
  // A signature by a key of the same name that the roster does not have.
  static note::Signature Foreign(const std::string& name, const std::string& text) {
    return note::Sign(name, SigningKey::Generate(), text);
  }

  TestNetwork network_{{"apac", "eame", "hq"}};
  storage::MemoryStore store_;
  std::unique_ptr<Witness> hq_ = MakeWitness(&store_);
};

TEST_F(WitnessTest, ACheckpointOfferedWhileItsEntriesAreCommittedIsCompared) {
  // The batch was begun before the checkpoints came: it brings no roots for them.
  EXPECT_THAT(hq_->WaitingSizes(kApac, Seq(0)), IsEmpty());
  hq_->Offer(Checkpoint(2));
  hq_->Advanced(kApac, Seq(2), {});
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(2).note);
  EXPECT_FALSE(hq_->Quarantined(kApac));

  hq_->Offer(Checkpoint(3, "other"));
  hq_->Advanced(kApac, Seq(4), {});
  EXPECT_TRUE(hq_->Quarantined(kApac));
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(2).note);
}

TEST_F(WitnessTest, TwoCheckpointsOfOneSizeAreAForkBeforeAnyEntryIsHere) {
  hq_->Offer(Checkpoint(5));
  hq_->Offer(Checkpoint(5));
  EXPECT_FALSE(hq_->Quarantined(kApac));
  hq_->Offer(Checkpoint(5, "other"));
  EXPECT_TRUE(hq_->Quarantined(kApac));
}

TEST_F(WitnessTest, ACosignedCheckpointIsComparedOnceItsEntriesAreHere) {
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 3)).ok());
  EXPECT_THAT(hq_->WaitingSizes(kApac, Seq(0)), ElementsAre(3));
  hq_->Advanced(kApac, Seq(3), {});
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(3).note);

  network_.clock().Advance(absl::Seconds(1));
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 7, "other")).ok());
  EXPECT_FALSE(hq_->Quarantined(kApac));
  hq_->Advanced(kApac, Seq(8), {});
  EXPECT_TRUE(hq_->Quarantined(kApac));
}

TEST_F(WitnessTest, ARestartComparesWhatWasCosignedBefore) {
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 2, "other")).ok());
  VersionVector applied;
  applied.Set(kApac, Seq(1));
  auto behind = MakeWitness(&store_);
  ASSERT_TRUE(behind->Load(applied).ok());
  EXPECT_FALSE(behind->Quarantined(kApac));
  behind->Advanced(kApac, Seq(2), {});
  EXPECT_TRUE(behind->Quarantined(kApac));

  // The entries were written and the power went before they were compared.
  auto batch = store_.NewBatch();
  batch->Delete(storage::Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(kApac));
  ASSERT_TRUE(store_.Write(batch.get(), storage::Sync::kYes).ok());
  applied.Set(kApac, Seq(2));
  auto level = MakeWitness(&store_);
  ASSERT_TRUE(level->Load(applied).ok());
  EXPECT_TRUE(level->Quarantined(kApac));
}

TEST_F(WitnessTest, AQuarantineSurvivesAPowerCut) {
  hq_->Offer(Checkpoint(2));
  hq_->Advanced(kApac, Seq(2), {});
  hq_->Quarantine(kApac, "seen by a test", Checkpoint(1, "other").note);
  auto store = store_.Crash(0);
  auto restarted = MakeWitness(store.get());
  VersionVector applied;
  applied.Set(kApac, Seq(2));
  ASSERT_TRUE(restarted->Load(applied).ok());
  EXPECT_EQ(restarted->View(kApac).quarantine, "seen by a test");
  EXPECT_THAT(restarted->View(kApac).fork_notes, ElementsAre(Checkpoint(2).note, Checkpoint(1, "other").note));
}

// A closing of the log ends the quarantine, and not what proves the fork.
TEST_F(WitnessTest, AnotherQuarantineKeepsTheNotesOfTheFirst) {
  hq_->Offer(Checkpoint(5));
  hq_->Offer(Checkpoint(5, "other"));
  const std::vector<std::string> notes = hq_->View(kApac).fork_notes;
  ASSERT_THAT(notes, SizeIs(2));
  auto batch = store_.NewBatch();
  batch->Delete(storage::Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(kApac));
  ASSERT_TRUE(store_.Write(batch.get(), storage::Sync::kYes).ok());
  auto again = MakeWitness(&store_);
  ASSERT_TRUE(again->Load({}).ok());
  ASSERT_FALSE(again->Quarantined(kApac));
  again->Offer(Checkpoint(7));
  again->Offer(Checkpoint(7, "other"));
  ASSERT_TRUE(again->Quarantined(kApac));
  auto restarted = MakeWitness(&store_);
  ASSERT_TRUE(restarted->Load({}).ok());
  EXPECT_THAT(restarted->View(kApac).fork_notes, ElementsAre(notes[0], notes[1], Checkpoint(7).note, Checkpoint(7, "other").note));
}

// Nobody has to believe this node: what it keeps, the log has signed.
TEST_F(WitnessTest, BothSignedHistoriesOfAForkAreKept) {
  hq_->Offer(Checkpoint(5));
  hq_->Offer(Checkpoint(5, "other"));
  hq_->Offer(Checkpoint(5, "third"));
  auto store = store_.Crash(0);
  auto restarted = MakeWitness(store.get());
  ASSERT_TRUE(restarted->Load({}).ok());
  EXPECT_TRUE(restarted->Quarantined(kApac));
  const std::vector<std::string> notes = restarted->View(kApac).fork_notes;
  ASSERT_THAT(notes, SizeIs(2));
  std::set<Digest> roots;
  for (const std::string& text : notes) {
    const auto parsed = note::Parse(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(note::Verify(*parsed, network_.roster().FindLog(kApac)->verifier));
    const auto checkpoint = note::ParseCheckpoint(parsed->text);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->size, 5u);
    roots.insert(checkpoint->root);
  }
  EXPECT_THAT(roots, SizeIs(2));
}

// A peer may add lines to a note without making its signatures wrong. They are not kept: a note without the log's own signature would stop
// this node at its next start, and one that is full has no room for a cosignature.
TEST_F(WitnessTest, WhatAPeerAddsToANoteIsNotKept) {
  note::Note note = Signed(1);
  const std::string origin = note.signatures[0].name;
  const note::Signature eame = CosignatureOf("eame", note.text, network_.clock().Now());
  note.signatures = {Foreign(origin, note.text), note.signatures[0], Foreign(eame.name, note.text), eame};
  hq_->Advanced(kApac, Seq(1), {});
  ASSERT_TRUE(hq_->TakeCosignature(kApac, note::Format(note)).ok());
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(1).note);
  ASSERT_THAT(hq_->CosignaturesAfter(0), SizeIs(1));
  EXPECT_EQ(hq_->CosignaturesAfter(0)[0].note, Cosigned("eame", 1));

  note::Note full = Signed(2);
  while (full.signatures.size() < note::kSignaturesMax) full.signatures.push_back(Foreign(origin, full.text));
  replication::VerifiedCheckpoint offered = Checkpoint(2);
  offered.note = note::Format(full);
  hq_->Offer(offered);
  hq_->Advanced(kApac, Seq(2), {});
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(2).note);
  ASSERT_FALSE(hq_->CosignDue().empty());
  EXPECT_EQ(hq_->View(kApac).cosignatures[SiteId(3)].first, Seq(2));

  VersionVector applied;
  applied.Set(kApac, Seq(2));
  auto restarted = MakeWitness(&store_);
  const absl::Status loaded = restarted->Load(applied);
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(restarted->CheckpointNote(kApac), Checkpoint(2).note);
}

TEST_F(WitnessTest, ALogsSignatureIsTakenForVerifiedOnlyAsItIsHeld) {
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 3)).ok());
  const note::Note signed_note = Signed(3);
  const note::Signature cosignature = CosignatureOf("apac", signed_note.text, network_.clock().Now());
  // The statement held of it, the checkpoint that waits, and then the complete one, are of this text under another signature.
  note::Signature forged = signed_note.signatures[0];
  forged.bytes.back() = static_cast<char>(forged.bytes.back() ^ 1);
  const std::string forgery = note::Format({signed_note.text, {forged, cosignature}});
  EXPECT_THAT(hq_->TakeCosignature(kApac, forgery).message(), HasSubstr("the log's signature does not verify"));
  hq_->Advanced(kApac, Seq(3), {});
  ASSERT_EQ(hq_->CheckpointNote(kApac), Checkpoint(3).note);
  EXPECT_THAT(hq_->TakeCosignature(kApac, forgery).message(), HasSubstr("the log's signature does not verify"));
  EXPECT_THAT(hq_->CosignaturesOf(kApac), SizeIs(1));

  // A signature that is held does not make another text its own.
  note::Note other = Signed(4);
  const std::string moved =
      note::Format({other.text, {signed_note.signatures[0], CosignatureOf("apac", other.text, network_.clock().Now())}});
  EXPECT_THAT(hq_->TakeCosignature(kApac, moved).message(), HasSubstr("the log's signature does not verify"));

  EXPECT_TRUE(hq_->TakeCosignature(kApac, note::Format({signed_note.text, {forged, signed_note.signatures[0], cosignature}})).ok());
  ASSERT_THAT(hq_->CosignaturesOf(kApac), SizeIs(2));
  EXPECT_EQ(hq_->CosignaturesOf(kApac)[0].note, note::Format({signed_note.text, {signed_note.signatures[0], cosignature}}));
}

TEST_F(WitnessTest, ACosignatureByAKeyThatTheRosterHasReplacedCountsNoMore) {
  hq_->Advanced(kApac, Seq(2), {});
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 2)).ok());
  network_.ChangeMirrorKey("eame");
  VersionVector applied;
  applied.Set(kApac, Seq(2));
  auto restarted = MakeWitness(&store_);
  const absl::Status loaded = restarted->Load(applied);
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_TRUE(restarted->Cosigned(kApac).empty());
  EXPECT_EQ(restarted->KnownSize(kApac), Seq(2)) << "what the log's key said stands";
  ASSERT_TRUE(restarted->TakeCosignature(kApac, Cosigned("eame", 2)).ok());
  EXPECT_EQ(restarted->Cosigned(kApac)[SiteId(2)], Seq(2));

  // Under the roster's own key a wrong signature is damage.
  note::Note wrong = *note::Parse(Cosigned("eame", 2));
  wrong.signatures[1].bytes[20] ^= 1;
  std::string key = storage::LogKey(kApac);
  PutU16(&key, 2);
  auto batch = store_.NewBatch();
  batch->Put(storage::Cf::kCosignatures, key, note::Format(wrong));
  ASSERT_TRUE(store_.Write(batch.get(), storage::Sync::kYes).ok());
  EXPECT_EQ(ReasonOf(MakeWitness(&store_)->Load(applied)), "STORE_DAMAGED");
}

TEST_F(WitnessTest, AnOldStatementDoesNotPassForANewerOne) {
  const std::string old = Cosigned("eame", 1);
  network_.clock().Advance(absl::Seconds(10));
  ASSERT_TRUE(hq_->TakeCosignature(kApac, Cosigned("eame", 2)).ok());
  // With a line that claims a later time and does not verify.
  note::Note replayed = *note::Parse(old);
  note::Signature later = CosignatureOf("eame", replayed.text, network_.clock().Now() + absl::Hours(1));
  later.bytes.back() = static_cast<char>(later.bytes.back() ^ 1);
  replayed.signatures.push_back(later);
  ASSERT_TRUE(hq_->TakeCosignature(kApac, note::Format(replayed)).ok());
  const auto cosignature = hq_->View(kApac).cosignatures[SiteId(2)];
  EXPECT_EQ(cosignature.first, Seq(2));
  EXPECT_EQ(cosignature.second, network_.clock().Now());
}

TEST_F(WitnessTest, WhatASiteSaidWhileItsClockWasAheadDoesNotComeBackToIt) {
  hq_->Advanced(kApac, Seq(1), {});
  hq_->Offer(Checkpoint(1));
  network_.clock().Advance(absl::Seconds(7));  // ahead
  ASSERT_EQ(hq_->CosignDue().size(), 1u);
  const replication::HeldCosignature ahead = hq_->CosignaturesAfter(0).at(0);
  EXPECT_TRUE(hq_->CosignatureStands(ahead));
  network_.clock().Advance(-absl::Seconds(7));
  hq_->Advanced(kApac, Seq(2), {});
  hq_->Offer(Checkpoint(2));
  ASSERT_EQ(hq_->CosignDue().size(), 1u);
  EXPECT_FALSE(hq_->CosignatureStands(ahead)) << "a link that has it queued leaves it out";
  const replication::HeldCosignature right = hq_->CosignaturesAfter(0).at(0);

  network_.clock().Advance(absl::Seconds(3));  // what was said ahead is within the bound now
  EXPECT_TRUE(hq_->TakeCosignature(kApac, ahead.note).ok());
  EXPECT_EQ(hq_->Cosigned(kApac)[SiteId(3)], Seq(2));
  EXPECT_TRUE(hq_->CosignatureStands(right));
}

TEST_F(WitnessTest, AStatementOfTheFutureMakesNothingFreshAndStandsInNobodysWay) {
  hq_->Advanced(kApac, Seq(2), {});
  const absl::Time now = network_.clock().Now();
  const auto said = [&](uint64_t size, absl::Time time) {
    note::Note note = Signed(size);
    note.signatures.push_back(CosignatureOf("apac", note.text, time));
    return note::Format(note);
  };
  const absl::Status refused = hq_->TakeCosignature(kApac, said(1, now + absl::Hours(24)));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("the clock of test.example/apac/mirror is 86400 s ahead"));
  EXPECT_EQ(hq_->View(kApac).as_of, std::nullopt);
  EXPECT_TRUE(hq_->Cosigned(kApac).empty());
  // A little ahead is no fault, and no fresher than now.
  ASSERT_TRUE(hq_->TakeCosignature(kApac, said(1, now + absl::Seconds(3))).ok());
  EXPECT_EQ(hq_->View(kApac).as_of, now);
  network_.clock().Advance(absl::Seconds(4));
  ASSERT_TRUE(hq_->TakeCosignature(kApac, said(2, now + absl::Seconds(4))).ok());
  EXPECT_EQ(hq_->Cosigned(kApac)[SiteId(1)], Seq(2));
}

// The one statement that nobody else need keep: entries of the own log that are lost, and were signed.
TEST_F(WitnessTest, WhatIsAwaitedOfTheOwnLogIsKeptAndComparedAfterARestart) {
  std::unique_ptr<Witness> apac = MakeWitness(&store_, "apac");
  apac->Advanced(kApac, Seq(1), {});
  apac->Offer(Checkpoint(3));
  apac->Offer(Checkpoint(2));
  EXPECT_EQ(apac->AwaitedNote(kApac), Checkpoint(3).note);
  VersionVector applied;
  applied.Set(kApac, Seq(1));
  std::unique_ptr<storage::MemoryStore> crashed = store_.Crash(99);
  apac = MakeWitness(crashed.get(), "apac");
  ASSERT_TRUE(apac->Load(applied).ok());
  EXPECT_EQ(apac->AwaitedNote(kApac), Checkpoint(3).note);
  EXPECT_EQ(apac->KnownSize(kApac), Seq(3));
  apac->Advanced(kApac, Seq(3), {});
  EXPECT_EQ(apac->AwaitedNote(kApac), std::nullopt);
  EXPECT_FALSE(apac->Quarantined(kApac));

  storage::MemoryStore other;
  MakeWitness(&other, "apac")->Offer(Checkpoint(3, "other"));
  applied.Set(kApac, Seq(4));
  apac = MakeWitness(&other, "apac");
  ASSERT_TRUE(apac->Load(applied).ok());
  EXPECT_TRUE(apac->Quarantined(kApac));
}

TEST_F(WitnessTest, CheckpointsThatWaitAreBounded) {
  for (uint64_t size = 1; size <= 3000; ++size) hq_->Offer({kApac, Seq(size), RootOf("held", size), note::Format(Signed(size))});
  const std::set<uint64_t> waiting = hq_->WaitingSizes(kApac, Seq(0));
  EXPECT_LE(waiting.size(), 1024u);
  EXPECT_THAT(waiting, Contains(1));
  EXPECT_THAT(waiting, Contains(3000));
  hq_->Advanced(kApac, Seq(3000), {});
  EXPECT_EQ(hq_->CheckpointNote(kApac), Checkpoint(3000).note);
}

TEST_F(WitnessTest, StatementsThatAFullDiskDoesNotTakeAreCounted) {
  hq_->Advanced(kApac, Seq(1), {});
  hq_->Offer(Checkpoint(1));
  EXPECT_EQ(hq_->UnkeptStatements(), 0);
  store_.set_write_fault([](storage::Sync) { return absl::ResourceExhaustedError("no space"); });
  for (int i = 0; i < 3; ++i) {
    network_.clock().Advance(absl::Seconds(1));
    EXPECT_TRUE(hq_->CosignDue().empty());
  }
  EXPECT_EQ(hq_->UnkeptStatements(), 3);
  EXPECT_THAT(hq_->CosignaturesOf(kApac), IsEmpty());
  store_.set_write_fault(nullptr);
  network_.clock().Advance(absl::Seconds(1));
  EXPECT_FALSE(hq_->CosignDue().empty());
  EXPECT_EQ(hq_->UnkeptStatements(), 3);
}

}  // namespace
}  // namespace fairlead::node
