#include "client/dashboard/viewer_certificate.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "api/bytes.h"
#include "api/errors.h"

namespace fairlead::dashboard {
namespace {

std::vector<std::string> UrisOf(X509* certificate) {
  std::vector<std::string> uris;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), GENERAL_NAMES_free);
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

}  // namespace

bool IsViewer(std::string_view path) {
  const bool staff = path.starts_with("officer/") || path.starts_with("hq/");
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/'; };
  return staff && std::count(path.begin(), path.end(), '/') == 2 && path.find("//") == std::string_view::npos && !path.ends_with('/') &&
         std::all_of(path.begin(), path.end(), allowed);
}

absl::StatusOr<ViewerCertificate> ViewerOf(X509* certificate, std::string_view network, const ViewerMap& map) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), digest, &size) != 1) {
    return Error(Reason::kIdentityMissing, "a client certificate is required");
  }
  ViewerCertificate result;
  result.fingerprint = HexEncode({reinterpret_cast<const char*>(digest), size});
  if (const auto mapped = map.find(result.fingerprint); mapped != map.end()) {
    result.viewer = mapped->second;
    return result;
  }
  const std::vector<std::string> uris = UrisOf(certificate);
  const std::string prefix = fmt::format("spiffe://{}/", network);
  if (uris.size() == 1 && uris[0].starts_with(prefix) && IsViewer(std::string_view(uris[0]).substr(prefix.size()))) {
    result.viewer = uris[0].substr(prefix.size());
    return result;
  }
  return Error(Reason::kIdentityMissing, "the certificate stands for no officer and nobody at headquarters");
}

}  // namespace fairlead::dashboard
