#include "server/rpc/content_fetcher.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "api/errors.h"
#include "fairlead/v1/content_service.grpc.pb.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kWantedRead = 64;                                // looked at at once
constexpr absl::Duration kCallMax = absl::Minutes(2);             // then what is durable stands, and the next call goes on
constexpr absl::Duration kLookInterval = absl::Milliseconds(50);  // wakes that come faster are taken together
constexpr absl::Duration kYieldLook = absl::Milliseconds(50);
constexpr absl::Duration kNothingDue = absl::Minutes(1);

}  // namespace

ContentFetcher::ContentFetcher(ContentFetcherOptions options, node::Contents* contents, std::function<absl::Time()> now)
    : options_(std::move(options)), contents_(contents), now_(std::move(now)) {
  for (const ContentPeer& peer : options_.peers) {
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->peer = peer;
  }
}

ContentFetcher::~ContentFetcher() { Stop(); }

void ContentFetcher::Start() {
  sweeper_ = std::thread([this] { Sweep(); });
  for (const std::unique_ptr<Worker>& worker : workers_) worker->thread = std::thread([this, w = worker.get()] { Run(w); });
}

void ContentFetcher::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    for (grpc::ClientContext* call : calls_) call->TryCancel();
  }
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->woken.Set();
    worker->stopped.Set();
  }
  sweeps_stopped_.Set();
  for (const std::unique_ptr<Worker>& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
  if (sweeper_.joinable()) sweeper_.join();
}

void ContentFetcher::Wake() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->woken.Set();
}

bool ContentFetcher::SleepUntil(Worker* worker, absl::Time until) {
  worker->woken.Await(std::max(until - SteadyNow(), absl::ZeroDuration()));
  absl::MutexLock lock(&mu_);
  return !stopped_;
}

void ContentFetcher::Sweep() {
  for (;;) {
    if (absl::Status swept = contents_->Sweep(now_() - options_.idle_max); !swept.ok()) {
      spdlog::warn("attachments' bytes were not looked through: {}", std::string(swept.message()));
    }
    Wake();
    if (sweeps_stopped_.Await(options_.sweep_interval)) return;
  }
}

void ContentFetcher::Run(Worker* worker) {
  absl::Time until = absl::InfinitePast();
  while (SleepUntil(worker, until)) {
    const absl::Time looked = SteadyNow();
    absl::Time look_again = looked + kNothingDue;
    for (;;) {
      const node::Contents::Wanted wanted = Next(worker, &look_again);
      if (wanted.sha256.empty()) break;
      const Outcome outcome = Fetch(worker, wanted);
      Note(worker, wanted.sha256, outcome);
      absl::MutexLock lock(&mu_);
      claimed_.erase(wanted.sha256);
      if (stopped_) return;
    }
    until = look_again;
    // A commit wakes; thousands of them in a second do not make as many looks.
    if (worker->stopped.Await(std::max(looked + kLookInterval - SteadyNow(), absl::ZeroDuration()))) return;
  }
}

node::Contents::Wanted ContentFetcher::Next(Worker* worker, absl::Time* look_again) {
  const absl::Time now = SteadyNow();
  if (worker->reach.at > now) {
    *look_again = std::min(*look_again, worker->reach.at);
    return {};
  }
  std::set<std::string> due;
  for (std::string after;;) {
    const absl::StatusOr<std::vector<node::Contents::Wanted>> wanted = contents_->ListWanted(after, kWantedRead);
    if (!wanted.ok()) {
      spdlog::warn("what is due of attachments cannot be read: {}", std::string(wanted.status().message()));
      return {};
    }
    for (const node::Contents::Wanted& each : *wanted) {
      due.insert(each.sha256);
      if (const auto retry = worker->retries.find(each.sha256); retry != worker->retries.end() && retry->second.at > now) {
        *look_again = std::min(*look_again, retry->second.at);
        continue;
      }
      absl::MutexLock lock(&mu_);
      if (stopped_) return {};
      if (claimed_.insert(each.sha256).second) return each;
      *look_again = std::min(*look_again, now + options_.retry_max);  // whoever fetches it may fail
    }
    if (wanted->size() < kWantedRead) break;
    after = wanted->back().sha256;
  }
  std::erase_if(worker->retries, [&due](const auto& retry) { return !due.contains(retry.first); });
  return {};
}

absl::Duration ContentFetcher::DelayAfter(int failures) const {
  absl::Duration delay = options_.retry_min;
  for (int i = 1; i < failures && delay < options_.retry_max; ++i) delay *= 2;
  return std::min(delay, options_.retry_max);
}

