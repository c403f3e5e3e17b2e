// The comments of the API's proto files, for help texts: what a flag means is written once, where the field is.
//
// Thread safety: any thread. Ownership: the text lives as long as the process.

#ifndef FAIRLEAD_CLIENT_CLI_COMMENTS_H_
#define FAIRLEAD_CLIENT_CLI_COMMENTS_H_

#include <string>

namespace fairlead::cli {

// The comment on a message, field, method or enum value by its full name, such as "fairlead.v1.Port.country", on one line; empty when there
// is none.
std::string CommentOf(const std::string& full_name);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_COMMENTS_H_
