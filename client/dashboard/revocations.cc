#include "client/dashboard/revocations.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <system_error>

#include "api/errors.h"

namespace fairlead::dashboard {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;

BioPtr OpenFile(const std::string& path) { return {BIO_new_file(path.c_str(), "r"), BIO_free}; }

// Whether one of the authorities has signed the list.
bool IsSigned(X509_CRL* list, const std::string& ca_file) {
  const BioPtr file = OpenFile(ca_file);
  bool verified = false;
  while (file && !verified) {
    const X509Ptr authority(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free);
    if (!authority) break;
    verified = X509_CRL_verify(list, X509_get0_pubkey(authority.get())) == 1;
  }
  ERR_clear_error();
  return verified;
}

}  // namespace

std::string Revocations::Reload() {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(list_file_, error);
  if (error) return "cannot be read";
  if (list_ && written == read_) return "";
  const BioPtr file = OpenFile(list_file_);
  list_.reset(file ? PEM_read_bio_X509_CRL(file.get(), nullptr, nullptr, nullptr) : nullptr);
  ERR_clear_error();
  if (!list_) return "holds no list";
  if (!IsSigned(list_.get(), ca_file_)) {
    list_.reset();
    return "is not signed by the authority";
  }
  read_ = written;
  return "";
}

absl::Status Revocations::Check(X509* certificate) {
  absl::MutexLock lock(&mu_);
  std::string fault = Reload();
  const ASN1_TIME* const next = fault.empty() ? X509_CRL_get0_nextUpdate(list_.get()) : nullptr;
  if (next != nullptr && X509_cmp_current_time(next) < 0) fault = "is out of date";
  if (!fault.empty()) return Error(Reason::kIdentityMissing, "the revocation list " + fault);
  X509_REVOKED* entry = nullptr;
  if (X509_CRL_get0_by_cert(list_.get(), &entry, certificate) == 1) {
    return Error(Reason::kIdentityMissing, "the certificate has been revoked");
  }
  return absl::OkStatus();
}

}  // namespace fairlead::dashboard
