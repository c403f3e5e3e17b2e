// What one site has reaching another, and its watchers, beside peers.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/v1/record_service.pb.h"
#include "tests/bench/deliveries.h"
#include "tests/bench/etcd.h"
#include "tests/bench/measurements.h"
#include "tests/bench/nats.h"
#include "tests/bench/network.h"
#include "tests/bench/peer_rows.h"
#include "tests/bench/postgres.h"
#include "tests/framework/eventually.h"

namespace fairlead::bench {
namespace {

using framework::Eventually;

constexpr absl::Duration kArrivalTimeout = absl::Minutes(1);
constexpr int64_t kTransactionRows = 500;
constexpr int64_t kNatsWindow = 512;  // messages that are not acknowledged yet
constexpr int kWriters = 3;
constexpr int kLagWindow = kPeakInFlight / kWriters;
constexpr int kWatchersPerChannel = 250;
constexpr char kWatchRecords[] = "/fairlead.v1.RecordService/WatchRecords";

// Two PostgreSQL servers with the same table, whose changes at the one can be subscribed to by the other.
struct PgPair {
  std::unique_ptr<Postgres> region, hq;
  std::unique_ptr<PgConnection> at_region, at_hq;

  // Null when it is not installed.
  static absl::StatusOr<std::unique_ptr<PgPair>> Start(const std::string& table) {
    auto pair = std::make_unique<PgPair>();
    for (auto [server, connection] : {std::pair(&pair->region, &pair->at_region), std::pair(&pair->hq, &pair->at_hq)}) {
      absl::StatusOr<std::unique_ptr<Postgres>> started = Postgres::Start();
      if (!started.ok()) return started.status();
      *server = *std::move(started);
      absl::StatusOr<std::unique_ptr<PgConnection>> connected = (*server)->Connect();
      if (!connected.ok()) return connected.status();
      *connection = *std::move(connected);
      if (absl::Status made = (*connection)->Run(table); !made.ok()) return made;
    }
    if (absl::Status made = pair->at_region->Run("CREATE PUBLICATION entries FOR TABLE entries"); !made.ok()) return made;
    return pair;
  }
  // From now on, `name` keeps what a subscription of that name is to be brought.
  absl::Status Keep(const std::string& name) {
    return at_region->Run(fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", name));
  }
  absl::Status Subscribe(const std::string& name) {
    return at_hq->Run(fmt::format(
        "CREATE SUBSCRIPTION {} CONNECTION '{}' PUBLICATION entries WITH (create_slot = false, slot_name = '{}', copy_data = false)", name,
        region->Target(), name));
  }
  absl::Status Unsubscribe(const std::string& name) { return at_hq->Run("DROP SUBSCRIPTION " + name); }
};

// Publishes as a writer of a stream, with at most `window` messages that are not acknowledged.
class NatsWriter {
 public:
  explicit NatsWriter(std::unique_ptr<NatsConnection> connection, int64_t window) : connection_(std::move(connection)), window_(window) {
    inbox_ = fmt::format("_INBOX.writer.{}", static_cast<const void*>(this));
    connection_->Subscribe(inbox_ + ".*");
  }

