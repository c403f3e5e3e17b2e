#include "client/cli/output.h"

#include <gtest/gtest.h>

#include <sstream>

#include "api/errors.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::cli {
namespace {

std::string Printed(const Table& table, int width) {
  std::ostringstream out;
  table.Print(out, width);
  return out.str();
}

TEST(TableTest, AlignsByCharacters) {
  const Table table{{"NAME", "PORT"}, {{"a", "Fanø\n2"}, {"longer", ""}}};
  EXPECT_EQ(Printed(table, 0),
            "NAME    PORT\n"
            "a       Fanø 2\n"
            "longer\n");
}

TEST(TableTest, CutsTheWidestColumnToTheTerminal) {
  const Table table{{"NAME", "TITLE"}, {{"ports/JPYOK", "øøøøøøøøøøøøøøøøøøøø"}, {"x", "short"}}};
  EXPECT_EQ(Printed(table, 25),
            "NAME         TITLE\n"
            "ports/JPYOK  øøøøøøøøøøø…\n"
            "x            short\n");
  // Columns stay readable though the terminal is narrower still.
  EXPECT_EQ(Printed(table, 5),
            "NAME      TITLE\n"
            "ports/J…  øøøøøøø…\n"
            "x         short\n");
}

fairlead::v1::Engagement MakeEngagement() {
  fairlead::v1::Engagement engagement;
  engagement.set_name("engagements/e1");
  engagement.set_etag("x");
  engagement.mutable_create_time()->set_seconds(1'777'636'800);
  engagement.set_title("Talks");
  engagement.set_kind(fairlead::v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_state(fairlead::v1::ENGAGEMENT_STATE_IN_PROGRESS);
  engagement.add_countries("countries/JP");
  engagement.add_countries("countries/KR");
  engagement.mutable_start_date()->set_year(2026);
  engagement.mutable_start_date()->set_month(5);
  engagement.set_notes("one\ntwo");
  auto* participant = engagement.add_participants();
  participant->set_officer("liaisonOfficers/far-east");
  participant->set_role("head");
  engagement.add_participants()->set_counterpart("DA");
  return engagement;
}

TEST(OutputTest, ARecordForPeople) {
  std::ostringstream out;
  PrintRecord(MakeEngagement(), out);
  EXPECT_EQ(out.str(),
            "name          engagements/e1\n"
            "etag          x\n"
            "create_time   2026-05-01T12:00:00Z\n"
            "kind          country-visit\n"
            "title         Talks\n"
            "countries     JP,KR\n"
            "state         in-progress\n"
            "start_date    2026-05\n"
            "notes         one\n"
            "              two\n"
            "participants  officer=far-east role=head; counterpart=DA\n");
}

TEST(OutputTest, RecordsAsATable) {
  const fairlead::v1::Engagement engagement = MakeEngagement();
  for (const Resource& resource : Resources()) {
    for (const Column& column : resource.columns) {
      EXPECT_NE(resource.type->FindFieldByName(column.field), nullptr) << resource.noun << " " << column.field;
    }
    if (resource.noun != "engagement") continue;
    EXPECT_EQ(Printed(RecordTable(resource, {&engagement}), 0),
              "NAME            STATE        KIND           START    COUNTRIES  TITLE\n"
              "engagements/e1  in-progress  country-visit  2026-05  JP,KR      Talks\n");
  }
}

TEST(OutputTest, JsonHasEveryFieldUnderItsName) {
  fairlead::v1::Country country;
  country.set_name("countries/JP");
  country.set_region(fairlead::v1::REGION_APAC);
  EXPECT_EQ(ToJson(country).dump(),
            R"({"name":"countries/JP","etag":"","marking":"MARKING_UNSPECIFIED","audience":[],"withdrawn":false,"conflicts":[],)"
            R"("displayName":"","alpha3":"","numeric":"","region":"REGION_APAC","landlocked":false,"officialName":""})");
}

TEST(OutputTest, Errors) {
  std::ostringstream err;
  const absl::Status status = FieldError(Reason::kFieldInvalid, "port.country", "not the country of the code");
  PrintError(status, err);
  EXPECT_EQ(err.str(), "fairlead: not the country of the code\n  field: port.country\n  reason: FIELD_INVALID\n");
  EXPECT_EQ(
      ErrorJson(status).dump(),
      R"({"error":{"code":"INVALID_ARGUMENT","message":"not the country of the code","reason":"FIELD_INVALID","field":"port.country"}})");
  EXPECT_EQ(ErrorJson(absl::UnavailableError("x")).dump(), R"({"error":{"code":"UNAVAILABLE","message":"x"}})");
}

TEST(OutputTest, ExitCodeOfEveryReason) {
  const std::map<absl::StatusCode, int> expected = {
      {absl::StatusCode::kInvalidArgument, 3},  {absl::StatusCode::kOutOfRange, 3},        {absl::StatusCode::kNotFound, 4},
      {absl::StatusCode::kAlreadyExists, 5},    {absl::StatusCode::kAborted, 5},           {absl::StatusCode::kFailedPrecondition, 5},
      {absl::StatusCode::kUnauthenticated, 6},  {absl::StatusCode::kPermissionDenied, 6},  {absl::StatusCode::kUnavailable, 7},
      {absl::StatusCode::kDeadlineExceeded, 7}, {absl::StatusCode::kResourceExhausted, 7}, {absl::StatusCode::kInternal, 1},
      {absl::StatusCode::kDataLoss, 8},         {absl::StatusCode::kUnimplemented, 1}};
  for (const Reason reason : AllReasons()) {
    const auto it = expected.find(ReasonCode(reason));
    ASSERT_NE(it, expected.end()) << ReasonName(reason);
    EXPECT_EQ(ExitCodeOf(Error(reason, "")), it->second) << ReasonName(reason);
  }
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(UsageError("x")), 2);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("x")), 130);
}

TEST(OutputTest, Durations) {
  const auto text = [](int64_t seconds, int32_t nanos) {
    google::protobuf::Duration duration;
    duration.set_seconds(seconds);
    duration.set_nanos(nanos);
    return DurationText(duration);
  };
  EXPECT_EQ(text(0, 0), "0");
  EXPECT_EQ(text(0, 1'234'567), "1.2ms");
  EXPECT_EQ(text(1, 567'000'000), "1.5s");
  EXPECT_EQ(text(3725, 999'999'999), "1h2m5s");
}

TEST(OutputTest, ALinksLastErrorSaysWhenItWas) {
  google::protobuf::Timestamp time;
  time.set_seconds(1'777'777'777);
  EXPECT_EQ(LastErrorText("", time), "");
  EXPECT_EQ(LastErrorText("UNAVAILABLE: no\nroute", time), "2026-05-03T03:09:37Z UNAVAILABLE: no route");
}

}  // namespace
}  // namespace fairlead::cli
