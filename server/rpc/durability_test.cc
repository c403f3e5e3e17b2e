#include "server/rpc/durability.h"

#include <filesystem>
#include <iterator>
#include <map>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Of a call: as short as leaves the whole tenth of a second in which a wait that is given up is answered (waiting_room.h).
constexpr absl::Duration kDeadline = absl::Seconds(1);

ptrdiff_t ThreadCount() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

// What ErrorInfo says beside the reason.
std::map<std::string, std::string> MetadataOf(const absl::Status& status) {
  const google::rpc::Status wire = ToProto(status);
  for (const auto& detail : wire.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) return {info.metadata().begin(), info.metadata().end()};
  }
  return {};
}

v1::CreateCountryRequest Creating(const std::string& code, const std::string& request_id = "") {
  v1::CreateCountryRequest request;
  request.set_country_id(code);
  request.mutable_country()->set_display_name("name of " + code);
  request.mutable_country()->set_region(v1::REGION_APAC);
  request.set_request_id(request_id);
  return request;
}

TEST(ParseDurabilityTest, KnowsTwoForms) {
  EXPECT_EQ(*ParseDurability("local"), 0);
  EXPECT_EQ(*ParseDurability("replicated:1"), 1);
  EXPECT_EQ(*ParseDurability("replicated:12"), 12);
  for (const char* bad : {"", "LOCAL", "replicated", "replicated:", "replicated:0", "replicated:-1", "replicated:1 ",
                          "replicated:99999999999", "replicated:+1", "durable"}) {
    EXPECT_THAT(ParseDurability(bad), FailsWith("FIELD_INVALID", "fairlead-durability")) << bad;
  }
}

class DurabilityTest : public SiteTest {
 protected:
  DurabilityTest() : eame_("eame", &clock_), hq_("hq", &clock_) {}

  // One call with a wish; what it came to.
  struct Outcome {
    absl::StatusOr<v1::Country> country;
    std::string durability;  // of the trailing metadata
  };
  template <class Request>
  Outcome Call(const std::string& method, const Request& request, const std::string& durability, absl::Duration timeout = kDeadline) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    context.AddMetadata(kDurabilityMetadata, durability);
    Outcome outcome;
    outcome.country = officer_.Call<v1::Country>("ReferenceService/" + method, request, &context);
    const auto& trailing = context.GetServerTrailingMetadata();
    if (const auto it = trailing.find(kDurabilityMetadata); it != trailing.end()) {
      outcome.durability.assign(it->second.data(), it->second.size());
    }
    return outcome;
  }
  Outcome Create(const std::string& code, const std::string& durability, const std::string& request_id = "",
                 absl::Duration timeout = kDeadline) const {
    return Call("CreateCountry", Creating(code, request_id), durability, timeout);
  }
  // The site takes what apac has and says so.
  void Cosign(TestSite& site) {
    site.Receive(apac_);
    clock_.Advance(absl::Seconds(1));
    apac_.HearCosignatures(site);
  }

  TestSite eame_;
  TestSite hq_;
};

TEST_F(DurabilityTest, LocalDoesNotWait) {
  const Outcome outcome = Create("JP", "local");
  EXPECT_TRUE(outcome.country.ok()) << outcome.country.status();
  EXPECT_EQ(outcome.durability, "");
}

TEST_F(DurabilityTest, AnAnswerComesOnceOtherSitesHoldIt) {
  Outcome outcome;
  std::thread caller([&] { outcome = Create("JP", "replicated:2", "", kPatience); });
  while (apac_.node().JournalEnd() == Position(0)) std::this_thread::yield();
  Cosign(eame_);
  // One is not two: the call waits on, though another round goes by.
  Cosign(eame_);
  Cosign(hq_);
  caller.join();
  ASSERT_TRUE(outcome.country.ok()) << outcome.country.status();
  EXPECT_EQ(outcome.country->display_name(), "name of JP");
  EXPECT_EQ(outcome.durability, "replicated:2 eame,hq");
}

