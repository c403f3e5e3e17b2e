#include "server/search/search_index.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/crypto.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "server/node/erasures.h"
#include "server/node/materialise.h"
#include "storage/schema.h"

namespace fairlead::search {
namespace {

constexpr size_t kEntriesPerCommit = 1024;
constexpr size_t kRecordsPerCommit = 4096;  // unless one entry has more
// Commits sync several files: under a stream of writes, one takes in what came meanwhile.
constexpr absl::Duration kCommitInterval = absl::Milliseconds(100);
constexpr absl::Duration kRetry = absl::Seconds(1);
constexpr absl::Duration kIdle = absl::Minutes(1);
constexpr int kNice = 10;

std::string VersionOf(const records::Registry& registry) {
  return fmt::format("{} {} {}", kTermsVersion, Xapian::version_string(), HexEncode(AsView(Sha256({UsesOf(registry)}))));
}

}  // namespace

SearchIndex::SearchIndex(node::Node* node, std::string folder)
    : node_(node), version_(VersionOf(node->registry())), folder_(std::move(folder)) {}

SearchIndex::~SearchIndex() {
  Stop();
  if (eraser_ != 0) node_->RemoveEraser(eraser_);
}

void SearchIndex::Start() {
  eraser_ = node_->AddEraser([this](Position end) { return end.value() <= erased_.load(); });
  journal_listener_ = node_->AddJournalListener([this](Position) { grown_.Set(); });
  thread_ = std::thread([this] { Run(); });
}

void SearchIndex::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  grown_.Set();
  stop_.Set();
  thread_.join();
  // The eraser stays: what the files hold is not gone because nobody follows the journal any more.
  node_->RemoveJournalListener(journal_listener_);
}

void SearchIndex::Run() {
  // Of this thread: calls and commits go first.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  absl::Time begun = absl::InfinitePast();
  while (!stopping_.load()) {
    const absl::Duration rest = kCommitInterval - (absl::Now() - begun);
    if (rest > absl::ZeroDuration()) stop_.Await(std::min(rest, kCommitInterval));
    begun = absl::Now();
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more && !stopping_.load()) more = Step();
    const std::string error = more.ok() ? "" : std::string(more.status().message());
    if (!error.empty() && error != last_error_) spdlog::error("{}", error);
    last_error_ = error;
    grown_.Await(error.empty() ? kIdle : kRetry);
  }
}

absl::StatusOr<bool> SearchIndex::Step() {
  absl::StatusOr<bool> more = Work();
  if (!more.ok()) {
    progress_.reset();  // what was not committed is lost: it is read again
    if (folder_.damaged()) damaged_.store(true);
  }
  {
    absl::MutexLock lock(&mu_);
    figures_.error = more.ok() ? "" : std::string(more.status().message());
  }
  return more;
}

absl::StatusOr<bool> SearchIndex::Work() {
  if (damaged_.exchange(false)) {
    spdlog::warn("the search index is damaged: it is built anew");
    folder_.Discard();
    progress_.reset();
  }
  if (!progress_) {
    if (absl::Status opened = Open(); !opened.ok()) return opened;
    return true;
  }
  if (progress_->stale) {
    if (absl::Status purged = folder_.Purge(); !purged.ok()) return purged;
    Progress next = *progress_;
    next.stale = false;
    if (absl::Status committed = Commit(std::move(next)); !committed.ok()) return committed;
    return true;
  }
  return progress_->building ? Build() : Follow();
}

absl::Status SearchIndex::Open() {
  absl::StatusOr<std::optional<Progress>> held = folder_.Open(version_, node_->JournalInstance());
  if (!held.ok()) return held.status();
  const Position end = held->has_value() ? (*held)->journal : node_->JournalEnd();
  const absl::StatusOr<Dot> last = EntryBefore(end);
  if (held->has_value() && last.ok() && *last == (*held)->last) {
    progress_ = **std::move(held);
    Publish();
    return absl::OkStatus();
  }
  if (held->has_value()) {
    // The store was put back from a copy: its journal took, or will take, another course.
    folder_.Discard();
    return absl::OkStatus();
  }
  if (!last.ok()) return last.status();
  return Commit({.instance = node_->JournalInstance(), .journal = end, .last = *last, .building = true});
}

absl::StatusOr<Dot> SearchIndex::EntryBefore(Position end) const {
  if (end == Position(0)) return Dot();
  const absl::StatusOr<std::vector<Dot>> entry = node_->ReadJournal(Position(end.value() - 1), 1);
  if (!entry.ok()) return entry.status();
  return entry->empty() ? Dot() : entry->front();
}

