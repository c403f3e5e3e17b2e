// Each way in which a peer may lie, told to a real node by a peer with a node's certificate: named in status, metrics and log, and kept to
// the log or the link that it concerns.
//
// The liar stands between headquarters and the honest node of eame. It serves what that node gives, and changes it on the way.

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "api/crypto.h"
#include "api/merkle.h"
#include "api/note.h"
#include "certs/files.h"
#include "fairlead/v1/replication_service.grpc.pb.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using framework::TestNetwork;
using testing::HasSubstr;

// May change a message; false: it is not passed on.
using Twist = std::function<bool(v1::ReplicateResponse*)>;

class LyingPeer : public v1::ReplicationService::Service {
 public:
  explicit LyingPeer(std::shared_ptr<grpc::Channel> honest) : honest_(v1::ReplicationService::NewStub(honest)) {}

  // From the next stream on. Ends those that are open.
  void Tell(Twist twist) {
    absl::MutexLock lock(&mu_);
    twist_ = std::move(twist);
    for (grpc::ServerContext* context : open_) context->TryCancel();
  }

  grpc::Status Replicate(grpc::ServerContext* context,
                         grpc::ServerReaderWriter<v1::ReplicateResponse, v1::ReplicateRequest>* stream) override {
    Twist twist;
    {
      absl::MutexLock lock(&mu_);
      open_.insert(context);
      twist = twist_;
    }
    grpc::ClientContext onward_context;
    const auto onward = honest_->Replicate(&onward_context);
    std::thread up([&] {
      v1::ReplicateRequest request;
      while (stream->Read(&request) && onward->Write(request)) {
      }
      onward_context.TryCancel();
    });
    v1::ReplicateResponse response;
    while (onward->Read(&response)) {
      if (twist && !twist(&response)) continue;
      if (!stream->Write(response)) break;
    }
    context->TryCancel();
    onward_context.TryCancel();
    up.join();
    onward->Finish();
    absl::MutexLock lock(&mu_);
    open_.erase(context);
    return grpc::Status::OK;
  }

 private:
  const std::unique_ptr<v1::ReplicationService::Stub> honest_;
  absl::Mutex mu_;
  Twist twist_ ABSL_GUARDED_BY(mu_);
  std::set<grpc::ServerContext*> open_ ABSL_GUARDED_BY(mu_);
};

std::string FileText(const std::string& path) {
  const auto text = certs::ReadFile(path);
  EXPECT_TRUE(Ok(text));
  return text.value_or("");
}

const RosterLog& LogOf(const std::string& site) {
  const Roster& roster = TestNetwork::Get().network().roster();
  return *roster.CurrentLog(roster.FindSite(site)->id, kMainStream);
}
bool IsOfEame(uint32_t log) { return log == LogOf("eame").id.value(); }

// --- The lies ------------------------------------------------------------------------------------------------------------------

Twist EachPackage(std::function<void(v1::HeaderPackage*)> change) {
  return [change](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
      if (IsOfEame(package.log())) change(&package);
    }
    return true;
  };
}
Twist EachPayload(std::function<void(v1::PayloadFrame*)> change) {
  return [change](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::PayloadFrame& payload : *response->mutable_entries()->mutable_payloads()) {
      if (IsOfEame(payload.log())) change(&payload);
    }
    return true;
  };
}
Twist EachState(std::function<void(v1::LogState*)> change) {
  return [change](v1::ReplicateResponse* response) {
    auto* states = response->has_welcome()     ? response->mutable_welcome()->mutable_logs()
                   : response->has_heartbeat() ? response->mutable_heartbeat()->mutable_logs()
                                               : nullptr;
    if (states == nullptr) return true;
    for (v1::LogState& state : *states) {
      if (IsOfEame(state.log())) change(&state);
    }
    return true;
  };
}
// A checkpoint of eame's log over a root of the liar's own.
std::string Forged(const SigningKey& key, uint64_t size) {
  const std::string text = note::CheckpointText({LogOf("eame").origin(), size, merkle::LeafHash("another history")});
  return note::Format({text, {note::Sign(LogOf("eame").origin(), key, text)}});
}

