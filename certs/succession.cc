// How one TLS root succeeds another: the part of Network (network.h) that writes roots and their keys.

#include <fmt/format.h>

#include <array>
#include <set>

#include "certs/files.h"
#include "certs/network.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kKeyFiles = {"ca.key", "next.key"};

absl::Status InFile(const fs::path& path, const absl::Status& status) {
  return absl::Status(status.code(), fmt::format("{}: {}", path.string(), std::string(status.message())));
}

}  // namespace

absl::Status Network::IntroduceRoot(absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  if (roots_.size() > 1) return absl::FailedPreconditionError("there are two roots: promote or retire first");
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  absl::StatusOr<fs::path> used = KeyFileOf(root());
  if (!used.ok()) return used.status();
  const fs::path free = folder_ / "ca" / (used->filename() == kKeyFiles[0] ? kKeyFiles[1] : kKeyFiles[0]);
  absl::StatusOr<Key> key = GenerateKey();
  if (!key.ok()) return key.status();
  absl::StatusOr<Certificate> next = MakeRoot(name(), *key, {now - kBackdating, now - kBackdating + kRootLifetime});
  if (!next.ok()) return next.status();
  // What an introduction that stopped half-way has left in the free place belongs to no root.
  absl::StatusOr<std::string> pem = KeyToPem(*key);
  if (!pem.ok()) return InFile(free, pem.status());
  if (absl::Status status = WriteFile(free, *pem, Access::kOwnerOnly, IfExists::kReplace); !status.ok()) return status;
  // The lists before the roots: a root without a list is not taken up.
  const std::vector<Certificate> roots = {root(), *next};
  if (absl::Status status = WriteRevocationLists(roots, *index, now); !status.ok()) return status;
  return WriteRoots(roots);
}

absl::Status Network::PromoteRoot() const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  if (roots_.size() < 2) return absl::FailedPreconditionError("there is one root: introduce another first");
  if (absl::StatusOr<Key> key = KeyOf(roots_[1]); !key.ok()) return key.status();
  return WriteRoots({roots_[1], roots_[0]});
}

absl::Status Network::RetireRoot(bool force, absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  if (roots_.size() < 2) return absl::FailedPreconditionError("there is one root, which signs");
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  absl::StatusOr<CertificateFields> staying = ReadFields(root());
  if (!staying.ok()) return staying.status();
  std::set<std::string> seen;
  for (auto issued = index->rbegin(); issued != index->rend() && !force; ++issued) {
    if (!seen.insert(issued->identity).second || issued->revocation.has_value() || issued->validity.not_after <= now) continue;
    if (issued->root == staying->subject_key_id) continue;
    return absl::FailedPreconditionError(fmt::format(
        "{} still has certificate {} of the root that would go; renew it, or retire with --force", issued->identity, issued->serial));
  }
  absl::StatusOr<fs::path> key = KeyFileOf(roots_[1]);
  if (absl::Status status = WriteRoots({root()}); !status.ok()) return status;
  if (absl::Status status = WriteRevocationLists({root()}, *index, now); !status.ok()) return status;
  if (!key.ok()) return absl::OkStatus();  // it is gone already
  std::error_code error;
  fs::remove(*key, error);
  return error ? absl::InternalError(fmt::format("{}: cannot remove: {}", key->string(), error.message())) : absl::OkStatus();
}

absl::Status Network::WriteRoots(const std::vector<Certificate>& roots) const {
  std::string all;
  for (const Certificate& root : roots) {
    absl::StatusOr<std::string> pem = CertificateToPem(root);
    if (!pem.ok()) return pem.status();
    all += *pem;
  }
  return WriteFile(folder_ / "ca" / "ca.crt", all, Access::kEveryoneReads, IfExists::kReplace);
}

absl::StatusOr<fs::path> Network::KeyFileOf(const Certificate& root) const {
  absl::Status status;
  for (const char* file : kKeyFiles) {
    const fs::path path = folder_ / "ca" / file;
    absl::StatusOr<std::string> pem = ReadFile(path);
    if (absl::IsNotFound(pem.status())) continue;
    if (!pem.ok()) return pem.status();
    absl::StatusOr<Key> key = KeyFromPem(*pem);
    if (key.ok() && KeyMatches(*key, root)) return path;
    status.Update(key.ok() ? absl::InvalidArgumentError(fmt::format("{}: is not the key of ca.crt", path.string()))
                           : InFile(path, key.status()));
  }
  if (!status.ok()) return status;
  return absl::NotFoundError(fmt::format("{}: missing", (folder_ / "ca" / kKeyFiles[0]).string()));
}

absl::StatusOr<Key> Network::KeyOf(const Certificate& root) const {
  absl::StatusOr<fs::path> path = KeyFileOf(root);
  if (!path.ok()) return path.status();
  absl::StatusOr<std::string> pem = ReadFile(*path);
  if (!pem.ok()) return pem.status();
  return KeyFromPem(*pem);
}

}  // namespace fairlead::certs
