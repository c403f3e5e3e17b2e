#include "server/rpc/viewer.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "api/errors.h"

namespace fairlead::rpc {

absl::StatusOr<Identity> ViewerOf(const Identity& peer, const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                                  std::string_view network) {
  const auto [begin, end] = metadata.equal_range(kViewerMetadata);
  const bool is_gateway = peer.kind == IdentityKind::kGateway;
  if (!is_gateway && begin == end) return peer;
  const absl::Status denied = Error(Reason::kPermissionDenied, "not permitted");
  if (!is_gateway || begin == end || std::next(begin) != end) return denied;
  const std::string_view path(begin->second.data(), begin->second.size());
  absl::StatusOr<Identity> viewer = ParseIdentity(fmt::format("spiffe://{}/{}", network, path), network);
  if (!viewer.ok() || (viewer->kind != IdentityKind::kOfficer && viewer->kind != IdentityKind::kHq)) return denied;
  return viewer;
}

}  // namespace fairlead::rpc
