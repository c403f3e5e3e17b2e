#include "certs/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <set>

namespace fairlead::certs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

constexpr char kNetwork[] = "demo.fairlead.example";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const Validity kRootValidity = {kNow - absl::Minutes(5), kNow + absl::Hours(24 * 3650)};
const Validity kLeafValidity = {kNow - absl::Minutes(5), kNow + absl::Hours(24 * 90)};

struct Authority {
  Key key;
  Certificate root;
};

Authority MakeAuthority() {
  Key key = *GenerateKey();
  Certificate root = *MakeRoot(kNetwork, key, kRootValidity);
  return {key, root};
}

LeafOptions Leaf(const std::string& identity, bool loopback = false) {
  return {kNetwork, *Identity::Parse(identity), kLeafValidity, loopback};
}

// X509_verify_cert as a TLS peer does it at `time`: X509_V_OK or the error.
int Verify(const Certificate& leaf, const Certificate& root, int purpose, absl::Time time, const std::string& crl_pem = "") {
  std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_add_cert(store.get(), root.get());
  if (!crl_pem.empty()) {
    std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_mem_buf(crl_pem.data(), static_cast<int>(crl_pem.size())), BIO_free_all);
    std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr), X509_CRL_free);
    X509_STORE_add_crl(store.get(), crl.get());
    X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK);
  }
  std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(time));
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

TEST(RootTest, SaysWhatItMaySign) {
  const Authority authority = MakeAuthority();
  const CertificateFields fields = *ReadFields(authority.root);
  EXPECT_EQ(fields.subject, "O=demo.fairlead.example,CN=root");
  EXPECT_EQ(fields.issuer, fields.subject);
  EXPECT_TRUE(fields.is_ca);
  EXPECT_EQ(fields.path_length, 0);
  EXPECT_THAT(fields.key_usages, ElementsAre("keyCertSign", "cRLSign"));
  EXPECT_THAT(fields.extended_key_usages, IsEmpty());
  EXPECT_THAT(fields.uris, IsEmpty());
  EXPECT_EQ(fields.validity.not_before, kRootValidity.not_before);
  EXPECT_EQ(fields.validity.not_after, kRootValidity.not_after);
  EXPECT_THAT(fields.subject_key_id, MatchesRegex("[0-9a-f]{40}"));
  EXPECT_EQ(fields.authority_key_id, fields.subject_key_id);
  EXPECT_EQ(fields.key_type, "P-256");
  EXPECT_EQ(fields.signature, "ecdsa-with-SHA256");
  EXPECT_EQ(Verify(authority.root, authority.root, X509_PURPOSE_ANY, kNow), X509_V_OK);
}

TEST(RootTest, RefusesABadNetworkAndAnEmptyValidity) {
  const Key key = *GenerateKey();
  EXPECT_EQ(MakeRoot("Demo", key, kRootValidity).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeRoot(kNetwork, key, {kNow, kNow}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(LeafTest, HasEveryFieldOfItsProfile) {
  const Authority authority = MakeAuthority();
  const std::string root_key_id = ReadFields(authority.root)->subject_key_id;
  for (const std::string identity : {"node/apac", "officer/apac/watch", "hq/analyst/jo", "gateway/dashboard", "partner/SG/mpa"}) {
    SCOPED_TRACE(identity);
    const Key key = *GenerateKey();
    const absl::StatusOr<Certificate> made = MakeLeaf(Leaf(identity), key, authority.root, authority.key);
    ASSERT_TRUE(made.ok()) << made.status();
    // What another program would read.
    const Certificate leaf = *CertificateFromPem(*CertificateToPem(*made));
    EXPECT_EQ(X509_get_version(leaf.get()), X509_VERSION_3);
    EXPECT_TRUE(KeyMatches(key, leaf));
    EXPECT_FALSE(KeyMatches(*GenerateKey(), leaf));
    const CertificateFields fields = *ReadFields(leaf);
    EXPECT_THAT(fields.serial, MatchesRegex("[0-9a-f]{32}"));
    EXPECT_EQ(fields.issuer, "O=demo.fairlead.example,CN=root");
    EXPECT_EQ(fields.validity.not_before, kLeafValidity.not_before);
    EXPECT_EQ(fields.validity.not_after, kLeafValidity.not_after);
    EXPECT_FALSE(fields.is_ca);
    EXPECT_EQ(fields.path_length, std::nullopt);
    EXPECT_THAT(fields.key_usages, ElementsAre("digitalSignature"));
    EXPECT_THAT(fields.uris, ElementsAre("spiffe://demo.fairlead.example/" + identity));
    EXPECT_THAT(fields.addresses, IsEmpty());
    EXPECT_THAT(fields.subject_key_id, MatchesRegex("[0-9a-f]{40}"));
    EXPECT_NE(fields.subject_key_id, root_key_id);
    EXPECT_EQ(fields.authority_key_id, root_key_id);
    EXPECT_EQ(fields.key_type, "P-256");
    EXPECT_EQ(fields.signature, "ecdsa-with-SHA256");
    for (const int nid : {NID_basic_constraints, NID_key_usage}) {
      const int at = X509_get_ext_by_NID(leaf.get(), nid, -1);
      ASSERT_GE(at, 0) << OBJ_nid2sn(nid);
      EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(leaf.get(), at)), 1) << OBJ_nid2sn(nid);
    }
    EXPECT_EQ(X509_get_ext_count(leaf.get()), 6);
    EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_CLIENT, kNow), X509_V_OK);
    if (identity == "node/apac") {
      EXPECT_EQ(fields.subject, "O=demo.fairlead.example,OU=node,CN=apac");
      EXPECT_THAT(fields.dns_names, ElementsAre("apac.node.demo.fairlead.example"));
      EXPECT_THAT(fields.extended_key_usages, ElementsAre("serverAuth", "clientAuth"));
      EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_SERVER, kNow), X509_V_OK);
    } else {
      EXPECT_THAT(fields.dns_names, IsEmpty());
      EXPECT_THAT(fields.extended_key_usages, ElementsAre("clientAuth"));
      EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_SERVER, kNow), X509_V_ERR_INVALID_PURPOSE);
    }
  }
}

