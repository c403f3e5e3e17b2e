#include "server/rpc/credentials.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "server/rpc/identity.h"

namespace fairlead::rpc {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* t) const {
    Free(t);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

struct StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

absl::Status Fault(const std::string& file, const std::string& what) {
  return absl::FailedPreconditionError(fmt::format("{}: {}", file, what));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Fault(path, "cannot be read");
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::vector<X509Ptr> ParseCertificates(const std::string& pem) {
  std::vector<X509Ptr> all;
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) all.emplace_back(one);
  return all;
}

std::vector<std::string> UrisOf(X509* certificate) {
  std::vector<std::string> uris;
  NamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

// Empty when the chain is good.
std::string VerifyChain(const std::vector<X509Ptr>& chain, const std::vector<X509Ptr>& roots) {
  StorePtr store(X509_STORE_new());
  for (const X509Ptr& root : roots) X509_STORE_add_cert(store.get(), root.get());
  std::unique_ptr<STACK_OF(X509), StackFree> between(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(between.get(), chain[i].get());
  StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between.get());
  if (X509_verify_cert(context.get()) == 1) return "";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

std::shared_ptr<grpc::experimental::CertificateProviderInterface> Watch(const CredentialFiles& files) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(files.key, files.certificate, files.ca,
                                                                              std::max(files.refresh_s, 1u));
}

// Accepts a server whose certificate has exactly one URI, `uri`, and the DNS name that the channel is for.
class PeerVerifier : public grpc::experimental::ExternalCertificateVerifier {
 public:
  PeerVerifier(std::string uri, std::string dns) : uri_(std::move(uri)), dns_(std::move(dns)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const std::vector<grpc::string_ref> uris = request->uri_names();
    const std::vector<grpc::string_ref> dns = request->dns_names();
    const bool named = std::any_of(dns.begin(), dns.end(), [this](grpc::string_ref name) { return name == dns_; });
    if (uris.size() == 1 && uris[0] == uri_ && named) {
      *sync_status = grpc::Status::OK;
    } else {
      *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the peer's certificate is not that of " + uri_);
    }
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string uri_;
  const std::string dns_;
};

}  // namespace

void RequireTls13() { setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384", 1); }

absl::StatusOr<CertificateInfo> CheckCredentials(const CredentialFiles& files, std::string_view network) {
  absl::StatusOr<std::string> certificate_pem = ReadFile(files.certificate);
  if (!certificate_pem.ok()) return certificate_pem.status();
  absl::StatusOr<std::string> key_pem = ReadFile(files.key);
  if (!key_pem.ok()) return key_pem.status();
  absl::StatusOr<std::string> ca_pem = ReadFile(files.ca);
  if (!ca_pem.ok()) return ca_pem.status();

  const std::vector<X509Ptr> chain = ParseCertificates(*certificate_pem);
  if (chain.empty()) return Fault(files.certificate, "holds no certificate");
  const std::vector<X509Ptr> roots = ParseCertificates(*ca_pem);
  if (roots.empty()) return Fault(files.ca, "holds no certificate");
  BioPtr key_bio(BIO_new_mem_buf(key_pem->data(), static_cast<int>(key_pem->size())));
  KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!key) return Fault(files.key, "holds no private key");
  if (X509_check_private_key(chain[0].get(), key.get()) != 1) return Fault(files.key, "is not the key of " + files.certificate);
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC) return Fault(files.key, "is not an ECDSA key");
  if (std::string fault = VerifyChain(chain, roots); !fault.empty()) return Fault(files.certificate, fault);

  const std::vector<std::string> uris = UrisOf(chain[0].get());
  if (uris.size() != 1) return Fault(files.certificate, "must have exactly one URI");
  if (absl::StatusOr<Identity> identity = ParseIdentity(uris[0], network); !identity.ok()) {
    return Fault(files.certificate, std::string(identity.status().message()));
  }
  std::tm not_after{};
  ASN1_TIME_to_tm(X509_get0_notAfter(chain[0].get()), &not_after);
  return CertificateInfo{uris[0], absl::FromTimeT(timegm(&not_after))};
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFrom(const CredentialFiles& files) {
  grpc::experimental::TlsServerCredentialsOptions options(Watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> PeerCredentials(const CredentialFiles& files, std::string_view network, std::string_view site) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_certificate_verifier(grpc::experimental::ExternalCertificateVerifier::Create<PeerVerifier>(
      fmt::format("spiffe://{}/node/{}", network, site), fmt::format("{}.node.{}", site, network)));
  // The verifier above is stricter than the check of each call's host, and replaces it.
  options.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace fairlead::rpc
