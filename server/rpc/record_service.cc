#include "server/rpc/record_service.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/bytes.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "server/node/materialise.h"
#include "server/rpc/erasure_methods.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/read_rights.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kResumePurpose = "watch";
constexpr size_t kJournalBatch = 256;        // entries read at once
constexpr size_t kPendingRecordsMax = 4096;  // records of those entries, unless one entry has more
// Looked at for one message. Where nothing of it is to be told, the reader is given a heartbeat and his new position.
constexpr int kBatchesPerMessage = 16;
constexpr int kSnapshotKeysPerMessage = 4096;
constexpr int kEventsMax = 1000;             // in one message
constexpr size_t kMessageBytes = 256 << 10;  // after which none is added to it

// Where a watch stands.
//
//   position := instance:bytes position:u64 phase:u8 [key]        phase 1: the snapshot has sent every name up to `key`
struct WatchPosition {
  Position journal;
  bool snapshot = false;
  std::string key;
};

std::string EncodePosition(const std::string& instance, const WatchPosition& at) {
  std::string out;
  PutBytes(&out, instance);
  PutU64(&out, at.journal.value());
  PutU8(&out, at.snapshot ? 1 : 0);
  if (at.snapshot) out.append(at.key);
  return out;
}

std::string TokenFor(const node::Node& node, const Sealer& sealer, const WatchPosition& at) {
  return sealer.Seal(kResumePurpose, EncodePosition(node.JournalInstance(), at));
}

// An event, or a heartbeat, in wire form.
struct Found {
  std::shared_ptr<const std::string> bytes;  // null: there is nothing to tell now
  bool heartbeat = false;
};

std::string EncodedEvent(const records::RecordType& type, const Shown& shown, std::string token, const std::string& site, bool snapshot) {
  v1::WatchRecordsResponse event;
  event.set_collection(type.collection());
  event.mutable_record()->set_type_url("type.googleapis.com/" + type.prototype->GetDescriptor()->full_name());
  event.mutable_record()->set_value(shown.bytes);
  event.set_resume_token(std::move(token));
  event.set_snapshot(snapshot);
  event.set_site(site);
  return event.SerializeAsString();
}

}  // namespace

// One feed. First the records in the order of their names, when asked; then the journal.
class RecordService::Watch : public JournalFeed {
 public:
  Watch(RecordService* service, std::set<std::string> collections, std::string parent, int events_max, WatchPosition start)
      : JournalFeed(&service->feeds_),
        service_(service),
        node_(service->node_),
        collections_(std::move(collections)),
        parent_(std::move(parent)),
        events_max_(events_max),
        at_(std::move(start)) {}

 private:
  Position Seen() const override { return at_.journal; }
  MessagePtr Heartbeat() override {
    auto event = std::make_unique<v1::WatchRecordsResponse>();
    event->set_resume_token(Token());
    return event;
  }

  std::string Token() const { return TokenFor(*node_, *service_->sealer_, at_); }

  bool Wanted(std::string_view name) const {
    const records::RecordType* type = node_->registry().FindByName(name);
    if (type == nullptr || !collections_.contains(type->collection())) return false;
    return parent_.empty() || name == parent_ || (name.starts_with(parent_) && name[parent_.size()] == '/');
  }

  absl::StatusOr<MessagePtr> Find() override {
    static const auto* const following = v1::WatchRecordsResponse::descriptor()->FindFieldByName("following");
    if (!failed_.ok()) return failed_;
    Budget budget;
    absl::StatusOr<Found> found = FindOne(&budget);
    if (!found.ok()) return found.status();
    if (found->bytes == nullptr) return nullptr;
    auto message = std::make_unique<v1::WatchRecordsResponse>();
    message->ParsePartialFromString(*found->bytes);
    size_t bytes = found->bytes->size();
    for (int events = 1; !found->heartbeat && events < events_max_ && bytes < kMessageBytes; ++events) {
      found = FindOne(&budget);
      if (!found.ok()) failed_ = found.status();  // told once what was found is
      if (!found.ok() || found->bytes == nullptr || found->heartbeat) break;
      AddEncoded(following, *found->bytes, message.get());
      bytes += found->bytes->size();
    }
    return message;
  }

  struct Budget {
    int batches = kBatchesPerMessage;
    int keys = kSnapshotKeysPerMessage;
  };

  absl::StatusOr<Found> FindOne(Budget* budget) {
    if (at_.snapshot) {
      absl::StatusOr<Found> found = NextOfSnapshot(budget);
      if (!found.ok() || found->bytes != nullptr) return found;
    }
    for (;;) {
      while (!pending_.empty()) {
        const Change next = std::move(pending_.front());
        pending_.pop_front();
        at_.journal = next.after;
        absl::StatusOr<std::shared_ptr<const std::string>> told = service_->Tell(next);
        if (!told.ok()) return told.status();
        return Found{*std::move(told)};
      }
      at_.journal = read_to_ = std::max(read_to_, at_.journal);
      if (budget->batches-- == 0) return Beat();
      absl::StatusOr<bool> grew = ReadBatch();
      if (!grew.ok()) return grew.status();
      if (!*grew) return Found();
    }
  }

