#include "server/rpc/conflict_methods.h"

#include <algorithm>

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ConflictMethodsTest : public SiteTest {
 protected:
  ConflictMethodsTest() : eame_("eame", &clock_), abroad_(eame_.As("officer/eame/watch")) {}

  void Exchange() {
    apac_.Receive(eame_);
    eame_.Receive(apac_);
  }
  static v1::Country Set(const Client& caller, const std::string& code, const std::string& field, const std::string& value) {
    v1::UpdateCountryRequest request;
    v1::Country& country = *request.mutable_country();
    country.set_name("countries/" + code);
    country.set_etag(GetCountry(caller, code).etag());
    country.GetReflection()->SetString(&country, country.GetDescriptor()->FindFieldByName(field), value);
    request.mutable_update_mask()->add_paths(field);
    const auto updated = caller.Call<v1::Country>("ReferenceService/UpdateCountry", request);
    EXPECT_TRUE(updated.ok()) << updated.status();
    return updated.value_or(v1::Country());
  }
  // The country named differently at two sites, the later at eame, and known at both.
  void Disagree(const std::string& code) {
    MakeCountry(code, "base");
    Exchange();
    Set(officer_, code, "display_name", "of apac");
    clock_.Advance(absl::Seconds(1));
    Set(abroad_, code, "display_name", "of eame");
    Exchange();
  }
  // Two sites hold an engagement that is REPORTED.
  v1::Engagement Reported() {
    MakeCountry("JP", "Japan");
    v1::Engagement engagement = MakeEngagement("Visit");
    v1::ScheduleEngagementRequest schedule;
    schedule.mutable_start_date()->set_year(2026);
    schedule.mutable_start_date()->set_month(5);
    schedule.mutable_start_date()->set_day(1);
    engagement = Move("ScheduleEngagement", engagement, schedule);
    engagement = Move<v1::StartEngagementRequest>("StartEngagement", engagement);
    v1::CompleteEngagementRequest complete;
    complete.set_outcome("Done");
    engagement = Move("CompleteEngagement", engagement, complete);
    engagement = Move<v1::ReportEngagementRequest>("ReportEngagement", engagement);
    Exchange();
    return engagement;
  }

  static absl::StatusOr<v1::ListConflictsResponse> List(const Client& caller, const v1::ListConflictsRequest& request = {}) {
    return caller.Call<v1::ListConflictsResponse>("RecordService/ListConflicts", request);
  }
  static std::vector<std::string> Names(const absl::StatusOr<v1::ListConflictsResponse>& page) {
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const v1::Conflict& conflict : page->conflicts()) names.push_back(conflict.name());
    return names;
  }
  static absl::StatusOr<v1::Conflict> Get(const Client& caller, const std::string& name) {
    v1::GetConflictRequest request;
    request.set_name(name);
    return caller.Call<v1::Conflict>("RecordService/GetConflict", request);
  }
  static v1::ResolveConflictRequest Keep(const v1::Conflict& conflict, const std::vector<std::string>& ids) {
    v1::ResolveConflictRequest request;
    request.set_name(conflict.name());
    request.set_etag(conflict.etag());
    request.mutable_keep();
    for (const std::string& id : ids) request.mutable_keep()->add_value_ids(id);
    return request;
  }
  template <class Record = v1::Country>
  static absl::StatusOr<Record> Resolve(const Client& caller, const v1::ResolveConflictRequest& request) {
    const auto response = caller.Call<v1::ResolveConflictResponse>("RecordService/ResolveConflict", request);
    if (!response.ok()) return response.status();
    Record record;
    EXPECT_TRUE(response->record().UnpackTo(&record)) << response->record().type_url();
    return record;
  }

  TestSite eame_;
  Client abroad_;
};

