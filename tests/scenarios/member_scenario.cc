#include "tests/scenarios/member_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>

#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::scenarios {

void MemberScenario::SetUp() {
  if (!framework::EtcdCluster::Installed()) GTEST_SKIP() << "etcd is not installed";
}

void MemberScenario::TearDown() {
  if (HasFailure() && site_ != nullptr) std::cerr << site_->Logs();
}

void MemberScenario::Start(framework::MemberSiteOptions options) {
  auto made = MemberSite::Make(std::move(options));
  ASSERT_TRUE(Ok(made));
  site_ = *std::move(made);
  ASSERT_TRUE(Ok(site_->Start()));
  v1::ImportCountriesRequest request;
  v1::Country* country = request.add_countries();
  country->set_name("countries/JP");
  country->set_display_name("Japan");
  country->set_region(v1::REGION_APAC);
  ASSERT_TRUE(Ok(site_->Analyst(MemberSite::kHq).Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", request)));
  ASSERT_TRUE(Ok(site_->WaitForConvergence(2 * kPatience)));
}

void MemberScenario::AwaitAll() {
  for (const std::string& name : site_->names()) {
    ASSERT_TRUE(Eventually([&] { return site_->Status(name).ok() || !site_->Runs(name); }, 2 * kPatience)) << name;
    ASSERT_TRUE(site_->Runs(name)) << name;
  }
  ASSERT_NE(Leader(), "");
}

bool MemberScenario::NobodyTakesWrites() {
  const auto refuses = [&](const std::string& name) {
    const auto status = site_->Status(name);
    return status.ok() && !status->writable();
  };
  const std::vector<std::string> members = site_->members();
  return Eventually([&] { return std::all_of(members.begin(), members.end(), refuses); }, 2 * kPatience);
}

std::string MemberScenario::Another(const std::string& name) const {
  for (const std::string& other : site_->members()) {
    if (other != name) return other;
  }
  return "";
}

void MemberScenario::ExpectEachOnceEverywhere(const Acknowledged& acknowledged) {
  ASSERT_TRUE(Ok(site_->WaitForConvergence(3 * kPatience)));
  for (const std::string& name : site_->names()) {
    const auto tally = Count(site_->Analyst(name), acknowledged);
    ASSERT_TRUE(Ok(tally)) << name;
    std::cout << fmt::format("{}: acknowledged={} found={} lost={} duplicated={}\n", name, tally->acknowledged, tally->found, tally->lost,
                             tally->duplicated);
    EXPECT_EQ(tally->found, acknowledged.size()) << name;
    EXPECT_EQ(tally->lost, 0u) << name;
    EXPECT_EQ(tally->duplicated, 0u) << name;
    const auto status = site_->Status(name);
    ASSERT_TRUE(Ok(status)) << name;
    for (const v1::LogStatus& log : status->logs()) EXPECT_EQ(log.quarantine(), "") << name;
  }
}

MemberWriters::MemberWriters(MemberSite* site, const std::vector<std::string>& through, const std::string& prefix)
    : site_(site), prefix_(prefix) {
  for (const std::string& name : through) AddFor({name});
}

void MemberWriters::AddFor(const std::vector<std::string>& nodes) {
  auto writer = std::make_unique<Writer>();
  writer->through = nodes.size() == 1 ? nodes.front() : "any";
  writer->prefix = fmt::format("{}-{}{}", prefix_, writer->through, writers_.size());
  auto client = site_->Connect("officer/apac/watch", nodes);
  EXPECT_TRUE(Ok(client));
  if (!client.ok()) return;
  writer->client = *std::move(client);
  writer->thread = std::thread(&MemberWriters::Write, writer.get());
  writers_.push_back(std::move(writer));
}

void MemberWriters::Write(Writer* writer) {
  for (int i = 0; !writer->stopping; ++i) {
    const std::string title = fmt::format("{}-{}", writer->prefix, i);
    const auto created = Create(*writer->client, EngagementAt("apac", title));
    if (!created.ok()) {
      writer->status = created.status();
      break;
    }
    writer->acknowledged.emplace_back(created->name(), title);
    ++writer->count;
  }
  writer->ended = true;
}

size_t MemberWriters::count(const std::string& through) const {
  size_t out = 0;
  for (const auto& writer : writers_) {
    if (writer->through == through) out += writer->count;
  }
  return out;
}

size_t MemberWriters::count() const {
  size_t out = 0;
  for (const auto& writer : writers_) out += writer->count;
  return out;
}

testing::AssertionResult MemberWriters::EachAcknowledges(size_t count) const {
  std::vector<std::string> all;
  for (const auto& writer : writers_) all.push_back(writer->through);
  return EachAcknowledges(count, all);
}

testing::AssertionResult MemberWriters::EachAcknowledges(size_t more, const std::vector<std::string>& through) const {
  std::map<std::string, size_t> before;
  for (const std::string& name : through) before[name] = count(name);
  const auto have = [&](const std::string& name) { return count(name) >= before[name] + more; };
  if (Eventually([&] { return std::all_of(through.begin(), through.end(), have); }, 3 * kPatience)) return testing::AssertionSuccess();
  testing::AssertionResult out = testing::AssertionFailure();
  for (const std::string& name : through) {
    if (!have(name)) out << fmt::format("through {}: {} more, not {}; ", name, count(name) - before[name], more);
  }
  for (const auto& writer : writers_) {
    if (writer->ended) out << "\n" << writer->prefix << ": " << writer->status;
  }
  return out;
}

absl::StatusOr<Acknowledged> MemberWriters::Stop() {
  Acknowledged out;
  absl::Status status;
  for (const auto& writer : writers_) writer->stopping = true;
  for (const auto& writer : writers_) {
    if (writer->thread.joinable()) writer->thread.join();
    status.Update(writer->status);
    out.insert(out.end(), writer->acknowledged.begin(), writer->acknowledged.end());
  }
  if (!status.ok()) return status;
  return out;
}

}  // namespace fairlead::scenarios
