// fairlead-counted: a fixed amount of the node's own work in one thread, on memory stores, for callgrind to count.
//
//   valgrind --tool=callgrind --toggle-collect='*::Counted*' fairlead-counted create|apply|read COUNT
//
// What is counted is inside functions named Counted...; instructions.sh runs it and knows the bounds.

#include <absl/base/attributes.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/ids.h"
#include "fairlead/v1/engagement.pb.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"

namespace fairlead::bench {
namespace {

constexpr size_t kRecordBytes = 512;
constexpr int kBatch = 64;  // writes that are committed together

const records::RecordType& Type() { return *records::TheRegistry().FindByMessage("Engagement"); }

v1::Engagement Record() {
  v1::Engagement engagement;
  engagement.set_marking(v1::MARKING_OFFICIAL);
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Country visit");
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.set_state(v1::ENGAGEMENT_STATE_DRAFT);
  engagement.mutable_start_date()->set_year(2026);
  engagement.mutable_start_date()->set_month(5);
  engagement.mutable_start_date()->set_day(11);
  engagement.set_objectives(std::string(kRecordBytes - engagement.ByteSizeLong() - 3, 'o'));
  return engagement;
}

struct Create {
  std::string name;
  std::string request_id;
};
// The same names in every run: how keys compare is part of the count.
std::vector<Create> CreatesOf(const node::ManualClock& clock, int first, int count) {
  std::vector<Create> creates;
  for (int n = first; n < first + count; ++n) creates.push_back({fmt::format("engagements/{:026}", n), clock.RequestId()});
  return creates;
}

[[noreturn]] void Fail(std::string_view what) {
  fmt::print(stderr, "fairlead-counted: {}\n", what);
  std::exit(1);
}

// As an officer's calls would write them, kBatch at a time.
void Commit(node::Node& node, const v1::Engagement& record, const std::vector<Create>& creates) {
  int done = 0, waiting = 0;
  for (const Create& create : creates) {
    std::vector<const google::protobuf::FieldDescriptor*> set;
    record.GetReflection()->ListFields(record, &set);
    node::WriteRequest request;
    request.actor = "officer/apac/watch";
    request.request_id = create.request_id;
    request.method = "fairlead.v1.EngagementService/CreateEngagement";
    request.mutations = {node::MutationFor(Type(), create.name, nullptr, record, set)};
    request.expectations = {{create.name, ""}};
    node.Write(std::move(request), [&done](const absl::StatusOr<node::WriteResult>& result) { done += result.ok() ? 1 : 0; });
    if (++waiting % kBatch == 0) node::RunNode(node);
  }
  node::RunNode(node);
  if (done != waiting) Fail("a create was refused");
}

void Take(node::Node& node, replication::RemoteBatch batch) {
  if (!node::Apply(node, std::move(batch)).status.ok()) Fail("an entry was refused");
}

ABSL_ATTRIBUTE_NOINLINE void CountedCreates(node::Node& node, const v1::Engagement& record, const std::vector<Create>& creates) {
  Commit(node, record, creates);
}

ABSL_ATTRIBUTE_NOINLINE void CountedApply(node::Node& node, replication::RemoteBatch batch) { Take(node, std::move(batch)); }

ABSL_ATTRIBUTE_NOINLINE void CountedReads(const node::Node& node, const std::vector<Create>& creates) {
  for (const Create& create : creates) {
    const auto state = node.GetState(node.store(), create.name);
    if (!state.ok() || !state->has_value()) Fail("a record is not there");
    if (node::Materialise(Type(), create.name, **state)->SerializeAsString().size() < kRecordBytes) Fail("a record is not whole");
  }
}

int Main(const std::string& what, int count) {
  node::TestNetwork network({"apac", "hq"});
  const node::TestNetwork::Site apac = network.Open("apac");
  const node::TestNetwork::Site hq = network.Open("hq");
  const v1::Engagement record = Record();
  // What is made once has been made, and the site has some records.
  Commit(*apac.node, record, CreatesOf(network.clock(), 0, kBatch));
  Take(*hq.node, node::Missing(*apac.node, *hq.node));
  const std::vector<Create> creates = CreatesOf(network.clock(), kBatch, count);
  if (what == "create") {
    CountedCreates(*apac.node, record, creates);
    return 0;
  }
  Commit(*apac.node, record, creates);
  if (what == "apply") {
    CountedApply(*hq.node, node::Missing(*apac.node, *hq.node));
  } else {
    CountedReads(*apac.node, creates);
  }
  return 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if ((what != "create" && what != "apply" && what != "read") || count <= 0) {
    fmt::print(stderr, "usage: fairlead-counted create|apply|read COUNT\n");
    return 2;
  }
  return fairlead::bench::Main(what, count);
}
