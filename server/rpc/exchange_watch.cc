#include "server/rpc/exchange_watch.h"

#include <absl/time/clock.h>
#include <grpcpp/alarm.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/crypto.h"
#include "api/errors.h"
#include "server/exchange/disclosure.h"
#include "server/records/release.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;

constexpr size_t kJournalBatch = 256;  // entries read at once

std::string Purpose(const std::string& nation) { return "exchange watch " + nation; }

}  // namespace

// One feed. It is `Next`, or the alarm that ends a wait, that looks for the next response: one of them at a time.
class ExchangeWatches::Watch : public Source, public std::enable_shared_from_this<ExchangeWatches::Watch> {
 public:
  // `held`: the digest of what the caller holds; nullopt: nothing.
  Watch(ExchangeWatches* watches, std::string nation, std::optional<std::string> held)
      : watches_(watches), node_(watches->node_), nation_(std::move(nation)), held_(std::move(held)), last_sent_(absl::Now()) {}
  ~Watch() override {
    absl::MutexLock lock(&watches_->mu_);
    --watches_->open_;
  }

  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    {
      absl::MutexLock lock(&mu_);
      if (cancelled_) return;
      ready_ = std::move(ready);
    }
    Look();
  }

  void Cancel() override {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
    ready_ = nullptr;
    if (alarm_) alarm_->Cancel();
  }

  void Wake() {
    absl::MutexLock lock(&mu_);
    if (waiting_) alarm_->Cancel();
  }

 private:
  using Response = std::unique_ptr<v1::WatchReleasedRecordsResponse>;

  void Look() {
    absl::StatusOr<Response> response = Find();
    if (!response.ok()) return Send(response.status());
    if (*response != nullptr) return Send(std::move(*response));
    absl::MutexLock lock(&mu_);
    if (cancelled_) return;
    waiting_ = true;
    watches_->Sleeps(weak_from_this());
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(absl::ToChronoTime(last_sent_ + watches_->heartbeat_), [weak = weak_from_this()](bool expired) {
      if (auto self = weak.lock()) self->OnAlarm(expired);
    });
    // What was committed since the look has woken nobody.
    if (node_->JournalEnd() > journal_) alarm_->Cancel();
  }

  void OnAlarm(bool expired) {
    {
      absl::MutexLock lock(&mu_);
      waiting_ = false;
      if (cancelled_) return;
    }
    if (expired && Today() == day_) return Send(std::make_unique<v1::WatchReleasedRecordsResponse>());
    Look();
  }

  void Send(absl::StatusOr<MessagePtr> response) {
    std::function<void(absl::StatusOr<MessagePtr>)> ready;
    {
      absl::MutexLock lock(&mu_);
      if (cancelled_) return;
      ready = std::exchange(ready_, nullptr);
      last_sent_ = absl::Now();
    }
    ready(std::move(response));
  }

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
    response->set_resume_token(watches_->sealer_->Seal(Purpose(nation_), DigestOf(sent_)));
    return response;
  }

  // Null when there is nothing to send now.
  absl::StatusOr<Response> Find() {
    if (!started_) return Start();
    if (!walking_) {
      const absl::StatusOr<bool> concerned = Concerned();
      if (!concerned.ok()) return concerned.status();
      if (!*concerned) return nullptr;
      Begin();
    }
    absl::StatusOr<Response> found = Walk();
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
        absl::StatusOr<Response> next = Walk();
        if (!next.ok()) return next;
        if (*next == nullptr) break;
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

  // The next difference of the walk; null at its end.
  absl::StatusOr<Response> Walk() {
    // Reads the store as it is, not a snapshot that a slow reader would keep alive: what changes meanwhile is in the journal after
    // journal_.
    const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(*node_, node_->store(), *watches_->pseudonyms_, nation_);
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
      etag = (*record)->etag();
      changed_ = true;
      auto response = std::make_unique<v1::WatchReleasedRecordsResponse>();
      *response->mutable_record() = **std::move(record);
      return response;
    }
    for (const auto& [name, etag] : sent_) {
      if (seen_.contains(name)) continue;
      auto response = std::make_unique<v1::WatchReleasedRecordsResponse>();
      response->set_withdrawn(name);
      sent_.erase(name);
      changed_ = true;
      return response;
    }
    return nullptr;
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
        }
      }
    }
  }

  ExchangeWatches* const watches_;
  node::Node* const node_;
  const std::string nation_;
  const std::optional<std::string> held_;
  // Touched by whoever looks for the next response.
  std::map<std::string, std::string> sent_;  // etags by the name of what the caller holds
  bool started_ = false;
  bool walking_ = false;
  bool changed_ = false;  // something was sent since the last complete response
  bool passed_ = false;   // the walk is past the last record
  std::string cursor_;
  std::set<std::string> seen_;   // names that are visible, by this walk
  std::set<std::string> known_;  // subjects of approved releases to the nation
  Position journal_;             // looked at before it
  std::string day_;

  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time last_sent_ ABSL_GUARDED_BY(mu_);
  std::function<void(absl::StatusOr<MessagePtr>)> ready_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mu_);
};

ExchangeWatches::ExchangeWatches(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms, absl::Duration heartbeat)
    : node_(node), sealer_(sealer), pseudonyms_(pseudonyms), heartbeat_(heartbeat) {
  listener_ = node_->AddJournalListener([this](Position) {
    std::vector<std::weak_ptr<Watch>> asleep;
    {
      absl::MutexLock lock(&mu_);
      asleep.swap(asleep_);
    }
    for (const std::weak_ptr<Watch>& weak : asleep) {
      if (const std::shared_ptr<Watch> watch = weak.lock()) watch->Wake();
    }
  });
}

ExchangeWatches::~ExchangeWatches() {
  node_->RemoveJournalListener(listener_);
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(
      +[](int* open) { return *open == 0; }, &open_));
}

void ExchangeWatches::Sleeps(std::weak_ptr<Watch> watch) {
  absl::MutexLock lock(&mu_);
  // Without commits nobody is woken, but watches end and heartbeats put them here again.
  std::erase_if(asleep_, [&watch](const std::weak_ptr<Watch>& other) {
    return other.expired() || (!other.owner_before(watch) && !watch.owner_before(other));
  });
  asleep_.push_back(std::move(watch));
}

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
    held = sealer_->Open(Purpose(nation), request.resume_token());
    if (!held) return FieldError(Reason::kFieldInvalid, "resume_token", "is not a resume token of this nation");
  }
  absl::MutexLock lock(&mu_);
  ++open_;
  return std::make_shared<Watch>(this, nation, std::move(held));
}

}  // namespace fairlead::rpc