  // The n-th of this writer's messages, from 0 on. `acknowledged(n)` is called for each, in this or a later call.
  absl::Status Publish(std::string_view payload, const std::function<void(int64_t n)>& acknowledged) {
    connection_->Publish(Nats::kSubject, fmt::format("{}.{}", inbox_, sent_++), payload);
    if (sent_ - done_ < window_) return absl::OkStatus();
    return AwaitAllBut(window_ / 2, acknowledged);
  }
  // Takes acknowledgements until at most `left` are missing.
  absl::Status AwaitAllBut(int64_t left, const std::function<void(int64_t n)>& acknowledged) {
    if (absl::Status taken = Await(left, absl::Now() + kArrivalTimeout, acknowledged); !taken.ok()) return taken;
    if (sent_ - done_ <= left) return absl::OkStatus();
    return absl::DeadlineExceededError(fmt::format("NATS acknowledges {} of {} messages", done_, sent_));
  }
  // Takes acknowledgements until at most `left` are missing, or until `deadline`.
  absl::Status Await(int64_t left, absl::Time deadline, const std::function<void(int64_t n)>& acknowledged) {
    if (absl::Status flushed = connection_->Flush(); !flushed.ok()) return flushed;
    while (sent_ - done_ > left) {
      const absl::StatusOr<std::optional<NatsConnection::Message>> message = connection_->Next(deadline);
      if (!message.ok()) return message.status();
      if (!message->has_value()) return absl::OkStatus();
      if ((*message)->payload.find("\"error\"") != std::string::npos) return absl::InternalError("NATS: " + (*message)->payload);
      ++done_;
      acknowledged(strtoll((*message)->subject.substr(inbox_.size() + 1).c_str(), nullptr, 10));
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<NatsConnection> connection_;
  const int64_t window_;
  std::string inbox_;
  int64_t sent_ = 0;
  int64_t done_ = 0;
};

absl::Status FillPostgres(PgConnection* connection, int64_t entries) {
  if (absl::Status made = connection->Prepare("fill", "INSERT INTO entries VALUES ($1::text::bigint, $2)"); !made.ok()) return made;
  const std::string record = RecordBytes();
  for (int64_t first = 1; first <= entries; first += kTransactionRows) {
    if (absl::Status begun = connection->Run("BEGIN"); !begun.ok()) return begun;
    for (int64_t id = first; id < std::min(first + kTransactionRows, entries + 1); ++id) {
      const absl::StatusOr<int> row = connection->Execute("fill", {fmt::format("{}", id), record});
      if (!row.ok()) return row.status();
    }
    if (absl::Status committed = connection->Run("COMMIT"); !committed.ok()) return committed;
  }
  return absl::OkStatus();
}

// A subscriber that has nothing takes the changes that its slot kept: seconds.
absl::StatusOr<double> ApplyChanges(PgPair* pair, const std::string& name, int64_t entries) {
  if (absl::Status empty = pair->at_hq->Run("TRUNCATE entries"); !empty.ok()) return empty;
  const absl::Time start = absl::Now();
  if (absl::Status begun = pair->Subscribe(name); !begun.ok()) return begun;
  absl::StatusOr<int64_t> last = 0;
  Eventually(
      [&] {
        last = pair->at_hq->Number("SELECT max(id) FROM entries");
        return !last.ok() || *last >= entries;
      },
      kArrivalTimeout);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (!last.ok()) return last.status();
  const absl::StatusOr<int64_t> rows = pair->at_hq->Number("SELECT count(*) FROM entries");
  if (!rows.ok()) return rows.status();
  if (*rows != entries) return absl::InternalError(fmt::format("PostgreSQL's subscriber has {} of {} rows", *rows, entries));
  if (absl::Status ended = pair->Unsubscribe(name); !ended.ok()) return ended;
  return seconds;
}

absl::Status FillNats(const Nats& nats, int64_t entries) {
  absl::StatusOr<std::unique_ptr<NatsConnection>> connection = nats.ConnectRegion();
  if (!connection.ok()) return connection.status();
  NatsWriter writer(*std::move(connection), kNatsWindow);
  const std::string record = RecordBytes();
  const auto ignored = [](int64_t) {};
  for (int64_t n = 0; n < entries; ++n) {
    if (absl::Status sent = writer.Publish(record, ignored); !sent.ok()) return sent;
  }
  return writer.AwaitAllBut(0, ignored);
}

absl::StatusOr<double> Mirror(const Nats& nats, int64_t entries) {
  const absl::StatusOr<std::unique_ptr<NatsConnection>> hq = nats.ConnectHeadquarters();
  if (!hq.ok()) return hq.status();
  const absl::Time start = absl::Now();
  if (absl::Status made = Nats::MakeMirror(hq->get()); !made.ok()) return made;
  absl::StatusOr<int64_t> held = 0;
  Eventually(
      [&] {
        held = Nats::Messages(hq->get(), Nats::kMirror);
        return !held.ok() || *held >= entries;
      },
      kArrivalTimeout);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (!held.ok()) return held.status();
  if (*held != entries) return absl::InternalError(fmt::format("the mirror has {} of {} messages", *held, entries));
  if (absl::Status deleted = Nats::DeleteMirror(hq->get()); !deleted.ok()) return deleted;
  return seconds;
}

// --- Lag ---------------------------------------------------------------------------------------------------------------------------

// What each of the writers was acknowledged, and the other site was seen to have, and when: by writer and number.
struct Seen {
  std::array<std::vector<absl::Time>, kWriters> acknowledged, arrived;
};

absl::StatusOr<std::vector<double>> ArrivalLagsMs(const Seen& seen) {
  std::vector<double> lags_ms;
  for (int writer = 0; writer < kWriters; ++writer) {
    const std::vector<absl::Time>& acknowledged = seen.acknowledged[writer];
    const std::vector<absl::Time>& arrived = seen.arrived[writer];
    if (arrived.size() < acknowledged.size()) {
      return absl::DeadlineExceededError(fmt::format("of {} writes {} arrived", acknowledged.size(), arrived.size()));
    }
    for (size_t n = 0; n < acknowledged.size(); ++n) {
      lags_ms.push_back(std::max(0.0, absl::ToDoubleMilliseconds(arrived[n] - acknowledged[n])));
    }
  }
  if (lags_ms.empty()) return absl::InternalError("nothing was written");
  std::sort(lags_ms.begin(), lags_ms.end());
  return lags_ms;
}

// A system whose lag is measured.
class Lagging {
 public:
  virtual ~Lagging() = default;
  // Writes a second that its writers reach.
  virtual absl::StatusOr<double> Peak(absl::Duration duration) = 0;
  // The lags of writes at this rate, ascending.
  virtual absl::StatusOr<std::vector<double>> Run(double rate, absl::Duration duration) = 0;
};

class FairleadLag : public Lagging {
 public:
  static absl::StatusOr<std::unique_ptr<Lagging>> Start() {
    auto lag = std::make_unique<FairleadLag>();
    absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac", "hq"});
    if (!network.ok()) return network.status();
    lag->network_ = *std::move(network);
    for (int i = 0; i < kWriters; ++i) {
      const auto channel = lag->network_->cluster().Channel("officer/apac/watch", "apac");
      if (!channel.ok()) return channel.status();
      lag->writers_.push_back(std::make_unique<Caller>(*channel));
    }
    const auto channel = lag->network_->cluster().Channel("hq/analyst/desk", "hq");
    if (!channel.ok()) return channel.status();
    lag->watcher_ = std::make_unique<Watcher>(*channel, "engagements");
    if (absl::Status begun = AwaitBegun(lag->writers_, *lag->watcher_); !begun.ok()) return begun;
    return lag;
  }
  absl::StatusOr<double> Peak(absl::Duration duration) override {
    LoadOptions creates = Creates(kPeakInFlight);
    creates.duration = duration;
    const absl::StatusOr<Load> load = RunLoad(writers_, creates);
    if (!load.ok()) return load.status();
    return load->rate;
  }
  absl::StatusOr<std::vector<double>> Run(double rate, absl::Duration duration) override {
    if (absl::Status even = network_->cluster().WaitForConvergence(); !even.ok()) return even;
    const absl::StatusOr<Acknowledged> acknowledged = RunPacedCreates(writers_, rate, duration);
    if (!acknowledged.ok()) return acknowledged.status();
    return LagsMs(*acknowledged, *watcher_);
  }

 private:
  std::unique_ptr<Network> network_;
  Callers writers_;
  std::unique_ptr<Watcher> watcher_;
};

class PostgresLag : public Lagging {
 public:
  static absl::StatusOr<std::unique_ptr<Lagging>> Start() {
    auto lag = std::make_unique<PostgresLag>();
    absl::StatusOr<std::unique_ptr<PgPair>> pair =
        PgPair::Start("CREATE TABLE entries (writer int, n bigint, record bytea NOT NULL, PRIMARY KEY (writer, n))");
    if (!pair.ok()) return pair.status();
    lag->pair_ = *std::move(pair);
    if (absl::Status kept = lag->pair_->Keep("lag"); !kept.ok()) return kept;
    if (absl::Status begun = lag->pair_->Subscribe("lag"); !begun.ok()) return begun;
    for (int i = 0; i < kWriters; ++i) {
      absl::StatusOr<std::unique_ptr<PgConnection>> writer = lag->pair_->region->Connect();
      if (!writer.ok()) return writer.status();
      const absl::Status made = (*writer)->Prepare("s", "INSERT INTO entries VALUES ($1::text::int, $2::text::bigint, $3)");
      if (!made.ok()) return made;
      lag->writers_.push_back(*std::move(writer));
    }
    return lag;
  }
  ~PostgresLag() override {
    if (pair_) pair_->Unsubscribe("lag").IgnoreError();
  }
  absl::StatusOr<double> Peak(absl::Duration duration) override {
    const absl::StatusOr<Load> load = RunThreads(kWriters, duration, INT64_MAX, [this](int writer, int64_t) { return Insert(writer); });
    if (!load.ok()) return load.status();
    return load->rate;
  }
  absl::StatusOr<std::vector<double>> Run(double rate, absl::Duration duration) override {
    if (absl::Status even = AwaitAll(nullptr); !even.ok()) return even;
    std::array<int64_t, kWriters> first = next_;
    Seen seen;
    absl::Notification written;
    absl::Status arrived;
    std::thread reader([&] { arrived = AwaitAll(&seen, first, &written); });
    const auto each = static_cast<int64_t>(rate * absl::ToDoubleSeconds(duration)) / kWriters;
    const absl::Time start = absl::Now();
    const absl::StatusOr<Load> load = RunThreads(kWriters, absl::InfiniteDuration(), kWriters, [&](int, int64_t writer) -> absl::Status {
      for (int64_t n = 0; n < each; ++n) {
        absl::SleepFor(start + absl::Seconds(static_cast<double>(n) * kWriters / rate) - absl::Now());
        if (absl::Status done = Insert(static_cast<int>(writer)); !done.ok()) return done;
        seen.acknowledged[static_cast<size_t>(writer)].push_back(absl::Now());
      }
      return absl::OkStatus();
    });
    written.Notify();
    reader.join();
    if (!load.ok()) return load.status();
    if (!arrived.ok()) return arrived;
    return ArrivalLagsMs(seen);
  }

 private:
  absl::Status Insert(int writer) {
    static const std::string record = RecordBytes();
    const auto own = static_cast<size_t>(writer);
    return writers_[own]->Execute("s", {fmt::format("{}", writer), fmt::format("{}", next_[own]++), record}).status();
  }
  // Asks the subscriber, a millisecond apart, until it has all that is written; with `seen`, until all is written too.
  absl::Status AwaitAll(Seen* seen, const std::array<int64_t, kWriters>& first = {}, const absl::Notification* written = nullptr) {
    const absl::Time deadline = absl::Now() + kArrivalTimeout;
    while (absl::Now() < deadline) {
      const bool complete = written == nullptr || written->HasBeenNotified();
      bool all = true;
      for (int writer = 0; writer < kWriters; ++writer) {
        const auto own = static_cast<size_t>(writer);
        const absl::StatusOr<int64_t> held =
            pair_->at_hq->Number(fmt::format("SELECT coalesce(max(n), -1) + 1 FROM entries WHERE writer = {}", writer));
        if (!held.ok()) return held.status();
        if (seen != nullptr) seen->arrived[own].resize(static_cast<size_t>(*held - first[own]), absl::Now());
        all = all && complete && *held >= next_[own];
      }
      if (all) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(1));
    }
    return absl::DeadlineExceededError("PostgreSQL's subscriber has not got all");
  }

  std::unique_ptr<PgPair> pair_;
  std::vector<std::unique_ptr<PgConnection>> writers_;
  std::array<int64_t, kWriters> next_ = {};  // read by others once its writer is done
};

class NatsLag : public Lagging {
 public:
  static absl::StatusOr<std::unique_ptr<Lagging>> Start() {
    auto lag = std::make_unique<NatsLag>();
    absl::StatusOr<std::unique_ptr<Nats>> nats = Nats::Start();
    if (!nats.ok()) return nats.status();
    lag->nats_ = *std::move(nats);
    absl::StatusOr<std::unique_ptr<NatsConnection>> hq = lag->nats_->ConnectHeadquarters();
    if (!hq.ok()) return hq.status();
    lag->hq_ = *std::move(hq);
    if (absl::Status made = Nats::MakeMirror(lag->hq_.get()); !made.ok()) return made;
    lag->hq_->Subscribe(kDeliver);
    const absl::StatusOr<std::string> consumer = lag->hq_->Request(
        fmt::format("$JS.API.CONSUMER.CREATE.{}", Nats::kMirror),
        fmt::format(R"({{"stream_name":"{}","config":{{"deliver_subject":"{}","deliver_policy":"all","ack_policy":"none"}}}})",
                    Nats::kMirror, kDeliver));
    if (!consumer.ok()) return consumer.status();
    for (int i = 0; i < kWriters; ++i) {
      absl::StatusOr<std::unique_ptr<NatsConnection>> writer = lag->nats_->ConnectRegion();
      if (!writer.ok()) return writer.status();
      lag->writers_.push_back(std::make_unique<NatsWriter>(*std::move(writer), kLagWindow));
    }
    return lag;
  }
  absl::StatusOr<double> Peak(absl::Duration duration) override {
    int64_t sent = 0;
    const absl::Time start = absl::Now();
    const auto ignored = [](int64_t) {};
    // The peak is not of this program's threads: one connection's messages go out in batches.
    while (absl::Now() < start + duration) {
      if (absl::Status done = writers_[0]->Publish(Payload(0, -1), ignored); !done.ok()) return done;
      ++sent;
    }
    if (absl::Status done = writers_[0]->AwaitAllBut(0, ignored); !done.ok()) return done;
    written_[0] += sent;
    return static_cast<double>(sent) / absl::ToDoubleSeconds(absl::Now() - start);
  }
  absl::StatusOr<std::vector<double>> Run(double rate, absl::Duration duration) override {
    Seen seen;
    const auto each = static_cast<int64_t>(rate * absl::ToDoubleSeconds(duration)) / kWriters;
    // What was written before has arrived first.
    if (absl::Status even = AwaitArrival(nullptr, 0); !even.ok()) return even;
    absl::Status arrived;
    std::thread reader([&] { arrived = AwaitArrival(&seen, each * kWriters); });
    const absl::Time start = absl::Now();
    const absl::StatusOr<Load> load = RunThreads(kWriters, absl::InfiniteDuration(), kWriters, [&](int, int64_t index) -> absl::Status {
      const auto own = static_cast<size_t>(index);
      std::vector<absl::Time>& acknowledged = seen.acknowledged[own];
      acknowledged.resize(static_cast<size_t>(each));
      const int64_t before = written_[own];
      const auto note = [&](int64_t n) { acknowledged[static_cast<size_t>(n - before)] = absl::Now(); };
      for (int64_t n = 0; n < each; ++n) {
        const absl::Time due = start + absl::Seconds(static_cast<double>(n) * kWriters / rate);
        if (absl::Status done = writers_[own]->Await(0, due, note); !done.ok()) return done;
        absl::SleepFor(due - absl::Now());
        if (absl::Status done = writers_[own]->Publish(Payload(index, n), note); !done.ok()) return done;
      }
      written_[own] += each;
      return writers_[own]->AwaitAllBut(0, note);
    });
    reader.join();
    if (!load.ok()) return load.status();
    if (!arrived.ok()) return arrived;
    return ArrivalLagsMs(seen);
  }

