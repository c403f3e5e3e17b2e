// A site of three nodes on etcd and headquarters of its own, as real processes: whoever is killed, what was acknowledged is everywhere,
// once.

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "api/licence.h"
#include "certs/files.h"
#include "fairlead/v1/audit_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "tests/etcd/etcd_cluster.h"
#include "tests/framework/ports.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using framework::EtcdCluster;
using framework::kNetworkName;
using framework::TestNetwork;
using testing::HasSubstr;

constexpr char kHq[] = "hq";

// One node: a member of apac, or headquarters.
struct Node {
  std::string site;
  int port = 0;
  std::unique_ptr<framework::Process> process;
  std::unique_ptr<client::Client> client;  // of an analyst, who asks this node and no other
};

class Members : public testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdCluster::Installed()) GTEST_SKIP() << "etcd is not installed";
    auto etcd = EtcdCluster::Start();
    ASSERT_TRUE(Ok(etcd));
    etcd_ = *std::move(etcd);
    for (const std::string name : {"a", "b", "c", kHq}) {
      const auto port = framework::FreePort();
      ASSERT_TRUE(Ok(port));
      Node& node = nodes_[name];
      node.site = name == kHq ? kHq : "apac";
      node.port = *port;
      auto client = Connect("hq/analyst/desk", name);
      ASSERT_TRUE(Ok(client));
      node.client = *std::move(client);
    }
    for (const auto& [name, node] : nodes_) Configure(name);
    // Of the site's nodes one has the licence, and gives the site its log.
    for (const std::string name : {"a", kHq}) {
      const std::string origin = fmt::format("{}/{}/1/{}", kNetworkName, nodes_[name].site, kMainStream);
      const std::string licence =
          FormatLicence({.origin = origin, .unused_until = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 3600)});
      ASSERT_TRUE(Ok(certs::WriteFile(Folder(name) + "/licence", licence, certs::Access::kOwnerOnly, certs::IfExists::kRefuse)));
    }
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& [name, node] : nodes_) std::cerr << "--- log of " << name << ":\n" << Log(name);
  }

  std::string Folder(const std::string& name) const { return scratch_.path() + "/" + name; }
  std::string ConfigFile(const std::string& name) const { return Folder(name) + "/node.toml"; }
  std::string Address(const std::string& name) const { return fmt::format("127.0.0.1:{}", nodes_.at(name).port); }
  std::string Log(const std::string& name) const {
    std::ifstream file(Folder(name) + "/node.log", std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  void Configure(const std::string& name) {
    const std::string& site = nodes_.at(name).site;
    const std::string certs = TestNetwork::Get().folder().string();
    std::filesystem::create_directories(Folder(name));
    std::string text = fmt::format(
        "network = \"{0}\"\nsite = \"{1}\"\ndata = \"data\"\nbackups = \"backups\"\nlicence = \"licence\"\nlisten = \"{2}\"\n"
        "[tls]\ncertificate = \"{3}/node/{1}/tls.crt\"\nkey = \"{3}/node/{1}/tls.key\"\nca = \"{3}/ca/ca.crt\"\n"
        "[keys]\nroster = \"{3}/roster.note\"\nroot = \"{3}/root.vkey\"\nlog = \"{3}/node/{1}/log.key\"\n"
        "mirror = \"{3}/node/{1}/mirror.key\"\ntoken = \"{3}/node/{1}/token.key\"\n",
        kNetworkName, site, Address(name), certs);
    if (site == kHq) {
      text += fmt::format("[[peer]]\nsite = \"apac\"\naddress = [\"{}\", \"{}\", \"{}\"]\n", Address("a"), Address("b"), Address("c"));
    } else {
      const bench::PeerHome& files = etcd_->home();
      text += fmt::format(
          "[member]\nname = \"{}\"\naddress = \"{}\"\n"
          "[etcd]\nendpoints = [\"{}\"]\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\nlease_seconds = 2\n"
          "[[peer]]\nsite = \"hq\"\naddress = \"{}\"\n",
          name, Address(name), fmt::join(etcd_->endpoints(), "\", \""), files.ca_file(), files.certificate_file(), files.key_file(),
          Address(kHq));
    }
    ASSERT_TRUE(Ok(certs::WriteFile(ConfigFile(name), text, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
  }

  absl::StatusOr<std::unique_ptr<client::Client>> Connect(const std::string& identity, const std::string& name) const {
    const auto credentials = TestNetwork::Get().Of(identity);
    if (!credentials.ok()) return credentials.status();
    client::ClientOptions options;
    options.network = kNetworkName;
    options.certificate_file = credentials->certificate_file;
    options.key_file = credentials->key_file;
    options.ca_file = credentials->ca_file;
    options.timeout = 2 * kPatience;
    options.nodes = {{nodes_.at(name).site, Address(name)}};
    return client::Client::Connect(std::move(options));
  }

  void Launch(const std::string& name) {
    auto process = framework::Process::Start({Cluster::node_binary(), "--config", ConfigFile(name)}, Folder(name) + "/node.log");
    ASSERT_TRUE(Ok(process));
    nodes_.at(name).process = *std::move(process);
  }
  void Kill(const std::string& name) {
    nodes_.at(name).process->Signal(SIGKILL);
    nodes_.at(name).process->Wait(absl::InfiniteDuration());
  }
  // Runs to its end what is no node.
  framework::Ended RunNode(const std::string& name, std::vector<std::string> words) {
    words.insert(words.begin(), {Cluster::node_binary(), "--config", ConfigFile(name)});
    auto ended = framework::RunToEnd(words, kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.ok() ? *ended : framework::Ended{{1, 0}, ""};
  }
  void StartAll() {
    const framework::Ended grown = RunNode("a", {"grow", "--with", "b", "--with", "c"});
    ASSERT_EQ(grown.exit, framework::Exit()) << grown.output;
    for (const auto& [name, node] : nodes_) ASSERT_NO_FATAL_FAILURE(Launch(name));
    for (const auto& [name, node] : nodes_) {
      ASSERT_TRUE(Eventually([&, n = name] { return Status(n).ok() || nodes_[n].process->HasEnded(); }, 2 * kPatience)) << name;
      ASSERT_FALSE(nodes_[name].process->HasEnded()) << name;
    }
    ASSERT_NE(Leader(), "");
  }

  static client::CallOptions Now() {
    client::CallOptions call;
    call.timeout = absl::Seconds(2);
    call.token = "";
    return call;
  }
  absl::StatusOr<v1::NodeStatus> Status(const std::string& name) {
    return nodes_[name].client->Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest(), Now());
  }
  absl::StatusOr<v1::StateDigest> Digest(const std::string& name) {
    return nodes_[name].client->Call<v1::StateDigest>("fairlead.v1.NodeService.GetStateDigest", v1::GetStateDigestRequest(), Now());
  }
  // Waits for one among those that run.
  std::string Leader() {
    std::string leader;
    Eventually(
        [&] {
          for (auto& [name, node] : nodes_) {
            if (node.process->HasEnded()) continue;
            const auto status = Status(name);
            if (status.ok() && status->membership().leader() == name) leader = name;
          }
          return !leader.empty();
        },
        2 * kPatience);
    return leader;
  }
  // What all nodes hold is the same.
  absl::Status WaitForConvergence() {
    std::string last;
    const auto same = [&] {
      std::map<std::string, std::string> vectors, classes;
      for (const auto& [name, node] : nodes_) {
        const auto digest = Digest(name);
        if (!digest.ok()) return false;
        for (const v1::LogPosition& position : digest->vector()) vectors[name] += fmt::format(" {}={}", position.origin(), position.size());
        for (const v1::ClassDigest& one : digest->classes()) {
          if (one.audience() == "*") classes[name] = fmt::format("{} of {}", one.digest(), one.records());
        }
      }
      last = fmt::format("{}\n{}", vectors, classes);
      return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& each) {
        return vectors[each.first] == vectors[kHq] && classes[each.first] == classes[kHq] && !classes[kHq].empty();
      });
    };
    if (Eventually(same, 2 * kPatience)) return absl::OkStatus();
    return absl::DeadlineExceededError(last);
  }

  void SeedCountry() {
    v1::ImportCountriesRequest request;
    v1::Country* country = request.add_countries();
    country->set_name("countries/JP");
    country->set_display_name("Japan");
    country->set_region(v1::REGION_APAC);
    ASSERT_TRUE(Ok(nodes_[kHq].client->Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", request)));
    ASSERT_TRUE(Ok(WaitForConvergence()));
  }

  const storage::ScratchDirectory scratch_;
  std::unique_ptr<EtcdCluster> etcd_;
  std::map<std::string, Node> nodes_;
};

// Creates engagements through one member until told to stop.
class MemberWriter {
 public:
  MemberWriter(client::Client* client, std::string prefix) : client_(client), prefix_(std::move(prefix)), thread_([this] { Run(); }) {}
  ~MemberWriter() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  size_t count() const { return count_.load(); }
  // REQUIRES: stopped.
  const Acknowledged& acknowledged() const { return acknowledged_; }
  const absl::Status& status() const { return status_; }

 private:
  void Run() {
    for (int i = 0; !stopping_; ++i) {
      const std::string title = fmt::format("{}-{}", prefix_, i);
      const auto created = Create(*client_, EngagementAt("apac", title));
      if (!created.ok()) {
        status_ = created.status();
        return;
      }
      acknowledged_.emplace_back(created->name(), title);
      ++count_;
    }
  }

  client::Client* const client_;
  const std::string prefix_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> count_{0};
  Acknowledged acknowledged_;
  absl::Status status_;
  std::thread thread_;
};

TEST_F(Members, WhatIsWrittenThroughAnyMemberIsReadAtEveryOther) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  ASSERT_NO_FATAL_FAILURE(SeedCountry());
  for (const std::string through : {"a", "b", "c"}) {
    const auto officer = Connect("officer/apac/watch", through);
    ASSERT_TRUE(Ok(officer));
    client::Answer answer;
    const auto created = (*officer)->Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement",
                                                          EngagementAt("apac", "by " + through), {}, &answer);
    ASSERT_TRUE(Ok(created)) << through;
    for (const std::string at : {"a", "b", "c", kHq}) {
      client::CallOptions call;
      call.token = answer.token;
      const auto read = GetEngagement(*nodes_[at].client, created->name(), call);
      ASSERT_TRUE(Ok(read)) << "written through " << through << ", read at " << at;
      EXPECT_EQ(read->title(), "by " + through);
    }
    const auto revisions = Revisions(*nodes_[kHq].client, created->name());
    ASSERT_TRUE(Ok(revisions));
    EXPECT_EQ(revisions->front().actor(), "officer/apac/watch") << "not the member that passed it on";
  }
  ASSERT_TRUE(Ok(WaitForConvergence()));
  const std::string leader = Leader();
  for (const std::string at : {"a", "b", "c"}) {
    const auto knows = [&] {
      const auto status = Status(at);
      if (!status.ok() || !status->writable() || !status->unwritable_reason().empty()) return false;
      const v1::MembershipStatus& site = status->membership();
      return site.member() == at && site.leader() == leader && site.members_size() == 3 && site.etcd_bytes() > 0 &&
             site.etcd_warning().empty() &&
             std::all_of(site.members().begin(), site.members().end(), [](const auto& member) { return member.durable_size() > 0; });
    };
    EXPECT_TRUE(Eventually(knows)) << Status(at)->membership().DebugString();
  }
  EXPECT_FALSE(Status(kHq)->has_membership());
  // What a member refuses that does not lead is in the site's audit, too.
  const std::string follower = leader == "a" ? "b" : "a";
  const auto officer = Connect("officer/apac/curious", follower);
  ASSERT_TRUE(Ok(officer));
  v1::QueryAuditEventsRequest query;
  EXPECT_EQ((*officer)->Call<v1::QueryAuditEventsResponse>("fairlead.v1.AuditService.QueryAuditEvents", query).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Eventually([&] {
    const auto events = nodes_[follower].client->Call<v1::QueryAuditEventsResponse>("fairlead.v1.AuditService.QueryAuditEvents", query);
    return events.ok() && std::any_of(events->events().begin(), events->events().end(),
                                      [](const v1::AuditEvent& event) { return event.actor() == "officer/apac/curious"; });
  }));
  // A member's store is not its site's any more.
  ASSERT_NO_FATAL_FAILURE(Kill("a"));
  std::string alone = *certs::ReadFile(ConfigFile("a"));
  alone.erase(alone.find("[member]"), alone.find("[[peer]]") - alone.find("[member]"));
  ASSERT_TRUE(Ok(certs::WriteFile(ConfigFile("a"), alone, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
  const framework::Ended refused = RunNode("a", {});
  EXPECT_NE(refused.exit, framework::Exit());
  EXPECT_THAT(refused.output, HasSubstr("this store is of a member of a site of several machines"));
}

TEST_F(Members, WhoeverIsKilledWhatWasAcknowledgedIsEverywhereOnce) {
  constexpr size_t kWritesBetweenKills = 60;
  constexpr int kKills = 4;
  ASSERT_NO_FATAL_FAILURE(StartAll());
  ASSERT_NO_FATAL_FAILURE(SeedCountry());
  Acknowledged acknowledged;
  for (int kill = 0; kill < kKills; ++kill) {
    const std::string leader = Leader();
    ASSERT_NE(leader, "");
    // Through the two that follow.
    std::vector<std::unique_ptr<client::Client>> officers;
    std::vector<std::unique_ptr<MemberWriter>> writers;
    for (const std::string name : {"a", "b", "c"}) {
      if (name == leader) continue;
      auto officer = Connect("officer/apac/watch", name);
      ASSERT_TRUE(Ok(officer));
      officers.push_back(*std::move(officer));
      writers.push_back(std::make_unique<MemberWriter>(officers.back().get(), fmt::format("{}-{}", kill, name)));
    }
    const auto each_has = [&](size_t count) {
      return Eventually(
          [&] { return std::all_of(writers.begin(), writers.end(), [&](const auto& writer) { return writer->count() >= count; }); },
          2 * kPatience);
    };
    EXPECT_TRUE(each_has(kWritesBetweenKills));
    const absl::Time killed = absl::Now();
    const size_t before = writers.front()->count();
    Kill(leader);
    EXPECT_TRUE(Eventually([&] { return writers.front()->count() > before + 1; }, 2 * kPatience));
    std::cout << fmt::format("member {} killed: the next writes were answered after {}\n", leader,
                             absl::FormatDuration(absl::Now() - killed));
    EXPECT_TRUE(each_has(before + kWritesBetweenKills));
    for (const auto& writer : writers) {
      writer->Stop();
      EXPECT_TRUE(Ok(writer->status()));
      acknowledged.insert(acknowledged.end(), writer->acknowledged().begin(), writer->acknowledged().end());
    }
    ASSERT_FALSE(HasFailure());
    ASSERT_NO_FATAL_FAILURE(Launch(leader));
    ASSERT_TRUE(Eventually([&] { return Status(leader).ok(); }, 2 * kPatience));
  }
  ASSERT_TRUE(Ok(WaitForConvergence()));
  for (const auto& [name, node] : nodes_) {
    const auto tally = Count(*node.client, acknowledged);
    ASSERT_TRUE(Ok(tally)) << name;
    std::cout << fmt::format("{}: acknowledged={} found={} lost={} duplicated={}\n", name, tally->acknowledged, tally->found, tally->lost,
                             tally->duplicated);
    EXPECT_EQ(tally->found, acknowledged.size());
    EXPECT_EQ(tally->lost, 0u);
    EXPECT_EQ(tally->duplicated, 0u);
  }
}

// It stands still for longer than its lease, with calls under way, and goes on as if nothing had been.
TEST_F(Members, ALeaderThatStoodStillWritesNothingMore) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  ASSERT_NO_FATAL_FAILURE(SeedCountry());
  const std::string leader = Leader();
  const std::string follower = leader == "a" ? "b" : "a";
  auto officer = Connect("officer/apac/watch", follower);
  ASSERT_TRUE(Ok(officer));
  MemberWriter writer(officer->get(), "paused");
  ASSERT_TRUE(Eventually([&] { return writer.count() >= 20; }));
  nodes_[leader].process->Signal(SIGSTOP);
  // One call may wait for the leader that stands still until the connection is found to be dead.
  const size_t before = writer.count();
  EXPECT_TRUE(Eventually([&] { return writer.count() >= before + 20; }, 2 * kPatience));
  nodes_[leader].process->Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] {
    const auto status = Status(leader);
    return status.ok() && !status->membership().leader().empty() && status->membership().leader() != leader;
  }));
  writer.Stop();
  ASSERT_TRUE(Ok(writer.status()));
  ASSERT_TRUE(Ok(WaitForConvergence()));
  for (const auto& [name, node] : nodes_) {
    const auto tally = Count(*node.client, writer.acknowledged());
    ASSERT_TRUE(Ok(tally)) << name;
    EXPECT_EQ(tally->found, writer.acknowledged().size()) << name;
    EXPECT_EQ(tally->duplicated, 0u) << name;
    const auto status = Status(name);
    ASSERT_TRUE(Ok(status));
    for (const v1::LogStatus& log : status->logs()) EXPECT_EQ(log.quarantine(), "") << name;
  }
}

TEST_F(Members, AMemberIsReplacedByOneThatBeginsWithABackup) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  ASSERT_NO_FATAL_FAILURE(SeedCountry());
  const std::string leader = Leader();
  const std::string lost = leader == "a" ? "b" : "a";
  ASSERT_NO_FATAL_FAILURE(Kill(lost));
  const framework::Ended admitted = RunNode(leader, {"admit", "d"});
  ASSERT_EQ(admitted.exit, framework::Exit()) << admitted.output;
  // By a member that follows: a backup is of the node that makes it.
  const std::string other = lost == "a" || leader == "a" ? "c" : "a";
  const auto backup = nodes_[other].client->Call<v1::Backup>("fairlead.v1.NodeService.CreateBackup", v1::CreateBackupRequest());
  ASSERT_TRUE(Ok(backup));
  const auto country = SetCountryText(*nodes_[other].client, "countries/JP", "display_name", "Nippon");
  ASSERT_TRUE(Ok(country));

  const auto port = framework::FreePort();
  ASSERT_TRUE(Ok(port));
  nodes_["d"].site = "apac";
  nodes_["d"].port = *port;
  auto client = Connect("hq/analyst/desk", "d");
  ASSERT_TRUE(Ok(client));
  nodes_["d"].client = *std::move(client);
  ASSERT_NO_FATAL_FAILURE(Configure("d"));
  std::filesystem::copy(Folder(other) + "/backups", Folder("d") + "/backups", std::filesystem::copy_options::recursive);
  const framework::Ended restored = RunNode("d", {"restore", "--backup", backup->name()});
  ASSERT_EQ(restored.exit, framework::Exit()) << restored.output;
  ASSERT_NO_FATAL_FAILURE(Launch("d"));
  const framework::Ended forgotten = RunNode(leader, {"forget", lost});
  ASSERT_EQ(forgotten.exit, framework::Exit()) << forgotten.output;
  nodes_.erase(lost);
  ASSERT_TRUE(Eventually([&] { return Status("d").ok(); }, 2 * kPatience)) << Log("d");
  ASSERT_TRUE(Ok(WaitForConvergence()));
  const auto read = GetCountry(*nodes_["d"].client, "countries/JP");
  ASSERT_TRUE(Ok(read));
  EXPECT_EQ(read->display_name(), "Nippon");
  EXPECT_TRUE(Eventually([&] {
    const auto status = Status("d");
    return status.ok() && status->membership().members_size() == 3;
  }));
}

}  // namespace
}  // namespace fairlead::scenarios
