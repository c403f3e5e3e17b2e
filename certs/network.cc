#include "certs/network.h"

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "api/crypto.h"
#include "api/note.h"
#include "certs/files.h"
#include "certs/logs.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTokenKeyBytes = 32;

// Puts the file's name before an error that does not know it.
absl::Status InFile(const fs::path& path, const absl::Status& status) {
  return absl::Status(status.code(), fmt::format("{}: {}", path.string(), std::string(status.message())));
}

std::string ToLine(const Issued& issued) {
  nlohmann::ordered_json line = {{"serial", issued.serial},
                                 {"identity", issued.identity},
                                 {"not_before", FormatUtc(issued.validity.not_before)},
                                 {"not_after", FormatUtc(issued.validity.not_after)},
                                 {"loopback", issued.loopback},
                                 {"key_elsewhere", issued.key_elsewhere},
                                 {"root", issued.root},
                                 {"revoked", nullptr}};
  if (issued.revocation.has_value()) {
    line["revoked"] = {{"time", FormatUtc(issued.revocation->time)}, {"reason", RevocationReasonName(issued.revocation->reason)}};
  }
  return line.dump() + "\n";
}

absl::StatusOr<Issued> FromLine(const std::string& text) {
  std::string mistake;
  const auto time = [&mistake](const nlohmann::json& value) {
    absl::Time parsed;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_sec, value.get<std::string>(), &parsed, &error)) mistake = error;
    return parsed;
  };
  try {
    const nlohmann::json line = nlohmann::json::parse(text);
    Issued issued{.serial = line.at("serial").get<std::string>(),
                  .identity = line.at("identity").get<std::string>(),
                  .validity = {time(line.at("not_before")), time(line.at("not_after"))},
                  .loopback = line.at("loopback").get<bool>(),
                  .key_elsewhere = line.at("key_elsewhere").get<bool>(),
                  .root = line.value("root", "")};
    if (const nlohmann::json& revoked = line.at("revoked"); !revoked.is_null()) {
      absl::StatusOr<RevocationReason> reason = RevocationReasonFromName(revoked.at("reason").get<std::string>());
      if (!reason.ok()) return reason.status();
      issued.revocation = Revocation{issued.serial, time(revoked.at("time")), *reason};
    }
    if (!mistake.empty()) return absl::InvalidArgumentError(mistake);
    return issued;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::Status WriteKey(const fs::path& path, const Key& key, IfExists if_exists) {
  absl::StatusOr<std::string> pem = KeyToPem(key);
  if (!pem.ok()) return InFile(path, pem.status());
  return WriteFile(path, *pem, Access::kOwnerOnly, if_exists);
}

absl::Status WriteCertificate(const fs::path& path, const Certificate& certificate, IfExists if_exists) {
  absl::StatusOr<std::string> pem = CertificateToPem(certificate);
  if (!pem.ok()) return InFile(path, pem.status());
  return WriteFile(path, *pem, Access::kEveryoneReads, if_exists);
}

absl::StatusOr<Certificate> ReadCertificate(const fs::path& path) {
  absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<Certificate> certificate = CertificateFromPem(*pem);
  if (!certificate.ok()) return InFile(path, certificate.status());
  return certificate;
}

// The TLS root with an empty revocation list and index.
absl::Status CreateRoot(const fs::path& folder, const std::string& network, absl::Time now) {
  const fs::path ca = folder / "ca";
  if (absl::Status status = MakeDirectory(ca); !status.ok()) return status;
  absl::StatusOr<Key> key = GenerateKey();
  if (!key.ok()) return key.status();
  absl::StatusOr<Certificate> root = MakeRoot(network, *key, {now - kBackdating, now - kBackdating + kRootLifetime});
  if (!root.ok()) return root.status();
  absl::StatusOr<std::string> list =
      MakeRevocationList({.number = 1, .this_update = now, .next_update = now + kRevocationListLifetime}, *root, *key);
  if (!list.ok()) return list.status();
  absl::Status status = WriteKey(ca / "ca.key", *key, IfExists::kRefuse);
  if (status.ok()) status = WriteCertificate(ca / "ca.crt", *root, IfExists::kRefuse);
  if (status.ok()) status = WriteFile(ca / "crl.pem", *list, Access::kEveryoneReads, IfExists::kRefuse);
  if (status.ok()) status = WriteFile(ca / "issued.jsonl", "", Access::kOwnerOnly, IfExists::kRefuse);
  return status;
}

// The roster, the keys it names, and the token key.
absl::Status CreateRoster(const fs::path& folder, const CreateOptions& options, absl::Time now) {
  const std::string& network = options.network;
  const std::string token_key = RandomBytes(kTokenKeyBytes);
  std::vector<RosterSite> sites;
  std::vector<RosterLog> logs;
  std::vector<RosterCosigner> cosigners;
  for (const std::string& site : options.sites) {
    const SiteId id(static_cast<uint16_t>(sites.size() + 1));
    const SigningKey mirror_key = SigningKey::Generate();
    absl::StatusOr<VerifyKey> mirror_public = VerifyKey::FromRaw(mirror_key.public_raw());
    if (!mirror_public.ok()) return mirror_public.status();
    sites.push_back({id, site});
    cosigners.push_back(
        {.site = id, .verifier = note::Verifier::Make(fmt::format("{}/{}/mirror", network, site), note::kCosignatureV1, *mirror_public)});

    const fs::path node = NodeFolder(folder, site);
    absl::Status status = MakeDirectory(node);
    if (status.ok()) status = WriteFile(node / "mirror.key", mirror_key.ToPem(), Access::kOwnerOnly, IfExists::kRefuse);
    if (status.ok()) status = WriteFile(node / "token.key", token_key, Access::kOwnerOnly, IfExists::kRefuse);
    if (!status.ok()) return status;
  }
  std::vector<std::string> streams = {std::string(kMainStream), std::string(kAuditStream)};
  for (const std::string& country : options.partners) streams.push_back(PartnerStream(country));
  for (const std::string& stream : streams) {
    for (const RosterSite& site : sites) {
      absl::StatusOr<RosterLog> log = MakeLog(folder, network, site, /*epoch=*/1, stream, &logs);
      if (!log.ok()) return log.status();
      if (stream != kMainStream) continue;
      if (absl::Status status = WriteLicence(NodeFolder(folder, site.name), log->origin(), now, IfExists::kRefuse); !status.ok())
        return status;
    }
  }

  const SigningKey root_key = SigningKey::Generate();
  absl::StatusOr<VerifyKey> root_public = VerifyKey::FromRaw(root_key.public_raw());
  if (!root_public.ok()) return root_public.status();
  const std::string root_name = fmt::format("{}/root", network);
  const note::Verifier root = note::Verifier::Make(root_name, note::kEd25519, *root_public);
  note::Note roster{Roster::Text(network, 1, sites, logs, cosigners, options.headquarters), {}};
  roster.signatures.push_back(note::Sign(root_name, root_key, roster.text));
  const std::string bytes = note::Format(roster);
  if (absl::StatusOr<Roster> opened = Roster::Open(bytes, root); !opened.ok()) return InFile(folder / "roster.note", opened.status());

  absl::Status status = WriteFile(folder / "root.key", root_key.ToPem(), Access::kOwnerOnly, IfExists::kRefuse);
  if (status.ok()) status = WriteFile(folder / "root.vkey", root.ToVkey() + "\n", Access::kEveryoneReads, IfExists::kRefuse);
  if (status.ok()) status = WriteFile(folder / "roster.note", bytes, Access::kEveryoneReads, IfExists::kRefuse);
  if (status.ok()) status = WriteFile(folder / "token.key", token_key, Access::kOwnerOnly, IfExists::kRefuse);
  return status;
}

absl::Status Fill(const fs::path& folder, const CreateOptions& options, absl::Time now) {
  if (absl::Status status = CreateRoot(folder, options.network, now); !status.ok()) return status;
  if (absl::Status status = CreateRoster(folder, options, now); !status.ok()) return status;
  absl::StatusOr<Network> network = Network::Open(folder);
  if (!network.ok()) return network.status();
  for (const std::string& site : options.sites) {
    absl::StatusOr<Identity> identity = Identity::Parse("node/" + site);
    if (!identity.ok()) return identity.status();
    if (absl::Status status = network->Issue(*identity, {.loopback = options.loopback}, now).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckPartners(const std::vector<std::string>& partners) {
  std::set<std::string> seen;
  for (const std::string& country : partners) {
    if (absl::Status status = CheckPartnerStream(PartnerStream(country)); !status.ok()) return status;
    if (!seen.insert(country).second) return absl::InvalidArgumentError(fmt::format("partner \"{}\" is named twice", country));
  }
  return absl::OkStatus();
}

absl::Status CheckSites(const std::vector<std::string>& sites) {
  if (sites.empty()) return absl::InvalidArgumentError("a network has at least one site");
  std::set<std::string> seen;
  for (const std::string& site : sites) {
    if (absl::Status status = CheckName("site", site); !status.ok()) return status;
    if (!seen.insert(site).second) return absl::InvalidArgumentError(fmt::format("site \"{}\" is named twice", site));
  }
  return absl::OkStatus();
}

Issued* FindNewest(std::vector<Issued>* index, const std::string& identity) {
  const auto it = std::find_if(index->rbegin(), index->rend(), [&](const Issued& i) { return i.identity == identity; });
  return it == index->rend() ? nullptr : &*it;
}

absl::Status NotWhole(const fs::path& file, const absl::Status& cause) {
  if (!absl::IsNotFound(cause)) return cause;
  return absl::NotFoundError(fmt::format("{}: missing: this is not a whole network folder", file.string()));
}

}  // namespace

absl::Status Network::Create(const fs::path& folder, const CreateOptions& options, absl::Time now) {
  if (absl::Status status = CheckNetworkName(options.network); !status.ok()) return status;
  if (absl::Status status = CheckSites(options.sites); !status.ok()) return status;
  if (absl::Status status = CheckPartners(options.partners); !status.ok()) return status;

  std::error_code error;
  fs::path target = fs::absolute(folder, error).lexically_normal();
  if (error) return absl::InvalidArgumentError(fmt::format("{}: {}", folder.string(), error.message()));
  if (target.filename().empty()) target = target.parent_path();  // "net/"
  const fs::file_status type = fs::status(target, error);
  if (fs::exists(type) && !(fs::is_directory(type) && fs::is_empty(target, error))) {
    return absl::AlreadyExistsError(fmt::format("{}: exists and is not an empty directory", target.string()));
  }
  fs::path making = target;
  making += ".making";
  if (fs::exists(making, error)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: an earlier creation stopped half-way; nothing in it is in use: remove it and start again", making.string()));
  }
  if (absl::Status status = MakeDirectory(making); !status.ok()) return status;
  absl::Status status = Fill(making, options, now);
  if (status.ok()) status = RenameDirectory(making, target);
  if (!status.ok()) fs::remove_all(making, error);  // best effort: the next creation names what is left
  return status;
}

absl::StatusOr<Network> Network::Open(const fs::path& folder) {
  const fs::path root_path = folder / "ca" / "ca.crt";
  absl::StatusOr<std::string> pem = ReadFile(root_path);
  if (!pem.ok()) return NotWhole(root_path, pem.status());
  absl::StatusOr<std::vector<Certificate>> roots = CertificatesFromPem(*pem);
  if (!roots.ok()) return InFile(root_path, roots.status());

  const fs::path vkey_path = folder / "root.vkey";
  absl::StatusOr<std::string> vkey = ReadFile(vkey_path);
  if (!vkey.ok()) return NotWhole(vkey_path, vkey.status());
  if (!vkey->empty() && vkey->back() == '\n') vkey->pop_back();
  absl::StatusOr<note::Verifier> verifier = note::Verifier::FromVkey(*vkey);
  if (!verifier.ok()) return InFile(vkey_path, verifier.status());

  const fs::path roster_path = folder / "roster.note";
  absl::StatusOr<std::string> bytes = ReadFile(roster_path);
  if (!bytes.ok()) return NotWhole(roster_path, bytes.status());
  absl::StatusOr<Roster> roster = Roster::Open(*bytes, *verifier);
  if (!roster.ok()) return InFile(roster_path, roster.status());
  for (const Certificate& root : *roots) {
    absl::StatusOr<CertificateFields> fields = ReadFields(root);
    if (!fields.ok()) return InFile(root_path, fields.status());
    if (fields->subject != fmt::format("O={},CN=root", roster->network())) {
      return absl::InvalidArgumentError(fmt::format("{}: its subject is \"{}\", but the roster is of network \"{}\"", root_path.string(),
                                                    fields->subject, roster->network()));
    }
  }
  for (const char* file : {"crl.pem", "issued.jsonl"}) {
    const fs::path path = folder / "ca" / file;
    if (absl::Status status = ReadFile(path).status(); !status.ok()) return NotWhole(path, status);
  }
  Network network(folder, *std::move(roots), *std::move(roster));
  if (absl::Status status = network.KeyFileOf(network.root()).status(); absl::IsNotFound(status)) {
    return NotWhole(folder / "ca" / "ca.key", status);
  }
  return network;
}

fs::path Network::FolderOf(const Identity& identity) const { return folder_ / identity.ToString(); }

absl::StatusOr<Issued> Network::Issue(const Identity& identity, const IssueOptions& options, absl::Time now) const {
  if (!identity.site().empty() && roster_.FindSite(identity.site()) == nullptr) {
    return absl::NotFoundError(fmt::format("identity \"{}\": the roster has no site \"{}\"", identity.ToString(), identity.site()));
  }
  Key public_key;
  if (!options.request_pem.empty()) {
    absl::StatusOr<Key> key = KeyOfRequest(options.request_pem);
    if (!key.ok()) return key.status();
    public_key = *std::move(key);
  }
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  const fs::path folder = FolderOf(identity);
  std::error_code error;
  if (!options.replace && fs::exists(folder / "tls.crt", error)) {
    return absl::AlreadyExistsError(
        fmt::format("{}: exists and is not overwritten: renew it, or issue it with --replace", (folder / "tls.crt").string()));
  }
  if (!options.replace && fs::exists(folder / "tls.key", error)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: has no certificate beside it: an earlier issue stopped half-way; issue it again with --replace",
                    (folder / "tls.key").string()));
  }
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  const absl::Time start = now - kBackdating;
  const LeafOptions leaf{name(), identity, {start, now + options.lifetime.value_or(identity.profile().lifetime)}, options.loopback};
  return Sign(leaf, std::move(public_key), options.replace, *std::move(index));
}

absl::StatusOr<Issued> Network::Renew(const Identity& identity, const RenewOptions& options, absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  const Issued* newest = FindNewest(&*index, identity.ToString());
  if (newest == nullptr) return absl::NotFoundError(fmt::format("identity \"{}\": no certificate was issued", identity.ToString()));
  if (newest->revocation.has_value()) {
    return absl::FailedPreconditionError(fmt::format(
        "identity \"{}\": its certificate {} is revoked; issue it with --replace to admit it again", identity.ToString(), newest->serial));
  }
  Key public_key;
  if (!options.request_pem.empty()) {
    absl::StatusOr<Key> key = KeyOfRequest(options.request_pem);
    if (!key.ok()) return key.status();
    public_key = *std::move(key);
  } else if (newest->key_elsewhere) {
    absl::StatusOr<Certificate> present = ReadCertificate(FolderOf(identity) / "tls.crt");
    if (!present.ok()) return present.status();
    public_key = PublicKeyOf(*present);
  }
  const absl::Time start = now - kBackdating;
  const LeafOptions leaf{name(), identity, {start, now + options.lifetime.value_or(identity.profile().lifetime)}, newest->loopback};
  return Sign(leaf, std::move(public_key), true, *std::move(index));
}

absl::StatusOr<std::vector<Issued>> Network::Revoke(std::string_view serial_or_identity, RevocationReason reason, absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  bool known = false;
  std::vector<Issued> revoked;
  for (Issued& issued : *index) {
    const bool by_serial = issued.serial == serial_or_identity;
    const bool by_identity = issued.identity == serial_or_identity;
    if (!by_serial && !by_identity) continue;
    known = true;
    if (issued.revocation.has_value() || (by_identity && issued.validity.not_after <= now)) continue;
    issued.revocation = Revocation{issued.serial, now, reason};
    revoked.push_back(issued);
  }
  if (!known) return absl::NotFoundError(fmt::format("\"{}\": no certificate of this serial or identity was issued", serial_or_identity));
  // The index first: a list written from it later is complete, whereas a serial that is only in the list would be dropped from the next.
  if (absl::Status status = WriteIndex(*index); !status.ok()) return status;
  if (absl::Status status = WriteRevocationLists(roots_, *index, now); !status.ok()) return status;
  return revoked;
}

absl::Status Network::RenewRevocationList(absl::Time now) const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  return WriteRevocationLists(roots_, *index, now);
}

