// Reading whole collections of the node, for views that need every record of a few.
//
// Thread safety: as the node's. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_VIEW_RECORDS_H_
#define FAIRLEAD_SERVER_VIEW_RECORDS_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead::view {

// Calls `visit` with each record of a top collection, such as "assessments", in the order of names; withdrawn ones are left out.
absl::Status ForEachRecord(const node::Node& node, const storage::View& view, const std::string& collection,
                           const std::function<void(const google::protobuf::Message&)>& visit);

// All of them. REQUIRES: M is the type of the collection.
template <class M>
absl::StatusOr<std::vector<M>> AllRecords(const node::Node& node, const storage::View& view, const std::string& collection) {
  std::vector<M> all;
  const absl::Status read = ForEachRecord(
      node, view, collection, [&all](const google::protobuf::Message& record) { all.push_back(static_cast<const M&>(record)); });
  if (!read.ok()) return read;
  return all;
}

// Null when there is none, or it is withdrawn.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> FindRecord(const node::Node& node, const storage::View& view,
                                                                      const std::string& name);

// Names under `value` of an index whose sort key is in [first, last], in its order: at most `names_max`, withdrawn records left
// out.
absl::StatusOr<std::vector<std::string>> NamesInIndex(const node::Node& node, const storage::View& view, uint16_t index,
                                                      const std::string& value, const std::string& first, const std::string& last,
                                                      size_t names_max);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_RECORDS_H_
