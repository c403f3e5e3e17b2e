#include "tests/simulation/members.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/node/log_book.h"
#include "storage/schema.h"
#include "storage/shared_log.h"
#include "tests/simulation/checks.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

using storage::Cf;

namespace {

constexpr char kOperators[] = "operators";
constexpr absl::Duration kLookInterval = absl::Milliseconds(200);
constexpr int kElectionSteps = 8;  // some of which etcd does not answer
constexpr absl::Duration kElectionSlack = absl::Seconds(1);
constexpr absl::Duration kFutureBound = absl::Seconds(5);  // NodeOptions::future_bound

Position EndOf(const storage::View& store) { return node::LogBook(store).JournalEnd().value_or(Position(0)); }

absl::Duration StepInterval(absl::Duration ttl) { return ttl / 5; }

}  // namespace

MemberSite::MemberSite(World* world, Random random, std::string site, const Plant* plant)
    : world_(*world),
      random_(std::move(random)),
      site_(std::move(site)),
      plant_(plant != nullptr && plant->members ? plant : nullptr),
      keys_(fmt::format("fairlead/sim.example/{}/", site_)),
      ttl_(random_.Between(absl::Milliseconds(500), absl::Seconds(2))),
      trim_interval_(random_.Between(absl::Milliseconds(500), absl::Seconds(5))),
      attempts_max_(static_cast<int>(1 + random_.Below(6))),
      heartbeat_interval_(random_.Between(absl::Milliseconds(500), absl::Seconds(4))),
      model_(&world->schedule(), random_.Fork(), random_.Between(absl::ZeroDuration(), ttl_)),
      operators_(model_.NewHandle(kOperators)),
      instance_(random_.Bytes(16)) {
  model_.set_observer([this](const std::string& caller, const auto& changes) { Observe(caller, changes); });
}

void MemberSite::Fail(const std::string& what) { world_.Fail(site_ + ": " + what); }

void MemberSite::Add(Site* machine) {
  MemberMachine& mine = machine->machine;
  mine.name = std::string(1, static_cast<char>('a' + machines_.size()));
  machine->label = machine->name + "." + mine.name;
  machine->members = this;
  mine.way = model_.NewHandle(mine.name);
  if (plant_ != nullptr && plant_->etcd) mine.planted = plant_->etcd(mine.way, mine.name);
  mine.etcd = mine.planted ? mine.planted.get() : mine.way;
  machines_.push_back(machine);
}

void MemberSite::Begin() {
  const auto done = [this](const absl::Status& status) {
    if (!status.ok()) Fail("the log is not made: " + std::string(status.message()));
  };
  done(etcd::EtcdCommitLog::Create(operators_, {.prefix = keys_.prefix, .member = kOperators}, instance_, Position(0)));
  for (const Site* machine : machines_) {
    done(etcd::EtcdCommitLog::Admit(operators_, {.prefix = keys_.prefix, .member = machine->machine.name}));
  }
  world_.schedule().After(kLookInterval, [this] { Look(); });
}

Site* MemberSite::Find(const std::string& member) const {
  const auto found = std::find_if(machines_.begin(), machines_.end(), [&](const Site* site) { return site->machine.name == member; });
  return found == machines_.end() ? nullptr : *found;
}

Seq MemberSite::SizeOf(LogId log) const {
  const auto found = appended_.find(log);
  return Seq(found == appended_.end() ? 0 : found->second.size());
}

// --- Processes --------------------------------------------------------------------------------------------------------------------

// As server/membership.cc does.
bool MemberSite::Prepare(Site& site) {
  const std::unique_ptr<storage::Store> store = site.disk.Open();
  const auto held = store->Get(Cf::kMeta, storage::kMetaJournalInstance);
  if (held.ok() && held->has_value()) return true;
  const etcd::EtcdLogOptions options{.prefix = keys_.prefix, .member = site.machine.name, .attempts_max = attempts_max_};
  // Found twice: the log may be trimmed before the member is admitted.
  for (const bool admitted : {false, true}) {
    const auto begins = etcd::EtcdCommitLog::Find(site.machine.etcd, options);
    if (!begins.ok()) return false;
    if (begins->first > Position(0)) {
      Replace(site, nullptr);
      return false;
    }
    if (!admitted && !etcd::EtcdCommitLog::Admit(site.machine.etcd, options).ok()) return false;
  }
  const auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, storage::kMetaJournalInstance, instance_);
  batch->Put(Cf::kMeta, storage::kMetaSharedLog, storage::kSharedLogMade);
  if (!store->Write(batch.get(), storage::Sync::kYes).ok()) return false;
  site.machine.lost = false;  // etcd has it all
  return !site.disk.cut();
}

