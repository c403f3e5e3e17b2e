// Attachments of a record, as releases name them.
//
// A release of a record names those of its attachments that go with it as values of a field "attachments": the ids of the values of their
// SHA-256. So the one rule by which releases combine (release.h) decides on them, and an attachment that is added later is another value,
// which no earlier approval covers. What a nation is told of one is of the very revision that brought the value.
//
// Thread safety: pure functions of a view. Ownership: values.

#ifndef FAIRLEAD_SERVER_EXCHANGE_ATTACHMENTS_H_
#define FAIRLEAD_SERVER_EXCHANGE_ATTACHMENTS_H_

#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <vector>

#include "fairlead/v1/attachment.pb.h"
#include "server/exchange/release.h"
#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead::exchange {

// One value of an attachment's SHA-256, and what its revision says beside it.
struct NamedAttachment {
  std::string name;            // of the attachment
  std::string value_id;        // node::ValueIdText
  v1::Attachment told;         // file_name, media_type, size_bytes and sha256 alone
  std::string file_name_json;  // as values are shown
  Subject subject;             // the attachment's own marking, and whether it is withdrawn
};

// All of the record, by file name, then name.
absl::StatusOr<std::vector<NamedAttachment>> AttachmentsOf(const node::Node& node, const storage::View& view, const std::string& record);

// Those of `all` that `nation` sees when it sees `sight` of the record by `grants`: named by all that allow it, and not guarded more.
std::vector<const NamedAttachment*> SeenAttachments(const std::vector<NamedAttachment>& all, const std::vector<Grant>& grants,
                                                    const Sight& sight, const Subject& record, const std::string& nation,
                                                    const Groups& groups, const std::string& today);

}  // namespace fairlead::exchange

#endif  // FAIRLEAD_SERVER_EXCHANGE_ATTACHMENTS_H_
