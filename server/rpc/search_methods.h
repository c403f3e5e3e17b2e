// SearchService: finds records by their words.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server, and waits, when destroyed, for its
// waiters to be answered.

#ifndef FAIRLEAD_SERVER_RPC_SEARCH_METHODS_H_
#define FAIRLEAD_SERVER_RPC_SEARCH_METHODS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>

#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/search_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/waiting_room.h"
#include "server/search/search_index.h"

namespace fairlead::rpc {

class SearchMethods {
 public:
  SearchMethods(const node::Node* node, const Sealer* sealer, search::SearchIndex* index);
  ~SearchMethods();
  SearchMethods(const SearchMethods&) = delete;
  SearchMethods& operator=(const SearchMethods&) = delete;

  void Register(Dispatcher* dispatcher);
  // For GetNodeStatus.
  v1::SearchStatus Status() const;

 private:
  struct Asked;

  // Waits for the index to come to what the journal has: for one who presents a consistency token, until shortly before the deadline;
  // for others a moment, and then the answer is as the index is.
  void Search(const std::shared_ptr<Call>& call, const v1::SearchRequest& request, Reply reply);
  absl::StatusOr<Asked> Read(const Call& call, const v1::SearchRequest& request) const;
  absl::StatusOr<MessagePtr> Answer(const Call& call, const Asked& asked) const;

  const node::Node* const node_;
  const Sealer* const sealer_;
  search::SearchIndex* const index_;
  uint64_t listener_ = 0;
  WaitingRoom<Position> waiting_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_SEARCH_METHODS_H_
