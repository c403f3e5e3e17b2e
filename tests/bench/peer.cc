#include "tests/bench/peer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "certs/files.h"

namespace fairlead::bench {
namespace {

using framework::Process;

constexpr char kOpenSsl[] = "/usr/bin/openssl";
constexpr char kSetPriv[] = "/usr/bin/setpriv";
constexpr char kEnv[] = "/usr/bin/env";
constexpr char kPostgresUser[] = "postgres";
constexpr absl::Duration kRunTimeout = absl::Minutes(2);
constexpr absl::Duration kEndTimeout = absl::Seconds(20);
constexpr size_t kLogTailBytes = 2000;

}  // namespace

absl::Status RequireProgram(const std::string& path, const std::string& package) {
  if (access(path.c_str(), X_OK) == 0) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("there is no {}: install Debian's package {}", path, package));
}

absl::StatusOr<std::unique_ptr<PeerHome>> PeerHome::Make(RunAs run_as, const std::vector<std::string>& hosts) {
  // Whoever is not root runs it as himself.
  if (geteuid() != 0) run_as = RunAs::kSelf;
  std::unique_ptr<PeerHome> home(new PeerHome(run_as));
  if (absl::Status given = home->GiveAway(home->path()); !given.ok()) return given;
  if (absl::Status made = home->MakeCertificates(hosts); !made.ok()) return made;
  return home;
}

absl::Status PeerHome::GiveAway(const std::string& file) const {
  if (run_as_ == RunAs::kSelf) return absl::OkStatus();
  const passwd* user = getpwnam(kPostgresUser);
  if (user == nullptr) return absl::NotFoundError(fmt::format("there is no user {}", kPostgresUser));
  if (chown(file.c_str(), user->pw_uid, user->pw_gid) != 0) return absl::InternalError(fmt::format("{}: {}", file, strerror(errno)));
  return absl::OkStatus();
}

absl::Status PeerHome::MakeCertificates(const std::vector<std::string>& hosts) const {
  std::string names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  for (const std::string& host : hosts) names += ",IP:" + host;
  const auto make = [&](const std::string& name, const std::string& subject, const std::vector<std::string>& more) {
    std::vector<std::string> command = {kOpenSsl,
                                        "req",
                                        "-x509",
                                        "-newkey",
                                        "ec",
                                        "-pkeyopt",
                                        "ec_paramgen_curve:P-256",
                                        "-noenc",
                                        "-days",
                                        "2",
                                        "-subj",
                                        subject,
                                        "-out",
                                        path() + "/" + name + ".crt",
                                        "-keyout",
                                        path() + "/" + name + ".key"};
    command.insert(command.end(), more.begin(), more.end());
    return Run(command);
  };
  if (absl::Status made = make("ca", "/CN=peers", {}); !made.ok()) return made;
  return make("peer", fmt::format("/CN={}", kPeerUser),
              {"-CA", ca_file(), "-CAkey", path() + "/ca.key", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
               "extendedKeyUsage=serverAuth,clientAuth"});
}

absl::Status PeerHome::Write(const std::string& name, const std::string& text) const {
  const std::string file = path() + "/" + name;
  if (absl::Status written = certs::WriteFile(file, text, certs::Access::kOwnerOnly, certs::IfExists::kReplace); !written.ok()) {
    return written;
  }
  return GiveAway(file);
}

std::vector<std::string> PeerHome::Command(std::vector<std::string> arguments) const {
  if (run_as_ == RunAs::kSelf) return arguments;
  // Changing the user undoes the order to end with the parent; and that user may not enter the folder that this program was called in.
  std::vector<std::string> command = {kSetPriv,         "--reuid",     kPostgresUser, "--regid", kPostgresUser,
                                      "--clear-groups", "--pdeathsig", "KILL",        kEnv,      "--chdir=" + path()};
  command.insert(command.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  return command;
}

absl::StatusOr<std::unique_ptr<Process>> PeerHome::Start(const std::vector<std::string>& arguments, const std::string& log) const {
  return Process::Start(Command(arguments), path() + "/" + log);
}

absl::Status PeerHome::Run(const std::vector<std::string>& arguments) const {
  const absl::StatusOr<framework::Ended> ended = framework::RunToEnd(Command(arguments), kRunTimeout);
  if (!ended.ok()) return ended.status();
  if (ended->exit == framework::Exit()) return absl::OkStatus();
  return absl::InternalError(fmt::format("{}: {}\n{}", arguments[0], framework::ToString(ended->exit), ended->output));
}

absl::Status PeerHome::WithLog(const absl::Status& status, const std::string& log) const {
  const absl::StatusOr<std::string> text = certs::ReadFile(path() + "/" + log);
  std::string tail = text.ok() ? *text : std::string();
  if (tail.size() > kLogTailBytes) tail = "..." + tail.substr(tail.size() - kLogTailBytes);
  return absl::Status(status.code(), fmt::format("{}\n{}", std::string(status.message()), tail));
}

void EndPeer(Process* process, int signal) {
  if (process == nullptr) return;
  process->Signal(signal);
  process->Wait(kEndTimeout);
}

bool Listens(int port, const std::string& host) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

}  // namespace fairlead::bench
