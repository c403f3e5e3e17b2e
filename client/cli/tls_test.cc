// The client against a node over TLS, with certificates as the network issues them.

#include <absl/time/clock.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "certs/network.h"
#include "client/connection.h"
#include "client/test_node.h"

namespace fairlead::client {
namespace {

using fairlead::v1::Port;

constexpr char kGetPort[] = "fairlead.v1.ReferenceService.GetPort";

fairlead::v1::GetPortRequest Get(const std::string& name) {
  fairlead::v1::GetPortRequest request;
  request.set_name(name);
  return request;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class TlsConnectionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { RequireTls13(); }
  TlsConnectionTest() : folder_(std::filesystem::path(testing::TempDir()) / "client_tls") {
    std::filesystem::remove_all(folder_);
    certs::CreateOptions create;
    create.network = "demo.example";
    create.sites = {"apac", "hq"};
    // Certificates do not name the address: the override alone makes them fit.
    EXPECT_TRUE(certs::Network::Create(folder_, create, absl::Now()).ok());
    const auto network = certs::Network::Open(folder_);
    EXPECT_TRUE(network.ok()) << network.status();
    const auto officer = certs::Identity::Parse("officer/apac/watch");
    EXPECT_TRUE(officer.ok() && network->Issue(*officer, {}, absl::Now()).ok());
    options_.network = "demo.example";
    options_.certificate_file = (folder_ / "officer/apac/watch/tls.crt").string();
    options_.key_file = (folder_ / "officer/apac/watch/tls.key").string();
    options_.ca_file = (folder_ / "ca/ca.crt").string();
    options_.timeout = absl::Seconds(10);
    options_.retry = FastRetries();
  }
  ~TlsConnectionTest() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<grpc::ServerCredentials> NodeCredentials(const std::string& site) {
    const std::filesystem::path folder = folder_ / "node" / site;
    grpc::experimental::IdentityKeyCertPair pair{Read(folder / "tls.key"), Read(folder / "tls.crt")};
    grpc::experimental::TlsServerCredentialsOptions options(
        std::make_shared<grpc::experimental::StaticDataCertificateProvider>(Read(folder_ / "ca/ca.crt"), std::vector{pair}));
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    return grpc::experimental::TlsServerCredentials(options);
  }

  const std::filesystem::path folder_;
  ClientOptions options_;
};

TEST_F(TlsConnectionTest, TheNodeMustBeTheSiteNamed) {
  TestNode apac("apac", NodeCredentials("apac"));
  Port port;
  port.set_name("ports/JPYOK");
  apac.Put(port);
  options_.nodes = {{"apac", apac.address()}};
  auto client = Client::Connect(options_);
  ASSERT_TRUE(client.ok()) << client.status();
  const auto found = (*client)->Call<Port>(kGetPort, Get("ports/JPYOK"));
  EXPECT_TRUE(found.ok()) << found.status();
  // The same node under another site's name.
  options_.nodes = {{"hq", apac.address()}};
  options_.timeout = absl::Milliseconds(500);
  client = Client::Connect(options_);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE((*client)->Call<Port>(kGetPort, Get("ports/JPYOK")).ok());
  EXPECT_EQ(apac.calls(), 1);
}

TEST_F(TlsConnectionTest, ARevokedNodeIsAskedNothing) {
  TestNode apac("apac", NodeCredentials("apac"));
  Port port;
  port.set_name("ports/JPYOK");
  apac.Put(port);
  options_.nodes = {{"apac", apac.address()}};
  options_.timeout = absl::Milliseconds(500);
  const auto network = certs::Network::Open(folder_);
  ASSERT_TRUE(network.ok() && network->Revoke("node/apac", certs::RevocationReason::kKeyCompromise, absl::Now()).ok());
  const auto client = Client::Connect(options_);
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Status refused = (*client)->Call<Port>(kGetPort, Get("ports/JPYOK")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(refused.message()).find("revoked"), std::string::npos) << refused;
  EXPECT_EQ(apac.calls(), 0);
  // Without lists, by whoever removed them, it is not known.
  std::filesystem::remove(folder_ / "ca/crl.pem");
  const auto unknowing = Client::Connect(options_);
  ASSERT_TRUE(unknowing.ok()) << unknowing.status();
  EXPECT_TRUE((*unknowing)->Call<Port>(kGetPort, Get("ports/JPYOK")).ok());
  // Lists that are configured must be there.
  options_.crl_file = (folder_ / "ca/crl.pem").string();
  EXPECT_EQ(Client::Connect(options_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead::client