TEST_F(DurabilityTest, OnDeadlineTheWriteStandsAndTheErrorSaysWhoHoldsIt) {
  const std::string request_id = clock_.RequestId();
  ASSERT_TRUE(Create("AA", "local").country.ok());
  Outcome outcome = Create("JP", "replicated:2", request_id);
  EXPECT_EQ(outcome.country.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(outcome.country, FailsWith("REPLICATION_TIMEOUT"));
  std::map<std::string, std::string> metadata = MetadataOf(outcome.country.status());
  EXPECT_EQ(metadata["name"], "countries/JP");
  EXPECT_EQ(metadata["entry"], "apac/1/1");
  EXPECT_EQ(metadata["sites"], "");
  EXPECT_EQ(metadata["replicas"], "2");
  EXPECT_EQ(GetCountry("JP").display_name(), "name of JP");

  // The same request waits again, and writes nothing.
  Cosign(eame_);
  outcome = Create("JP", "replicated:2", request_id);
  EXPECT_THAT(outcome.country, FailsWith("REPLICATION_TIMEOUT"));
  EXPECT_EQ(MetadataOf(outcome.country.status())["sites"], "eame");
  Cosign(hq_);
  outcome = Create("JP", "replicated:2", request_id);
  ASSERT_TRUE(outcome.country.ok()) << outcome.country.status();
  EXPECT_EQ(outcome.durability, "replicated:2 eame,hq");
  EXPECT_EQ(apac_.node().JournalEnd(), Position(2));
}

TEST_F(DurabilityTest, ACosignatureOfLessDoesNotCount) {
  ASSERT_TRUE(Create("AA", "local").country.ok());
  Cosign(eame_);
  EXPECT_THAT(Create("BB", "replicated:1").country, FailsWith("REPLICATION_TIMEOUT"));
  // The site's own cosignature is not another site's.
  clock_.Advance(absl::Seconds(1));
  apac_.node().Tick();
  EXPECT_THAT(Create("CC", "replicated:1").country, FailsWith("REPLICATION_TIMEOUT"));
}

TEST_F(DurabilityTest, MoreSitesThanTheAudienceHasAreRefusedAndNothingIsWritten) {
  const size_t others = apac_.node().roster().sites().size() - 1;
  EXPECT_THAT(Create("JP", "replicated:" + std::to_string(others + 1)).country, FailsWith("FIELD_INVALID", "fairlead-durability"));
  EXPECT_THAT(Create("JP", "much").country, FailsWith("FIELD_INVALID", "fairlead-durability"));
  v1::CreateCountryRequest request = Creating("JP");
  request.mutable_country()->add_audience("apac");
  request.mutable_country()->add_audience("eame");
  EXPECT_THAT(Call("CreateCountry", request, "replicated:2").country, FailsWith("FIELD_INVALID", "fairlead-durability"));
  EXPECT_EQ(apac_.node().JournalEnd(), Position(0));

  // hq holds its header and cosigns it, but is not in the audience: it does not count.
  EXPECT_THAT(Call("CreateCountry", request, "replicated:1").country, FailsWith("REPLICATION_TIMEOUT"));
  Cosign(hq_);
  request.set_country_id("KR");
  EXPECT_THAT(Call("CreateCountry", request, "replicated:1").country, FailsWith("REPLICATION_TIMEOUT"));
  Cosign(hq_);
  EXPECT_EQ(apac_.node().Cosigned(apac_.node().own_log()).at(hq_.node().site()), Seq(2));
  v1::UpdateCountryRequest same;
  *same.mutable_country() = GetCountry("KR");
  const Outcome outcome = Call("UpdateCountry", same, "replicated:1");
  EXPECT_THAT(outcome.country, FailsWith("REPLICATION_TIMEOUT"));
  EXPECT_EQ(MetadataOf(outcome.country.status())["sites"], "");
}

TEST_F(DurabilityTest, WhatChangesNothingWaitsForWhatIsThere) {
  ASSERT_TRUE(Create("JP", "local").country.ok());
  v1::UpdateCountryRequest same;
  *same.mutable_country() = GetCountry("JP");
  EXPECT_THAT(Call("UpdateCountry", same, "replicated:1").country, FailsWith("REPLICATION_TIMEOUT"));
  Cosign(eame_);
  const Outcome outcome = Call("UpdateCountry", same, "replicated:1");
  EXPECT_TRUE(outcome.country.ok()) << outcome.country.status();
  EXPECT_EQ(outcome.durability, "replicated:1 eame");
  EXPECT_EQ(apac_.node().JournalEnd(), Position(1));
  // What is only tried out is not waited for.
  same.set_validate_only(true);
  same.mutable_country()->set_display_name("another");
  EXPECT_TRUE(Call("UpdateCountry", same, "replicated:2").country.ok());
}

TEST_F(DurabilityTest, AnImportWaitsForAllItsRowsAlsoForThoseThatWereThere) {
  v1::ImportCountriesRequest request;
  for (const char* code : {"JP", "KR"}) {
    v1::Country* country = request.add_countries();
    country->set_name(std::string("countries/") + code);
    country->set_display_name("imported");
    country->set_region(v1::REGION_APAC);
  }
  const auto import = [&](const std::string& durability) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
    context.AddMetadata(kDurabilityMetadata, durability);
    return officer_.Call<v1::ImportResponse>("ReferenceService/ImportCountries", request, &context);
  };
  const auto impossible = import("replicated:9");
  ASSERT_TRUE(impossible.ok()) << impossible.status();
  ASSERT_EQ(impossible->refusals_size(), 2);
  EXPECT_EQ(FieldOf(FromProto(impossible->refusals(0).status())), "fairlead-durability");
  EXPECT_EQ(apac_.node().JournalEnd(), Position(0));

  EXPECT_THAT(import("replicated:1"), FailsWith("REPLICATION_TIMEOUT"));
  EXPECT_EQ(GetCountry("KR").display_name(), "imported");
  EXPECT_THAT(import("replicated:1"), FailsWith("REPLICATION_TIMEOUT"));
  Cosign(eame_);
  const auto done = import("replicated:1");
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->unchanged(), 2);
}

