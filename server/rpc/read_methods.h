// Get and List of every record type.
//
// A page continues after a key, not after a count, so that a listing is stable while records are written; its cost follows the page and not
// the collection. Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_RPC_READ_METHODS_H_
#define FAIRLEAD_SERVER_RPC_READ_METHODS_H_

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/node/node.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/shown_records.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

// The page size of AIP-158: 50 when 0, at most 1,000; FIELD_INVALID when negative.
absl::StatusOr<int> PageSize(const google::protobuf::Message& request);

// Page tokens: where to go on, bound to the method and to every other field of the request but the page size. Open gives "" for the first
// page; PAGE_TOKEN_INVALID for a token of another listing.
std::string SealPageToken(const Sealer& sealer, std::string_view method, const google::protobuf::Message& request,
                          std::string_view position);
absl::StatusOr<std::string> OpenPageToken(const Sealer& sealer, std::string_view method, const google::protobuf::Message& request);

class ReadMethods {
 public:
  ReadMethods(const node::Node* node, const Sealer* sealer, ShownRecords* shown) : node_(node), sealer_(sealer), shown_(*shown) {}

  absl::StatusOr<MessagePtr> Get(const records::RecordType& type, const google::protobuf::Message& request) const;
  // `response` is the prototype of the reply.
  absl::StatusOr<MessagePtr> List(const records::RecordType& type, const Call& call, const google::protobuf::Message& request,
                                  const google::protobuf::Message& response) const;
  // Whether List can serve the request message: every filter of it has an index, or is the parent.
  static bool CanList(const records::RecordType& type, const google::protobuf::Descriptor& request);

 private:
  const node::Node* const node_;
  const Sealer* const sealer_;
  ShownRecords& shown_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_READ_METHODS_H_
