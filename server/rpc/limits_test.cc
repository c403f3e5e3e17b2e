#include "server/rpc/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "api/errors.h"
#include "server/rpc/forwarder.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

Identity Partner(const std::string& system) { return {IdentityKind::kPartner, "JP", system, "partner/JP/" + system}; }
const Identity kOfficer{IdentityKind::kOfficer, "apac", "watch", "officer/apac/watch"};

class LimitsTest : public ::testing::Test {
 protected:
  LimitOptions Options() {
    return {.partner = {.calls_per_second = 10, .burst = 3, .calls_max = 2, .streams_max = 1},
            .staff = {},
            .gateway = {.calls_per_second = 1},
            .node = {},
            .now = [this] { return now_; }};
  }
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Limits limits_{Options()};
};

TEST_F(LimitsTest, ABurstThenTheRate) {
  const Identity one = Partner("one");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits_.Take(one).ok()) << i;
  const absl::Status refused = limits_.Take(one);
  EXPECT_EQ(RetryDelayOf(limits_.Take(one)), absl::Milliseconds(200)) << "the one before comes first";
  limits_.Told(one);
  limits_.Told(one);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "LIMIT_REACHED");
  EXPECT_EQ(MetadataOf(refused, "limit"), "limits.partner.calls_per_second");
  EXPECT_EQ(MetadataOf(refused, "value"), "10");
  EXPECT_EQ(RetryDelayOf(refused), absl::Milliseconds(100));
  now_ += absl::Milliseconds(40);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(RetryDelayOf(limits_.Take(one))), 60, 0.001) << "refusals that were told cost nothing";
  limits_.Told(one);
  now_ += absl::Milliseconds(60);
  EXPECT_TRUE(limits_.Take(one).ok()) << "when it was told to come";
  EXPECT_FALSE(limits_.Take(one).ok());
  // A long silence gives no more than the burst.
  now_ += absl::Hours(5);
  int taken = 0;
  while (limits_.Take(one).ok()) ++taken;
  EXPECT_EQ(taken, 3);
  // In the long run, the rate.
  taken = 0;
  for (int ms = 0; ms < 20'000; ms += 10) {
    now_ += absl::Milliseconds(10);
    if (limits_.Take(one).ok()) ++taken;
  }
  EXPECT_NEAR(taken, 200, 1);
}

TEST_F(LimitsTest, AClockSetBackGivesNothingAndTakesNothing) {
  const Identity one = Partner("one");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits_.Take(one).ok());
  now_ -= absl::Hours(1);
  EXPECT_FALSE(limits_.Take(one).ok());
  now_ += absl::Milliseconds(100);
  EXPECT_TRUE(limits_.Take(one).ok());
}

TEST_F(LimitsTest, EachIdentityHasItsOwnAndEachKindItsNumbers) {
  while (limits_.Take(Partner("one")).ok()) {
  }
  EXPECT_TRUE(limits_.Take(Partner("two")).ok());
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(limits_.Take(kOfficer).ok()) << "0 is no limit";
  // Without a burst, one call at a time.
  const Identity gateway{IdentityKind::kGateway, "", "web", "gateway/web"};
  EXPECT_TRUE(limits_.Take(gateway).ok());
  EXPECT_EQ(MetadataOf(limits_.Take(gateway), "limit"), "limits.gateway.calls_per_second");
}

TEST_F(LimitsTest, PlacesAreTakenAndGivenBack) {
  const Identity one = Partner("one");
  EXPECT_TRUE(limits_.Enter(one, false).ok());
  EXPECT_TRUE(limits_.Enter(one, false).ok());
  const absl::Status third = limits_.Enter(one, false);
  EXPECT_EQ(MetadataOf(third, "limit"), "limits.partner.calls_max");
  EXPECT_EQ(MetadataOf(third, "value"), "2");
  EXPECT_GT(RetryDelayOf(third), absl::ZeroDuration());
  EXPECT_TRUE(limits_.Enter(one, true).ok()) << "streams are counted apart";
  EXPECT_EQ(MetadataOf(limits_.Enter(one, true), "limit"), "limits.partner.streams_max");
  EXPECT_TRUE(limits_.Enter(Partner("two"), true).ok());
  limits_.Leave(one, false);
  EXPECT_TRUE(limits_.Enter(one, false).ok());
  EXPECT_FALSE(limits_.Enter(one, false).ok());
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(limits_.Enter(kOfficer, false).ok());
}

