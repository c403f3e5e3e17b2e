// What the operator of a node sees: configuration mistakes, an orderly end, health, metrics, reflection.

#include <absl/strings/str_replace.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "certs/files.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;

class Operation : public Scenario {};

TEST_F(Operation, AConfigurationMistakeNamesFileLineAndKey) {
  ClusterOptions options;
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  const auto good = certs::ReadFile(cluster().config_file("apac"));
  ASSERT_TRUE(Ok(good));
  const std::string certificates = framework::TestNetwork::Get().folder().string();
  const std::string other_certificate = certificates + "/node/eame/tls.crt";

  // The key of the main log, without those of the other streams beside it.
  const std::string lone_folder = cluster().folder("apac");
  const std::string lone_key = lone_folder + "/log.key";
  const auto main_key = certs::ReadFile(certificates + "/node/apac/log.key");
  ASSERT_TRUE(Ok(main_key));
  ASSERT_TRUE(Ok(certs::WriteFile(lone_key, *main_key, certs::Access::kOwnerOnly, certs::IfExists::kRefuse)));

  struct Mistake {
    std::string from;  // in the configuration that works
    std::string to;
    std::string key;   // named; with the line on which `to` then is, when `line`
    std::string rule;  // part of what is said
    bool line = true;
  };
  const std::vector<Mistake> mistakes = {
      {"listen = \"", "lisen = \"", "lisen", "is no setting"},
      {"listen = \"127.0.0.1:", "listen = \"nowhere", "listen", "must be HOST:PORT"},
      {"site = \"apac\"\n", "", "site", "is required", false},
      {"[limits]\n", "[limits]\ndrain_seconds = -1\n", "limits.drain_seconds", "must be a whole number"},
      {"[limits]\n", "[limits]\nin_flight_max = \"many\"\n", "limits.in_flight_max", "must be a whole number"},
      {"[tls]\n", "reflection = 1\n[tls]\n", "reflection", "must be true or false"},
      {"/node/apac/log.key", "/node/apac/lost.key", "keys.log", "cannot be read"},
      {certificates + "/node/apac/log.key", lone_key, lone_folder + "/log.audit.key", "cannot be read (the key of test.", false},
      {"site = \"hq\"", "site = \"apac\"", "peer.site", "is this node's own site"},
      {"site = \"apac\"", "site = ", "", "", false},
      // Not of one line: what the files hold does not fit what the settings say.
      {"site = \"apac\"", "site = \"eame\"", certificates + "/node/apac/tls.crt", "node/eame", false},
      {"network = \"test.", "network = \"rest.", certificates + "/node/apac/tls.crt", "", false},
      {certificates + "/node/apac/tls.crt", other_certificate, certificates + "/node/apac/tls.key", other_certificate, false},
      {certificates + "/root.vkey", certificates + "/roster.note", certificates + "/roster.note", "", false},
  };
  const std::string file = cluster().folder("apac") + "/mistaken.toml";
  for (const Mistake& mistake : mistakes) {
    std::string text = *good;
    const size_t at = text.find(mistake.from);
    ASSERT_NE(at, std::string::npos) << mistake.from;
    text.replace(at, mistake.from.size(), mistake.to);
    SCOPED_TRACE(fmt::format("{} for {}", mistake.to, mistake.from));
    ASSERT_TRUE(Ok(certs::WriteFile(file, text, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
    const auto ended = framework::RunToEnd({cluster().node_binary(), "--config", file}, kPatience);
    ASSERT_TRUE(Ok(ended));
    EXPECT_EQ(ended->exit.signal, 0);
    EXPECT_NE(ended->exit.code, 0);
    EXPECT_THAT(ended->output, AllOf(HasSubstr(mistake.key), HasSubstr(mistake.rule)));
    if (mistake.line) {
      // The last line that the change touches.
      const std::string changed = text.substr(0, at + mistake.to.size() - (mistake.to.ends_with('\n') ? 1 : 0));
      auto line = 1 + std::count(changed.begin(), changed.end(), '\n');
      if (mistake.to.ends_with("[tls]\n")) --line;
      if (mistake.key.starts_with("peer.")) --line;  // of the table [[peer]]
      EXPECT_THAT(ended->output, HasSubstr(fmt::format("{}:{}: {}: ", file, line, mistake.key)));
    }
  }
  const auto absent = framework::RunToEnd({cluster().node_binary(), "--config", "/nowhere/node.toml"}, kPatience);
  ASSERT_TRUE(Ok(absent));
  EXPECT_NE(absent->exit.code, 0);
  EXPECT_THAT(absent->output, HasSubstr("/nowhere/node.toml"));
  // A port that another node has.
  std::string taken = *good;
  taken.replace(taken.find(cluster().address("apac")), cluster().address("apac").size(), cluster().address("hq"));
  ASSERT_TRUE(Ok(certs::WriteFile(file, taken, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
  const auto refused = framework::RunToEnd({cluster().node_binary(), "--config", file}, kPatience);
  ASSERT_TRUE(Ok(refused));
  EXPECT_EQ(refused->exit.signal, 0);
  EXPECT_NE(refused->exit.code, 0);
  EXPECT_THAT(refused->output, HasSubstr(cluster().address("hq")));
  EXPECT_TRUE(Ok(cluster().StartNode("apac")));
}

// What it could not write yet, it does not wait for.
TEST_F(Operation, ANodeThatMayNotWriteYetAndFindsItsPortTakenEnds) {
  ClusterOptions options;
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  const auto good = certs::ReadFile(cluster().config_file("apac"));
  ASSERT_TRUE(Ok(good));
  ASSERT_TRUE(std::filesystem::remove(cluster().licence_file("apac")));  // it asks its peers before it writes
  for (const auto& [own, taken] : {std::pair(cluster().address("apac"), cluster().address("hq")),
                                   std::pair(cluster().metrics_address("apac"), cluster().metrics_address("hq"))}) {
    std::string text = *good;
    text.replace(text.find(own), own.size(), taken);
    const std::string file = cluster().folder("apac") + "/taken.toml";
    ASSERT_TRUE(Ok(certs::WriteFile(file, text, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
    const auto refused = framework::RunToEnd({cluster().node_binary(), "--config", file}, kPatience);
    ASSERT_TRUE(Ok(refused)) << taken;
    EXPECT_EQ(refused->exit.signal, 0);
    EXPECT_EQ(refused->exit.code, 4);
    EXPECT_THAT(refused->output, HasSubstr(taken));
  }
}

TEST_F(Operation, AnOrderlyEndAnswersWhatIsInFlight) {
  constexpr absl::Duration kWait = absl::Seconds(3);  // of the call in flight: less than the node's drain time
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());

  // A call in flight for certain: it waits for an entry that cannot arrive.
  cluster().SetLinks("apac", LinkState::kCut);
  client::Client& roamer = cluster().Officer("apac");
  ASSERT_TRUE(Ok(Create(roamer, EngagementAt("apac", "Out of reach"))));
  absl::Status waited;
  absl::Time answered;
  std::thread waiting([&] {
    client::CallOptions call;
    call.site = "hq";
    call.timeout = kWait;
    waited = GetEngagement(roamer, "engagements/any", call).status();
    answered = absl::Now();
  });

  // A feed.
  const auto channel = cluster().Channel("officer/hq/watch", "hq");
  ASSERT_TRUE(Ok(channel));
  const auto stub = v1::RecordService::NewStub(*channel);
  grpc::ClientContext context;
  v1::WatchRecordsRequest request;
  request.set_snapshot(true);
  const auto feed = stub->WatchRecords(&context, request);
  v1::WatchRecordsResponse event;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(feed->Read(&event));

  // Writers that do not try again: each call ends in one of two ways.
  std::atomic<int> written{0};
  std::vector<std::vector<std::string>> names(4);
  std::vector<absl::Status> ends(names.size());
  std::vector<std::thread> writers;
  for (size_t i = 0; i < names.size(); ++i) {
    writers.emplace_back([&, i] {
      for (int n = 0; ends[i].ok(); ++n) {
        std::string bytes;
        ends[i] = CallBytes(*channel, "/fairlead.v1.EngagementService/CreateEngagement",
                            EngagementAt("hq", fmt::format("Writer {} number {}", i, n)).SerializeAsString(), &bytes);
        v1::Engagement engagement;
        if (!ends[i].ok() || !engagement.ParseFromString(bytes)) continue;
        names[i].push_back(engagement.name());
        ++written;
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return written >= 100; }));

  const absl::Time asked = absl::Now();
  cluster().RequestStop("hq");
  while (feed->Read(&event)) {
  }
  EXPECT_THAT(FromGrpc(feed->Finish()), FailsWith(StatusCode::kUnavailable, "SHUTTING_DOWN"));
  const auto exit = cluster().AwaitExit("hq");
  waiting.join();
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(Ok(exit));
  EXPECT_EQ(*exit, framework::Exit()) << ToString(*exit);
  // It was asked to stop while that call waited, and gave it its own answer in its own time.
  EXPECT_THAT(waited, FailsWith(StatusCode::kDeadlineExceeded, "CONSISTENCY_TIMEOUT"));
  EXPECT_GT(answered, asked);
  // gRPC cancels calls that reach a server while it shuts down, before they begin.
  for (const absl::Status& end : ends) EXPECT_TRUE(absl::IsUnavailable(end) || absl::IsCancelled(end)) << end;

  ASSERT_TRUE(Ok(cluster().StartNode("hq")));
  const auto listed = ListEngagements(cluster().Officer("hq"));
  ASSERT_TRUE(Ok(listed));
  std::map<std::string, int> found;
  for (const v1::Engagement& engagement : *listed) ++found[engagement.name()];
  for (const auto& of_writer : names) {
    for (const std::string& name : of_writer) EXPECT_EQ(found[name], 1);
  }
  cluster().SetLinks("apac", LinkState::kOpen);
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
}

TEST_F(Operation, WritersNoticeNothingOfAnOrderlyRestart) {
  constexpr int kRestarts = 3;
  constexpr size_t kWritesBetween = 100;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Writers writers(&cluster(), "apac", 8);
  for (int restart = 0; restart <= kRestarts; ++restart) {
    const size_t wanted = writers.acknowledged_count() + kWritesBetween;
    ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= wanted; })) << writers.acknowledged_count();
    if (restart == kRestarts) break;
    const auto exit = cluster().Stop("apac");
    ASSERT_TRUE(Ok(exit));
    EXPECT_EQ(*exit, framework::Exit()) << ToString(*exit);
    ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  }
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    const auto tally = Count(cluster().Officer(site), writers.acknowledged());
    ASSERT_TRUE(Ok(tally));
    EXPECT_EQ(tally->found, writers.acknowledged().size());
    EXPECT_EQ(tally->duplicated, 0u);
  }
}

TEST_F(Operation, MetricsTellWhatStatusTells) {
  ClusterOptions options;
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ok(Create(cluster().Officer("apac"), EngagementAt("apac", "Counted"))));
  EXPECT_FALSE(Create(cluster().Officer("apac"), v1::CreateEngagementRequest()).ok());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  std::map<std::string, double> samples = MetricsOf("apac");
  const std::string create = "method=\"fairlead.v1.EngagementService/CreateEngagement\"";
  const std::string log = "{log=\"test.fairlead.example/apac/1/main\",site=\"apac\"}";
  EXPECT_EQ(samples[fmt::format("fairlead_calls_total{{caller=\"officer\",code=\"0\",{}}}", create)], 3);
  EXPECT_EQ(samples[fmt::format("fairlead_calls_total{{caller=\"officer\",code=\"3\",{}}}", create)], 1);
  EXPECT_EQ(samples[fmt::format("fairlead_call_seconds_count{{{}}}", create)], 4);
  EXPECT_EQ(samples["fairlead_log_entries" + log], 3);
  EXPECT_EQ(samples["fairlead_log_entries_behind" + log], 0);
  EXPECT_EQ(samples["fairlead_log_quarantined" + log], 0);
  EXPECT_EQ(samples["fairlead_link_connected{peer=\"hq\"}"], 1);
  EXPECT_GT(samples["fairlead_link_bytes_received_total{peer=\"hq\"}"], 0);
  EXPECT_EQ(samples["fairlead_node_writable"], 1);
  EXPECT_EQ(samples["fairlead_opaque_entries"], 0);
  double entries = 0;
  for (const auto& [sample, value] : samples) entries += sample.starts_with("fairlead_log_entries{") ? value : 0;
  EXPECT_GE(entries, 4);
  EXPECT_EQ(samples["fairlead_journal_entries"], entries);
  EXPECT_GT(samples["fairlead_certificate_expire_seconds"], absl::ToUnixSeconds(absl::Now()));
  for (const char* name : {"fairlead_log_oldest_unapplied_seconds", "fairlead_log_as_of_seconds"}) {
    EXPECT_THAT(samples, Contains(Key(name + log)));
  }
  EXPECT_THAT(samples, Contains(Key("fairlead_link_rtt_seconds{peer=\"hq\"}")));

  // The age of what cannot be had grows as a number, too.
  cluster().Kill("hq");
  EXPECT_TRUE(Eventually([&] { return MetricsOf("apac")["fairlead_link_connected{peer=\"hq\"}"] == 0; }));
}

TEST_F(Operation, HealthSaysServing) {
  ClusterOptions options;
  options.sites = {"hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  // grpc.health.v1: the request names no service; the answer is field 1, SERVING (1). Every identity of the network may ask.
  for (const char* identity : {"officer/hq/watch", "gateway/web", "partner/JP/portnet"}) {
    const auto channel = cluster().Channel(identity, "hq");
    ASSERT_TRUE(Ok(channel));
    std::string health;
    EXPECT_TRUE(Ok(CallBytes(*channel, "/grpc.health.v1.Health/Check", "", &health))) << identity;
    EXPECT_EQ(health, "\x08\x01");
  }
}

// What reflection answers when asked for services: their names, or the error.
absl::StatusOr<std::vector<std::string>> ListServices(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = grpc::reflection::v1alpha::ServerReflection::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1alpha::ServerReflectionRequest request;
  grpc::reflection::v1alpha::ServerReflectionResponse response;
  request.set_list_services("*");
  stream->Write(request);
  stream->WritesDone();
  std::vector<std::string> names;
  while (stream->Read(&response)) {
    for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  }
  if (const grpc::Status status = stream->Finish(); !status.ok()) return FromGrpc(status);
  return names;
}

TEST_F(Operation, ReflectionIsOffUnlessConfigured) {
  ClusterOptions options;
  options.sites = {"hq"};
  {
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    const auto channel = cluster().Channel("officer/hq/watch", "hq");
    ASSERT_TRUE(Ok(channel));
    EXPECT_EQ(ListServices(*channel).status().code(), StatusCode::kUnimplemented);
  }
  options.settings = "reflection = true";
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  const auto channel = cluster().Channel("officer/hq/watch", "hq");
  ASSERT_TRUE(Ok(channel));
  const auto services = ListServices(*channel);
  ASSERT_TRUE(Ok(services));
  EXPECT_THAT(*services, testing::IsSupersetOf({"fairlead.v1.EngagementService", "fairlead.v1.ReferenceService",
                                                "fairlead.v1.RecordService", "fairlead.v1.NodeService", "fairlead.v1.OverviewService"}));
  const auto partner = cluster().Channel("partner/JP/portnet", "hq");
  ASSERT_TRUE(Ok(partner));
  EXPECT_THAT(ListServices(*partner).status(), FailsWith(StatusCode::kPermissionDenied, "PERMISSION_DENIED"));
}

}  // namespace
}  // namespace fairlead::scenarios
