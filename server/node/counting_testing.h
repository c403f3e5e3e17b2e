// What tests of which entries count share: countries that are named, nodes that start anew, and a fold of everything from the beginning.
//
// Thread safety: one thread. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_COUNTING_TESTING_H_
#define FAIRLEAD_SERVER_NODE_COUNTING_TESTING_H_

#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "fairlead/v1/reference.pb.h"
#include "server/node/fsck.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"

namespace fairlead::node {

class CountingTest : public ::testing::Test {
 protected:
  absl::StatusOr<WriteResult> Name(Node& node, const std::string& code, const std::string& name) {
    v1::Country country;
    country.set_display_name(name);
    network_.clock().Advance(absl::Milliseconds(1));
    return Write(node, RequestFor(node, "countries/" + code, country, {"display_name"}, network_.clock().RequestId()));
  }
  std::string NameOf(const Node& node, const std::string& code) {
    auto state = node.GetState(node.store(), "countries/" + code);
    if (!state.ok() || !state->has_value()) return "";
    auto message = Materialise(*node.registry().FindByMessage("Country"), "countries/" + code, **state);
    return static_cast<const v1::Country&>(*message).display_name();
  }
  // As it was, on the newest roster.
  void Restart(const std::string& name, TestNetwork::Site* site) {
    auto again = network_.Open(name, site->store->Crash(99));
    ASSERT_TRUE(again.ok()) << again.status();
    *site = *std::move(again);
  }
  Digest RootOf(const Node& node, LogId log, Seq size) { return *node.RootAt(log, size); }

  // Every byte follows from the entries that count.
  void CheckWhole(const TestNetwork::Site& site) {
    for (const std::string& finding : FindingsOf(site)) ADD_FAILURE() << finding;
  }
  std::vector<std::string> FindingsOf(const TestNetwork::Site& site) {
    std::vector<std::string> findings;
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &site.node->roster();
    options.registry = &records::TheRegistry();
    options.now = network_.clock().Now();
    options.on_finding = [&findings](const Finding& finding) { findings.push_back(ToString(finding)); };
    auto report = Fsck(*site.store, &scratch, options);
    EXPECT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report.ok() && report->folded);
    return findings;
  }

  TestNetwork network_{{"apac", "eame", "hq", "csa"}};
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_COUNTING_TESTING_H_
