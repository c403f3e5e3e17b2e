#include "certs/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "certs/files.h"
#include "certs/network.h"
#include "certs/temp_folder.h"

namespace fairlead::certs {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

struct Outcome {
  absl::Status result;
  std::string out;
  bool parsed = true;
};

Outcome RunCerts(std::vector<std::string> arguments) {
  Outcome outcome;
  std::ostringstream out;
  CLI::App app("fairlead");
  AddCertsCommands(&app, &out, &outcome.result);
  arguments.insert(arguments.begin(), "certs");
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError&) {
    outcome.parsed = false;
  }
  outcome.out = out.str();
  return outcome;
}

class CommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome init = RunCerts({"init", "--network", "demo.fairlead.example", "--sites", "apac,hq", "--out", net_, "--loopback"});
    ASSERT_TRUE(init.parsed);
    ASSERT_TRUE(init.result.ok()) << init.result;
    EXPECT_EQ(init.out, "made network demo.fairlead.example with sites apac, hq in " + net_ + "\n");
  }
  CertificateFields Fields(const std::string& identity) {
    return *ReadFields(*CertificateFromPem(*ReadFile(net_ + "/" + identity + "/tls.crt")));
  }

  TempFolder temp_;
  const std::string net_ = temp_ / "net";
};

TEST_F(CommandsTest, IssueListRenewRevokeShow) {
  const Outcome issue = RunCerts({"issue", "officer/apac/watch", "--dir", net_, "--days", "7"});
  ASSERT_TRUE(issue.result.ok()) << issue.result;
  const std::string first = Fields("officer/apac/watch").serial;
  EXPECT_THAT(issue.out, HasSubstr(first));
  EXPECT_EQ(Fields("officer/apac/watch").validity.not_after - Fields("officer/apac/watch").validity.not_before,
            absl::Hours(24 * 7) + kBackdating);

  const Outcome renew = RunCerts({"renew", "officer/apac/watch", "--dir", net_});
  ASSERT_TRUE(renew.result.ok()) << renew.result;
  const std::string second = Fields("officer/apac/watch").serial;
  EXPECT_NE(second, first);

  const Outcome revoke = RunCerts({"revoke", first, "--dir", net_, "--reason", "superseded"});
  ASSERT_TRUE(revoke.result.ok()) << revoke.result;
  EXPECT_THAT(revoke.out, HasSubstr(first));
  EXPECT_EQ(RunCerts({"revoke", first, "--dir", net_}).out, "nothing was left to revoke\n");

  const Outcome list = RunCerts({"list", "--dir", net_});
  ASSERT_TRUE(list.result.ok()) << list.result;
  EXPECT_THAT(list.out, MatchesRegex("node/apac +[0-9a-f]{32}  [0-9TZ:-]+  valid\n"
                                     "node/hq +[0-9a-f]{32}  [0-9TZ:-]+  valid\n"
                                     "officer/apac/watch +" +
                                     first + "  [0-9TZ:-]+  revoked\nofficer/apac/watch +" + second + "  [0-9TZ:-]+  valid\n"));

  const Outcome crl = RunCerts({"crl", "--dir", net_});
  EXPECT_TRUE(crl.result.ok()) << crl.result;
  EXPECT_EQ(ReadRevocationList(*ReadFile(net_ + "/ca/crl.pem"), Network::Open(net_)->root())->number, 4u);

  const Outcome show = RunCerts({"show", net_ + "/officer/apac/watch/tls.crt"});
  ASSERT_TRUE(show.result.ok()) << show.result;
  EXPECT_THAT(show.out, HasSubstr("spiffe://demo.fairlead.example/officer/apac/watch\n"));
  EXPECT_THAT(show.out, HasSubstr("private key          beside it\n"));
}

