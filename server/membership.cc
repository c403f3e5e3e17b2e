#include "server/membership.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "server/node/licence.h"
#include "server/node/log_book.h"
#include "storage/schema.h"
#include "storage/shared_log.h"

namespace fairlead {
namespace {

using storage::Cf;

constexpr int kStepsOfLease = 5;
constexpr absl::Duration kWatchInterval = absl::Seconds(5);
constexpr absl::Duration kLookInterval = absl::Seconds(5);

std::unique_ptr<etcd::EtcdClient> ClientOf(const NodeConfig& config) {
  return std::make_unique<etcd::EtcdClient>(etcd::EtcdOptions{.endpoints = config.etcd.endpoints, .credentials = [files = config.etcd] {
                                                                return etcd::EtcdCredentials(files.ca, files.certificate, files.key);
                                                              }});
}

etcd::EtcdLogOptions LogOptionsOf(const NodeConfig& config, const std::string& member) {
  return {.prefix = fmt::format("fairlead/{}/{}/", config.network, config.site), .member = member};
}

absl::Status Put(storage::Store* store, std::string_view key, std::string_view value) {
  auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, key, value);
  return store->Write(batch.get(), storage::Sync::kYes);
}

// The value, or empty.
absl::StatusOr<std::string> Get(const storage::Store& store, std::string_view key) {
  auto value = store.Get(Cf::kMeta, key);
  if (!value.ok()) return value.status();
  return value->value_or("");
}

absl::Status NoLog(etcd::Etcd* etcd, const NodeConfig& config) {
  const auto ending = etcd::EtcdCommitLog::FindEnding(etcd, LogOptionsOf(config, config.member.name));
  if (!ending.ok()) return ending.status();
  if (*ending) {
    return absl::FailedPreconditionError(
        fmt::format("the log of site '{}' was ended on etcd at position {}: the site is on the machine of '{}' alone", config.site,
                    (*ending)->tail.position.value(), (*ending)->member));
  }
  return absl::FailedPreconditionError(
      fmt::format("etcd has no log of site '{}': `fairlead-node grow` makes it, on the machine that the site has been on", config.site));
}

// Has this member elected. Who led may have ended without having said so: then until his lease has.
absl::StatusOr<etcd::Fence> Elect(etcd::Etcd* etcd, const NodeConfig& config, const std::string& prefix) {
  const absl::Duration lease = absl::Seconds(config.etcd.lease_seconds);
  etcd::Leadership leadership(etcd, {.prefix = prefix, .member = config.member.name, .address = config.member.address, .ttl = lease});
  for (const absl::Time deadline = absl::Now() + 2 * lease;;) {
    const auto elected = leadership.Campaign();
    if (!elected.ok()) return elected.status();
    if (*elected) return **elected;
    if (absl::Now() >= deadline) {
      return absl::FailedPreconditionError(
          fmt::format("member '{}' leads site '{}': every node of the site must be stopped", leadership.leader(), config.site));
    }
    absl::SleepFor(lease / kStepsOfLease);
  }
}

}  // namespace

