#include "server/rpc/overview_methods.h"

#include <absl/time/clock.h>

#include <memory>
#include <optional>
#include <utility>

#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kMadeMax = 16;  // requests whose answers are shared

}  // namespace

class OverviewMethods::Watch : public JournalFeed {
 public:
  Watch(OverviewMethods* methods, v1::GetOverviewRequest request)
      : JournalFeed(&methods->feeds_), methods_(methods), request_(std::move(request)) {}

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
    return std::make_unique<v1::Overview>(*std::move(overview));
  }

  OverviewMethods* const methods_;
  const v1::GetOverviewRequest request_;
  std::optional<Position> seen_;  // the journal before it has been told
};

OverviewMethods::OverviewMethods(node::Node* node, view::OverviewOptions options, absl::Duration heartbeat)
    : node_(node), options_(std::move(options)), feeds_(node, heartbeat) {}

absl::StatusOr<v1::Overview> OverviewMethods::Shared(const v1::GetOverviewRequest& request) {
  const std::string key = DeterministicBytes(request);
  absl::MutexLock lock(&mu_);
  const absl::Time now = absl::Now();
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
      [this](const Call&, const v1::GetOverviewRequest& request) { return view::OverviewOf(*node_, options_, request); });
  dispatcher->Unary<v1::ListCountryOverviewsRequest, v1::ListCountryOverviewsResponse>(
      "fairlead.v1.OverviewService/ListCountryOverviews", [this](const Call&, const v1::ListCountryOverviewsRequest& request) {
        return view::ListCountryOverviews(*node_, options_, request);
      });
  dispatcher->HandleStream(
      "fairlead.v1.OverviewService/WatchOverview",
      [this](const std::shared_ptr<Call>&, const google::protobuf::Message& message) -> absl::StatusOr<std::shared_ptr<Source>> {
        const auto& watch = static_cast<const v1::WatchOverviewRequest&>(message);
        v1::GetOverviewRequest request;
        *request.mutable_sections() = watch.sections();
        request.set_months(watch.months());
        return std::make_shared<Watch>(this, std::move(request));
      });
}

}  // namespace fairlead::rpc
