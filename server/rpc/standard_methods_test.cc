#include "server/rpc/standard_methods.h"

#include <algorithm>

#include "server/rpc/import_run.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Mask = std::vector<std::string>;

class StandardMethodsTest : public SiteTest {
 protected:
  absl::StatusOr<v1::Country> Create(const v1::CreateCountryRequest& request) {
    return officer_.Call<v1::Country>("ReferenceService/CreateCountry", request);
  }
  v1::CreateCountryRequest Creating(const std::string& code, const std::string& display_name) {
    v1::CreateCountryRequest request;
    request.set_country_id(code);
    request.mutable_country()->set_display_name(display_name);
    request.mutable_country()->set_region(v1::REGION_APAC);
    return request;
  }
  absl::StatusOr<v1::Country> Update(const v1::UpdateCountryRequest& request) {
    return officer_.Call<v1::Country>("ReferenceService/UpdateCountry", request);
  }
  // An update of what was read: only its name and etag are taken over.
  static v1::UpdateCountryRequest Updating(const v1::Country& read, const Mask& mask) {
    v1::UpdateCountryRequest request;
    request.mutable_country()->set_name(read.name());
    request.mutable_country()->set_etag(read.etag());
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return request;
  }
  absl::StatusOr<v1::Country> Withdraw(const v1::Country& read) {
    v1::WithdrawCountryRequest request;
    request.set_name(read.name());
    request.set_etag(read.etag());
    return officer_.Call<v1::Country>("ReferenceService/WithdrawCountry", request);
  }
  absl::StatusOr<v1::ListCountriesResponse> List(const v1::ListCountriesRequest& request) {
    return officer_.Call<v1::ListCountriesResponse>("ReferenceService/ListCountries", request);
  }
  absl::StatusOr<v1::ImportResponse> Import(const v1::ImportCountriesRequest& request) {
    return officer_.Call<v1::ImportResponse>("ReferenceService/ImportCountries", request);
  }
  static v1::Country* AddTo(v1::ImportCountriesRequest* request, const std::string& code, const std::string& display_name) {
    v1::Country* country = request->add_countries();
    country->set_name("countries/" + code);
    country->set_display_name(display_name);
    country->set_region(v1::REGION_APAC);
    return country;
  }
  absl::StatusOr<v1::Observation> Observe(const std::string& parent, const std::string& text) {
    v1::CreateObservationRequest request;
    request.set_parent(parent);
    request.mutable_observation()->set_text(text);
    request.mutable_observation()->set_isps_reference("ISPS A/16.3");
    request.mutable_observation()->set_severity(v1::SEVERITY_MINOR);
    request.mutable_observation()->set_element(v1::ASSESSMENT_ELEMENT_ACCESS);
    request.mutable_observation()->set_country("countries/JP");
    return officer_.Call<v1::Observation>("EngagementService/CreateObservation", request);
  }
  absl::StatusOr<v1::Engagement> UpdateEngagement(const Client& caller, const v1::Engagement& given, const Mask& mask) {
    v1::UpdateEngagementRequest request;
    *request.mutable_engagement() = given;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return caller.Call<v1::Engagement>("EngagementService/UpdateEngagement", request);
  }
  v1::Engagement GetEngagement(const Client& caller, const std::string& name) {
    v1::GetEngagementRequest request;
    request.set_name(name);
    const auto engagement = caller.Call<v1::Engagement>("EngagementService/GetEngagement", request);
    EXPECT_TRUE(engagement.ok()) << engagement.status();
    return engagement.value_or(v1::Engagement());
  }
  uint64_t Entries() { return apac_.node().JournalEnd().value(); }
  v1::Engagement Schedule(const v1::Engagement& engagement, int year, int month, int day) {
    v1::ScheduleEngagementRequest request;
    request.mutable_start_date()->set_year(year);
    request.mutable_start_date()->set_month(month);
    request.mutable_start_date()->set_day(day);
    return Move("ScheduleEngagement", engagement, request);
  }
  // From DRAFT to CLOSED.
  v1::Engagement Close(v1::Engagement engagement) {
    engagement = Schedule(engagement, 2026, 3, 2);
    engagement = Move<v1::StartEngagementRequest>("StartEngagement", engagement);
    engagement = Move<v1::CompleteEngagementRequest>("CompleteEngagement", engagement);
    v1::ReportEngagementRequest report;
    report.set_outcome("as planned");
    engagement = Move("ReportEngagement", engagement, report);
    return Move<v1::CloseEngagementRequest>("CloseEngagement", engagement);
  }
};