 private:
  static constexpr char kDeliver[] = "_INBOX.deliver";
  static constexpr size_t kNumberBytes = 16;

  // A record that begins with the writer and the number.
  static std::string Payload(int64_t writer, int64_t n) {
    std::string payload = RecordBytes();
    memcpy(payload.data(), &writer, 8);
    memcpy(payload.data() + 8, &n, 8);
    return payload;
  }
  // Until `more` messages have come at hq, or, with 0, all that were written.
  absl::Status AwaitArrival(Seen* seen, int64_t more) {
    const int64_t target = more > 0 ? arrived_ + more : written_[0] + written_[1] + written_[2];
    const absl::Time deadline = absl::Now() + kArrivalTimeout;
    while (arrived_ < target) {
      const absl::StatusOr<std::optional<NatsConnection::Message>> message = hq_->Next(deadline);
      if (!message.ok()) return message.status();
      if (!message->has_value()) return absl::DeadlineExceededError(fmt::format("the mirror has got {} of {} messages", arrived_, target));
      if ((*message)->subject != Nats::kSubject) continue;  // as it was published, wherever it is delivered
      ++arrived_;
      int64_t writer = 0;
      memcpy(&writer, (*message)->payload.data(), 8);
      if (seen != nullptr) seen->arrived[static_cast<size_t>(writer)].push_back(absl::Now());
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Nats> nats_;
  std::unique_ptr<NatsConnection> hq_;
  std::vector<std::unique_ptr<NatsWriter>> writers_;
  std::array<int64_t, kWriters> written_ = {};
  int64_t arrived_ = 0;
};

// --- Watches -----------------------------------------------------------------------------------------------------------------------

// Changes at a rate, and the time until every watcher has every one: deliveries a second.
absl::StatusOr<double> Deliver(const Callers& callers, LoadOptions changes, Deliveries* watchers, const PeerSettings& settings) {
  // A watch has begun once it is told of something.
  LoadOptions probe = changes;
  probe.calls_max = 1;
  absl::Status probed;
  const bool begun = Eventually(
      [&] {
        probed = RunPaced(callers, probe, 1);
        return !probed.ok() || watchers->begun() == settings.watchers;
      },
      kPeerStartTimeout);
  if (!probed.ok()) return probed;
  if (!begun) return absl::DeadlineExceededError(fmt::format("of {} watches {} have begun", settings.watchers, watchers->begun()));
  // Nothing of that is under way any more once one second brings nothing new.
  int64_t before = -1;
  for (absl::Time still = absl::Now(); absl::Now() - still < absl::Seconds(1); absl::SleepFor(absl::Milliseconds(50))) {
    if (const int64_t now = watchers->events(); now != std::exchange(before, now)) still = absl::Now();
  }
  changes.calls_max = static_cast<int64_t>(settings.changes_per_s * absl::ToDoubleSeconds(settings.duration));
  const int64_t due = before + changes.calls_max * settings.watchers;
  const absl::Time start = absl::Now();
  if (absl::Status made = RunPaced(callers, changes, settings.changes_per_s); !made.ok()) return made;
  const bool all = Eventually([&] { return watchers->events() >= due; }, kArrivalTimeout);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (!all || watchers->events() != due) {
    return absl::InternalError(fmt::format("{} events are due, {} came", due - before, watchers->events() - before));
  }
  return static_cast<double>(changes.calls_max * settings.watchers) / seconds;
}

absl::Status OpenWatches(int count, const std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>()>& dial, Deliveries* watchers) {
  std::shared_ptr<grpc::Channel> channel;
  for (int i = 0; i < count; ++i) {
    if (i % kWatchersPerChannel == 0) {
      absl::StatusOr<std::shared_ptr<grpc::Channel>> dialled = dial();
      if (!dialled.ok()) return dialled.status();
      channel = *std::move(dialled);
    }
    watchers->Open(channel);
  }
  return absl::OkStatus();
}

// As many to a message as there are for a watcher: etcd does so by itself.
std::string WatchRequest() {
  v1::WatchRecordsRequest request;
  request.set_events_max(1000);
  return request.SerializeAsString();
}
int64_t RecordEvents(const std::string& message) {
  v1::WatchRecordsResponse event;
  return event.ParseFromString(message) && event.has_record() ? 1 + event.following_size() : 0;
}

}  // namespace

absl::StatusOr<Section> CompareCatchUp(const PeerSettings& settings) {
  Section section(
      fmt::format("5: a site that has nothing takes {} entries of {} bytes, beside PostgreSQL's logical replication and a JetStream "
                  "mirror (which is not synced)",
                  settings.entries, kRecordBytes),
      {"entries/s", "seconds", "rate x"});
  const absl::StatusOr<std::unique_ptr<Network>> network = FilledForCatchUp(settings.entries);
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::unique_ptr<PgPair>> pair =
      OrSkipped(PgPair::Start("CREATE TABLE entries (id bigint PRIMARY KEY, record bytea NOT NULL)"));
  if (!pair.ok()) return pair.status();
  const auto slot = [](int round) { return fmt::format("round{}", round); };
  if (*pair) {
    for (int round = 0; round < settings.rounds; ++round) {
      if (absl::Status kept = (*pair)->Keep(slot(round)); !kept.ok()) return kept;
    }
    if (absl::Status filled = FillPostgres((*pair)->at_region.get(), settings.entries); !filled.ok()) return filled;
  }
  const absl::StatusOr<std::unique_ptr<Nats>> nats = OrSkipped(Nats::Start());
  if (!nats.ok()) return nats.status();
  if (*nats) {
    if (absl::Status filled = FillNats(**nats, settings.entries); !filled.ok()) return filled;
  }
  const auto entries = static_cast<double>(settings.entries);
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<CatchUpFigures> own = CatchUpRound(network->get());
    if (!own.ok()) return own.status();
    section.Add("Fairlead", {entries / own->seconds, own->seconds, 1});
    const auto add = [&](const std::string& system, const absl::StatusOr<double>& seconds) {
      if (seconds.ok()) section.Add(system, {entries / *seconds, *seconds, *seconds / own->seconds});
      return seconds.status();
    };
    absl::Status status;
    if (*pair) status = add("PostgreSQL", ApplyChanges(pair->get(), slot(round), settings.entries));
    if (status.ok() && *nats) status = add("NATS", Mirror(**nats, settings.entries));
    if (!status.ok()) return status;
  }
  return section;
}

absl::StatusOr<Section> CompareLag(const PeerSettings& settings) {
  Section section(
      "6: from a write's acknowledgement to the other site, three writers, beside PostgreSQL's logical replication and a JetStream mirror",
      {"writes/s", "peak/s", "p50 ms", "p99 ms", "max ms", "p99 x"});
  struct System {
    std::string name;
    std::unique_ptr<Lagging> lag;
    double peak = 0;
  };
  std::vector<System> systems;
  absl::StatusOr<std::unique_ptr<Lagging>> own = FairleadLag::Start();
  if (!own.ok()) return own.status();
  systems.push_back({"Fairlead", *std::move(own)});
  for (const auto& [name, start] : {std::pair("PostgreSQL", &PostgresLag::Start), std::pair("NATS", &NatsLag::Start)}) {
    absl::StatusOr<std::unique_ptr<Lagging>> peer = OrSkipped(start());
    if (!peer.ok()) return peer.status();
    if (*peer) systems.push_back({name, *std::move(peer)});
  }
  double rate = 0;
  for (System& system : systems) {
    const absl::StatusOr<double> peak = system.lag->Peak(settings.duration);
    if (!peak.ok()) return peak.status();
    system.peak = *peak;
    if (rate == 0 || *peak / 2 < rate) rate = *peak / 2;
  }
  for (int round = 0; round < settings.rounds; ++round) {
    double own_p99 = 0;
    for (System& system : systems) {
      const absl::StatusOr<std::vector<double>> lags_ms = system.lag->Run(rate, settings.duration);
      if (!lags_ms.ok()) return lags_ms.status();
      const double p99 = Quantile(*lags_ms, 0.99);
      if (&system == &systems.front()) own_p99 = p99;
      section.Add(system.name, {rate, system.peak, Quantile(*lags_ms, 0.5), p99, lags_ms->back(), p99 == 0 ? 0 : own_p99 / p99});
    }
  }
  return section;
}

absl::StatusOr<Section> CompareWatches(const PeerSettings& settings) {
  Section section(
      fmt::format("11: {} watchers of every change, {} changes a second, beside etcd's watch", settings.watchers, settings.changes_per_s),
      {"deliveries/s", "rate x"});
  const absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  Deliveries own_watchers({.method = kWatchRecords, .request = WatchRequest(), .events = RecordEvents});
  absl::Status opened = OpenWatches(
      settings.watchers, [&] { return (*network)->cluster().Channel("hq/analyst/desk", "apac"); }, &own_watchers);
  if (!opened.ok()) return opened;
  const absl::StatusOr<std::unique_ptr<Etcd>> etcd = OrSkipped(Etcd::Start(kChannels));
  if (!etcd.ok()) return etcd.status();
  std::unique_ptr<Deliveries> watchers;
  if (*etcd) {
    watchers = std::make_unique<Deliveries>(
        Deliveries::Options{.method = Etcd::kWatch, .request = Etcd::WatchRequest(), .half_closes = false, .events = Etcd::Events});
    if (opened = OpenWatches(
            settings.watchers, [&] { return (*etcd)->Channel(); }, watchers.get());
        !opened.ok())
      return opened;
  }
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<double> own = Deliver((*network)->callers(), Creates(1), &own_watchers, settings);
    if (!own.ok()) return own.status();
    section.Add("Fairlead", {*own, 1});
    if (!*etcd) continue;
    const LoadOptions puts{.method = Etcd::kPut, .request = [](int64_t n) { return Etcd::PutRequest(n); }};
    const absl::StatusOr<double> delivered = Deliver((*etcd)->callers(), puts, watchers.get(), settings);
    if (!delivered.ok()) return delivered.status();
    section.Add("etcd", {*delivered, *own / *delivered});
  }
  return section;
}

}  // namespace fairlead::bench
