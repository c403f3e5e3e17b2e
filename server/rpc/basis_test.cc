#include "server/rpc/basis.h"

#include <random>

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class BasisTest : public SiteTest {
 protected:
  BasisTest() : eame_("eame", &clock_), abroad_(eame_.As("officer/eame/watch")), colleague_(apac_.As("officer/apac/day")) {}

  void Exchange() {
    apac_.Receive(eame_);
    eame_.Receive(apac_);
  }
  std::string NewId() { return NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))); }
  // Calls with this in the metadata `fairlead-basis`; none when it is empty.
  template <class Response, class Request>
  static absl::StatusOr<Response> Upon(const Client& caller, const std::string& basis, const std::string& method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    if (!basis.empty()) context.AddMetadata(kBasisMetadata, basis);
    return caller.Call<Response>(method, request, &context);
  }
  static v1::UpdateCountryRequest Setting(const std::string& etag, const std::string& field, const std::string& value,
                                          const std::string& request_id = "") {
    v1::UpdateCountryRequest request;
    request.mutable_country()->set_name("countries/JP");
    request.mutable_country()->set_etag(etag);
    request.set_request_id(request_id);
    request.mutable_update_mask()->add_paths(field);
    v1::Country* country = request.mutable_country();
    country->GetReflection()->SetString(country, country->GetDescriptor()->FindFieldByName(field), value);
    return request;
  }
  static absl::StatusOr<v1::Country> Set(const Client& caller, const std::string& basis, const v1::UpdateCountryRequest& request) {
    return Upon<v1::Country>(caller, basis, "ReferenceService/UpdateCountry", request);
  }
  static v1::Engagement GetEngagement(const Client& caller, const std::string& name) {
    v1::GetEngagementRequest request;
    request.set_name(name);
    return caller.Call<v1::Engagement>("EngagementService/GetEngagement", request).value();
  }
  static std::vector<std::string> ValuesInConflict(const Client& caller, const std::string& name) {
    v1::GetConflictRequest request;
    request.set_name(name);
    const auto conflict = caller.Call<v1::Conflict>("RecordService/GetConflict", request);
    std::vector<std::string> values;
    if (!conflict.ok()) return values;
    for (const v1::ConflictValue& value : conflict->values()) values.push_back(value.value());
    return values;
  }

  TestSite eame_;
  Client abroad_;
  Client colleague_;  // another officer of apac
};

