#include "server/rpc/identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::HasSubstr;

TEST(ParseIdentityTest, TheFiveForms) {
  const std::string longest(63, 'a');
  struct Row {
    std::string path;
    Identity identity;
  };
  for (const Row& row : {
           Row{"node/apac", {IdentityKind::kNode, "apac", "", "node/apac"}},
           Row{"officer/apac/watch", {IdentityKind::kOfficer, "apac", "watch", "officer/apac/watch"}},
           Row{"hq/analyst/desk-2", {IdentityKind::kHq, "analyst", "desk-2", "hq/analyst/desk-2"}},
           Row{"partner/JP/registry", {IdentityKind::kPartner, "JP", "registry", "partner/JP/registry"}},
           Row{"gateway/dashboard", {IdentityKind::kGateway, "", "dashboard", "gateway/dashboard"}},
           Row{"gateway/" + longest, {IdentityKind::kGateway, "", longest, "gateway/" + longest}},
       }) {
    const auto parsed = ParseIdentity("spiffe://test.example/" + row.path, kTestNetwork);
    ASSERT_TRUE(parsed.ok()) << row.path << ": " << parsed.status();
    EXPECT_EQ(*parsed, row.identity) << row.path;
  }
}

TEST(ParseIdentityTest, EverythingElseIsRefused) {
  for (const std::string& uri : {
           std::string(),
           std::string("spiffe://"),
           std::string("spiffe://test.example"),
           std::string("spiffe://test.example/"),
           std::string("https://test.example/node/apac"),
           std::string("SPIFFE://test.example/node/apac"),
           std::string("spiffe://other.example/node/apac"),
           std::string("spiffe://test.example.evil/node/apac"),
           std::string("spiffe://test.exampl/node/apac"),
           std::string("spiffe://test.example:443/node/apac"),
           std::string("spiffe://test.example/node"),
           std::string("spiffe://test.example/node/"),
           std::string("spiffe://test.example/node/apac/"),
           std::string("spiffe://test.example/node/apac/extra"),
           std::string("spiffe://test.example//node/apac"),
           std::string("spiffe://test.example/node/APAC"),
           std::string("spiffe://test.example/node/a.b"),
           std::string("spiffe://test.example/node/apac?x"),
           std::string("spiffe://test.example/node/ap\0ac", 32),
           "spiffe://test.example/node/" + std::string(64, 'a'),
           std::string("spiffe://test.example/Node/apac"),
           std::string("spiffe://test.example/officer/apac"),
           std::string("spiffe://test.example/officer//watch"),
           std::string("spiffe://test.example/officer/apac/watch/x"),
           std::string("spiffe://test.example/hq/analyst"),
           std::string("spiffe://test.example/partner/jp/registry"),
           std::string("spiffe://test.example/partner/JPN/registry"),
           std::string("spiffe://test.example/partner/JP"),
           std::string("spiffe://test.example/gateway/a/b"),
           std::string("spiffe://test.example/admin/root"),
       }) {
    const auto parsed = ParseIdentity(uri, kTestNetwork);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kUnauthenticated) << uri;
    EXPECT_THAT(parsed, FailsWith("IDENTITY_MISSING")) << uri;
  }
}

TEST(CheckCredentialsTest, SaysWhichFileIsAtFault) {
  TestCerts& certs = TestCerts::Get();
  const CredentialFiles good = certs.Of("node/apac");
  const auto info = CheckCredentials(good, kTestNetwork);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->uri, "spiffe://test.example/node/apac");
  EXPECT_GT(info->not_after, absl::Now());

  const std::string uri = "spiffe://test.example/node/apac";
  CredentialFiles other_key = good;
  other_key.key = certs.Of("node/eame").key;
  CredentialFiles no_key = good;
  no_key.key = good.certificate;
  CredentialFiles absent = good;
  absent.ca += ".absent";
  struct Row {
    CredentialFiles files;
    std::string file;
    std::string says;
  };
  const CredentialFiles rsa = certs.Craft("rsa", {.uris = {uri}, .key = "rsa:2048"});
  const CredentialFiles expired = certs.Craft("expired", {.uris = {uri}, .ends_in = -absl::Hours(1)});
  const CredentialFiles other_ca = certs.Craft("other_ca", {.uris = {uri}, .other_ca = true});
  const CredentialFiles two = certs.Craft("two", {.uris = {uri, "spiffe://test.example/node/eame"}});
  const CredentialFiles none = certs.Craft("none", {});
  const CredentialFiles foreign = certs.Craft("foreign", {.uris = {"spiffe://other.example/node/apac"}});
  for (const Row& row : {
           Row{other_key, other_key.key, "is not the key of"},
           Row{no_key, no_key.key, "no private key"},
           Row{absent, absent.ca, "cannot be read"},
           Row{rsa, rsa.key, "ECDSA"},
           Row{expired, expired.certificate, "expired"},
           Row{other_ca, other_ca.certificate, "signature"},
           Row{two, two.certificate, "exactly one URI"},
           Row{none, none.certificate, "exactly one URI"},
           Row{foreign, foreign.certificate, "another network"},
       }) {
    const absl::Status status = CheckCredentials(row.files, kTestNetwork).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), ::testing::StartsWith(row.file + ": "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.says));
  }
}

