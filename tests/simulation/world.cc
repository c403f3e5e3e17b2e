#include "tests/simulation/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"
#include "api/licence.h"
#include "api/note.h"
#include "server/records/types.h"

namespace fairlead::simulation {

namespace {

constexpr char kNetwork[] = "sim.example";
constexpr const char* kNames[] = {"apac", "eame", "csa", "hq", "arc", "med", "west"};

// What is drawn for a site of several machines, so that nothing else is drawn otherwise.
Random MemberRandom(Random copy) {
  copy.Below(1);
  return copy.Fork();
}

absl::Status Gone() { return absl::UnavailableError("the peer has gone"); }

// Lies outside the disk: it survives what happens there.
class MemoryLicence : public node::LicenceFile {
 public:
  explicit MemoryLicence(const std::string& origin)
      : text_(FormatLicence({.origin = origin, .unused_until = absl::FromUnixSeconds(1'000'000'000'000), .id = "", .size = {}})) {}
  std::string name() const override { return "licence"; }
  absl::StatusOr<std::optional<std::string>> Read() const override { return text_; }
  absl::Status Replace(const std::string& text) override {
    text_ = text;
    return absl::OkStatus();
  }

 private:
  std::string text_;
};

}  // namespace

World::World(Schedule* schedule, Trace* trace, Random random, size_t sites, size_t members, const Plant* plant)
    : schedule_(*schedule), trace_(*trace), random_(std::move(random)), member_random_(MemberRandom(random_)), liar_(random_.Fork()) {
  cosign_interval_ = random_.Between(absl::Seconds(1), absl::Seconds(5));
  delay_max_ = random_.Between(absl::Milliseconds(2), absl::Milliseconds(120));
  receiver_options_.heartbeat_interval = sender_options_.heartbeat_interval = absl::Seconds(1);
  receiver_options_.stall_timeout = sender_options_.stall_timeout = absl::Seconds(4);
  receiver_options_.dep_timeout = absl::Seconds(6);
  backoff_options_.max = absl::Seconds(2);
  // Small limits let the paths that only busy links take be taken by a few entries.
  if (random_.OneIn(2)) receiver_options_.credit_bytes = 1 + static_cast<int64_t>(random_.Below(20000));
  if (random_.OneIn(2)) sender_options_.frame_bytes_max = 1 + random_.Below(4000);
  if (random_.OneIn(2)) sender_options_.journal_chunk_max = 1 + random_.Below(20);
  if (random_.OneIn(2)) receiver_options_.batch_entries_max = 1 + random_.Below(8);
  if (random_.OneIn(4)) sender_options_.walk_items_max = 1 + random_.Below(8);
  MakeRoster(sites);
  if (members > 1) MakeMembers(members, plant);
  MakeTopology();
  if (plant != nullptr && !plant->members) {
    const size_t broken = random_.Below(sites);
    for (size_t i = 0; i < sites; ++i) {
      if (!plant->everywhere && i != broken) continue;
      sites_[i]->plant = plant;
      sites_[i]->disk.set_rewrite(plant->disk);
    }
  }
}

World::~World() {
  for (const auto& site : sites_) {
    if (site->node != nullptr) Stop(*site, /*silent=*/true);
  }
}

void World::MakeRoster(size_t count) {
  const SigningKey root = *SigningKey::FromSeed(random_.Bytes(32));
  std::vector<RosterSite> sites;
  std::vector<RosterLog> logs;
  std::vector<RosterCosigner> cosigners;
  for (size_t i = 0; i < count; ++i) {
    auto site = std::make_unique<Site>(&schedule_, random_.Fork());
    site->name = site->label = kNames[i];
    site->number = i;
    site->id = SiteId(static_cast<uint16_t>(i + 1));
    site->mirror_key = *SigningKey::FromSeed(random_.Bytes(32));
    site->clock.offset = random_.Between(-absl::Seconds(1), absl::Seconds(1));
    const std::string prefix = std::string(kNetwork) + "/" + site->name;
    site->licence = std::make_unique<MemoryLicence>(prefix + "/1/main");
    sites.push_back({site->id, site->name});
    cosigners.push_back(
        {site->id, note::Verifier::Make(prefix + "/mirror", note::kCosignatureV1, *VerifyKey::FromRaw(site->mirror_key->public_raw()))});
    sites_.push_back(std::move(site));
  }
  if (!random_.OneIn(4)) other_streams_ = {std::string(kAuditStream), PartnerStream("JP")};  // or a roster of main alone
  std::vector<std::string> streams = {std::string(kMainStream)};
  streams.insert(streams.end(), other_streams_.begin(), other_streams_.end());
  for (const std::string& stream : streams) {
    for (const auto& site : sites_) {
      const LogId id(static_cast<uint32_t>(logs.size() + 1));
      const SigningKey& key = site->log_keys.emplace(stream, *SigningKey::FromSeed(random_.Bytes(32))).first->second;
      logs.push_back({id, site->id, site->name, 1, stream,
                      note::Verifier::Make(std::string(kNetwork) + "/" + site->name + "/1/" + stream, note::kEd25519,
                                           *VerifyKey::FromRaw(key.public_raw()))});
      site->logs.emplace(stream, id);
      if (stream == kMainStream) site->log = id;
    }
  }
  const std::string root_name = std::string(kNetwork) + "/root";
  const std::string text = Roster::Text(kNetwork, 1, sites, logs, cosigners);
  roster_ = *Roster::Open(note::Format({text, {note::Sign(root_name, root, text)}}),
                          note::Verifier::Make(root_name, note::kEd25519, *VerifyKey::FromRaw(root.public_raw())));
}

void World::MakeMembers(size_t members, const Plant* plant) {
  Site& first = *sites_[member_random_.Below(sites_.size())];
  member_site_ = std::make_unique<MemberSite>(this, member_random_.Fork(), first.name, plant);
  for (size_t i = 0; i < members; ++i) {
    Site* machine = &first;
    if (i > 0) {
      machine = sites_.emplace_back(std::make_unique<Site>(&schedule_, member_random_.Fork())).get();
      machine->name = first.name;
      machine->number = sites_.size() - 1;
      machine->id = first.id;
      machine->log = first.log;
      machine->logs = first.logs;
      machine->log_keys = first.log_keys;
      machine->mirror_key = first.mirror_key;
    }
    machine->clock.offset = member_random_.Between(-MemberSite::kClockOffsetMax, MemberSite::kClockOffsetMax);
    machine->licence.reset();
    member_site_->Add(machine);
  }
  member_site_->Begin();
}

void World::Connect(size_t to, size_t from) {
  const auto machines_of = [this](size_t site) {
    std::vector<Site*> machines;
    for (const auto& each : sites_) {
      if (each->id == sites_[site]->id) machines.push_back(each.get());
    }
    return machines;
  };
  for (Site* machine : machines_of(to)) {
    auto link = std::make_unique<Link>();
    link->machines = machines_of(from);
    link->from = link->machines.front();
    link->backoff = std::make_unique<replication::Backoff>(backoff_options_, [this] { return random_.Uniform(); });
    link->info.peer = sites_[from]->name;
    machine->links.push_back(std::move(link));
  }
}

void World::MakeTopology() {
  const size_t n = roster_->sites().size();
  std::set<std::pair<size_t, size_t>> pairs;
  for (size_t i = 1; i < n; ++i) pairs.insert({random_.Below(i), i});
  const uint64_t more = 1 + random_.Below(4);  // one in `more` of the other pairs
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i + 1; j < n; ++j) {
      if (random_.OneIn(more)) pairs.insert({i, j});
    }
  }
  for (const auto& [a, b] : pairs) {
    Connect(a, b);
    Connect(b, a);
    trace_.Add("{} and {} are linked", sites_[a]->name, sites_[b]->name);
  }
}