TEST_F(LimitsTest, ANationHasSoManySubmissionsADay) {
  const Identity registry = Partner("registry"), ports = Partner("ports"), ships = Partner("ships");
  const Identity other{IdentityKind::kPartner, "AU", "registry", "partner/AU/registry"};
  Limits limits({.submissions_per_day = 24, .now = [this] { return now_; }});
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(limits.TakeSubmission(registry, kSubmissionUnitBytes - 1).ok()) << i;
  // Its share; the rest is for the nation's other systems.
  const absl::Status flooded = limits.TakeSubmission(registry, 0);
  EXPECT_EQ(ReasonOf(flooded), "LIMIT_REACHED");
  EXPECT_EQ(MetadataOf(flooded, "limit"), "limits.partner.submissions_per_day");
  EXPECT_EQ(MetadataOf(flooded, "value"), "24");
  EXPECT_NEAR(absl::ToDoubleMinutes(RetryDelayOf(flooded)), 120, 0.01);
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(limits.TakeSubmission(ports, 0).ok()) << i;
  const absl::Status refused = limits.TakeSubmission(ships, 0);
  EXPECT_EQ(ReasonOf(refused), "LIMIT_REACHED");
  EXPECT_NEAR(absl::ToDoubleMinutes(RetryDelayOf(refused)), 60, 0.01);
  EXPECT_TRUE(limits.TakeSubmission(other, 0).ok()) << "another's";
  now_ += absl::Minutes(61);
  EXPECT_TRUE(limits.TakeSubmission(ships, 0).ok());
  EXPECT_FALSE(limits.TakeSubmission(ships, 0).ok());
  // A large one is taken when a small one is, and paid for afterwards.
  now_ += absl::Hours(24 * 7);
  EXPECT_TRUE(limits.TakeSubmission(ports, 30 * kSubmissionUnitBytes).ok());
  EXPECT_NEAR(absl::ToDoubleHours(RetryDelayOf(limits.TakeSubmission(ships, 0))), 31 - 24 + 1, 0.01);
  EXPECT_NEAR(absl::ToDoubleHours(RetryDelayOf(limits.TakeSubmission(ports, 0))), 2 * (31 - 12 + 1), 0.01);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(limits_.TakeSubmission(registry, kSubmissionUnitBytes).ok()) << "0 is no limit";
}

TEST_F(LimitsTest, WhoIsIdleIsForgotten) {
  EXPECT_TRUE(limits_.Enter(Partner("stays"), true).ok());
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(limits_.Take(Partner(std::to_string(i))).ok());
    now_ += absl::Milliseconds(10);
  }
  EXPECT_LE(limits_.size(), 1025u);
  EXPECT_EQ(MetadataOf(limits_.Enter(Partner("stays"), true), "limit"), "limits.partner.streams_max") << "who holds a place is not";
}

// --- At the door -------------------------------------------------------------------------------------------------------------------

constexpr char kGet[] = "fairlead.v1.ReferenceService/GetCountry";

// A server whose only method waits until it is told to answer.
class LimitedServer : public ::testing::Test {
 protected:
  void Open(LimitOptions options) {
    limits_ = std::make_unique<Limits>(std::move(options));
    dispatcher_ =
        std::make_unique<Dispatcher>(DispatcherOptions{.network = kTestNetwork,
                                                       .authorize = [](const Identity&, std::string_view) { return absl::OkStatus(); },
                                                       .limits = limits_.get(),
                                                       .forwarder = &forwarder_,
                                                       .on_finish =
                                                           [this](const CallSummary& summary) {
                                                             absl::MutexLock lock(&mu_);
                                                             refused_by_.push_back(summary.limit);
                                                           }});
    dispatcher_->Handle(kGet, [this](const std::shared_ptr<Call>&, const google::protobuf::Message&, Reply reply) {
      absl::MutexLock lock(&mu_);
      if (hold_) {
        held_.push_back(std::move(reply));
      } else {
        reply(std::make_unique<v1::Country>());
      }
    });
    auto server = Server::Start({.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}, dispatcher_.get(), {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Client As(const std::string& identity) const { return Client(server_->port(), TestCerts::Get().Of(identity)); }
  using Said = std::vector<std::pair<std::string, std::string>>;
  static absl::Status Get(const Client& caller, const Said& metadata = {}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    return caller.Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest(), &context).status();
  }
  // The setting that refuses the call; empty when none does.
  static std::string Limit(const Client& caller, const Said& metadata = {}) { return MetadataOf(Get(caller, metadata), "limit"); }
  void Hold() {
    absl::MutexLock lock(&mu_);
    hold_ = true;
  }
  void AwaitHeld() {
    absl::MutexLock lock(&mu_);
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(
                                         +[](std::vector<Reply>* held) { return !held->empty(); }, &held_),
                                     kPatience));
    hold_ = false;
  }
  void Release() {
    absl::MutexLock lock(&mu_);
    held_.at(0)(std::make_unique<v1::Country>());
  }
  // A place is free once the call has ended at the server, a moment after its answer.
  static absl::Status GetOnceFree(const Client& caller, const Said& metadata = {}) {
    const absl::Time until = absl::Now() + kPatience;
    absl::Status next = Get(caller, metadata);
    while (!next.ok() && absl::Now() < until) next = Get(caller, metadata);
    return next;
  }