// Passes one payload for every second heartbeat.
Twist Trickle() {
  struct State {
    v1::Entries held;
    bool even = false;
  };
  return [state = std::make_shared<State>()](v1::ReplicateResponse* response) {
    auto* held = state->held.mutable_payloads();
    if (response->has_entries()) {
      for (v1::PayloadFrame& payload : *response->mutable_entries()->mutable_payloads()) *held->Add() = std::move(payload);
      response->mutable_entries()->clear_payloads();
      response->mutable_entries()->set_journal_position(0);
    } else if (response->has_heartbeat() && !held->empty() && (state->even = !state->even)) {
      *response->mutable_entries()->add_payloads() = std::move(*held->Mutable(0));
      held->DeleteSubrange(0, 1);
    }
    return true;
  };
}

// How what others write comes to headquarters while the lie is told.
enum class Way {
  kLiar,   // like all else; it lies of one log
  kOwn,    // by their own links; it is a lie of the link
  kAfter,  // likewise, but only once it is named: before, headquarters depends on the liar
};

struct Lie {
  std::string name;
  Twist twist;
  Way way = Way::kLiar;
  std::string reason;  // of fairlead_link_errors_total
  std::string says;    // in the link's status and in the log
  std::string metric;  // besides; empty: none
  double metric_min = 1;
};

// Those that end with the peer that tells them; a fork stays (below).
std::vector<Lie> AllLies() {
  return {
      {.name = "changed entry",
       .twist = EachPayload([](v1::PayloadFrame* payload) {
         if (!payload->payload().empty()) payload->mutable_payload()->back() ^= 1;
       }),
       .reason = "SIGNATURE_INVALID",
       .says = "the payload is not the one its header names"},
      {.name = "changed history",
       .twist = EachPackage([](v1::HeaderPackage* package) { package->mutable_headers(0)->back() ^= 1; }),
       .reason = "SIGNATURE_INVALID",
       .says = "are not of the checkpoint of size"},
      {.name = "wrong key",
       .twist = EachPackage([](v1::HeaderPackage* package) {
         if (!package->checkpoint().empty()) package->set_checkpoint(Forged(SigningKey::Generate(), 1000));
       }),
       .reason = "SIGNATURE_INVALID",
       .says = "the signature does not verify"},
      {.name = "replayed checkpoint",
       .twist =
           [first = std::make_shared<std::string>()](v1::ReplicateResponse* response) {
             if (!response->has_entries()) return true;
             for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
               if (!IsOfEame(package.log()) || package.checkpoint().empty()) continue;
               if (first->empty()) {
                 *first = package.checkpoint();
               } else if (*first != package.checkpoint()) {
                 package.mutable_checkpoint()->swap(*first);
                 // The newest, then the first again.
                 v1::HeaderPackage newest = package;
                 newest.set_checkpoint(*first);
                 response->mutable_entries()->mutable_packages()->Add(std::move(newest));
                 response->mutable_entries()->mutable_packages()->SwapElements(0, response->entries().packages_size() - 1);
                 break;
               }
             }
             return true;
           },
       .reason = "PEER_PROTOCOL",
       .says = "a checkpoint of size"},
      {.name = "truncated log",
       .twist =
           [told = std::make_shared<bool>(false)](v1::ReplicateResponse* response) {
             // It says what there is, and then less.
             const bool later = response->has_heartbeat() && std::exchange(*told, true);
             return later ? EachState([](v1::LogState* state) { state->set_size(0); })(response) : true;
           },
       .reason = "PEER_PROTOCOL",
       .says = "the peer holds"},
      {.name = "garbage in an entry",
       .twist = EachPackage([](v1::HeaderPackage* package) { package->set_headers(0, "\xff\xfe garbage"); }),
       .reason = "SIGNATURE_INVALID",
       .says = "are not of the checkpoint of size"},
      {.name = "garbage bytes",
       .twist =
           [](v1::ReplicateResponse* response) {
             if (!response->has_entries()) return true;
             response->Clear();
             response->GetReflection()->MutableUnknownFields(response)->AddLengthDelimited(2, "\xff\xff\xff\xff");
             return true;
           },
       .way = Way::kOwn,
       .reason = "PEER_PROTOCOL",
       .says = "cannot be parsed"},
      {.name = "message out of place",
       .twist =
           [](v1::ReplicateResponse* response) {
             if (response->has_entries()) response->Clear();
             return true;
           },
       .way = Way::kOwn,
       .reason = "PEER_PROTOCOL",
       .says = "a message of no known kind"},
      {.name = "gigantic entry",
       .twist = EachPayload([](v1::PayloadFrame* payload) { payload->set_payload(std::string(9 << 20, 'x')); }),
       .way = Way::kOwn,
       .reason = "RESOURCE_EXHAUSTED",
       .says = "larger than max"},
      {.name = "future clock",
       .twist =
           [](v1::ReplicateResponse* response) {
             if (response->has_pong()) response->mutable_pong()->set_time_ms(response->pong().time_ms() + 3'600'000);
             return true;
           },
       .way = Way::kOwn,
       .reason = "CLOCK_DRIFT",
       .says = "ahead of this node's",
       .metric = "fairlead_link_clock_ahead_seconds{peer=\"eame\"}",
       .metric_min = 3500},
      {.name = "alive and silent",
       .twist = [](v1::ReplicateResponse* response) { return !response->has_entries(); },
       .way = Way::kAfter,
       .reason = "UNAVAILABLE",
       .says = "entries that are not here, and has brought 0 bytes",
       .metric = "fairlead_link_entries_behind{peer=\"eame\"}"},
      {.name = "slow trickle",
       .twist = Trickle(),
       .way = Way::kAfter,
       .reason = "UNAVAILABLE",
       .says = "entries that are not here, and has brought",
       .metric = "fairlead_link_entries_behind{peer=\"eame\"}"},
  };
}

