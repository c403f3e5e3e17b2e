// Answers a question from the index and the records.
//
// The index says where to look. What it names is read from the store as it is, and put to the same question once more: whatever no longer
// fits, or is withdrawn, is left out. So a result never tells what a record has said before.
//
// Thread safety: any thread. Ownership: values; borrows index and node for the call.

#ifndef FAIRLEAD_SERVER_SEARCH_FINDER_H_
#define FAIRLEAD_SERVER_SEARCH_FINDER_H_

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/node/node.h"
#include "server/search/search_index.h"
#include "server/search/terms.h"

namespace fairlead::search {

// No question is answered beyond so many results: it is to be put more narrowly.
inline constexpr size_t kResultsMax = 10'000;

// Where a result stands among all that a question has: heavier ones come first, then those whose `order`, the data of their document, is
// greater. No two are alike.
struct Place {
  uint64_t weight = 0;
  std::string order;
  uint64_t rank = 0;  // of the last one seen: how many came before it when it was
};

struct Part {
  std::string text;
  bool match = false;
};

struct Result {
  std::string name;
  const records::RecordType* type = nullptr;
  std::unique_ptr<google::protobuf::Message> record;
  Content content;
  std::vector<Part> snippet;
};

struct Answer {
  std::vector<Result> results;
  std::optional<Place> next;  // the place of the last result; nullopt when nothing follows
  Position indexed;           // of the journal, how far the index was; 0 while it is being built
};

// The `results_max` first that come after `after`. FIELD errors of QueryOf; UNAVAILABLE (INDEX_UNAVAILABLE) when the index cannot be read.
// `cancelled` is asked now and then: when true, the answer is as far as it got.
absl::StatusOr<Answer> Find(const node::Node& node, SearchIndex& index, const Question& question, const std::optional<Place>& after,
                            size_t results_max, const std::function<bool()>& cancelled);

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_FINDER_H_
