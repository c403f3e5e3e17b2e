#include "server/rpc/record_service.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <limits>

#include "server/rpc/rpc_fixture.h"
#include "storage/memory_store.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;

using Event = v1::WatchRecordsResponse;

v1::WatchRecordsRequest WithSnapshot() {
  v1::WatchRecordsRequest request;
  request.set_snapshot(true);
  return request;
}
v1::WatchRecordsRequest After(const std::string& token) {
  v1::WatchRecordsRequest request;
  request.set_resume_token(token);
  return request;
}

// The country of an event as "code name".
std::string Shown(const Event& event) {
  v1::Country country;
  if (!event.record().UnpackTo(&country)) return event.record().type_url();
  return country.name().substr(country.name().find('/') + 1) + " " + country.display_name();
}

// A watch that is open.
class Feed {
 public:
  Feed(const Client& caller, const v1::WatchRecordsRequest& request) : stub_(v1::RecordService::NewStub(caller.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    reader_ = stub_->WatchRecords(&context_, request);
  }
  ~Feed() {
    if (!reader_) return;
    context_.TryCancel();
    End().IgnoreError();
  }

  // The next event that is not a heartbeat.
  Event Next() {
    Event event;
    while (reader_->Read(&event)) {
      if (!event.collection().empty()) return event;
      EXPECT_FALSE(event.has_record());
    }
    ADD_FAILURE() << "the watch has ended";
    return {};
  }
  std::vector<Event> Next(int n) {
    std::vector<Event> events;
    for (int i = 0; i < n; ++i) events.push_back(Next());
    return events;
  }
  // The next message that is not a heartbeat, with all that it holds.
  std::vector<Event> NextMessage() {
    Event first = Next();
    std::vector<Event> events = {first};
    for (const Event& event : first.following()) events.push_back(event);
    events.front().clear_following();
    return events;
  }
  // Reads to the next heartbeat: nothing else may come before it.
  std::string Heartbeat() {
    Event event;
    EXPECT_TRUE(reader_->Read(&event));
    EXPECT_EQ(event.collection(), "");
    return event.resume_token();
  }
  absl::Status End() {
    Event event;
    while (reader_->Read(&event)) {
    }
    const grpc::Status status = reader_->Finish();
    reader_.reset();
    return FromGrpc(status);
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<v1::RecordService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<Event>> reader_;
};

std::vector<std::string> Shown(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) out.push_back(Shown(event));
  return out;
}

class RecordServiceTest : public SiteTest {
 protected:
  RecordServiceTest() : SiteTest(/*heartbeat=*/absl::Milliseconds(50)), eame_("eame", &clock_) {}

  v1::Country Rename(const Client& caller, const v1::Country& read, const std::string& display_name) {
    v1::UpdateCountryRequest request;
    request.mutable_country()->set_name(read.name());
    request.mutable_country()->set_etag(read.etag());
    request.mutable_country()->set_display_name(display_name);
    request.mutable_update_mask()->add_paths("display_name");
    const auto renamed = caller.Call<v1::Country>("ReferenceService/UpdateCountry", request);
    EXPECT_TRUE(renamed.ok()) << renamed.status();
    return renamed.value_or(read);
  }
  // In one entry, each called "import".
  void ImportCountries(const std::vector<std::string>& codes) {
    v1::ImportCountriesRequest import;
    for (const std::string& code : codes) {
      v1::Country* country = import.add_countries();
      country->set_name("countries/" + code);
      country->set_display_name("import");
      country->set_region(v1::REGION_APAC);
    }
    EXPECT_TRUE(officer_.Call<v1::ImportResponse>("ReferenceService/ImportCountries", import).ok());
  }
  absl::StatusOr<v1::ListRevisionsResponse> Revisions(const std::string& name, int page_size = 0, const std::string& token = "") {
    v1::ListRevisionsRequest request;
    request.set_name(name);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return officer_.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", request);
  }