absl::Status Membership::RefuseMembersStore(const storage::Store& store) {
  const auto mark = Get(store, storage::kMetaSharedLog);
  if (!mark.ok()) return mark.status();
  if (mark->empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this store is of a member of a site of several machines: the configuration must have [member] and [etcd]");
}

absl::Status Membership::Grow(const NodeConfig& config, storage::Store* store, const std::vector<std::string>& members) {
  const auto mark = Get(*store, storage::kMetaSharedLog);
  if (!mark.ok()) return mark.status();
  const auto etcd = ClientOf(config);
  const etcd::EtcdLogOptions options = LogOptionsOf(config, config.member.name);
  if (mark->empty()) {
    // First of all: from now on this store does not write alone.
    if (absl::Status begun = Put(store, storage::kMetaSharedLog, storage::kSharedLogBegun); !begun.ok()) return begun;
  }
  if (*mark != storage::kSharedLogMade) {
    const auto instance = Get(*store, storage::kMetaJournalInstance);
    if (!instance.ok()) return instance.status();
    const auto end = node::LogBook(*store).JournalEnd();
    if (!end.ok()) return end.status();
    if (absl::Status made = etcd::EtcdCommitLog::Create(etcd.get(), options, *instance, *end); !made.ok()) return made;
    if (absl::Status marked = Put(store, storage::kMetaSharedLog, storage::kSharedLogMade); !marked.ok()) return marked;
  }
  for (const std::string& member : members) {
    if (absl::Status admitted = Admit(config, member); !admitted.ok()) return admitted;
  }
  return Admit(config, config.member.name);
}

absl::Status Membership::Admit(const NodeConfig& config, const std::string& member) {
  const auto etcd = ClientOf(config);
  const absl::Status admitted = etcd::EtcdCommitLog::Admit(etcd.get(), LogOptionsOf(config, member));
  return absl::IsNotFound(admitted) ? NoLog(etcd.get(), config) : admitted;
}

absl::Status Membership::Forget(const NodeConfig& config, const std::string& member) {
  return etcd::EtcdCommitLog::Forget(ClientOf(config).get(), LogOptionsOf(config, member));
}

absl::Status Membership::EndLog(const NodeConfig& config, node::NodeOptions options, std::unique_ptr<storage::Store> store) {
  const auto etcd = ClientOf(config);
  const etcd::EtcdLogOptions log_options = LogOptionsOf(config, config.member.name);
  etcd::EtcdCommitLog* log = nullptr;  // the node's
  options.commit_log = [&](storage::Store* s) -> absl::StatusOr<std::unique_ptr<node::CommitLog>> {
    auto opened = etcd::EtcdCommitLog::Open(etcd.get(), log_options, s);
    if (absl::IsNotFound(opened.status())) return NoLog(etcd.get(), config);
    if (!opened.ok()) return opened.status();
    log = opened->get();
    return *std::move(opened);
  };
  const auto node = node::Node::Open(std::move(options), std::move(store));
  if (!node.ok()) return node.status();
  const auto fence = Elect(etcd.get(), config, log_options.prefix);
  if (!fence.ok()) return fence.status();
  log->SetFence(*fence);
  // Reads the log to its end, and signs it.
  (*node)->Wake();
  (*node)->CommitOnce();
  if (const std::string reason = (*node)->UnwritableReason(); !reason.empty()) return absl::FailedPreconditionError(reason);
  return log->Finish();
}

absl::StatusOr<bool> Membership::LogEnded(const NodeConfig& config, storage::Store* store) {
  return etcd::EtcdCommitLog::FinishedWith(ClientOf(config).get(), LogOptionsOf(config, config.member.name), store);
}

absl::Status Membership::LeaveLog(const NodeConfig& config, const Roster& roster, storage::Store* store) {
  const RosterSite* site = roster.FindSite(config.site);
  if (site == nullptr) return absl::FailedPreconditionError(fmt::format("site '{}' is not in the roster", config.site));
  LogSizes held;
  std::string origin;
  for (const RosterLog* log : roster.CurrentLogs(site->id)) {
    const auto size = node::LogBook(*store).Size(log->id);
    if (!size.ok()) return size.status();
    held[log->origin()] = *size;
    if (log->stream == kMainStream) origin = log->origin();
  }
  const auto file = node::LicenceFileAt(config.licence);
  const absl::Status granted =
      node::LicenceKeeper::Grant({.file = file.get(), .origin = origin, .clock = &node::SystemClock()}, store, held);
  if (!granted.ok()) return granted;
  auto batch = store->NewBatch();
  storage::LeaveSharedLog(batch.get());
  return store->Write(batch.get(), storage::Sync::kYes);
}

Membership::Membership(const NodeConfig& config) : config_(config), etcd_(ClientOf(config)) {}

Membership::~Membership() { Stop(); }

absl::Status Membership::Prepare(storage::Store* store) {
  const auto held = Get(*store, storage::kMetaJournalInstance);
  if (!held.ok()) return held.status();
  const auto mark = Get(*store, storage::kMetaSharedLog);
  if (!mark.ok()) return mark.status();
  const auto begins = etcd::EtcdCommitLog::Find(etcd_.get(), LogOptionsOf(config_, config_.member.name));
  if (absl::IsNotFound(begins.status())) return NoLog(etcd_.get(), config_);
  if (!begins.ok()) return begins.status();
  if (*mark == storage::kSharedLogMade) return absl::OkStatus();
  if (!held->empty()) {
    return absl::FailedPreconditionError(
        "this store has been its site's alone: `fairlead-node grow` makes the site's log of it, or it is to be put aside, "
        "and this member to begin with a backup of another");
  }
  const auto trimmed = [this](Position first) {
    return absl::FailedPreconditionError(fmt::format(
        "etcd has the site's log from position {} on, and this store is empty: `fairlead-node admit {}`, then restore a backup here that "
        "another member makes after that",
        first.value(), config_.member.name));
  };
  if (begins->first > Position(0)) return trimmed(begins->first);
  // What this member may have said before, of a store that is gone, holds for this one no more.
  if (absl::Status admitted = Admit(config_, config_.member.name); !admitted.ok()) return admitted;
  const auto kept = etcd::EtcdCommitLog::Find(etcd_.get(), LogOptionsOf(config_, config_.member.name));
  if (!kept.ok()) return kept.status();
  if (kept->first > Position(0)) return trimmed(kept->first);
  auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, storage::kMetaJournalInstance, kept->journal_instance);
  batch->Put(Cf::kMeta, storage::kMetaSharedLog, storage::kSharedLogMade);
  return store->Write(batch.get(), storage::Sync::kYes);
}