absl::StatusOr<std::vector<Issued>> Network::List() const {
  absl::StatusOr<Lock> lock = Lock::Take(folder_ / "ca");
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::vector<Issued>> index = ReadIndex();
  if (!index.ok()) return index.status();
  absl::StatusOr<RevocationList> list = CurrentRevocationList(root());
  if (!list.ok()) return list.status();
  for (const Issued& issued : *index) {
    if (!issued.revocation.has_value()) continue;
    const bool listed =
        std::any_of(list->revoked.begin(), list->revoked.end(), [&](const Revocation& r) { return r.serial == issued.serial; });
    if (!listed) {
      return absl::FailedPreconditionError(
          fmt::format("{}: lacks the revoked certificate {} of {}: a revocation stopped half-way; run `crl`",
                      (folder_ / "ca" / "crl.pem").string(), issued.serial, issued.identity));
    }
  }
  return index;
}

absl::StatusOr<std::vector<Issued>> Network::ReadIndex() const {
  const fs::path path = folder_ / "ca" / "issued.jsonl";
  absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  std::vector<Issued> index;
  size_t number = 0;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(*bytes, '\n'))) {
    ++number;
    if (line.empty()) continue;
    absl::StatusOr<Issued> issued = FromLine(line);
    if (!issued.ok()) return InFile(fmt::format("{}:{}", path.string(), number), issued.status());
    index.push_back(*std::move(issued));
  }
  return index;
}

