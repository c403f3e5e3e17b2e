#include "server/rpc/receipt_book.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "api/crypto.h"
#include "api/errors.h"
#include "api/ids.h"
#include "server/exchange/disclosure.h"
#include "server/node/materialise.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

constexpr int kTries = 3;  // another call may be sending the same at the same time

std::string RequestTypeOf(std::string method) {
  std::replace(method.begin(), method.end(), '/', '.');
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
  return descriptor == nullptr ? "" : descriptor->input_type()->full_name();
}

v1::Marking MarkingOf(const std::string& text) {
  v1::Marking marking = v1::MARKING_UNSPECIFIED;
  return v1::Marking_Parse("MARKING_" + text, &marking) ? marking : v1::MARKING_OFFICIAL;
}

}  // namespace

Recipient RecipientOf(const Call& call) { return {call.identity.scope, call.identity.path, call.method}; }

Delivered DeliveredOf(const v1::ReleasedRecord& record) {
  return {record.name(), record.etag(), record.marking(), record.GetTypeName(), record.SerializeAsString()};
}

Delivered DeliveredOf(const v1::Withdrawal& withdrawal) {
  return {withdrawal.name(), google::protobuf::util::TimeUtil::ToString(withdrawal.recall_time()), "OFFICIAL", withdrawal.GetTypeName(),
          withdrawal.SerializeAsString()};
}

absl::Status WithoutReceipt(const absl::Status& status) {
  if (ReasonOf(status) == ReasonName(Reason::kOverloaded)) return status;
  spdlog::warn("no receipt of what a nation would be sent can be kept: {}", std::string(status.message()));
  return Error(Reason::kNodeReadOnly, "this site cannot keep a receipt of what it would send now: try another");
}

bool ReceiptBook::Keeps(const std::string& nation) const { return node_->own_logs().contains(PartnerStream(nation)); }

v1::PartnerReceipt ReceiptBook::Begin(const std::string& nation, v1::PartnerReceiptKind kind, const std::string& method) const {
  v1::PartnerReceipt receipt;
  receipt.set_nation(exchange::NationOf(nation));
  receipt.set_kind(kind);
  receipt.set_method(method);
  SetTimestamp(node_->options().clock->Now(), receipt.mutable_time());
  return receipt;
}

Mutation ReceiptBook::MutationOf(const v1::PartnerReceipt& receipt, const std::string& name) const {
  const records::RecordType& type = *node_->registry().FindByMessage("PartnerReceipt");
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  for (const auto* field : FoldedFields(type)) {
    if (IsSet(receipt, field)) fields.push_back(field);
  }
  return node::MutationFor(type, name, nullptr, receipt, fields);
}

absl::Status ReceiptBook::AddSubmission(const Call& call, const std::string& about, node::WriteRequest* write) const {
  if (!Keeps(call.identity.scope)) return absl::OkStatus();
  if (call.submitted.size() > kSubmissionBytesMax) {
    return Error(Reason::kMessageTooLarge, "the request is too large", {{"bytes_max", std::to_string(kSubmissionBytesMax)}});
  }
  v1::PartnerReceipt receipt = Begin(call.identity.scope, v1::PARTNER_RECEIPT_KIND_SUBMISSION, call.method);
  receipt.set_marking(v1::MARKING_OFFICIAL);
  receipt.set_record(about);
  receipt.set_message_type(RequestTypeOf(call.method));
  receipt.set_content(call.submitted);
  const std::string id = CreatedRecordId(node_->roster().network(), fmt::format("{} at {}", call.identity.path, node_->options().site),
                                         "receipt of " + call.method, write->request_id);
  const std::string stream = PartnerStream(call.identity.scope);
  Mutation mutation = MutationOf(receipt, "partnerReceipts/" + id);
  if (write->mutations.empty()) {
    write->stream = stream;
    write->mutations.push_back(std::move(mutation));
    write->expectations.clear();
    return absl::OkStatus();
  }
  write->companions.push_back({stream, {std::move(mutation)}, call.method});
  return absl::OkStatus();
}

