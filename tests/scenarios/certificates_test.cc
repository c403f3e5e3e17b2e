// Certificates, keys and roots change while a network of real nodes is at work; and revocation reaches what is already open.

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "certs/files.h"
#include "certs/network.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using framework::Credentials;
using testing::HasSubstr;

constexpr char kStatusPath[] = "/fairlead.v1.NodeService/GetNodeStatus";
constexpr absl::Duration kWithinSeconds = absl::Seconds(15);  // of a look every second, on a machine that is busy

class Certificates : public Scenario {
 protected:
  void Start() {
    ClusterOptions options;
    options.sites = {"apac", "hq"};
    options.tls = "refresh_seconds = 1";
    options.own_certificates = true;
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  }
  certs::Network Network() { return *certs::Network::Open(cluster().certs_folder()); }
  // Of an identity of this cluster's own network folder, issued when it has none.
  Credentials Of(const std::string& identity) {
    const std::filesystem::path folder = cluster().certs_folder() / identity;
    if (!std::filesystem::exists(folder / "tls.crt")) {
      EXPECT_TRUE(Ok(Network().Issue(*certs::Identity::Parse(identity), {}, absl::Now())));
    }
    return {(folder / "tls.crt").string(), (folder / "tls.key").string(), (cluster().certs_folder() / "ca/ca.crt").string()};
  }
  void Renew(const std::string& identity) {
    EXPECT_TRUE(Ok(Network().Renew(*certs::Identity::Parse(identity), {}, absl::Now()))) << identity;
  }
  void Revoke(const std::string& identity) {
    EXPECT_TRUE(Ok(Network().Revoke(identity, certs::RevocationReason::kKeyCompromise, absl::Now()))) << identity;
  }
  double Metric(const std::string& site, const std::string& name) { return MetricsOf(site)[name]; }
  // Both nodes have taken up `n` changes of their files more than they had.
  bool TakeUp(const std::map<std::string, double>& before, double n) {
    return Eventually([&] { return Metric("apac", kChanges) >= before.at("apac") + n && Metric("hq", kChanges) >= before.at("hq") + n; });
  }
  std::map<std::string, double> Changes() { return {{"apac", Metric("apac", kChanges)}, {"hq", Metric("hq", kChanges)}}; }
  // How the receiver's link to the peer is.
  v1::LinkStatus Link(const std::string& receiver, const std::string& peer) {
    const auto status = cluster().Status(receiver);
    if (!status.ok()) return {};
    for (const v1::LinkStatus& link : status->links()) {
      if (link.peer() == peer) return link;
    }
    return {};
  }

  static constexpr char kChanges[] = "fairlead_credentials_changes_total";
};

// Callers who never stop: some on one connection each, one who dials anew for each call.
class Callers {
 public:
  Callers(Cluster* cluster, const Credentials& credentials, int threads) : cluster_(cluster), credentials_(credentials) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Call(/*dial_anew=*/i == 0); });
  }
  ~Callers() { Stop(); }
  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  int64_t calls() const { return calls_.load(); }
  // Of the first call that failed.
  absl::Status error() {
    absl::MutexLock lock(&mu_);
    return error_;
  }

 private:
  void Call(bool dial_anew) {
    std::shared_ptr<grpc::Channel> channel;
    while (!stopping_) {
      absl::Status status;
      if (channel == nullptr || dial_anew) {
        const auto dialled = cluster_->Channel(credentials_, "hq");
        status = dialled.status();
        if (status.ok()) channel = *dialled;
      }
      if (status.ok()) status = CallBytes(channel, kStatusPath, "");
      ++calls_;
      absl::MutexLock lock(&mu_);
      error_.Update(status);
    }
  }

  Cluster* const cluster_;
  const Credentials credentials_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> calls_{0};
  absl::Mutex mu_;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
};

