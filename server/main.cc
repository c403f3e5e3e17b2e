// fairlead-node: one site's node. The only place that constructs concrete classes and joins them.

#include <absl/cleanup/cleanup.h>
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "server/config.h"
#include "server/membership.h"
#include "server/metrics.h"
#include "server/node/licence.h"
#include "server/node/node.h"
#include "server/node/runner.h"
#include "server/offline.h"
#include "server/options.h"
#include "server/replication/grpc_link.h"
#include "server/rpc/attachment_methods.h"
#include "server/rpc/audit_methods.h"
#include "server/rpc/audit_trail.h"
#include "server/rpc/backup_methods.h"
#include "server/rpc/conflict_methods.h"
#include "server/rpc/consistency.h"
#include "server/rpc/content_fetcher.h"
#include "server/rpc/credentials.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/durability.h"
#include "server/rpc/erasure_methods.h"
#include "server/rpc/exchange_attachments.h"
#include "server/rpc/exchange_methods.h"
#include "server/rpc/exchange_watch.h"
#include "server/rpc/forwarder.h"
#include "server/rpc/grpc_log.h"
#include "server/rpc/limits.h"
#include "server/rpc/log_service.h"
#include "server/rpc/node_service.h"
#include "server/rpc/overview_methods.h"
#include "server/rpc/planning_methods.h"
#include "server/rpc/policy.h"
#include "server/rpc/program_methods.h"
#include "server/rpc/record_service.h"
#include "server/rpc/release_methods.h"
#include "server/rpc/report_methods.h"
#include "server/rpc/search_methods.h"
#include "server/rpc/server.h"
#include "server/rpc/standard_methods.h"
#include "server/rpc/tokens.h"
#include "server/rpc/void_methods.h"
#include "server/rpc/wire_forms.h"
#include "server/search/search_index.h"
#include "server/status.h"
#include "server/version.h"
#include "server/view/priority_score.h"
#include "storage/backup.h"
#include "storage/rocksdb_store.h"

