#include "server/exchange/projection.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::exchange {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Link kNoLink = [](const std::string&) { return ""; };

// Fills every text of the record with a mark.
void Mark(google::protobuf::Message* record, const std::string& mark) {
  const auto* descriptor = record->GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->type() != google::protobuf::FieldDescriptor::TYPE_STRING) continue;
    const std::string value = "x/" + mark + field->name();
    if (field->is_repeated()) {
      record->GetReflection()->AddString(record, field, value);
    } else {
      record->GetReflection()->SetString(record, field, value);
    }
  }
}

// What is in no list of releasable fields leaves in no message, even if it were there to be read.
TEST(ProjectionTest, WhatCannotBeReleasedHasNoWayOut) {
  int types = 0;
  for (const records::RecordType& type : records::TheRegistry().types()) {
    const std::vector<std::string>& releasable = ReleasableFields(type);
    if (releasable.empty()) continue;
    ++types;
    const std::unique_ptr<google::protobuf::Message> record(type.prototype->New());
    Mark(record.get(), "mark-");
    v1::ReleasedRecord out;
    Project(*record, {releasable.begin(), releasable.end()}, kNoLink, &out);
    std::string json;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(out, &json).ok());
    EXPECT_NE(out.content_case(), v1::ReleasedRecord::CONTENT_NOT_SET) << type.singular();
    const auto* descriptor = type.prototype->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto* field = descriptor->field(i);
      if (field->type() != google::protobuf::FieldDescriptor::TYPE_STRING || field->name() == "name") continue;
      const bool listed = std::find(releasable.begin(), releasable.end(), field->name()) != releasable.end();
      const std::string mark = "mark-" + field->name() + "\"";
      if (listed) {
        EXPECT_THAT(json, HasSubstr(mark)) << type.singular();
      } else {
        EXPECT_THAT(json, Not(HasSubstr(mark))) << type.singular();
      }
    }
  }
  EXPECT_EQ(types, 8);
}

TEST(ProjectionTest, NamesOfRecordsBecomePublicCodes) {
  v1::PortFacility facility;
  facility.set_name("portFacilities/JPYOK-0001");
  facility.set_country("countries/JP");
  facility.set_port("ports/JPYOK");
  facility.set_plan_approved(true);
  v1::ReleasedRecord out;
  Project(facility, {"country", "port"}, kNoLink, &out);
  EXPECT_EQ(out.facility().facility_number(), "JPYOK-0001");
  EXPECT_EQ(out.facility().country_code(), "JP");
  EXPECT_EQ(out.facility().locode(), "JPYOK");
  EXPECT_FALSE(out.facility().has_plan_approved());
  Project(facility, {"plan_approved"}, kNoLink, &out);
  EXPECT_TRUE(out.facility().plan_approved());
}

TEST(ProjectionTest, AnEngagementIsNamedOnlyWhereItIsReleasedToo) {
  v1::Observation observation;
  observation.set_name("engagements/one/observations/two");
  observation.set_severity(v1::SEVERITY_MAJOR);
  v1::ReleasedRecord out;
  Project(observation, {"severity"}, kNoLink, &out);
  EXPECT_EQ(out.observation().engagement(), "");
  EXPECT_EQ(out.observation().severity(), "MAJOR");
  const Link link = [](const std::string& name) { return name == "engagements/one" ? "releasedRecords/x" : ""; };
  Project(observation, {"severity"}, link, &out);
  EXPECT_EQ(out.observation().engagement(), "releasedRecords/x");
}

}  // namespace
}  // namespace fairlead::exchange
