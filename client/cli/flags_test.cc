#include "client/cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "client/cli/comments.h"
#include "client/cli/program_commands.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::cli {
namespace {

using fairlead::v1::Engagement;
using fairlead::v1::Port;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Resource& Find(const std::string& noun) {
  for (const Resource& resource : Resources()) {
    if (resource.noun == noun) return resource;
  }
  ADD_FAILURE() << noun;
  return Resources().front();
}

const Verb& FindVerb(const Resource& resource, const std::string& name) {
  for (const Verb& verb : resource.verbs) {
    if (verb.name == name) return verb;
  }
  ADD_FAILURE() << name;
  return resource.verbs.front();
}

std::vector<std::string> FlagNames(const std::string& noun, const std::string& verb) {
  std::vector<std::string> names;
  for (const Flag& flag : FlagsOf(Find(noun), FindVerb(Find(noun), verb))) names.push_back(flag.name);
  return names;
}

std::vector<std::string> VerbNames(const std::string& noun) {
  std::vector<std::string> names;
  for (const Verb& verb : Find(noun).verbs) names.push_back(verb.name);
  return names;
}

TEST(ResourcesTest, VerbsAreTheMethodsOfTheService) {
  EXPECT_THAT(VerbNames("port"), ElementsAre("get", "list", "create", "update", "withdraw", "import"));
  EXPECT_THAT(VerbNames("engagement"), ElementsAre("get", "list", "create", "update", "withdraw", "propose", "schedule", "start",
                                                   "complete", "report", "close", "cancel", "refuse"));
  EXPECT_THAT(VerbNames("follow-up"), ElementsAre("get", "list", "create", "update", "withdraw", "complete", "verify", "reopen"));
  EXPECT_THAT(VerbNames("visit-cycle"), ElementsAre("get", "list", "create", "update", "withdraw", "begin", "offer", "open", "end"));
  EXPECT_THAT(VerbNames("assignment"), ElementsAre("get", "list", "create", "update", "withdraw", "handover"));
  EXPECT_EQ(FindVerb(Find("follow-up"), "complete").method->name(), "CompleteFollowUp");
  EXPECT_EQ(FindVerb(Find("training-request"), "fulfil").method->name(), "FulfilTrainingRequest");
}

TEST(ResourcesTest, EveryMethodOfTheServicesHasAVerb) {
  std::set<const google::protobuf::MethodDescriptor*> methods;
  std::set<const google::protobuf::ServiceDescriptor*> services;
  for (const Resource& resource : Resources()) {
    for (const Verb& verb : resource.verbs) {
      EXPECT_TRUE(methods.insert(verb.method).second) << verb.method->full_name();
      services.insert(verb.method->service());
    }
  }
  for (const Report& report : Reports()) EXPECT_TRUE(methods.insert(report.verb.method).second) << report.verb.method->full_name();
  const auto* releases = Find("release").verbs.front().method->service();  // commands of their own
  for (const char* name : {"PreviewRelease", "ListRecalls"}) EXPECT_TRUE(methods.insert(releases->FindMethodByName(name)).second) << name;
  const auto* attachments = Find("attachment").verbs.front().method->service();  // likewise
  for (const char* name : {"BeginUpload", "GetUpload", "WriteChunk", "FinishUpload", "DownloadAttachment"}) {
    EXPECT_TRUE(methods.insert(attachments->FindMethodByName(name)).second) << name;
  }
  size_t all = 0;
  for (const auto* service : services) all += service->method_count();
  EXPECT_EQ(services.size(), 11u);
  EXPECT_EQ(methods.size(), all);
}

TEST(ResourcesTest, NamesAreCompleted) {
  EXPECT_EQ(FullName(Find("port"), "jpyok"), "ports/JPYOK");
  EXPECT_EQ(FullName(Find("port"), "ports/JPYOK"), "ports/JPYOK");
  EXPECT_EQ(FullName(Find("officer"), "far-east"), "liaisonOfficers/far-east");
  EXPECT_EQ(FullName(Find("facility"), "cmdla-0001"), "portFacilities/CMDLA-0001");
  EXPECT_EQ(FullName(Find("observation"), "e1/o2"), "engagements/e1/observations/o2");
  EXPECT_EQ(FullName(Find("follow-up"), "engagements/e1/followUps/f"), "engagements/e1/followUps/f");
  EXPECT_EQ(FullReference("country", "jp"), "countries/JP");
  EXPECT_EQ(FullReference("portfolio", "countries/JP"), "countries/JP");
  EXPECT_EQ(FullReference("owner", "far-east"), "liaisonOfficers/far-east");
  EXPECT_EQ(FullReference("instructors", "far-east"), "liaisonOfficers/far-east");
  EXPECT_EQ(FullReference("offering", "drills-exercises"), "trainingOfferings/drills-exercises");
  EXPECT_EQ(FullReference("title", "jp"), "jp");
  EXPECT_TRUE(Find("port").has_natural_key());
  EXPECT_FALSE(Find("engagement").has_natural_key());
}

TEST(FlagsTest, ComeFromWritableFieldsAndTheRequest) {
  EXPECT_THAT(FlagNames("port", "create"),
              ElementsAre("--marking", "--audience", "--display-name", "--country", "--subdivision", "--position", "--region-override",
                          "--wpi-number", "--schedule-k", "--source", "--harbor-size", "--validate-only"));
  const auto engagement = FlagNames("engagement", "create");
  EXPECT_THAT(engagement, Contains("--country"));
  EXPECT_THAT(engagement, Contains("--facility"));
  EXPECT_THAT(engagement, Not(Contains("--state")));
  EXPECT_THAT(engagement, Not(Contains("--etag")));
  EXPECT_THAT(FlagNames("engagement", "update"), Contains("--withdrawn"));
  EXPECT_THAT(FlagNames("engagement", "schedule"), ElementsAre("--start-date", "--end-date"));
  EXPECT_THAT(FlagNames("engagement", "refuse"), ElementsAre("--reason", "--alternative-basis"));
  EXPECT_THAT(FlagNames("engagement", "list"), ElementsAre("--show-withdrawn", "--region", "--country", "--kind", "--state", "--topic",
                                                           "--officer", "--port", "--facility", "--month", "--active"));
}

TEST(FlagsTest, NoVerbHasAFlagTwiceOrOneWithoutHelp) {
  for (const Resource& resource : Resources()) {
    for (const Verb& verb : resource.verbs) {
      std::set<std::string> names;
      for (const Flag& flag : FlagsOf(resource, verb)) {
        EXPECT_TRUE(names.insert(flag.name).second) << resource.noun << " " << verb.name << " " << flag.name;
        EXPECT_FALSE(flag.help.empty()) << resource.noun << " " << verb.name << " " << flag.name;
      }
    }
  }
}

TEST(FlagsTest, HelpIsTheCommentAndTheChoices) {
  for (const Flag& flag : FlagsOf(Find("engagement"), FindVerb(Find("engagement"), "create"))) {
    if (flag.name != "--kind") continue;
    EXPECT_THAT(flag.help, HasSubstr("What kind of engagement it is. One of: bilateral, multilateral, country-visit,"));
    EXPECT_THAT(flag.choices, Contains("technical-exchange"));
    EXPECT_EQ(flag.placeholder, "KIND");
    return;
  }
  FAIL() << "no --kind";
}

absl::Status Set(google::protobuf::Message* message, const std::string& field, const std::vector<std::string>& values) {
  return SetField(message, *message->GetDescriptor()->FindFieldByName(field), values);
}

TEST(FlagsTest, ValuesAsPeopleTypeThem) {
  Engagement engagement;
  ASSERT_TRUE(Set(&engagement, "title", {"Talks"}).ok());
  ASSERT_TRUE(Set(&engagement, "kind", {"country-visit"}).ok());
  ASSERT_TRUE(Set(&engagement, "countries", {"jp", "countries/KR"}).ok());
  ASSERT_TRUE(Set(&engagement, "topics", {"access-control", "TOPIC_TRAINING"}).ok());
  ASSERT_TRUE(Set(&engagement, "start_date", {"2024-02-29"}).ok());
  ASSERT_TRUE(Set(&engagement, "end_date", {"2024-03"}).ok());
  ASSERT_TRUE(Set(&engagement, "participants", {"officer=far-east,role=head", R"({"counterpart": "DA, port division"})"}).ok());
  EXPECT_EQ(engagement.kind(), fairlead::v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  EXPECT_THAT(engagement.countries(), ElementsAre("countries/JP", "countries/KR"));
  EXPECT_THAT(engagement.topics(), ElementsAre(fairlead::v1::TOPIC_ACCESS_CONTROL, fairlead::v1::TOPIC_TRAINING));
  EXPECT_EQ(engagement.start_date().day(), 29);
  EXPECT_EQ(engagement.end_date().month(), 3);
  EXPECT_EQ(engagement.end_date().day(), 0);
  EXPECT_EQ(engagement.participants(0).officer(), "liaisonOfficers/far-east");
  EXPECT_EQ(engagement.participants(0).role(), "head");
  EXPECT_EQ(engagement.participants(1).counterpart(), "DA, port division");
  Port port;
  ASSERT_TRUE(Set(&port, "position", {"-33.9,18.4"}).ok());
  ASSERT_TRUE(Set(&port, "wpi_number", {"61090"}).ok());
  ASSERT_TRUE(Set(&port, "withdrawn", {"true"}).ok());
  EXPECT_DOUBLE_EQ(port.position().latitude(), -33.9);
  EXPECT_EQ(port.wpi_number(), 61090u);
  EXPECT_TRUE(port.withdrawn());
}

TEST(FlagsTest, AValueOfALaterReleaseIsItsNumber) {
  EXPECT_EQ(ShortEnum(*v1::Region_descriptor(), v1::REGION_APAC), "apac");
  EXPECT_EQ(ShortEnum(*v1::Region_descriptor(), 0), "");
  EXPECT_EQ(ShortEnum(*v1::Region_descriptor(), 99), "99");
}

TEST(FlagsTest, WrongValuesSayWhatIsRight) {
  Engagement engagement;
  for (const char* date : {"", "2026-13", "2026-02-29", "2026-2-1", "26-01-01", "2026-01-01x", "2026-", "2026-00-01", "0000"}) {
    EXPECT_THAT(std::string(Set(&engagement, "start_date", {date}).message()), HasSubstr("is not a date such as 2026-05-01")) << date;
  }
  EXPECT_THAT(std::string(Set(&engagement, "region", {"mars"}).message()), testing::StrEq("\"mars\" is not one of apac, eame, csa, hq"));
  EXPECT_THAT(std::string(Set(&engagement, "title", {"a", "b"}).message()), HasSubstr("more than once"));
  EXPECT_THAT(std::string(Set(&engagement, "participants", {"rank=3"}).message()), HasSubstr("not a field of Participant"));
  Port port;
  for (const char* position : {"", "1", "91,0", "0,181", "a,b", "1,2,3", "nan,0"}) {
    EXPECT_FALSE(Set(&port, "position", {position}).ok()) << position;
  }
  for (const char* number : {"", "-1", "1.5", "x", "99999999999"}) EXPECT_FALSE(Set(&port, "wpi_number", {number}).ok()) << number;
  EXPECT_FALSE(Set(&port, "withdrawn", {"yes"}).ok());
}

TEST(CommentsTest, AreThoseOfTheProtos) {
  EXPECT_EQ(CommentOf("fairlead.v1.Port.position"), "WGS 84, degrees.");
  EXPECT_EQ(CommentOf("fairlead.v1.Port"), "A sea port.");
  EXPECT_EQ(CommentOf("fairlead.v1.None"), "");
}

}  // namespace
}  // namespace fairlead::cli
