#include "server/rpc/overview_methods.h"

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "fairlead/v1/assessment.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/overview_service.grpc.pb.h"
#include "fairlead/v1/portfolio.pb.h"
#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/training.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/records/days.h"
#include "server/rpc/policy.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Drill {
  std::string what;  // where in the overview
  int64_t count = 0;
  v1::DrillDown records;
};

// Every number of a message that says what it counts.
void Collect(const Message& message, const std::string& path, std::vector<Drill>* out) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  const FieldDescriptor* records = descriptor->FindFieldByName("records");
  if (records != nullptr && records->message_type() == v1::DrillDown::descriptor() && reflection->HasField(message, records)) {
    out->push_back({path, reflection->GetInt64(message, descriptor->FindFieldByName("count")),
                    static_cast<const v1::DrillDown&>(reflection->GetMessage(message, records))});
  }
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->message_type() == v1::DrillDown::descriptor()) continue;
    const std::string inner = path + "." + field->name();
    if (!field->is_repeated()) {
      Collect(reflection->GetMessage(message, field), inner, out);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      Collect(reflection->GetRepeatedMessage(message, field, i), inner + "[" + std::to_string(i) + "]", out);
    }
  }
}

class OverviewMethodsTest : public SiteTest {
 protected:
  OverviewMethodsTest() : SiteTest(/*heartbeat=*/absl::Seconds(2)) {}

  // Makes the fields of a record what they are in `next`, past the validation of callers.
  void Put(const std::string& record, const Message& next, const std::vector<std::string>& fields) { PutAt(&apac_, record, next, fields); }
  void PutAt(TestSite* site, const std::string& record, const Message& next, const std::vector<std::string>& fields) {
    clock_.Advance(absl::Milliseconds(10));
    absl::Notification done;
    absl::Status status;
    site->node().Write(node::RequestFor(site->node(), record, next, fields, clock_.RequestId()),
                       [&](const absl::StatusOr<node::WriteResult>& result) {
                         status = result.status();
                         done.Notify();
                       });
    ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
    ASSERT_TRUE(status.ok()) << record << ": " << status;
  }

  v1::Overview Get() const {
    const auto overview = officer_.Call<v1::Overview>("OverviewService/GetOverview", v1::GetOverviewRequest());
    EXPECT_TRUE(overview.ok()) << overview.status();
    return overview.value_or(v1::Overview());
  }