void MemberSite::Configure(Site& site, node::NodeOptions* options) {
  options->heartbeat_interval = heartbeat_interval_;
  options->commit_log = [this, &site](storage::Store* store) -> absl::StatusOr<std::unique_ptr<node::CommitLog>> {
    auto opened = etcd::EtcdCommitLog::Open(site.machine.etcd,
                                            {.prefix = keys_.prefix,
                                             .member = site.machine.name,
                                             .attempts_max = attempts_max_,
                                             .random_bytes = [this](size_t n) { return random_.Bytes(n); }},
                                            store);
    if (!opened.ok()) return opened.status();
    site.machine.log = opened->get();
    if (plant_ != nullptr && plant_->commit_log) return plant_->commit_log(*std::move(opened), store);
    return *std::move(opened);
  };
}

void MemberSite::OnStart(Site& site) {
  node::Node* const node = site.node.get();
  MemberMachine& mine = site.machine;
  mine.durable = node->JournalEnd();
  mine.led = mine.wake_due = false;
  mine.member = std::make_unique<etcd::Member>(
      mine.etcd, mine.log,
      etcd::Member::Options{
          .leadership = {.prefix = keys_.prefix, .member = mine.name, .address = mine.name, .ttl = ttl_, .attempts_max = attempts_max_},
          .may_lead = [node] { return node->CanLead(); },
          .now = [node] { return node->WallTime(); },
          .durable = [node] { return node->JournalEnd(); },
          .wake = [node] { node->Wake(); },
          .trim_interval = trim_interval_});
  world_.schedule().After(random_.Between(absl::ZeroDuration(), StepInterval(ttl_)),
                          [this, &site, life = site.life] { Steps(site, life); });
}

void MemberSite::Steps(Site& site, uint64_t life) {
  if (site.life != life) return;
  // Its first step takes as long as etcd does, and whatever else waited goes on meanwhile.
  const absl::Duration first = random_.Between(absl::ZeroDuration(), StepInterval(ttl_));
  if (world_.Defer(site, [this, &site, life, first] { world_.schedule().After(first, [=, this, &site] { Steps(site, life); }); })) return;
  Step(site, life);
  if (site.life != life) return;
  world_.schedule().After(StepInterval(ttl_), [this, &site, life] { Steps(site, life); });
}

void MemberSite::Step(Site& site, uint64_t life) {
  site.machine.member->Step();
  if (world_.EndIfCut(site) || site.life != life) return;
  if (const bool leads = world_.Leads(site); std::exchange(site.machine.led, leads) != leads) {
    world_.trace().Add("{} {} in term {}", site.label, leads ? "leads" : "leads no more", site.machine.log->Term());
    world_.OnLeadChanged(site);
  }
  world_.ScheduleCommit(site);
}

void MemberSite::LoseDisk(Site& site) {
  world_.Stop(site, /*silent=*/false);
  site.disk.Restore(storage::MemoryStore());
  site.machine.lost = site.restored = true;
  site.machine.durable = Position(0);
}

bool MemberSite::MayLose(const Site& site) const {
  return std::none_of(machines_.begin(), machines_.end(), [&](const Site* each) { return each != &site && each->machine.lost; });
}

bool MemberSite::Replace(Site& site, const storage::MemoryStore* older) {
  const etcd::EtcdLogOptions options{.prefix = keys_.prefix, .member = site.machine.name};
  // The log is kept from where it begins now, before the copy is made.
  if (!etcd::EtcdCommitLog::Admit(operators_, options).ok()) return false;
  std::shared_ptr<const storage::MemoryStore> made;
  if (older == nullptr || EndOf(*older) < first_) {
    for (const Site* other : machines_) {
      if (other == &site || other->node == nullptr || other->disk.failed() || world_.Asleep(*other)) continue;
      if (other->node->JournalEnd() >= first_) made = other->disk.Copy();
    }
    if (made == nullptr) return false;
    older = made.get();
  }
  world_.trace().Add("{} is given a copy with {} entries", site.label, EndOf(*older).value());
  world_.Restore(site, *older);
  site.machine.durable = EndOf(*older);
  site.machine.lost = false;
  return true;
}

void MemberSite::Heal() {
  model_.SetTrouble(0);
  model_.SetMajority(true);
  model_.Disarm();
  for (Site* machine : machines_) machine->machine.way->set_way(EtcdModel::Way::kOpen);
}

bool MemberSite::TakesWrites() const {
  const auto leading = std::count_if(machines_.begin(), machines_.end(), [this](const Site* each) { return world_.Leads(*each); });
  return leading == 1 && std::any_of(machines_.begin(), machines_.end(),
                                     [](const Site* each) { return each->node != nullptr && each->node->UnwritableReason().empty(); });
}

