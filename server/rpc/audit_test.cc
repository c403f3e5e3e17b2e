// The audit: what is kept, that a flood makes it no longer, and who may read it.

#include <absl/synchronization/notification.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/v1/audit_service.pb.h"
#include "fairlead/v1/entry_void.pb.h"
#include "fairlead/v1/log_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "server/node/node_testing.h"
#include "server/rpc/audit_batch.h"
#include "server/rpc/audit_trail.h"
#include "server/rpc/exchange_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr absl::Time kThen = absl::FromUnixSeconds(1'800'000'000);

CallSummary Summary(std::string_view method, IdentityKind kind, grpc::StatusCode code = grpc::StatusCode::OK) {
  CallSummary summary;
  summary.method = method;
  summary.kind = kind;
  summary.code = code;
  return summary;
}

v1::AuditEvent Event(v1::AuditKind kind, const std::string& actor, const std::string& method) {
  v1::AuditEvent event;
  event.set_kind(kind);
  event.set_actor(actor);
  event.set_method(method);
  return event;
}

// "DENIAL partner/JP/registry ExchangeService/GetReleasedRecord NOT_FOUND releasedRecords 3"
std::string Told(const v1::AuditEvent& event) {
  return fmt::format("{} {} {} {} {} {}", v1::AuditKind_Name(event.kind()).substr(std::string("AUDIT_KIND_").size()), event.actor(),
                     event.method(), event.outcome(), event.resource(), event.count());
}