TEST(LeafTest, NamesTheLoopbackOnlyWhenAsked) {
  const Authority authority = MakeAuthority();
  const CertificateFields fields = *ReadFields(*MakeLeaf(Leaf("node/apac", true), *GenerateKey(), authority.root, authority.key));
  EXPECT_THAT(fields.dns_names, ElementsAre("apac.node.demo.fairlead.example", "localhost"));
  EXPECT_THAT(fields.addresses, ElementsAre("127.0.0.1"));
  EXPECT_THAT(fields.uris, ElementsAre("spiffe://demo.fairlead.example/node/apac"));
  const absl::Status status = MakeLeaf(Leaf("officer/apac/watch", true), *GenerateKey(), authority.root, authority.key).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("only a certificate that serves"));
}

TEST(LeafTest, VerifiesUnderItsRootAndInItsTimeOnly) {
  const Authority authority = MakeAuthority();
  const Authority other = MakeAuthority();
  const Certificate leaf = *MakeLeaf(Leaf("node/apac"), *GenerateKey(), authority.root, authority.key);
  EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_SERVER, kLeafValidity.not_before), X509_V_OK);
  EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_SERVER, kLeafValidity.not_before - absl::Seconds(1)),
            X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(Verify(leaf, authority.root, X509_PURPOSE_SSL_SERVER, kLeafValidity.not_after + absl::Seconds(1)), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_NE(Verify(leaf, other.root, X509_PURPOSE_SSL_SERVER, kNow), X509_V_OK);
  EXPECT_EQ(X509_verify(leaf.get(), PublicKeyOf(authority.root).get()), 1);
  EXPECT_EQ(X509_verify(leaf.get(), PublicKeyOf(other.root).get()), 0);
}

TEST(LeafTest, CannotSign) {
  const Authority authority = MakeAuthority();
  const Key officer_key = *GenerateKey();
  const Certificate officer = *MakeLeaf(Leaf("officer/apac/watch"), officer_key, authority.root, authority.key);
  const Certificate forged = *MakeLeaf({kNetwork, *Identity::Parse("node/hq"), kLeafValidity}, *GenerateKey(), officer, officer_key);
  std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_add_cert(store.get(), authority.root.get());
  STACK_OF(X509)* chain = sk_X509_new_null();
  sk_X509_push(chain, officer.get());
  std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), forged.get(), chain);
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), absl::ToTimeT(kNow));
  EXPECT_NE(X509_verify_cert(context.get()), 1);
  EXPECT_EQ(X509_STORE_CTX_get_error(context.get()), X509_V_ERR_INVALID_CA);
  sk_X509_free(chain);
}

TEST(LeafTest, RefusesValidityBeyondTheRoot) {
  const Authority authority = MakeAuthority();
  const Key key = *GenerateKey();
  LeafOptions late = Leaf("node/apac");
  late.validity.not_after = kRootValidity.not_after + absl::Seconds(1);
  LeafOptions early = Leaf("node/apac");
  early.validity.not_before = kRootValidity.not_before - absl::Seconds(1);
  for (const LeafOptions& options : {late, early}) {
    const absl::Status status = MakeLeaf(options, key, authority.root, authority.key).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("does not lie within the root's"));
  }
}

TEST(LeafTest, SerialsAreRandomOver128Bits) {
  const Authority authority = MakeAuthority();
  const Key key = *GenerateKey();
  std::set<std::string> serials;
  bool high_bit = false;
  for (int i = 0; i < 64; ++i) {
    const std::string serial = ReadFields(*MakeLeaf(Leaf("node/apac"), key, authority.root, authority.key))->serial;
    EXPECT_EQ(serial.size(), 32u);
    high_bit = high_bit || serial[0] >= '8';
    serials.insert(serial);
  }
  EXPECT_EQ(serials.size(), 64u);
  EXPECT_TRUE(high_bit);  // false once in 2^64 runs
}