  TestSite eame_;
};

TEST_F(RecordServiceTest, RevisionsSayWhoWhereWhenAndWhatNewestFirst) {
  v1::Country country = MakeCountry("JP", "Japan");
  clock_.Advance(absl::Seconds(10));
  country = Rename(apac_.As("hq/analyst/desk"), country, "Nihon");
  clock_.Advance(absl::Seconds(10));
  eame_.Receive(apac_);
  Rename(eame_.As("officer/eame/watch"), country, "Nippon");
  apac_.Receive(eame_);

  const auto list = Revisions("countries/JP");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->revisions_size(), 3);
  EXPECT_EQ(list->next_page_token(), "");
  const v1::Revision& newest = list->revisions(0);
  EXPECT_EQ(newest.entry(), "eame/1/0");
  EXPECT_EQ(newest.site(), "eame");
  EXPECT_EQ(newest.actor(), "officer/eame/watch");
  EXPECT_EQ(newest.method(), "fairlead.v1.ReferenceService/UpdateCountry");
  ASSERT_EQ(newest.changes_size(), 1);
  EXPECT_EQ(newest.changes(0).field(), "display_name");
  EXPECT_EQ(newest.changes(0).value(), "\"Nippon\"");
  EXPECT_EQ(newest.changes(0).replaced(), 1);
  EXPECT_EQ(list->revisions(1).entry(), "apac/1/1");
  EXPECT_EQ(list->revisions(1).actor(), "hq/analyst/desk");
  const v1::Revision& oldest = list->revisions(2);
  EXPECT_EQ(oldest.entry(), "apac/1/0");
  EXPECT_EQ(oldest.actor(), "officer/apac/watch");
  EXPECT_EQ(google::protobuf::util::TimeUtil::TimestampToMilliseconds(newest.time()) -
                google::protobuf::util::TimeUtil::TimestampToMilliseconds(oldest.time()),
            20'000);
  std::map<std::string, std::string> created;
  for (const v1::FieldChange& change : oldest.changes()) {
    created[change.field()] = change.value();
    EXPECT_EQ(change.replaced(), 0);
  }
  EXPECT_THAT(created, ElementsAre(std::pair("display_name", "\"Japan\""), std::pair("region", "\"REGION_APAC\"")));
}

TEST_F(RecordServiceTest, RevisionsAreListedByThePage) {
  v1::Country country = MakeCountry("JP", "name 0");
  MakeCountry("JQ", "another");
  for (int i = 1; i < 5; ++i) country = Rename(officer_, country, "name " + std::to_string(i));
  std::vector<std::string> values;
  std::string token;
  std::string first_token;
  int pages = 0;
  do {
    const auto page = Revisions("countries/JP", 2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Revision& revision : page->revisions()) values.push_back(revision.changes(revision.changes_size() - 1).value());
    token = page->next_page_token();
    // A revision that is added meanwhile is newer than what is still to come.
    if (pages++ == 0) {
      first_token = token;
      Rename(officer_, country, "later");
    }
  } while (!token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(values, ElementsAre("\"name 4\"", "\"name 3\"", "\"name 2\"", "\"name 1\"", "\"REGION_APAC\""));
  EXPECT_THAT(Revisions("countries/JQ", 2, first_token), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  EXPECT_THAT(Revisions("countries/KR"), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Revisions("islands/1"), FailsWith("FIELD_INVALID", "name"));
  EXPECT_THAT(Revisions("countries/JP", -1), FailsWith("FIELD_INVALID", "page_size"));
}

TEST_F(RecordServiceTest, AWatchSendsTheSnapshotThenEveryChangeOfEverySite) {
  const v1::Country japan = MakeCountry("JP", "Japan");
  MakeCountry("AU", "Australia");
  Feed feed(officer_, WithSnapshot());
  const std::vector<Event> snapshot = feed.Next(2);
  EXPECT_THAT(Shown(snapshot), ElementsAre("AU Australia", "JP Japan"));
  for (const Event& event : snapshot) {
    EXPECT_TRUE(event.snapshot());
    EXPECT_EQ(event.site(), "");
    EXPECT_EQ(event.collection(), "countries");
  }
  Rename(officer_, japan, "Nihon");
  Event change = feed.Next();
  EXPECT_EQ(Shown(change), "JP Nihon");
  EXPECT_FALSE(change.snapshot());
  EXPECT_EQ(change.site(), "apac");
  MakeCountry(eame_.As("officer/eame/watch"), "FR", "France", v1::REGION_EAME);
  apac_.Receive(eame_);
  change = feed.Next();
  EXPECT_EQ(Shown(change), "FR France");
  EXPECT_EQ(change.site(), "eame");
}

// As when a site's log is closed before it, or the entry that made it is discarded.
TEST_F(RecordServiceTest, AWatchIsToldThatARecordIsGone) {
  MakeCountry(eame_.As("officer/eame/watch"), "FR", "France", v1::REGION_EAME);
  apac_.Receive(eame_);
  v1::WatchRecordsRequest request = WithSnapshot();
  request.add_collections("countries");
  Feed feed(officer_, request);
  EXPECT_EQ(Shown(feed.Next()), "FR France");
  // Headquarters does not understand the entry, and discards it.
  TestSite hq("hq", &clock_);
  replication::RemoteBatch batch = node::Missing(eame_.node(), hq.node());
  node::MakeUnknown(batch, 0);
  absl::Notification done;
  hq.node().ApplyRemote(std::move(batch), [&done](const replication::ApplyResult& result) {
    EXPECT_TRUE(result.status.ok()) << result.status;
    done.Notify();
  });
  done.WaitForNotification();
  v1::VoidEntryRequest discard;
  discard.set_entry("eame/1/0");
  discard.set_reason("faulty program");
  const auto discarded = hq.As("hq/analyst/desk").Call<v1::EntryVoid>("NodeService/VoidEntry", discard);
  ASSERT_TRUE(discarded.ok()) << discarded.status();
  apac_.Receive(hq);
  const Event gone = feed.Next();
  EXPECT_EQ(gone.gone(), "countries/FR");
  EXPECT_EQ(gone.collection(), "countries");
  EXPECT_FALSE(gone.has_record());
  Feed resumed(officer_, After(gone.resume_token()));
  const v1::Country japan = MakeCountry("JP", "Japan");
  EXPECT_EQ(Shown(resumed.Next()), "JP Japan");
}

TEST_F(RecordServiceTest, AWatchFromNowSendsNothingOfBefore) {
  MakeCountry("JP", "Japan");
  Feed feed(officer_, {});
  feed.Heartbeat();
  MakeCountry("KR", "Korea");
  EXPECT_EQ(Shown(feed.Next()), "KR Korea");
}

// Where heartbeats are an hour apart.
class WatchBeginTest : public SiteTest {
 protected:
  WatchBeginTest() : SiteTest(/*heartbeat=*/absl::Hours(1)) {}
};

TEST_F(WatchBeginTest, ACallerForWhomThereIsNothingYetHearsAtOnceWhereTheWatchBegan) {
  MakeCountry("JP", "Japan");
  std::string token;
  {
    Feed feed(officer_, {});
    token = feed.Heartbeat();
  }
  MakeCountry("KR", "Korea");
  Feed resumed(officer_, After(token));
  EXPECT_EQ(Shown(resumed.Next()), "KR Korea");
}

TEST_F(RecordServiceTest, AResumedWatchHasNoGapAndRepeatsAtMostOneEntry) {
  Feed feed(officer_, {});
  std::vector<std::string> tokens = {feed.Heartbeat()};
  MakeCountry("AA", "single");
  MakeCountry("BB", "single");
  ImportCountries({"CA", "CB", "CC"});
  MakeCountry("DD", "single");
  MakeCountry("EE", "single");
  ASSERT_EQ(apac_.node().JournalEnd(), Position(5));
  const std::vector<Event> events = feed.Next(7);
  const std::vector<std::string> all = Shown(events);
  EXPECT_THAT(all, ElementsAre("AA single", "BB single", "CA import", "CB import", "CC import", "DD single", "EE single"));
  for (const Event& event : events) tokens.push_back(event.resume_token());

  // What a watch may start with after having sent so many: after CA and CB, their entry again.
  const size_t starts[] = {0, 1, 2, 2, 2, 5, 6};
  for (size_t sent = 0; sent < std::size(starts); ++sent) {
    Feed resumed(officer_, After(tokens[sent]));
    EXPECT_EQ(Shown(resumed.Next(static_cast<int>(all.size() - starts[sent]))),
              std::vector<std::string>(all.begin() + static_cast<ptrdiff_t>(starts[sent]), all.end()))
        << "after " << sent;
  }
  Feed at_the_end(officer_, After(tokens.back()));
  at_the_end.Heartbeat();
}

TEST_F(RecordServiceTest, ASnapshotResumesWhereItStopped) {
  for (const char* code : {"AA", "BB", "CC"}) MakeCountry(code, "first");
  std::string token;
  {
    Feed feed(officer_, WithSnapshot());
    EXPECT_EQ(Shown(feed.Next()), "AA first");
    token = feed.Next().resume_token();
  }
  // Changed after it was sent: it comes with the changes.
  Rename(officer_, GetCountry("AA"), "second");
  Feed resumed(officer_, After(token));
  const std::vector<Event> events = resumed.Next(2);
  EXPECT_THAT(Shown(events), ElementsAre("CC first", "AA second"));
  EXPECT_TRUE(events[0].snapshot());
  EXPECT_FALSE(events[1].snapshot());
}

TEST_F(RecordServiceTest, ATokenOfAnotherJournalIsRefused) {
  MakeCountry("JP", "Japan");
  std::string token;
  {
    Feed feed(officer_, WithSnapshot());
    token = feed.Next().resume_token();
  }
  eame_.Receive(apac_);
  const Client abroad = eame_.As("officer/eame/watch");
  const absl::Status foreign = Feed(abroad, After(token)).End();
  EXPECT_EQ(foreign.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(foreign), "RESUME_TOKEN_FOREIGN");
  token[3] = token[3] == 'A' ? 'B' : 'A';
  EXPECT_THAT(Feed(officer_, After(token)).End(), FailsWith("FIELD_INVALID", "resume_token"));
}

TEST_F(RecordServiceTest, AMemberThatIsBehindGoesOnWhenItHasComeToWhereTheTokenIs) {
  MakeCountry("JP", "Japan");
  // As another machine of the site has it, which has not heard of the next.
  auto behind = static_cast<const storage::MemoryStore&>(apac_.node().store()).Crash(std::numeric_limits<size_t>::max());
  Feed feed(officer_, {});
  feed.Heartbeat();
  MakeCountry("KR", "Korea");
  const std::string token = feed.Next().resume_token();

  TestSite other("apac", &clock_, absl::Milliseconds(50), std::move(behind));
  const Client officer = other.As("officer/apac/watch");
  Feed resumed(officer, After(token));
  resumed.Heartbeat();
  MakeCountry(officer, "KR", "Korea");
  MakeCountry(officer, "PH", "Philippines");
  EXPECT_EQ(Shown(resumed.Next()), "PH Philippines");
}

TEST_F(RecordServiceTest, OnlyTheCollectionsAskedForAreSent) {
  MakeCountry("JP", "Japan");
  v1::WatchRecordsRequest request = WithSnapshot();
  request.add_collections("engagements");
  Feed feed(officer_, request);
  feed.Heartbeat();
  MakeCountry("KR", "Korea");
  const v1::Engagement engagement = MakeEngagement("Country visit");
  const Event event = feed.Next();
  EXPECT_EQ(event.collection(), "engagements");
  v1::Engagement sent;
  ASSERT_TRUE(event.record().UnpackTo(&sent));
  EXPECT_EQ(sent.name(), engagement.name());
  EXPECT_EQ(sent.etag(), engagement.etag());

  request.add_collections("islands");
  EXPECT_THAT(Feed(officer_, request).End(), FailsWith("FIELD_INVALID", "collections"));
}

TEST_F(RecordServiceTest, OnlyTheRecordAskedForAndThoseBeneathItAreSent) {
  MakeCountry("JP", "Japan");
  const v1::Engagement one = MakeEngagement("One");
  const v1::Engagement other = MakeEngagement("Other");
  const auto observe = [&](const v1::Engagement& engagement) {
    v1::CreateObservationRequest request;
    request.set_parent(engagement.name());
    request.mutable_observation()->set_text("Gate unattended");
    request.mutable_observation()->set_isps_reference("ISPS A/16.3");
    request.mutable_observation()->set_severity(v1::SEVERITY_MINOR);
    request.mutable_observation()->set_element(v1::ASSESSMENT_ELEMENT_ACCESS);
    request.mutable_observation()->set_country("countries/JP");
    const auto observed = officer_.Call<v1::Observation>("EngagementService/CreateObservation", request);
    EXPECT_TRUE(observed.ok()) << observed.status();
    return observed.value_or(v1::Observation()).name();
  };
  const std::string before = observe(one);
  observe(other);
  v1::WatchRecordsRequest request = WithSnapshot();
  request.set_parent(one.name());
  Feed feed(officer_, request);
  EXPECT_EQ(feed.Next().collection(), "engagements");
  v1::Observation sent;
  ASSERT_TRUE(feed.Next().record().UnpackTo(&sent));
  EXPECT_EQ(sent.name(), before);
  feed.Heartbeat();
  observe(other);
  Move<v1::ProposeEngagementRequest>("ProposeEngagement", other);
  const std::string after = observe(one);
  const Event event = feed.Next();
  ASSERT_TRUE(event.record().UnpackTo(&sent));
  EXPECT_EQ(sent.name(), after);

  request.set_parent("islands/1");
  EXPECT_THAT(Feed(officer_, request).End(), FailsWith("FIELD_INVALID", "parent"));
}

// Nothing is kept for a reader who does not read: what it would have been sent meanwhile, and is superseded, never comes.
TEST_F(RecordServiceTest, ASlowReaderMissesOnlyWhatIsSuperseded) {
  constexpr int kUpdates = 400;
  constexpr size_t kNoteBytes = 15'000;
  MakeCountry("JP", "Japan");
  v1::Engagement engagement = MakeEngagement("Visit");
  // Windows that do not grow: a few messages fill what is between the two ends.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const Client slow(Dial(apac_.port(), CallerCredentials(TestCerts::Get().Of("officer/apac/watch")), arguments));
  Feed feed(slow, {});
  feed.Heartbeat();
  std::string last;
  for (int i = 0; i < kUpdates; ++i) {
    v1::UpdateEngagementRequest request;
    request.mutable_engagement()->set_name(engagement.name());
    request.mutable_engagement()->set_etag(engagement.etag());
    last = std::to_string(i) + std::string(kNoteBytes, 'n');
    request.mutable_engagement()->set_notes(last);
    request.mutable_update_mask()->add_paths("notes");
    const auto updated = officer_.Call<v1::Engagement>("EngagementService/UpdateEngagement", request);
    ASSERT_TRUE(updated.ok()) << updated.status();
    engagement = *updated;
  }
  int events = 0;
  v1::Engagement sent;
  while (sent.notes() != last) {
    ASSERT_TRUE(feed.Next().record().UnpackTo(&sent));
    ASSERT_LE(++events, kUpdates);
  }
  EXPECT_LT(events, kUpdates / 4);
}

TEST_F(RecordServiceTest, ManyWatchersAllHearEachChange) {
  constexpr int kWatchers = 100;
  MakeCountry("JP", "Japan");
  std::vector<std::unique_ptr<Feed>> feeds;
  for (int i = 0; i < kWatchers; ++i) feeds.push_back(std::make_unique<Feed>(officer_, v1::WatchRecordsRequest()));
  for (const auto& feed : feeds) feed->Heartbeat();
  for (const char* code : {"KR", "AU"}) {
    MakeCountry(code, "new");
    for (const auto& feed : feeds) EXPECT_EQ(Shown(feed->Next()), std::string(code) + " new");
  }
}

TEST_F(RecordServiceTest, WhoTakesManyEventsInAMessageIsSentTheSame) {
  v1::WatchRecordsRequest request = After(Feed(officer_, {}).Heartbeat());
  for (const char* code : {"AA", "BB"}) MakeCountry(code, "single");
  ImportCountries({"CA", "CB", "CC"});
  std::vector<Event> alone = Feed(officer_, request).Next(5);
  EXPECT_THAT(Shown(alone), ElementsAre("AA single", "BB single", "CA import", "CB import", "CC import"));

  request.set_events_max(3);
  Feed feed(officer_, request);
  std::vector<Event> together = feed.NextMessage();
  EXPECT_EQ(together.size(), 3u);
  for (Event& event : feed.NextMessage()) together.push_back(std::move(event));
  feed.Heartbeat();
  const auto unsealed = [](std::vector<Event> events) {  // no two tokens are alike
    std::string text;
    for (Event& event : events) {
      EXPECT_NE(event.resume_token(), "");
      event.clear_resume_token();
      text += event.ShortDebugString() + "\n";
    }
    return text;
  };
  EXPECT_EQ(unsealed(together), unsealed(alone));
  // Each of them says where to go on after it.
  for (size_t sent = 0; sent < together.size(); ++sent) {
    const std::vector<size_t> starts = {1, 2, 2, 2, 5};
    v1::WatchRecordsRequest resume = After(together[sent].resume_token());
    resume.set_events_max(1000);
    Feed resumed(officer_, resume);
    const std::vector<std::string> all = Shown(alone);
    if (starts[sent] == all.size()) {
      resumed.Heartbeat();
    } else {
      EXPECT_EQ(Shown(resumed.NextMessage()), std::vector<std::string>(all.begin() + static_cast<ptrdiff_t>(starts[sent]), all.end()));
    }
  }
  // So for a snapshot, which ends where the changes begin.
  v1::WatchRecordsRequest snapshot = WithSnapshot();
  snapshot.set_events_max(2);
  Feed of_snapshot(officer_, snapshot);
  EXPECT_THAT(Shown(of_snapshot.NextMessage()), ElementsAre("AA single", "BB single"));
  EXPECT_THAT(Shown(of_snapshot.NextMessage()), ElementsAre("CA import", "CB import"));
  EXPECT_THAT(Shown(of_snapshot.NextMessage()), ElementsAre("CC import"));

  request.set_events_max(-1);
  EXPECT_THAT(Feed(officer_, request).End(), FailsWith("FIELD_INVALID", "events_max"));
}

TEST_F(RecordServiceTest, AMessageOfManyEventsIsBoundedInBytes) {
  MakeCountry("JP", "Japan");
  const std::string start = Feed(officer_, {}).Heartbeat();
  constexpr size_t kEngagements = 40;
  constexpr size_t kNotes = 16000;
  for (size_t i = 0; i < kEngagements; ++i) {
    v1::CreateEngagementRequest request;
    v1::Engagement* engagement = request.mutable_engagement();
    engagement->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    engagement->set_title("Country visit");
    engagement->add_countries("countries/JP");
    engagement->set_region(v1::REGION_APAC);
    engagement->set_notes(std::string(kNotes, 'n'));
    const auto created = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  v1::WatchRecordsRequest request = After(start);
  request.set_events_max(1000);
  Feed feed(officer_, request);
  size_t events = 0, messages = 0;
  for (; events < kEngagements; ++messages) {
    const std::vector<Event> message = feed.NextMessage();
    EXPECT_LE((message.size() - 1) * kNotes, size_t{256} << 10);
    events += message.size();
  }
  EXPECT_EQ(events, kEngagements);
  EXPECT_GE(messages, kEngagements * kNotes / (size_t{272} << 10));
  EXPECT_LE(messages, 5u);
}

TEST_F(RecordServiceTest, WhatWasFoundBeforeDamageIsToldFirst) {
  auto owned = std::make_unique<storage::MemoryStore>();
  storage::MemoryStore& store = *owned;
  TestSite site("apac", &clock_, absl::Milliseconds(50), std::move(owned));
  const Client officer = site.As("officer/apac/watch");
  v1::WatchRecordsRequest request = After(Feed(officer, {}).Heartbeat());
  for (const char* code : {"AA", "BB", "CC"}) MakeCountry(officer, code, "single");
  auto damage = store.NewBatch();
  damage->Put(storage::Cf::kRecords, "countries/BB", "damaged");
  ASSERT_TRUE(store.Write(damage.get(), storage::Sync::kYes).ok());
  request.set_events_max(10);
  Feed feed(officer, request);
  EXPECT_THAT(Shown(feed.NextMessage()), ElementsAre("AA single"));
  EXPECT_EQ(ReasonOf(feed.End()), "STORE_DAMAGED");
}

// What is told again to another, or at another time, is what the record is then: also when it was told before at the same place.
TEST_F(RecordServiceTest, AnErasedOrChangedRecordIsNotToldAsItWas) {
  const std::string start = Feed(officer_, {}).Heartbeat();
  v1::Country country = MakeCountry("JP", "Japan");
  EXPECT_EQ(Shown(Feed(officer_, After(start)).Next()), "JP Japan");
  country = Rename(officer_, country, "Nihon");
  EXPECT_EQ(Shown(Feed(officer_, After(start)).Next()), "JP Nihon");

  const auto revisions = Revisions("countries/JP");
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  v1::EraseRevisionRequest erase;
  erase.set_name("countries/JP");
  erase.set_entry(revisions->revisions(0).entry());
  erase.set_reason("spilled");
  erase.set_authority("order 1");
  const auto erased = officer_.Call<v1::Erasure>("RecordService/EraseRevision", erase);
  ASSERT_TRUE(erased.ok()) << erased.status();
  const Event event = Feed(officer_, After(start)).Next();
  EXPECT_THAT(event.SerializeAsString(), testing::Not(testing::HasSubstr("Nihon")));
  EXPECT_EQ(GetCountry("JP").display_name(), "");
  v1::ListCountriesRequest list;
  const auto listed = officer_.Call<v1::ListCountriesResponse>("ReferenceService/ListCountries", list);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->countries_size(), 1);
  EXPECT_EQ(listed->countries(0).display_name(), "");
}

TEST_F(RecordServiceTest, ADrainEndsTheWatch) {
  Feed feed(officer_, {});
  feed.Heartbeat();
  apac_.dispatcher().Drain();
  const absl::Status end = feed.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(end), "SHUTTING_DOWN");
}

}  // namespace
}  // namespace fairlead::rpc
