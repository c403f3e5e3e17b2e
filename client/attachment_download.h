// Downloads of attachments to files, which go on where they were cut.
//
// Bytes go to `{path}.part` and become `path` once they are whole and have their SHA-256; what is in that file already is not fetched
// again.
//
// Thread safety: one thread at a time for one path. Ownership: borrows the client.

#ifndef FAIRLEAD_CLIENT_ATTACHMENT_DOWNLOAD_H_
#define FAIRLEAD_CLIENT_ATTACHMENT_DOWNLOAD_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>

#include "client/connection.h"
#include "fairlead/v1/attachment.pb.h"
#include "fairlead/v1/exchange_service.pb.h"

namespace fairlead::client {

// ALREADY_EXISTS when there is a file `path`; FAILED_PRECONDITION while the site has no bytes; DATA_LOSS when what
// came has another SHA-256, and then nothing is kept; errors of files name them. A connection that breaks is taken up again as long
// as it brings something.
absl::Status DownloadTo(const std::string& path, const fairlead::v1::Attachment& attachment, Client& client, const CallOptions& call = {},
                        Answer* answer = nullptr);
// The same by a partner's system.
absl::Status DownloadTo(const std::string& path, const fairlead::v1::ReleasedAttachment& attachment, Client& client,
                        const CallOptions& call = {}, Answer* answer = nullptr);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_ATTACHMENT_DOWNLOAD_H_
