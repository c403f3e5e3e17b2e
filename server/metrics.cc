#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <map>
#include <utility>

#include "server/node/contents.h"
#include "server/rpc/grpc_log.h"

namespace fairlead {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::map<std::string, std::string>;

class FamilyOf {
 public:
  FamilyOf(const char* name, const char* help, MetricType type = MetricType::Gauge) {
    family_.name = name;
    family_.help = help;
    family_.type = type;
  }
  void Add(const Labels& labels, double value) {
    ClientMetric metric;
    for (const auto& [name, text] : labels) metric.label.push_back({name, text});
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
  }
  MetricFamily Take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

// Of certificates: when they end, and which were refused.
std::vector<MetricFamily> CollectTrust(const rpc::Credentials& credentials) {
  const rpc::CredentialFigures figures = credentials.Figures();
  FamilyOf expiry("fairlead_certificate_expire_seconds", "Unix time at which the node's certificate ends.");
  expiry.Add({}, static_cast<double>(absl::ToUnixSeconds(figures.certificate_not_after)));
  FamilyOf remaining("fairlead_credentials_remaining_seconds",
                     "Seconds until the node's certificate ends, the first of its roots ends, and the first of its revocation lists is due "
                     "to be signed anew; negative afterwards.");
  const absl::Time now = absl::Now();
  for (const auto& [what, end] : {std::pair("certificate", figures.certificate_not_after), std::pair("root", figures.root_not_after),
                                  std::pair("revocation_list", figures.list_next_update)}) {
    remaining.Add({{"what", what}}, absl::ToDoubleSeconds(end - now));
  }
  FamilyOf changes("fairlead_credentials_changes_total", "Changes of the credential files taken up since the start.", MetricType::Counter);
  changes.Add({}, static_cast<double>(figures.changes));
  FamilyOf failed("fairlead_credentials_looks_failed_total", "Looks at the credential files that found what could not be taken up.",
                  MetricType::Counter);
  failed.Add({}, static_cast<double>(figures.looks_failed));
  FamilyOf refused("fairlead_certificates_refused_total",
                   "Certificates refused: a caller's at its handshake, a caller's at a call or in a stream, a peer's that was dialled.",
                   MetricType::Counter);
  constexpr std::array<const char*, rpc::kRefusedAt> kPlaces = {"handshake", "call", "peer"};
  for (size_t at = 0; at < rpc::kRefusedAt; ++at) {
    for (const CertificateFault fault : AllCertificateFaults()) {
      refused.Add({{"at", kPlaces[at]}, {"cause", std::string(FaultName(fault))}},
                  static_cast<double>(figures.refused[at][static_cast<size_t>(fault)]));
    }
  }
  FamilyOf handshakes("fairlead_handshakes_failed_total", "TLS handshakes that failed before a certificate was judged.",
                      MetricType::Counter);
  const auto counts = rpc::HandshakesFailed();
  for (size_t i = 0; i < counts.size(); ++i) {
    handshakes.Add({{"cause", std::string(rpc::FaultName(static_cast<rpc::HandshakeFault>(i)))}}, static_cast<double>(counts[i]));
  }
  std::vector<MetricFamily> out;
  for (FamilyOf* family : {&expiry, &remaining, &changes, &failed, &refused, &handshakes}) out.push_back(family->Take());
  return out;
}

}  // namespace

namespace {

std::vector<MetricFamily> CollectSearch(const search::IndexFigures& figures, Position journal_end) {
  FamilyOf records("fairlead_search_records", "Records in the node's search index.");
  records.Add({}, static_cast<double>(figures.records));
  FamilyOf behind("fairlead_search_entries_behind", "Entries of the journal that the search index has not taken in.");
  behind.Add({}, static_cast<double>(journal_end.value() - std::min(figures.indexed, journal_end).value()));
  FamilyOf building("fairlead_search_building", "1 while the search index is built anew from all records.");
  building.Add({}, figures.building ? 1 : 0);
  FamilyOf builds("fairlead_search_builds_total", "Times that the search index was built anew since the start.", MetricType::Counter);
  builds.Add({}, static_cast<double>(figures.builds));
  FamilyOf failing("fairlead_search_failing", "1 while the search index cannot be written.");
  failing.Add({}, figures.error.empty() ? 0 : 1);
  std::vector<MetricFamily> out;
  for (FamilyOf* family : {&records, &behind, &building, &builds, &failing}) out.push_back(family->Take());
  return out;
}

std::vector<MetricFamily> CollectMembership(const MembershipView& view) {
  FamilyOf leads("fairlead_member_leads", "1 at the member that leads a site of several machines.");
  leads.Add({{"member", view.name}}, view.term != 0 ? 1 : 0);
  FamilyOf has_leader("fairlead_member_has_leader", "1 when this member knows of one that leads.");
  has_leader.Add({{"member", view.name}}, view.leader.empty() ? 0 : 1);
  FamilyOf durable("fairlead_member_durable_entries", "Entries of the site's journal that each member has said to have durably.");
  for (const auto& [name, position] : view.durable) durable.Add({{"member", name}}, static_cast<double>(position.value()));
  FamilyOf bytes("fairlead_etcd_bytes", "Bytes of etcd's file, on the member of etcd that answered.");
  FamilyOf quota("fairlead_etcd_quota_bytes", "What that file may have before etcd takes no more writes, as configured.");
  if (view.health) bytes.Add({}, static_cast<double>(view.health->bytes));
  quota.Add({}, static_cast<double>(view.quota_bytes));
  FamilyOf warning("fairlead_etcd_warning", "1 while there is something an operator has to know of etcd: the status says what.");
  warning.Add({}, view.warning.empty() ? 0 : 1);
  std::vector<MetricFamily> out;
  for (FamilyOf* family : {&leads, &has_leader, &durable, &bytes, &quota, &warning}) out.push_back(family->Take());
  return out;
}

}  // namespace

class Metrics::NodeCollector : public prometheus::Collectable {
 public:
  explicit NodeCollector(Sources sources) : sources_(std::move(sources)) {}

