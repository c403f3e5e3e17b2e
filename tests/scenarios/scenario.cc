#include "tests/scenarios/scenario.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>

#include "api/ids.h"

namespace fairlead::scenarios {
namespace {

constexpr int kPageSize = 1000;
constexpr absl::Duration kRestartPatience = absl::Seconds(60);  // of a writer whose node is being started again

const char* const kCountryNames[] = {"Japan", "Germany", "Brazil", "United States"};

}  // namespace

void Scenario::TearDown() {
  if (!HasFailure() || !cluster_) return;
  std::cerr << cluster_->Logs();
  // Again, since the logs that stand between may be long.
  const testing::TestResult& result = *testing::UnitTest::GetInstance()->current_test_info()->result();
  for (int i = 0; i < result.total_part_count(); ++i) {
    if (const testing::TestPartResult& part = result.GetTestPartResult(i); part.failed()) std::cerr << part;
  }
}

void Scenario::StartCluster(ClusterOptions options) {
  auto cluster = Cluster::Start(std::move(options));
  ASSERT_TRUE(Ok(cluster));
  cluster_ = *std::move(cluster);
}

std::map<std::string, double> Scenario::MetricsOf(const std::string& site) {
  const std::string address = cluster_->metrics_address(site);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  std::string reply;
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char bytes[4096];
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;) reply.append(bytes, static_cast<size_t>(n));
  }
  close(fd);
  std::map<std::string, double> samples;
  std::istringstream lines(reply.substr(std::min(reply.find("\r\n\r\n"), reply.size())));
  for (std::string line; std::getline(lines, line);) {
    const size_t space = line.rfind(' ');
    if (line.empty() || line[0] == '#' || line[0] == '\r' || space == std::string::npos) continue;
    samples[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return samples;
}

void Scenario::SeedCountries() {
  v1::ImportCountriesRequest request;
  for (size_t i = 0; i < Territories().size(); ++i) {
    v1::Country* country = request.add_countries();
    country->set_name(Territories()[i].country);
    country->set_display_name(kCountryNames[i]);
    country->set_region(Territories()[i].region);
  }
  const auto response =
      cluster().Officer(cluster().sites().back()).Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", request);
  ASSERT_TRUE(Ok(response));
  ASSERT_EQ(response->created(), 4) << response->DebugString();
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
}

void Scenario::ExpectEachOnceEverywhere(const Acknowledged& acknowledged) {
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    const auto tally = Count(cluster().Officer(site), acknowledged);
    ASSERT_TRUE(Ok(tally));
    std::cout << fmt::format("{}: acknowledged={} found={} lost={} duplicated={}\n", site, tally->acknowledged, tally->found, tally->lost,
                             tally->duplicated);
    EXPECT_EQ(tally->found, acknowledged.size());
    EXPECT_EQ(tally->lost, 0u);
    EXPECT_EQ(tally->duplicated, 0u);
    const auto listed = ListEngagements(cluster().Officer(site));
    ASSERT_TRUE(Ok(listed));
    EXPECT_THAT(*listed, testing::SizeIs(acknowledged.size()));
  }
}

v1::LinkStatus Scenario::LinkOf(const std::string& site, const std::string& peer) {
  const auto status = cluster().Status(site);
  if (!status.ok()) return {};
  for (const v1::LinkStatus& link : status->links()) {
    if (link.peer() == peer) return link;
  }
  return {};
}

const std::vector<Territory>& Territories() {
  static const auto* const territories = new std::vector<Territory>{{"apac", v1::REGION_APAC, "countries/JP"},
                                                                    {"eame", v1::REGION_EAME, "countries/DE"},
                                                                    {"csa", v1::REGION_CSA, "countries/BR"},
                                                                    {"hq", v1::REGION_HQ, "countries/US"}};
  return *territories;
}

const Territory& TerritoryOf(const std::string& site) {
  for (const Territory& territory : Territories()) {
    if (territory.site == site) return territory;
  }
  abort();
}

v1::CreateEngagementRequest EngagementAt(const std::string& site, const std::string& title) {
  v1::CreateEngagementRequest request;
  v1::Engagement* engagement = request.mutable_engagement();
  engagement->set_kind(v1::ENGAGEMENT_KIND_BILATERAL);
  engagement->set_title(title);
  engagement->set_region(TerritoryOf(site).region);
  engagement->add_countries(TerritoryOf(site).country);
  return request;
}

absl::StatusOr<v1::Engagement> Create(client::Client& client, const v1::CreateEngagementRequest& request, const client::CallOptions& call) {
  return client.Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement", request, call);
}

absl::StatusOr<v1::Engagement> GetEngagement(client::Client& client, const std::string& name, const client::CallOptions& call) {
  v1::GetEngagementRequest request;
  request.set_name(name);
  return client.Call<v1::Engagement>("fairlead.v1.EngagementService.GetEngagement", request, call);
}

