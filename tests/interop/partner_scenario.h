// Scenarios with partner nations: a region and headquarters, records that are released through both, and nations' own connections.
//
// Thread safety: a test's thread.

#ifndef FAIRLEAD_TESTS_INTEROP_PARTNER_SCENARIO_H_
#define FAIRLEAD_TESTS_INTEROP_PARTNER_SCENARIO_H_

#include <google/protobuf/message.h>

#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/release.pb.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::interop {

namespace v1 = fairlead::v1;
using scenarios::CallBytes;
using scenarios::Cluster;
using scenarios::ClusterOptions;
using scenarios::Eventually;
using scenarios::kPatience;
using scenarios::Ok;

class PartnerScenario : public scenarios::Scenario {
 protected:
  // The sites apac and hq, and four countries. REQUIRES: under ASSERT_NO_FATAL_FAILURE, once a test.
  void StartNetwork(ClusterOptions options = {});

  // Writes a public port at headquarters; returns once every site holds it.
  void CreatePort(const std::string& locode, const std::string& display_name);
  // Proposes the release of the record to the nation, as the site's officer, and approves it as headquarters' desk, at headquarters.
  // Returns once all `sites` (every site when empty) hold it.
  v1::Release Release(const std::string& site, const std::string& record, const std::string& nation, std::vector<std::string> sites = {});
  // Recalls it, as the officer of apac; returns once every site knows.
  void Recall(const v1::Release& release);

  // What the exchange answers to the partner's system ("partner/JP/portnet"): `method` is "GetReleasedRecord".
  template <class Response>
  absl::StatusOr<Response> Exchange(const std::string& identity, const std::string& site, const std::string& method,
                                    const google::protobuf::Message& request) {
    const auto channel = cluster().Channel(identity, site);
    if (!channel.ok()) return channel.status();
    std::string bytes;
    absl::Status status = CallBytes(*channel, "/fairlead.v1.ExchangeService/" + method, request.SerializeAsString(), &bytes);
    if (!status.ok()) return status;
    Response response;
    if (!response.ParseFromString(bytes)) return absl::DataLossError("no " + std::string(Response::descriptor()->full_name()));
    return response;
  }
};

}  // namespace fairlead::interop

#endif  // FAIRLEAD_TESTS_INTEROP_PARTNER_SCENARIO_H_