TEST(AuditKindTest, OfEveryCallThatIsKept) {
  const auto kind = AuditKindOf;
  constexpr auto kPartner = IdentityKind::kPartner;
  EXPECT_EQ(kind(Summary("fairlead.v1.ExchangeService/GetReleasedRecord", kPartner)), v1::AUDIT_KIND_PARTNER_READ);
  EXPECT_EQ(kind(Summary("fairlead.v1.ExchangeService/WatchReleasedRecords", kPartner, grpc::StatusCode::CANCELLED)),
            v1::AUDIT_KIND_PARTNER_READ);
  EXPECT_EQ(kind(Summary("fairlead.v1.ExchangeService/DownloadReleasedAttachment", kPartner)), v1::AUDIT_KIND_PARTNER_READ);
  EXPECT_EQ(kind(Summary("fairlead.v1.ExchangeService/SubmitSuggestion", kPartner)), v1::AUDIT_KIND_PARTNER_SUBMISSION);
  EXPECT_EQ(kind(Summary("fairlead.v1.ExchangeService/GetReleasedRecord", kPartner, grpc::StatusCode::NOT_FOUND)), v1::AUDIT_KIND_DENIAL);
  EXPECT_EQ(kind(Summary("fairlead.v1.ReferenceService/GetPort", kPartner, grpc::StatusCode::PERMISSION_DENIED)), v1::AUDIT_KIND_DENIAL);
  EXPECT_EQ(kind(Summary("unknown", IdentityKind::kOfficer, grpc::StatusCode::UNAUTHENTICATED)), v1::AUDIT_KIND_DENIAL);
  CallSummary limited = Summary("fairlead.v1.ReferenceService/GetPort", IdentityKind::kOfficer, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(kind(limited), std::nullopt);
  limited.limit = "limits.staff.calls_per_second";
  EXPECT_EQ(kind(limited), v1::AUDIT_KIND_DENIAL);
  EXPECT_EQ(kind(Summary("fairlead.v1.ReleaseService/ApproveRelease", IdentityKind::kHq)), v1::AUDIT_KIND_RELEASE);
  EXPECT_EQ(kind(Summary("fairlead.v1.ReleaseService/RecallRelease", IdentityKind::kOfficer)), v1::AUDIT_KIND_RECALL);
  // What of these is PUBLIC, nations are shown without a release.
  for (const char* method :
       {"TrainingService/CreateTrainingOffering", "TrainingService/UpdateTrainingOffering", "TrainingService/ImportTrainingOfferings",
        "ReferenceService/CreateContact", "ReferenceService/UpdateContact", "ReferenceService/WithdrawContact",
        "PracticeService/UpdateBestPractice", "PracticeService/RetireBestPractice"}) {
    EXPECT_EQ(kind(Summary("fairlead.v1." + std::string(method), IdentityKind::kOfficer)), v1::AUDIT_KIND_RELEASE) << method;
  }
  CallSummary settled = Summary("fairlead.v1.RecordService/ResolveConflict", IdentityKind::kOfficer);
  settled.subject = "contacts/US-watch/conflicts/email";
  EXPECT_EQ(kind(settled), v1::AUDIT_KIND_RELEASE);
  settled.subject = "ports/JPYOK/conflicts/display_name";
  EXPECT_EQ(kind(settled), std::nullopt);
  EXPECT_EQ(kind(Summary("fairlead.v1.NodeService/DeleteBackup", IdentityKind::kHq)), v1::AUDIT_KIND_ADMINISTRATION);
  EXPECT_EQ(kind(Summary("fairlead.v1.AuditService/QueryAuditEvents", IdentityKind::kHq)), v1::AUDIT_KIND_ADMINISTRATION);
  EXPECT_EQ(kind(Summary("fairlead.v1.ReferenceService/GetPort", IdentityKind::kOfficer)), std::nullopt);
  EXPECT_EQ(kind(Summary("fairlead.v1.ReferenceService/GetPort", IdentityKind::kOfficer, grpc::StatusCode::NOT_FOUND)), std::nullopt);
}

TEST(AuditKindTest, WhatACallerNamesIsKeptAsACollectionAlone) {
  EXPECT_EQ(ResourceClass(""), "");
  EXPECT_EQ(ResourceClass("releasedRecords/0123456789abcdef0123456789abcdef"), "releasedRecords");
  EXPECT_EQ(ResourceClass("ports/JPYOK"), "ports");
  EXPECT_EQ(ResourceClass("ports"), "ports");
  EXPECT_EQ(ResourceClass("made up " + std::string(1000, 'x')), "other");
}

TEST(AuditBatchTest, TheSameIsCounted) {
  AuditBatch batch({});
  batch.Add(Event(v1::AUDIT_KIND_DENIAL, "partner/JP/registry", "A"), kThen);
  batch.Add(Event(v1::AUDIT_KIND_PARTNER_READ, "partner/JP/registry", "A"), kThen + absl::Seconds(1));
  batch.Add(Event(v1::AUDIT_KIND_DENIAL, "partner/JP/registry", "A"), kThen + absl::Seconds(2));
  EXPECT_FALSE(batch.empty());
  const std::vector<v1::AuditEvent> events = batch.Take();
  EXPECT_TRUE(batch.empty());
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(Told(events[0]), "DENIAL partner/JP/registry A   2");
  EXPECT_EQ(events[0].last_time().seconds() - events[0].first_time().seconds(), 2);
  EXPECT_EQ(Told(events[1]), "PARTNER_READ partner/JP/registry A   1");
  // The next batch begins at nothing.
  batch.Add(Event(v1::AUDIT_KIND_DENIAL, "partner/JP/registry", "A"), kThen);
  EXPECT_EQ(batch.Take().front().count(), 1u);
}

TEST(AuditBatchTest, WhatFindsNoRoomIsCountedAndHidesNoOther) {
  AuditBatch batch({.actors_max = 2, .actor_events_max = 3});
  for (int i = 0; i < 100; ++i) batch.Add(Event(v1::AUDIT_KIND_DENIAL, "partner/JP/flood", std::to_string(i)), kThen);
  batch.Add(Event(v1::AUDIT_KIND_PARTNER_READ, "partner/AU/registry", "quiet"), kThen);
  batch.Add(Event(v1::AUDIT_KIND_PARTNER_READ, "partner/SG/registry", "late"), kThen);  // there are as many as may be
  batch.Add(Event(v1::AUDIT_KIND_RECALL, "officer/apac/watch", "recall"), kThen);
  batch.Add(Event(v1::AUDIT_KIND_DENIAL, "partner/JP/flood", "0"), kThen);  // is there already
  std::vector<std::string> told;
  for (const v1::AuditEvent& event : batch.Take()) told.push_back(Told(event));
  EXPECT_THAT(told, ElementsAre("DENIAL partner/JP/flood 0   2", "DENIAL partner/JP/flood 1   1", "DENIAL partner/JP/flood 2   1",
                                "PARTNER_READ partner/AU/registry quiet   1", "RECALL officer/apac/watch recall   1", "OVERFLOW     98"));
  EXPECT_THAT(batch.Take(), IsEmpty());
}

TEST(AuditBatchTest, AThousandActorsHaveRoom) {
  AuditBatch batch({});
  // Four that flood, then 30 systems that do a little, and an officer who is denied something.
  for (int system = 0; system < 4; ++system) {
    for (int i = 0; i < 100; ++i) batch.Add(Event(v1::AUDIT_KIND_DENIAL, fmt::format("partner/JP/{}", system), std::to_string(i)), kThen);
  }
  for (int system = 0; system < 30; ++system) {
    for (const char* method : {"A", "B", "C"}) {
      batch.Add(Event(v1::AUDIT_KIND_PARTNER_READ, fmt::format("partner/AU/{}", system), method), kThen);
    }
  }
  batch.Add(Event(v1::AUDIT_KIND_DENIAL, "officer/apac/watch", "recall"), kThen);
  std::vector<v1::AuditEvent> events = batch.Take();
  ASSERT_THAT(events, SizeIs(4 * 16 + 30 * 3 + 1 + 1));
  EXPECT_EQ(Told(events[events.size() - 2]), "DENIAL officer/apac/watch recall   1");
  EXPECT_EQ(Told(events.back()), fmt::format("OVERFLOW     {}", 4 * (100 - 16)));
  for (int actor = 0; actor <= 1024; ++actor) batch.Add(Event(v1::AUDIT_KIND_DENIAL, fmt::format("partner/JP/{}", actor), "A"), kThen);
  events = batch.Take();
  ASSERT_THAT(events, SizeIs(1024 + 1));
  EXPECT_EQ(Told(events.back()), "OVERFLOW     1");
}

// A trail whose store refuses until it is let.
class TrailTest : public ::testing::Test {
 protected:
  TrailTest() : trail_(site_.node.get(), {.interval = absl::Milliseconds(1), .entry_events_max = 2}) { trail_.Start(); }
  ~TrailTest() override {
    trail_.Stop();
    site_.node->Stop();
    committer_.join();
    site_.node->StopCompletions();
    completer_.join();
  }
  // An act whose entry has been made, and is refused until the fault is taken away.
  void RefuseOne() {
    auto refused = std::make_shared<absl::Notification>();
    site_.store->set_write_fault([refused](storage::Sync) {
      if (!refused->HasBeenNotified()) refused->Notify();  // by the one thread that writes
      return absl::ResourceExhaustedError("no space");
    });
    trail_.Act("start", "");
    ASSERT_TRUE(refused->WaitForNotificationWithTimeout(kPatience));
  }
  uint64_t Entries() { return site_.node->Applied().Get(site_.node->own_logs().at(std::string(kAuditStream))).value(); }

  node::TestNetwork network_{{"apac", "hq"}, {std::string(kAuditStream)}};
  node::TestNetwork::Site site_ = network_.Open("apac");
  AuditTrail trail_;
  // Without a runner's ticks, which write too.
  std::thread committer_{[node = site_.node.get()] {
    while (node->WaitForWork()) node->CommitOnce();
  }};
  std::thread completer_{[node = site_.node.get()] {
    while (node->WaitForCompletions()) node->RunCompletions();
  }};
};

TEST_F(TrailTest, ARequestIdOfAWrongTimeIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(RefuseOne());
  network_.clock().Advance(-absl::Hours(24));  // it had been ahead
  site_.store->set_write_fault(nullptr);
  EXPECT_TRUE(trail_.Flush(absl::Now() + kPatience));
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(TrailTest, ARequestIdThatIsTooOldIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(RefuseOne());
  network_.clock().Advance(absl::Hours(24 * 31));
  site_.store->set_write_fault(nullptr);
  EXPECT_TRUE(trail_.Flush(absl::Now() + kPatience));
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(TrailTest, ManyEventsAreAFewEntries) {
  ASSERT_NO_FATAL_FAILURE(RefuseOne());
  for (const char* act : {"a", "b", "c", "d", "e"}) trail_.Act(act, "");
  site_.store->set_write_fault(nullptr);
  EXPECT_TRUE(trail_.Flush(absl::Now() + kPatience));
  EXPECT_EQ(Entries(), 1u + 3u);
}

class AuditTest : public ::testing::Test, protected Office {
 protected:
  AuditTest() : Office(absl::Milliseconds(50)) {
    Country("JP");
    Country("AU");
    Port("JPYOK", "Yokohama");
  }

  std::vector<std::string> Query(const v1::QueryAuditEventsRequest& request = {}) {
    std::vector<std::string> told;
    v1::QueryAuditEventsRequest page = request;
    do {
      const auto found = Must<v1::QueryAuditEventsResponse>(hq_, "AuditService/QueryAuditEvents", page);
      for (const v1::AuditEvent& event : found.events()) told.push_back(Told(event));
      page.set_page_token(found.next_page_token());
    } while (!page.page_token().empty());
    return told;
  }
  // What a call leaves is gathered once it has ended, a moment after its caller was answered.
  std::vector<std::string> Await(const v1::QueryAuditEventsRequest& request, size_t events) {
    const absl::Time deadline = absl::Now() + kPatience;
    std::vector<std::string> told;
    while (absl::Now() < deadline) {
      EXPECT_TRUE(site_.audit().Flush(deadline));
      told = Query(request);
      if (told.size() >= events) break;
    }
    return told;
  }
  static v1::QueryAuditEventsRequest OfKind(v1::AuditKind kind) {
    v1::QueryAuditEventsRequest request;
    request.set_kind(kind);
    return request;
  }
  uint64_t Entries() { return site_.node().Applied().Get(site_.node().own_logs().at(std::string(kAuditStream))).value(); }
};

TEST_F(AuditTest, PartnersReadsSubmissionsAndRefusalsAreKept) {
  Release(Draft("ports/JPYOK", {"JP"}));
  EXPECT_THAT(Ports(jp_), ElementsAre("JPYOK Yokohama"));
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_PARTNER_READ), 1),
              ElementsAre("PARTNER_READ partner/JP/registry ExchangeService/ListReleasedRecords OK  1"));
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  Must<v1::Question>(jp_, "ExchangeService/AskQuestion", ask);
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_PARTNER_SUBMISSION), 1),
              ElementsAre("PARTNER_SUBMISSION partner/JP/registry ExchangeService/AskQuestion OK questions 1"));
  // What is another's, what is not there, and a method that is not for partners.
  EXPECT_THAT(Get(au_, NameFor("AU", "ports/JPYOK")), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(au_.Call<v1::Port>("ReferenceService/GetPort", v1::GetPortRequest()), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 2),
              UnorderedElementsAre("DENIAL partner/AU/registry ExchangeService/GetReleasedRecord NOT_FOUND releasedRecords 1",
                                   "DENIAL partner/AU/registry ReferenceService/GetPort PERMISSION_DENIED  1"));
}