// Takes in the next records in the order of their names. They are read from the store as it is: what changes meanwhile is in the journal
// after progress_->journal.
absl::StatusOr<bool> SearchIndex::Build() {
  Progress next = *progress_;
  const std::string from = next.built.empty() ? "" : next.built + '\0';
  size_t records = 0;
  const auto it = node_->store().Iterate(storage::Cf::kRecords, from, {});
  for (it->SeekToFirst(); it->Valid() && records < kRecordsPerCommit; it->Next(), ++records) {
    next.built = std::string(it->key());
    if (absl::Status put = Put(next.built); !put.ok()) return put;
  }
  if (!it->status().ok()) return it->status();
  if (!it->Valid()) {
    next.building = false;
    next.built.clear();
  }
  if (absl::Status committed = Commit(std::move(next)); !committed.ok()) return committed;
  return true;
}

absl::StatusOr<bool> SearchIndex::Follow() {
  const absl::StatusOr<std::vector<Dot>> entries = node_->ReadJournal(progress_->journal, kEntriesPerCommit);
  if (!entries.ok()) return entries.status();
  if (entries->empty()) return false;
  Progress next = *progress_;
  std::set<std::string> changed;
  for (const Dot& entry : *entries) {
    absl::StatusOr<std::set<std::string>> names = ChangedBy(entry, &next.stale);
    if (!names.ok()) return names.status();
    changed.merge(*names);
    ++next.journal;
    next.last = entry;
    if (changed.size() >= kRecordsPerCommit) break;
  }
  for (const std::string& name : changed) {
    if (absl::Status put = Put(name); !put.ok()) return put;
  }
  // A journal that grew by little meanwhile may grow some more before the next commit.
  const bool more = next.stale || entries->size() == kEntriesPerCommit || changed.size() >= kRecordsPerCommit;
  if (absl::Status committed = Commit(std::move(next)); !committed.ok()) return committed;
  return more;
}

absl::Status SearchIndex::Put(const std::string& name) {
  const records::RecordType* type = node_->registry().FindByName(name);
  if (type == nullptr || !IsSearchable(*type)) return absl::OkStatus();
  const absl::StatusOr<std::optional<node::RecordState>> state = node_->GetState(node_->store(), name);
  if (absl::IsDataLoss(state.status())) {
    spdlog::error("{} is not found by search: {}", name, std::string(state.status().message()));
    return folder_.Remove(RecordTerm(name));
  }
  if (!state.ok()) return state.status();
  if (!state->has_value()) return folder_.Remove(RecordTerm(name));
  const std::unique_ptr<google::protobuf::Message> record = node::MaterialiseFields(*type, name, **state);
  if (IsWithdrawn(*record)) return folder_.Remove(RecordTerm(name));
  return folder_.Put(RecordTerm(name), DocumentOf(*type, name, ContentOf(*type, *record)));
}

absl::StatusOr<std::set<std::string>> SearchIndex::ChangedBy(Dot entry, bool* erases) const {
  std::set<std::string> names;
  const auto add = [&](Dot dot) -> absl::Status {
    const absl::StatusOr<std::optional<std::string>> bytes = node_->ReadPayload(dot);
    if (!bytes.ok() || !bytes->has_value()) return bytes.status();
    const absl::StatusOr<Payload> payload = DecodePayload(**bytes);
    if (!payload.ok()) return absl::OkStatus();  // it has changed no record
    *erases = *erases || IsErasure(*payload);
    for (const Mutation& mutation : payload->mutations) names.insert(mutation.record);
    return absl::OkStatus();
  };
  if (absl::Status added = add(entry); !added.ok()) return added;
  // An erased entry that is undone stands in the journal again. What it changed, its erasures say.
  const absl::StatusOr<std::vector<Dot>> erasures = node::ErasuresOf(node_->store(), entry);
  if (!erasures.ok()) return erasures.status();
  for (const Dot& erasure : *erasures) {
    if (absl::Status added = add(erasure); !added.ok()) return added;
  }
  return names;
}

absl::Status SearchIndex::Commit(Progress next) {
  if (absl::Status committed = folder_.Commit(next); !committed.ok()) return committed;
  progress_ = std::move(next);
  Publish();
  return absl::OkStatus();
}

void SearchIndex::Publish() {
  {
    absl::MutexLock lock(&mu_);
    figures_.records = folder_.documents();
    if (progress_->building && !figures_.building) ++figures_.builds;
    figures_.building = progress_->building;
    figures_.indexed = progress_->building ? Position(0) : progress_->journal;
  }
  if (!progress_->stale && !progress_->building) erased_.store(progress_->journal.value());
  if (progress_->building) return;
  absl::MutexLock lock(&listeners_mu_);
  for (const auto& [id, listener] : listeners_) listener(progress_->journal);
}

IndexFigures SearchIndex::figures() const {
  absl::MutexLock lock(&mu_);
  return figures_;
}

uint64_t SearchIndex::AddListener(std::function<void(Position)> listener) {
  absl::MutexLock lock(&listeners_mu_);
  const uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return id;
}

void SearchIndex::RemoveListener(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.erase(id);
}

void SearchIndex::ReportDamage() {
  damaged_.store(true);
  grown_.Set();
}

}  // namespace fairlead::search
