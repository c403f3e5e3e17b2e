#include "server/offline.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "server/membership.h"
#include "server/node/fsck.h"
#include "server/node/licence.h"
#include "server/node/node.h"
#include "server/options.h"
#include "storage/backup.h"
#include "storage/rocksdb_store.h"

namespace fairlead {
namespace {

int Fail(int code, const absl::Status& status) {
  fmt::print(stderr, "fairlead-node: {}\n", std::string(status.message()));
  return code;
}

// A folder that is removed.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent) : path_(parent + "/fairlead-fsck-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }  // empty when it could not be made

 private:
  std::string path_;
};

absl::Status RequireMember(const NodeConfig& config) {
  if (!config.member.name.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("member.name: is not set in the configuration");
}

// Whether the store has the licence to extend its site's logs, and holds all that is known of them.
absl::Status MayExtend(const NodeConfig& config, std::unique_ptr<storage::Store> store) {
  auto options = NodeOptionsFrom(config);
  if (!options.ok()) return options.status();
  const std::unique_ptr<node::LicenceFile> licence = node::LicenceFileAt(config.licence);
  options->licence = licence.get();
  auto node = node::Node::Open(*std::move(options), std::move(store));
  if (!node.ok()) return node.status();
  const std::string reason = (*node)->UnwritableReason();
  return reason.empty() ? absl::OkStatus() : absl::FailedPreconditionError(reason);
}

}  // namespace

int RunFsck(const Roster& roster, const std::string& data, const std::string& scratch) {
  // First of all: nothing is made for a store that cannot be had.
  auto store = storage::OpenRocksDbStoreToRead({.path = data}, storage::Exclusive::kYes);
  if (!store.ok()) return Fail(kExitStart, store.status());
  const ScratchFolder folder(scratch);
  if (folder.path().empty()) return Fail(kExitStart, absl::NotFoundError(fmt::format("{}: no folder can be made in it", scratch)));
  auto copy = storage::OpenRocksDbStore({.path = folder.path()});
  if (!copy.ok()) return Fail(kExitStart, copy.status());
  node::FsckOptions options;
  options.roster = &roster;
  options.registry = &records::TheRegistry();
  options.now = absl::Now();
  options.on_finding = [](const node::Finding& finding) { fmt::print("{}\n", node::ToString(finding)); };
  auto report = node::Fsck(**store, copy->get(), options);
  if (!report.ok()) return Fail(kExitStart, report.status());
  fmt::print("{} entries ({} withheld, {} erased), {}: ", report->entries, report->withheld, report->erased,
             report->folded ? fmt::format("{} records", report->records) : "not folded");
  if (report->findings == 0) {
    fmt::print("clean\n");
    return 0;
  }
  fmt::print("{} found\n", report->findings);
  return kExitDamaged;
}

int RunRestore(const NodeConfig& config, const std::string& id) {
  if (config.backups.empty()) return Fail(kExitConfiguration, absl::InvalidArgumentError("backups: is not set in the configuration"));
  auto folder = storage::BackupFolder::Attach(config.backups);
  if (!folder.ok()) return Fail(kExitStart, folder.status());
  const std::string name = id.starts_with("backups/") ? id.substr(id.find('/') + 1) : id;
  const auto as = config.member.name.empty() ? storage::BackupFolder::As::kSite : storage::BackupFolder::As::kMember;
  if (absl::Status restored = (*folder)->Restore(name, config.network, config.site, config.data, as); !restored.ok()) {
    return Fail(kExitStart, restored);
  }
  fmt::print("backups/{} restored to {}\n", name, config.data);
  return 0;
}

int RunGrow(const NodeConfig& config, const std::vector<std::string>& members) {
  if (absl::Status member = RequireMember(config); !member.ok()) return Fail(kExitConfiguration, member);
  auto store = storage::OpenRocksDbStore({.path = config.data});
  if (!store.ok()) return Fail(kExitStart, store.status());
  if (Membership::RefuseMembersStore(**store).ok()) {
    if (absl::Status may = MayExtend(config, *std::move(store)); !may.ok()) return Fail(kExitStart, may);
    store = storage::OpenRocksDbStore({.path = config.data});
    if (!store.ok()) return Fail(kExitStart, store.status());
  }
  if (absl::Status grown = Membership::Grow(config, store->get(), members); !grown.ok()) return Fail(kExitStart, grown);
  fmt::print("the log of site '{}' is on etcd; member '{}' may be started\n", config.site, config.member.name);
  return 0;
}

int RunShrink(const NodeConfig& config) {
  if (absl::Status member = RequireMember(config); !member.ok()) return Fail(kExitConfiguration, member);
  const auto roster = RosterFrom(config);
  if (!roster.ok()) return Fail(kExitConfiguration, roster.status());
  auto store = storage::OpenRocksDbStore({.path = config.data});
  if (!store.ok()) return Fail(kExitStart, store.status());
  if (Membership::RefuseMembersStore(**store).ok()) {
    return Fail(kExitStart, absl::FailedPreconditionError(fmt::format("the store in {} is no member's", config.data)));
  }
  const auto ended = Membership::LogEnded(config, store->get());
  if (!ended.ok()) return Fail(kExitStart, ended.status());
  if (!*ended) {
    auto options = NodeOptionsFrom(config);
    if (!options.ok()) return Fail(kExitConfiguration, options.status());
    if (absl::Status end = Membership::EndLog(config, *std::move(options), *std::move(store)); !end.ok()) return Fail(kExitStart, end);
    store = storage::OpenRocksDbStore({.path = config.data});
    if (!store.ok()) return Fail(kExitStart, store.status());
  }
  if (absl::Status left = Membership::LeaveLog(config, *roster, store->get()); !left.ok()) return Fail(kExitStart, left);
  fmt::print("site '{}' is in {} alone; its node may be started without [member] and [etcd]\n", config.site, config.data);
  return 0;
}

int RunAdmit(const NodeConfig& config, const std::string& member) {
  if (absl::Status ours = RequireMember(config); !ours.ok()) return Fail(kExitConfiguration, ours);
  if (absl::Status admitted = Membership::Admit(config, member); !admitted.ok()) return Fail(kExitStart, admitted);
  fmt::print("etcd keeps the log of site '{}' for member '{}'\n", config.site, member);
  return 0;
}

int RunForget(const NodeConfig& config, const std::string& member) {
  if (absl::Status ours = RequireMember(config); !ours.ok()) return Fail(kExitConfiguration, ours);
  if (absl::Status forgotten = Membership::Forget(config, member); !forgotten.ok()) return Fail(kExitStart, forgotten);
  fmt::print("etcd keeps nothing of the log of site '{}' for member '{}'\n", config.site, member);
  return 0;
}

}  // namespace fairlead
