// The receipts of partner nations: what a nation submitted and was sent, in the log that this site keeps for that nation alone (rule 22 of
// api/PROTOCOL.md).
//
// A submission's receipt is written with what it makes, all or nothing. A revision's receipt is written when it is first sent, before it is
// sent: what a nation holds, it can prove. A revision that was sent before costs one look and no entry. A delivery's receipt has the
// SHA-256 of what was sent, and not the content: all sites hold it, whatever the record's audience, and it outlives a recall or an erasure.
//
// A nation whose log the roster does not name is served without receipts.
//
// Thread safety: any thread. Ownership: borrows the node, which answers every write before it is destroyed.

#ifndef FAIRLEAD_SERVER_RPC_RECEIPT_BOOK_H_
#define FAIRLEAD_SERVER_RPC_RECEIPT_BOOK_H_

#include <absl/status/status.h>

#include <functional>
#include <string>
#include <vector>

#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/partner_receipt.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

// A larger submission is refused. The largest that can be valid is a visit of 100 delegates, all in characters of four bytes: 253 KiB.
inline constexpr size_t kSubmissionBytesMax = 256 << 10;
inline constexpr size_t kReceiptsPerEntryMax = 64;  // of deliveries

// Who is sent something.
struct Recipient {
  std::string nation;  // alpha2
  std::string system;  // "partner/JP/registry"
  std::string method;
};
Recipient RecipientOf(const Call& call);

// One thing that is sent.
struct Delivered {
  std::string record;    // as the nation knows it
  std::string revision;  // its etag; of an attachment the SHA-256 of `content`; of a withdrawal its recall time
  std::string marking;   // "OFFICIAL"
  std::string message_type;
  std::string content;  // the message's bytes
};
Delivered DeliveredOf(const v1::ReleasedRecord& record);
Delivered DeliveredOf(const v1::Withdrawal& withdrawal);

// What a nation is told when something cannot be sent because its receipt cannot be written: not why.
absl::Status WithoutReceipt(const absl::Status& status);

class ReceiptBook {
 public:
  explicit ReceiptBook(node::Node* node) : node_(node) {}

  // Whether this site has a log of the nation's own.
  bool Keeps(const std::string& nation) const;
  // Adds the receipt of what the call submits to the write that it comes to; `about` is what it is about, as the nation knows it. When
  // the write would change nothing, `write` becomes that of the receipt alone. MESSAGE_TOO_LARGE.
  absl::Status AddSubmission(const Call& call, const std::string& about, node::WriteRequest* write) const;
  // Calls `done` when all that is sent has its receipt: at once when it had. Errors are the store's.
  void Deliver(const Recipient& to, std::vector<Delivered> sent, std::function<void(absl::Status)> done) const;

 private:
  class Delivery;

  Mutation MutationOf(const v1::PartnerReceipt& receipt, const std::string& name) const;
  v1::PartnerReceipt Begin(const std::string& nation, v1::PartnerReceiptKind kind, const std::string& method) const;

  node::Node* const node_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RECEIPT_BOOK_H_
