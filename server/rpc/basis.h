// Writes that keep their basis: changes that were made offline, upon a revision that the record has since left behind.
//
// The etag names what the author had read. The earlier revision is found among those that the record can have had, in the order of causes,
// wherever it was read; the author's own requests since are added to it. What is written upon it replaces nothing else, as if the author's
// site had been cut off meanwhile (api/PROTOCOL.md, rule 8).
//
// Thread safety: pure functions but for reads of the node. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_RPC_BASIS_H_
#define FAIRLEAD_SERVER_RPC_BASIS_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace fairlead::node {
class Node;
}
namespace fairlead::records {
struct RecordType;
}

namespace fairlead::rpc {

struct Loaded;  // record_access.h

inline constexpr const char* kBasisMetadata = "fairlead-basis";
inline constexpr size_t kBasisRequestsMax = 100;

// What a call says of the basis of its change.
struct Basis {
  std::vector<std::string> requests;  // of the same author, after what the etag names
};

// `kept`, or `kept ID,ID`. FIELD_INVALID of `fairlead-basis`.
absl::StatusOr<Basis> ParseBasis(std::string_view text);

// `now` as it was at the revision that `etag` names (none, when it is empty), with what `actor` wrote to it by the requests of `basis`.
// When that is another than `now`, it has `now` beside it.
// ETAG_MISMATCH when this node finds no such revision: it has not come here, or was changed by an erasure or the closing of a log; or
// would take too long to find.
absl::StatusOr<Loaded> AtBasis(const node::Node& node, const records::RecordType& type, const std::string& name, const std::string& etag,
                               const Basis& basis, std::string_view actor, Loaded now);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_BASIS_H_