std::string MakeRequest(const Key& key, const Key& signer) {
  std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), X509_REQ_free);
  X509_REQ_set_pubkey(request.get(), key.get());
  X509_REQ_sign(request.get(), signer.get(), EVP_sha256());
  std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

TEST(RequestTest, GivesTheKeyItProvesToHold) {
  const Key key = *GenerateKey();
  const absl::StatusOr<Key> read = KeyOfRequest(MakeRequest(key, key));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EVP_PKEY_eq(read->get(), key.get()), 1);
}

TEST(RequestTest, RefusesAnotherSignerAnotherCurveAndGarbage) {
  const Key key = *GenerateKey();
  EXPECT_THAT(std::string(KeyOfRequest(MakeRequest(key, *GenerateKey())).status().message()), HasSubstr("verify the request's signature"));
  const Key p384(EVP_EC_gen("P-384"), EVP_PKEY_free);
  EXPECT_THAT(std::string(KeyOfRequest(MakeRequest(p384, p384)).status().message()), HasSubstr("not of the curve P-256"));
  EXPECT_EQ(KeyOfRequest("garbage").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeyTest, ReadsBackAndRefusesOthers) {
  const Key key = *GenerateKey();
  const std::string pem = *KeyToPem(key);
  EXPECT_THAT(pem, testing::StartsWith("-----BEGIN PRIVATE KEY-----\n"));
  EXPECT_EQ(EVP_PKEY_eq(KeyFromPem(pem)->get(), key.get()), 1);
  EXPECT_THAT(std::string(KeyFromPem(pem.substr(0, 60)).status().message()), HasSubstr("cannot read a private key"));
  const Key rsa(EVP_RSA_gen(2048), EVP_PKEY_free);
  EXPECT_THAT(std::string(KeyFromPem(*KeyToPem(rsa)).status().message()), HasSubstr("not of the curve P-256"));
}

TEST(RevocationListTest, SaysWhatIsRevokedUnderTheRoot) {
  const Authority authority = MakeAuthority();
  const Certificate kept = *MakeLeaf(Leaf("node/apac"), *GenerateKey(), authority.root, authority.key);
  const Certificate lost = *MakeLeaf(Leaf("node/csa"), *GenerateKey(), authority.root, authority.key);
  const std::string serial = ReadFields(lost)->serial;
  const absl::StatusOr<std::string> pem =
      MakeRevocationList({7, kNow, kNow + absl::Hours(24), {{serial, kNow - absl::Hours(1), RevocationReason::kKeyCompromise}}},
                         authority.root, authority.key);
  ASSERT_TRUE(pem.ok()) << pem.status();
  const absl::StatusOr<RevocationList> list = ReadRevocationList(*pem, authority.root);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->number, 7u);
  EXPECT_EQ(list->this_update, kNow);
  EXPECT_EQ(list->next_update, kNow + absl::Hours(24));
  ASSERT_EQ(list->revoked.size(), 1u);
  EXPECT_EQ(list->revoked[0].serial, serial);
  EXPECT_EQ(list->revoked[0].time, kNow - absl::Hours(1));
  EXPECT_EQ(list->revoked[0].reason, RevocationReason::kKeyCompromise);

  EXPECT_EQ(Verify(kept, authority.root, X509_PURPOSE_SSL_SERVER, kNow, *pem), X509_V_OK);
  EXPECT_EQ(Verify(lost, authority.root, X509_PURPOSE_SSL_SERVER, kNow, *pem), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(Verify(kept, authority.root, X509_PURPOSE_SSL_SERVER, kNow + absl::Hours(25), *pem), X509_V_ERR_CRL_HAS_EXPIRED);
  EXPECT_EQ(ReadRevocationList(*pem, MakeAuthority().root).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReadRevocationList("garbage", authority.root).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RevocationListTest, RefusesASerialThatIsNone) {
  const Authority authority = MakeAuthority();
  for (const std::string serial : {"", "xyz", "12 34"}) {
    EXPECT_EQ(MakeRevocationList({1, kNow, kNow + absl::Hours(1), {{serial, kNow}}}, authority.root, authority.key).status().code(),
              absl::StatusCode::kInvalidArgument)
        << serial;
  }
}

TEST(RevocationReasonTest, NamesReadBack) {
  for (const RevocationReason reason :
       {RevocationReason::kUnspecified, RevocationReason::kKeyCompromise, RevocationReason::kAffiliationChanged,
        RevocationReason::kSuperseded, RevocationReason::kCessationOfOperation}) {
    EXPECT_EQ(*RevocationReasonFromName(RevocationReasonName(reason)), reason);
  }
  EXPECT_THAT(std::string(RevocationReasonFromName("lost").status().message()), HasSubstr("it is one of unspecified, keyCompromise"));
}

}  // namespace
}  // namespace fairlead::certs
