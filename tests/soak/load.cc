#include "tests/soak/load.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <utility>

#include "api/ids.h"

namespace fairlead::soak {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);

// What a node that is down, cut off, behind or busy answers with.
bool IsPassing(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kResourceExhausted || status.code() == absl::StatusCode::kCancelled;
}

std::string RequestId() { return NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()))); }

client::CallOptions At(const std::string& site) {
  client::CallOptions call = scenarios::AtSite(site);
  call.timeout = kCallTimeout;
  return call;
}

}  // namespace

struct Load::Thread {
  int number = 0;
  std::string site;
  std::minstd_rand random;
  std::unique_ptr<client::Client> client;
  absl::Time next_call = absl::InfinitePast();
  bool busy = false;
  uint64_t created = 0;
  std::vector<Record> records;
  std::thread thread;
};

Load::Load(framework::Cluster* cluster, LoadOptions options) : cluster_(cluster), options_(options) {}
Load::~Load() { Stop().IgnoreError(); }

absl::Status Load::Start() {
  int number = 0;
  for (const std::string& site : cluster_->sites()) {
    for (int i = 0; i < options_.threads_per_site; ++i) {
      auto thread = std::make_unique<Thread>();
      thread->number = ++number;
      thread->site = site;
      thread->random.seed(static_cast<uint32_t>(options_.seed * 1000 + static_cast<uint64_t>(number)));
      auto client = cluster_->Connect(fmt::format("officer/{}/watch", site), site);
      if (!client.ok()) return client.status();
      thread->client = *std::move(client);
      threads_.push_back(std::move(thread));
    }
  }
  for (const auto& thread : threads_) thread->thread = std::thread([this, one = thread.get()] { Run(one); });
  return absl::OkStatus();
}

absl::Status Load::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  for (const auto& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
  absl::MutexLock lock(&mu_);
  return status_;
}

void Load::Hold() {
  absl::MutexLock lock(&mu_);
  held_ = true;
  auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return busy_ == 0; };
  mu_.Await(absl::Condition(&idle));
}

void Load::Resume() {
  absl::MutexLock lock(&mu_);
  held_ = false;
}

LoadCounts Load::counts() const {
  absl::MutexLock lock(&mu_);
  return counts_;
}

std::vector<Record> Load::records() const {
  std::vector<Record> records;
  for (const auto& thread : threads_) records.insert(records.end(), thread->records.begin(), thread->records.end());
  return records;
}

bool Load::Next(Thread* thread) {
  absl::MutexLock lock(&mu_);
  if (std::exchange(thread->busy, false)) --busy_;
  mu_.AwaitWithDeadline(absl::Condition(&stopped_), thread->next_call);
  auto may = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopped_ || !held_; };
  mu_.Await(absl::Condition(&may));
  if (stopped_) return false;
  thread->next_call = absl::Now() + absl::Seconds(1 / options_.calls_per_second);
  thread->busy = true;
  ++busy_;
  return true;
}

void Load::Run(Thread* thread) {
  while (Next(thread)) {
    const uint32_t draw = thread->random() % 10;
    absl::Status status;
    if (draw < 4 || thread->records.empty()) {
      status = CreateOne(thread);
    } else if (draw < 7) {
      status = EditOne(thread);
    } else {
      ReadOne(thread);
    }
    if (status.ok()) continue;
    absl::MutexLock lock(&mu_);
    status_.Update(absl::Status(status.code(), fmt::format("a client of {}: {}", thread->site, std::string(status.message()))));
    break;
  }
  absl::MutexLock lock(&mu_);
  if (std::exchange(thread->busy, false)) --busy_;
}

absl::Status Load::CreateOne(Thread* thread) {
  auto request = scenarios::EngagementAt(thread->site, fmt::format("soak {}, engagement {}", thread->number, thread->created++));
  request.set_request_id(RequestId());
  std::string site = thread->site;
  for (;;) {
    const auto created = scenarios::Create(*thread->client, request, At(site));
    absl::MutexLock lock(&mu_);
    if (created.ok()) {
      ++counts_.creates;
      thread->records.push_back({.name = created->name(), .title = created->title(), .notes = "", .notes_certain = true});
      return absl::OkStatus();
    }
    if (!IsPassing(created.status())) return created.status();
    ++counts_.repeats;
    // Mostly the same node, which may have taken it; else another, which then takes the same request too.
    if (thread->random() % 4 == 0) site = cluster_->sites()[thread->random() % cluster_->sites().size()];
  }
}

absl::Status Load::EditOne(Thread* thread) {
  Record& record = thread->records[thread->random() % thread->records.size()];
  const auto read = scenarios::GetEngagement(*thread->client, record.name, At(thread->site));
  if (!read.ok()) return absl::OkStatus();  // down, or the record came about elsewhere and is not here yet
  scenarios::v1::UpdateEngagementRequest request;
  request.mutable_engagement()->set_name(record.name);
  request.mutable_engagement()->set_etag(read->etag());
  request.mutable_engagement()->set_notes(fmt::format("edit {}", thread->random()));
  request.mutable_update_mask()->add_paths("notes");
  request.set_request_id(RequestId());
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto edited =
        thread->client->Call<scenarios::v1::Engagement>("fairlead.v1.EngagementService.UpdateEngagement", request, At(thread->site));
    absl::MutexLock lock(&mu_);
    if (edited.ok()) {
      ++counts_.edits;
      record.notes = request.engagement().notes();
      return absl::OkStatus();
    }
    if (!IsPassing(edited.status())) {
      // The record was read while an entry of its own was still on its way here: the edit was refused, and was not made.
      return ReasonOf(edited.status()) == "ETAG_MISMATCH" ? absl::OkStatus() : edited.status();
    }
    ++counts_.repeats;
  }
  record.notes_certain = false;
  return absl::OkStatus();
}

void Load::ReadOne(Thread* thread) {
  const std::string& site = cluster_->sites()[thread->random() % cluster_->sites().size()];
  bool answered = false;
  if (thread->random() % 8 == 0) {
    answered = thread->client
                   ->Call<scenarios::v1::Overview>("fairlead.v1.OverviewService.GetOverview", scenarios::v1::GetOverviewRequest(), At(site))
                   .ok();
  } else {
    answered = scenarios::GetEngagement(*thread->client, thread->records[thread->random() % thread->records.size()].name, At(site)).ok();
  }
  absl::MutexLock lock(&mu_);
  counts_.reads += answered ? 1 : 0;
}

}  // namespace fairlead::soak
