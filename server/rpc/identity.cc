#include "server/rpc/identity.h"

#include <vector>

#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kSegmentMax = 63;

bool IsSegment(std::string_view s) {
  if (s.empty() || s.size() > kSegmentMax) return false;
  for (char c : s) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

bool IsNation(std::string_view s) { return s.size() == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'; }

std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

absl::Status Missing(CertificateFault fault, const char* why) {
  return Error(Reason::kIdentityMissing, why, {{"cause", std::string(FaultName(fault))}});
}

}  // namespace

absl::StatusOr<Identity> ParseIdentity(std::string_view uri, std::string_view network) {
  if (!uri.starts_with(kScheme)) return Missing(CertificateFault::kUnknownForm, "the certificate's URI is not a SPIFFE id");
  uri.remove_prefix(kScheme.size());
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos || uri.substr(0, slash) != network) {
    return Missing(CertificateFault::kForeignNetwork, "the certificate is of another network");
  }
  Identity id;
  id.path = std::string(uri.substr(slash + 1));
  const std::vector<std::string_view> parts = Split(id.path);
  const std::string_view kind = parts[0];
  bool valid = false;
  if (kind == "node" || kind == "gateway") {
    valid = parts.size() == 2 && IsSegment(parts[1]);
    id.kind = kind == "node" ? IdentityKind::kNode : IdentityKind::kGateway;
    if (valid) (id.kind == IdentityKind::kNode ? id.scope : id.name) = std::string(parts[1]);
  } else if (kind == "officer" || kind == "hq" || kind == "partner") {
    id.kind = kind == "officer" ? IdentityKind::kOfficer : kind == "hq" ? IdentityKind::kHq : IdentityKind::kPartner;
    valid = parts.size() == 3 && (id.kind == IdentityKind::kPartner ? IsNation(parts[1]) : IsSegment(parts[1])) && IsSegment(parts[2]);
    if (valid) {
      id.scope = std::string(parts[1]);
      id.name = std::string(parts[2]);
    }
  }
  if (!valid) return Missing(CertificateFault::kUnknownForm, "the certificate's SPIFFE id has no known form");
  return id;
}

absl::StatusOr<Identity> IdentityOf(const Leaf& leaf, std::string_view network) {
  if (leaf.uris.empty()) return Missing(CertificateFault::kNoUri, "the certificate must have exactly one URI");
  if (leaf.uris.size() > 1) return Missing(CertificateFault::kSeveralUris, "the certificate must have exactly one URI");
  return ParseIdentity(leaf.uris[0], network);
}

absl::StatusOr<Identity> IdentityOf(const grpc::AuthContext& context, std::string_view network) {
  if (!context.IsPeerAuthenticated()) return Error(Reason::kIdentityMissing, "a verified client certificate is required");
  Leaf leaf;
  for (const grpc::string_ref& uri : context.FindPropertyValues("peer_uri")) leaf.uris.emplace_back(uri.data(), uri.size());
  return IdentityOf(leaf, network);
}

}  // namespace fairlead::rpc