TEST_F(Certificates, CertificatesKeysAndTheRootChangeUnderLoadWithoutAFailedCall) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto officer_before = Of("officer/hq/caller");
  Callers callers(&cluster(), officer_before, 3);

  auto before = Changes();
  const std::string shown = *certs::ReadFile(cluster().certs_folder() / "node/hq/tls.crt");
  for (const char* node : {"node/apac", "node/hq"}) Renew(node);
  ASSERT_TRUE(TakeUp(before, 1));
  EXPECT_NE(*certs::ReadFile(cluster().certs_folder() / "node/hq/tls.crt"), shown);

  before = Changes();
  ASSERT_TRUE(Ok(Network().IntroduceRoot(absl::Now())));
  ASSERT_TRUE(TakeUp(before, 1));
  const int64_t calls = callers.calls();
  ASSERT_TRUE(Eventually([&] { return callers.calls() > calls + 20; }));
  before = Changes();
  ASSERT_TRUE(Ok(Network().PromoteRoot()));
  ASSERT_TRUE(TakeUp(before, 1));
  before = Changes();
  for (const char* node : {"node/apac", "node/hq"}) Renew(node);
  ASSERT_TRUE(TakeUp(before, 1));
  // They show them: to who trusts the second root alone.
  Credentials ahead = officer_before;
  ahead.ca_file = (cluster().certs_folder() / "second.crt").string();
  ASSERT_TRUE(Ok(certs::WriteFile(ahead.ca_file, *certs::CertificateToPem(Network().root()), certs::Access::kEveryoneReads,
                                  certs::IfExists::kRefuse)));
  ASSERT_TRUE(Eventually([&] {
    const auto channel = cluster().Channel(ahead, "hq");
    return channel.ok() && CallBytes(*channel, kStatusPath, "").ok();
  }));
  const int64_t after = callers.calls();
  ASSERT_TRUE(Eventually([&] { return callers.calls() > after + 20; }));
  callers.Stop();
  EXPECT_TRUE(Ok(callers.error())) << "of " << callers.calls() << " calls";

  // Whoever has not moved over by then is out.
  Renew("officer/hq/caller");
  Callers moved(&cluster(), Of("officer/hq/caller"), 2);
  ASSERT_TRUE(Eventually([&] { return moved.calls() > 5; }));
  before = Changes();
  ASSERT_TRUE(Ok(Network().RetireRoot(/*force=*/true, absl::Now())));  // the test's other identities are of the first
  ASSERT_TRUE(TakeUp(before, 1));
  const int64_t retired = moved.calls();
  ASSERT_TRUE(Eventually([&] { return moved.calls() > retired + 20; }));
  moved.Stop();
  EXPECT_TRUE(Ok(moved.error())) << "of " << moved.calls() << " calls";

  // The links go on with the new certificates: what is written at one site reaches the other.
  const auto writer = cluster().Connect(Of("officer/hq/caller"), "hq");
  ASSERT_TRUE(Ok(writer));
  const auto made = Create(**writer, EngagementAt("hq", "After the succession"));
  ASSERT_TRUE(Ok(made));
  EXPECT_TRUE(Eventually([&] { return GetEngagement(**writer, made->name(), AtSite("apac")).ok(); }));
}