TEST_F(ConflictMethodsTest, AConflictSaysWhoWroteWhatWhereWhenAndUponWhat) {
  Disagree("JP");
  for (const Client* caller : {&officer_, &abroad_}) {
    const auto conflict = Get(*caller, "countries/JP/conflicts/display_name");
    ASSERT_TRUE(conflict.ok()) << conflict.status();
    EXPECT_EQ(conflict->record(), "countries/JP");
    EXPECT_EQ(conflict->field(), "display_name");
    EXPECT_FALSE(conflict->withdrawn());
    ASSERT_EQ(conflict->values_size(), 2);
    const v1::ConflictValue& shown = conflict->values(0);
    const v1::ConflictValue& other = conflict->values(1);
    EXPECT_EQ(shown.value(), "\"of eame\"");
    EXPECT_TRUE(shown.shown());
    EXPECT_FALSE(shown.amendment());
    EXPECT_EQ(shown.site(), "eame");
    EXPECT_EQ(shown.actor(), "officer/eame/watch");
    EXPECT_EQ(shown.entry(), "eame/1/0");
    EXPECT_EQ(shown.method(), "fairlead.v1.ReferenceService/UpdateCountry");
    EXPECT_EQ(shown.time().seconds() - other.time().seconds(), 1);
    // eame had the first entry of apac, and nothing of its own, when it wrote.
    ASSERT_EQ(shown.applied_size(), 1);
    EXPECT_EQ(shown.applied(0).origin(), std::string(kTestNetwork) + "/apac/1/main");
    EXPECT_EQ(shown.applied(0).size(), 1);
    EXPECT_EQ(other.value(), "\"of apac\"");
    EXPECT_FALSE(other.shown());
    EXPECT_EQ(other.entry(), "apac/1/1");
    EXPECT_NE(other.value_id(), shown.value_id());
    for (const v1::ConflictValue& value : conflict->values()) {
      ASSERT_EQ(value.read_size(), 1);
      EXPECT_EQ(value.read(0).value(), "\"base\"");
      EXPECT_EQ(value.read(0).entry(), "apac/1/0");
      EXPECT_EQ(value.read(0).site(), "apac");
    }
  }
  EXPECT_EQ(Get(officer_, "countries/JP/conflicts/display_name")->SerializeAsString(),
            Get(abroad_, "countries/JP/conflicts/display_name")->SerializeAsString());
}

TEST_F(ConflictMethodsTest, AreListedByThePageAndByFilter) {
  EXPECT_THAT(Names(List(officer_)), IsEmpty());
  for (const char* code : {"JP", "KR", "AU"}) Disagree(code);
  Set(officer_, "JP", "official_name", "of apac");
  Set(abroad_, "JP", "official_name", "of eame");
  Exchange();
  const std::string au = "countries/AU/conflicts/display_name";
  const std::string jp = "countries/JP/conflicts/display_name";
  const std::string jp_official = "countries/JP/conflicts/official_name";
  const std::string kr = "countries/KR/conflicts/display_name";
  for (const Client* caller : {&officer_, &abroad_}) {
    EXPECT_THAT(Names(List(*caller)), ElementsAre(au, jp, jp_official, kr));
    EXPECT_EQ(GetCountry(*caller, "JP").conflicts_size(), 2);
  }

  v1::ListConflictsRequest request;
  request.set_page_size(3);
  auto page = List(officer_, request);
  EXPECT_THAT(Names(page), ElementsAre(au, jp, jp_official));
  request.set_page_token(page->next_page_token());
  page = List(officer_, request);
  EXPECT_THAT(Names(page), ElementsAre(kr));
  EXPECT_EQ(page->next_page_token(), "");
  request.set_collection("ports");
  EXPECT_THAT(List(officer_, request), FailsWith("PAGE_TOKEN_INVALID", "page_token"));

  request = {};
  request.set_parent("countries/JP");
  EXPECT_THAT(Names(List(officer_, request)), ElementsAre(jp, jp_official));
  request.set_collection("ports");
  EXPECT_THAT(List(officer_, request), FailsWith("FIELD_INVALID", "collection"));
  request = {};
  request.set_collection("ports");
  EXPECT_THAT(Names(List(officer_, request)), IsEmpty());
  request.set_collection("countries");
  EXPECT_THAT(Names(List(officer_, request)), SizeIs(4));
  request.set_collection("islands");
  EXPECT_THAT(List(officer_, request), FailsWith("FIELD_INVALID", "collection"));

  // Only eame wrote one of the values of what it did not dispute with anyone else.
  request = {};
  request.set_site("eame");
  EXPECT_THAT(Names(List(officer_, request)), SizeIs(4));
  request.set_parent("countries/KR");
  EXPECT_THAT(Names(List(officer_, request)), ElementsAre(kr));
  request.set_site("hq");
  EXPECT_THAT(Names(List(officer_, request)), IsEmpty());
  request.clear_parent();
  EXPECT_THAT(Names(List(officer_, request)), IsEmpty());
  request.set_site("mars");
  EXPECT_THAT(List(officer_, request), FailsWith("FIELD_INVALID", "site"));
  request = {};
  request.set_parent("islands/1");
  EXPECT_THAT(List(officer_, request), FailsWith("FIELD_INVALID", "parent"));
}