class Lies : public Scenario {
 protected:
  void SetUp() override {
    ClusterOptions options;
    options.sites = {"apac", "eame", "hq"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    const auto honest = cluster().Channel("node/hq", "eame");
    const auto files = TestNetwork::Get().Of("node/eame");
    ASSERT_TRUE(Ok(honest));
    ASSERT_TRUE(Ok(files));
    liar_ = std::make_unique<LyingPeer>(*honest);
    grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    ssl.pem_root_certs = FileText(files->ca_file);
    ssl.pem_key_cert_pairs.push_back({FileText(files->key_file), FileText(files->certificate_file)});
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(ssl), &port);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(liar_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);

    // hq takes the liar for eame.
    ASSERT_TRUE(Ok(cluster().Stop("hq")));
    std::string config = FileText(cluster().config_file("hq"));
    const std::string peer = "[[peer]]\nsite = \"eame\"\naddress = \"";
    const size_t at = config.find(peer);
    ASSERT_NE(at, std::string::npos) << config;
    const size_t begin = at + peer.size();
    config.replace(begin, config.find('"', begin) - begin, fmt::format("127.0.0.1:{}", port));
    ASSERT_TRUE(Ok(certs::WriteFile(cluster().config_file("hq"), config, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
    ASSERT_TRUE(Ok(cluster().StartNode("hq")));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
  }
  void TearDown() override {
    if (liar_) liar_->Tell(nullptr);
    Scenario::TearDown();
    if (server_) server_->Shutdown(absl::ToChronoTime(absl::Now()));
  }

  void Tell(Twist twist) {
    liar_->Tell(std::move(twist));
    cluster().SetLink("hq", "apac", LinkState::kOpen);
  }
  std::string Write(const std::string& site, const std::string& title) {
    const auto created = Create(cluster().Officer(site), EngagementAt(site, title), AtSite(site));
    EXPECT_TRUE(Ok(created));
    return created.ok() ? created->name() : "";
  }
  bool HqHas(const std::string& name) { return GetEngagement(cluster().Officer("hq"), name, AtSite("hq")).ok(); }
  double Metric(const std::string& name) {
    const auto samples = MetricsOf("hq");
    const auto sample = samples.find(name);
    return sample == samples.end() ? 0 : sample->second;
  }

  std::unique_ptr<LyingPeer> liar_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(Lies, EachIsNamedAndTheRestFlows) {
  for (const Lie& lie : AllLies()) {
    SCOPED_TRACE(lie.name);
    const std::string counter = fmt::format("fairlead_link_errors_total{{peer=\"eame\",reason=\"{}\"}}", lie.reason);
    const std::string refused = fmt::format("fairlead_link_log_refused{{log=\"{}\",peer=\"eame\"}}", LogOf("eame").origin());
    const double before = Metric(counter);
    const size_t logged = cluster().Log("hq").size();

    Tell(lie.twist);
    if (lie.way != Way::kOwn) cluster().SetLink("hq", "apac", LinkState::kCut);
    const std::string of_apac = Write("apac", lie.name + ", and apac");
    std::vector<std::string> of_eame;
    for (int i = 0; i < (lie.way == Way::kAfter ? 15 : 1); ++i) of_eame.push_back(Write("eame", fmt::format("{}, {}", lie.name, i)));
    if (lie.way != Way::kAfter) {
      ASSERT_TRUE(Eventually([&] { return HqHas(of_apac); })) << LinkOf("hq", "eame").DebugString();
    }
    const auto named = [&] {
      const v1::LinkStatus link = LinkOf("hq", "eame");
      if (lie.way != Way::kLiar) return link.last_error().find(lie.says) != std::string::npos;
      return link.connected() && link.refused_logs_size() == 1 && link.refused_logs(0).origin() == LogOf("eame").origin() &&
             link.refused_logs(0).reason().find(lie.says) != std::string::npos;
    };
    // Some lies need more than one entry to be told.
    ASSERT_TRUE(Eventually(
        [&] {
          if (named()) return true;
          if (lie.way != Way::kAfter) of_eame.push_back(Write("eame", lie.name + ", more"));
          return named();
        },
        absl::Seconds(40)))
        << LinkOf("hq", "eame").DebugString();
    EXPECT_TRUE(Eventually([&] { return Metric(counter) > before; })) << counter;
    if (lie.way == Way::kLiar) {
      EXPECT_EQ(Metric(refused), 1);
    }
    if (!lie.metric.empty()) {
      EXPECT_GE(Metric(lie.metric), lie.metric_min) << lie.metric;
    }
    EXPECT_TRUE(Eventually([&] { return cluster().Log("hq").substr(logged).find(lie.says) != std::string::npos; }))
        << cluster().Log("hq").substr(logged);
    EXPECT_EQ(Metric(fmt::format("fairlead_log_quarantined{{log=\"{}\",site=\"eame\"}}", LogOf("eame").origin())), 0);

    if (lie.way != Way::kLiar) {  // else what apac writes by now follows what cannot be taken
      cluster().SetLink("hq", "apac", LinkState::kOpen);
      const std::string later = Write("apac", lie.name + ", and apac later");
      EXPECT_TRUE(Eventually([&] { return HqHas(later); }));
    }
    Tell(nullptr);
    for (const std::string& name : of_eame) {
      ASSERT_TRUE(Eventually([&] { return HqHas(name); }, framework::kPatience * 2)) << LinkOf("hq", "eame").DebugString();
    }
    // The refusal goes with the stream it was made on. All that eame wrote may have come before the lie, and so before that stream's end.
    EXPECT_TRUE(Eventually([&] { return Metric(refused) == 0; }));
  }
}

// Two histories under the log's own key: what nobody else can have done. It stays until people decide.
TEST_F(Lies, AForkIsQuarantinedAndTheRestFlows) {
  const std::string before = Write("eame", "Before");
  ASSERT_TRUE(Eventually([&] { return HqHas(before); }));
  const auto key = SigningKey::FromPem(FileText(TestNetwork::Get().folder().string() + "/node/eame/log.key"));
  ASSERT_TRUE(Ok(key));
  Tell(EachPackage([note = Forged(*key, 1)](v1::HeaderPackage* package) { package->set_checkpoint(note); }));
  cluster().SetLink("hq", "apac", LinkState::kCut);
  const std::string of_apac = Write("apac", "Of apac");
  Write("eame", "Forked");
  const auto quarantine = [&]() -> std::string {
    const auto status = cluster().Status("hq");
    if (!status.ok()) return "";
    for (const v1::LogStatus& log : status->logs()) {
      if (log.origin() == LogOf("eame").origin()) return log.quarantine();
    }
    return "";
  };
  ASSERT_TRUE(Eventually([&] { return !quarantine().empty(); })) << LinkOf("hq", "eame").DebugString();
  EXPECT_THAT(quarantine(), HasSubstr("two histories of size 1"));
  const std::string sample = fmt::format("fairlead_log_quarantined{{log=\"{}\",site=\"eame\"}}", LogOf("eame").origin());
  EXPECT_TRUE(Eventually([&] { return Metric(sample) == 1; }));
  EXPECT_GE(Metric("fairlead_link_errors_total{peer=\"eame\",reason=\"LOG_FORKED\"}"), 1);
  EXPECT_THAT(cluster().Log("hq"), HasSubstr(fmt::format("log {} is quarantined: two histories of size 1", LogOf("eame").origin())));
  EXPECT_TRUE(Eventually([&] { return HqHas(of_apac); }));
  const std::string later = Write("apac", "Of apac, later");
  EXPECT_TRUE(Eventually([&] { return HqHas(later); }));
}

}  // namespace
}  // namespace fairlead::scenarios
