#include "certs/logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/crypto.h"
#include "api/licence.h"
#include "api/note.h"
#include "certs/network.h"

namespace fairlead::certs {

namespace fs = std::filesystem;

fs::path NodeFolder(const fs::path& folder, const std::string& site) { return folder / "node" / site; }

absl::Status CheckPartnerStream(std::string_view stream) {
  const std::string_view country = stream.substr(std::min(stream.size(), PartnerStream("").size()));
  const bool capitals = country.size() == 2 && std::all_of(country.begin(), country.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (capitals && stream == PartnerStream(country)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("stream \"{}\": must be {}, or partner- and the two capitals of a country (ISO 3166-1)", stream, kAuditStream));
}

absl::StatusOr<RosterLog> MakeLog(const fs::path& folder, std::string_view network, const RosterSite& site, uint32_t epoch,
                                  const std::string& stream, std::vector<RosterLog>* logs) {
  const SigningKey key = SigningKey::Generate();
  const absl::StatusOr<VerifyKey> public_key = VerifyKey::FromRaw(key.public_raw());
  if (!public_key.ok()) return public_key.status();
  const std::string path = LogKeyPath(NodeFolder(folder, site.name) / "log.key", stream);
  if (absl::Status status = WriteFile(path, key.ToPem(), Access::kOwnerOnly, IfExists::kReplace); !status.ok()) return status;
  logs->push_back(
      {.id = LogId(logs->empty() ? 1 : logs->back().id.value() + 1),
       .site = site.id,
       .site_name = site.name,
       .epoch = epoch,
       .stream = stream,
       .verifier = note::Verifier::Make(fmt::format("{}/{}/{}/{}", network, site.name, epoch, stream), note::kEd25519, *public_key),
       .closing = {}});
  return logs->back();
}

absl::Status WriteLicence(const fs::path& node, const std::string& origin, absl::Time now, IfExists if_exists) {
  return WriteFile(node / "licence",
                   FormatLicence({.origin = origin, .unused_until = absl::FromUnixSeconds(absl::ToUnixSeconds(now + kLicenceUnusedFor))}),
                   Access::kOwnerOnly, if_exists);
}

absl::StatusOr<std::vector<RosterLog>> Network::BeginStream(std::string_view stream) const {
  if (stream != kAuditStream) {
    if (absl::Status status = CheckPartnerStream(stream); !status.ok()) return status;
  }
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  // Another process may have changed the roster since this folder was opened.
  absl::StatusOr<Network> fresh = Open(folder_);
  if (!fresh.ok()) return fresh.status();
  const Roster& roster = fresh->roster();
  std::map<SiteId, uint32_t> epochs;  // of the sites that lack the stream
  for (const RosterLog& log : roster.logs()) epochs[log.site] = std::max(epochs[log.site], log.epoch);
  for (const RosterLog& log : roster.logs()) {
    if (log.stream == stream) epochs.erase(log.site);
  }
  if (epochs.empty()) return absl::AlreadyExistsError(fmt::format("every site has a log of stream {} already", stream));
  std::vector<RosterLog> logs = roster.logs();
  std::vector<RosterLog> made;
  for (const auto& [site, epoch] : epochs) {
    absl::StatusOr<RosterLog> log = MakeLog(folder_, name(), *roster.FindSite(site), epoch, std::string(stream), &logs);
    if (!log.ok()) return log.status();
    made.push_back(*std::move(log));
  }
  if (absl::Status status = WriteRoster(roster, logs); !status.ok()) return status;
  return made;
}

absl::StatusOr<RosterLog> Network::BeginEpoch(std::string_view site_name, absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<Network> fresh = Open(folder_);
  if (!fresh.ok()) return fresh.status();
  const RosterSite* site = fresh->roster().FindSite(site_name);
  if (site == nullptr) return absl::NotFoundError(fmt::format("the roster has no site \"{}\"", site_name));
  return BeginNextEpoch(fresh->roster(), *site, std::nullopt, {}, now);
}

absl::StatusOr<RosterLog> Network::CloseLog(std::string_view log_name, const LogClosing& closing, absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<Network> fresh = Open(folder_);
  if (!fresh.ok()) return fresh.status();
  for (const RosterLog& log : fresh->roster().logs()) {
    if (log_name != fmt::format("{}/{}/{}", log.site_name, log.epoch, log.stream)) continue;
    if (log.closing) {
      return absl::FailedPreconditionError(fmt::format("{} is closed at {} already", log.origin(), log.closing->size.value()));
    }
    return BeginNextEpoch(fresh->roster(), *fresh->roster().FindSite(log.site), log.id, closing, now);
  }
  return absl::NotFoundError(fmt::format("the roster has no log \"{}\"", log_name));
}

absl::StatusOr<RosterLog> Network::BeginNextEpoch(const Roster& roster, const RosterSite& site, std::optional<LogId> closed,
                                                  const LogClosing& closing, absl::Time now) const {
  std::vector<RosterLog> logs = roster.logs();
  std::vector<std::string> streams;  // of the site
  uint32_t epoch = 0;                // its newest
  uint32_t closed_epoch = 0;
  for (RosterLog& log : logs) {
    if (log.id == closed) {
      log.closing = closing;
      closed_epoch = log.epoch;
    }
    if (log.site != site.id) continue;
    epoch = std::max(epoch, log.epoch);
    if (std::find(streams.begin(), streams.end(), log.stream) == streams.end()) streams.push_back(log.stream);
  }
  if (!closed || closed_epoch == epoch) {
    ++epoch;
    for (const std::string& stream : streams) {
      if (absl::Status status = MakeLog(folder_, name(), site, epoch, stream, &logs).status(); !status.ok()) return status;
    }
  }
  const auto newest =
      std::find_if(logs.rbegin(), logs.rend(), [&](const RosterLog& log) { return log.site == site.id && log.stream == kMainStream; });
  if (newest == logs.rend()) return absl::FailedPreconditionError(fmt::format("the roster has no main log of site \"{}\"", site.name));
  absl::Status status;
  if (logs.size() > roster.logs().size()) status = WriteLicence(NodeFolder(folder_, site.name), newest->origin(), now, IfExists::kReplace);
  if (status.ok()) status = WriteRoster(roster, logs);
  if (!status.ok()) return status;
  return *newest;
}

absl::Status Network::WriteRoster(const Roster& roster, const std::vector<RosterLog>& logs) const {
  const auto in_file = [](const fs::path& path, const absl::Status& status) {
    return absl::Status(status.code(), fmt::format("{}: {}", path.string(), std::string(status.message())));
  };
  const fs::path root_path = folder_ / "root.key";
  const absl::StatusOr<std::string> pem = ReadFile(root_path);
  if (!pem.ok()) return pem.status();
  const absl::StatusOr<SigningKey> root_key = SigningKey::FromPem(*pem);
  if (!root_key.ok()) return in_file(root_path, root_key.status());
  const absl::StatusOr<VerifyKey> root_public = VerifyKey::FromRaw(root_key->public_raw());
  if (!root_public.ok()) return in_file(root_path, root_public.status());
  const std::string root_name = fmt::format("{}/root", name());
  note::Note next{Roster::Text(name(), roster.version() + 1, roster.sites(), logs, roster.cosigners(), roster.headquarters()), {}};
  next.signatures.push_back(note::Sign(root_name, *root_key, next.text));
  const std::string bytes = note::Format(next);
  const fs::path roster_path = folder_ / "roster.note";
  if (absl::StatusOr<Roster> opened = Roster::Open(bytes, note::Verifier::Make(root_name, note::kEd25519, *root_public)); !opened.ok()) {
    return in_file(roster_path, opened.status());
  }
  return WriteFile(roster_path, bytes, Access::kEveryoneReads, IfExists::kReplace);
}

}  // namespace fairlead::certs
