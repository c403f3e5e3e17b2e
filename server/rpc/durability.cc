#include "server/rpc/durability.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "api/errors.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kLocal = "local";
constexpr std::string_view kReplicated = "replicated:";

Audience AudienceOf(const Roster& roster, const google::protobuf::Message& record) {
  const google::protobuf::FieldDescriptor* field = Field(record, "audience");
  Audience audience;
  for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
    audience.all = false;
    if (const RosterSite* site = roster.FindSite(record.GetReflection()->GetRepeatedString(record, field, i)))
      audience.sites.push_back(site->id);
  }
  std::sort(audience.sites.begin(), audience.sites.end());
  return audience;
}

}  // namespace

absl::StatusOr<int> ParseDurability(std::string_view text) {
  if (text == kLocal) return 0;
  int replicas = 0;
  if (text.starts_with(kReplicated)) {
    text.remove_prefix(kReplicated.size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), replicas);
    if (error != std::errc() || end != text.data() + text.size()) replicas = 0;
  }
  if (replicas > 0) return replicas;
  return FieldError(Reason::kFieldInvalid, kDurabilityMetadata, "must be local, or replicated:K with K from 1");
}

Durability::Durability(node::Node* node) : node_(node), waiting_([this] { return Now(); }) {
  listener_ = node_->AddCosignatureListener([this](LogId) { waiting_.Look(); });
}

Durability::~Durability() { node_->RemoveCosignatureListener(listener_); }

Durability::Cosigned Durability::Now() const {
  Cosigned cosigned;
  for (const RosterLog& log : node_->roster().logs()) cosigned[log.id] = node_->Cosigned(log.id);
  return cosigned;
}

absl::Status Durability::Check(const std::vector<Holding>& holdings, int replicas) const {
  for (const Holding& holding : holdings) {
    const size_t most = node::ReplicaSites(node_->roster(), holding.audience, node_->roster().FindLog(holding.log)->site).size();
    if (static_cast<size_t>(replicas) > most) {
      return FieldError(Reason::kFieldInvalid, kDurabilityMetadata,
                        fmt::format("asks for {} other sites; the entry is for {}", replicas, most));
    }
  }
  return absl::OkStatus();
}

Durability::Report Durability::ReportOf(const std::vector<Holding>& holdings, int replicas, const Cosigned& cosigned) const {
  const Roster& roster = node_->roster();
  Report report;
  report.reached = true;
  std::map<SiteId, size_t> held;  // how many of the holdings
  for (const Holding& holding : holdings) {
    int holders = 0;
    for (SiteId site : node::ReplicaSites(roster, holding.audience, roster.FindLog(holding.log)->site)) {
      const auto& sizes = cosigned.at(holding.log);
      const auto size = sizes.find(site);
      if (size == sizes.end() || size->second < holding.size) continue;
      ++holders;
      ++held[site];
    }
    report.reached = report.reached && holders >= replicas;
  }
  for (const RosterSite& site : roster.sites()) {
    const auto count = held.find(site.id);
    if (count != held.end() && count->second == holdings.size()) report.sites.push_back(site.name);
  }
  return report;
}

uint64_t Durability::Await(std::vector<Holding> holdings, int replicas, absl::Time deadline, std::function<void(const Report&)> done) {
  if (const Report report = ReportOf(holdings, replicas, Now()); report.reached) {
    done(report);
    return 0;
  }
  const auto report = [this, holdings = std::move(holdings), replicas](const Cosigned& cosigned) {
    return ReportOf(holdings, replicas, cosigned);
  };
  return waiting_.Enter([report](const Cosigned& cosigned) { return report(cosigned).reached; }, AnswerTime(deadline),
                        [this, report, done = std::move(done)](bool) {
                          Report known = report(Now());
                          known.closing = !known.reached && closed_.load();
                          done(known);
                        });
}

void Durability::Leave(uint64_t wait) { waiting_.Leave(wait); }

void Durability::Close() {
  closed_.store(true);
  waiting_.Close();
}

Holding EverythingWritten(const node::Node& node, const google::protobuf::Message& record) {
  return {node.own_log(), node.Applied().Get(node.own_log()), AudienceOf(node.roster(), record)};
}

absl::Status HeldStatus(const Durability::Report& report, std::map<std::string, std::string> metadata, Call* call) {
  const std::string sites = fmt::format("{}", fmt::join(report.sites, ","));
  if (report.reached) {
    call->durability = fmt::format("replicated:{} {}", call->replicas, sites);
    return absl::OkStatus();
  }
  metadata["sites"] = sites;
  metadata["replicas"] = std::to_string(call->replicas);
  const std::string known =
      fmt::format("it is written here, and {} of {} other sites are known to hold it{}{}: the same request waits again",
                  report.sites.size(), call->replicas, sites.empty() ? "" : ": ", sites);
  return Error(report.closing ? Reason::kShuttingDown : Reason::kReplicationTimeout, known, metadata);
}

}  // namespace fairlead::rpc
