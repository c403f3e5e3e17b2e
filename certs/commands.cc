#include "certs/commands.h"

#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/bytes.h"
#include "certs/files.h"
#include "certs/network.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;

// Arguments of all the commands: only one runs.
struct Arguments {
  std::string network;
  std::vector<std::string> sites;
  std::vector<std::string> partners;
  std::string folder;
  std::string subject;  // an identity, a serial or a file, as the command says
  std::string request_file;
  std::string reason = "unspecified";
  int days = 0;  // 0: the profile's lifetime
  bool loopback = false;
  bool replace = false;
  std::string headquarters;
  uint64_t size = 0;
  std::string root;  // base64
  bool force = false;
  std::optional<int> ends_within_days;
  std::vector<std::string> deliver;  // folders that get a copy of the revocation list
};

std::optional<absl::Duration> Lifetime(const Arguments& arguments) {
  if (arguments.days == 0) return std::nullopt;
  return absl::Hours(24) * arguments.days;
}

std::string_view State(const Issued& issued, absl::Time now) {
  if (issued.revocation.has_value()) return "revoked";
  if (issued.validity.not_after <= now) return "ended";
  return "valid";
}

std::string Line(const Issued& issued, absl::Time now) {
  return fmt::format("{:<40} {}  {}  {}\n", issued.identity, issued.serial, FormatUtc(issued.validity.not_after), State(issued, now));
}

absl::StatusOr<std::string> ReadRequest(const Arguments& arguments) {
  if (arguments.request_file.empty()) return std::string();
  return ReadFile(arguments.request_file);
}

absl::Status Init(const Arguments& arguments, absl::Time now, std::ostream* out) {
  const CreateOptions options{arguments.network, arguments.sites, arguments.loopback, arguments.headquarters, arguments.partners};
  if (absl::Status status = Network::Create(arguments.folder, options, now); !status.ok()) return status;
  *out << fmt::format("made network {} with sites {} in {}\n", arguments.network, absl::StrJoin(arguments.sites, ", "), arguments.folder);
  return absl::OkStatus();
}

absl::Status IssueOrRenew(const Arguments& arguments, bool renew, absl::Time now, std::ostream* out) {
  absl::StatusOr<Identity> identity = Identity::Parse(arguments.subject);
  if (!identity.ok()) return identity.status();
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<std::string> request = ReadRequest(arguments);
  if (!request.ok()) return request.status();
  const std::optional<absl::Duration> lifetime = Lifetime(arguments);
  absl::StatusOr<Issued> issued = renew ? network->Renew(*identity, {lifetime, *request}, now)
                                        : network->Issue(*identity, {lifetime, arguments.loopback, *request, arguments.replace}, now);
  if (!issued.ok()) return issued.status();
  *out << Line(*issued, now) << "wrote " << (network->FolderOf(*identity) / "tls.crt").string() << "\n";
  if (identity->kind() == Kind::kPartner) {
    const std::string stream = PartnerStream(identity->parts()[1]);
    const std::vector<RosterLog>& logs = network->roster().logs();
    if (std::none_of(logs.begin(), logs.end(), [&stream](const RosterLog& log) { return log.stream == stream; })) {
      *out << fmt::format("no site keeps receipts for {} yet: fairlead certs stream {} --dir {}\n", identity->parts()[1], stream,
                          arguments.folder);
    }
  }
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, absl::Time now, std::ostream* out) {
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<std::vector<Issued>> all = network->List();
  if (!all.ok()) return all.status();
  for (const Issued& issued : *all) {
    const bool ends =
        State(issued, now) == "valid" && issued.validity.not_after - now < absl::Hours(24) * arguments.ends_within_days.value_or(0);
    if (!arguments.ends_within_days.has_value() || ends) *out << Line(issued, now);
  }
  return absl::OkStatus();
}

absl::Status Deliver(const Arguments& arguments, std::ostream* out) {
  absl::StatusOr<std::string> lists = ReadFile(fs::path(arguments.folder) / "ca" / "crl.pem");
  if (!lists.ok()) return lists.status();
  for (const std::string& folder : arguments.deliver) {
    const fs::path to = fs::path(folder) / "crl.pem";
    if (absl::Status status = WriteFile(to, *lists, Access::kEveryoneReads, IfExists::kReplace); !status.ok()) return status;
    *out << "wrote " << to.string() << "\n";
  }
  return absl::OkStatus();
}

