#include "server/rpc/exchange_watch.h"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/crypto.h"
#include "api/errors.h"
#include "server/exchange/disclosure.h"
#include "server/records/release.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;

constexpr size_t kJournalBatch = 256;  // entries read at once
// Records whose receipts are written at once: what waits for a reader meanwhile.
constexpr size_t kAheadMax = 32;
constexpr size_t kAheadBytesMax = 256 << 10;

std::string Purpose(const std::string& nation) { return "exchange watch " + nation; }

}  // namespace

class ExchangeWatches::Watch : public JournalFeed {
 public:
  // `held`: the digest of what the caller holds; nullopt: nothing.
  Watch(ExchangeWatches* watches, Recipient to, std::string nation, std::optional<std::string> held)
      : JournalFeed(&watches->feeds_),
        node_(watches->node_),
        sealer_(watches->sealer_),
        pseudonyms_(watches->pseudonyms_),
        receipts_(watches->receipts_),
        to_(std::move(to)),
        nation_(std::move(nation)),
        held_(std::move(held)) {}

 private:
  using Response = std::unique_ptr<v1::WatchReleasedRecordsResponse>;
  struct Found {
    Response response;
    std::string held;  // the etag of what the caller holds meanwhile; empty: nothing
  };

  Position Seen() const override { return journal_; }
  MessagePtr Heartbeat() override { return Today() == day_ ? std::make_unique<v1::WatchReleasedRecordsResponse>() : nullptr; }

  std::string Today() const { return exchange::DayOf(node_->options().clock->Now()); }

  std::string DigestOf(const std::map<std::string, std::string>& etags) const {
    std::string all;
    for (const auto& [name, etag] : etags) all += name + ' ' + etag + '\n';
    const Digest digest = Sha256(all);
    return std::string(AsView(digest));
  }

  Response Complete() const {
    auto response = std::make_unique<v1::WatchReleasedRecordsResponse>();
    response->set_complete(true);
    response->set_resume_token(sealer_->Hide(Purpose(nation_), DigestOf(sent_)));
    return response;
  }

  absl::StatusOr<MessagePtr> Find() override {
    if (!started_) return Start();
    if (!walking_) {
      const absl::StatusOr<bool> concerned = Concerned();
      if (!concerned.ok()) return concerned.status();
      if (!*concerned) return nullptr;
      Begin();
    }
    absl::StatusOr<Response> found = Ahead();
    if (!found.ok() || *found != nullptr) return found;
    walking_ = false;
    if (!changed_) return nullptr;
    changed_ = false;
    return Complete();
  }

  // The first response: that the caller holds all there is, or that all of it follows.
  absl::StatusOr<Response> Start() {
    started_ = true;
    Begin();
    if (held_) {
      while (true) {
        absl::StatusOr<Found> next = Walk();
        if (!next.ok()) return next.status();
        if (next->response == nullptr) break;
      }
      walking_ = changed_ = false;
      if (DigestOf(sent_) == *held_) return Complete();
      sent_.clear();
      Begin();
    }
    changed_ = true;  // an end is told even when there is nothing
    auto response = std::make_unique<v1::WatchReleasedRecordsResponse>();
    response->set_reset(true);
    return response;
  }

  void Begin() {
    walking_ = true;
    journal_ = node_->JournalEnd();
    day_ = Today();
    cursor_.clear();
    seen_.clear();
    known_.clear();
    passed_ = false;
  }

  // As Walk, some responses ahead: a receipt of its own for each record that is sent would be a commit for each.
  absl::StatusOr<Response> Ahead() {
    while (true) {
      if (ahead_.empty()) {
        const absl::StatusOr<bool> filled = Fill();
        if (!filled.ok()) return filled.status();
        if (!*filled) return nullptr;
        continue;
      }
      Found first = std::move(ahead_.front());
      ahead_.pop_front();
      const absl::StatusOr<bool> stands = Stands(*first.response);
      if (!stands.ok()) return stands.status();
      if (*stands) return std::move(first.response);
      PutBack(first);
    }
  }

  // Looks for what comes next, and leaves out what does not stand any more; the rest is to have its receipts. False at the walk's end.
  absl::StatusOr<bool> Fill() {
    std::deque<Found> found;
    for (size_t bytes = 0; found.size() < kAheadMax && bytes < kAheadBytesMax;) {
      absl::StatusOr<Found> next = Walk();
      if (!next.ok()) return next.status();
      if (next->response == nullptr) break;
      bytes += next->response->ByteSizeLong();
      found.push_back(*std::move(next));
    }
    for (Found& each : found) {
      const absl::StatusOr<bool> stands = Stands(*each.response);
      if (!stands.ok()) return stands.status();
      if (!*stands) {
        PutBack(each);
        continue;
      }
      unkept_.push_back(DeliveryOf(each));
      ahead_.push_back(std::move(each));
    }
    return !found.empty();
  }

  // What was found is not sent: the caller holds what it held. The next walk looks again, as what changed it is in the journal, and
  // this one does not.
  void PutBack(const Found& found) {
    const std::string& name = NameOf(*found.response);
    seen_.insert(name);
    if (found.held.empty()) {
      sent_.erase(name);
    } else {
      sent_[name] = found.held;
    }
  }

  static const std::string& NameOf(const v1::WatchReleasedRecordsResponse& response) {
    return response.has_record() ? response.record().name() : response.withdrawn();
  }

  static Delivered DeliveryOf(const Found& found) {
    if (found.response->has_record()) return DeliveredOf(found.response->record());
    return {found.response->withdrawn(), found.held, "OFFICIAL", found.response->GetTypeName(), found.response->SerializeAsString()};
  }

