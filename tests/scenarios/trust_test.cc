// Who gets a connection. Who may call what with it: tests/interop/access_test.cc.

#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using absl::StatusCode;
using framework::Credentials;
using framework::TestNetwork;

constexpr char kStatusPath[] = "/fairlead.v1.NodeService/GetNodeStatus";

// One node is enough: who is admitted is not replicated.
class Trust : public Scenario {
 protected:
  void SetUp() override {
    ClusterOptions options;
    options.sites = {"hq"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  }
  // One attempt at a call that everybody with an identity but partners may make.
  absl::Status Ask(const absl::StatusOr<Credentials>& credentials) {
    if (!credentials.ok()) return absl::UnknownError("no credentials: " + credentials.status().ToString());
    const auto channel = cluster().Channel(*credentials, "hq");
    if (!channel.ok()) return absl::UnknownError("no channel: " + channel.status().ToString());
    return CallBytes(*channel, kStatusPath, "");
  }
};

TEST_F(Trust, OnlyCertificatesOfTheNetworkGetAConnection) {
  const TestNetwork& network = TestNetwork::Get();
  const absl::Time now = absl::Now();
  const auto officer = network.Of("officer/hq/watch");
  EXPECT_TRUE(Ok(Ask(officer)));

  ASSERT_TRUE(Ok(officer));
  Credentials none = *officer;
  none.certificate_file = none.key_file = "";
  EXPECT_EQ(Ask(none).code(), StatusCode::kUnavailable) << "without a certificate";
  EXPECT_EQ(Ask(network.Issue("officer/hq/expired", now - absl::Hours(3), absl::Hours(1))).code(), StatusCode::kUnavailable)
      << "with a certificate that has ended";
  EXPECT_EQ(Ask(network.Issue("officer/hq/early", now + absl::Hours(1), absl::Hours(1))).code(), StatusCode::kUnavailable)
      << "with a certificate that has not begun";

  // Another authority that says it is this network's, to a caller who still trusts the right one.
  const storage::ScratchDirectory scratch;
  const auto impostor = TestNetwork::Make(scratch.path() + "/certs", framework::kNetworkName);
  ASSERT_TRUE(Ok(impostor));
  auto forged = impostor->Of("officer/hq/watch");
  ASSERT_TRUE(Ok(forged));
  const std::string impostors_ca = std::exchange(forged->ca_file, officer->ca_file);
  EXPECT_EQ(Ask(forged).code(), StatusCode::kUnavailable) << "with a certificate of another authority";
  // And a caller who trusts that authority alone does not talk to this node.
  Credentials misled = *officer;
  misled.ca_file = impostors_ca;
  EXPECT_EQ(Ask(misled).code(), StatusCode::kUnavailable) << "trusting another authority";

  // This network's authority, but an identity of another network's.
  EXPECT_THAT(Ask(network.Foreign("officer/hq/watch", "other.fairlead.example")),
              FailsWith(StatusCode::kUnauthenticated, "IDENTITY_MISSING"));
  EXPECT_TRUE(Ok(Ask(officer)));
}

// A handshake with at most this version of TLS, with an officer's certificate. The version it came to; empty when it came to none.
std::string Handshake(const Credentials& credentials, const std::string& address, int version_max) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), version_max);
  SSL_CTX_load_verify_locations(context.get(), credentials.ca_file.c_str(), nullptr);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_use_certificate_chain_file(context.get(), credentials.certificate_file.c_str());
  SSL_CTX_use_PrivateKey_file(context.get(), credentials.key_file.c_str(), SSL_FILETYPE_PEM);
  const unsigned char alpn[] = "\x02h2";
  SSL_CTX_set_alpn_protos(context.get(), alpn, sizeof(alpn) - 1);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  std::string version;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    SSL_set_fd(ssl.get(), fd);
    if (SSL_connect(ssl.get()) == 1) version = SSL_get_version(ssl.get());
  }
  ERR_clear_error();
  close(fd);
  return version;
}

TEST_F(Trust, OnlyTls13Connects) {
  const auto officer = TestNetwork::Get().Of("officer/hq/watch");
  ASSERT_TRUE(Ok(officer));
  EXPECT_EQ(Handshake(*officer, cluster().address("hq"), TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(Handshake(*officer, cluster().address("hq"), TLS1_2_VERSION), "");
}

}  // namespace
}  // namespace fairlead::scenarios