absl::Status Revoke(const Arguments& arguments, absl::Time now, std::ostream* out) {
  absl::StatusOr<RevocationReason> reason = RevocationReasonFromName(arguments.reason);
  if (!reason.ok()) return reason.status();
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<std::vector<Issued>> revoked = network->Revoke(arguments.subject, *reason, now);
  if (!revoked.ok()) return revoked.status();
  if (revoked->empty()) *out << "nothing was left to revoke\n";
  for (const Issued& issued : *revoked) *out << Line(issued, now);
  return Deliver(arguments, out);
}

absl::Status RenewRevocationList(const Arguments& arguments, absl::Time now, std::ostream* out) {
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  if (absl::Status status = network->RenewRevocationList(now); !status.ok()) return status;
  *out << fmt::format("wrote {}, due again before {}\n", (fs::path(arguments.folder) / "ca" / "crl.pem").string(),
                      FormatUtc(now + kRevocationListLifetime));
  return Deliver(arguments, out);
}

absl::Status MoveRoot(const Arguments& arguments, absl::Time now, std::ostream* out) {
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  const fs::path ca = fs::path(arguments.folder) / "ca";
  const std::string deliver =
      fmt::format("deliver {} first, then {}, to everyone who connects", (ca / "crl.pem").string(), (ca / "ca.crt").string());
  if (arguments.subject == "introduce") {
    if (absl::Status status = network->IntroduceRoot(now); !status.ok()) return status;
    *out << "a second root is made and signs nothing yet\n" << deliver << "; then: root promote\n";
  } else if (arguments.subject == "promote") {
    if (absl::Status status = network->PromoteRoot(); !status.ok()) return status;
    *out << "the second root signs from now on\nrenew every identity and deliver its certificate; then: root retire\n";
  } else {
    if (absl::Status status = network->RetireRoot(arguments.force, now); !status.ok()) return status;
    *out << "the first root is trusted no longer and its key is removed\n"
         << fmt::format("deliver {} first, then {}\n", (ca / "ca.crt").string(), (ca / "crl.pem").string());
  }
  return absl::OkStatus();
}

absl::Status BeginStream(const Arguments& arguments, std::ostream* out) {
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<std::vector<RosterLog>> logs = network->BeginStream(arguments.subject);
  if (!logs.ok()) return logs.status();
  const fs::path folder = arguments.folder;
  for (const RosterLog& log : *logs) *out << fmt::format("{} begins, log {} of the roster\n", log.origin(), log.id.value());
  *out << fmt::format("deliver {} of each site to its node, and {} to every node, then restart each\n",
                      (folder / "node" / "SITE" / LogKeyPath("log.key", arguments.subject)).string(), (folder / "roster.note").string());
  return absl::OkStatus();
}

absl::Status BeginEpoch(const Arguments& arguments, absl::Time now, std::ostream* out) {
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<RosterLog> log = network->BeginEpoch(arguments.subject, now);
  if (!log.ok()) return log.status();
  const fs::path folder = arguments.folder;
  *out << fmt::format(
      "{} begins, log {} of the roster, and with it that epoch of the site's other logs\n"
      "deliver {} to every node, then restart each\n"
      "deliver log.key, log.*.key and licence of {} to that node; its licence is to be taken up before {}\n",
      log->origin(), log->id.value(), (folder / "roster.note").string(), (folder / "node" / log->site_name).string(),
      FormatUtc(now + kLicenceUnusedFor));
  return absl::OkStatus();
}

absl::Status CloseLog(const Arguments& arguments, absl::Time now, std::ostream* out) {
  LogClosing closing{Seq(arguments.size), {}};
  std::string root;
  if (!Base64Decode(arguments.root, &root) || root.size() != closing.root.size()) {
    return absl::InvalidArgumentError("--root: must be 32 bytes in base64, as in the status of a node or in a checkpoint");
  }
  std::copy(root.begin(), root.end(), closing.root.begin());
  absl::StatusOr<Network> network = Network::Open(arguments.folder);
  if (!network.ok()) return network.status();
  absl::StatusOr<RosterLog> log = network->CloseLog(arguments.subject, closing, now);
  if (!log.ok()) return log.status();
  const fs::path folder = arguments.folder;
  *out << fmt::format(
      "{} is closed at {}; {} is the newest log of {}\n"
      "deliver {} to every node, then restart each; deliver log.key, log.*.key and licence of {} to that node\n"
      "what was after that, and is to be kept: fairlead void list, fairlead void reissue\n",
      arguments.subject, arguments.size, log->origin(), log->site_name, (folder / "roster.note").string(),
      (folder / "node" / log->site_name).string());
  return absl::OkStatus();
}