TEST_F(Certificates, ARevocationEndsALiveWatch) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto thief = cluster().Connect(Of("officer/hq/thief"), "hq");
  const auto honest = cluster().Connect(Of("officer/hq/honest"), "hq");
  ASSERT_TRUE(Ok(thief));
  ASSERT_TRUE(Ok(honest));
  struct Watching {
    std::atomic<int> events{0};
    std::stop_source stop;
    absl::Status end;
    absl::Time ended;
    std::thread thread;
  } stolen, other;
  const auto watch = [](client::Client* client, Watching* watching) {
    watching->thread = std::thread([client, watching] {
      v1::WatchRecordsRequest request;
      request.set_snapshot(true);
      client::CallOptions call;
      call.stop = watching->stop.get_token();
      watching->end = client->Watch(
          request,
          [watching](const v1::WatchRecordsResponse&) {
            ++watching->events;
            return true;
          },
          [](const absl::Status&) {}, call);
      watching->ended = absl::Now();
    });
  };
  watch(thief->get(), &stolen);
  watch(honest->get(), &other);
  EXPECT_TRUE(Eventually([&] { return stolen.events > 0 && other.events > 0; }));

  const absl::Time revoked = absl::Now();
  Revoke("officer/hq/thief");
  stolen.thread.join();
  EXPECT_THAT(stolen.end, FailsWith(absl::StatusCode::kUnauthenticated, "CERTIFICATE_REFUSED"));
  EXPECT_EQ(MetadataOf(stolen.end, "cause"), "revoked");
  EXPECT_LT(stolen.ended - revoked, kWithinSeconds);
  EXPECT_GT(Metric("hq", "fairlead_certificates_refused_total{at=\"call\",cause=\"revoked\"}"), 0);
  const auto channel = cluster().Channel(Of("officer/hq/thief"), "hq");
  ASSERT_TRUE(Ok(channel));
  EXPECT_EQ(CallBytes(*channel, kStatusPath, "").code(), absl::StatusCode::kUnavailable) << "nor does it connect again";
  EXPECT_GT(Metric("hq", "fairlead_certificates_refused_total{at=\"handshake\",cause=\"revoked\"}"), 0);

  const int events = other.events;
  ASSERT_TRUE(Ok(Create(cluster().Officer("hq"), EngagementAt("hq", "Seen by the honest"))));
  EXPECT_TRUE(Eventually([&] { return other.events > events; }));
  other.stop.request_stop();
  other.thread.join();
  EXPECT_TRUE(Ok(other.end));
}

TEST_F(Certificates, ARevocationEndsAReplicationLinkAndANewCertificateBringsItBack) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  ASSERT_TRUE(Eventually([&] { return Link("hq", "apac").connected() && Link("apac", "hq").connected(); }));
  const absl::Time revoked = absl::Now();
  Revoke("node/apac");
  ASSERT_TRUE(Eventually([&] { return !Link("hq", "apac").connected(); }));
  EXPECT_LT(absl::Now() - revoked, kWithinSeconds);
  EXPECT_TRUE(Eventually([&] { return Link("hq", "apac").last_error().find("revoked") != std::string::npos; }))
      << Link("hq", "apac").last_error();
  // The other way, hq refuses the caller. The node that is revoked still answers nobody who checks: its own state is asked of its metrics.
  EXPECT_TRUE(Eventually([&] { return Metric("apac", "fairlead_link_connected{peer=\"hq\"}") == 0; }));
  EXPECT_GT(Metric("hq", "fairlead_certificates_refused_total{at=\"call\",cause=\"revoked\"}") +
                Metric("hq", "fairlead_certificates_refused_total{at=\"handshake\",cause=\"revoked\"}"),
            0);
  EXPECT_TRUE(Eventually([&] { return Metric("apac", "fairlead_credentials_looks_failed_total") > 0; }))
      << "it knows that others refuse it";
  EXPECT_THAT(cluster().Log("apac"), HasSubstr("others refuse it"));

  // What hq writes meanwhile, apac gets when it has a certificate again.
  const auto made = Create(cluster().Officer("hq"), EngagementAt("hq", "While apac was out"));
  ASSERT_TRUE(Ok(made));
  certs::IssueOptions again;
  again.loopback = true;
  again.replace = true;
  ASSERT_TRUE(Ok(Network().Issue(*certs::Identity::Parse("node/apac"), again, absl::Now())));
  EXPECT_TRUE(Eventually([&] { return Link("hq", "apac").connected() && Metric("apac", "fairlead_link_connected{peer=\"hq\"}") == 1; }));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
}

}  // namespace
}  // namespace fairlead::scenarios