// A node may be killed while it lasts.
TEST_F(AuditTest, AWatchIsKeptWhenItBeginsAndWhenItEnds) {
  Release(Draft("ports/JPYOK", {"JP"}));
  const std::string began = "PARTNER_READ partner/JP/registry ExchangeService/WatchReleasedRecords   1";
  {
    Feed feed(jp_);
    EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "JPYOK Yokohama", "end"));
    EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_PARTNER_READ), 1), ElementsAre(began));
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_PARTNER_READ), 2),
              ElementsAre(began, "PARTNER_READ partner/JP/registry ExchangeService/WatchReleasedRecords CANCELLED  1"));
  // One that is refused never began.
  v1::WatchReleasedRecordsRequest request;
  request.set_resume_token("nonsense");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stub = v1::ExchangeService::NewStub(jp_.channel());
  EXPECT_EQ(stub->WatchReleasedRecords(&context, request)->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 1),
              ElementsAre("DENIAL partner/JP/registry ExchangeService/WatchReleasedRecords INVALID_ARGUMENT  1"));
  EXPECT_THAT(Query(OfKind(v1::AUDIT_KIND_PARTNER_READ)), SizeIs(2));
}

TEST_F(AuditTest, ReleasesRecallsAndActsAreKeptByName) {
  const v1::Release release = Release(Draft("ports/JPYOK", {"JP"}));
  EXPECT_THAT(Approve(officer_, release), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_RELEASE), 2),
              UnorderedElementsAre("RELEASE officer/apac/watch ReleaseService/CreateRelease OK " + release.name() + " 1",
                                   "RELEASE hq/release/desk ReleaseService/ApproveRelease OK " + release.name() + " 1"));
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 1),
              ElementsAre("DENIAL officer/apac/watch ReleaseService/ApproveRelease PERMISSION_DENIED  1"));
  Recall(release);
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_RECALL), 1),
              ElementsAre("RECALL officer/apac/watch ReleaseService/RecallRelease OK " + release.name() + " 1"));
  site_.audit().Act("certificate/reload", "2 changes\nof files");
  v1::QueryAuditEventsRequest of_node = OfKind(v1::AUDIT_KIND_ADMINISTRATION);
  of_node.set_actor("node/");
  EXPECT_THAT(Await(of_node, 1), ElementsAre("ADMINISTRATION node/apac certificate/reload OK  1"));
  const auto found = Must<v1::QueryAuditEventsResponse>(hq_, "AuditService/QueryAuditEvents", of_node);
  ASSERT_THAT(found.events(), SizeIs(1));
  const v1::AuditEvent& event = found.events(0);
  EXPECT_EQ(event.detail(), "2 changes?of files");
  EXPECT_EQ(event.site(), "apac");
  EXPECT_EQ(event.marking(), v1::MARKING_SENSITIVE);
  EXPECT_EQ(event.last_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  v1::GetAuditEventRequest get;
  get.set_name(event.name());
  EXPECT_EQ(Must<v1::AuditEvent>(hq_, "AuditService/GetAuditEvent", get).detail(), event.detail());
}

