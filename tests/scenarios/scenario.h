// What scenarios are written with: a cluster for each test, records to write, and matchers for what calls answer.
//
// Thread safety: free functions, any thread. Ownership: a Scenario owns its cluster.

#ifndef FAIRLEAD_TESTS_SCENARIOS_SCENARIO_H_
#define FAIRLEAD_TESTS_SCENARIOS_SCENARIO_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/errors.h"
#include "client/connection.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "tests/framework/cluster.h"

namespace fairlead::scenarios {

namespace v1 = fairlead::v1;
using framework::Cluster;
using framework::ClusterOptions;
using framework::Eventually;
using framework::kPatience;
using framework::LinkState;

// Name and title of engagements that were acknowledged.
using Acknowledged = std::vector<std::pair<std::string, std::string>>;

// Prints every node's log when the test has failed.
class Scenario : public testing::Test {
 protected:
  void TearDown() override;
  // REQUIRES: under ASSERT_NO_FATAL_FAILURE, once a test.
  void StartCluster(ClusterOptions options = {});
  // Imports Japan, Germany, Brazil and the United States at headquarters (or the last site), and waits until every site has them.
  void SeedCountries();
  // Every acknowledged engagement is at every site, once; no other is. Prints what it counts.
  void ExpectEachOnceEverywhere(const Acknowledged& acknowledged);
  // The link over which `site` hears `peer`, as its node tells it; an unset one when it does not answer.
  v1::LinkStatus LinkOf(const std::string& site, const std::string& peer);
  Cluster& cluster() { return *cluster_; }
  // What the site's node tells Prometheus: samples by name and labels. Empty when it does not answer.
  std::map<std::string, double> MetricsOf(const std::string& site);

 private:
  std::unique_ptr<Cluster> cluster_;
};

inline testing::AssertionResult Ok(const absl::Status& status) {
  return status.ok() ? testing::AssertionSuccess() : testing::AssertionFailure() << status;
}
template <class T>
testing::AssertionResult Ok(const absl::StatusOr<T>& result) {
  return Ok(result.status());
}

// An error with this code whose ErrorInfo gives this reason.
MATCHER_P2(FailsWith, code, reason, "") {
  *result_listener << "is " << arg.ToString() << " with reason '" << ReasonOf(arg) << "'";
  return arg.code() == code && ReasonOf(arg) == reason;
}

// What a region has in these scenarios.
struct Territory {
  std::string site;
  v1::Region region;
  std::string country;
};
const std::vector<Territory>& Territories();
const Territory& TerritoryOf(const std::string& site);

// A bilateral engagement of the site's region with its country.
v1::CreateEngagementRequest EngagementAt(const std::string& site, const std::string& title);
absl::StatusOr<v1::Engagement> Create(client::Client& client, const v1::CreateEngagementRequest& request,
                                      const client::CallOptions& call = {});
absl::StatusOr<v1::Engagement> GetEngagement(client::Client& client, const std::string& name, const client::CallOptions& call = {});
// All that the node of the call lists, page by page.
absl::StatusOr<std::vector<v1::Engagement>> ListEngagements(client::Client& client, const client::CallOptions& call = {});
absl::StatusOr<v1::Country> GetCountry(client::Client& client, const std::string& name);
// Reads the country, then writes `field` (a text).
absl::StatusOr<v1::Country> SetCountryText(client::Client& client, const std::string& name, const std::string& field,
                                           const std::string& value);
absl::StatusOr<std::vector<v1::Revision>> Revisions(client::Client& client, const std::string& name);

// One attempt at a unary call, with bytes that need not be a message. `response` may be null.
absl::Status CallBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& path, const std::string& request,
                       std::string* response = nullptr);

// Calls at one site, without the token of what the client has seen elsewhere.
client::CallOptions AtSite(const std::string& site);

// Threads that create engagements at one site until they are told to stop, each call with a request id of its own, made again with the same
// id until it is answered.
class Writers {
 public:
  Writers(Cluster* cluster, const std::string& site, int threads);
  ~Writers();  // stops them

  // Lets each finish the call it is at. Returns the error that ended a thread early, if any.
  absl::Status Stop();
  size_t acknowledged_count() const { return count_.load(); }
  // REQUIRES: stopped.
  const Acknowledged& acknowledged() const { return acknowledged_; }

 private:
  void Write(const std::string& prefix);

  Cluster* const cluster_;
  const std::string site_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> count_{0};
  absl::Mutex mu_;
  Acknowledged acknowledged_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;
};

// Writers at every site of a cluster.
class WritersEverywhere {
 public:
  WritersEverywhere(Cluster* cluster, int threads_each);
  // Whether each site has acknowledged `count` more, before the deadline.
  testing::AssertionResult EachAcknowledges(size_t count, absl::Duration timeout = kPatience);
  // What all have acknowledged, or the error that ended one early.
  absl::StatusOr<Acknowledged> Stop();

 private:
  std::map<std::string, std::unique_ptr<Writers>> writers_;  // by site
};

// How often each acknowledged engagement is found at one site, by title.
struct Tally {
  size_t acknowledged = 0;
  size_t found = 0;
  size_t lost = 0;
  size_t duplicated = 0;
};
absl::StatusOr<Tally> Count(client::Client& client, const Acknowledged& acknowledged);

}  // namespace fairlead::scenarios

#endif  // FAIRLEAD_TESTS_SCENARIOS_SCENARIO_H_