namespace fairlead {
namespace {

// One line a statement, key and value, for machines and people alike.
void StartLogging(const NodeConfig& config) {
  auto logger = spdlog::stderr_logger_mt("fairlead");
  logger->set_pattern(fmt::format("time=%Y-%m-%dT%H:%M:%S.%eZ level=%l site={} msg=\"%v\"", config.site), spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

// Large blocks are mapped by themselves, and go back to the system when they are freed. glibc comes to take what is as large as a
// memtable's blocks from its heaps, which then stay as large as they once were. Figures: tests/bench/README.md.
void MapLargeBlocks() {
  constexpr int kMappedBytesMin = 256 << 10;
  mallopt(M_MMAP_THRESHOLD, kMappedBytesMin);
}

// Who wrote, the site's log says for ever; through which gateway, only this does.
void LogVouched(const rpc::CallSummary& summary) {
  const std::string_view name = summary.method.substr(summary.method.find('/') + 1);
  const bool reads = name.starts_with("Get") || name.starts_with("List") || name.starts_with("Watch");
  if (summary.gateway.empty() || reads) return;
  spdlog::info("{} for {} through {}: status {}", summary.method, summary.caller, summary.gateway, static_cast<int>(summary.code));
}

constexpr absl::Duration kAuditTimeout = absl::Seconds(5);  // of what one member of a site has another keep

// What the audit says of the credentials that are in use now.
std::string CredentialsText(const rpc::CredentialFigures& figures) {
  const auto time = [](absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); };
  return fmt::format("change {}: certificate until {}, roots until {}, next revocation list by {}", figures.changes,
                     time(figures.certificate_not_after), time(figures.root_not_after), time(figures.list_next_update));
}

// And of what the node began with.
std::string StartText(const node::Node& node) {
  const RosterLog* log = node.roster().FindLog(node.own_log());
  int closed = 0;
  for (const RosterLog& other : node.roster().logs()) closed += other.closing ? 1 : 0;
  return fmt::format("version {}, roster {}, epoch {}, {} logs closed", kVersion, node.roster().version(), log->epoch, closed);
}

int Fail(int code, const std::string& message) {
  fmt::print(stderr, "fairlead-node: {}\n", message);
  return code;
}

rpc::KindLimits LimitsFrom(const NodeConfig::IdentityLimits& limits) {
  return {limits.calls_per_second, limits.burst, limits.calls_max, limits.streams_max};
}

std::vector<std::pair<NodeConfig::Peer, std::string>> AddressesOf(const NodeConfig& config) {
  std::vector<std::pair<NodeConfig::Peer, std::string>> all;
  for (const NodeConfig::Peer& peer : config.peers) {
    for (const std::string& address : peer.addresses) all.emplace_back(peer, address);
  }
  return all;
}

rpc::ContentFetcherOptions FetcherOptionsFrom(const NodeConfig& config, rpc::Credentials* credentials,
                                              const replication::Replicator* replicator, const Membership* membership) {
  rpc::ContentFetcherOptions options;
  options.idle_max = absl::Hours(config.attachments.upload_hours);
  for (const auto& [peer, address] : AddressesOf(config)) {
    options.peers.push_back({.site = peer.site,
                             .address = address,
                             .credentials = [credentials, site = peer.site] { return credentials->ForPeer(site); },
                             .trusted = [credentials, site = peer.site] { return credentials->PeerTrusted(site, absl::Now()); },
                             .behind =
                                 [replicator, site = peer.site] {
                                   for (const replication::LinkInfo& link : replicator->Links()) {
                                     if (link.peer == site) return link.connected && link.entries_behind > 0;
                                   }
                                   return false;
                                 }});
  }
  if (membership == nullptr) return options;
  // What is uploaded, the leader has.
  options.peers.push_back({.site = config.site,
                           .find = [membership] { return membership->leader_address(); },
                           .credentials = [credentials, site = config.site] { return credentials->ForPeer(site); }});
  return options;
}

int Serve(const NodeConfig& config) {
  const absl::Time started = absl::Now();
  auto opened_credentials = rpc::Credentials::Open(
      {.files = {.certificate = config.tls.certificate, .key = config.tls.key, .ca = config.tls.ca, .crl = config.tls.crl},
       .network = config.network,
       .refresh = absl::Seconds(config.tls.refresh_seconds),
       .list_grace = absl::Hours(config.tls.list_grace_hours)});
  if (!opened_credentials.ok()) return Fail(kExitConfiguration, std::string(opened_credentials.status().message()));
  rpc::Credentials& credentials = **opened_credentials;
  if (std::string expected = fmt::format("spiffe://{}/node/{}", config.network, config.site); credentials.uri() != expected) {
    return Fail(kExitConfiguration,
                fmt::format("{} is the certificate of {}, not of {}", config.tls.certificate, credentials.uri(), expected));
  }
  auto options = NodeOptionsFrom(config);
  if (!options.ok()) return Fail(kExitConfiguration, std::string(options.status().message()));
  if (options->roster.network() != config.network) {
    return Fail(kExitConfiguration,
                fmt::format("{} is the roster of {}, not of {}", config.keys.roster, options->roster.network(), config.network));
  }
  auto token_key = ReadFile(config.keys.token);
  if (!token_key.ok()) return Fail(kExitConfiguration, std::string(token_key.status().message()));

  auto store = storage::OpenRocksDbStore({.path = config.data});
  if (!store.ok()) return Fail(kExitStart, std::string(store.status().message()));
  const std::unique_ptr<node::LicenceFile> licence = node::LicenceFileAt(config.licence);
  const std::unique_ptr<Membership> membership = config.member.name.empty() ? nullptr : std::make_unique<Membership>(config);
  if (membership != nullptr) {
    if (absl::Status ready = membership->Prepare(store->get()); !ready.ok()) return Fail(kExitStart, std::string(ready.message()));
    options->commit_log = [&membership](storage::Store* s) { return membership->OpenLog(s); };
  } else {
    if (absl::Status own = Membership::RefuseMembersStore(**store); !own.ok()) return Fail(kExitStart, std::string(own.message()));
    options->licence = licence.get();
  }
  const auto leads = [&membership] { return membership == nullptr ? absl::OkStatus() : membership->Leads(); };
  auto opened = node::Node::Open(*std::move(options), *std::move(store));
  if (!opened.ok()) return Fail(kExitStart, fmt::format("{}: {}", config.data, std::string(opened.status().message())));
  node::Node& node = **opened;

  search::SearchIndex search_index(&node, config.data + "/search");

  std::unique_ptr<storage::BackupFolder> backups;
  if (!config.backups.empty()) {
    auto folder = storage::BackupFolder::Open(config.backups);
    if (!folder.ok()) return Fail(kExitStart, std::string(folder.status().message()));
    backups = *std::move(folder);
  }

  Metrics metrics;
  const exchange::Pseudonyms pseudonyms(*token_key);
  rpc::Sealer sealer(*std::move(token_key));
  replication::ReplicatorOptions replicator_options{.dials = [leads] { return leads().ok(); }};
  for (const NodeConfig::Peer& peer : config.peers) {
    replicator_options.peers.push_back({.site = peer.site,
                                        .addresses = peer.addresses,
                                        .credentials = [&credentials, site = peer.site] { return credentials.ForPeer(site); },
                                        .trusted =
                                            [&credentials, leads, site = peer.site] {
                                              const absl::Status trusted = credentials.PeerTrusted(site, absl::Now());
                                              return trusted.ok() ? leads() : trusted;
                                            }});
  }
  const auto forwarder = membership == nullptr ? nullptr
                                               : std::make_unique<rpc::Forwarder>(rpc::ForwarderOptions{
                                                     .site = config.site,
                                                     .leads = [&membership] { return membership->leads(); },
                                                     .leader_address = [&membership] { return membership->leader_address(); },
                                                     .credentials = [&credentials, &config] { return credentials.ForPeer(config.site); },
                                                     .keepalive = absl::Seconds(config.limits.ping_seconds_min + 1)});
  rpc::AuditOptions audit_options;
  if (forwarder != nullptr) {
    audit_options.pass_on = [&forwarder,
                             own = "node/" + config.site](const v1::KeepAuditEventsRequest& request) -> std::optional<absl::Status> {
      if (forwarder->leads()) return std::nullopt;
      return forwarder->Ask("fairlead.v1.NodeService/KeepAuditEvents", request, own, kAuditTimeout);
    };
  }
  rpc::AuditTrail audit(&node, std::move(audit_options));
  replication::Replicator replicator(std::move(replicator_options), &node, &node);
  replicator.set_authorize([&node, &credentials, &audit, leads](const grpc::ServerContextBase& context) -> absl::StatusOr<SiteId> {
    constexpr std::string_view kMethod = "fairlead.v1.ReplicationService/Replicate";
    const absl::StatusOr<rpc::Identity> caller = credentials.Identify(*context.auth_context());
    auto identity = rpc::Admit(caller, kMethod);
    if (!identity.ok()) {
      audit.Denied(caller.ok() ? caller->path : "", kMethod, identity.status());
      return identity.status();
    }
    const RosterSite* site = node.roster().FindSite(identity->scope);
    if (site == nullptr) return Error(Reason::kPermissionDenied, "not a site of the roster");
    if (absl::Status leader = leads(); !leader.ok()) return leader;
    return site->id;
  });
  rpc::ContentFetcher fetcher(FetcherOptionsFrom(config, &credentials, &replicator, membership.get()), &node.contents(),
                              [&node] { return node.WallTime(); });
  node::Runner runner(&node, config.limits.completion_threads, [&replicator] { replicator.OnJournalAdvanced(); });
  uint64_t listener = node.AddJournalListener([&replicator, &fetcher](Position) {
    replicator.OnJournalAdvanced();
    fetcher.Wake();
  });

  auto consistency = std::make_unique<rpc::Consistency>(&node, &sealer);
  rpc::Limits limits({.partner = LimitsFrom(config.limits.partner),
                      .staff = LimitsFrom(config.limits.staff),
                      .gateway = LimitsFrom(config.limits.gateway),
                      .node = LimitsFrom(config.limits.node),
                      .submissions_per_day = config.limits.submissions_per_day});
  rpc::Dispatcher dispatcher({.network = config.network,
                              .identify = [&credentials](const grpc::AuthContext& context) { return credentials.Identify(context); },
                              .authorize = rpc::Authorize,
                              .consistency = consistency.get(),
                              .request_bytes_max = static_cast<size_t>(config.limits.message_bytes_max),
                              .limits = &limits,
                              .forwarder = forwarder.get(),
                              .unary_in_flight_max = config.limits.in_flight_max,
                              .streams_max = config.limits.streams_max,
                              .on_stream =
                                  [&audit](const rpc::CallSummary& summary) {
                                    if (!summary.passed_on) audit.StreamBegan(summary);
                                  },
                              .on_finish =
                                  [&metrics, &audit](const rpc::CallSummary& summary) {
                                    metrics.CallFinished(summary);
                                    if (summary.passed_on) return;  // the leader tells of it
                                    audit.CallFinished(summary);
                                    LogVouched(summary);
                                  }});
  rpc::Durability durability(&node);
  rpc::ShownRecords shown(rpc::kShownRecordsBytes);
  rpc::StandardMethods standard_methods(&node, &sealer, &shown, &durability);
  standard_methods.Register(&dispatcher);
  const rpc::AttachmentMethods attachment_methods(&node, &standard_methods.writes(),
                                                  {.file_bytes_max = int64_t{config.attachments.file_mebibytes_max} << 20,
                                                   .uploads_max = config.attachments.uploads_max,
                                                   .upload_lifetime = absl::Hours(config.attachments.upload_hours)});
  attachment_methods.Register(&dispatcher);
  const rpc::PlanningMethods planning_methods(&node, &sealer, &standard_methods.writes());
  planning_methods.Register(&dispatcher);
  rpc::ConflictMethods conflict_methods(&node, &sealer, &standard_methods.writes());
  conflict_methods.Register(&dispatcher);
  rpc::ErasureMethods erasure_methods(&node, &sealer, &standard_methods.writes(), backups.get());
  erasure_methods.Register(&dispatcher);
  v1::PriorityWeights weights;
  weights.set_vessels(config.priority.vessels);
  weights.set_cargo(config.priority.cargo);
  weights.set_history(config.priority.history);
  weights.set_other(config.priority.other);
  if (absl::Status checked = view::CheckWeights(weights); !checked.ok()) {
    return Fail(kExitConfiguration, fmt::format("[priority]: {}", std::string(checked.message())));
  }
  rpc::RegisterProgramMethods(&node, weights, &dispatcher);
  auto record_service = std::make_unique<rpc::RecordService>(&node, &sealer, &shown);
  record_service->Register(&dispatcher);
  rpc::ReleaseMethods release_methods(&node, &sealer, &pseudonyms);
  release_methods.Register(&dispatcher);
  rpc::ExchangeMethods exchange_methods(&node, &sealer, &pseudonyms, &standard_methods.writes(), &limits);
  exchange_methods.Register(&dispatcher);
  const rpc::ExchangeAttachments exchange_attachments(&node, &sealer, &pseudonyms);
  exchange_attachments.Register(&dispatcher);
  auto exchange_watches = std::make_unique<rpc::ExchangeWatches>(&node, &sealer, &pseudonyms);
  exchange_watches->Register(&dispatcher);
  auto search_methods = std::make_unique<rpc::SearchMethods>(&node, &sealer, &search_index);
  search_methods->Register(&dispatcher);
  const auto unwritable = [&membership, &node] {
    return membership == nullptr ? node.UnwritableReason() : membership->UnwritableReason(node);
  };
  rpc::NodeService node_service(&node, &sealer,
                                {.version = kVersion,
                                 .start_time = started,
                                 .links = [&replicator] { return ToProto(replicator.Links()); },
                                 .search = [&search_methods] { return search_methods->Status(); },
                                 .certificate_expiry = [&credentials] { return credentials.Figures().certificate_not_after; },
                                 .membership = membership == nullptr ? std::function<v1::MembershipStatus()>()
                                                                     : [&membership] { return ToProto(membership->View()); },
                                 .unwritable_reason = unwritable});
  node_service.Register(&dispatcher);
  rpc::LogService log_service(&node);
  log_service.Register(&dispatcher);
  const rpc::AuditMethods audit_methods(&node, &sealer);
  audit_methods.Register(&dispatcher);
  audit.Register(&dispatcher);
  rpc::VoidMethods void_methods(&node, &sealer, &standard_methods.writes());
  void_methods.Register(&dispatcher);
  rpc::BackupMethods backup_methods(&node, &sealer, backups.get());
  backup_methods.Register(&dispatcher);
  auto overview_methods =
      std::make_unique<rpc::OverviewMethods>(&node, view::OverviewOptions{.staleness_bound = absl::Seconds(config.limits.staleness_seconds),
                                                                          .weights = weights,
                                                                          .links = [&replicator] { return ToProto(replicator.Links()); }});
  overview_methods->Register(&dispatcher);
  const rpc::ReportMethods report_methods(&node, absl::Seconds(config.limits.staleness_seconds), &pseudonyms, &standard_methods.writes());
  report_methods.Register(&dispatcher);

  search_index.Start();
  runner.Start();
  if (membership != nullptr)
    membership->Start(&node, [&replicator, &dispatcher, &forwarder] {
      replicator.Reauthorize();
      dispatcher.Reauthorize();
      forwarder->LeaderChanged();
    });
  // However this function ends: before the node, whose log it speaks for.
  const absl::Cleanup leave = [&membership, &runner] {
    runner.Stop();
    if (membership != nullptr) membership->Stop();
  };
  audit.Start();
  // However this function ends: while the runner still completes what the trail waits for.
  const absl::Cleanup stop_audit = [&audit] { audit.Stop(); };
  audit.Act("start", StartText(node));
  auto server = rpc::Server::Start({.address = config.listen,
                                    .credentials = &credentials,
                                    .reflection = config.reflection,
                                    .keepalive = absl::Seconds(config.limits.keepalive_seconds),
                                    .ping_interval_min = absl::Seconds(config.limits.ping_seconds_min)},
                                   &dispatcher, {replicator.service()});
  if (!server.ok()) return Fail(kExitStart, std::string(server.status().message()));
  if (!config.metrics.empty()) {
    absl::Status served = metrics.Serve(config.metrics, {.node = &node,
                                                         .links = [&replicator] { return replicator.Links(); },
                                                         .credentials = &credentials,
                                                         .backups = [&backup_methods] { return backup_methods.figures(); },
                                                         .search = [&search_index] { return search_index.figures(); },
                                                         .unwritable_reason = unwritable,
                                                         .membership = membership.get()});
    if (!served.ok()) return Fail(kExitStart, std::string(served.message()));
  }
  replicator.Start();
  fetcher.Start();
  credentials.Start([&dispatcher, &replicator, &credentials, &audit, told = uint64_t{0}]() mutable {
    const rpc::CredentialFigures figures = credentials.Figures();
    if (std::exchange(told, figures.changes) != figures.changes) audit.Act("certificate/reload", CredentialsText(figures));
    dispatcher.Reauthorize();
    replicator.Reauthorize();
  });
  spdlog::info("serving on {} with {} entries in the journal", config.listen, node.JournalEnd().value());

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);  // blocked in every thread since main

  spdlog::info("draining");
  audit.Act("drain", "");
  credentials.Stop();
  fetcher.Stop();
  replicator.Stop();
  durability.Close();
  (*server)->Shutdown(absl::Seconds(config.limits.drain_seconds));
  consistency.reset();  // awaits the handlers of calls that had waited here; before what they are of
  backup_methods.Stop();
  metrics.Stop();
  search_methods.reset();
  search_index.Stop();
  record_service.reset();
  exchange_watches.reset();
  overview_methods.reset();
  node.RemoveJournalListener(listener);
  standard_methods.writes().AwaitImports();  // while the runner completes what they write
  audit.Stop();
  runner.Stop();
  if (membership != nullptr) membership->Stop();
  server->reset();
  spdlog::info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  MapLargeBlocks();
  CLI::App app("One site's node of a Fairlead network.", "fairlead-node");
  std::string config_path;
  bool print_settings = false;
  std::string data;
  std::string scratch = std::filesystem::temp_directory_path();
  std::string backup;
  std::string member;
  app.add_option("--config", config_path, "Configuration file (TOML); see server/SETTINGS.md");
  app.fallthrough();
  CLI::App* fsck = app.add_subcommand("fsck", "Check the whole store of a node that does not run");
  fsck->add_option("--data", data, "This store, such as a backup's, in place of the configured one");
  fsck->add_option("--scratch", scratch, "Folder for a copy of its size, removed afterwards; the system's for temporary files otherwise");
  CLI::App* grow =
      app.add_subcommand("grow", "Make the log on etcd, for a site of several machines, of the store of a node that does not run");
  std::vector<std::string> members;
  grow->add_option("--with", members, "Another member that is to come, for which the log is kept; may stand several times");
  CLI::App* shrink = app.add_subcommand(
      "shrink", "End the log on etcd, of a site of which no node runs: it goes on on this machine alone, with all that the log has");
  CLI::App* admit = app.add_subcommand("admit", "Keep the log on etcd for a member that is to come");
  CLI::App* forget = app.add_subcommand("forget", "Keep the log on etcd no more for a member that is gone");
  for (CLI::App* about : {admit, forget}) about->add_option("member", member, "Its name")->required();
  CLI::App* restore = app.add_subcommand("restore", "Make the data folder, which must be empty, from a backup");
  restore->add_option("--backup", backup, "The backup's name")->required();
  app.add_flag("--print-settings", print_settings, "Print the settings as markdown and exit");
  app.set_version_flag("--version", std::string("fairlead-node ") + kVersion);
  CLI11_PARSE(app, argc, argv);
  if (print_settings) {
    fmt::print("{}", SettingsMarkdown());
    return 0;
  }
  if (config_path.empty()) return Fail(kExitUsage, "--config is required");
  auto config = LoadConfig(config_path);
  if (!config.ok()) return Fail(kExitConfiguration, std::string(config.status().message()));

  if (fsck->parsed() || restore->parsed()) {
    StartLogging(*config);
    auto roster = RosterFrom(*config);
    if (!roster.ok()) return Fail(kExitConfiguration, std::string(roster.status().message()));
    return fsck->parsed() ? RunFsck(*roster, data.empty() ? config->data : data, scratch) : RunRestore(*config, backup);
  }

  RequireTls13();
  rpc::TakeOverGrpcLog();
  if (grow->parsed() || shrink->parsed() || admit->parsed() || forget->parsed()) {
    StartLogging(*config);
    if (shrink->parsed()) return RunShrink(*config);
    return grow->parsed() ? RunGrow(*config, members) : admit->parsed() ? RunAdmit(*config, member) : RunForget(*config, member);
  }
  // On in Debian's build: each lock of this program and of gRPC would go through one graph under one lock of its own. The tests, which open
  // nodes in their own process, keep it on.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // every thread inherits it; Serve waits for them
  signal(SIGPIPE, SIG_IGN);
  StartLogging(*config);
  return Serve(*config);
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) { return fairlead::Main(argc, argv); }