TEST_F(StandardMethodsTest, ACreatedRecordIsReadAsItWasWritten) {
  v1::CreateCountryRequest request = Creating("JP", "Japan");
  request.mutable_country()->set_name("countries/XX");  // ignored, as are output-only fields
  request.mutable_country()->set_etag("mine");
  request.mutable_country()->set_withdrawn(true);
  const auto created = Create(request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->name(), "countries/JP");
  EXPECT_EQ(created->display_name(), "Japan");
  EXPECT_EQ(created->marking(), v1::MARKING_OFFICIAL);
  EXPECT_FALSE(created->withdrawn());
  EXPECT_THAT(created->etag(), SizeIs(16));
  EXPECT_EQ(created->create_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  EXPECT_EQ(GetCountry("JP").SerializeAsString(), created->SerializeAsString());

  EXPECT_THAT(Create(Creating("JP", "again")), FailsWith("RECORD_EXISTS"));
  EXPECT_THAT(Create(Creating("", "nowhere")), FailsWith("FIELD_REQUIRED", "country_id"));
  EXPECT_THAT(Create(Creating("jp", "nowhere")), FailsWith("FIELD_INVALID", "country_id"));
  EXPECT_THAT(Create(Creating("KR", "")), FailsWith("FIELD_REQUIRED", "country.display_name"));
  v1::CreateCountryRequest empty;
  empty.set_country_id("KR");
  EXPECT_THAT(Create(empty), FailsWith("FIELD_REQUIRED", "country"));
  v1::CreateCountryRequest elsewhere = Creating("KR", "Korea");
  elsewhere.mutable_country()->add_audience("eame");
  EXPECT_THAT(Create(elsewhere), FailsWith("FIELD_INVALID", "country.audience"));
  elsewhere.mutable_country()->add_audience("apac");
  elsewhere.mutable_country()->add_audience("mars");
  EXPECT_THAT(Create(elsewhere), FailsWith("FIELD_INVALID", "country.audience"));
  EXPECT_EQ(Entries(), 1u);

  v1::GetCountryRequest get;
  EXPECT_THAT(officer_.Call<v1::Country>("ReferenceService/GetCountry", get), FailsWith("FIELD_REQUIRED", "name"));
  get.set_name("ports/JPYOK");
  EXPECT_THAT(officer_.Call<v1::Country>("ReferenceService/GetCountry", get), FailsWith("FIELD_INVALID", "name"));
  get.set_name("countries/KR");
  const auto missing = officer_.Call<v1::Country>("ReferenceService/GetCountry", get);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing, FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(StandardMethodsTest, PagesAreStableWhileRecordsAreAdded) {
  for (const char* code : {"BB", "DD", "FF", "HH"}) MakeCountry(code, code);
  v1::ListCountriesRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  for (int pages = 0; pages == 0 || !request.page_token().empty(); ++pages) {
    ASSERT_LT(pages, 4);
    const auto page = List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->countries_size(), 2);
    for (const v1::Country& country : page->countries()) names.push_back(country.display_name());
    request.set_page_token(page->next_page_token());
    if (pages == 0) {
      MakeCountry("AA", "AA");  // before what was sent
      MakeCountry("EE", "EE");  // after it
    }
  }
  EXPECT_THAT(names, ElementsAre("BB", "DD", "EE", "FF", "HH"));
}

TEST_F(StandardMethodsTest, APageTokenIsOfItsListing) {
  for (const char* code : {"AA", "BB", "CC"}) MakeCountry(code, code);
  v1::ListCountriesRequest request;
  request.set_page_size(1);
  request.set_region(v1::REGION_APAC);
  const auto page = List(request);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_NE(page->next_page_token(), "");
  request.set_page_token(page->next_page_token());
  request.set_page_size(5);
  const auto rest = List(request);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->countries_size(), 2);
  EXPECT_EQ(rest->next_page_token(), "");

  v1::ListCountriesRequest other = request;
  other.set_region(v1::REGION_EAME);
  EXPECT_THAT(List(other), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  other = request;
  other.set_show_withdrawn(true);
  EXPECT_THAT(List(other), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  v1::ListPortsRequest ports;
  ports.set_page_token(request.page_token());
  EXPECT_THAT(officer_.Call<v1::ListPortsResponse>("ReferenceService/ListPorts", ports), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  other = request;
  other.set_page_token("AAAA");
  EXPECT_THAT(List(other), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  other.set_page_size(-1);
  EXPECT_THAT(List(other), FailsWith("FIELD_INVALID", "page_size"));
}

TEST_F(StandardMethodsTest, FiltersNarrowAListing) {
  MakeCountry("JP", "Japan");
  MakeCountry(officer_, "FR", "France", v1::REGION_EAME);
  MakeCountry("KR", "Korea");
  v1::ListCountriesRequest countries;
  countries.set_region(v1::REGION_APAC);
  const auto apac = List(countries);
  ASSERT_TRUE(apac.ok()) << apac.status();
  ASSERT_EQ(apac->countries_size(), 2);
  EXPECT_EQ(apac->countries(0).name(), "countries/JP");
  EXPECT_EQ(apac->countries(1).name(), "countries/KR");
  countries.set_region(v1::REGION_CSA);
  EXPECT_EQ(List(countries)->countries_size(), 0);

  v1::ImportLiaisonOfficersRequest import;
  for (const auto& [id, region, portfolio] : {
           std::tuple("amy", v1::REGION_APAC, Mask{"countries/JP", "countries/KR"}),
           std::tuple("bob", v1::REGION_EAME, Mask{"countries/KR"}),
           std::tuple("cyd", v1::REGION_APAC, Mask{}),
       }) {
    v1::LiaisonOfficer* officer = import.add_liaison_officers();
    officer->set_name(std::string("liaisonOfficers/") + id);
    officer->set_display_name(id);
    officer->set_region(region);
    for (const std::string& country : portfolio) officer->add_portfolio(country);
  }
  const auto imported = officer_.Call<v1::ImportResponse>("ReferenceService/ImportLiaisonOfficers", import);
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_EQ(imported->created(), 3) << imported->DebugString();
  const auto names = [this](v1::Region region, const std::string& country) {
    v1::ListLiaisonOfficersRequest request;
    request.set_region(region);
    request.set_country(country);
    const auto list = officer_.Call<v1::ListLiaisonOfficersResponse>("ReferenceService/ListLiaisonOfficers", request);
    EXPECT_TRUE(list.ok()) << list.status();
    std::string out;
    for (const v1::LiaisonOfficer& officer : list->liaison_officers()) out += officer.display_name() + " ";
    return out;
  };
  EXPECT_EQ(names(v1::REGION_UNSPECIFIED, ""), "amy bob cyd ");
  EXPECT_EQ(names(v1::REGION_APAC, ""), "amy cyd ");
  EXPECT_EQ(names(v1::REGION_UNSPECIFIED, "countries/KR"), "amy bob ");
  EXPECT_EQ(names(v1::REGION_EAME, "countries/KR"), "bob ");
  EXPECT_EQ(names(v1::REGION_EAME, "countries/JP"), "");
}

TEST_F(StandardMethodsTest, EngagementsAreListedByTheirFirstDay) {
  MakeCountry("JP", "Japan");
  const v1::Engagement undated = MakeEngagement("undated");
  Schedule(MakeEngagement("second"), 2026, 5, 4);
  Schedule(MakeEngagement("first"), 2025, 11, 30);
  Schedule(MakeEngagement("third"), 2026, 10, 1);
  v1::ListEngagementsRequest request;
  request.set_country("countries/JP");
  request.set_page_size(3);
  std::vector<std::string> titles;
  do {
    const auto page = officer_.Call<v1::ListEngagementsResponse>("EngagementService/ListEngagements", request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Engagement& engagement : page->engagements()) titles.push_back(engagement.title());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(titles, ElementsAre("first", "second", "third", "undated"));
  request.set_state(v1::ENGAGEMENT_STATE_DRAFT);
  const auto drafts = officer_.Call<v1::ListEngagementsResponse>("EngagementService/ListEngagements", request);
  ASSERT_TRUE(drafts.ok()) << drafts.status();
  ASSERT_EQ(drafts->engagements_size(), 1);
  EXPECT_EQ(drafts->engagements(0).name(), undated.name());
}

TEST_F(StandardMethodsTest, RecordsBelowOthersAreListedOnlyAsWhatTheyAre) {
  MakeCountry("JP", "Japan");
  const v1::Engagement one = MakeEngagement("one");
  const v1::Engagement two = MakeEngagement("two");
  for (const v1::Engagement& engagement : {one, two}) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(Observe(engagement.name(), engagement.title() + " " + std::to_string(i)).ok());
  }
  v1::ListEngagementsRequest engagements;
  engagements.set_page_size(1);
  std::vector<std::string> names;
  do {
    ASSERT_LT(names.size(), 3u);
    const auto page = officer_.Call<v1::ListEngagementsResponse>("EngagementService/ListEngagements", engagements);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Engagement& engagement : page->engagements()) names.push_back(engagement.name());
    engagements.set_page_token(page->next_page_token());
  } while (!engagements.page_token().empty());
  std::vector<std::string> expected = {one.name(), two.name()};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names, expected);

  const auto list = [this](const std::string& parent) {
    v1::ListObservationsRequest request;
    request.set_parent(parent);
    return officer_.Call<v1::ListObservationsResponse>("EngagementService/ListObservations", request);
  };
  const auto below = list(one.name());
  ASSERT_TRUE(below.ok()) << below.status();
  ASSERT_EQ(below->observations_size(), 3);
  for (const v1::Observation& observation : below->observations()) {
    EXPECT_THAT(observation.name(), StartsWith(one.name() + "/observations/"));
    EXPECT_THAT(observation.text(), StartsWith("one "));
  }
  EXPECT_EQ(list("engagements/-")->observations_size(), 6);
  EXPECT_THAT(list(""), FailsWith("FIELD_REQUIRED", "parent"));
  EXPECT_THAT(list("countries/-"), FailsWith("FIELD_INVALID", "parent"));
  EXPECT_THAT(list("countries/JP"), FailsWith("FIELD_INVALID", "parent"));
  EXPECT_THAT(list("engagements/0123456789abcdefghjkmnpqrs"), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(StandardMethodsTest, ARecordIsCreatedBelowAParentThatIsThere) {
  MakeCountry("JP", "Japan");
  const v1::Engagement engagement = MakeEngagement("visit");
  const auto observation = Observe(engagement.name(), "gate open");
  ASSERT_TRUE(observation.ok()) << observation.status();
  EXPECT_THAT(observation->name(), ::testing::MatchesRegex(engagement.name() + "/observations/[0-9a-z]{26}"));
  EXPECT_THAT(Observe("", "x"), FailsWith("FIELD_REQUIRED", "parent"));
  EXPECT_THAT(Observe("countries/JP", "x"), FailsWith("FIELD_INVALID", "parent"));
  EXPECT_THAT(Observe(observation->name(), "x"), FailsWith("FIELD_INVALID", "parent"));
  EXPECT_THAT(Observe("engagements/0123456789abcdefghjkmnpqrs", "x"), FailsWith("REFERENCE_NOT_FOUND", "parent"));
  v1::WithdrawEngagementRequest withdraw;
  withdraw.set_name(engagement.name());
  withdraw.set_etag(engagement.etag());
  ASSERT_TRUE(officer_.Call<v1::Engagement>("EngagementService/WithdrawEngagement", withdraw).ok());
  EXPECT_THAT(Observe(engagement.name(), "x"), FailsWith("RECORD_WITHDRAWN"));
}

TEST_F(StandardMethodsTest, AMaskNamesWhatIsWritten) {
  v1::CreateCountryRequest create = Creating("JP", "Japan");
  create.mutable_country()->set_official_name("State of Japan");
  create.mutable_country()->set_alpha3("JPN");
  ASSERT_TRUE(Create(create).ok());

  v1::UpdateCountryRequest update = Updating(GetCountry("JP"), {"alpha3"});
  update.mutable_country()->set_display_name("not named");
  auto updated = Update(update);  // named and not set: cleared
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->alpha3(), "");
  EXPECT_EQ(updated->display_name(), "Japan");
  EXPECT_EQ(updated->official_name(), "State of Japan");

  update = Updating(*updated, {});  // what is set is written
  update.mutable_country()->set_display_name("Nihon");
  updated = Update(update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->display_name(), "Nihon");
  EXPECT_EQ(updated->official_name(), "State of Japan");

  update = Updating(*updated, {"*"});  // everything is, as it is given
  update.mutable_country()->set_display_name("Nippon");
  update.mutable_country()->set_region(v1::REGION_APAC);
  updated = Update(update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->display_name(), "Nippon");
  EXPECT_EQ(updated->official_name(), "");

  EXPECT_THAT(Update(Updating(*updated, {"colour"})), FailsWith("FIELD_INVALID", "update_mask"));
  EXPECT_THAT(Update(Updating(*updated, {"display_name", "region.x"})), FailsWith("FIELD_INVALID", "update_mask"));
  for (const char* path : {"name", "etag", "create_time", "update_time", "conflicts", "withdrawn"}) {
    EXPECT_THAT(Update(Updating(*updated, {path})), FailsWith("FIELD_IMMUTABLE", std::string("country.") + path));
  }
  EXPECT_THAT(Update(Updating(*updated, {"display_name"})), FailsWith("FIELD_REQUIRED", "country.display_name"));
  EXPECT_EQ(Entries(), 4u);
  v1::Engagement engagement = MakeEngagement("visit");
  engagement.set_state(v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_THAT(UpdateEngagement(officer_, engagement, {"state"}), FailsWith("FIELD_IMMUTABLE", "engagement.state"));
}

TEST_F(StandardMethodsTest, AnUpdatePresentsTheEtagThatWasRead) {
  const v1::Country first = MakeCountry("JP", "Japan");
  v1::UpdateCountryRequest update = Updating(first, {"display_name"});
  update.mutable_country()->set_display_name("Nihon");
  ASSERT_TRUE(Update(update).ok());
  update.mutable_country()->set_display_name("Nippon");
  const auto stale = Update(update);
  EXPECT_EQ(stale.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(stale, FailsWith("ETAG_MISMATCH"));
  EXPECT_THAT(Withdraw(first), FailsWith("ETAG_MISMATCH"));
  update.mutable_country()->clear_etag();
  EXPECT_THAT(Update(update), FailsWith("FIELD_REQUIRED", "country.etag"));
  EXPECT_EQ(GetCountry("JP").display_name(), "Nihon");
}

TEST_F(StandardMethodsTest, AllowMissingCreates) {
  v1::UpdateCountryRequest update;
  update.mutable_country()->set_name("countries/JP");
  update.mutable_country()->set_display_name("Japan");
  update.mutable_country()->set_region(v1::REGION_APAC);
  EXPECT_THAT(Update(update), FailsWith("RECORD_NOT_FOUND"));
  update.set_allow_missing(true);
  const auto created = Update(update);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(GetCountry("JP").etag(), created->etag());
  EXPECT_THAT(Update(update), FailsWith("FIELD_REQUIRED", "country.etag"));  // it is there now
  update.mutable_country()->set_name("countries/Korea");
  EXPECT_THAT(Update(update), FailsWith("FIELD_INVALID", "country.name"));
}

TEST_F(StandardMethodsTest, ValidateOnlyWritesNothing) {
  v1::CreateCountryRequest create = Creating("JP", "Japan");
  create.set_validate_only(true);
  create.set_request_id(clock_.RequestId());
  const auto valid = Create(create);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_EQ(valid->name(), "countries/JP");
  EXPECT_EQ(valid->marking(), v1::MARKING_OFFICIAL);
  create.mutable_country()->clear_region();
  EXPECT_THAT(Create(create), FailsWith("FIELD_REQUIRED", "country.region"));
  EXPECT_EQ(Entries(), 0u);

  const v1::Country read = MakeCountry("JP", "Japan");
  v1::UpdateCountryRequest update = Updating(read, {"display_name"});
  update.mutable_country()->set_display_name("Nihon");
  update.set_validate_only(true);
  const auto shown = Update(update);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->display_name(), "Nihon");
  EXPECT_EQ(GetCountry("JP").SerializeAsString(), read.SerializeAsString());
  EXPECT_EQ(Entries(), 1u);

  // A mask of every field clears the marking; it is answered as a write would have it.
  update = Updating(read, {"*"});
  update.mutable_country()->set_display_name("Nihon");
  update.mutable_country()->set_region(v1::REGION_APAC);
  update.set_validate_only(true);
  const auto replaced = Update(update);
  ASSERT_TRUE(replaced.ok()) << replaced.status();
  EXPECT_EQ(replaced->marking(), v1::MARKING_OFFICIAL);
  update.set_validate_only(false);
  EXPECT_EQ(Update(update)->marking(), v1::MARKING_OFFICIAL);
}

TEST_F(StandardMethodsTest, ARetryHasOneEffect) {
  v1::CreateCountryRequest create = Creating("JP", "Japan");
  create.set_request_id(clock_.RequestId());
  const auto first = Create(create);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = Create(create);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(Entries(), 1u);
  create.mutable_country()->set_display_name("Nihon");
  EXPECT_THAT(Create(create), FailsWith("REQUEST_ID_REUSED"));

  // A retry presents the etag of before its own effect.
  v1::UpdateCountryRequest update = Updating(*first, {"display_name"});
  update.mutable_country()->set_display_name("Nihon");
  update.set_request_id(clock_.RequestId());
  const auto updated = Update(update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  const auto retried = Update(update);
  ASSERT_TRUE(retried.ok()) << retried.status();
  EXPECT_EQ(retried->SerializeAsString(), updated->SerializeAsString());
  EXPECT_EQ(Entries(), 2u);
  // The same id of another caller is another request.
  EXPECT_THAT(apac_.As("hq/analyst/desk").Call<v1::Country>("ReferenceService/UpdateCountry", update), FailsWith("ETAG_MISMATCH"));

  create = Creating("KR", "Korea");
  create.set_request_id("not a uuid");
  EXPECT_THAT(Create(create), FailsWith("FIELD_INVALID", "request_id"));
  create.set_request_id(clock_.RequestId());
  clock_.Advance(absl::Hours(24 * 31));
  EXPECT_THAT(Create(create), FailsWith("REQUEST_ID_EXPIRED"));
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(StandardMethodsTest, ARequestNamesTheRecordItCreatesAtEverySite) {
  TestSite eame("eame", &clock_);
  MakeCountry("JP", "Japan");
  eame.Receive(apac_);
  v1::CreateEngagementRequest request;
  request.mutable_engagement()->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  request.mutable_engagement()->set_title("visit");
  request.mutable_engagement()->add_countries("countries/JP");
  request.mutable_engagement()->set_region(v1::REGION_APAC);
  request.set_request_id(clock_.RequestId());
  const auto here = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
  const auto there = eame.As("officer/apac/watch").Call<v1::Engagement>("EngagementService/CreateEngagement", request);
  ASSERT_TRUE(here.ok()) << here.status();
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(here->name(), there->name());
  apac_.Receive(eame);
  EXPECT_THAT(GetEngagement(officer_, here->name()).conflicts(), IsEmpty());
  request.set_request_id(clock_.RequestId());
  EXPECT_NE(officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request)->name(), here->name());
}

TEST_F(StandardMethodsTest, AnImportCountsWhatBecameOfEachRecord) {
  v1::ImportCountriesRequest request;
  AddTo(&request, "JP", "Japan");
  AddTo(&request, "KR", "Korea");
  AddTo(&request, "AU", "");
  AddTo(&request, "JP", "twice");
  AddTo(&request, "Peru", "Peru");
  auto result = Import(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->created(), 2);
  EXPECT_EQ(result->updated(), 0);
  EXPECT_EQ(result->unchanged(), 0);
  ASSERT_EQ(result->refusals_size(), 3);
  EXPECT_EQ(result->refusals(0).index(), 2);
  EXPECT_THAT(FromProto(result->refusals(0).status()), FailsWith("FIELD_REQUIRED", "display_name"));
  EXPECT_EQ(result->refusals(1).index(), 3);
  EXPECT_THAT(FromProto(result->refusals(1).status()), FailsWith("FIELD_INVALID", "name"));
  EXPECT_EQ(result->refusals(2).index(), 4);
  EXPECT_THAT(FromProto(result->refusals(2).status()), FailsWith("FIELD_INVALID", "name"));
  EXPECT_EQ(Entries(), 1u);  // what goes together is one entry
  EXPECT_EQ(GetCountry("JP").display_name(), "Japan");

  ASSERT_TRUE(Withdraw(MakeCountry("FR", "France")).ok());
  const uint64_t before = Entries();
  request.clear_countries();
  AddTo(&request, "JP", "Japan");
  AddTo(&request, "KR", "Republic of Korea");
  AddTo(&request, "AU", "Australia");
  AddTo(&request, "FR", "France");
  result = Import(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->created(), 1);
  EXPECT_EQ(result->updated(), 1);
  EXPECT_EQ(result->unchanged(), 1);
  ASSERT_EQ(result->refusals_size(), 1);
  EXPECT_THAT(FromProto(result->refusals(0).status()), FailsWith("RECORD_WITHDRAWN"));
  EXPECT_EQ(Entries(), before + 1);
  EXPECT_EQ(GetCountry("KR").display_name(), "Republic of Korea");
}

TEST_F(StandardMethodsTest, AnImportIsOfBoundedSizeAndAnAudienceIsNotMixed) {
  v1::ImportCountriesRequest request;
  EXPECT_THAT(Import(request), FailsWith("FIELD_REQUIRED", "countries"));
  AddTo(&request, "JP", "Japan");
  AddTo(&request, "KR", "Korea")->add_audience("apac");
  const auto result = Import(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->created(), 2);
  EXPECT_EQ(Entries(), 2u);
  for (int i = 0; i < kImportRecordsMax; ++i) request.add_countries();
  EXPECT_THAT(Import(request), FailsWith("FIELD_TOO_LARGE", "countries"));
}

TEST_F(StandardMethodsTest, WhatChangesNothingIsNotWritten) {
  const v1::Country read = MakeCountry("JP", "Japan");
  v1::UpdateCountryRequest update = Updating(read, {"display_name", "region", "marking"});
  update.mutable_country()->set_display_name("Japan");
  update.mutable_country()->set_region(v1::REGION_APAC);
  const auto same = Update(update);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->SerializeAsString(), read.SerializeAsString());
  update.clear_update_mask();
  *update.mutable_country() = read;
  const auto whole = Update(update);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->etag(), read.etag());
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(StandardMethodsTest, AWithdrawnRecordIsKeptAndClosed) {
  MakeCountry("KR", "Korea");
  const auto withdrawn = Withdraw(MakeCountry("JP", "Japan"));
  ASSERT_TRUE(withdrawn.ok()) << withdrawn.status();
  EXPECT_TRUE(withdrawn->withdrawn());
  EXPECT_TRUE(GetCountry("JP").withdrawn());
  EXPECT_EQ(GetCountry("JP").display_name(), "Japan");
  for (const bool filtered : {false, true}) {
    v1::ListCountriesRequest list;
    if (filtered) list.set_region(v1::REGION_APAC);
    const auto seen = List(list);
    ASSERT_TRUE(seen.ok()) << seen.status();
    ASSERT_EQ(seen->countries_size(), 1);
    EXPECT_EQ(seen->countries(0).name(), "countries/KR");
    list.set_show_withdrawn(true);
    EXPECT_EQ(List(list)->countries_size(), 2);
  }
  v1::UpdateCountryRequest update = Updating(*withdrawn, {"display_name"});
  update.mutable_country()->set_display_name("Nihon");
  EXPECT_THAT(Update(update), FailsWith("RECORD_WITHDRAWN"));
  EXPECT_THAT(Withdraw(*withdrawn), FailsWith("RECORD_WITHDRAWN"));
  EXPECT_THAT(Create(Creating("JP", "Japan")), FailsWith("RECORD_EXISTS"));
  v1::WithdrawCountryRequest bare;
  bare.set_name("countries/KR");
  EXPECT_THAT(officer_.Call<v1::Country>("ReferenceService/WithdrawCountry", bare), FailsWith("FIELD_REQUIRED", "etag"));
}

TEST_F(StandardMethodsTest, ALifecycleGoesItsWay) {
  MakeCountry("JP", "Japan");
  v1::Engagement engagement = MakeEngagement("visit");
  EXPECT_EQ(engagement.state(), v1::ENGAGEMENT_STATE_DRAFT);
  const auto refused = [&](const std::string& method) {
    v1::StartEngagementRequest request;  // all of them begin alike
    request.set_name(engagement.name());
    request.set_etag(engagement.etag());
    return officer_.Call<v1::Engagement>("EngagementService/" + method, request);
  };
  EXPECT_EQ(refused("StartEngagement").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused("StartEngagement"), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(refused("CloseEngagement"), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(refused("ScheduleEngagement"), FailsWith("FIELD_REQUIRED", "start_date"));
  EXPECT_THAT(refused("CancelEngagement"), FailsWith("FIELD_REQUIRED", "reason"));
  const uint64_t before = Entries();
  engagement = Close(engagement);
  EXPECT_EQ(engagement.state(), v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_EQ(engagement.start_date().year(), 2026);
  EXPECT_EQ(engagement.outcome(), "as planned");
  EXPECT_EQ(Entries(), before + 5);
  EXPECT_THAT(refused("CloseEngagement"), FailsWith("STATE_FORBIDS"));
  v1::StartEngagementRequest stale;
  stale.set_name(engagement.name());
  EXPECT_THAT(officer_.Call<v1::Engagement>("EngagementService/StartEngagement", stale), FailsWith("FIELD_REQUIRED", "etag"));
  stale.set_etag("0123456789abcdef");
  EXPECT_THAT(officer_.Call<v1::Engagement>("EngagementService/StartEngagement", stale), FailsWith("ETAG_MISMATCH"));
}

// Two sites name the same country differently; both names are held.
class ConflictTest : public StandardMethodsTest {
 protected:
  ConflictTest() : eame_("eame", &clock_), abroad_(eame_.As("officer/eame/watch")) {
    MakeCountry("JP", "Japan");
    eame_.Receive(apac_);
    for (const auto& [caller, display_name] : {std::pair(&officer_, "Nihon"), std::pair(&abroad_, "Nippon")}) {
      clock_.Advance(absl::Seconds(1));
      v1::UpdateCountryRequest update = Updating(GetCountry(*caller, "JP"), {"display_name"});
      update.mutable_country()->set_display_name(display_name);
      const auto updated = caller->Call<v1::Country>("ReferenceService/UpdateCountry", update);
      EXPECT_TRUE(updated.ok()) << updated.status();
    }
    apac_.Receive(eame_);
    ExpectConflict(GetCountry("JP"));
    before_ = Entries();
  }

  static void ExpectConflict(const v1::Country& country) {
    EXPECT_EQ(country.display_name(), "Nippon");
    ASSERT_EQ(country.conflicts_size(), 1);
    EXPECT_EQ(country.conflicts(0).field(), "display_name");
    EXPECT_THAT(country.conflicts(0).other_values(), ElementsAre("\"Nihon\""));
  }

  TestSite eame_;
  Client abroad_;
  uint64_t before_ = 0;
};

TEST_F(ConflictTest, AnUpdateThatNamesNothingSettlesNothingInPassing) {
  v1::UpdateCountryRequest update;
  *update.mutable_country() = GetCountry("JP");
  const auto same = Update(update);
  ASSERT_TRUE(same.ok()) << same.status();
  ExpectConflict(*same);
  EXPECT_EQ(Entries(), before_);
  update.mutable_country()->set_official_name("State of Japan");
  const auto other = Update(update);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->official_name(), "State of Japan");
  ExpectConflict(*other);
  EXPECT_EQ(Entries(), before_ + 1);

  // Another value than the one shown is an answer.
  *update.mutable_country() = *other;
  update.mutable_country()->set_display_name("Nihon");
  const auto answered = Update(update);
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_EQ(answered->display_name(), "Nihon");
  EXPECT_THAT(answered->conflicts(), IsEmpty());
}

TEST_F(ConflictTest, AnImportSettlesNothingInPassing) {
  v1::ImportCountriesRequest import;
  AddTo(&import, "JP", "Nippon");
  auto result = Import(import);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->unchanged(), 1) << result->DebugString();
  EXPECT_EQ(Entries(), before_);
  ExpectConflict(GetCountry("JP"));
  import.mutable_countries(0)->set_alpha3("JPN");
  result = Import(import);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->updated(), 1) << result->DebugString();
  EXPECT_EQ(GetCountry("JP").alpha3(), "JPN");
  ExpectConflict(GetCountry("JP"));
}

TEST_F(ConflictTest, AFieldThatTheMaskNamesIsSettledEvenWithTheValueShown) {
  v1::UpdateCountryRequest update = Updating(GetCountry("JP"), {"display_name"});
  update.mutable_country()->set_display_name("Nippon");
  const auto settled = Update(update);
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_EQ(settled->display_name(), "Nippon");
  EXPECT_THAT(settled->conflicts(), IsEmpty());
  EXPECT_EQ(Entries(), before_ + 1);
}

TEST_F(ConflictTest, AnEditBesideAClosedReportIsAnAmendmentThatAPersonDecides) {
  const v1::Engagement draft = MakeEngagement("visit");
  eame_.Receive(apac_);
  v1::Engagement edit = GetEngagement(abroad_, draft.name());
  edit.set_title("visit and talks");
  ASSERT_TRUE(UpdateEngagement(abroad_, edit, {"title"}).ok());
  Close(draft);
  apac_.Receive(eame_);
  v1::Engagement shown = GetEngagement(officer_, draft.name());
  EXPECT_EQ(shown.state(), v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_EQ(shown.title(), "visit");
  ASSERT_EQ(shown.conflicts_size(), 1);
  EXPECT_EQ(shown.conflicts(0).field(), "title");
  EXPECT_THAT(shown.conflicts(0).other_values(), ElementsAre("\"visit and talks\""));

  // A note written in passing leaves the amendment as it is.
  shown.set_notes("archived");
  auto noted = UpdateEngagement(officer_, shown, {});
  ASSERT_TRUE(noted.ok()) << noted.status();
  EXPECT_EQ(noted->notes(), "archived");
  EXPECT_EQ(noted->title(), "visit");
  EXPECT_EQ(noted->conflicts_size(), 1);
  noted->set_title("visit and talks");
  const auto adopted = UpdateEngagement(officer_, *noted, {"title"});
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->title(), "visit and talks");
  EXPECT_EQ(adopted->state(), v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_THAT(adopted->conflicts(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::rpc