std::vector<Site*> World::Leaves() const {
  std::vector<Site*> leaves;
  for (size_t i = 0; i < roster_->sites().size(); ++i) {
    if (sites_[i]->links.size() == 1) leaves.push_back(sites_[i].get());
  }
  return leaves;
}

void World::Fail(const std::string& what) {
  trace_.Add("FAILED: {}", what);
  failures_.push_back(what);
}

// --- Processes --------------------------------------------------------------------------------------------------------------------

void World::Start(Site& site) {
  if (site.node != nullptr) return;
  ++site.life;
  const auto start_later = [this, &site] {
    site.disk.PowerCycle();
    schedule_.After(random_.Between(absl::Milliseconds(100), absl::Seconds(3)), [this, &site] { Start(site); });
  };
  if (site.members != nullptr && !site.members->Prepare(site)) return start_later();
  node::NodeOptions options{.site = site.name, .roster = *roster_, .log_keys = site.log_keys, .mirror_key = *site.mirror_key};
  options.registry = &records::TheRegistry();
  options.clock = &site.clock;
  options.cosign_interval = cosign_interval_;
  options.heartbeat_interval = absl::Seconds(15);
  options.licence = site.licence.get();
  for (const auto& link : site.links) options.peers.push_back(link->from->name);
  options.random_bytes = [this](size_t n) { return random_.Bytes(n); };
  if (site.members != nullptr) site.members->Configure(site, &options);
  if (site.plant != nullptr && site.plant->options) site.plant->options(&options);
  auto node = node::Node::Open(std::move(options), site.disk.Open());
  // A disk that fails in the midst of opening: somebody tries again.
  if (site.disk.cut() || site.disk.failed() || ReasonOf(node.status()) == ReasonName(Reason::kStorageFull)) {
    if (node.ok()) node->reset();
    return start_later();
  }
  if (site.members != nullptr && absl::IsUnavailable(node.status())) return start_later();  // etcd does not answer
  if (!node.ok()) return Fail(fmt::format("{} does not start: {}", site.label, std::string(node.status().message())));
  site.node = *std::move(node);
  site.methods = std::make_unique<rpc::WriteMethods>(site.node.get(), nullptr);  // no client asks for more than LOCAL
  site.commit_due = site.completions_due = site.round_due = false;
  site.node->AddJournalListener([this, &site](Position) { ScheduleRound(site); });
  if (site.members != nullptr) site.members->OnStart(site);
  trace_.Add("{} starts with {} entries", site.label, site.node->JournalEnd().value());
  if (watcher_ != nullptr) watcher_->OnStart(site, std::exchange(site.restored, false));
  schedule_.After(random_.Between(absl::ZeroDuration(), tick_), [this, &site, life = site.life] { Tick(site, life); });
}