TEST_F(AuditTest, WhatACallGivesWholeIsKeptByName) {
  const v1::Release first = Propose(Draft("ports/JPYOK", {"JP"}));
  const v1::Release second = Propose(Draft("ports/JPYOK", {"AU"}));
  v1::UpdatePartnerGroupRequest update;
  *update.mutable_partner_group() = Group("quad", {"JP"});
  update.mutable_partner_group()->set_display_name("Quad");
  Must<v1::PartnerGroup>(officer_, "ReleaseService/UpdatePartnerGroup", update);
  v1::CreateReleaseRequest refused;
  refused.mutable_release()->set_record("ports/JPYOK");  // without a purpose
  EXPECT_THAT(officer_.Call<v1::Release>("ReleaseService/CreateRelease", refused), FailsWith("FIELD_REQUIRED"));
  EXPECT_THAT(Await(OfKind(v1::AUDIT_KIND_RELEASE), 5),
              UnorderedElementsAre("RELEASE officer/apac/watch ReleaseService/CreateRelease OK " + first.name() + " 1",
                                   "RELEASE officer/apac/watch ReleaseService/CreateRelease OK " + second.name() + " 1",
                                   "RELEASE officer/apac/watch ReleaseService/CreatePartnerGroup OK partnerGroups/quad 1",
                                   "RELEASE officer/apac/watch ReleaseService/UpdatePartnerGroup OK partnerGroups/quad 1",
                                   "RELEASE officer/apac/watch ReleaseService/CreateRelease INVALID_ARGUMENT ports/JPYOK 1"));
  v1::ReissueEntriesRequest reissue;
  reissue.add_entries("apac/1/0");
  reissue.add_entries("apac/1/1");
  EXPECT_THAT(hq_.Call<v1::ReissueEntriesResponse>("NodeService/ReissueEntries", reissue), FailsWith("STATE_FORBIDS"));
  v1::QueryAuditEventsRequest of_reissue = OfKind(v1::AUDIT_KIND_ADMINISTRATION);
  of_reissue.set_method("NodeService/ReissueEntries");
  EXPECT_THAT(Await(of_reissue, 1),
              ElementsAre("ADMINISTRATION hq/release/desk NodeService/ReissueEntries FAILED_PRECONDITION apac/1/0 apac/1/1 1"));
}