TEST_F(ConflictMethodsTest, IsSettledByAValueOfItAtEverySite) {
  Disagree("JP");
  const auto conflict = Get(officer_, "countries/JP/conflicts/display_name");
  ASSERT_TRUE(conflict.ok()) << conflict.status();
  const auto settled = Resolve(officer_, Keep(*conflict, {conflict->values(1).value_id()}));
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->display_name(), "of apac");
  EXPECT_THAT(settled->conflicts(), IsEmpty());
  Exchange();
  for (const Client* caller : {&officer_, &abroad_}) {
    EXPECT_EQ(GetCountry(*caller, "JP").SerializeAsString(), settled->SerializeAsString());
    EXPECT_THAT(Names(List(*caller)), IsEmpty());
    EXPECT_THAT(Get(*caller, conflict->name()), FailsWith("RECORD_NOT_FOUND"));
  }
  EXPECT_EQ(apac_.node().StateDigests().second[0].digest, eame_.node().StateDigests().second[0].digest);
  v1::ListRevisionsRequest history;
  history.set_name("countries/JP");
  const auto revisions = abroad_.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", history);
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  ASSERT_EQ(revisions->revisions_size(), 4);
  EXPECT_EQ(revisions->revisions(0).method(), "fairlead.v1.RecordService/ResolveConflict");
  ASSERT_EQ(revisions->revisions(0).changes_size(), 1);
  EXPECT_EQ(revisions->revisions(0).changes(0).replaced(), 2);
}

TEST_F(ConflictMethodsTest, IsSettledByANewValue) {
  Disagree("JP");
  v1::ResolveConflictRequest request;
  request.set_name("countries/JP/conflicts/display_name");
  request.set_etag(Get(officer_, request.name())->etag());
  for (const char* malformed : {"Japan", "\"Japan\", \"official_name\": \"x\"", "12", "[\"Japan\"]", "{}", "", "\"a\" \"b\""}) {
    request.set_value(malformed);
    EXPECT_THAT(Resolve(officer_, request), FailsWith("FIELD_INVALID", "value")) << malformed;
  }
  // The type's rules hold: a country has a name.
  request.set_value("null");
  EXPECT_THAT(Resolve(officer_, request), FailsWith("FIELD_REQUIRED", "record.display_name"));
  EXPECT_THAT(Names(List(officer_)), SizeIs(1));

  request.set_value("\"Nippon\"");
  request.set_validate_only(true);
  const auto would_be = Resolve(officer_, request);
  ASSERT_TRUE(would_be.ok()) << would_be.status();
  EXPECT_EQ(would_be->display_name(), "Nippon");
  EXPECT_THAT(would_be->conflicts(), IsEmpty());
  EXPECT_THAT(Names(List(officer_)), SizeIs(1));

  request.set_validate_only(false);
  request.set_request_id(clock_.RequestId());
  const auto settled = Resolve(officer_, request);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->display_name(), "Nippon");
  // The same call again has no second effect; another call with its id is refused.
  const Position end = apac_.node().JournalEnd();
  EXPECT_EQ(Resolve(officer_, request)->etag(), settled->etag());
  EXPECT_EQ(apac_.node().JournalEnd(), end);
  request.set_value("\"Nihon\"");
  EXPECT_THAT(Resolve(officer_, request), FailsWith("REQUEST_ID_REUSED", "request_id"));
}