// Says whether the key beside a certificate is the one it names.
absl::StatusOr<std::string> KeyState(const fs::path& key_path, const Certificate& certificate) {
  absl::StatusOr<std::string> pem = ReadFile(key_path);
  if (absl::IsNotFound(pem.status())) return "not here";
  if (!pem.ok()) return pem.status();
  absl::StatusOr<Key> key = KeyFromPem(*pem);
  if (!key.ok()) return absl::Status(key.status().code(), fmt::format("{}: {}", key_path.string(), std::string(key.status().message())));
  if (KeyMatches(*key, certificate)) return "beside it";
  return absl::FailedPreconditionError(
      fmt::format("{}: is not the key of the certificate beside it: a renewal stopped half-way; renew it again", key_path.string()));
}

absl::Status Show(const Arguments& arguments, std::ostream* out) {
  const fs::path path = arguments.subject;
  absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<Certificate> certificate = CertificateFromPem(*pem);
  absl::StatusOr<CertificateFields> fields = certificate.ok() ? ReadFields(*certificate) : certificate.status();
  if (!fields.ok())
    return absl::Status(fields.status().code(), fmt::format("{}: {}", path.string(), std::string(fields.status().message())));
  const auto row = [out](std::string_view name, std::string_view value) { *out << fmt::format("{:<20} {}\n", name, value); };
  row("serial", fields->serial);
  row("subject", fields->subject);
  row("issuer", fields->issuer);
  row("not before", FormatUtc(fields->validity.not_before));
  row("not after", FormatUtc(fields->validity.not_after));
  row("authority", fields->is_ca ? fmt::format("yes, path length {}", fields->path_length.value_or(-1)) : "no");
  row("key usage", absl::StrJoin(fields->key_usages, ", "));
  row("extended key usage", absl::StrJoin(fields->extended_key_usages, ", "));
  row("URI", absl::StrJoin(fields->uris, ", "));
  row("DNS", absl::StrJoin(fields->dns_names, ", "));
  row("IP", absl::StrJoin(fields->addresses, ", "));
  row("subject key id", fields->subject_key_id);
  row("authority key id", fields->authority_key_id);
  row("key", fields->key_type);
  row("signature", fields->signature);
  absl::StatusOr<std::string> key = KeyState(fs::path(path).replace_extension(".key"), *certificate);
  if (!key.ok()) return key.status();
  row("private key", *key);
  return absl::OkStatus();
}

}  // namespace