absl::Status Network::WriteIndex(const std::vector<Issued>& index) const {
  std::string lines;
  for (const Issued& issued : index) lines += ToLine(issued);
  return WriteFile(folder_ / "ca" / "issued.jsonl", lines, Access::kOwnerOnly, IfExists::kReplace);
}

absl::StatusOr<RevocationList> Network::CurrentRevocationList(const Certificate& root) const {
  const fs::path path = folder_ / "ca" / "crl.pem";
  absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<RevocationList> list = ReadRevocationList(*pem, root);
  if (!list.ok()) return InFile(path, list.status());
  return list;
}

absl::Status Network::WriteRevocationLists(const std::vector<Certificate>& roots, const std::vector<Issued>& index, absl::Time now) const {
  std::string lists;
  for (const Certificate& root : roots) {
    absl::StatusOr<RevocationList> previous = CurrentRevocationList(root);
    const bool is_new = absl::IsUnauthenticated(previous.status()) && &root != &roots.front();  // a root just introduced has none
    if (!previous.ok() && !is_new) return previous.status();
    absl::StatusOr<Key> key = KeyOf(root);
    if (!key.ok()) return key.status();
    RevocationList list{.number = is_new ? 1 : previous->number + 1, .this_update = now, .next_update = now + kRevocationListLifetime};
    for (const Issued& issued : index) {
      if (issued.revocation.has_value()) list.revoked.push_back(*issued.revocation);
    }
    absl::StatusOr<std::string> pem = MakeRevocationList(list, root, *key);
    if (!pem.ok()) return pem.status();
    lists += *pem;
  }
  return WriteFile(folder_ / "ca" / "crl.pem", lists, Access::kEveryoneReads, IfExists::kReplace);
}