  std::vector<MetricFamily> Collect() const override {
    const node::Node& node = *sources_.node;
    FamilyOf size("fairlead_log_entries", "Entries of a log applied at this node.");
    FamilyOf behind("fairlead_log_entries_behind", "Entries known to exist that are not applied at this node.");
    FamilyOf age("fairlead_log_oldest_unapplied_seconds",
                 "Age of the oldest entry known to exist that is not applied; grows while blocked.");
    FamilyOf quarantined("fairlead_log_quarantined", "1 when a log is quarantined because it has two histories.");
    FamilyOf closed("fairlead_log_closed", "1 when the roster has closed a log.");
    FamilyOf void_entries("fairlead_log_void_entries", "Entries held beyond where the roster closed their log.");
    FamilyOf as_of("fairlead_log_as_of_seconds", "Unix time the figures of a site are true as of, by the site's own statement.");
    for (const node::LogInfo& log : node.Logs()) {
      Labels labels = {{"site", log.log->site_name}, {"log", log.log->origin()}};
      size.Add(labels, static_cast<double>(log.size.value()));
      behind.Add(labels, static_cast<double>(log.known_size.value() - log.size.value()));
      age.Add(labels, absl::ToDoubleSeconds(log.oldest_unapplied_age));
      quarantined.Add(labels, log.quarantine.empty() ? 0 : 1);
      closed.Add(labels, log.log->closing ? 1 : 0);
      void_entries.Add(labels, static_cast<double>(log.void_entries.value()));
      if (log.as_of) as_of.Add(labels, static_cast<double>(absl::ToUnixMillis(*log.as_of)) / 1000);
    }
    FamilyOf connected("fairlead_link_connected", "1 when this node's stream from the peer is up.");
    FamilyOf rtt("fairlead_link_rtt_seconds", "Round trip of the last heartbeat.");
    FamilyOf link_behind("fairlead_link_entries_behind", "Entries the peer holds that are not applied here.");
    FamilyOf ahead("fairlead_link_clock_ahead_seconds", "How far the peer's clock is ahead of this node's.");
    FamilyOf entries("fairlead_link_entries_received_total", "Entries received, new here or not.", MetricType::Counter);
    FamilyOf bytes("fairlead_link_bytes_received_total", "Bytes received.", MetricType::Counter);
    FamilyOf refused("fairlead_link_log_refused", "1 for a log of which no more is taken from the peer on this stream.");
    FamilyOf errors("fairlead_link_errors_total", "Faults of the peer's stream and of what it sent, by reason.", MetricType::Counter);
    for (const replication::LinkInfo& link : sources_.links()) {
      Labels labels = {{"peer", link.peer}};
      connected.Add(labels, link.connected ? 1 : 0);
      rtt.Add(labels, absl::ToDoubleSeconds(link.rtt));
      if (link.clock_ahead) ahead.Add(labels, absl::ToDoubleSeconds(*link.clock_ahead));
      link_behind.Add(labels, static_cast<double>(link.entries_behind));
      entries.Add(labels, static_cast<double>(link.entries_received));
      bytes.Add(labels, static_cast<double>(link.bytes_received));
      for (const auto& [origin, why] : link.refused) refused.Add({{"peer", link.peer}, {"log", origin}}, 1);
      for (const auto& [reason, count] : link.errors) errors.Add({{"peer", link.peer}, {"reason", reason}}, static_cast<double>(count));
    }
    FamilyOf writable("fairlead_node_writable", "1 when the node takes writes.");
    writable.Add({}, sources_.unwritable_reason().empty() ? 1 : 0);
    FamilyOf opaque("fairlead_opaque_entries", "Entries this node could not fold.");
    opaque.Add({}, static_cast<double>(node.OpaqueCount()));
    FamilyOf unauthorised("fairlead_unauthorised_changes", "Changes that their site had no right to make.");
    unauthorised.Add({}, static_cast<double>(node.UnauthorisedCount()));
    FamilyOf disagrees("fairlead_clock_disagrees", "1 when this node's clock disagrees with most of its peers'.");
    disagrees.Add({}, node.ClockDisagreement().empty() ? 0 : 1);
    FamilyOf roster_version("fairlead_roster_version", "The version of the roster in force.");
    roster_version.Add({}, static_cast<double>(node.roster().version()));
    FamilyOf unkept("fairlead_statements_unkept_total", "Checkpoints and cosignatures that the store would not take.", MetricType::Counter);
    unkept.Add({}, static_cast<double>(node.UnkeptStatements()));
    FamilyOf journal("fairlead_journal_entries", "Entries in the node's journal.");
    journal.Add({}, static_cast<double>(node.JournalEnd().value()));
    FamilyOf held("fairlead_attachment_bytes_held", "Bytes of attachments that are here, complete.");
    held.Add({}, static_cast<double>(node.contents().bytes_held()));
    FamilyOf wanted("fairlead_attachments_wanted", "Different contents of attachments that are due here and have not come.");
    wanted.Add({}, static_cast<double>(node.contents().wanted()));
    const rpc::BackupFigures figures = sources_.backups();
    FamilyOf backups("fairlead_backups", "Backups in the node's backups folder.");
    backups.Add({}, static_cast<double>(figures.backups));
    FamilyOf newest("fairlead_backup_newest_seconds", "Unix time at which the newest backup was begun.");
    FamilyOf newest_bytes("fairlead_backup_newest_bytes", "Bytes in the files of the newest backup.");
    if (figures.newest) {
      newest.Add({}, static_cast<double>(absl::ToUnixMillis(*figures.newest)) / 1000);
      newest_bytes.Add({}, static_cast<double>(figures.newest_bytes));
    }
    FamilyOf made("fairlead_backups_made_total", "Backups made since the node started.", MetricType::Counter);
    made.Add({}, static_cast<double>(figures.made));
    FamilyOf failed("fairlead_backups_failed_total", "Backups that could not be made, or were found damaged, since the node started.",
                    MetricType::Counter);
    failed.Add({}, static_cast<double>(figures.failed));

    std::vector<MetricFamily> out = CollectTrust(*sources_.credentials);
    for (FamilyOf* family :
         {&size,    &behind,       &age,          &quarantined,  &as_of,     &connected,      &rtt,      &link_behind, &entries, &bytes,
          &closed,  &void_entries, &ahead,        &unauthorised, &disagrees, &roster_version, &writable, &opaque,      &unkept,  &journal,
          &backups, &newest,       &newest_bytes, &made,         &failed,    &held,           &wanted,   &refused,     &errors}) {
      out.push_back(family->Take());
    }
    for (MetricFamily& family : CollectSearch(sources_.search(), node.JournalEnd())) out.push_back(std::move(family));
    if (sources_.membership == nullptr) return out;
    for (MetricFamily& family : CollectMembership(sources_.membership->View())) out.push_back(std::move(family));
    return out;
  }