  Found Beat() { return {std::make_shared<std::string>(Heartbeat()->SerializeAsString()), /*heartbeat=*/true}; }

  // The record with the least name after at_.key; nothing when there is none, and the journal is next.
  absl::StatusOr<Found> NextOfSnapshot(Budget* budget) {
    // Reads the store as it is, not a snapshot that a slow reader would keep alive: what changes meanwhile is in the journal after
    // at_.journal.
    const std::unique_ptr<storage::Iterator> it = node_->store().Iterate(storage::Cf::kRecords, at_.key.empty() ? parent_ : at_.key + '\0',
                                                                         parent_.empty() ? "" : storage::PrefixEnd(parent_));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      at_.key = std::string(it->key());
      if (Wanted(at_.key)) {
        const records::RecordType& type = *node_->registry().FindByName(at_.key);
        const absl::StatusOr<std::shared_ptr<const Shown>> shown = service_->shown_.Find(node_->store(), type, at_.key);
        if (!shown.ok()) return shown.status();
        if (*shown == nullptr) continue;
        return Found{std::make_shared<std::string>(EncodedEvent(type, **shown, Token(), "", /*snapshot=*/true))};
      }
      if (--budget->keys == 0) return Beat();
    }
    if (!it->status().ok()) return it->status();
    at_.snapshot = false;
    at_.key.clear();
    return Found();
  }

  // Takes the next entries of the journal into pending_: each record once, at its last change among them. False at the end of the journal.
  absl::StatusOr<bool> ReadBatch() {
    const auto entries = service_->tail_.Read(read_to_, kJournalBatch);
    if (!entries.ok()) return entries.status();
    if (entries->empty()) return false;
    std::vector<Change> changes;
    for (const std::shared_ptr<const JournalTail::Entry>& entry : *entries) {
      ++read_to_;
      for (const std::string& record : entry->records) {
        if (Wanted(record)) changes.push_back({record, entry->site, entry->position});
      }
      if (changes.size() >= kPendingRecordsMax) break;
    }
    std::map<std::string, size_t> last;
    for (size_t i = 0; i < changes.size(); ++i) last[changes[i].name] = i;
    for (size_t i = 0; i < changes.size(); ++i) {
      Change& change = changes[i];
      if (last[change.name] != i) continue;
      // Until the last record of an entry has been sent, a resumed watch starts with that entry again.
      const bool last_of_entry = i + 1 == changes.size() || changes[i + 1].after != change.after;
      pending_.push_back({std::move(change.name), std::move(change.site), last_of_entry ? change.after + 1 : change.after});
    }
    return true;
  }

  RecordService* const service_;
  node::Node* const node_;
  const std::set<std::string> collections_;  // those asked for, all of which the caller may read
  const std::string parent_;                 // empty: all
  const int events_max_;
  // Touched by whoever looks for the next event.
  WatchPosition at_;
  Position read_to_ = at_.journal;  // the journal before it is in pending_ or done with
  std::deque<Change> pending_;
  absl::Status failed_;  // what ends the stream after what is being sent
};

absl::StatusOr<std::shared_ptr<const std::string>> RecordService::Tell(const Change& change) {
  const records::RecordType* type = node_->registry().FindByName(change.name);
  const absl::StatusOr<std::shared_ptr<const Shown>> shown = shown_.Find(node_->store(), *type, change.name);
  if (!shown.ok()) return shown.status();
  if (*shown == nullptr) {
    v1::WatchRecordsResponse gone;
    gone.set_collection(type->collection());
    gone.set_gone(change.name);
    gone.set_resume_token(TokenFor(*node_, *sealer_, {change.after}));
    gone.set_site(change.site);
    return std::make_shared<const std::string>(gone.SerializeAsString());
  }
  const size_t place = absl::HashOf(change.after.value(), change.name) % kToldKept;
  {
    absl::MutexLock lock(&mu_);
    const std::shared_ptr<const Told>& told = told_[place];
    if (told != nullptr && told->shown.lock() == *shown && told->change == change)
      return std::shared_ptr<const std::string>(told, &told->bytes);
  }
  auto told = std::make_shared<Told>();
  told->change = change;
  told->shown = *shown;
  told->bytes = EncodedEvent(*type, **shown, TokenFor(*node_, *sealer_, {change.after}), change.site, /*snapshot=*/false);
  const bool kept = told->bytes.size() <= kToldBytesMax;
  absl::MutexLock lock(&mu_);
  if (kept && (told_[place] == nullptr || told_[place]->change.after <= change.after)) told_[place] = told;
  return std::shared_ptr<const std::string>(told, &told->bytes);
}

RecordService::RecordService(node::Node* node, const Sealer* sealer, ShownRecords* shown, absl::Duration heartbeat)
    : node_(node), sealer_(sealer), shown_(*shown), tail_(node), feeds_(node, heartbeat) {}