absl::StatusOr<std::vector<v1::Engagement>> ListEngagements(client::Client& client, const client::CallOptions& call) {
  std::vector<v1::Engagement> engagements;
  v1::ListEngagementsRequest request;
  request.set_page_size(kPageSize);
  do {
    const auto page = client.Call<v1::ListEngagementsResponse>("fairlead.v1.EngagementService.ListEngagements", request, call);
    if (!page.ok()) return page.status();
    engagements.insert(engagements.end(), page->engagements().begin(), page->engagements().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return engagements;
}

absl::StatusOr<v1::Country> GetCountry(client::Client& client, const std::string& name) {
  v1::GetCountryRequest request;
  request.set_name(name);
  return client.Call<v1::Country>("fairlead.v1.ReferenceService.GetCountry", request);
}

absl::StatusOr<v1::Country> SetCountryText(client::Client& client, const std::string& name, const std::string& field,
                                           const std::string& value) {
  const auto read = GetCountry(client, name);
  if (!read.ok()) return read;
  v1::UpdateCountryRequest request;
  v1::Country* country = request.mutable_country();
  country->set_name(name);
  country->set_etag(read->etag());
  country->GetReflection()->SetString(country, country->GetDescriptor()->FindFieldByName(field), value);
  request.mutable_update_mask()->add_paths(field);
  return client.Call<v1::Country>("fairlead.v1.ReferenceService.UpdateCountry", request);
}

absl::StatusOr<std::vector<v1::Revision>> Revisions(client::Client& client, const std::string& name) {
  v1::ListRevisionsRequest request;
  request.set_name(name);
  request.set_page_size(kPageSize);
  const auto response = client.Call<v1::ListRevisionsResponse>("fairlead.v1.RecordService.ListRevisions", request);
  if (!response.ok()) return response.status();
  return std::vector<v1::Revision>(response->revisions().begin(), response->revisions().end());
}

absl::Status CallBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& path, const std::string& request,
                       std::string* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Slice sent(request);
  const grpc::ByteBuffer request_bytes(&sent, 1);
  grpc::ByteBuffer response_bytes;
  grpc::Status status;
  absl::Notification done;
  grpc::GenericStub stub(channel);
  stub.UnaryCall(&context, path, {}, &request_bytes, &response_bytes, [&](grpc::Status ended) {
    status = std::move(ended);
    done.Notify();
  });
  done.WaitForNotification();
  if (!status.ok()) return FromGrpc(status);
  grpc::Slice received;
  if (response == nullptr) return absl::OkStatus();
  if (const grpc::Status read = response_bytes.DumpToSingleSlice(&received); !read.ok()) return FromGrpc(read);
  response->assign(reinterpret_cast<const char*>(received.begin()), received.size());
  return absl::OkStatus();
}

client::CallOptions AtSite(const std::string& site) {
  client::CallOptions call;
  call.site = site;
  call.token = "";
  return call;
}

Writers::Writers(Cluster* cluster, const std::string& site, int threads) : cluster_(cluster), site_(site) {
  static std::atomic<int> writers{0};  // so that no two of a test give one title
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, number = ++writers] { Write(fmt::format("writer {}", number)); });
  }
}

Writers::~Writers() { Stop().IgnoreError(); }

absl::Status Writers::Stop() {
  stopping_.store(true);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  absl::MutexLock lock(&mu_);
  return status_;
}

void Writers::Write(const std::string& prefix) {
  client::Client& client = cluster_->Officer(site_);
  client::CallOptions call;
  call.timeout = kRestartPatience;
  for (int i = 0; !stopping_.load(); ++i) {
    v1::CreateEngagementRequest request = EngagementAt(site_, fmt::format("{}, engagement {}", prefix, i));
    request.set_request_id(NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()))));
    const auto created = Create(client, request, call);
    absl::MutexLock lock(&mu_);
    if (!created.ok()) {
      status_.Update(created.status());
      return;
    }
    acknowledged_.emplace_back(created->name(), created->title());
    count_.fetch_add(1);
  }
}

WritersEverywhere::WritersEverywhere(Cluster* cluster, int threads_each) {
  for (const std::string& site : cluster->sites()) writers_[site] = std::make_unique<Writers>(cluster, site, threads_each);
}

testing::AssertionResult WritersEverywhere::EachAcknowledges(size_t count, absl::Duration timeout) {
  std::map<std::string, size_t> wanted;
  for (const auto& [site, writers] : writers_) wanted[site] = writers->acknowledged_count() + count;
  std::string waits_for;
  const auto all = [&] {
    waits_for.clear();
    for (const auto& [site, writers] : writers_) {
      if (writers->acknowledged_count() < wanted[site]) waits_for += " " + site;
    }
    return waits_for.empty();
  };
  if (Eventually(all, timeout)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not acknowledged " << count << " writes:" << waits_for;
}

absl::StatusOr<Acknowledged> WritersEverywhere::Stop() {
  Acknowledged acknowledged;
  absl::Status status;
  for (const auto& [site, writers] : writers_) {
    status.Update(writers->Stop());
    acknowledged.insert(acknowledged.end(), writers->acknowledged().begin(), writers->acknowledged().end());
  }
  if (!status.ok()) return status;
  return acknowledged;
}

absl::StatusOr<Tally> Count(client::Client& client, const Acknowledged& acknowledged) {
  const auto listed = ListEngagements(client);
  if (!listed.ok()) return listed.status();
  std::map<std::pair<std::string, std::string>, size_t> by_title;
  std::map<std::string, size_t> titles;
  for (const v1::Engagement& engagement : *listed) {
    ++by_title[{engagement.name(), engagement.title()}];
    ++titles[engagement.title()];
  }
  Tally tally;
  for (const auto& [name, title] : acknowledged) {
    ++tally.acknowledged;
    (by_title[{name, title}] > 0 ? tally.found : tally.lost) += 1;
    tally.duplicated += titles[title] > 1 ? titles[title] - 1 : 0;
  }
  return tally;
}

}  // namespace fairlead::scenarios