class ConnectionTest : public SiteTest {
 protected:
  absl::Status CallWith(const CredentialFiles& files) {
    v1::GetCountryRequest request;
    request.set_name("countries/JP");
    return Client(apac_.port(), files).Call<v1::Country>("ReferenceService/GetCountry", request).status();
  }
};

TEST_F(ConnectionTest, OnlyAVerifiedCertificateWithOneIdentityOfTheNetworkIsHeard) {
  TestCerts& certs = TestCerts::Get();
  const std::string uri = "spiffe://test.example/officer/apac/watch";
  MakeCountry("JP", "Japan");
  EXPECT_TRUE(CallWith(certs.Of("officer/apac/watch")).ok());
  EXPECT_TRUE(CallWith(certs.Craft("one", {.uris = {uri}})).ok());

  // The handshake fails.
  CredentialFiles nothing = certs.Of("officer/apac/watch");
  nothing.certificate.clear();
  EXPECT_EQ(CallWith(nothing).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallWith(certs.Craft("late", {.uris = {uri}, .ends_in = -absl::Minutes(1)})).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallWith(certs.Craft("stranger", {.uris = {uri}, .other_ca = true})).code(), absl::StatusCode::kUnavailable);

  // The handshake succeeds and no method is reached.
  for (const std::vector<std::string>& uris : {
           std::vector<std::string>{uri, "spiffe://test.example/hq/analyst/desk"},
           {"https://test.example/", uri},
           {},
           {"spiffe://other.example/officer/apac/watch"},
           {"spiffe://test.example/officer/apac"},
       }) {
    const absl::Status status = CallWith(certs.Craft("unheard", {.uris = uris}));
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
    EXPECT_EQ(ReasonOf(status), "IDENTITY_MISSING");
  }
}

// Empty when a handshake that offers no more than `version` succeeds; else OpenSSL's reason.
std::string Handshake(int port, const CredentialFiles& files, int version) {
  ERR_clear_error();
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_use_certificate_file(context.get(), files.certificate.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM);
  const unsigned char h2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), h2, sizeof(h2));
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_ssl_connect(context.get()), BIO_free_all);
  BIO_set_conn_hostname(bio.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
  if (BIO_do_connect(bio.get()) == 1 && BIO_do_handshake(bio.get()) == 1) return "";
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason == nullptr ? "closed" : reason;
}

TEST_F(ConnectionTest, NothingBelowTls13Connects) {
  const CredentialFiles files = TestCerts::Get().Of("officer/apac/watch");
  EXPECT_EQ(Handshake(apac_.port(), files, TLS1_3_VERSION), "");
  EXPECT_NE(Handshake(apac_.port(), files, TLS1_2_VERSION), "");
}

TEST_F(ConnectionTest, APeerIsCalledOnlyWhenItIsTheOneMeant) {
  const v1::GetNodeStatusRequest request;
  const Credentials& credentials = TestCerts::Get().Live("node/eame");
  const Client right(Dial(apac_.port(), credentials.ForPeer("apac")));
  const auto status = right.Call<v1::NodeStatus>("NodeService/GetNodeStatus", request);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->site(), "apac");
  const Client wrong(Dial(apac_.port(), credentials.ForPeer("hq")));
  EXPECT_EQ(wrong.Call<v1::NodeStatus>("NodeService/GetNodeStatus", request).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace fairlead::rpc