void World::Stop(Site& site, bool silent) {
  if (site.node == nullptr) return;
  trace_.Add("{} stops{}", site.label, silent ? " without a word" : "");
  ++site.life;
  const std::vector<std::shared_ptr<Stream>> streams = streams_;
  for (const auto& stream : streams) {
    if (stream->to == &site && stream->receiver) EndReceiver(stream, Gone(), !silent);
    if (stream->from == &site && stream->sender) EndSender(stream, Gone(), !silent);
  }
  for (const auto& link : site.links) {
    link->stream.reset();
    link->applying = 0;
    link->dial_time = absl::InfinitePast();
    link->backoff->Reset();
  }
  site.methods.reset();
  site.machine.member.reset();
  site.node.reset();
  site.asleep_until = absl::InfinitePast();
  site.disk.PowerCycle();
}

void World::Restore(Site& site, const storage::MemoryStore& copy) {
  Stop(site, /*silent=*/false);
  site.disk.Restore(copy);
  site.restored = true;
}

bool World::EndIfCut(Site& site) {
  if (site.node == nullptr || !site.disk.cut()) return site.node == nullptr;
  Stop(site, random_.OneIn(3));
  schedule_.After(random_.Between(absl::Milliseconds(50), absl::Seconds(6)), [this, &site] { Start(site); });
  return true;
}

bool World::Defer(Site& site, std::function<void()> event) {
  if (!Asleep(site)) return false;
  schedule_.At(site.asleep_until, std::move(event));
  return true;
}

bool World::Asleep(const Site& site) const { return schedule_.now() < site.asleep_until; }

bool World::Leads(const Site& site) const { return site.members == nullptr || (site.node != nullptr && site.machine.log->Term() != 0); }

Site* World::WriterFor(Site& site) {
  if (Leads(site)) return &site;
  Site* leader = site.members->Find(site.machine.member->leader());
  if (leader == nullptr || leader->node == nullptr || !Leads(*leader)) return nullptr;
  if (cut_.contains({site.number, leader->number}) || cut_.contains({leader->number, site.number})) return nullptr;
  return leader;
}

void World::OnLeadChanged(Site& site) {
  if (Leads(site)) return;
  const std::vector<std::shared_ptr<Stream>> streams = streams_;
  for (const auto& stream : streams) {
    const absl::Status ended = absl::UnavailableError("another member of the site leads");
    if (stream->to == &site && stream->receiver) EndReceiver(stream, ended, true);
    if (stream->from == &site && stream->sender) EndSender(stream, ended, true);
  }
}

void World::ScheduleCommit(Site& site) {
  if (site.node == nullptr || std::exchange(site.commit_due, true)) return;
  schedule_.After(random_.Between(absl::Microseconds(100), absl::Milliseconds(20)),
                  [this, &site, life = site.life] { Commit(site, life); });
}

void World::Commit(Site& site, uint64_t life) {
  if (site.life != life || Defer(site, [this, &site, life] { Commit(site, life); })) return;
  site.commit_due = false;
  const Position before = site.node->JournalEnd();
  const bool worked = site.node->CommitOnce();
  if (EndIfCut(site)) return;
  const Position end = site.node->JournalEnd();
  if (!worked && end == before) return;  // a member follows without work of its own
  trace_.Add("{} commits [{}, {})", site.label, before.value(), end.value());
  if (site.members != nullptr) site.machine.durable = end;
  if (watcher_ != nullptr) watcher_->OnCommit(site);
  if (worked) ScheduleCommit(site);
  ScheduleCompletions(site);
}