TEST_F(BasisTest, AnotherFieldThatWasWrittenMeanwhileStays) {
  const v1::Country read = MakeCountry("JP", "Japan");
  ASSERT_TRUE(Set(colleague_, "", Setting(read.etag(), "official_name", "State of Japan")).ok());
  EXPECT_THAT(Set(officer_, "", Setting(read.etag(), "display_name", "Nippon")), FailsWith("ETAG_MISMATCH"));
  const auto written = Set(officer_, "kept", Setting(read.etag(), "display_name", "Nippon"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->display_name(), "Nippon");
  EXPECT_EQ(written->official_name(), "State of Japan");
  EXPECT_THAT(written->conflicts(), IsEmpty());
}

TEST_F(BasisTest, TheSameFieldIsInConflictAndNeitherValueIsLost) {
  const v1::Country read = MakeCountry("JP", "Japan");
  ASSERT_TRUE(Set(colleague_, "", Setting(read.etag(), "display_name", "Nihon")).ok());
  const auto request = Setting(read.etag(), "display_name", "Nippon", NewId());
  const auto written = Set(officer_, "kept", request);
  ASSERT_TRUE(written.ok()) << written.status();
  ASSERT_THAT(written->conflicts(), SizeIs(1));
  EXPECT_EQ(written->conflicts(0).field(), "display_name");
  EXPECT_THAT(ValuesInConflict(officer_, "countries/JP/conflicts/display_name"), UnorderedElementsAre("\"Nippon\"", "\"Nihon\""));
  // The same request again writes nothing.
  const auto again = Set(officer_, "kept", request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->etag(), written->etag());
}

TEST_F(BasisTest, UponTheCurrentRevisionItIsAnOrdinaryWrite) {
  const v1::Country read = MakeCountry("JP", "Japan");
  const auto written = Set(officer_, "kept", Setting(read.etag(), "display_name", "Nippon"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(written->conflicts(), IsEmpty());
  EXPECT_EQ(written->display_name(), "Nippon");
}

TEST_F(BasisTest, WhatChangesNothingUponItsBasisIsAnsweredWithTheRecordAsItIs) {
  const v1::Country read = MakeCountry("JP", "Japan");
  const auto now = Set(colleague_, "", Setting(read.etag(), "display_name", "Nihon"));
  ASSERT_TRUE(now.ok()) << now.status();
  const auto written = Set(officer_, "kept", Setting(read.etag(), "display_name", "Japan"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->SerializeAsString(), now->SerializeAsString());
}

// Upon what the first answer's etag names, the second request would take away a value that its author never saw.
TEST_F(BasisTest, LaterChangesOfTheSameAuthorFollowTheEarlierOnesAndNothingElse) {
  const v1::Country read = MakeCountry("JP", "Japan");
  ASSERT_TRUE(Set(colleague_, "", Setting(read.etag(), "display_name", "Nihon")).ok());
  const std::string first = NewId();
  ASSERT_TRUE(Set(officer_, "kept", Setting(read.etag(), "display_name", "Nipon", first)).ok());
  const auto second = Set(officer_, "kept " + first, Setting(read.etag(), "display_name", "Nippon"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(ValuesInConflict(officer_, "countries/JP/conflicts/display_name"), UnorderedElementsAre("\"Nippon\"", "\"Nihon\""));
  // Another's request under that id is not the author's.
  EXPECT_THAT(Set(colleague_, "kept " + first, Setting("", "display_name", "Nippon")), FailsWith("ETAG_MISMATCH"));
}

TEST_F(BasisTest, ARecordThatTheAuthorMadeIsNamedByTheRequestThatMadeIt) {
  v1::CreateCountryRequest create;
  create.set_country_id("JP");
  create.set_request_id(NewId());
  create.mutable_country()->set_display_name("Japan");
  create.mutable_country()->set_region(v1::REGION_APAC);
  const auto made = officer_.Call<v1::Country>("ReferenceService/CreateCountry", create);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE(Set(colleague_, "", Setting(made->etag(), "display_name", "Nihon")).ok());
  const auto written = Set(officer_, "kept " + create.request_id(), Setting("", "display_name", "Nippon"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(ValuesInConflict(officer_, "countries/JP/conflicts/display_name"), UnorderedElementsAre("\"Nippon\"", "\"Nihon\""));
  EXPECT_THAT(Set(officer_, "kept", Setting("", "display_name", "Nippon")), FailsWith("FIELD_REQUIRED", "country.etag"));
  EXPECT_THAT(Set(officer_, "kept " + NewId(), Setting("", "display_name", "Nippon")), FailsWith("ETAG_MISMATCH"));
}

TEST_F(BasisTest, AMoveMeetsAnotherMoveAndAPersonSettlesIt) {
  MakeCountry("JP", "Japan");
  const v1::Engagement draft = MakeEngagement("Visit");
  v1::CancelEngagementRequest cancel;
  cancel.set_reason("No visas");
  Move("CancelEngagement", draft, cancel);
  v1::ProposeEngagementRequest propose;
  propose.set_name(draft.name());
  propose.set_etag(draft.etag());
  EXPECT_THAT(officer_.Call<v1::Engagement>("EngagementService/ProposeEngagement", propose), FailsWith("ETAG_MISMATCH"));
  const auto moved = Upon<v1::Engagement>(officer_, "kept", "EngagementService/ProposeEngagement", propose);
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->state(), v1::ENGAGEMENT_STATE_CANCELLED);  // of higher rank
  EXPECT_THAT(ValuesInConflict(officer_, draft.name() + "/conflicts/state"),
              UnorderedElementsAre("\"ENGAGEMENT_STATE_CANCELLED\"", "\"ENGAGEMENT_STATE_PROPOSED\""));
}

TEST_F(BasisTest, AnEditOfWhatWasLockedSinceIsAnAmendment) {
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
  const v1::Engagement read = Move<v1::ReportEngagementRequest>("ReportEngagement", engagement);
  const v1::Engagement closed = Move<v1::CloseEngagementRequest>("CloseEngagement", read);
  v1::UpdateEngagementRequest update;
  update.mutable_engagement()->set_name(read.name());
  update.mutable_engagement()->set_etag(read.etag());
  update.mutable_engagement()->set_notes("Written on the train");
  const auto amended = Upon<v1::Engagement>(officer_, "kept", "EngagementService/UpdateEngagement", update);
  ASSERT_TRUE(amended.ok()) << amended.status();
  EXPECT_EQ(amended->notes(), closed.notes());
  ASSERT_THAT(amended->conflicts(), SizeIs(1));
  EXPECT_THAT(amended->conflicts(0).other_values(), ElementsAre("\"Written on the train\""));
}

TEST_F(BasisTest, AWithdrawnRecordIsRefused) {
  const v1::Country read = MakeCountry("JP", "Japan");
  v1::WithdrawCountryRequest withdraw;
  withdraw.set_name(read.name());
  withdraw.set_etag(read.etag());
  ASSERT_TRUE(colleague_.Call<v1::Country>("ReferenceService/WithdrawCountry", withdraw).ok());
  EXPECT_THAT(Set(officer_, "kept", Setting(read.etag(), "display_name", "Nippon")), FailsWith("RECORD_WITHDRAWN"));
}

// Whatever two sites wrote, and in whatever order it came: each revision that either has shown can be written upon at both.
TEST_F(BasisTest, EveryRevisionThatASiteHasShownIsFoundAtEverySite) {
  MakeCountry("JP", "Japan");
  Exchange();
  std::mt19937 random(7);
  std::set<std::string> shown;
  for (int i = 0; i < 24; ++i) {
    const Client& caller = random() % 2 == 0 ? officer_ : abroad_;
    const char* field = random() % 2 == 0 ? "display_name" : "official_name";
    const std::string etag = GetCountry(caller, "JP").etag();
    shown.insert(etag);
    ASSERT_TRUE(Set(caller, "", Setting(etag, field, "value " + std::to_string(i))).ok());
    if (random() % 4 == 0) Exchange();
    clock_.Advance(absl::Milliseconds(5));
    shown.insert(GetCountry(officer_, "JP").etag());
    shown.insert(GetCountry(abroad_, "JP").etag());
  }
  Exchange();
  ASSERT_GE(shown.size(), 25u);
  for (const Client* caller : {&officer_, &abroad_}) {
    for (const std::string& etag : shown) {
      v1::UpdateCountryRequest request = Setting(etag, "alpha3", "JPN");
      request.set_validate_only(true);
      EXPECT_TRUE(Set(*caller, "kept", request).ok()) << etag;
    }
    EXPECT_THAT(Set(*caller, "kept", Setting("0123456789abcdef", "display_name", "x")), FailsWith("ETAG_MISMATCH"));
  }
}

TEST_F(BasisTest, WhatIsNoBasisIsRefusedByName) {
  const v1::Country read = MakeCountry("JP", "Japan");
  for (const std::string& text :
       {std::string("keep"), std::string("kept "), std::string("kept,"), std::string("kept x"), "kept " + NewId() + ","}) {
    EXPECT_THAT(Set(officer_, text, Setting(read.etag(), "display_name", "Nippon")), FailsWith("FIELD_INVALID", kBasisMetadata)) << text;
  }
  std::string many = "kept " + NewId();
  for (size_t i = 1; i < kBasisRequestsMax; ++i) many += "," + NewId();
  EXPECT_THAT(ParseBasis(many)->requests, SizeIs(kBasisRequestsMax));
  EXPECT_THAT(ParseBasis(many + "," + NewId()), FailsWith("FIELD_INVALID", kBasisMetadata));
}

}  // namespace
}  // namespace fairlead::rpc