TEST_F(ConflictMethodsTest, WhatChangedSinceItWasReadIsRefusedAndNothingIsLost) {
  Disagree("JP");
  const auto read = Get(officer_, "countries/JP/conflicts/display_name");
  ASSERT_TRUE(read.ok()) << read.status();
  // Another field of the record changes: the conflict is the same.
  Set(officer_, "JP", "alpha3", "JPN");
  EXPECT_EQ(Get(officer_, read->name())->etag(), read->etag());
  // hq, which knows of no dispute, writes a third value.
  TestSite hq("hq", &clock_);
  const Client third = hq.As("officer/hq/watch");
  MakeCountry(third, "JP", "of hq");
  apac_.Receive(hq);
  const absl::Status refused = Resolve(officer_, Keep(*read, {read->values(0).value_id()})).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(refused, FailsWith("ETAG_MISMATCH"));
  const auto now = Get(officer_, read->name());
  ASSERT_TRUE(now.ok()) << now.status();
  ASSERT_EQ(now->values_size(), 3);
  const auto settled = Resolve(officer_, Keep(*now, {read->values(0).value_id()}));
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->display_name(), "of eame");
  EXPECT_EQ(settled->alpha3(), "JPN");
  // It is gone: so is what was read of it.
  EXPECT_THAT(Resolve(officer_, Keep(*now, {now->values(0).value_id()})), FailsWith("ETAG_MISMATCH"));
}

TEST_F(ConflictMethodsTest, BadRequestsAreRefusedByField) {
  Disagree("JP");
  const auto conflict = Get(officer_, "countries/JP/conflicts/display_name");
  ASSERT_TRUE(conflict.ok()) << conflict.status();
  const v1::ResolveConflictRequest good = Keep(*conflict, {conflict->values(0).value_id()});
  v1::ResolveConflictRequest bad = good;
  bad.clear_name();
  EXPECT_THAT(Resolve(officer_, bad), FailsWith("FIELD_REQUIRED", "name"));
  for (const char* name : {"countries/JP", "countries/JP/conflicts/", "islands/1/conflicts/name", "/conflicts/name"}) {
    bad.set_name(name);
    EXPECT_THAT(Resolve(officer_, bad), FailsWith("FIELD_INVALID", "name")) << name;
    EXPECT_THAT(Get(officer_, name), FailsWith("FIELD_INVALID", "name")) << name;
  }
  bad.set_name("countries/XX/conflicts/display_name");
  EXPECT_THAT(Resolve(officer_, bad), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Get(officer_, bad.name()), FailsWith("RECORD_NOT_FOUND"));
  bad.set_name("countries/JP/conflicts/colour");
  EXPECT_THAT(Resolve(officer_, bad), FailsWith("RECORD_NOT_FOUND"));
  bad = good;
  bad.clear_etag();
  EXPECT_THAT(Resolve(officer_, bad), FailsWith("FIELD_REQUIRED", "etag"));
  bad = good;
  bad.clear_resolution();
  EXPECT_THAT(Resolve(officer_, bad), FailsWith("FIELD_REQUIRED", "keep"));
  EXPECT_THAT(Resolve(officer_, Keep(*conflict, {})), FailsWith("FIELD_INVALID", "keep.value_ids"));
  EXPECT_THAT(Resolve(officer_, Keep(*conflict, {"00-0"})), FailsWith("FIELD_INVALID", "keep.value_ids"));
  EXPECT_THAT(Resolve(officer_, Keep(*conflict, {conflict->values(0).value_id(), conflict->values(1).value_id()})),
              FailsWith("FIELD_INVALID", "keep.value_ids"));
  EXPECT_EQ(Get(officer_, conflict->name())->etag(), conflict->etag());
}

