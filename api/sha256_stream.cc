#include "api/sha256_stream.h"

#include <cstdio>
#include <cstdlib>

namespace fairlead {
namespace {

// The library failed at something that cannot fail but for lack of memory.
void Require(bool ok) {
  if (ok) return;
  std::fprintf(stderr, "crypto: SHA-256 failed\n");
  std::abort();
}

}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  Require(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256Stream::Append(std::string_view bytes) { Require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1); }

Digest Sha256Stream::Finish() {
  Digest digest;
  Require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  return digest;
}

}  // namespace fairlead