void World::ScheduleCompletions(Site& site) {
  if (std::exchange(site.completions_due, true)) return;
  schedule_.After(random_.Between(absl::Microseconds(10), absl::Milliseconds(5)),
                  [this, &site, life = site.life] { Complete(site, life); });
}

void World::Complete(Site& site, uint64_t life) {
  if (site.life != life || Defer(site, [this, &site, life] { Complete(site, life); })) return;
  site.completions_due = false;
  if (site.node->RunCompletions() && !EndIfCut(site)) ScheduleCompletions(site);
}

void World::ScheduleRound(Site& site) {
  if (std::exchange(site.round_due, true)) return;
  schedule_.After(absl::Microseconds(50), [this, &site, life = site.life] {
    if (site.life != life) return;
    site.round_due = false;
    if (!Asleep(site)) Round(site, /*tick=*/false);  // else its next tick makes good for it
  });
}

void World::Tick(Site& site, uint64_t life) {
  if (site.life != life || Defer(site, [this, &site, life] { Tick(site, life); })) return;
  site.node->Purge(nullptr);
  site.node->Tick();
  if (EndIfCut(site)) return;
  if (watcher_ != nullptr && site.members != nullptr) watcher_->OnMemberTick(site);
  Round(site, /*tick=*/true);
  if (site.life != life) return;
  // Refusals are completed without a commit.
  ScheduleCompletions(site);
  schedule_.After(tick_, [this, &site, life] { Tick(site, life); });
}

bool World::HeldElsewhere(const Site& site, Dot dot) const {
  return std::any_of(sites_.begin(), sites_.end(), [&](const auto& other) {
    if (other.get() == &site) return false;
    auto payload = other->node->ReadPayload(dot);
    return payload.ok() && payload->has_value();
  });
}

bool World::Converged() const {
  for (const auto& site : sites_) {
    if (site->node == nullptr || site->node->Applied() != sites_[0]->node->Applied()) return false;
  }
  for (const auto& site : sites_) {
    const VersionVector applied = site->node->Applied();
    for (const auto& [log, size] : applied.entries()) {
      if (site->members != nullptr && !Leads(*site)) continue;  // what it needs to prove, it proves once it leads
      // What a site signed and lost with its disk nobody can complete: what is left of it is proven by itself.
      auto proven = site->node->Proven(log);
      if (proven.ok() && proven->has_value() && (*proven)->size == size && (*proven)->checkpoint.size > size) continue;
      auto note = site->node->CheckpointNote(log);
      if (!note) return false;
      auto checkpoint = note::ParseCheckpoint(note::Parse(*note)->text);
      if (checkpoint->size != size.value()) return false;
    }
    for (const Dot& dot : site->node->WantedPayloads(std::nullopt, 1'000'000)) {
      if (HeldElsewhere(*site, dot)) return false;
    }
  }
  return member_site_ == nullptr || member_site_->TakesWrites();
}

std::string World::Describe() const {
  std::string out;
  for (const auto& site : sites_) {
    out += site->label + (site->members != nullptr && Leads(*site) ? " (leads):" : ":");
    if (site->node == nullptr) {
      out += " down; ";
      continue;
    }
    for (const node::LogInfo& log : site->node->Logs()) {
      out += fmt::format(" {}/{}", log.size.value(), log.known_size.value());
      if (!log.quarantine.empty()) out += fmt::format("({})", log.quarantine);
      const auto note = site->node->CheckpointNote(log.log->id);
      const auto checkpoint = note ? note::ParseCheckpoint(note::Parse(*note)->text) : absl::NotFoundError("none");
      if (!checkpoint.ok() || checkpoint->size != log.size.value()) {
        const auto proven = site->node->Proven(log.log->id);
        const bool has = proven.ok() && proven->has_value();
        out += fmt::format("(complete to {}, proven to {})", checkpoint.ok() ? checkpoint->size : 0, has ? (*proven)->size.value() : 0);
      }
    }
    for (const Dot& dot : site->node->WantedPayloads(std::nullopt, 1'000'000)) {
      out += fmt::format(" wants {}/{}{}", dot.log.value(), dot.seq.value(), HeldElsewhere(*site, dot) ? ", which is there" : "");
    }
    if (site->members != nullptr && !site->node->UnwritableReason().empty()) out += " [" + site->node->UnwritableReason() + "]";
    for (const auto& link : site->links) {
      const auto& info = link->stream && link->stream->receiver ? link->stream->receiver->info() : link->info;
      if (!info.last_error.ok()) out += fmt::format(" [{}: {}]", info.peer, std::string(info.last_error.message()));
    }
    out += "; ";
  }
  return out;
}

}  // namespace fairlead::simulation