void AddCertsCommands(CLI::App* app, std::ostream* out, absl::Status* result) {
  CLI::App* certs = app->add_subcommand("certs", "Make and look after a network's keys, certificates and roster");
  certs->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();  // lives as long as the callbacks
  const auto add_folder = [&](CLI::App* command) { command->add_option("--dir", arguments->folder, "The network folder")->required(); };
  const auto add_days = [&](CLI::App* command) {
    command->add_option("--days", arguments->days, "How long it is valid; else as its kind's profile says")->check(CLI::Range(1, 3650));
  };
  const auto add_request = [&](CLI::App* command) {
    command->add_option("--request", arguments->request_file, "Certify the key of this PKCS #10 request (PEM); no key is made");
  };
  const auto add_deliver = [&](CLI::App* command) {
    command->add_option("--deliver", arguments->deliver, "Also write crl.pem into this folder; may be repeated");
  };
  const std::string identity_help = "node/<site>, officer/<site>/<name>, hq/<role>/<name>, gateway/<name> or partner/<ISO2>/<system>";

  CLI::App* init = certs->add_subcommand("init", "Make a network: root keys, roster, and each site's node keys and certificate");
  init->add_option("--network", arguments->network, "The network's name, such as demo.fairlead.example")->required();
  init->add_option("--sites", arguments->sites, "Site names, separated by commas")->required()->delimiter(',');
  init->add_option("--out", arguments->folder, "The network folder to make")->required();
  init->add_option("--headquarters", arguments->headquarters,
                   "The site that may write what is kept for headquarters; without it every site may write everything");
  init->add_option("--partners", arguments->partners,
                   "Partner nations (ISO 3166-1 alpha-2), separated by commas, for which every site keeps receipts")
      ->delimiter(',');
  init->add_flag("--loopback", arguments->loopback, "Node certificates also name localhost and 127.0.0.1");
  init->callback([=] { *result = Init(*arguments, absl::Now(), out); });

  CLI::App* issue = certs->add_subcommand("issue", "Issue a certificate to an identity that has none");
  issue->add_option("identity", arguments->subject, identity_help)->required();
  add_folder(issue);
  add_days(issue);
  add_request(issue);
  issue->add_flag("--loopback", arguments->loopback, "Also name localhost and 127.0.0.1 (nodes)");
  issue->add_flag("--replace", arguments->replace, "Overwrite the key and certificate that are there");
  issue->callback([=] { *result = IssueOrRenew(*arguments, false, absl::Now(), out); });

  CLI::App* renew =
      certs->add_subcommand("renew", "Issue a new certificate, and where the key was made here a new key, in place of the newest");
  renew->add_option("identity", arguments->subject, identity_help)->required();
  add_folder(renew);
  add_days(renew);
  add_request(renew);
  renew->callback([=] { *result = IssueOrRenew(*arguments, true, absl::Now(), out); });

  CLI::App* list = certs->add_subcommand("list", "List every certificate ever issued: identity, serial, end, state");
  add_folder(list);
  list->add_option("--ends-within", arguments->ends_within_days, "Only valid ones that end within so many days")
      ->check(CLI::Range(1, 3650));
  list->callback([=] { *result = List(*arguments, absl::Now(), out); });

  CLI::App* revoke = certs->add_subcommand("revoke", "Revoke a certificate, or all of an identity, and write the revocation list");
  revoke->add_option("subject", arguments->subject, "A serial number or an identity")->required();
  revoke->add_option("--reason", arguments->reason, "unspecified, keyCompromise, affiliationChanged, superseded or cessationOfOperation");
  add_folder(revoke);
  add_deliver(revoke);
  revoke->callback([=] { *result = Revoke(*arguments, absl::Now(), out); });

  CLI::App* crl = certs->add_subcommand("crl", "Sign the revocation list anew, before it ends");
  add_folder(crl);
  add_deliver(crl);
  crl->callback([=] { *result = RenewRevocationList(*arguments, absl::Now(), out); });

  CLI::App* root =
      certs->add_subcommand("root", "Let another TLS root succeed the one that signs, in three steps, without an interruption");
  root->add_option("step", arguments->subject, "introduce, promote or retire")
      ->required()
      ->check(CLI::IsMember({"introduce", "promote", "retire"}));
  root->add_flag("--force", arguments->force, "Retire although certificates of that root are in use");
  add_folder(root);
  root->callback([=] { *result = MoveRoot(*arguments, absl::Now(), out); });

  CLI::App* stream =
      certs->add_subcommand("stream", "Begin a stream of logs at every site that lacks it: a partner nation's receipts, or audit");
  stream->add_option("stream", arguments->subject, "partner-<ISO2>, such as partner-SG, or audit")->required();
  add_folder(stream);
  stream->callback([=] { *result = BeginStream(*arguments, out); });

  CLI::App* epoch = certs->add_subcommand(
      "epoch", "Begin new logs for a site that lost its disk or licence and whose peers cannot tell what they hold of the old ones");
  epoch->add_option("site", arguments->subject, "The site")->required();
  add_folder(epoch);
  epoch->callback([=] { *result = BeginEpoch(*arguments, absl::Now(), out); });

  CLI::App* close = certs->add_subcommand(
      "close", "Close a compromised or forked log: what is in it from a size on is void at every site. Cannot be taken back");
  close->add_option("log", arguments->subject, "The log, SITE/EPOCH/STREAM, such as apac/1/main")->required();
  close->add_option("--size", arguments->size, "How many of its entries stand")->required();
  close->add_option("--root", arguments->root, "The root over these, in base64, as a checkpoint of that size has it")->required();
  add_folder(close);
  close->callback([=] { *result = CloseLog(*arguments, absl::Now(), out); });

  CLI::App* show = certs->add_subcommand("show", "Show what a certificate says, and whether its key is beside it");
  show->add_option("file", arguments->subject, "A certificate (PEM)")->required();
  show->callback([=] { *result = Show(*arguments, out); });
}

}  // namespace fairlead::certs