TEST_F(AuditTest, WhatIsMadePublicIsKeptByName) {
  v1::UpdateTrainingOfferingRequest update;
  *update.mutable_training_offering() = Offering("guards", v1::MARKING_OFFICIAL);
  update.mutable_training_offering()->set_marking(v1::MARKING_PUBLIC);
  Must<v1::TrainingOffering>(hq_, "TrainingService/UpdateTrainingOffering", update);
  ASSERT_THAT(List(jp_).records(), SizeIs(1)) << "without a release";
  v1::QueryAuditEventsRequest of_update = OfKind(v1::AUDIT_KIND_RELEASE);
  of_update.set_method("TrainingService/UpdateTrainingOffering");
  EXPECT_THAT(Await(of_update, 1),
              ElementsAre("RELEASE hq/release/desk TrainingService/UpdateTrainingOffering OK trainingOfferings/guards 1"));
}

TEST_F(AuditTest, QueriesFilter) {
  const auto refused = [](const Client& caller) { EXPECT_FALSE(Get(caller, "releasedRecords/none").ok()); };
  refused(jp_);
  ASSERT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 1), SizeIs(1));
  const absl::Time between = clock_.Now() + absl::Seconds(30);
  clock_.Advance(absl::Minutes(1));
  refused(au_);
  ASSERT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 2), SizeIs(2));
  const std::string of_jp = "DENIAL partner/JP/registry ExchangeService/GetReleasedRecord NOT_FOUND releasedRecords 1";
  const std::string of_au = "DENIAL partner/AU/registry ExchangeService/GetReleasedRecord NOT_FOUND releasedRecords 1";
  v1::QueryAuditEventsRequest request = OfKind(v1::AUDIT_KIND_DENIAL);
  request.set_actor("partner/AU/");
  EXPECT_THAT(Query(request), ElementsAre(of_au));
  request.set_actor("partner/JP/registry");
  EXPECT_THAT(Query(request), ElementsAre(of_jp));
  request.set_actor("partner/JP");
  EXPECT_THAT(Query(request), IsEmpty());
  request = OfKind(v1::AUDIT_KIND_DENIAL);
  request.set_method("ExchangeService/GetReleasedRecord");
  request.set_outcome("NOT_FOUND");
  request.set_site("apac");
  EXPECT_THAT(Query(request), ElementsAre(of_jp, of_au));
  request.set_site("hq");
  EXPECT_THAT(Query(request), IsEmpty());
  request = OfKind(v1::AUDIT_KIND_DENIAL);
  request.mutable_since()->set_seconds(absl::ToUnixSeconds(between));
  EXPECT_THAT(Query(request), ElementsAre(of_au));
  *request.mutable_until() = request.since();
  request.clear_since();
  EXPECT_THAT(Query(request), ElementsAre(of_jp));
  request = OfKind(v1::AUDIT_KIND_DENIAL);
  request.set_page_size(1);
  EXPECT_THAT(Query(request), ElementsAre(of_jp, of_au));
  request.mutable_until()->set_seconds(-1);
  EXPECT_THAT(hq_.Call<v1::QueryAuditEventsResponse>("AuditService/QueryAuditEvents", request), FailsWith("FIELD_INVALID", "until"));
}

