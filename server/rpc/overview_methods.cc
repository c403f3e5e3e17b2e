#include "server/rpc/overview_methods.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/deterministic.h"
#include "api/steady_event.h"
#include "server/node/derived.h"
#include "server/rpc/read_rights.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kMadeMax = 16;  // requests whose answers are shared

using Types = std::vector<const records::RecordType*>;

Types UnreadableTypes(const Call& call, const records::Registry& registry) {
  Types types;
  for (const records::RecordType& type : registry.types()) {
    if (!MayRead(call, type)) types.push_back(&type);
  }
  return types;
}

// Takes the conflicts in records of these types out of the figures. There are few: it reads each.
absl::Status LeaveOutConflicts(const node::Node& node, const Types& types, v1::Overview* overview) {
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  for (const records::RecordType* type : types) {
    const std::string lower = node::IndexPrefix(node::kConflictsByCollection, type->collection());
    const std::unique_ptr<storage::Iterator> it = view->Iterate(storage::Cf::kIndexes, lower, storage::PrefixEnd(lower));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const std::string conflict(it->key().substr(it->key().rfind('\0') + 1));
      const std::string record = conflict.substr(0, conflict.rfind("/conflicts/"));
      const absl::StatusOr<std::optional<Loaded>> loaded = Load(node, *view, *type, record);
      if (!loaded.ok()) return loaded.status();
      if (!loaded->has_value() || IsWithdrawn(*(*loaded)->message)) continue;
      const std::string site = SiteName(node.roster(), node::SpanOf((*loaded)->state).first.log);
      for (v1::SiteOverview& each : *overview->mutable_sites()) {
        if (each.site() == site) each.set_conflicts(each.conflicts() - 1);
      }
      if (overview->has_conflicts()) overview->mutable_conflicts()->set_count(overview->conflicts().count() - 1);
    }
    if (!it->status().ok()) return it->status();
  }
  return absl::OkStatus();
}

}  // namespace

class OverviewMethods::Watch : public JournalFeed {
 public:
  Watch(OverviewMethods* methods, v1::GetOverviewRequest request, Types unreadable)
      : JournalFeed(&methods->feeds_), methods_(methods), request_(std::move(request)), unreadable_(std::move(unreadable)) {}

 private:
  absl::StatusOr<MessagePtr> Find() override {
    const Position end = methods_->node_->JournalEnd();
    if (seen_ && *seen_ == end) return nullptr;
    seen_ = end;
    return Make();
  }
  Position Seen() const override { return *seen_; }
  absl::Time RestUntil(absl::Time last_sent) const override { return seen_ ? last_sent + kIntervalMin : absl::InfinitePast(); }
  // Null ends in Find, which makes one: an error is told there.
  MessagePtr Heartbeat() override {
    absl::StatusOr<MessagePtr> made = Make();
    if (made.ok()) return *std::move(made);
    seen_.reset();
    return nullptr;
  }

  absl::StatusOr<MessagePtr> Make() const {
    absl::StatusOr<v1::Overview> overview = methods_->Shared(request_);
    if (!overview.ok()) return overview.status();
    if (absl::Status left = LeaveOutConflicts(*methods_->node_, unreadable_, &*overview); !left.ok()) return left;
    return std::make_unique<v1::Overview>(*std::move(overview));
  }

  OverviewMethods* const methods_;
  const v1::GetOverviewRequest request_;
  const Types unreadable_;
  std::optional<Position> seen_;  // the journal before it has been told
};

OverviewMethods::OverviewMethods(node::Node* node, view::OverviewOptions options, absl::Duration heartbeat)
    : node_(node), options_(std::move(options)), feeds_(node, heartbeat) {}

absl::StatusOr<v1::Overview> OverviewMethods::Shared(const v1::GetOverviewRequest& request) {
  const std::string key = DeterministicBytes(request);
  absl::MutexLock lock(&mu_);
  const absl::Time now = SteadyNow();
  const Position journal = node_->JournalEnd();
  const auto found = made_.find(key);
  if (found != made_.end() && found->second.journal == journal && now - found->second.time < kIntervalMin) return found->second.overview;
  absl::StatusOr<v1::Overview> overview = view::OverviewOf(*node_, options_, request);
  if (!overview.ok()) return overview;
  if (found == made_.end() && made_.size() >= kMadeMax) made_.clear();
  made_.insert_or_assign(key, Made{journal, now, *overview});
  return overview;
}

void OverviewMethods::Register(Dispatcher* dispatcher) {
  dispatcher->Unary<v1::GetOverviewRequest, v1::Overview>(
      "fairlead.v1.OverviewService/GetOverview",
      [this](const Call& call, const v1::GetOverviewRequest& request) -> absl::StatusOr<v1::Overview> {
        absl::StatusOr<v1::Overview> overview = view::OverviewOf(*node_, options_, request);
        if (!overview.ok()) return overview;
        if (absl::Status left = LeaveOutConflicts(*node_, UnreadableTypes(call, node_->registry()), &*overview); !left.ok()) return left;
        return overview;
      });
  dispatcher->Unary<v1::ListCountryOverviewsRequest, v1::ListCountryOverviewsResponse>(
      "fairlead.v1.OverviewService/ListCountryOverviews", [this](const Call&, const v1::ListCountryOverviewsRequest& request) {
        return view::ListCountryOverviews(*node_, options_, request);
      });
  dispatcher->HandleStream(
      "fairlead.v1.OverviewService/WatchOverview",
      [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& message) -> absl::StatusOr<std::shared_ptr<Source>> {
        const auto& watch = static_cast<const v1::WatchOverviewRequest&>(message);
        v1::GetOverviewRequest request;
        *request.mutable_sections() = watch.sections();
        request.set_months(watch.months());
        return std::make_shared<Watch>(this, std::move(request), UnreadableTypes(*call, node_->registry()));
      });
}

}  // namespace fairlead::rpc
