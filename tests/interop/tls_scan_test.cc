// The nodes' endpoint as sslscan sees it, which knows nothing of this project.

#include <fmt/format.h>

#include <regex>
#include <set>

#include "storage/scratch_directory.h"
#include "tests/framework/ports.h"
#include "tests/framework/process.h"
#include "tests/interop/partner_scenario.h"

namespace fairlead::interop {
namespace {

using framework::Credentials;
using framework::TestNetwork;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// What sslscan reports of the address, as XML. With a client's certificate it sees what a caller may agree on; without, what a stranger
// may.
std::string Scan(const std::string& address, const Credentials* credentials) {
  std::vector<std::string> command = {"/usr/bin/sslscan", "--no-colour", "--show-certificate", "--show-sigs", "--xml=-"};
  if (credentials != nullptr) {
    command.push_back("--certs=" + credentials->certificate_file);
    command.push_back("--pk=" + credentials->key_file);
  }
  command.push_back(address);
  const auto ended = framework::RunToEnd(command, kPatience);
  EXPECT_TRUE(Ok(ended));
  return ended.ok() ? ended->output : "";
}

// The values of `attribute` in the elements whose start matches `element`.
std::set<std::string> Values(const std::string& xml, const std::string& element, const std::string& attribute) {
  const std::regex pattern("<" + element + "[^>]* " + attribute + "=\"([^\"]*)\"");
  std::set<std::string> values;
  for (std::sregex_iterator it(xml.begin(), xml.end(), pattern); it != std::sregex_iterator(); ++it) values.insert((*it)[1]);
  return values;
}

// "ssl 2", "tls 1.3", ...: the protocols that are enabled, or not.
std::set<std::string> Protocols(const std::string& xml, bool enabled) {
  std::set<std::string> protocols;
  const std::regex pattern(fmt::format("<protocol type=\"(\\w+)\" version=\"([0-9.]+)\" enabled=\"{:d}\"", enabled));
  for (std::sregex_iterator it(xml.begin(), xml.end(), pattern); it != std::sregex_iterator(); ++it) {
    protocols.insert((*it)[1].str() + " " + (*it)[2].str());
  }
  return protocols;
}

class TlsScan : public PartnerScenario {};

TEST_F(TlsScan, FindsTls13AloneAndNothingWeak) {
  ClusterOptions options;
  options.sites = {"hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  const auto partner = TestNetwork::Get().Of("partner/JP/portnet");
  ASSERT_TRUE(Ok(partner));
  for (const Credentials* credentials : {static_cast<const Credentials*>(nullptr), &*partner}) {
    SCOPED_TRACE(credentials == nullptr ? "a stranger" : "a partner");
    const std::string xml = Scan(cluster().address("hq"), credentials);
    EXPECT_THAT(Protocols(xml, true), ElementsAre("tls 1.3")) << xml;
    EXPECT_THAT(Protocols(xml, false), ElementsAre("ssl 2", "ssl 3", "tls 1.0", "tls 1.1", "tls 1.2"));
    EXPECT_THAT(Values(xml, "cipher status=\"(?:preferred|accepted)\"", "cipher"),
                ElementsAre("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"));
    EXPECT_THAT(Values(xml, "group", "name"), ElementsAre("secp256r1 (NIST P-256)"));
    EXPECT_THAT(Values(xml, "connection-signature-algorithm", "name"), ElementsAre("ecdsa_secp256r1_sha256"));
    EXPECT_THAT(Values(xml, "renegotiation", "supported"), ElementsAre("0"));
    EXPECT_THAT(Values(xml, "heartbleed", "vulnerable"), ElementsAre("0"));
    EXPECT_THAT(xml, Not(HasSubstr("<compression supported=\"1\"")));
    // The certificate that is shown: the node's, and what it is made of.
    EXPECT_THAT(Values(xml, "pk error=\"false\"", "type"), ElementsAre("EC"));
    EXPECT_THAT(Values(xml, "pk error=\"false\"", "curve_name"), ElementsAre("prime256v1"));
    EXPECT_THAT(xml, HasSubstr("<signature-algorithm>ecdsa-with-SHA256</signature-algorithm>"));
    EXPECT_THAT(xml, HasSubstr(fmt::format("URI:spiffe://{}/node/hq", framework::kNetworkName)));
    EXPECT_THAT(xml, HasSubstr("<self-signed>false</self-signed>"));
    EXPECT_THAT(xml, HasSubstr("<expired>false</expired>"));
  }
}

// So that an empty report cannot pass for a good one: what must not be found is found where it is.
TEST_F(TlsScan, FindsTls12WhereItIs) {
  const auto credentials = TestNetwork::Get().Of("node/hq");
  ASSERT_TRUE(Ok(credentials));
  const auto port = framework::FreePort();
  ASSERT_TRUE(Ok(port));
  const std::string address = fmt::format("127.0.0.1:{}", *port);
  const storage::ScratchDirectory folder;
  const auto server = framework::Process::Start(
      {"/usr/bin/openssl", "s_server", "-accept", address, "-cert", credentials->certificate_file, "-key", credentials->key_file, "-quiet"},
      folder.path() + "/out");
  ASSERT_TRUE(Ok(server));
  EXPECT_TRUE(Eventually([&] { return Protocols(Scan(address, nullptr), true).contains("tls 1.2"); }));
}

}  // namespace
}  // namespace fairlead::interop