// One delivery, until all of it has its receipts.
class ReceiptBook::Delivery : public std::enable_shared_from_this<ReceiptBook::Delivery> {
 public:
  Delivery(const ReceiptBook& book, Recipient to, std::vector<Delivered> sent, std::function<void(absl::Status)> done)
      : book_(book), node_(*book.node_), to_(std::move(to)), sent_(std::move(sent)), done_(std::move(done)) {}

  // Writes what has none yet; from the caller's thread, or from that of the last answer.
  void Go() {
    std::vector<node::WriteRequest> writes;
    std::set<std::string> planned;
    for (const Delivered& each : sent_) {
      const std::string name = NameOf(each);
      const absl::StatusOr<std::optional<node::RecordState>> there = node_.GetState(node_.store(), name);
      if (!there.ok()) return done_(there.status());
      if (there->has_value() || !planned.insert(name).second) continue;
      if (writes.empty() || writes.back().mutations.size() == kReceiptsPerEntryMax) writes.push_back(EmptyWrite());
      writes.back().mutations.push_back(book_.MutationOf(ReceiptOf(each), name));
      writes.back().expectations.push_back({name, ""});
    }
    if (writes.empty()) return done_(absl::OkStatus());
    if (--tries_ < 0) return done_(Error(Reason::kOverloaded, "the same is being sent by other calls: try again"));
    {
      absl::MutexLock lock(&mu_);
      left_ = writes.size();
    }
    for (node::WriteRequest& write : writes) {
      node_.Write(std::move(write),
                  [self = shared_from_this()](const absl::StatusOr<node::WriteResult>& result) { self->Written(result.status()); });
    }
  }

 private:
  std::string NameOf(const Delivered& each) const {
    return "partnerReceipts/" + CreatedRecordId(node_.roster().network(), fmt::format("{} to {}", node_.options().site, to_.nation),
                                                "delivery of " + each.message_type, each.record + ' ' + each.revision);
  }

  v1::PartnerReceipt ReceiptOf(const Delivered& each) const {
    v1::PartnerReceipt receipt = book_.Begin(to_.nation, v1::PARTNER_RECEIPT_KIND_DELIVERY, to_.method);
    receipt.set_marking(MarkingOf(each.marking));
    receipt.set_record(each.record);
    receipt.set_revision(each.revision);
    receipt.set_message_type(each.message_type);
    const Digest digest = Sha256(each.content);
    receipt.set_content_sha256(std::string(AsView(digest)));
    return receipt;
  }

  node::WriteRequest EmptyWrite() const {
    node::WriteRequest write;
    write.actor = to_.system;
    write.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(node_.options().clock->Now())));
    const Digest digest = Sha256(write.request_id);
    std::copy_n(digest.begin(), write.request_digest.size(), write.request_digest.begin());
    write.method = to_.method;
    write.stream = PartnerStream(to_.nation);
    return write;
  }

  void Written(const absl::Status& status) {
    absl::Status error;
    {
      absl::MutexLock lock(&mu_);
      // Another call was first: what it did not write is written by the next try.
      if (!status.ok() && ReasonOf(status) != ReasonName(Reason::kRecordExists)) error_ = status;
      if (--left_ > 0) return;
      error = error_;
    }
    if (!error.ok()) return done_(error);
    Go();
  }

  const ReceiptBook& book_;
  node::Node& node_;
  const Recipient to_;
  const std::vector<Delivered> sent_;
  const std::function<void(absl::Status)> done_;
  int tries_ = kTries;  // touched by whoever goes
  absl::Mutex mu_;
  size_t left_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

void ReceiptBook::Deliver(const Recipient& to, std::vector<Delivered> sent, std::function<void(absl::Status)> done) const {
  if (sent.empty() || !Keeps(to.nation)) return done(absl::OkStatus());
  std::make_shared<Delivery>(*this, to, std::move(sent), std::move(done))->Go();
}

}  // namespace fairlead::rpc