TEST_F(ConflictMethodsTest, ConcurrentLifecycleMovesAreAConflict) {
  MakeCountry("JP", "Japan");
  const v1::Engagement draft = MakeEngagement("Visit");
  Exchange();
  Move<v1::ProposeEngagementRequest>("ProposeEngagement", draft);
  v1::CancelEngagementRequest cancel;
  cancel.set_name(draft.name());
  cancel.set_etag(draft.etag());
  cancel.set_reason("The port is closed.");
  const auto cancelled = abroad_.Call<v1::Engagement>("EngagementService/CancelEngagement", cancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  Exchange();
  const auto conflict = Get(officer_, draft.name() + "/conflicts/state");
  ASSERT_TRUE(conflict.ok()) << conflict.status();
  ASSERT_EQ(conflict->values_size(), 2);
  // The higher rank is shown, whatever the time.
  EXPECT_EQ(conflict->values(0).value(), "\"ENGAGEMENT_STATE_CANCELLED\"");
  EXPECT_TRUE(conflict->values(0).shown());
  EXPECT_EQ(conflict->values(0).site(), "eame");
  EXPECT_EQ(conflict->values(1).value(), "\"ENGAGEMENT_STATE_PROPOSED\"");

  v1::ResolveConflictRequest by_value;
  by_value.set_name(conflict->name());
  by_value.set_etag(conflict->etag());
  by_value.set_value("\"ENGAGEMENT_STATE_CLOSED\"");
  EXPECT_THAT(Resolve<v1::Engagement>(officer_, by_value), FailsWith("FIELD_IMMUTABLE", "value"));
  const auto settled = Resolve<v1::Engagement>(officer_, Keep(*conflict, {conflict->values(1).value_id()}));
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->state(), v1::ENGAGEMENT_STATE_PROPOSED);
  Exchange();
  EXPECT_THAT(Names(List(abroad_)), IsEmpty());
}

TEST_F(ConflictMethodsTest, AmendmentsOfALockedRecordAreListedAcceptedAndDropped) {
  const v1::Engagement reported = Reported();
  Move<v1::CloseEngagementRequest>("CloseEngagement", reported);
  // eame edits the title, adds a country and takes one away, not knowing.
  MakeCountry(abroad_, "KR", "Korea");
  v1::UpdateEngagementRequest edit;
  edit.mutable_engagement()->set_name(reported.name());
  edit.mutable_engagement()->set_etag(reported.etag());
  edit.mutable_engagement()->set_title("Late title");
  edit.mutable_engagement()->add_countries("countries/KR");
  edit.mutable_update_mask()->add_paths("title");
  edit.mutable_update_mask()->add_paths("countries");
  const auto edited = abroad_.Call<v1::Engagement>("EngagementService/UpdateEngagement", edit);
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_THAT(edited->countries(), ElementsAre("countries/KR"));
  Exchange();

  const std::string countries = reported.name() + "/conflicts/countries";
  const std::string title = reported.name() + "/conflicts/title";
  EXPECT_THAT(Names(List(officer_)), ElementsAre(countries, title));
  const auto of_title = Get(officer_, title);
  ASSERT_TRUE(of_title.ok()) << of_title.status();
  ASSERT_EQ(of_title->values_size(), 2);
  EXPECT_EQ(of_title->values(0).value(), "\"Visit\"");
  EXPECT_TRUE(of_title->values(0).shown());
  EXPECT_EQ(of_title->values(1).value(), "\"Late title\"");
  EXPECT_TRUE(of_title->values(1).amendment());
  EXPECT_EQ(of_title->values(1).read(0).value(), "\"Visit\"");

  const auto of_countries = Get(officer_, countries);
  ASSERT_TRUE(of_countries.ok()) << of_countries.status();
  ASSERT_EQ(of_countries->values_size(), 3);
  EXPECT_EQ(of_countries->values(0).value(), "\"countries/JP\"");
  EXPECT_TRUE(of_countries->values(0).shown());
  EXPECT_EQ(of_countries->values(1).value(), "\"countries/KR\"");
  EXPECT_TRUE(of_countries->values(1).amendment());
  const v1::ConflictValue& removal = of_countries->values(2);
  EXPECT_EQ(removal.value(), "");
  EXPECT_TRUE(removal.amendment());
  ASSERT_EQ(removal.read_size(), 1);
  EXPECT_EQ(removal.read(0).value(), "\"countries/JP\"");

  // Of the countries the addition is taken in and the removal is not; the title stays as it is.
  const auto added = Resolve<v1::Engagement>(officer_, Keep(*of_countries, {of_countries->values(1).value_id()}));
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_THAT(added->countries(), UnorderedElementsAre("countries/JP", "countries/KR"));
  const auto settled = Resolve<v1::Engagement>(officer_, Keep(*of_title, {of_title->values(0).value_id()}));
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->title(), "Visit");
  EXPECT_EQ(settled->state(), v1::ENGAGEMENT_STATE_CLOSED);
  Exchange();
  for (const Client* caller : {&officer_, &abroad_}) EXPECT_THAT(Names(List(*caller)), IsEmpty());
}

