#include "server/rpc/exchange_attachments.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"
#include "server/exchange/disclosure.h"
#include "server/node/attachments.h"
#include "server/node/contents.h"
#include "server/rpc/content_source.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;
using google::protobuf::Message;

constexpr std::string_view kAttachments = "/attachments/";

// Bytes that are sent once they have their receipt.
class Receipted : public Source, public std::enable_shared_from_this<Receipted> {
 public:
  Receipted(const ReceiptBook* receipts, Recipient to, Delivered sent, std::shared_ptr<Source> bytes)
      : receipts_(*receipts), to_(std::move(to)), sent_(std::move(sent)), bytes_(std::move(bytes)) {}

  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    if (kept_) return bytes_->Next(std::move(ready));
    receipts_.Deliver(to_, {sent_}, [self = shared_from_this(), ready = std::move(ready)](const absl::Status& kept) {
      if (!kept.ok()) return ready(WithoutReceipt(kept));
      self->kept_ = true;
      self->bytes_->Next(ready);
    });
  }
  void Cancel() override { bytes_->Cancel(); }

 private:
  const ReceiptBook& receipts_;
  const Recipient to_;
  const Delivered sent_;
  const std::shared_ptr<Source> bytes_;
  bool kept_ = false;  // touched by one Next after the other
};

}  // namespace

void ExchangeAttachments::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Unary<v1::ListReleasedAttachmentsRequest, v1::ListReleasedAttachmentsResponse>(
      service + "ListReleasedAttachments",
      [this](const Call& call, const v1::ListReleasedAttachmentsRequest& request) { return List(call, request); });
  dispatcher->HandleStream(service + "DownloadReleasedAttachment", [this](const std::shared_ptr<Call>& call, const Message& request) {
    return Download(*call, static_cast<const v1::DownloadReleasedAttachmentRequest&>(request));
  });
}

absl::StatusOr<std::vector<v1::ReleasedAttachment>> ExchangeAttachments::AttachmentsOf(const Call& call, const std::string& record,
                                                                                       const std::string& asked) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, *view, *pseudonyms_, exchange::NationOf(call.identity.scope));
  if (!disclosure.ok()) return disclosure.status();
  absl::StatusOr<std::optional<std::vector<v1::ReleasedAttachment>>> all = disclosure->Attachments(disclosure->SubjectOf(record));
  if (!all.ok()) return all.status();
  if (!all->has_value()) return NotFound(asked);
  return **std::move(all);
}

absl::StatusOr<std::string> ExchangeAttachments::MarkingOf(const Call& call, const std::string& record) const {
  const absl::StatusOr<Disclosure> disclosure =
      Disclosure::Open(*node_, node_->store(), *pseudonyms_, exchange::NationOf(call.identity.scope));
  if (!disclosure.ok()) return disclosure.status();
  const absl::StatusOr<std::optional<v1::ReleasedRecord>> seen = disclosure->Read(disclosure->SubjectOf(record));
  if (!seen.ok()) return seen.status();
  return seen->has_value() ? (*seen)->marking() : "";
}

absl::StatusOr<v1::ListReleasedAttachmentsResponse> ExchangeAttachments::List(const Call& call,
                                                                              const v1::ListReleasedAttachmentsRequest& request) const {
  if (request.parent().empty()) return FieldError(Reason::kFieldRequired, "parent", "is required");
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  // Of this nation and record: the last name that was given.
  const std::string purpose = fmt::format("exchange {} {} {}", call.identity.scope, call.method, request.parent());
  std::optional<std::string> last = "";
  if (!request.page_token().empty()) last = sealer_->Reveal(purpose, request.page_token());
  if (!last) return FieldError(Reason::kPageTokenInvalid, "page_token", "is not of this listing");
  const absl::StatusOr<std::vector<v1::ReleasedAttachment>> all = AttachmentsOf(call, request.parent(), request.parent());
  if (!all.ok()) return all.status();
  v1::ListReleasedAttachmentsResponse page;
  for (const v1::ReleasedAttachment& attachment : *all) {
    if (attachment.name() <= *last) continue;
    if (page.attachments_size() == *page_size) {
      page.set_next_page_token(sealer_->Hide(purpose, page.attachments(page.attachments_size() - 1).name()));
      break;
    }
    *page.add_attachments() = attachment;
  }
  return page;
}

absl::StatusOr<std::shared_ptr<Source>> ExchangeAttachments::Download(const Call& call,
                                                                      const v1::DownloadReleasedAttachmentRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const std::string record = request.name().substr(0, request.name().find(kAttachments));
  const absl::StatusOr<std::vector<v1::ReleasedAttachment>> all = AttachmentsOf(call, record, request.name());
  if (!all.ok()) return all.status();
  const auto found = std::find_if(all->begin(), all->end(), [&request](const auto& a) { return a.name() == request.name(); });
  if (found == all->end()) return NotFound(request.name());
  // That a record needs the bytes still: what is erased is on its way out of the store.
  const absl::StatusOr<std::vector<v1::Attachment>> needing = node::AttachmentsWith(node_->store(), found->sha256());
  if (!needing.ok()) return needing.status();
  const absl::StatusOr<std::optional<node::Content>> content = node::FindContent(node_->store(), found->sha256());
  if (!content.ok()) return content.status();
  if (needing->empty()) return BytesNotHere(v1::BYTES_STATE_ERASED);
  if (!content->has_value()) return BytesNotHere(v1::BYTES_STATE_AWAITED);
  absl::StatusOr<std::shared_ptr<Source>> bytes =
      StreamContent(node_->store(), **content, request.offset(), [](uint64_t offset, std::string data) -> MessagePtr {
        auto piece = std::make_unique<v1::DownloadReleasedAttachmentResponse>();
        piece->set_offset(static_cast<int64_t>(offset));
        piece->set_data(std::move(data));
        return piece;
      });
  if (!bytes.ok()) return bytes;
  absl::StatusOr<std::string> marking = MarkingOf(call, record);
  if (!marking.ok()) return marking.status();
  std::string described = found->SerializeAsString();
  const Digest digest = Sha256(described);
  Delivered sent{found->name(), HexEncode(AsView(digest)), *std::move(marking), found->GetTypeName(), std::move(described)};
  return std::make_shared<Receipted>(&receipts_, RecipientOf(call), std::move(sent), *std::move(bytes));
}

}  // namespace fairlead::rpc
