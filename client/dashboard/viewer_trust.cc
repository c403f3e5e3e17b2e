#include "client/dashboard/viewer_trust.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "api/errors.h"
#include "api/openssl_ptr.h"

namespace fairlead::dashboard {
namespace {

using StoreContext = std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>>;

}  // namespace

ViewerTrust::ViewerTrust(std::string ca_file, std::string list_file)
    : ca_file_(std::move(ca_file)),
      list_file_(list_file.empty() ? (std::filesystem::path(ca_file_).parent_path() / "crl.pem").string() : std::move(list_file)) {}

ViewerTrust::Stamp ViewerTrust::StampOf(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_mtim.tv_sec * int64_t{1'000'000'000} + file.st_mtim.tv_nsec, static_cast<uint64_t>(file.st_size), file.st_ino};
}

ViewerTrust::Files ViewerTrust::Look() {
  absl::MutexLock lock(&mu_);
  // Before they are loaded: what changes in between is seen at the next look.
  const Stamp ca = StampOf(ca_file_), list = StampOf(list_file_);
  // A fault may go away without a change of the files: their mode, or what kept them from being opened.
  if (files_.store != nullptr && files_.fault.empty() && ca == ca_stamp_ && list == list_stamp_) return files_;
  ca_stamp_ = ca;
  list_stamp_ = list;
  Files now{{X509_STORE_new(), X509_STORE_free}, ""};
  X509_LOOKUP* const load = X509_STORE_add_lookup(now.store.get(), X509_LOOKUP_file());
  if (X509_load_cert_file(load, ca_file_.c_str(), X509_FILETYPE_PEM) <= 0) {
    now.fault = "the authorities of viewers' certificates (--tls-client-ca) cannot be read";
  } else if (X509_load_crl_file(load, list_file_.c_str(), X509_FILETYPE_PEM) <= 0) {
    now.fault = "the revocation list of viewers' certificates (--tls-client-crl) cannot be read";
  }
  ERR_clear_error();
  files_ = std::move(now);
  return files_;
}

void ViewerTrust::Prepare(SSL* handshake) {
  SSL_set1_verify_cert_store(handshake, Look().store.get());
  SSL_set_client_CA_list(handshake, SSL_load_client_CA_file(ca_file_.c_str()));
  ERR_clear_error();
}

absl::Status ViewerTrust::Check(STACK_OF(X509) * chain) {
  const Files files = Look();
  if (!files.fault.empty()) return Error(Reason::kIdentityMissing, files.fault);
  const StoreContext context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), files.store.get(), sk_X509_value(chain, 0), chain) != 1) {
    return Error(Reason::kInternal, "the certificate cannot be verified");
  }
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (good) return absl::OkStatus();
  const char* const why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  return Error(Reason::kIdentityMissing, fmt::format("the certificate is refused: {}", why));
}

}  // namespace fairlead::dashboard
