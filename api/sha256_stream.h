// SHA-256 of bytes that come in pieces.
//
// Thread safety: one thread. Ownership: owns its state; movable.

#ifndef FAIRLEAD_API_SHA256_STREAM_H_
#define FAIRLEAD_API_SHA256_STREAM_H_

#include <openssl/evp.h>

#include <memory>
#include <string_view>

#include "api/ids.h"
#include "api/openssl_ptr.h"

namespace fairlead {

class Sha256Stream {
 public:
  Sha256Stream();
  void Append(std::string_view bytes);
  // Of all that was appended. REQUIRES: called once, last.
  Digest Finish();

 private:
  std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>> context_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_SHA256_STREAM_H_