  absl::Mutex mu_;
  bool hold_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Reply> held_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> refused_by_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Limits> limits_;
  Forwarder forwarder_{{.site = "apac", .leads = [] { return true; }}};
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Server> server_;
};

TEST_F(LimitedServer, TheCallerIsToldWhichLimitAndWhenToComeBack) {
  ASSERT_NO_FATAL_FAILURE(Open({.partner = {.calls_per_second = 4, .burst = 2}}));
  const Client partner = As("partner/JP/registry"), officer = As("officer/apac/watch");
  EXPECT_TRUE(Get(partner).ok());
  EXPECT_TRUE(Get(partner).ok());
  const absl::Time asked = absl::Now();
  const absl::Status refused = Get(partner);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(ReasonOf(refused), "LIMIT_REACHED");
  EXPECT_EQ(MetadataOf(refused, "limit"), "limits.partner.calls_per_second");
  EXPECT_GT(RetryDelayOf(refused), absl::ZeroDuration());
  EXPECT_LE(RetryDelayOf(refused), absl::Milliseconds(250));
  // The refusal is not hurried: who asks again and again is held to his rate.
  EXPECT_GE(absl::Now() - asked, RetryDelayOf(refused) - absl::Milliseconds(1));
  EXPECT_TRUE(Get(officer).ok()) << "the allowance of another";
  absl::MutexLock lock(&mu_);
  EXPECT_EQ(std::count(refused_by_.begin(), refused_by_.end(), "limits.partner.calls_per_second"), 1);
}

TEST_F(LimitedServer, PlacesAreGivenBackWhenCallsEnd) {
  ASSERT_NO_FATAL_FAILURE(Open({.partner = {.calls_max = 1}}));
  Hold();
  const Client partner = As("partner/JP/registry");
  absl::Status first;
  std::thread calling([&] { first = Get(partner); });
  AwaitHeld();
  EXPECT_EQ(Limit(partner), "limits.partner.calls_max");
  Release();
  calling.join();
  EXPECT_TRUE(first.ok()) << first;
  const absl::Status next = GetOnceFree(partner);
  EXPECT_TRUE(next.ok()) << next;
}

