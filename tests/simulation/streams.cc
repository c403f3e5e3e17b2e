// The network of a simulation: connections, what is in flight on them, and the faults of paths.

#include <fmt/format.h>

#include <algorithm>

#include "api/note.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

namespace {

constexpr size_t kWindow = 4;  // messages of one direction that the transport has taken and not delivered
constexpr absl::Duration kStableAfter = absl::Seconds(5);

uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// A connection that its machine or the network has ended.
absl::Status Gone() { return absl::UnavailableError("the peer has gone"); }

}  // namespace

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
      if (link->applying == 0 && now >= link->dial_time && Leads(site)) Dial(site, *link);
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
  link.from = link.machines[link.tried % link.machines.size()];
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
  trace_.Add("#{} {} dials {}", stream->number, site.label, link.from->label);
  PumpReceiver(stream);
}

Site& World::Origin(Stream& stream, Way way) { return way == Way::kUp ? *stream.to : *stream.from; }
Site& World::Target(Stream& stream, Way way) { return way == Way::kUp ? *stream.from : *stream.to; }
std::deque<World::Packet>& World::Pipe(Stream& stream, Way way) { return way == Way::kUp ? stream.up : stream.down; }

absl::Duration World::DelayOf(const Site& from, const Site& to) {
  absl::Duration delay = random_.Between(delay_max_ / 10, delay_max_);
  auto slow = slow_.find({from.number, to.number});
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
  if (cut_.contains({origin.number, target.number})) return;
  if (Defer(target, [this, stream, way] { Deliver(stream, way); })) return;
  Packet packet = std::move(pipe.front());
  pipe.pop_front();
  ++messages_;
  if (way == Way::kUp && !stream->accepted) {
    stream->accepted = true;
    if (target.node == nullptr || !Leads(target)) {
      Push(stream, Way::kDown, {}, /*end=*/true);  // nobody listens there, or refuses
      return;
    }
    if (!packet.end) {
      const std::vector<std::shared_ptr<Stream>> streams = streams_;
      for (const auto& other : streams) {
        if (other->sender && other->from == stream->from && other->to->id == stream->to->id) {
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
  trace_.Add("#{} {} {} {} {}: {} bytes {:016x}", stream->number, target.label, way == Way::kUp ? "is asked by" : "hears", origin.label,
             static_cast<uint8_t>(packet.bytes.empty() ? 0 : packet.bytes[0]) >> 3, packet.bytes.size(), HashOf(packet.bytes));
  if (way == Way::kUp) {
    if (stream->sender) DeliverToSender(stream, packet.bytes);
    if (stream->receiver && origin.node != nullptr && !Asleep(origin)) PumpReceiver(stream);  // the window has room
  } else {
    if (stream->receiver) DeliverToReceiver(stream, packet.bytes);
    if (stream->sender && origin.node != nullptr && !Asleep(origin)) PumpSender(stream);
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
        Fail(fmt::format("{} cannot send: {}", stream->from->label, std::string(more.status().message())));
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
      trace_.Add("#{} {} applied {}: {}", stream->number, site.label, result.applied, std::string(result.status.message()));
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
  trace_.Add("#{} {} ends what it sends to {}: {}", stream->number, stream->from->label, stream->to->label, std::string(status.message()));
  stream->sender.reset();
  if (tell) Push(stream, Way::kDown, {}, /*end=*/true);
  Forget(stream);
}

void World::EndReceiver(const std::shared_ptr<Stream>& stream, const absl::Status& status, bool tell) {
  trace_.Add("#{} {} ends what it hears from {}: {}", stream->number, stream->to->label, stream->from->label,
             std::string(status.message()));
  Link& link = *stream->link;
  stream->receiver->OnEnd(status, schedule_.now());
  link.info = stream->receiver->info();
  stream->receiver.reset();
  if (link.stream == stream) {
    link.stream.reset();
    if (schedule_.now() - stream->started >= kStableAfter) link.backoff->Reset();
    // The other machines of the site are tried first.
    ++link.tried;
    link.dial_time = schedule_.now() + (link.tried % link.machines.size() == 0 ? link.backoff->Next() : absl::ZeroDuration());
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
  slow_.erase({from.number, to.number});
  if (cut_.erase({from.number, to.number}) == 0) return;
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

}  // namespace fairlead::simulation
