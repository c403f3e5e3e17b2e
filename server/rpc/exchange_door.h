// What the methods of ExchangeService have in common: the caller's nation, names and tokens of its own, records that it made, and writing
// in its name.
//
// A nation is told of its own records alone. What is absent, another's, or made by staff is NOT_FOUND in the same words.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_DOOR_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_DOOR_H_

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "google/type/date.pb.h"
#include "server/exchange/disclosure.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/limits.h"
#include "server/rpc/receipt_book.h"
#include "server/rpc/record_access.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

inline constexpr size_t kExchangePageBytesMax = 2 << 20;  // a page that grows larger ends early
inline constexpr int kUndecidedMax = 50;                  // requests of one kind that a nation may have waiting

// Records that nations' systems make, and the names by which they know them.
struct OwnKind {
  std::string_view message;  // "Proposal"
  std::string_view inside;   // "proposals/"
  std::string_view outside;  // "suggestions/"
  uint16_t index;            // by nation; sorted by name alone
};

// "countries/JP".
std::string NationOfCaller(const Call& call);
// Today, in UTC.
google::type::Date TodayOf(const node::Node& node);

class ExchangeDoor {
 public:
  using Names = std::function<std::string(const std::string& field)>;
  using Narrate = std::function<absl::StatusOr<MessagePtr>(const google::protobuf::Message& record)>;

  ExchangeDoor(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms, const WriteMethods* writes, Limits* limits)
      : node_(node), sealer_(sealer), pseudonyms_(pseudonyms), writes_(writes), limits_(*limits), receipts_(node) {}

  node::Node& node() const { return *node_; }
  const exchange::Pseudonyms& pseudonyms() const { return *pseudonyms_; }
  const WriteMethods& writes() const { return *writes_; }
  const ReceiptBook& receipts() const { return receipts_; }
  const records::RecordType& TypeOf(std::string_view message) const { return *node_->registry().FindByMessage(message); }
  absl::StatusOr<exchange::Disclosure> Disclose(const storage::View& view, const Call& call) const;

  // Page tokens of one nation and listing: the last name that was given. PAGE_TOKEN_INVALID for another's. `filter` tells listings of one
  // method apart.
  absl::StatusOr<std::string> OpenToken(const Call& call, const std::string& token, std::string_view filter = "") const;
  std::string SealToken(const Call& call, const std::string& last, std::string_view filter = "") const;

  // The caller's record of that outside name. FIELD_REQUIRED, NOT_FOUND.
  absl::StatusOr<Loaded> GetOwn(const storage::View& view, const Call& call, const OwnKind& kind, const std::string& name) const;
  // Gives a page of the caller's records to `add`, which answers how many bytes it made of each; the next page's token.
  using Add = std::function<absl::StatusOr<size_t>(const google::protobuf::Message& record)>;
  absl::StatusOr<std::string> EachOwn(const storage::View& view, const Call& call, const google::protobuf::Message& request,
                                      const OwnKind& kind, const Add& add) const;
  // LIMIT_REACHED when the nation has as many waiting as it may.
  absl::Status CheckUndecided(const storage::View& view, const Call& call, const OwnKind& kind) const;

  // The id of a record that the request creates.
  std::string NewId(const Call& call, const WriteMethods::Plan& plan) const;
  // Completes `plan` with a record that is new; its answer is the one that is there when it is not. Errors name fields by `names`.
  absl::StatusOr<WriteMethods::Plan> PlanNew(const records::RecordType& type, const std::string& name, MessagePtr record,
                                             const Names& names, WriteMethods::Plan plan) const;
  // Completes `plan` with `fields` of a record that was read. Not validated unless `names` is given.
  absl::StatusOr<WriteMethods::Plan> PlanChange(const storage::View& view, const records::RecordType& type, Loaded read, MessagePtr next,
                                                const std::vector<std::string>& fields, const Names& names, WriteMethods::Plan plan) const;
  // Writes the plan with the nation's receipt and answers with what `narrate` makes of the record. `about`: what the nation calls the
  // record that it is about. LIMIT_REACHED when the nation, or this system of it, may not have more kept today. `settles`: it acknowledges
  // or takes back what there is, which can be done once: that is kept whatever else is, unless it is larger than such a thing need be.
  void Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<WriteMethods::Plan> plan,
              const std::string& about, Narrate narrate, Reply reply, bool settles = false) const;
  // Answers with `response` once all that is sent with it has a receipt.
  void Deliver(const Call& call, std::vector<Delivered> sent, MessagePtr response, Reply reply) const;

 private:
  node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
  const WriteMethods* const writes_;
  Limits& limits_;
  const ReceiptBook receipts_;
};

// `name` with another first segment; empty when it does not start with `from`.
std::string Renamed(const std::string& name, std::string_view from, std::string_view to);
// What the nation calls the record that the plan makes; empty of no plan.
std::string AboutOf(const absl::StatusOr<WriteMethods::Plan>& plan, const OwnKind& kind);
// Fields under that of the request which holds them: "suggestion.text" of "text".
ExchangeDoor::Names Under(std::string field);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_DOOR_H_
