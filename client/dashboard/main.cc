// fairlead-dashboard: the gateway between browsers and the nodes of a network.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "client/config.h"
#include "client/connection.h"
#include "client/dashboard/gateway.h"

namespace fairlead::dashboard {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kExitStart = 3;

int Fail(int code, const std::string& message) {
  fmt::print(stderr, "fairlead-dashboard: {}\n", message);
  return code;
}

// "127.0.0.1:7480" or "[::1]:7480".
bool SplitAddress(const std::string& text, std::string* host, int* port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos) return false;
  *port = std::stoi(digits);
  *host = text.substr(0, colon);
  if (host->front() == '[' && host->back() == ']') *host = host->substr(1, host->size() - 2);
  return *port <= 65535 && !host->empty();
}

int Main(int argc, char** argv) {
  CLI::App app("Serves the dashboard of a Fairlead network to browsers.", "fairlead-dashboard");
  std::string config_path, listen = "127.0.0.1:7480", demonstration, idle = "30m", lifetime = "8h";
  std::string web = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "web").string();
  TlsFiles tls;
  std::vector<std::string> mapped;
  app.add_option("--config", config_path, "Client configuration (TOML) with the gateway's own certificate and the nodes")->required();
  app.add_option("--listen", listen, "HOST:PORT; port 0 is any free one")->capture_default_str();
  app.add_option("--web", web, "Folder of the built page; by default `web` beside this program");
  app.add_option("--tls-certificate", tls.certificate, "The server's certificate (PEM, leaf first)");
  app.add_option("--tls-key", tls.key, "Its key (PEM)");
  app.add_option("--tls-client-ca", tls.client_ca, "The authorities of the viewers' certificates (PEM), read anew when they change");
  app.add_option("--tls-client-crl", tls.client_crl, "A revocation list of each (PEM), likewise; by default crl.pem beside them");
  app.add_option("--map", mapped, "FINGERPRINT=IDENTITY: a certificate's SHA-256 in hex and whom it stands for; may be repeated");
  app.add_option("--demonstration", demonstration, "Without TLS, on loopback: print a link that opens one session as this identity");
  app.add_option("--session-idle", idle, "A session ends when unused for this long")->capture_default_str();
  app.add_option("--session-lifetime", lifetime, "A session ends after this long")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  GatewayOptions options;
  if (!SplitAddress(listen, &options.host, &options.port)) return Fail(kExitUsage, "--listen: " + listen + " is not HOST:PORT");
  const int tls_files = !tls.certificate.empty() + !tls.key.empty() + !tls.client_ca.empty();
  if (tls_files != 0 && tls_files != 3) return Fail(kExitUsage, "--tls-certificate, --tls-key and --tls-client-ca go together");
  if ((tls_files == 0) == demonstration.empty()) return Fail(kExitUsage, "give either the three --tls files or --demonstration");
  if (tls_files == 3) options.tls = tls;
  if (!demonstration.empty() && !IsViewer(demonstration)) {
    return Fail(kExitUsage, "--demonstration: " + demonstration + " is not officer/SITE/NAME or hq/ROLE/NAME");
  }
  for (const std::string& entry : mapped) {
    const size_t equals = entry.find('=');
    const bool hex = equals == 64 && entry.substr(0, equals).find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!hex || !IsViewer(entry.substr(equals + 1))) return Fail(kExitUsage, "--map: " + entry + " is not FINGERPRINT=IDENTITY");
    options.viewers[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const auto& [text, flag, out] : {std::tuple(idle, "--session-idle", &options.sessions.idle),
                                        std::tuple(lifetime, "--session-lifetime", &options.sessions.lifetime)}) {
    const absl::StatusOr<absl::Duration> parsed = client::ParseTimeout(text);
    if (!parsed.ok()) return Fail(kExitUsage, fmt::format("{}: {}", flag, std::string(parsed.status().message())));
    *out = *parsed;
  }

  absl::StatusOr<client::Config> config = client::ReadConfig(config_path);
  if (!config.ok()) return Fail(kExitUsage, std::string(config.status().message()));
  config->client.failover = true;
  absl::StatusOr<std::unique_ptr<client::Client>> client = client::Client::Connect(config->client);
  if (!client.ok()) return Fail(kExitUsage, std::string(client.status().message()));
  absl::StatusOr<Assets> assets = LoadAssets(web);
  if (!assets.ok()) return Fail(kExitUsage, std::string(assets.status().message()));

  static std::atomic<bool> failed{false};
  options.on_failure = [] {
    failed.store(true);
    kill(getpid(), SIGTERM);
  };
  const absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Start(std::move(options), client->get(), *std::move(assets));
  if (!gateway.ok()) return Fail(kExitStart, std::string(gateway.status().message()));
  fmt::print("{}\n", demonstration.empty() ? (*gateway)->address() : (*gateway)->OneTimeAddress(demonstration));
  std::fflush(stdout);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);  // blocked in every thread since main
  if (failed.load()) return Fail(kExitFailure, "it could not listen any more");
  return 0;
}

}  // namespace
}  // namespace fairlead::dashboard

int main(int argc, char** argv) {
  fairlead::client::RequireTls13();
  setenv("GRPC_VERBOSITY", "NONE", 0);  // the page shows the errors
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return fairlead::dashboard::Main(argc, argv);
}
