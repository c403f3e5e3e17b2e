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
constexpr size_t kWindow = 4;  // messages of one direction that the transport has taken and not delivered
constexpr absl::Duration kStableAfter = absl::Seconds(5);

uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// A connection that its machine or the network has ended.
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

World::World(Schedule* schedule, Trace* trace, Random random, size_t sites, const Plant* plant)
    : schedule_(*schedule), trace_(*trace), random_(std::move(random)), liar_(random_.Fork()) {
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
  MakeTopology();
  if (plant != nullptr) {
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
    site->name = kNames[i];
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

void World::Connect(size_t to, size_t from) {
  auto link = std::make_unique<Link>();
  link->from = sites_[from].get();
  link->backoff = std::make_unique<replication::Backoff>(backoff_options_, [this] { return random_.Uniform(); });
  link->info.peer = sites_[from]->name;
  sites_[to]->links.push_back(std::move(link));
}

void World::MakeTopology() {
  const size_t n = sites_.size();
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
  for (const auto& site : sites_) {
    if (site->links.size() == 1) leaves.push_back(site.get());
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
  node::NodeOptions options{.site = site.name, .roster = *roster_, .log_keys = site.log_keys, .mirror_key = *site.mirror_key};
  options.registry = &records::TheRegistry();
  options.clock = &site.clock;
  options.cosign_interval = cosign_interval_;
  options.heartbeat_interval = absl::Seconds(15);
  options.licence = site.licence.get();
  for (const auto& link : site.links) options.peers.push_back(link->from->name);
  options.random_bytes = [this](size_t n) { return random_.Bytes(n); };
  if (site.plant != nullptr && site.plant->options) site.plant->options(&options);
  auto node = node::Node::Open(std::move(options), site.disk.Open());
  // A disk that fails in the midst of opening: somebody tries again.
  if (site.disk.cut() || site.disk.failed() || ReasonOf(node.status()) == ReasonName(Reason::kStorageFull)) {
    if (node.ok()) node->reset();
    site.disk.PowerCycle();
    return schedule_.After(random_.Between(absl::Milliseconds(100), absl::Seconds(3)), [this, &site] { Start(site); });
  }
  if (!node.ok()) return Fail(fmt::format("{} does not start: {}", site.name, std::string(node.status().message())));
  site.node = *std::move(node);
  site.methods = std::make_unique<rpc::WriteMethods>(site.node.get(), nullptr);  // no client asks for more than LOCAL
  site.commit_due = site.completions_due = site.round_due = false;
  site.node->AddJournalListener([this, &site](Position) { ScheduleRound(site); });
  trace_.Add("{} starts with {} entries", site.name, site.node->JournalEnd().value());
  if (watcher_ != nullptr) watcher_->OnStart(site, std::exchange(site.restored, false));
  schedule_.After(random_.Between(absl::ZeroDuration(), tick_), [this, &site, life = site.life] { Tick(site, life); });
}

void World::Stop(Site& site, bool silent) {
  if (site.node == nullptr) return;
  trace_.Add("{} stops{}", site.name, silent ? " without a word" : "");
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
  site.node.reset();
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

void World::ScheduleCommit(Site& site) {
  if (site.node == nullptr || std::exchange(site.commit_due, true)) return;
  schedule_.After(random_.Between(absl::Microseconds(100), absl::Milliseconds(20)), [this, &site, life = site.life] {
    if (site.life != life) return;
    site.commit_due = false;
    const Position before = site.node->JournalEnd();
    const bool worked = site.node->CommitOnce();
    if (EndIfCut(site) || !worked) return;
    trace_.Add("{} commits [{}, {})", site.name, before.value(), site.node->JournalEnd().value());
    if (watcher_ != nullptr) watcher_->OnCommit(site);
    ScheduleCommit(site);
    ScheduleCompletions(site);
  });
}

void World::ScheduleCompletions(Site& site) {
  if (std::exchange(site.completions_due, true)) return;
  schedule_.After(random_.Between(absl::Microseconds(10), absl::Milliseconds(5)), [this, &site, life = site.life] {
    if (site.life != life) return;
    site.completions_due = false;
    if (site.node->RunCompletions() && !EndIfCut(site)) ScheduleCompletions(site);
  });
}

void World::ScheduleRound(Site& site) {
  if (std::exchange(site.round_due, true)) return;
  schedule_.After(absl::Microseconds(50), [this, &site, life = site.life] {
    if (site.life != life) return;
    site.round_due = false;
    Round(site, /*tick=*/false);
  });
}

void World::Tick(Site& site, uint64_t life) {
  if (site.life != life) return;
  site.node->Tick();
  if (EndIfCut(site)) return;
  Round(site, /*tick=*/true);
  if (site.life != life) return;
  // Refusals are completed without a commit.
  ScheduleCompletions(site);
  schedule_.After(tick_, [this, &site, life] { Tick(site, life); });
}

std::vector<LogId> World::DirectLogs(const Site& site) const {
  std::vector<LogId> logs;
  for (const auto& link : site.links) {
    if (!link->stream || !link->stream->receiver || !link->stream->receiver->info().connected) continue;
    for (const auto& [stream, log] : link->from->logs) logs.push_back(log);
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

void World::Round(Site& site, bool tick) {
  const uint64_t life = site.life;
  const absl::Time now = schedule_.now();
  const std::vector<std::shared_ptr<Stream>> streams = streams_;
  for (const auto& stream : streams) {
    if (stream->from != &site || !stream->sender) continue;
    stream->sender->OnJournalAdvanced(now);
    if (tick) {
      if (absl::Status status = stream->sender->OnTick(now); !status.ok()) {
        EndSender(stream, status, true);
        continue;
      }
    }
    PumpSender(stream);
    if (site.life != life) return;
  }
  const std::vector<LogId> direct_logs = DirectLogs(site);
  for (const auto& link : site.links) {
    if (!link->stream) {
      if (link->applying == 0 && now >= link->dial_time) Dial(site, *link);
      if (site.life != life) return;
      continue;
    }
    const std::shared_ptr<Stream> stream = link->stream;
    stream->receiver->SetDirectLogs(direct_logs);
    absl::Status status = stream->receiver->OnAppliedChanged(now);
    if (status.ok() && tick) status = stream->receiver->OnTick(now);
    if (!status.ok()) {
      EndReceiver(stream, status, true);
    } else {
      PumpReceiver(stream);
    }
    if (site.life != life) return;
  }
}

// --- Streams ----------------------------------------------------------------------------------------------------------------------

void World::Dial(Site& site, Link& link) {
  auto stream = std::make_shared<Stream>();
  stream->number = next_stream_++;
  stream->to = &site;
  stream->from = link.from;
  stream->link = &link;
  stream->started = schedule_.now();
  stream->receiver.emplace(receiver_options_, site.node.get(), site.node.get(), link.info);
  stream->receiver->SetDirectLogs(DirectLogs(site));
  stream->receiver->Start(schedule_.now());
  link.stream = stream;
  streams_.push_back(stream);
  trace_.Add("#{} {} dials {}", stream->number, site.name, link.from->name);
  PumpReceiver(stream);
}

Site& World::Origin(Stream& stream, Way way) { return way == Way::kUp ? *stream.to : *stream.from; }
Site& World::Target(Stream& stream, Way way) { return way == Way::kUp ? *stream.from : *stream.to; }
std::deque<World::Packet>& World::Pipe(Stream& stream, Way way) { return way == Way::kUp ? stream.up : stream.down; }

absl::Duration World::DelayOf(const Site& from, const Site& to) {
  absl::Duration delay = random_.Between(delay_max_ / 10, delay_max_);
  auto slow = slow_.find({from.id, to.id});
  return slow == slow_.end() ? delay : delay + random_.Between(absl::ZeroDuration(), slow->second);
}

void World::Push(const std::shared_ptr<Stream>& stream, Way way, std::string bytes, bool end) {
  if (stream->broken) {
    if (!end) Pipe(*stream, way).push_back({absl::InfiniteFuture(), {}, false});  // takes up its place in the window
    return;
  }
  std::deque<Packet>& pipe = Pipe(*stream, way);
  absl::Time due = schedule_.now() + DelayOf(Origin(*stream, way), Target(*stream, way));
  if (!pipe.empty()) due = std::max(due, pipe.back().due);
  pipe.push_back({due, std::move(bytes), end});
  ScheduleDelivery(stream, way, due);
}

void World::ScheduleDelivery(const std::shared_ptr<Stream>& stream, Way way, absl::Time time) {
  schedule_.At(time, [this, stream, way] { Deliver(stream, way); });
}

void World::Deliver(const std::shared_ptr<Stream>& stream, Way way) {
  std::deque<Packet>& pipe = Pipe(*stream, way);
  if (stream->broken || pipe.empty() || pipe.front().due > schedule_.now()) return;
  Site& origin = Origin(*stream, way);
  Site& target = Target(*stream, way);
  if (cut_.contains({origin.id, target.id})) return;
  Packet packet = std::move(pipe.front());
  pipe.pop_front();
  ++messages_;
  if (way == Way::kUp && !stream->accepted) {
    stream->accepted = true;
    if (target.node == nullptr) {
      Push(stream, Way::kDown, {}, /*end=*/true);  // nobody listens there
      return;
    }
    if (!packet.end) {
      const std::vector<std::shared_ptr<Stream>> streams = streams_;
      for (const auto& other : streams) {
        if (other->sender && other->from == stream->from && other->to == stream->to) {
          EndSender(other, absl::UnavailableError("the same site has opened another stream"), true);
        }
      }
      if (!stream->receiver) streams_.push_back(stream);  // forgotten when its opener ended
      stream->sender.emplace(sender_options_, target.node.get(), target.node.get(), origin.id, schedule_.now());
    }
  }
  if (packet.end) {
    if (way == Way::kUp && stream->sender) EndSender(stream, Gone(), false);
    if (way == Way::kDown && stream->receiver) EndReceiver(stream, Gone(), false);
    return;
  }
  trace_.Add("#{} {} {} {} {}: {} bytes {:016x}", stream->number, target.name, way == Way::kUp ? "is asked by" : "hears", origin.name,
             static_cast<uint8_t>(packet.bytes.empty() ? 0 : packet.bytes[0]) >> 3, packet.bytes.size(), HashOf(packet.bytes));
  if (way == Way::kUp) {
    if (stream->sender) DeliverToSender(stream, packet.bytes);
    if (stream->receiver && origin.node != nullptr) PumpReceiver(stream);  // the window has room
  } else {
    if (stream->receiver) DeliverToReceiver(stream, packet.bytes);
    if (stream->sender && origin.node != nullptr) PumpSender(stream);
  }
}

void World::DeliverToSender(const std::shared_ptr<Stream>& stream, const std::string& bytes) {
  v1::ReplicateRequest request;
  absl::Status status =
      request.ParseFromString(bytes) ? stream->sender->OnMessage(request, schedule_.now()) : absl::InvalidArgumentError("malformed");
  if (EndIfCut(*stream->from)) return;
  if (!status.ok()) return EndSender(stream, status, true);
  PumpSender(stream);
}

void World::DeliverToReceiver(const std::shared_ptr<Stream>& stream, const std::string& bytes) {
  v1::ReplicateResponse response;
  if (!response.ParseFromString(bytes)) return EndReceiver(stream, absl::InvalidArgumentError("malformed"), true);
  Site& site = *stream->to;
  if (site.plant != nullptr && site.plant->cosigns_on_receipt) CosignUnheld(site, response);
  const bool wanted = response.has_wanted();
  absl::Status status = stream->receiver->OnMessage(std::move(response), schedule_.now());
  if (EndIfCut(site)) return;
  if (!status.ok()) return EndReceiver(stream, status, true);
  if (wanted) ScheduleCommit(site);
  PumpReceiver(stream);
}

void World::PumpSender(const std::shared_ptr<Stream>& stream) {
  while (stream->sender && stream->down.size() < kWindow) {
    v1::ReplicateResponse response;
    auto more = stream->sender->Pump(schedule_.now(), &response);
    if (!more.ok()) {
      // A receiver that lies about what it holds can only harm its own stream.
      if (!stream->from->disk.failed() && !stream->to->lying)
        Fail(fmt::format("{} cannot send: {}", stream->from->name, std::string(more.status().message())));
      return EndSender(stream, more.status(), true);
    }
    if (!*more) return;
    Site& from = *stream->from;
    if (from.plant != nullptr && from.plant->response && !from.plant->response(*from.node, stream->to->id, &response)) continue;
    if (watcher_ != nullptr) watcher_->OnSend(from, *stream->to, response);
    if (from.lying && !liar_.Twist(*roster_, &response)) continue;
    Push(stream, Way::kDown, response.SerializeAsString(), false);
  }
}

void World::PumpReceiver(const std::shared_ptr<Stream>& stream) {
  Site& site = *stream->to;
  if (!stream->receiver) return;
  if (auto batch = stream->receiver->TakeBatch()) {
    if (site.plant != nullptr && site.plant->batch) site.plant->batch(*site.node, &*batch);
    Link* link = stream->link;
    ++link->applying;
    site.node->ApplyRemote(*std::move(batch), [this, stream, link, &site](replication::ApplyResult result) {
      --link->applying;
      if (!stream->receiver || link->stream != stream) return;
      trace_.Add("#{} {} applied {}: {}", stream->number, site.name, result.applied, std::string(result.status.message()));
      absl::Status status = stream->receiver->OnApplied(result, schedule_.now());
      if (!status.ok()) return EndReceiver(stream, status, true);
      PumpReceiver(stream);
    });
    if (EndIfCut(site)) return;
    ScheduleCommit(site);
  }
  while (stream->receiver && stream->up.size() < kWindow) {
    v1::ReplicateRequest request;
    auto more = stream->receiver->Pump(schedule_.now(), &request);
    if (!more.ok()) return EndReceiver(stream, more.status(), true);
    if (!*more) return;
    if (site.plant != nullptr && site.plant->ask && !site.plant->ask(*site.node, &request)) continue;
    if (watcher_ != nullptr) watcher_->OnAsk(site, *stream->from, request);
    if (site.lying && !liar_.Twist(*roster_, &request)) continue;
    Push(stream, Way::kUp, request.SerializeAsString(), false);
  }
}

void World::EndSender(const std::shared_ptr<Stream>& stream, const absl::Status& status, bool tell) {
  trace_.Add("#{} {} ends what it sends to {}: {}", stream->number, stream->from->name, stream->to->name, std::string(status.message()));
  stream->sender.reset();
  if (tell) Push(stream, Way::kDown, {}, /*end=*/true);
  Forget(stream);
}

void World::EndReceiver(const std::shared_ptr<Stream>& stream, const absl::Status& status, bool tell) {
  trace_.Add("#{} {} ends what it hears from {}: {}", stream->number, stream->to->name, stream->from->name, std::string(status.message()));
  Link& link = *stream->link;
  stream->receiver->OnEnd(status, schedule_.now());
  link.info = stream->receiver->info();
  stream->receiver.reset();
  if (link.stream == stream) {
    link.stream.reset();
    if (schedule_.now() - stream->started >= kStableAfter) link.backoff->Reset();
    link.dial_time = schedule_.now() + link.backoff->Next();
  }
  if (tell) Push(stream, Way::kUp, {}, /*end=*/true);
  Forget(stream);
}

void World::Forget(const std::shared_ptr<Stream>& stream) {
  if (stream->receiver || stream->sender) return;
  std::erase(streams_, stream);
}

void World::CosignUnheld(Site& site, const v1::ReplicateResponse& message) {
  for (const v1::HeaderPackage& package : message.entries().packages()) {
    auto parsed = note::Parse(package.checkpoint());
    if (!parsed.ok()) continue;
    note::AddSignature(&*parsed, note::Cosign(roster_->FindCosigner(site.id)->verifier.name(), *site.mirror_key, parsed->text,
                                              static_cast<uint64_t>(absl::ToUnixSeconds(site.clock.Now()))));
    site.node->TakeCosignature(LogId(package.log()), note::Format(*parsed)).IgnoreError();
  }
}

void World::Break(Site& to, Site& from) {
  for (const auto& stream : std::vector<std::shared_ptr<Stream>>(streams_)) {
    if (stream->to != &to || stream->from != &from || stream->broken) continue;
    trace_.Add("#{} breaks", stream->number);
    stream->broken = true;
    if (!random_.OneIn(5)) {
      schedule_.After(random_.Between(absl::ZeroDuration(), absl::Seconds(1)), [this, stream] {
        if (stream->receiver) EndReceiver(stream, Gone(), false);
      });
    }
    if (!random_.OneIn(5)) {
      schedule_.After(random_.Between(absl::ZeroDuration(), absl::Seconds(1)), [this, stream] {
        if (stream->sender) EndSender(stream, Gone(), false);
      });
    }
  }
}

void World::MendPath(Site& from, Site& to) {
  slow_.erase({from.id, to.id});
  if (cut_.erase({from.id, to.id}) == 0) return;
  for (const auto& stream : streams_) {
    for (const Way way : {Way::kUp, Way::kDown}) {
      if (&Origin(*stream, way) != &from || &Target(*stream, way) != &to) continue;
      absl::Time due = schedule_.now();
      for (Packet& packet : Pipe(*stream, way)) {
        if (stream->broken) continue;
        due += random_.Between(absl::ZeroDuration(), absl::Milliseconds(20));
        packet.due = std::max(packet.due, due);
        due = packet.due;
        ScheduleDelivery(stream, way, packet.due);
      }
    }
  }
}

void World::MendPaths() {
  slow_.clear();
  for (const auto& from : sites_) {
    for (const auto& to : sites_) MendPath(*from, *to);
  }
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
  return true;
}

std::string World::Describe() const {
  std::string out;
  for (const auto& site : sites_) {
    out += site->name + ":";
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
    for (const auto& link : site->links) {
      const auto& info = link->stream && link->stream->receiver ? link->stream->receiver->info() : link->info;
      if (!info.last_error.ok()) out += fmt::format(" [{}: {}]", info.peer, std::string(info.last_error.message()));
    }
    out += "; ";
  }
  return out;
}

}  // namespace fairlead::simulation