TEST_F(DurabilityTest, ManyCallsWaitWithoutAThreadEach) {
  constexpr int kCalls = 300;
  constexpr ptrdiff_t kThreadsMax = 50;  // that gRPC may add for itself
  ASSERT_TRUE(Create("ZZ", "local").country.ok());
  const ptrdiff_t threads = ThreadCount();
  std::atomic<int> answered{0};
  std::vector<absl::Status> statuses(kCalls);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<v1::CreateCountryRequest> requests(kCalls);
  std::vector<v1::Country> responses(kCalls);
  grpc::TemplatedGenericStub<v1::CreateCountryRequest, v1::Country> stub(officer_.channel());
  for (int i = 0; i < kCalls; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    contexts.back()->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    contexts.back()->AddMetadata(kDurabilityMetadata, "replicated:1");
    requests[i] = Creating(std::string(1, static_cast<char>('A' + i / 26)) + static_cast<char>('A' + i % 26));
    stub.UnaryCall(contexts.back().get(), "/fairlead.v1.ReferenceService/CreateCountry", {}, &requests[i], &responses[i],
                   [&, i](grpc::Status end) {
                     statuses[i] = FromGrpc(end);
                     ++answered;
                   });
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (apac_.node().JournalEnd() < Position(kCalls + 1) && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(answered.load(), 0);
  EXPECT_LE(ThreadCount(), threads + kThreadsMax);
  // The node still serves others.
  EXPECT_EQ(GetCountry("AA").display_name(), "name of AA");
  Cosign(eame_);
  while (answered.load() < kCalls && absl::Now() < deadline) std::this_thread::yield();
  ASSERT_EQ(answered.load(), kCalls);
  for (const absl::Status& status : statuses) EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DurabilityTest, ACallerWhoGoesLeavesNothingBehindAndAShutdownAnswers) {
  {
    grpc::ClientContext context;
    context.AddMetadata(kDurabilityMetadata, "replicated:1");
    std::thread canceller([&] {
      while (apac_.node().JournalEnd() == Position(0)) std::this_thread::yield();
      context.TryCancel();
    });
    EXPECT_EQ(officer_.Call<v1::Country>("ReferenceService/CreateCountry", Creating("JP"), &context).status().code(),
              absl::StatusCode::kCancelled);
    canceller.join();
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (apac_.dispatcher().in_flight() > 0 && absl::Now() < deadline) std::this_thread::yield();
  while (apac_.durability().waiting() > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(apac_.durability().waiting(), 0u);

  Outcome outcome;
  std::thread caller([&] { outcome = Create("KR", "replicated:1", "", kPatience); });
  while (apac_.durability().waiting() == 0 && absl::Now() < deadline) std::this_thread::yield();
  apac_.durability().Close();
  caller.join();
  EXPECT_THAT(outcome.country, FailsWith("SHUTTING_DOWN"));
  EXPECT_EQ(MetadataOf(outcome.country.status())["name"], "countries/KR");
}

}  // namespace
}  // namespace fairlead::rpc
