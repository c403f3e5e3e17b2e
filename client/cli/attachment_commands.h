// Attachments: adding a file to a record, and getting one, each of which goes on where it was cut; for officers and for partners' systems.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "client/cli/session.h"

namespace fairlead::cli {

struct AttachmentArguments {
  std::string file;
  std::string subject;
  std::string title;
  std::string media_type;
  std::string marking;  // "sensitive"
  std::string name;     // of the attachment
  std::string output;   // a file; empty: the attachment's own file name, in the working folder
  std::string request_id;
  int64_t limit = 0;  // 0: all
};

// Uploads the file and attaches it. The same file that is attached to the subject already is not attached again, unless a request id is
// given.
absl::Status RunAttachmentAdd(Session& session, const AttachmentArguments& arguments);
absl::Status RunAttachmentGet(Session& session, const AttachmentArguments& arguments);

// The partner's: of a released record.
absl::Status RunExchangeAttachments(Session& session, const AttachmentArguments& arguments);
absl::Status RunExchangeDownload(Session& session, const AttachmentArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_
