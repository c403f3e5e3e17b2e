// Which of the viewers' certificates have been revoked: a file with a certificate revocation list (RFC 5280), looked at anew whenever it
// changes.
//
// A list that cannot be used refuses everybody: missing, unsigned by the authority, or past its next update.
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_REVOCATIONS_H_
#define FAIRLEAD_CLIENT_DASHBOARD_REVOCATIONS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <openssl/x509.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::dashboard {

class Revocations {
 public:
  // PEM files: the list, and the authorities, one of which signs it.
  Revocations(std::string list_file, std::string ca_file) : list_file_(std::move(list_file)), ca_file_(std::move(ca_file)) {}

  // OK; UNAUTHENTICATED (IDENTITY_MISSING) when it is revoked or the list cannot be used.
  absl::Status Check(X509* certificate);

 private:
  struct Free {
    void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  };

  // The reason why the list cannot be used; empty when it can.
  std::string Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string list_file_;
  const std::string ca_file_;
  absl::Mutex mu_;
  std::unique_ptr<X509_CRL, Free> list_ ABSL_GUARDED_BY(mu_);
  std::filesystem::file_time_type read_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_REVOCATIONS_H_