void RecordService::Register(Dispatcher* dispatcher) {
  dispatcher->Unary<v1::ListRevisionsRequest, v1::ListRevisionsResponse>(
      "fairlead.v1.RecordService/ListRevisions",
      [this](const Call& call, const v1::ListRevisionsRequest& request) { return ListRevisions(call, request); });
  dispatcher->HandleStream("fairlead.v1.RecordService/WatchRecords",
                           [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& request) {
                             return WatchRecords(*call, static_cast<const v1::WatchRecordsRequest&>(request));
                           });
}

absl::StatusOr<std::shared_ptr<Source>> RecordService::WatchRecords(const Call& call, const v1::WatchRecordsRequest& request) {
  std::set<std::string> collections(request.collections().begin(), request.collections().end());
  for (const std::string& collection : collections) {
    const records::RecordType* type = node_->registry().FindByCollection(collection);
    if (type == nullptr) return FieldError(Reason::kFieldInvalid, "collections", "there is no collection '" + collection + "'");
    if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
  }
  if (collections.empty()) collections = ReadableCollections(call, node_->registry());
  if (!request.parent().empty()) {
    const records::RecordType* type = node_->registry().FindByName(request.parent());
    if (type == nullptr) return FieldError(Reason::kFieldInvalid, "parent", "is not the name of a record");
    if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
  }
  if (request.events_max() < 0) return FieldError(Reason::kFieldInvalid, "events_max", "must not be negative");
  WatchPosition start{node_->JournalEnd(), request.snapshot(), ""};
  if (!request.resume_token().empty()) {
    const std::optional<std::string> content = sealer_->Open(kResumePurpose, request.resume_token());
    if (!content) return FieldError(Reason::kFieldInvalid, "resume_token", "is not a resume token of this network");
    Reader reader(*content);
    const std::string_view instance = reader.Bytes();
    start.journal = Position(reader.U64());
    start.snapshot = reader.U8() == 1;
    start.key = std::string(reader.Fixed(reader.left()));
    // A member of a site that has not come as far as the one that gave the token goes on when it has.
    if (instance != node_->JournalInstance()) {
      return Error(Reason::kResumeTokenForeign, "the resume token is of another journal: ask for a snapshot");
    }
  }
  return std::make_shared<Watch>(this, std::move(collections), request.parent(), std::clamp(request.events_max(), 1, kEventsMax),
                                 std::move(start));
}

absl::StatusOr<v1::ListRevisionsResponse> RecordService::ListRevisions(const Call& call, const v1::ListRevisionsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const records::RecordType* type = node_->registry().FindByName(request.name());
  if (type == nullptr) return FieldError(Reason::kFieldInvalid, "name", "is not the name of a record");
  if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(*view, request.name());
  if (!state.ok()) return state.status();
  if (!state->has_value()) return NotFound(request.name());

  v1::ListRevisionsResponse response;
  const std::string prefix = request.name() + '\0';
  const std::unique_ptr<storage::Iterator> it =
      view->Iterate(storage::Cf::kRevisions, prefix, position->empty() ? storage::PrefixEnd(prefix) : *position);
  std::string last;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    if (response.revisions_size() == *page_size) {
      response.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    last = std::string(it->key());
    Reader key(std::string_view(last).substr(prefix.size()));
    const Hlc time(key.U64());
    const Dot dot = storage::ReadDot(&key);
    Reader value(it->value());
    const uint64_t index = value.Varint();
    if (!key.Done() || !value.Done()) return Error(Reason::kStoreDamaged, "a revision's key is damaged");

    v1::Revision* revision = response.add_revisions();
    revision->set_entry(EntryName(node_->roster(), dot));
    revision->set_site(SiteName(node_->roster(), dot.log));
    SetTimestamp(TimeOf(time), revision->mutable_time());
    const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(*node_, dot);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value()) {
      absl::StatusOr<std::optional<v1::Erasure>> erasure = ErasureAt(*node_, *view, dot);
      if (!erasure.ok()) return erasure.status();
      if (erasure->has_value() && MayRead(call, node_->registry(), **erasure)) *revision->mutable_erasure() = **std::move(erasure);
      continue;
    }
    if (index >= (*payload)->mutations.size()) continue;
    revision->set_actor((*payload)->actor);
    revision->set_method((*payload)->method);
    if (IsErasure(**payload)) {
      if (const absl::StatusOr<Erasure> erasure = ErasureIn(**payload); erasure.ok()) {
        revision->set_erases(EntryName(node_->roster(), erasure->entry));
      }
      continue;
    }
    for (const Op& op : (*payload)->mutations[index].ops) {
      const auto* field = type->prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(op.field));
      v1::FieldChange* change = revision->add_changes();
      change->set_field(field == nullptr ? std::to_string(op.field) : field->name());
      if (field != nullptr && op.has_value) change->set_value(node::ValueJson(*type, field, op.value));
      change->set_replaced(static_cast<int32_t>(op.replaces.size()));
    }
  }
  if (!it->status().ok()) return it->status();
  return response;
}

}  // namespace fairlead::rpc