  // How many rows the way down leads to, over all pages.
  int64_t RowsOf(const v1::DrillDown& way) const {
    std::string full = way.method();
    full[full.find('/')] = '.';
    const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(full);
    if (method == nullptr) {
      ADD_FAILURE() << "no method " << way.method();
      return -1;
    }
    auto* factory = google::protobuf::MessageFactory::generated_factory();
    const std::unique_ptr<Message> request(factory->GetPrototype(method->input_type())->New());
    std::string json;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(way.request(), &json).ok());
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, request.get());
    EXPECT_TRUE(parsed.ok()) << way.method() << " " << json << ": " << parsed.ToString();
    const FieldDescriptor* page_size = request->GetDescriptor()->FindFieldByName("page_size");
    if (page_size != nullptr) request->GetReflection()->SetInt32(request.get(), page_size, 3);
    int64_t rows = 0;
    while (true) {
      // An empty message keeps what it does not know, and so stands for any.
      google::protobuf::Empty sent;
      sent.ParseFromString(request->SerializeAsString());
      const auto answer = officer_.Call<google::protobuf::Empty>(way.method().substr(std::string("fairlead.v1.").size()), sent);
      EXPECT_TRUE(answer.ok()) << way.method() << " " << json << ": " << answer.status();
      if (!answer.ok()) return -1;
      const std::unique_ptr<Message> response(factory->GetPrototype(method->output_type())->New());
      EXPECT_TRUE(response->ParseFromString(answer->SerializeAsString()));
      const FieldDescriptor* first = response->GetDescriptor()->field(0);
      EXPECT_TRUE(first->is_repeated()) << way.method();
      rows += response->GetReflection()->FieldSize(*response, first);
      const FieldDescriptor* next = response->GetDescriptor()->FindFieldByName("next_page_token");
      if (next == nullptr || response->GetReflection()->GetString(*response, next).empty()) return rows;
      request->GetReflection()->SetString(request.get(), request->GetDescriptor()->FindFieldByName("page_token"),
                                          response->GetReflection()->GetString(*response, next));
    }
  }

  // Some of everything that is counted.
  void Populate(unsigned seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
    const std::vector<std::string> codes = {"FR", "JP", "KR", "PH", "US", "VN"};
    const auto some_country = [&] { return "countries/" + codes[static_cast<size_t>(pick(6))]; };
    for (size_t i = 0; i < codes.size(); ++i) {
      v1::Country country;
      country.set_display_name(codes[i]);
      country.set_region(static_cast<v1::Region>(1 + i % 4));
      Put("countries/" + codes[i], country, {"display_name", "region"});
    }
    for (int i = 0; i < 60; ++i) {
      const std::string id = std::to_string(i);
      const std::string parent = "engagements/" + id;
      v1::Engagement engagement;
      engagement.set_title("visit " + id);
      engagement.add_countries(some_country());
      engagement.set_region(static_cast<v1::Region>(1 + pick(3)));
      engagement.set_kind(static_cast<v1::EngagementKind>(1 + pick(3)));
      engagement.set_state(static_cast<v1::EngagementState>(1 + pick(9)));
      engagement.set_withdrawn(pick(8) == 0);
      const absl::CivilDay start = today - pick(i % 2 == 0 ? 90 : 1500) + 30;
      *engagement.mutable_start_date() = records::DateOf(start);
      *engagement.mutable_end_date() = records::DateOf(start + pick(50));
      Put(parent, engagement, {"title", "countries", "region", "kind", "state", "withdrawn", "start_date", "end_date"});
      v1::Observation observation;
      observation.set_severity(static_cast<v1::Severity>(1 + pick(4)));
      observation.set_country(engagement.countries(0));
      observation.set_withdrawn(pick(5) == 0);
      Put(parent + "/observations/1", observation, {"severity", "country", "withdrawn"});
      v1::FollowUp follow_up;
      follow_up.set_state(static_cast<v1::FollowUpState>(1 + pick(4)));
      follow_up.set_withdrawn(pick(5) == 0);
      if (pick(2) == 0) follow_up.set_observation(parent + "/observations/1");
      *follow_up.mutable_due_date() = records::DateOf(today - 10 + pick(20));
      Put(parent + "/followUps/1", follow_up, {"state", "withdrawn", "observation", "due_date"});
    }
    for (int i = 0; i < 20; ++i) {
      const std::string id = std::to_string(i);
      v1::Inquiry inquiry;
      inquiry.set_region(static_cast<v1::Region>(pick(4)));
      inquiry.set_state(static_cast<v1::InquiryState>(1 + pick(5)));
      inquiry.mutable_received_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()) - 86400 * pick(400));
      inquiry.set_withdrawn(pick(6) == 0);
      Put("inquiries/" + id, inquiry, {"region", "state", "received_time", "withdrawn"});
      v1::TrainingSession session;
      session.set_state(static_cast<v1::TrainingSessionState>(1 + pick(4)));
      Put("trainingSessions/" + id, session, {"state"});
      v1::TrainingRequest request;
      request.set_state(static_cast<v1::TrainingRequestState>(1 + pick(6)));
      Put("trainingRequests/" + id, request, {"state"});
      v1::VisitCycle cycle;
      cycle.set_country(some_country());
      cycle.set_state(v1::VISIT_PHASE_IN_COUNTRY);
      *cycle.mutable_preliminary_date() = records::DateOf(today - pick(400));
      if (pick(2) == 0) *cycle.mutable_in_country_date() = records::DateOf(today - 1);
      Put("visitCycles/" + id, cycle, {"country", "state", "preliminary_date", "in_country_date"});
      v1::Assignment assignment;
      assignment.set_officer("liaisonOfficers/officer-" + std::to_string(pick(2)));
      assignment.set_country(i < 4 ? some_country() : "countries/JP");
      assignment.set_duty(v1::ASSIGNMENT_DUTY_PRIMARY);
      *assignment.mutable_start_date() = records::DateOf(today - 100 + pick(120));
      Put("assignments/" + id, assignment, {"officer", "country", "duty", "start_date"});
    }
    for (int i = 0; i < 5; ++i) {
      v1::Assessment assessment;
      assessment.set_country("countries/" + codes[static_cast<size_t>(i)]);
      assessment.set_state(v1::ASSESSMENT_STATE_DETERMINED);
      assessment.set_basis(static_cast<v1::AssessmentBasis>(1 + i % 2));
      *assessment.mutable_determination_date() = records::DateOf(today - 1000);
      *assessment.mutable_due_date() = records::DateOf(today - 100 + 100 * i);
      Put("assessments/" + std::to_string(i), assessment, {"country", "state", "basis", "determination_date", "due_date"});
      v1::ConditionOfEntry condition;
      condition.set_country("countries/" + codes[static_cast<size_t>(i)]);
      condition.set_state(i % 2 == 0 ? v1::CONDITION_STATE_IMPOSED : v1::CONDITION_STATE_PENDING);
      *condition.mutable_notification_date() = records::DateOf(today - 40);
      if (i % 2 == 0) *condition.mutable_effective_date() = records::DateOf(today - 30 + 40 * (i / 2));
      Put("conditionsOfEntry/" + codes[static_cast<size_t>(i)] + "-1", condition,
          {"country", "state", "notification_date", "effective_date"});
    }
  }
};