TEST_F(CommandsTest, APartnersFirstCertificateTellsHowItsStreamBegins) {
  const std::string hint = "no site keeps receipts for SG yet: fairlead certs stream partner-SG --dir " + net_ + "\n";
  Outcome issue = RunCerts({"issue", "partner/SG/mpa", "--dir", net_});
  ASSERT_TRUE(issue.result.ok()) << issue.result;
  EXPECT_THAT(issue.out, HasSubstr(hint));
  const Outcome stream = RunCerts({"stream", "partner-SG", "--dir", net_});
  ASSERT_TRUE(stream.result.ok()) << stream.result;
  EXPECT_EQ(stream.out,
            "demo.fairlead.example/apac/1/partner-SG begins, log 5 of the roster\n"
            "demo.fairlead.example/hq/1/partner-SG begins, log 6 of the roster\n"
            "deliver " +
                net_ + "/node/SITE/log.partner-SG.key of each site to its node, and " + net_ +
                "/roster.note to every node, then restart each\n");
  EXPECT_EQ(Network::Open(net_)->roster().version(), 2u);
  issue = RunCerts({"issue", "partner/SG/other", "--dir", net_});
  EXPECT_THAT(issue.out, testing::Not(HasSubstr("receipts")));
  EXPECT_EQ(RunCerts({"stream", "partner-SG", "--dir", net_}).result.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(RunCerts({"stream", "main", "--dir", net_}).result.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CommandsTest, InitTakesPartners) {
  const std::string net = temp_ / "partners";
  ASSERT_TRUE(
      RunCerts({"init", "--network", "demo.fairlead.example", "--sites", "apac,hq", "--out", net, "--partners", "SG,JP"}).result.ok());
  EXPECT_EQ(Network::Open(net)->roster().logs().size(), 8u);
  EXPECT_TRUE(ReadFile(net + "/node/hq/log.partner-JP.key").ok());
}

TEST_F(CommandsTest, ShowNamesAKeyThatIsNotTheCertificates) {
  const std::string other = *ReadFile(net_ + "/node/hq/tls.key");
  ASSERT_TRUE(WriteFile(net_ + "/node/apac/tls.key", other, Access::kOwnerOnly, IfExists::kReplace).ok());
  const Outcome show = RunCerts({"show", net_ + "/node/apac/tls.crt"});
  EXPECT_EQ(show.result.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(show.result.message()), HasSubstr("node/apac/tls.key: is not the key of the certificate beside it"));
}

TEST_F(CommandsTest, FailuresComeBackAsTheResult) {
  EXPECT_EQ(RunCerts({"issue", "node/apac", "--dir", net_}).result.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(RunCerts({"issue", "partner/sg/x", "--dir", net_}).result.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunCerts({"issue", "gateway/x", "--dir", net_, "--request", net_ + "/none"}).result.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RunCerts({"revoke", "node/apac", "--dir", net_, "--reason", "lost"}).result.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunCerts({"list", "--dir", net_ + "/none"}).result.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RunCerts({"show", net_ + "/root.vkey"}).result.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(RunCerts({"issue", "gateway/x"}).parsed);
  EXPECT_FALSE(RunCerts({"issue", "gateway/x", "--dir", net_, "--days", "0"}).parsed);
  EXPECT_FALSE(RunCerts({}).parsed);
}

TEST_F(CommandsTest, ListsGoWhereTheyAreDelivered) {
  TempFolder first, second;
  const Outcome crl = RunCerts({"crl", "--dir", net_, "--deliver", first / "", "--deliver", second / ""});
  ASSERT_TRUE(crl.parsed);
  ASSERT_TRUE(crl.result.ok()) << crl.result;
  EXPECT_EQ(*ReadFile(first / "crl.pem"), *ReadFile(net_ + "/ca/crl.pem"));
  EXPECT_THAT(crl.out, HasSubstr("crl.pem\nwrote "));
  const Outcome revoke = RunCerts({"revoke", "node/hq", "--dir", net_, "--deliver", second / ""});
  ASSERT_TRUE(revoke.result.ok()) << revoke.result;
  EXPECT_EQ(*ReadFile(second / "crl.pem"), *ReadFile(net_ + "/ca/crl.pem"));
  EXPECT_NE(*ReadFile(first / "crl.pem"), *ReadFile(net_ + "/ca/crl.pem"));
  EXPECT_EQ(RunCerts({"crl", "--dir", net_, "--deliver", net_ + "/absent"}).result.code(), absl::StatusCode::kNotFound);
}

TEST_F(CommandsTest, WhatEndsSoonIsListed) {
  ASSERT_TRUE(RunCerts({"issue", "officer/apac/watch", "--dir", net_, "--days", "7"}).result.ok());
  EXPECT_THAT(RunCerts({"list", "--dir", net_, "--ends-within", "10"}).out, MatchesRegex("officer/apac/watch .*valid\n"));
  EXPECT_EQ(RunCerts({"list", "--dir", net_, "--ends-within", "5"}).out, "");
  ASSERT_TRUE(RunCerts({"revoke", "officer/apac/watch", "--dir", net_}).result.ok());
  EXPECT_EQ(RunCerts({"list", "--dir", net_, "--ends-within", "10"}).out, "");
}

TEST_F(CommandsTest, ARootSucceedsAnotherInThreeSteps) {
  EXPECT_EQ(RunCerts({"root", "promote", "--dir", net_}).result.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(RunCerts({"root", "replace", "--dir", net_}).parsed);
  const Outcome introduced = RunCerts({"root", "introduce", "--dir", net_});
  ASSERT_TRUE(introduced.result.ok()) << introduced.result;
  EXPECT_THAT(introduced.out, HasSubstr("crl.pem first, then " + net_ + "/ca/ca.crt"));
  ASSERT_TRUE(RunCerts({"root", "promote", "--dir", net_}).result.ok());
  EXPECT_EQ(RunCerts({"root", "retire", "--dir", net_}).result.code(), absl::StatusCode::kFailedPrecondition);
  for (const char* node : {"node/apac", "node/hq"}) ASSERT_TRUE(RunCerts({"renew", node, "--dir", net_}).result.ok());
  const Outcome retired = RunCerts({"root", "retire", "--dir", net_});
  ASSERT_TRUE(retired.result.ok()) << retired.result;
  EXPECT_THAT(retired.out, HasSubstr("ca.crt first, then "));
}

}  // namespace
}  // namespace fairlead::certs