void ContentFetcher::Note(Worker* worker, const std::string& sha256, Outcome outcome) {
  const absl::Time now = SteadyNow();
  const auto again = [&](Retry* retry) { retry->at = now + DelayAfter(++retry->failures); };
  if (outcome != Outcome::kFailed) worker->reach = Retry();
  switch (outcome) {
    case Outcome::kDone:
      worker->retries.erase(sha256);
      return;
    case Outcome::kCut:
      worker->retries.erase(sha256);
      worker->channel = nullptr;
      worker->reach.at = now + options_.retry_min;
      return;
    case Outcome::kNotHere:
      return again(&worker->retries[sha256]);
    case Outcome::kWrong:
      worker->retries[sha256].at = now + options_.distrust;
      return;
    case Outcome::kFailed:
      worker->channel = nullptr;
      return again(&worker->reach);
  }
}

bool ContentFetcher::Yield(Worker* worker) {
  const absl::Time latest = SteadyNow() + options_.yield_max;
  while (worker->peer.behind && worker->peer.behind() && SteadyNow() < latest) {
    if (worker->stopped.Await(kYieldLook)) return false;
  }
  absl::MutexLock lock(&mu_);
  return !stopped_;
}

ContentFetcher::Outcome ContentFetcher::Fetch(Worker* worker, const node::Contents::Wanted& wanted) {
  const ContentPeer& peer = worker->peer;
  if (!Yield(worker)) return Outcome::kFailed;
  if (worker->channel == nullptr) {
    const std::string address = peer.find ? peer.find() : peer.address;
    if (address.empty()) return Outcome::kFailed;
    grpc::ChannelArguments arguments;
    // A connection of its own: what the entries' stream waits for never stands behind a photograph.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    worker->channel = grpc::CreateCustomChannel(address, peer.credentials(), arguments);
  }
  const std::string source = "node/" + peer.site;
  const absl::StatusOr<std::optional<node::Transfer>> before = contents_->Find(node::TransferId(source, wanted.sha256));
  if (!before.ok()) return Outcome::kFailed;
  std::optional<node::Transfer> transfer = *before;

  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallMax));
  {
    absl::MutexLock lock(&mu_);
    if (stopped_) return Outcome::kFailed;
    calls_.insert(&context);
  }
  v1::FetchContentRequest request;
  request.set_sha256(wanted.sha256);
  request.set_offset(transfer ? static_cast<int64_t>(transfer->offset) : 0);
  const auto stub = v1::ContentService::NewStub(worker->channel);
  const std::unique_ptr<grpc::ClientReader<v1::FetchContentResponse>> reader = stub->FetchContent(&context, request);
  v1::FetchContentResponse piece;
  bool came = false;
  absl::Status wrong;
  absl::Status own;  // this site's fault
  while (wrong.ok() && own.ok() && reader->Read(&piece)) {
    if (!Yield(worker)) break;
    if (peer.trusted && !peer.trusted().ok()) break;
    const auto size = static_cast<uint64_t>(piece.size_bytes());
    if (!transfer || transfer->size != size) {
      if (piece.size_bytes() <= 0 || size > wanted.bytes_max || piece.offset() != 0) {
        wrong = absl::InvalidArgumentError(fmt::format("a size of {}", piece.size_bytes()));
        break;
      }
      absl::StatusOr<node::Transfer> begun = contents_->Begin(source, wanted.sha256, size, std::numeric_limits<size_t>::max());
      own = begun.status();
      if (!own.ok()) break;
      transfer = *std::move(begun);
    }
    const absl::StatusOr<node::Transfer> after = contents_->Append(transfer->id, static_cast<uint64_t>(piece.offset()), piece.data());
    if (!after.ok()) {
      (absl::IsInvalidArgument(after.status()) ? wrong : own) = after.status();
      break;
    }
    came = came || after->offset > transfer->offset;
    transfer = *after;
  }
  if (!wrong.ok() || !own.ok()) context.TryCancel();
  const absl::Status ended = FromGrpc(reader->Finish());
  {
    absl::MutexLock lock(&mu_);
    calls_.erase(&context);
  }
  if (wrong.ok() && own.ok() && transfer && transfer->offset == transfer->size) {
    const absl::Status completed = contents_->Complete(*transfer);
    if (completed.ok()) {
      spdlog::info("the {} bytes of {} have come from {}", transfer->size, wanted.sha256, peer.site);
      return Outcome::kDone;
    }
    (absl::IsInvalidArgument(completed) ? wrong : own) = completed;
  }
  if (!wrong.ok()) {
    spdlog::warn("{} gave other bytes than those of {}: {}", peer.site, wanted.sha256, std::string(wrong.message()));
    if (transfer) contents_->Drop(transfer->id).IgnoreError();  // else the sweep does
    return Outcome::kWrong;
  }
  if (!own.ok()) {
    spdlog::warn("the bytes of {} cannot be kept: {}", wanted.sha256, std::string(own.message()));
    return Outcome::kFailed;
  }
  if (came) return Outcome::kCut;
  // What the peer has is shorter than what had come from it: it was made anew.
  if (absl::IsInvalidArgument(ended) && transfer) contents_->Drop(transfer->id).IgnoreError();
  return absl::IsNotFound(ended) || absl::IsInvalidArgument(ended) ? Outcome::kNotHere : Outcome::kFailed;
}

}  // namespace fairlead::rpc