// Whatever number the overview shows, the way down from it leads to as many records, by every page.
TEST_F(OverviewMethodsTest, EveryNumberLeadsToExactlyWhatItCounts) {
  Populate(/*seed=*/7);
  const v1::Overview overview = Get();
  std::vector<Drill> drills;
  Collect(overview, "overview", &drills);
  std::set<std::string> methods;
  int counted = 0;
  for (const Drill& drill : drills) {
    EXPECT_EQ(RowsOf(drill.records), drill.count) << drill.what << " " << drill.records.ShortDebugString();
    methods.insert(drill.records.method());
    counted += drill.count > 0;
  }
  // None was left out: the data has some of each.
  EXPECT_EQ(methods.size(), 14u) << testing::PrintToString(methods);
  EXPECT_GT(counted, 60);
}

// Deny by default holds for numbers, too: who sees one may list what it counts.
TEST_F(OverviewMethodsTest, WhoeverMaySeeANumberMayListWhatItCounts) {
  Populate(/*seed=*/7);
  std::vector<Drill> drills;
  Collect(Get(), "overview", &drills);
  ASSERT_FALSE(drills.empty());
  for (const char* path : {"node/eame", "officer/apac/watch", "hq/analyst/desk", "partner/JP/registry", "gateway/dashboard"}) {
    const Identity caller = *ParseIdentity(std::string("spiffe://test.example/") + path, kTestNetwork);
    const bool sees = Authorize(caller, "fairlead.v1.OverviewService/GetOverview").ok();
    EXPECT_EQ(Authorize(caller, "fairlead.v1.OverviewService/WatchOverview").ok(), sees) << path;
    if (!sees) continue;
    for (const Drill& drill : drills) EXPECT_TRUE(Authorize(caller, drill.records.method()).ok()) << path << " " << drill.records.method();
  }
}

// Nobody lists the conflicts of a practice's contribution through a gateway: nor are they in the numbers that its viewers get.
TEST_F(OverviewMethodsTest, ConflictsThatTheCallerMayNotListAreNotCounted) {
  TestSite eame("eame", &clock_);
  const auto dispute = [&](const std::string& name, auto record) {
    record.set_title("base");
    Put(name, record, {"title"});
    eame.Receive(apac_);
    record.set_title("of apac");
    Put(name, record, {"title"});
    record.set_title("of eame");
    PutAt(&eame, name, record, {"title"});
  };
  dispute("practiceContributions/1", v1::PracticeContribution());
  dispute("bestPractices/1", v1::BestPractice());
  apac_.Receive(eame);

  const Client officer = apac_.As("officer/apac/watch");
  const Client gateway = apac_.As("gateway/dashboard");
  for (const auto& [caller, viewer, conflicts] : {std::tuple(&officer, "", 2), std::tuple(&gateway, "officer/apac/watch", 1)}) {
    const auto ask = [&, caller = caller, viewer = viewer](const std::string& method, const auto& request, auto response) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
      if (*viewer != '\0') context.AddMetadata(kViewerMetadata, viewer);
      const auto answer = caller->Call<decltype(response)>(method, request, &context);
      EXPECT_TRUE(answer.ok()) << method << ": " << answer.status();
      return answer.value_or(response);
    };
    const auto overview = ask("OverviewService/GetOverview", v1::GetOverviewRequest(), v1::Overview());
    EXPECT_EQ(overview.conflicts().count(), conflicts) << viewer;
    const auto listed = ask("RecordService/ListConflicts", v1::ListConflictsRequest(), v1::ListConflictsResponse());
    EXPECT_EQ(listed.conflicts_size(), conflicts) << viewer;
    int64_t of_sites = 0;
    for (const v1::SiteOverview& site : overview.sites()) of_sites += site.conflicts();
    EXPECT_EQ(of_sites, conflicts) << viewer;
  }
}