 private:
  const Sources sources_;
};

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {
  calls_ = &prometheus::BuildCounter()
                .Name("fairlead_calls_total")
                .Help("Calls ended, by method, kind of caller and code.")
                .Register(*registry_);
  limited_ = &prometheus::BuildCounter()
                  .Name("fairlead_calls_limited_total")
                  .Help("Calls refused by a limit, by kind of caller and setting.")
                  .Register(*registry_);
  seconds_ = &prometheus::BuildHistogram().Name("fairlead_call_seconds").Help("Time from a call's start to its end.").Register(*registry_);
}

void Metrics::CallFinished(const rpc::CallSummary& summary) {
  static const prometheus::Histogram::BucketBoundaries kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                                  0.1,    0.25,  0.5,    1,     2.5,  10};
  prometheus::Histogram* seconds = nullptr;
  prometheus::Counter* calls = nullptr;
  {
    absl::MutexLock lock(&mu_);
    auto method = methods_.find(summary.method);
    if (method == methods_.end()) {
      const std::string name(summary.method);
      method = methods_.emplace(name, &seconds_->Add({{"method", name}}, kBounds)).first;
    }
    seconds = method->second;
    prometheus::Counter*& counter = call_kinds_[{method->first, summary.kind, summary.code}];
    if (counter == nullptr) {
      counter = &calls_->Add({{"method", method->first},
                              {"caller", std::string(rpc::KindName(summary.kind))},
                              {"code", fmt::format("{}", static_cast<int>(summary.code))}});
    }
    calls = counter;
  }
  calls->Increment();
  if (!summary.limit.empty()) {
    limited_->Add({{"caller", std::string(rpc::KindName(summary.kind))}, {"limit", summary.limit}}).Increment();
  }
  seconds->Observe(absl::ToDoubleSeconds(summary.elapsed));
}

absl::Status Metrics::Serve(const std::string& address, Sources sources) {
  collector_ = std::make_shared<NodeCollector>(std::move(sources));
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(address, 1);
  } catch (const std::exception& e) {
    return absl::UnavailableError(fmt::format("metrics cannot be served on {}: {}", address, e.what()));
  }
  exposer_->RegisterCollectable(registry_);
  exposer_->RegisterCollectable(collector_);
  return absl::OkStatus();
}

}  // namespace fairlead