// Whether a person takes it in or drops it.
class WithdrawalTest : public ConflictMethodsTest, public testing::WithParamInterface<bool> {};

TEST_P(WithdrawalTest, ThatALockHasKeptOutIsSettled) {
  const bool accept = GetParam();
  const v1::Engagement reported = Reported();
  Move<v1::CloseEngagementRequest>("CloseEngagement", reported);
  v1::WithdrawEngagementRequest withdraw;
  withdraw.set_name(reported.name());
  withdraw.set_etag(reported.etag());
  ASSERT_TRUE(abroad_.Call<v1::Engagement>("EngagementService/WithdrawEngagement", withdraw).ok());
  Exchange();
  const auto conflict = Get(officer_, reported.name() + "/conflicts/withdrawn");
  ASSERT_TRUE(conflict.ok()) << conflict.status();
  ASSERT_EQ(conflict->values_size(), 1);
  EXPECT_TRUE(conflict->values(0).amendment());
  EXPECT_EQ(conflict->values(0).value(), "true");
  std::vector<std::string> keep;
  if (accept) keep.push_back(conflict->values(0).value_id());
  const auto settled = Resolve<v1::Engagement>(officer_, Keep(*conflict, keep));
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->withdrawn(), accept);
  EXPECT_EQ(settled->state(), v1::ENGAGEMENT_STATE_CLOSED);
  Exchange();
  v1::ListConflictsRequest all;
  all.set_show_withdrawn(true);
  EXPECT_THAT(Names(List(abroad_, all)), IsEmpty());
  v1::GetEngagementRequest get;
  get.set_name(reported.name());
  EXPECT_EQ(abroad_.Call<v1::Engagement>("EngagementService/GetEngagement", get)->withdrawn(), accept);
}

INSTANTIATE_TEST_SUITE_P(Settled, WithdrawalTest, testing::Bool());

TEST_F(ConflictMethodsTest, AWithdrawnRecordsConflictsAreListedWhenAskedForAndLeftAlone) {
  Disagree("JP");
  v1::WithdrawCountryRequest withdraw;
  withdraw.set_name("countries/JP");
  withdraw.set_etag(GetCountry("JP").etag());
  ASSERT_TRUE(officer_.Call<v1::Country>("ReferenceService/WithdrawCountry", withdraw).ok());
  EXPECT_THAT(Names(List(officer_)), IsEmpty());
  v1::ListConflictsRequest all;
  all.set_show_withdrawn(true);
  const auto listed = List(officer_, all);
  EXPECT_THAT(Names(listed), ElementsAre("countries/JP/conflicts/display_name"));
  EXPECT_TRUE(listed->conflicts(0).withdrawn());
  EXPECT_THAT(Resolve(officer_, Keep(listed->conflicts(0), {listed->conflicts(0).values(0).value_id()})), FailsWith("RECORD_WITHDRAWN"));
}

}  // namespace
}  // namespace fairlead::rpc