TEST_F(OverviewMethodsTest, CountriesAreFiltered) {
  Populate(/*seed=*/7);
  v1::ListCountryOverviewsRequest request;
  const auto names = [&] {
    std::vector<std::string> out;
    const auto listed = officer_.Call<v1::ListCountryOverviewsResponse>("OverviewService/ListCountryOverviews", request);
    EXPECT_TRUE(listed.ok()) << listed.status();
    if (!listed.ok()) return out;
    for (const auto& country : listed->countries()) out.push_back(country.country());
    return out;
  };
  EXPECT_THAT(names(),
              testing::ElementsAre("countries/FR", "countries/JP", "countries/KR", "countries/PH", "countries/US", "countries/VN"));
  request.set_region(v1::REGION_EAME);
  EXPECT_THAT(names(), testing::ElementsAre("countries/JP", "countries/VN"));
  request.clear_region();
  request.set_measured(true);
  EXPECT_THAT(names(), testing::Not(testing::Contains("countries/PH")));  // headquarters'
}

// A stream of overviews, with what it has read.
class Stream {
 public:
  Stream(const Client& caller, const v1::WatchOverviewRequest& request) : stub_(v1::OverviewService::NewStub(caller.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    reader_ = stub_->WatchOverview(&context_, request);
  }
  ~Stream() {
    context_.TryCancel();
    v1::Overview rest;
    while (reader_->Read(&rest)) {
    }
    reader_->Finish();
  }
  // Reads until an overview shows so many countries; how many messages that took, or -1.
  int ReadUntil(int countries) {
    v1::Overview overview;
    for (int messages = 1; reader_->Read(&overview); ++messages) {
      if (overview.countries_size() == countries) return messages;
    }
    return -1;
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<v1::OverviewService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::Overview>> reader_;
};

TEST_F(OverviewMethodsTest, AWatchTellsWhatIsThereAndEveryChangeAtMostOnceASecond) {
  MakeCountry("JP", "Japan");
  const absl::Time begun = absl::Now();
  v1::WatchOverviewRequest request;
  request.add_sections(v1::OVERVIEW_SECTION_COVERAGE);
  Stream stream(officer_, request);
  EXPECT_EQ(stream.ReadUntil(1), 1);
  int told = 1;
  const std::vector<std::string> codes = {"AU", "BR", "CL", "DE", "EG", "FR", "GB", "HN", "ID", "KR"};
  for (const std::string& code : codes) MakeCountry(code, code);
  const int messages = stream.ReadUntil(1 + static_cast<int>(codes.size()));
  ASSERT_GT(messages, 0);
  told += messages;
  // One at once, and one for each second since.
  EXPECT_LE(told, 2 + static_cast<int>((absl::Now() - begun) / OverviewMethods::kIntervalMin));
}

TEST_F(OverviewMethodsTest, ASlowReaderGetsTheLatestAndNotAllBetween) {
  Stream stream(officer_, v1::WatchOverviewRequest());
  ASSERT_EQ(stream.ReadUntil(0), 1);
  const absl::Time begun = absl::Now();
  for (int i = 0; i < 100; ++i) {
    MakeCountry(std::string(1, static_cast<char>('A' + i / 26)) + static_cast<char>('A' + i % 26), "a country");
    if (HasFailure()) return;
  }
  const int messages = stream.ReadUntil(100);
  ASSERT_GT(messages, 0);
  EXPECT_LE(messages, 2 + static_cast<int>((absl::Now() - begun) / OverviewMethods::kIntervalMin));
}

TEST_F(OverviewMethodsTest, WithoutAChangeAWatchTellsTheTimeNowAndThen) {
  v1::WatchOverviewRequest request;
  request.add_sections(v1::OVERVIEW_SECTION_NETWORK);
  Stream stream(officer_, request);
  ASSERT_EQ(stream.ReadUntil(0), 1);
  EXPECT_EQ(stream.ReadUntil(0), 1);  // the heartbeat
}

TEST_F(OverviewMethodsTest, ABadSectionEndsTheWatchByName) {
  v1::WatchOverviewRequest request;
  request.add_sections(v1::OVERVIEW_SECTION_UNSPECIFIED);
  EXPECT_THAT(officer_.Call<v1::Overview>("OverviewService/WatchOverview", request).status(), FailsWith("FIELD_INVALID", "sections[0]"));
  v1::GetOverviewRequest months;
  months.set_months(-1);
  EXPECT_THAT(officer_.Call<v1::Overview>("OverviewService/GetOverview", months).status(), FailsWith("FIELD_INVALID", "months"));
}

}  // namespace
}  // namespace fairlead::rpc
