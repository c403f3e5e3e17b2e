#include "server/rpc/test_certs.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "certs/identity.h"
#include "certs/x509.h"
#include "server/rpc/grpc_log.h"

namespace fairlead::rpc {
namespace {

// Before any test, and so before anything of gRPC, as in main.
const bool kTls13 = (RequireTls13(), TakeOverGrpcLog(), true);

template <class T>
T Checked(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

void WriteText(const std::filesystem::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

certs::Key MakeKey(const std::string& kind) {
  if (kind == "P-256") return Checked(certs::GenerateKey());
  if (kind.starts_with("rsa:")) return {EVP_RSA_gen(static_cast<unsigned>(std::stoi(kind.substr(4)))), EVP_PKEY_free};
  if (kind == "ed25519") return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free};
  return {EVP_EC_gen(kind.c_str()), EVP_PKEY_free};
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  if (value.empty()) return;
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()),
                                                                                  X509_EXTENSION_free);
  X509_add_ext(certificate, extension.get(), -1);
}

certs::Certificate SignedBy(const certs::Certificate& root, const certs::Key& root_key, const certs::Key& key, const CraftedLeaf& leaf) {
  certs::Certificate out(X509_new(), X509_free);
  X509_set_version(out.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), leaf.serial);
  const absl::Time now = absl::Now();
  ASN1_TIME_set(X509_getm_notBefore(out.get()), absl::ToTimeT(now + leaf.begins_in));
  ASN1_TIME_set(X509_getm_notAfter(out.get()), absl::ToTimeT(now + leaf.ends_in));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("crafted"), -1,
                             -1, 0);
  X509_set_issuer_name(out.get(), X509_get_subject_name(root.get()));
  X509_set_pubkey(out.get(), key.get());
  std::string names;
  for (const std::string& uri : leaf.uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  if (!leaf.dns.empty()) names += (names.empty() ? "DNS:" : ",DNS:") + leaf.dns;
  AddExtension(out.get(), NID_subject_alt_name, names);
  AddExtension(out.get(), NID_ext_key_usage, leaf.usage);
  AddExtension(out.get(), NID_basic_constraints, leaf.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  EXPECT_GT(X509_sign(out.get(), root_key.get(), EVP_sha256()), 0);
  return out;
}

}  // namespace

std::string FileText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TestCerts& TestCerts::Get() {
  static TestCerts certs;
  return certs;
}

TestCerts::TestCerts() {
  const absl::Time now = absl::Now();
  const std::filesystem::path folder = folder_ / "network";
  EXPECT_TRUE(kTls13);
  const absl::Status created = certs::Network::Create(
      folder, {kTestNetwork, {"apac", "eame", "hq"}, /*loopback=*/true, /*headquarters=*/"", /*partners=*/{"AU", "DE", "JP"}}, now);
  EXPECT_TRUE(created.ok()) << created;
  network_ = Checked(certs::Network::Open(folder));
  other_key_ = Checked(certs::GenerateKey());
  other_root_ = Checked(certs::MakeRoot(kTestNetwork, other_key_, {now - absl::Hours(24), now + absl::Hours(24)}));
}

CredentialFiles TestCerts::Of(const std::string& identity) {
  const certs::Identity id = Checked(certs::Identity::Parse(identity));
  const std::filesystem::path folder = network_->FolderOf(id);
  if (!std::filesystem::exists(folder / "tls.crt")) Checked(network_->Issue(id, {}, absl::Now()));
  return {.certificate = folder / "tls.crt", .key = folder / "tls.key", .ca = folder_ / "network/ca/ca.crt"};
}

Credentials& TestCerts::Live(const std::string& identity) {
  std::unique_ptr<Credentials>& live = live_[identity];
  if (live == nullptr) live = Checked(Credentials::Open({.files = Of(identity), .network = kTestNetwork}));
  return *live;
}

std::filesystem::path TestCerts::NewFolder(const std::string& name) const {
  std::filesystem::path folder = folder_ / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

CredentialFiles TestCerts::Craft(const std::string& name, const CraftedLeaf& leaf) {
  const std::filesystem::path folder = folder_ / name;
  std::filesystem::create_directories(folder);
  const certs::Key key = MakeKey(leaf.key);
  const certs::Key root_key = leaf.other_ca ? other_key_ : Checked(certs::KeyFromPem(FileText(folder_ / "network/ca/ca.key")));
  WriteText(folder / "tls.crt",
            Checked(certs::CertificateToPem(SignedBy(leaf.other_ca ? other_root_ : network_->root(), root_key, key, leaf))));
  WriteText(folder / "tls.key", Checked(certs::KeyToPem(key)));
  return {.certificate = folder / "tls.crt", .key = folder / "tls.key", .ca = folder_ / "network/ca/ca.crt"};
}

std::map<std::string, SigningKey, std::less<>> TestCerts::LogKeys(const std::string& site) const {
  std::map<std::string, SigningKey, std::less<>> keys;
  for (const RosterLog* log : roster().CurrentLogs(roster().FindSite(site)->id)) {
    keys.emplace(log->stream, SiteKey(site, std::filesystem::path(LogKeyPath("log.key", log->stream)).stem()));
  }
  return keys;
}

SigningKey TestCerts::SiteKey(const std::string& site, const std::string& which) const {
  return Checked(SigningKey::FromPem(FileText(folder_ / ("network/node/" + site + "/" + which + ".key"))));
}

std::string TestCerts::token_key() const { return FileText(folder_ / "network/token.key"); }

}  // namespace fairlead::rpc
