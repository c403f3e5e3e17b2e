// What scenarios of a site of several machines are written with: the site for each test, and officers who write while machines fail.
//
// Thread safety: one thread at a time. Ownership: a MemberScenario owns its site, a MemberWriters its threads.

#ifndef FAIRLEAD_TESTS_SCENARIOS_MEMBER_SCENARIO_H_
#define FAIRLEAD_TESTS_SCENARIOS_MEMBER_SCENARIO_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/framework/member_site.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {

using framework::MemberSite;

// Prints every node's log when the test has failed.
class MemberScenario : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  // A site that runs and knows Japan. REQUIRES: under ASSERT_NO_FATAL_FAILURE, once a test.
  void Start(framework::MemberSiteOptions options = {});
  // Every acknowledged engagement is at every node, once, all hold the same, and nobody has found two histories. Prints what it counts.
  void ExpectEachOnceEverywhere(const Acknowledged& acknowledged);
  // After a fault that has ended: all answer, and one leads.
  void AwaitAll();
  // Whether every node of the site comes to say that it takes no writes.
  bool NobodyTakesWrites();
  MemberSite& site() { return *site_; }
  std::string Leader() { return site_->Leader(2 * kPatience); }
  // Of the site's nodes, the first that is not this one.
  std::string Another(const std::string& name) const;

 private:
  std::unique_ptr<MemberSite> site_;
};

// Creates engagements through each of these nodes, one at a time each, until told to stop.
class MemberWriters {
 public:
  MemberWriters(MemberSite* site, const std::vector<std::string>& through, const std::string& prefix);
  // One more officer, who asks whichever of these answers.
  void AddFor(const std::vector<std::string>& nodes);
  ~MemberWriters() { Stop().IgnoreError(); }
  // How many were acknowledged to the writer through this node; or to all.
  size_t count(const std::string& through) const;
  size_t count() const;
  // Whether each of them, or of these, has acknowledged `count` more, in time.
  testing::AssertionResult EachAcknowledges(size_t count) const;
  testing::AssertionResult EachAcknowledges(size_t count, const std::vector<std::string>& through) const;
  // Lets each finish the call it is at. What they have acknowledged, or the error that ended one early.
  absl::StatusOr<Acknowledged> Stop();

 private:
  struct Writer {
    std::string through;
    std::string prefix;
    std::unique_ptr<client::Client> client;
    std::atomic<bool> stopping{false};
    std::atomic<size_t> count{0};
    std::atomic<bool> ended{false};  // the rest is the thread's until then
    Acknowledged acknowledged;
    absl::Status status;
    std::thread thread;
  };
  static void Write(Writer* writer);

  MemberSite* const site_;
  const std::string prefix_;
  std::vector<std::unique_ptr<Writer>> writers_;
};

}  // namespace fairlead::scenarios

#endif  // FAIRLEAD_TESTS_SCENARIOS_MEMBER_SCENARIO_H_
