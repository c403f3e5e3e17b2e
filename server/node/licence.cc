#include "server/node/licence.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"

namespace fairlead::node {
namespace {

using storage::Cf;

class FileOfMachine : public LicenceFile {
 public:
  explicit FileOfMachine(std::string path) : path_(std::move(path)) {}
  std::string name() const override { return path_; }

  absl::StatusOr<std::optional<std::string>> Read() const override {
    std::error_code error;
    if (!std::filesystem::exists(path_, error) && !error) return std::nullopt;
    std::ifstream in(path_, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) return absl::FailedPreconditionError(fmt::format("{} cannot be read", path_));
    return text;
  }

  absl::Status Replace(const std::string& text) override {
    const std::string next = path_ + ".next";
    const auto failed = [this](const char* what) {
      return absl::FailedPreconditionError(fmt::format("{}: {}: {}", path_, what, std::strerror(errno)));
    };
    const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return failed("cannot be made");
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
    absl::Status status = written ? absl::OkStatus() : failed("cannot be written");
    close(fd);
    if (!status.ok()) return status;
    if (rename(next.c_str(), path_.c_str()) != 0) return failed("cannot be replaced");
    const std::filesystem::path folder = std::filesystem::absolute(path_).parent_path();
    const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return failed("its folder cannot be opened");
    if (fsync(directory) != 0) status = failed("its folder cannot be synced");
    close(directory);
    return status;
  }

 private:
  const std::string path_;
};

// The store's half: the id that is in force, then the one that is about to be. A crash between the two writes leaves both.
struct Held {
  std::string origin, id, next;
};

absl::Status Put(storage::Store* store, const Held& held) {
  std::string value;
  PutBytes(&value, held.origin);
  PutBytes(&value, held.id);
  PutBytes(&value, held.next);
  auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, storage::kMetaLicence, value);
  return store->Write(batch.get(), storage::Sync::kYes);
}

absl::StatusOr<Held> Get(const storage::Store& store) {
  auto value = store.Get(Cf::kMeta, storage::kMetaLicence);
  if (!value.ok()) return value.status();
  Held held;
  if (!value->has_value()) return held;
  Reader in(**value);
  held.origin = in.Bytes();
  held.id = in.Bytes();
  held.next = in.Bytes();
  if (!in.Done()) return Error(Reason::kStoreDamaged, "the store's half of the licence is damaged");
  return held;
}

}  // namespace

std::unique_ptr<LicenceFile> LicenceFileAt(std::string path) { return std::make_unique<FileOfMachine>(std::move(path)); }

absl::StatusOr<std::unique_ptr<LicenceKeeper>> LicenceKeeper::Open(Options options, storage::Store* store, const LogSizes& held) {
  absl::StatusOr<Held> here = Get(*store);
  if (!here.ok()) return here.status();
  std::unique_ptr<LicenceKeeper> keeper(new LicenceKeeper(std::move(options), store));
  const Options& o = keeper->options_;
  const std::string name = o.file->name();

  const auto cause = [&]() -> std::string {
    absl::StatusOr<std::optional<std::string>> text = o.file->Read();
    if (!text.ok()) return std::string(text.status().message());
    if (!text->has_value()) return fmt::format("there is no {}", name);
    absl::StatusOr<Licence> licence = ParseLicence(**text);
    if (!licence.ok()) return fmt::format("{}: {}", name, std::string(licence.status().message()));
    if (licence->origin != o.origin) return fmt::format("{} is for log {}, not {}", name, licence->origin, o.origin);
    if (licence->unused_until) {
      const bool empty = std::all_of(held.begin(), held.end(), [](const auto& log) { return log.second == Seq(0); });
      if (!empty) return fmt::format("{} has never been used, and this store has entries", name);
      if (o.clock->Now() > *licence->unused_until) return fmt::format("{} was to be taken up sooner", name);
      return "";
    }
    const bool same = here->origin == o.origin && (licence->id == here->id || licence->id == here->next);
    if (!same) return fmt::format("{} belongs to another store, of which this may be an older copy", name);
    LogSizes known = licence->others;
    known.emplace(licence->origin, licence->size);
    for (const auto& [origin, here] : held) {
      const auto size = known.find(origin);
      if (size == known.end() || size->second <= here) continue;
      return fmt::format("{} knows of {} entries of {}, and this store has {}", name, size->second.value(), origin, here.value());
    }
    keeper->mu_.Lock();
    keeper->id_ = licence->id;
    keeper->mu_.Unlock();
    return "";
  }();

  absl::MutexLock lock(&keeper->mu_);
  keeper->cause_ = cause;
  keeper->entitled_ = cause.empty();
  if (keeper->entitled_) {
    absl::Status taken = keeper->Take(held);
    if (!taken.ok()) keeper->cause_ = std::string(taken.message());
  }
  if (keeper->licensed_) return keeper;
  for (const std::string& peer : o.peers) keeper->awaited_[peer] = "";
  spdlog::warn("this store may not extend {} yet: {}", o.origin, keeper->cause_);
  return keeper;
}