absl::Time StandingStill() { return absl::FromUnixSeconds(1'700'000'000); }

// Who says that it calls for another, and may not, is refused at the price of a call.
TEST_F(LimitedServer, WhatACallerSaysOfItselfIsNotFree) {
  ASSERT_NO_FATAL_FAILURE(Open({.partner = {.calls_per_second = 4, .burst = 2}, .now = StandingStill}));
  const Client partner = As("partner/JP/registry");
  EXPECT_EQ(ReasonOf(Get(partner, {{kViewerMetadata, "officer/apac/watch"}})), "PERMISSION_DENIED");
  EXPECT_EQ(ReasonOf(Get(partner, {{kCallerMetadata, "officer/apac/watch"}})), "PERMISSION_DENIED");
  for (const char* key : {kViewerMetadata, kCallerMetadata}) {
    const absl::Time asked = absl::Now();
    const absl::Status refused = Get(partner, {{key, "x"}});
    EXPECT_EQ(MetadataOf(refused, "limit"), "limits.partner.calls_per_second") << refused;
    EXPECT_GT(RetryDelayOf(refused), absl::ZeroDuration());
    EXPECT_GE(absl::Now() - asked, RetryDelayOf(refused) - absl::Milliseconds(1)) << "nor is it told sooner";
  }
}

TEST_F(LimitedServer, AGatewaysCallIsItsOwnAndItsViewers) {
  ASSERT_NO_FATAL_FAILURE(
      Open({.staff = {.calls_per_second = 4, .burst = 2}, .gateway = {.calls_per_second = 4, .burst = 4}, .now = StandingStill}));
  const Client gateway = As("gateway/dashboard");
  const auto limit_of = [&](const std::string& viewer) { return Limit(gateway, {{kViewerMetadata, viewer}}); };
  EXPECT_EQ(limit_of("officer/apac/one"), "");
  EXPECT_EQ(limit_of("officer/apac/one"), "");
  EXPECT_EQ(limit_of("officer/apac/one"), "limits.staff.calls_per_second");
  EXPECT_EQ(limit_of("officer/apac/two"), "");
  EXPECT_EQ(limit_of("officer/apac/three"), "limits.gateway.calls_per_second") << "others are of no use";
  EXPECT_EQ(Limit(As("officer/apac/watch")), "") << "who calls for himself has his own";
}

TEST_F(LimitedServer, AGatewaysPlacesAreItsOwnAndItsViewers) {
  ASSERT_NO_FATAL_FAILURE(Open({.staff = {.calls_max = 1}, .gateway = {.calls_max = 2}}));
  const Client gateway = As("gateway/dashboard");
  const Said one = {{kViewerMetadata, "officer/apac/one"}}, two = {{kViewerMetadata, "officer/apac/two"}};
  Hold();
  absl::Status first;
  std::thread calling([&] { first = Get(gateway, one); });
  AwaitHeld();
  EXPECT_EQ(Limit(gateway, one), "limits.staff.calls_max");
  // The gateway has its place of that again.
  const absl::Status next = GetOnceFree(gateway, two);
  EXPECT_TRUE(next.ok()) << next;
  Release();
  calling.join();
  EXPECT_TRUE(first.ok()) << first;
  const absl::Status again = GetOnceFree(gateway, one);
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(LimitedServer, AGatewayHasNoMorePlacesThanItsOwn) {
  ASSERT_NO_FATAL_FAILURE(Open({.gateway = {.calls_max = 1}}));
  const Client gateway = As("gateway/dashboard");
  Hold();
  absl::Status first;
  std::thread calling([&] { first = Get(gateway, {{kViewerMetadata, "officer/apac/one"}}); });
  AwaitHeld();
  EXPECT_EQ(Limit(gateway, {{kViewerMetadata, "officer/apac/two"}}), "limits.gateway.calls_max");
  Release();
  calling.join();
  EXPECT_TRUE(first.ok()) << first;
}

TEST_F(LimitedServer, WhatAMemberPassesOnIsItsCallers) {
  ASSERT_NO_FATAL_FAILURE(
      Open({.staff = {.calls_per_second = 4, .burst = 2}, .node = {.calls_per_second = 4, .burst = 2}, .now = StandingStill}));
  const Client member = As("node/apac");
  for (const std::string caller : {"officer/apac/one", "officer/apac/two", "officer/apac/three"}) {
    EXPECT_EQ(Limit(member, {{kCallerMetadata, caller}}), "") << caller;
  }
  EXPECT_EQ(Limit(member, {{kCallerMetadata, "officer/apac/one"}}), "");
  EXPECT_EQ(Limit(member, {{kCallerMetadata, "officer/apac/one"}}), "limits.staff.calls_per_second");
  // Its own are the node's, and what no node says.
  EXPECT_EQ(Limit(member), "");
  EXPECT_EQ(ReasonOf(Get(member, {{kCallerMetadata, "nobody"}})), "PERMISSION_DENIED");
  EXPECT_EQ(Limit(member, {{kCallerMetadata, "nobody"}}), "limits.node.calls_per_second");
}

// A client that pings far more often than it may.
TEST_F(LimitedServer, PingsWithoutMeasureEndTheConnection) {
  ASSERT_NO_FATAL_FAILURE(Open({}));
  Hold();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 50);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const Client impatient(Dial(server_->port(), CallerCredentials(TestCerts::Get().Of("officer/apac/watch")), arguments));
  const absl::Status ended = Get(impatient);
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable) << ended;
  EXPECT_THAT(std::string(ended.message()), ::testing::HasSubstr("oo many pings"));
}

}  // namespace
}  // namespace fairlead::rpc
