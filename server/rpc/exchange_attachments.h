// The attachments of what is released to a partner's nation.
//
// Thread safety: Register before the server starts; any thread after that. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_ATTACHMENTS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_ATTACHMENTS_H_

#include <absl/status/statusor.h>

#include <memory>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/receipt_book.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class ExchangeAttachments {
 public:
  ExchangeAttachments(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms)
      : node_(node), sealer_(sealer), pseudonyms_(pseudonyms), receipts_(node) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::ListReleasedAttachmentsResponse> List(const Call& call, const v1::ListReleasedAttachmentsRequest& request) const;
  absl::StatusOr<std::shared_ptr<Source>> Download(const Call& call, const v1::DownloadReleasedAttachmentRequest& request) const;
  // Those of the released record of that name. RECORD_NOT_FOUND, of `asked`, when the nation sees nothing of it.
  absl::StatusOr<std::vector<v1::ReleasedAttachment>> AttachmentsOf(const Call& call, const std::string& record,
                                                                    const std::string& asked) const;
  // How the released record is marked; empty when the nation does not see it.
  absl::StatusOr<std::string> MarkingOf(const Call& call, const std::string& record) const;

  const node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
  const ReceiptBook receipts_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_ATTACHMENTS_H_