absl::StatusOr<std::unique_ptr<node::CommitLog>> Membership::OpenLog(storage::Store* store) {
  auto opened = etcd::EtcdCommitLog::Open(etcd_.get(), LogOptionsOf(config_, config_.member.name), store);
  if (!opened.ok()) return opened.status();
  log_ = opened->get();
  return *std::move(opened);
}

void Membership::Start(node::Node* node, std::function<void()> on_change) {
  node_ = node;
  on_change_ = std::move(on_change);
  const etcd::Keys keys(log_->keys());
  member_ = std::make_unique<etcd::Member>(etcd_.get(), log_,
                                           etcd::Member::Options{.leadership = {.prefix = keys.prefix,
                                                                                .member = config_.member.name,
                                                                                .address = config_.member.address,
                                                                                .ttl = absl::Seconds(config_.etcd.lease_seconds)},
                                                                 .may_lead = [node] { return node->CanLead(); },
                                                                 .gives_way = [node] { return !node->ClockTrouble().empty(); },
                                                                 .now = [node] { return node->WallTime(); },
                                                                 .durable = [node] { return node->JournalEnd(); },
                                                                 .wake = [node] { node->Wake(); }});
  thread_ = std::thread([this] { Run(); });
  watches_.push_back(std::make_unique<etcd::EtcdWatch>(etcd_.get(), keys.tail(), kWatchInterval, [node] { node->Wake(); }));
  watches_.push_back(std::make_unique<etcd::EtcdWatch>(etcd_.get(), keys.leader(), kWatchInterval, [this] { woken_.Set(); }));
}

void Membership::Stop() {
  if (!thread_.joinable()) return;
  watches_.clear();
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  woken_.Set();
  thread_.join();
  member_->Leave();
}

void Membership::Run() {
  bool led = false;
  std::string leader;
  absl::Time looked = absl::InfinitePast();
  const absl::Duration interval = absl::Seconds(config_.etcd.lease_seconds) / kStepsOfLease;
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) return;
    }
    member_->Step();
    // Also when an append has found another leader.
    const bool changed = std::exchange(led, leads()) != leads();
    if (std::exchange(leader, leader_address()) != leader || changed) on_change_();
    if (SteadyNow() - looked >= kLookInterval) {
      looked = SteadyNow();
      LookAtEtcd();
    }
    woken_.Await(interval);
  }
}

void Membership::LookAtEtcd() {
  const auto health = etcd::ReadHealth(etcd_.get());
  std::string warning = health.ok() ? etcd::WarningOf(*health, int64_t{config_.etcd.quota_mebibytes} << 20)
                                    : fmt::format("etcd does not answer: {}", std::string(health.status().message()));
  if (warning.empty() && !node_->CanLead()) warning = "this member does not follow the site's log on etcd: its own log says why";
  // An etcd that does not answer is asked no more: the lease is renewed by this thread.
  auto durable = health.ok() ? log_->Members() : health.status();
  absl::MutexLock lock(&mu_);
  if (warning_ != warning && !warning.empty()) spdlog::warn("{}", warning);
  if (warning_ != warning && warning.empty()) spdlog::info("all is well with the site's log on etcd again");
  warning_ = warning;
  health_ = health.ok() ? std::optional(*health) : std::nullopt;
  if (durable.ok()) durable_ = *std::move(durable);
}

absl::Status Membership::Leads() const {
  if (leads()) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("member {} does not lead site {}", config_.member.name, config_.site));
}

std::string Membership::leader_address() const { return leads() ? "" : member_->leader_address(); }

std::string Membership::UnwritableReason(const node::Node& node) const {
  if (leads()) {
    const std::string reason = node.UnwritableReason();
    return reason.empty() ? node.ClockTrouble() : reason;
  }
  absl::MutexLock lock(&mu_);
  if (!health_ && !warning_.empty()) return warning_;  // whoever led, nobody can write
  return member_->leader().empty() ? "no member of the site is known to lead it" : "";
}

MembershipView Membership::View() const {
  MembershipView view{.name = config_.member.name, .leader = member_->leader(), .leader_address = member_->leader_address()};
  view.term = log_->Term();
  view.quota_bytes = int64_t{config_.etcd.quota_mebibytes} << 20;
  absl::MutexLock lock(&mu_);
  view.durable = durable_;
  view.health = health_;
  view.warning = warning_;
  return view;
}

}  // namespace fairlead
