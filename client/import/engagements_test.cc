#include "client/import/engagements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::import {
namespace {

using fairlead::v1::ENGAGEMENT_STATE_CANCELLED;
using fairlead::v1::ENGAGEMENT_STATE_CLOSED;
using fairlead::v1::ENGAGEMENT_STATE_COMPLETED;
using fairlead::v1::ENGAGEMENT_STATE_DRAFT;
using fairlead::v1::ENGAGEMENT_STATE_REFUSED;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EngagementsTest, ReadsLinesAndCountsThem) {
  const Parsed<EngagementRow> parsed = ParseEngagements(
      "# comment\n"
      R"({"site":"apac","key":"a","engagement":{"title":"T","source":"S","countries":["countries/JP"],"kind":"ENGAGEMENT_KIND_TRAINING","start_date":{"year":2020}},"state":"CLOSED"})"
      "\n\n"
      R"({"site":"apac","key":"b","engagement":{"title":"T","source":"S","countries":["countries/JP"]},"state":"CLOSED"})"
      "\n{broken\n"
      R"({"site":"hq","key":"c","engagement":{"title":"U","countries":["countries/JP"]},"state":"MAYBE"})"
      "\n"
      R"({"site":"hq","key":"d","engagement":{"title":"U","countries":["countries/JP"],"colour":1}})"
      "\n"
      R"({"site":"hq","key":"e","engagement":{"title":"V","countries":["countries/JP"],"state":"ENGAGEMENT_STATE_CLOSED"}})"
      "\n"
      R"({"key":"f","engagement":{"title":"W","countries":["countries/JP"]}})");
  EXPECT_EQ(parsed.read, 7);
  ASSERT_EQ(parsed.rows.size(), 2u);
  EXPECT_EQ(parsed.rows[0].line, 2);
  EXPECT_EQ(parsed.rows[0].record.site, "apac");
  EXPECT_EQ(parsed.rows[0].record.state, ENGAGEMENT_STATE_CLOSED);
  EXPECT_EQ(parsed.rows[0].record.engagement.start_date().year(), 2020);
  EXPECT_EQ(parsed.rows[1].record.key, "e");
  EXPECT_EQ(parsed.rows[1].record.state, ENGAGEMENT_STATE_DRAFT);
  EXPECT_EQ(parsed.rows[1].record.engagement.state(), fairlead::v1::ENGAGEMENT_STATE_UNSPECIFIED);
  ASSERT_EQ(parsed.refusals.size(), 5u);
  EXPECT_EQ(parsed.refusals[0], (Refusal{4, "b", kDuplicate, "source and title of line 2"}));
  EXPECT_EQ(parsed.refusals[1], (Refusal{5, "", kMalformed, "not a JSON object"}));
  EXPECT_EQ(parsed.refusals[2], (Refusal{6, "c", kMalformed, "MAYBE is no state of an engagement"}));
  EXPECT_THAT(parsed.refusals[3].message, HasSubstr("colour"));
  EXPECT_EQ(parsed.refusals[4], (Refusal{9, "f", kMalformed, "site is missing"}));
}

TEST(EngagementsTest, ALineOfAMillionBracketsIsRefused) {
  const std::string deep(1'000'000, '[');
  const Parsed<EngagementRow> parsed =
      ParseEngagements(R"({"site":"hq","key":"a","engagement":{"title":)" + deep + std::string(1'000'000, ']') + "}}\n" +
                       R"({"site":"hq","key":"b","engagement":{"title":"T","countries":["countries/JP"]}})");
  EXPECT_EQ(parsed.read, 2);
  ASSERT_EQ(parsed.refusals.size(), 1u);
  EXPECT_EQ(parsed.refusals[0], (Refusal{1, "", kMalformed, "not a JSON object"}));
  ASSERT_EQ(parsed.rows.size(), 1u);
  EXPECT_EQ(parsed.rows[0].record.key, "b");
}

TEST(EngagementsTest, FindsTheShortestWay) {
  EXPECT_THAT(*LifecyclePath(ENGAGEMENT_STATE_DRAFT, ENGAGEMENT_STATE_CLOSED),
              ElementsAre("ScheduleEngagement", "StartEngagement", "CompleteEngagement", "ReportEngagement", "CloseEngagement"));
  EXPECT_THAT(*LifecyclePath(ENGAGEMENT_STATE_DRAFT, ENGAGEMENT_STATE_CANCELLED), ElementsAre("CancelEngagement"));
  EXPECT_EQ(LifecyclePath(ENGAGEMENT_STATE_DRAFT, ENGAGEMENT_STATE_REFUSED)->size(), 2u);
  EXPECT_THAT(*LifecyclePath(ENGAGEMENT_STATE_CLOSED, ENGAGEMENT_STATE_CLOSED), IsEmpty());
  EXPECT_EQ(LifecyclePath(ENGAGEMENT_STATE_CLOSED, ENGAGEMENT_STATE_COMPLETED), std::nullopt);
}

TEST(EngagementsTest, TheProjectsOwnFileIsGoodThroughout) {
  const std::string path = "tools/data/engagements.jsonl";
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  const Parsed<EngagementRow> parsed = ParseEngagements(text.str());
  EXPECT_GT(parsed.read, 0);
  EXPECT_EQ(static_cast<int64_t>(parsed.rows.size()), parsed.read);
  for (const Refusal& refusal : parsed.refusals) ADD_FAILURE() << path << ":" << refusal.line << ": " << refusal.message;
  for (const auto& row : parsed.rows) EXPECT_TRUE(LifecyclePath(ENGAGEMENT_STATE_DRAFT, row.record.state).has_value()) << row.record.key;
}

}  // namespace
}  // namespace fairlead::import