absl::Status LicenceKeeper::Grant(Options options, storage::Store* store, const LogSizes& held) {
  LicenceKeeper keeper(std::move(options), store);
  absl::MutexLock lock(&keeper.mu_);
  return keeper.Take(held);
}

absl::Status LicenceKeeper::Take(const LogSizes& held) {
  const std::string next = RandomBytes(kLicenceIdBytes);
  Licence licence{.origin = options_.origin, .unused_until = {}, .id = next, .size = held.at(options_.origin), .others = held};
  std::erase_if(licence.others, [this](const auto& log) { return log.first == options_.origin || log.second == Seq(0); });
  absl::Status status = Put(store_, {options_.origin, id_, next});
  if (status.ok()) status = options_.file->Replace(FormatLicence(licence));
  if (!status.ok()) return status;
  id_ = next;
  if (status = Put(store_, {options_.origin, next, ""}); !status.ok()) return status;
  sizes_ = held;
  taken_ = options_.clock->Now();
  licensed_ = true;
  return absl::OkStatus();
}

bool LicenceKeeper::Entitled() const {
  absl::MutexLock lock(&mu_);
  return entitled_;
}

std::string LicenceKeeper::Missing() const {
  absl::MutexLock lock(&mu_);
  if (licensed_) return "";
  std::string waits;
  for (const auto& [peer, more] : awaited_) {
    waits += waits.empty() ? "" : ", ";
    waits += more.empty() ? peer : fmt::format("{} ({})", peer, more);
  }
  return fmt::format(
      "this store has no licence to extend {} ({}). It gets one when it holds all that its peers hold of its logs; {}. If that cannot be, "
      "begin a new epoch: fairlead certs epoch",
      options_.origin, cause_, waits.empty() ? "it has no peer to ask" : "it waits for " + waits);
}

bool LicenceKeeper::PeerHolds(const std::string& peer, const LogSizes& sizes, const LogSizes& held) {
  absl::MutexLock lock(&mu_);
  if (licensed_) return false;
  auto awaited = awaited_.find(peer);
  if (awaited == awaited_.end()) return false;
  awaited->second.clear();
  for (const auto& [origin, size] : sizes) {
    if (size <= held.at(origin)) continue;
    awaited->second += fmt::format("{}{} entries of {}", awaited->second.empty() ? "" : ", ", size.value(), origin);
  }
  if (!awaited->second.empty()) return false;
  if (awaited_.size() > 1) {
    awaited_.erase(awaited);
    return false;
  }
  absl::Status status = Take(held);
  if (!status.ok()) {
    cause_ = std::string(status.message());  // tried again at the peer's next word
    return false;
  }
  awaited_.clear();
  spdlog::info("this store holds all that its peers hold of {}, and may extend it", options_.origin);
  return true;
}

bool LicenceKeeper::Renew(const LogSizes& held, Position journal) {
  absl::MutexLock lock(&mu_);
  const bool due = licensed_ ? (held != sizes_ || journal != journal_) && options_.clock->Now() - taken_ >= options_.renew_interval
                             : entitled_ && options_.clock->Now() - taken_ >= options_.retry_interval;
  if (!due) return false;
  const bool brings = !licensed_;
  absl::Status status = Take(held);
  if (status.ok()) {
    journal_ = journal;
    return brings;
  }
  taken_ = options_.clock->Now();  // not at once again
  if (licensed_) spdlog::warn("the licence could not be renewed: {}", std::string(status.message()));
  return false;
}

}  // namespace fairlead::node
