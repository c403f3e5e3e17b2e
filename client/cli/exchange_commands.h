// Releases to partner nations, for officers; and the partner's door, for a partner's identity.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

struct ReleaseArguments {
  std::string subject;  // a record, or a release, `releases/{id}`
  std::vector<std::string> nations;
  std::vector<std::string> groups;
  std::vector<std::string> fields;
  std::vector<std::string> replaces;
  std::string purpose;
  std::string until;  // "2027-12-31"
  std::string request_id;
  bool outstanding = false;
  bool publication = false;  // as if the record were PUBLIC, in place of a release
  int64_t limit = 0;         // 0: all
};
// Who would see what of a record, or of a release.
absl::Status RunReleasePreview(Session& session, const ReleaseArguments& arguments);
// Proposes what the preview shows.
absl::Status RunReleasePropose(Session& session, const ReleaseArguments& arguments);
absl::Status RunReleaseRecalls(Session& session, const ReleaseArguments& arguments);

struct ExchangeArguments {
  std::string name;
  std::string kind;  // "facility"
  std::string record;
  std::string subject;
  std::string text;
  std::string request_id;
  std::string file;
  int64_t limit = 0;  // 0: all
};
absl::Status RunExchangeList(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeGet(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeWithdrawals(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeAcknowledge(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeSuggest(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeSuggestions(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeAsk(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeQuestion(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeReceipts(Session& session, const ExchangeArguments& arguments);
// Writes a receipt, or the proof that the log of `name`, a checkpoint's file, only grew, for `fairlead verify`.
absl::Status RunExchangeReceipt(Session& session, const ExchangeArguments& arguments);
absl::Status RunExchangeConsistency(Session& session, const ExchangeArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_