  // Whether what was found is so still: the reader may have been slow.
  absl::StatusOr<bool> Stands(const v1::WatchReleasedRecordsResponse& response) const {
    const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, node_->store(), *pseudonyms_, nation_);
    if (!disclosure.ok()) return disclosure.status();
    const absl::StatusOr<std::optional<v1::ReleasedRecord>> now = disclosure->Read(disclosure->SubjectOf(NameOf(response)));
    if (!now.ok()) return now.status();
    if (!response.has_record()) return !now->has_value();
    return now->has_value() && (*now)->etag() == response.record().etag();
  }

  void Settle(std::function<void(absl::Status)> settled) override {
    receipts_.Deliver(to_, std::exchange(unkept_, {}),
                      [settled = std::move(settled)](const absl::Status& kept) { settled(kept.ok() ? kept : WithoutReceipt(kept)); });
  }

  // The next difference of the walk; none at its end.
  absl::StatusOr<Found> Walk() {
    // Reads the store as it is, not a snapshot that a slow reader would keep alive: what changes meanwhile is in the journal after
    // journal_.
    const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, node_->store(), *pseudonyms_, nation_);
    if (!disclosure.ok()) return disclosure.status();
    while (!passed_) {
      absl::StatusOr<std::optional<std::string>> next = disclosure->Next(cursor_);
      if (!next.ok()) return next.status();
      if (!next->has_value()) {
        passed_ = true;
        break;
      }
      cursor_ = **std::move(next);
      known_.insert(cursor_);
      absl::StatusOr<std::optional<v1::ReleasedRecord>> record = disclosure->Read(cursor_);
      if (!record.ok()) return record.status();
      if (!record->has_value()) continue;
      seen_.insert((*record)->name());
      std::string& etag = sent_[(*record)->name()];
      if (etag == (*record)->etag()) continue;
      Found found{std::make_unique<v1::WatchReleasedRecordsResponse>(), std::exchange(etag, (*record)->etag())};
      changed_ = true;
      *found.response->mutable_record() = **std::move(record);
      return found;
    }
    for (const auto& [name, etag] : sent_) {
      if (seen_.contains(name)) continue;
      Found found{std::make_unique<v1::WatchReleasedRecordsResponse>(), etag};
      found.response->set_withdrawn(name);
      sent_.erase(name);
      changed_ = true;
      return found;
    }
    return Found();
  }

  // Whether what was committed since the walk began, or the end of a day, can have changed what the nation sees.
  absl::StatusOr<bool> Concerned() {
    if (Today() != day_) return true;
    while (true) {
      const absl::StatusOr<std::vector<Dot>> dots = node_->ReadJournal(journal_, kJournalBatch);
      if (!dots.ok()) return dots.status();
      if (dots->empty()) return false;
      for (const Dot& dot : *dots) {
        ++journal_;
        const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(*node_, dot);
        if (!payload.ok()) return payload.status();
        if (!payload->has_value()) continue;
        for (const Mutation& mutation : (*payload)->mutations) {
          // What discards an entry changes records that it does not name.
          for (const char* decisive : {"releases/", "partnerGroups/", "voids/"}) {
            if (mutation.record.starts_with(decisive)) return true;
          }
          if (known_.contains(records::SubjectOf(mutation.record))) return true;
          const absl::StatusOr<bool> shown = BecamePublic(mutation.record);
          if (!shown.ok() || *shown) return shown;
        }
      }
    }
  }

  // Whether the nation is shown the record by now without a release of it.
  absl::StatusOr<bool> BecamePublic(const std::string& record) const {
    const records::RecordType* type = node_->registry().FindByName(record);
    if (type == nullptr || records::PublicIndexOf(*type) == 0) return false;
    const absl::StatusOr<std::optional<exchange::SubjectRecord>> found = exchange::ReadSubject(*node_, node_->store(), record);
    if (!found.ok()) return found.status();
    return found->has_value() && exchange::IsPublicTo(*(*found)->message, nation_);
  }

  node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
  const ReceiptBook& receipts_;
  const Recipient to_;
  const std::string nation_;
  const std::optional<std::string> held_;
  // Touched by whoever looks for the next response.
  std::map<std::string, std::string> sent_;  // etags by the name of what the caller holds
  bool started_ = false;
  bool walking_ = false;
  bool changed_ = false;           // something was sent since the last complete response
  bool passed_ = false;            // the walk is past the last record
  std::deque<Found> ahead_;        // found, and not sent yet
  std::vector<Delivered> unkept_;  // of what was found, and has no receipt yet
  std::string cursor_;
  std::set<std::string> seen_;   // names that are visible, by this walk
  std::set<std::string> known_;  // subjects of approved releases to the nation
  Position journal_;             // looked at before it
  std::string day_;
};

ExchangeWatches::ExchangeWatches(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms, absl::Duration heartbeat)
    : node_(node), sealer_(sealer), pseudonyms_(pseudonyms), receipts_(node), feeds_(node, heartbeat) {}

void ExchangeWatches::Register(Dispatcher* dispatcher) {
  dispatcher->HandleStream("fairlead.v1.ExchangeService/WatchReleasedRecords",
                           [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& request) {
                             return Open(*call, static_cast<const v1::WatchReleasedRecordsRequest&>(request));
                           });
}

absl::StatusOr<std::shared_ptr<Source>> ExchangeWatches::Open(const Call& call, const v1::WatchReleasedRecordsRequest& request) {
  const std::string nation = exchange::NationOf(call.identity.scope);
  std::optional<std::string> held;
  if (!request.resume_token().empty()) {
    held = sealer_->Reveal(Purpose(nation), request.resume_token());
    if (!held) return FieldError(Reason::kFieldInvalid, "resume_token", "is not a resume token of this nation");
  }
  return std::make_shared<Watch>(this, RecipientOf(call), nation, std::move(held));
}

}  // namespace fairlead::rpc