void MemberSite::Look() {
  const absl::Time now = world_.schedule().now();
  for (const Site* machine : machines_) {
    const bool able = machine->node != nullptr && !world_.Asleep(*machine) && model_.has_majority() && !model_.full() &&
                      machine->machine.way->way() == EtcdModel::Way::kOpen && machine->node->CanLead();
    if (able) {
      able_since_.try_emplace(machine->number, now);
    } else {
      able_since_.erase(machine->number);
    }
  }
  if (model_.Has(keys_.leader())) {
    leaderless_since_.reset();
  } else if (!leaderless_since_) {
    leaderless_since_ = now;
  }
  if (leaderless_since_) {
    const absl::Duration bound = kElectionSteps * StepInterval(ttl_) + kElectionSlack;
    for (const auto& [number, since] : able_since_) {
      if (now - std::max(since, *leaderless_since_) <= bound) continue;
      return Fail(fmt::format("nobody leads for {} ms, and {} could", absl::ToInt64Milliseconds(now - *leaderless_since_),
                              world_.sites()[number]->label));
    }
  }
  world_.schedule().After(kLookInterval, [this] { Look(); });
}

// --- What etcd has ever had -------------------------------------------------------------------------------------------------------

void MemberSite::Observe(const std::string& caller, const std::vector<etcd::pb::RequestOp>& changes) {
  bool appended = false, leader = false;
  for (const etcd::pb::RequestOp& op : changes) {
    if (op.has_request_delete_range()) {
      const etcd::pb::DeleteRangeRequest& range = op.request_delete_range();
      leader |= range.key() == keys_.leader();
      if (!range.key().starts_with(keys_.batches())) continue;
      const auto first = keys_.PositionOf(range.range_end());
      ObserveTrim(first.ok() ? *first : Position(journal_.size()));
      continue;
    }
    const std::string& key = op.request_put().key();
    if (key.starts_with(keys_.batches())) ObserveBatch(op.request_put().value());
    appended |= key == keys_.tail();
    leader |= key == keys_.leader();
    if (key == keys_.fence()) {
      elected_ = caller;
      ++elections_;
    }
  }
  if (appended && caller != kOperators && caller != elected_) Fail(fmt::format("{} appends, and {} was elected", caller, elected_));
  if (!appended && !leader) return;
  for (Site* machine : machines_) {
    if (machine->node != nullptr) WakeBy(*machine, leader);
  }
}

void MemberSite::ObserveBatch(const std::string& value) {
  const auto packed = etcd::DecodePacked(value);
  if (!packed.ok()) return Fail("a batch of the log is damaged");
  if (packed->first.value() != journal_.size()) {
    return Fail(fmt::format("a batch is at position {} of the log, which ends at {}", packed->first.value(), journal_.size()));
  }
  for (const node::JournalItem& item : packed->items) {
    journal_.push_back(item.dot);
    if (item.header.empty()) {
      // Its payload came late, once.
      if (!late_.insert(item.dot).second) Fail(fmt::format("the payload of entry {} is in the log twice", Show(item.dot)));
      continue;
    }
    const Site& writer = *Find(elected_);
    const auto bound = Hlc::FromMillis(static_cast<uint64_t>(absl::ToUnixMillis(writer.clock.Now() + kFutureBound)));
    const auto header = DecodeHeader(item.header);
    if (!clocks_jumped_ && header.ok() && !Owns(writer, item.dot.log) && header->time > bound) {
      return Fail(fmt::format("entry {} of the future is in the log", Show(item.dot)));
    }
    std::vector<absl::Time>& times = appended_[item.dot.log];
    if (item.dot.seq.value() != times.size()) {
      return Fail(fmt::format("entry {}/{} is in the log where {} entries come before it", item.dot.log.value(), item.dot.seq.value(),
                              times.size()));
    }
    times.push_back(world_.schedule().now());
  }
}

void MemberSite::ObserveTrim(Position first) {
  ++trims_;
  first_ = std::max(first_, first);
  world_.trace().Add("{}: the log begins at {}", site_, first_.value());
  for (const Site* machine : machines_) {
    if (machine->machine.lost || machine->machine.durable >= first_) continue;
    Fail(fmt::format("the log is trimmed to position {}, and {} has no more than {}", first_.value(), machine->label,
                     machine->machine.durable.value()));
  }
}

// A watch wakes soon, late, twice or never; each step of a member wakes it too.
void MemberSite::WakeBy(Site& site, bool leader) {
  const uint64_t dice = random_.Below(24);
  if (dice < 4 || site.machine.wake_due) return;
  const absl::Duration most = dice < 6 ? absl::Seconds(3) : absl::Milliseconds(20);
  site.machine.wake_due = true;
  world_.schedule().After(random_.Between(absl::Microseconds(100), most),
                          [this, &site, life = site.life, leader] { Wake(site, life, leader); });
  if (dice < 8) {
    world_.schedule().After(random_.Between(absl::Microseconds(100), absl::Seconds(1)),
                            [this, &site, life = site.life] { Wake(site, life, /*leader=*/true); });
  }
}

void MemberSite::Wake(Site& site, uint64_t life, bool leader) {
  if (site.life != life) return;
  site.machine.wake_due = false;
  if (world_.Asleep(site)) return;  // its next step makes good for it
  if (leader) return Step(site, life);
  site.node->Wake();
  world_.ScheduleCommit(site);
}

}  // namespace fairlead::simulation