TEST_F(AuditTest, AFloodMakesFewEntries) {
  const uint64_t before = Entries();
  const absl::Time flooded = absl::Now();
  constexpr int kCalls = 400;
  for (int i = 0; i < kCalls; ++i) EXPECT_FALSE(Get(au_, fmt::format("releasedRecords/{}", i)).ok());
  v1::QueryAuditEventsRequest request = OfKind(v1::AUDIT_KIND_DENIAL);
  request.set_actor("partner/AU/registry");
  const absl::Time deadline = absl::Now() + kPatience;
  uint64_t counted = 0;
  uint64_t flushes = 0;
  while (counted < kCalls && absl::Now() < deadline) {
    EXPECT_TRUE(site_.audit().Flush(deadline));
    ++flushes;
    counted = 0;
    const auto found = Must<v1::QueryAuditEventsResponse>(hq_, "AuditService/QueryAuditEvents", request);
    for (const v1::AuditEvent& event : found.events()) {
      counted += event.count();
    }
  }
  EXPECT_EQ(counted, static_cast<uint64_t>(kCalls));
  // One for each time that it was asked to write here, and one for each interval: by time, not by calls.
  const auto intervals = static_cast<uint64_t>((absl::Now() - flooded) / AuditOptions().interval);
  EXPECT_LE(Entries() - before, flushes + intervals + 2);
}

