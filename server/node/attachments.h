// What the records say of attachments' bytes: which are needed here, how many they are, and whom they are for.
//
// Thread safety: pure functions of a view. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_ATTACHMENTS_H_
#define FAIRLEAD_SERVER_NODE_ATTACHMENTS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/v1/attachment.pb.h"
#include "server/node/fold.h"
#include "storage/store.h"

namespace fairlead::node {

// The attachments that need these bytes: withdrawn ones too, but none whose subject's first revision is erased. DATA_LOSS when a record is
// damaged.
absl::StatusOr<std::vector<v1::Attachment>> AttachmentsWith(const storage::View& view, std::string_view sha256);
// Whether one of them, and its subject as it is now, is for the site. One with a value of a log in `maybe_erased` does not count.
absl::StatusOr<bool> BytesAreFor(const storage::View& view, std::string_view sha256, const std::string& site,
                                 const std::set<LogId>& maybe_erased);
// What the site that holds `view` says of its bytes.
absl::StatusOr<v1::BytesState> BytesStateOf(const storage::View& view, const v1::Attachment& attachment);
// The SHA-256 of the bytes of the record's attachments.
absl::StatusOr<std::vector<std::string>> ContentsOfSubject(const storage::View& view, std::string_view subject);
// The SHA-256 of a key in Cf::kIndexes; empty when it is of another index.
std::string_view ContentOfIndexKey(std::string_view key);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_ATTACHMENTS_H_
