// Which viewers' certificates are accepted: those that end in one of a file's authorities and that no revocation list (RFC 5280) names.
//
// Both files are looked at anew at each handshake and each check: an authority that is gone and a new list count at once. Of every
// authority in a certificate's chain there must be a list in force, signed by it; a certificate is refused when nobody can tell whether it
// is revoked, and so are all when a file cannot be read. Unlike api/trust.h this takes the certificates of other networks, with authorities
// between.
//
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_VIEWER_TRUST_H_
#define FAIRLEAD_CLIENT_DASHBOARD_VIEWER_TRUST_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>

namespace fairlead::dashboard {

class ViewerTrust {
 public:
  // PEM files: the authorities, and their lists; no name of a list: `crl.pem` beside the authorities.
  ViewerTrust(std::string ca_file, std::string list_file);

  // What is wrong with the files now, and the option that names the one; empty when nothing is.
  std::string Fault() { return Look().fault; }
  // Has a handshake go by the authorities as they are now, without lists: what these say is told by Check, in words. To be called before
  // the certificate is asked for (SSL_CTX_set_cert_cb).
  void Prepare(SSL* handshake);
  // Whether a certificate that a handshake has accepted, the first of its chain, is to be believed now. UNAUTHENTICATED (IDENTITY_MISSING).
  absl::Status Check(STACK_OF(X509) * chain);

 private:
  struct Files {
    std::shared_ptr<X509_STORE> store;  // of both, as far as they can be read; null before the first look
    std::string fault;
  };
  // Of a file: another one has another, and so has one that was written to.
  struct Stamp {
    bool operator==(const Stamp&) const = default;
    int64_t modified_ns = -1;  // -1: there is none
    uint64_t size = 0;
    uint64_t inode = 0;
  };
  static Stamp StampOf(const std::string& path);

  Files Look();

  const std::string ca_file_;
  const std::string list_file_;
  absl::Mutex mu_;
  Files files_ ABSL_GUARDED_BY(mu_);
  Stamp ca_stamp_ ABSL_GUARDED_BY(mu_);  // of what files_ was loaded from
  Stamp list_stamp_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_VIEWER_TRUST_H_