TEST_F(AuditTest, OnlyHeadquartersReadsIt) {
  EXPECT_FALSE(Get(au_, "releasedRecords/none").ok());
  ASSERT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 1), SizeIs(1));
  const v1::AuditEvent event =
      Must<v1::QueryAuditEventsResponse>(hq_, "AuditService/QueryAuditEvents", OfKind(v1::AUDIT_KIND_DENIAL)).events(0);
  for (const Client* caller : {&officer_, &jp_, &au_}) {
    EXPECT_THAT(caller->Call<v1::QueryAuditEventsResponse>("AuditService/QueryAuditEvents", v1::QueryAuditEventsRequest()),
                FailsWith("PERMISSION_DENIED"));
    v1::GetAuditEventRequest get;
    get.set_name(event.name());
    EXPECT_THAT(caller->Call<v1::AuditEvent>("AuditService/GetAuditEvent", get), FailsWith("PERMISSION_DENIED"));
    v1::ListRevisionsRequest revisions;
    revisions.set_name(event.name());
    EXPECT_THAT(caller->Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", revisions), FailsWith("PERMISSION_DENIED"));
    v1::ListLogEntriesRequest entries;
    entries.set_log("apac/1/audit");
    entries.set_tree_size(1);
    EXPECT_THAT(caller->Call<v1::ListLogEntriesResponse>("LogService/ListLogEntries", entries), FailsWith("PERMISSION_DENIED"));
    v1::GetReceiptRequest receipt;
    receipt.set_record(event.name());
    EXPECT_THAT(caller->Call<v1::Receipt>("LogService/GetReceipt", receipt), FailsWith("PERMISSION_DENIED"));
  }
  // What a nation is shown names nothing of it.
  EXPECT_THAT(List(au_).records(), IsEmpty());
}

TEST_F(AuditTest, NobodyErasesIt) {
  EXPECT_FALSE(Get(au_, "releasedRecords/none").ok());
  ASSERT_THAT(Await(OfKind(v1::AUDIT_KIND_DENIAL), 1), SizeIs(1));
  const v1::AuditEvent event =
      Must<v1::QueryAuditEventsResponse>(hq_, "AuditService/QueryAuditEvents", OfKind(v1::AUDIT_KIND_DENIAL)).events(0);
  v1::GetReceiptRequest proof;
  proof.set_record(event.name());
  absl::StatusOr<v1::Receipt> proven = absl::NotFoundError("");
  for (const absl::Time deadline = absl::Now() + kPatience; !proven.ok() && absl::Now() < deadline;) {
    proven = hq_.Call<v1::Receipt>("LogService/GetReceipt", proof);  // once a checkpoint covers it
  }
  ASSERT_TRUE(proven.ok()) << proven.status();
  EXPECT_TRUE(proven->entry().starts_with("apac/1/audit/")) << proven->entry();
  v1::EraseRevisionRequest erase;
  erase.set_name(event.name());
  erase.set_entry(proven->entry());
  erase.set_reason("unwelcome");
  erase.set_authority("nobody");
  EXPECT_THAT(hq_.Call<v1::Erasure>("RecordService/EraseRevision", erase), FailsWith("STATE_FORBIDS"));
  v1::VoidEntryRequest discard;
  discard.set_entry(proven->entry());
  discard.set_reason("unwelcome");
  const auto discarded = site_.As("hq/analyst/desk").Call<v1::EntryVoid>("NodeService/VoidEntry", discard);
  EXPECT_THAT(discarded, FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(std::string(discarded.status().message()), ::testing::HasSubstr("of the audit"));
  EXPECT_EQ(Query(OfKind(v1::AUDIT_KIND_DENIAL)).size(), 1u);
}

}  // namespace
}  // namespace fairlead::rpc