absl::StatusOr<Issued> Network::Sign(const LeafOptions& options, Key public_key, bool replace, std::vector<Issued> index) const {
  absl::StatusOr<Key> root_key = KeyOf(root());
  if (!root_key.ok()) return root_key.status();
  const bool key_elsewhere = public_key != nullptr;
  Key key = std::move(public_key);
  if (!key_elsewhere) {
    absl::StatusOr<Key> made = GenerateKey();
    if (!made.ok()) return made.status();
    key = *std::move(made);
  }
  absl::StatusOr<Certificate> certificate = MakeLeaf(options, key, root(), *root_key);
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<CertificateFields> fields = ReadFields(*certificate);
  if (!fields.ok()) return fields.status();

  const Issued issued{fields->serial, options.identity.ToString(), fields->validity, options.loopback,
                      key_elsewhere,  fields->authority_key_id,    std::nullopt};
  index.push_back(issued);
  if (absl::Status status = WriteIndex(index); !status.ok()) return status;

  const fs::path folder = FolderOf(options.identity);
  const IfExists if_exists = replace ? IfExists::kReplace : IfExists::kRefuse;
  if (absl::Status status = MakeDirectory(folder); !status.ok()) return status;
  if (!key_elsewhere) {
    if (absl::Status status = WriteKey(folder / "tls.key", key, if_exists); !status.ok()) return status;
  }
  if (absl::Status status = WriteCertificate(folder / "tls.crt", *certificate, if_exists); !status.ok()) return status;
  if (key_elsewhere) {
    std::error_code error;
    fs::remove(folder / "tls.key", error);  // that of the certificate just replaced: it would contradict this one
    if (error) return absl::InternalError(fmt::format("{}: cannot remove: {}", (folder / "tls.key").string(), error.message()));
  }
  return issued;
}

}  // namespace fairlead::certs
