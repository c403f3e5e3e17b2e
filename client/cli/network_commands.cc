#include "client/cli/network_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>

#include "api/roster.h"
#include "api/state_digest.h"
#include "fairlead/v1/record_service.pb.h"

namespace fairlead::cli {
namespace {

using fairlead::v1::NodeStatus;
using fairlead::v1::StateDigest;

struct WatchArguments {
  std::vector<std::string> collections;
  std::string record;  // only this one and those beneath it; empty: all
  bool snapshot = false;
  std::string resume;
  int64_t count = 0;  // end after so many records; 0: never
};

std::string TimeOrNever(bool has, const google::protobuf::Timestamp& time) { return has ? TimeText(time) : "never"; }

void PrintMembership(const fairlead::v1::MembershipStatus& membership, std::ostream& out) {
  out << fmt::format("member {}  leader {}  ", membership.member(), membership.leader().empty() ? "none" : membership.leader());
  for (const auto& member : membership.members()) out << fmt::format(" {}:{}", member.member(), member.durable_size());
  out << fmt::format("  etcd {} of {} bytes\n", membership.etcd_bytes(), membership.etcd_quota_bytes());
  if (!membership.etcd_warning().empty()) out << "etcd: " << membership.etcd_warning() << "\n";
}

void PrintStatus(const NodeStatus& node, std::ostream& out, int width) {
  out << fmt::format("{}  version {}  started {}  clock {}\n", node.site(), node.version(), TimeText(node.start_time()),
                     TimeText(node.time()));
  out << fmt::format("writes {}  journal {}  opaque {}  unauthorised {}  roster {}  certificate until {}\n",
                     node.writable() ? "accepted" : "refused: " + node.unwritable_reason(), node.journal_size(), node.opaque_entries(),
                     node.unauthorised_changes(), node.roster_version(), TimeText(node.certificate_expire_time()));
  if (node.has_search()) {
    out << fmt::format("search {} records{}", node.search().records(), node.search().building() ? ", being built anew" : "");
    if (!node.search().building()) out << fmt::format(", {} entries behind", node.search().entries_behind());
    out << (node.search().error().empty() ? "" : ": " + node.search().error()) << "\n";
  }
  if (node.has_membership()) PrintMembership(node.membership(), out);
  out << "\n";
  Table logs{{"LOG", "ENTRIES", "CHECKPOINT", "LAG", "COSIGNED", "QUARANTINE"}, {}};
  for (const auto& log : node.logs()) {
    std::vector<std::string> cosigned;
    for (const auto& cosignature : log.cosignatures()) cosigned.push_back(fmt::format("{}:{}", cosignature.site(), cosignature.size()));
    logs.rows.push_back({log.origin(), std::to_string(log.size()), std::to_string(log.checkpoint_size()),
                         DurationText(log.oldest_unapplied_age()), fmt::format("{}", fmt::join(cosigned, " ")),
                         log.closed() ? fmt::format("closed at {}, {} void", log.closed_size(), log.void_entries()) : log.quarantine()});
  }
  logs.Print(out, width);
  out << "\n";
  Table links{{"PEER", "ADDRESS", "LINK", "LAST CONTACT", "RTT", "BEHIND", "RECEIVED", "BYTES", "LAST ERROR"}, {}};
  for (const auto& link : node.links()) {
    links.rows.push_back({link.peer(), link.address(), link.connected() ? "up" : "down",
                          TimeOrNever(link.has_last_contact_time(), link.last_contact_time()), DurationText(link.rtt()),
                          std::to_string(link.entries_behind()), std::to_string(link.entries_received()),
                          std::to_string(link.bytes_received()), LastErrorText(link.last_error(), link.last_error_time())});
  }
  links.Print(out, width);
}

// A node that is down shall not hold up the picture of the others.
constexpr absl::Duration kAskTimeoutMax = absl::Seconds(5);

// Asks every configured node, in order. `visit` gets each answer; the others are printed, and collected in `errors`. The first error, if
// any.
template <class Response, class Visit>
absl::Status AskAll(Session& session, const std::string& method, const google::protobuf::Message& request, nlohmann::ordered_json* errors,
                    const Visit& visit) {
  absl::Status first;
  for (const client::NodeAddress& node : session.client().options().nodes) {
    client::CallOptions call;
    call.site = node.site;
    call.address = node.address;
    call.stop = session.environment().stop;
    call.timeout = std::min(session.client().options().timeout, kAskTimeoutMax);
    call.token = "";  // what each node holds now is the question
    absl::StatusOr<Response> response = session.client().Call<Response>(method, request, call);
    if (response.ok()) {
      visit(*response);
      continue;
    }
    nlohmann::ordered_json error = ErrorJson(response.status())["error"];
    error["site"] = node.site;
    errors->push_back(std::move(error));
    if (!session.flags().json)
      session.err() << fmt::format("{} {}: {}\n", node.site, node.address, std::string(response.status().message()));
    if (first.ok()) first = response.status();
  }
  return first;
}

void PrintDigests(const std::vector<StateDigest>& digests, std::ostream& out, int width) {
  Table table{{"SITE", "AUDIENCE", "DIGEST", "RECORDS", "OPAQUE", "APPLIED"}, {}};
  for (const StateDigest& digest : digests) {
    std::vector<std::string> vector;
    for (const auto& position : digest.vector()) {
      // "{network}/{site}/{epoch}/{stream}": the site says enough beside the others, of main.
      const std::string& origin = position.origin();
      const size_t begin = origin.find('/') + 1;
      const std::string site = origin.substr(begin, origin.find('/', begin) - begin);
      const std::string stream = origin.substr(origin.rfind('/') + 1);
      vector.push_back(fmt::format("{}:{}", stream == kMainStream ? site : site + "/" + stream, position.size()));
    }
    for (const auto& of_class : digest.classes()) {
      table.rows.push_back({digest.site(), of_class.audience(), of_class.digest(), std::to_string(of_class.records()),
                            std::to_string(digest.opaque_entries()), fmt::format("{}", fmt::join(vector, " "))});
    }
  }
  table.Print(out, width);
}

// What a person wants to see of a record that changed.
std::string Headline(const google::protobuf::Message& record) {
  for (const char* name : {"display_name", "title", "task", "text"}) {
    const auto* field = record.GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) return record.GetReflection()->GetString(record, field);
  }
  return "";
}

void PrintEvent(const fairlead::v1::WatchRecordsResponse& event, std::ostream& out) {
  const std::string type = event.record().type_url().substr(event.record().type_url().rfind('/') + 1);
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  const std::string site = event.snapshot() ? "-" : event.site();
  if (!event.gone().empty()) {
    out << fmt::format("{:<5} {:<20} {}  gone\n", site, "", event.gone());
    return;
  }
  if (descriptor == nullptr) {
    out << fmt::format("{:<5} {:<15} {}\n", site, event.collection(), type);
    return;
  }
  const std::unique_ptr<google::protobuf::Message> record(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (!event.record().UnpackTo(record.get())) {
    out << fmt::format("{:<5} {:<15} {} undecodable\n", site, event.collection(), type);
    return;
  }
  const auto text = [&](const char* name) {
    const auto* field = descriptor->FindFieldByName(name);
    return field == nullptr ? std::string() : CellText(*record, *field);
  };
  std::string line = fmt::format("{:<5} {:<20} {}", site, text("update_time"), text("name"));
  if (const std::string state = text("state"); !state.empty()) line += "  " + state;
  if (!text("withdrawn").empty()) line += "  withdrawn";
  if (!text("conflicts").empty()) line += "  conflict";
  line += "  " + Headline(*record);
  std::replace(line.begin(), line.end(), '\n', ' ');
  out << line << "\n";
}

// Of the chosen node, or of every configured one; then a node that does not answer is listed and is the command's error.
absl::Status RunStatus(Session& session, bool all_sites) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const std::string method = "fairlead.v1.NodeService.GetNodeStatus";
  const int width = session.environment().columns;
  if (!all_sites) {
    absl::StatusOr<NodeStatus> node = session.Call<NodeStatus>(method, fairlead::v1::GetNodeStatusRequest());
    if (!node.ok()) return node.status();
    session.Print(ToJson(*node), [&] { PrintStatus(*node, session.out(), width); });
    return absl::OkStatus();
  }
  nlohmann::ordered_json json = {{"nodes", nlohmann::ordered_json::array()}, {"errors", nlohmann::ordered_json::array()}};
  std::vector<NodeStatus> nodes;
  absl::Status first = AskAll<NodeStatus>(session, method, fairlead::v1::GetNodeStatusRequest(), &json["errors"], [&](NodeStatus& node) {
    json["nodes"].push_back(ToJson(node));
    nodes.push_back(std::move(node));
  });
  session.Print(json, [&] {
    for (const NodeStatus& node : nodes) {
      if (&node != &nodes.front()) session.out() << "\n";
      PrintStatus(node, session.out(), width);
    }
  });
  return first;
}

absl::Status RunDigest(Session& session, bool all_sites) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const std::string method = "fairlead.v1.NodeService.GetStateDigest";
  const int width = session.environment().columns;
  if (!all_sites) {
    absl::StatusOr<StateDigest> digest = session.Call<StateDigest>(method, fairlead::v1::GetStateDigestRequest());
    if (!digest.ok()) return digest.status();
    session.Print(ToJson(*digest), [&] { PrintDigests({*digest}, session.out(), width); });
    return absl::OkStatus();
  }
  nlohmann::ordered_json json = {
      {"verdict", ""}, {"digests", nlohmann::ordered_json::array()}, {"errors", nlohmann::ordered_json::array()}};
  std::vector<StateDigest> digests;
  absl::Status first =
      AskAll<StateDigest>(session, method, fairlead::v1::GetStateDigestRequest(), &json["errors"], [&](StateDigest& digest) {
        json["digests"].push_back(ToJson(digest));
        digests.push_back(std::move(digest));
      });
  const DigestVerdict verdict = CompareDigests(digests);
  const std::string text = verdict == DigestVerdict::kEqual       ? "equal"
                           : verdict == DigestVerdict::kDifferent ? "different"
                                                                  : "not comparable";
  json["verdict"] = text;
  session.Print(json, [&] {
    PrintDigests(digests, session.out(), width);
    session.out() << fmt::format("\n{} nodes: {}\n", digests.size(), text);
  });
  if (!first.ok()) return first;
  if (verdict == DigestVerdict::kEqual) return absl::OkStatus();
  return absl::FailedPreconditionError(verdict == DigestVerdict::kDifferent
                                           ? "the digests differ"
                                           : "the nodes have not applied the same entries, could not fold some, or hold records in part");
}

absl::Status RunOpaque(Session& session, int64_t limit) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto all = session.ListAll<fairlead::v1::ListOpaqueEntriesResponse>("fairlead.v1.NodeService.ListOpaqueEntries",
                                                                            fairlead::v1::ListOpaqueEntriesRequest(), limit);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"ENTRY", "CAUSE", "DETAIL"}, {}};
    for (const auto& entry : all->opaque_entries()) table.rows.push_back({entry.entry(), entry.cause(), entry.detail()});
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunWatch(Session& session, const WatchArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  fairlead::v1::WatchRecordsRequest request;
  for (const std::string& collection : arguments.collections) request.add_collections(collection);
  request.set_parent(arguments.record);
  request.set_snapshot(arguments.snapshot);
  request.set_resume_token(arguments.resume);
  client::CallOptions call;
  call.stop = session.environment().stop;
  std::string resume = arguments.resume;
  int64_t seen = 0;
  client::Answer answer{session.client().options().site, "", 1, ""};
  for (const client::NodeAddress& node : session.client().options().nodes) {
    if (node.site == answer.site) answer.address = node.address;
  }
  session.NoteNode(answer);
  const absl::Status status = session.client().Watch(
      std::move(request),
      [&](const fairlead::v1::WatchRecordsResponse& event) {
        if (!event.resume_token().empty()) resume = event.resume_token();
        if (event.collection().empty()) return true;  // a heartbeat
        if (session.flags().json) {
          session.out() << ToJson(event).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
        } else {
          PrintEvent(event, session.out());
        }
        session.out().flush();
        return ++seen != arguments.count;
      },
      [&](const absl::Status& broken) {
        if (!session.flags().quiet) session.err() << fmt::format("resuming: {}\n", std::string(broken.message()));
      },
      call);
  if (!session.flags().quiet && !session.flags().json && !resume.empty()) session.err() << fmt::format("resume with --resume {}\n", resume);
  return status;
}

}  // namespace

DigestVerdict CompareDigests(const std::vector<StateDigest>& digests) {
  const auto vector_of = [](const StateDigest& digest) {
    std::map<std::string, int64_t> vector;
    for (const auto& position : digest.vector()) vector[position.origin()] = position.size();
    return vector;
  };
  bool equal = true;
  bool whole = true;
  for (auto one = digests.begin(); one != digests.end(); ++one) {
    if (one->opaque_entries() != 0 || one->fold_version() != digests.front().fold_version() ||
        vector_of(*one) != vector_of(digests.front())) {
      return DigestVerdict::kNotComparable;
    }
    for (auto other = digests.begin(); other != one; ++other) {
      const ClassComparison compared = CompareClasses(*one, *other);
      equal &= compared.different.empty();
      whole &= compared.in_part.empty();
    }
  }
  if (!equal) return DigestVerdict::kDifferent;
  return whole ? DigestVerdict::kEqual : DigestVerdict::kNotComparable;
}

void AddNetworkCommands(Commands& commands) {
  const auto all_sites = std::make_shared<bool>(false);
  CLI::App* status = commands.Add(commands.root(), "status", "The state of the node: logs, links, lag.",
                                  [all_sites](Session& s) { return RunStatus(s, *all_sites); });
  CLI::App* digest = commands.Add(commands.root(), "digest", "The digest of the node's folded state.",
                                  [all_sites](Session& s) { return RunDigest(s, *all_sites); });
  status->add_flag("--all-sites", *all_sites, "Of every configured node.");
  digest->add_flag("--all-sites", *all_sites, "Of every configured node, compared: exit code 0 when equal, 5 when not.");
  const auto limit = std::make_shared<int64_t>();
  AddLimit(commands.Add(commands.root(), "opaque", "The entries that the node could not fold, with the cause.",
                        [limit](Session& s) { return RunOpaque(s, *limit); }),
           limit.get());
}

void AddWatchCommand(Commands& commands) {
  const auto arguments = std::make_shared<WatchArguments>();
  CLI::App* watch = commands.Add(commands.root(), "watch", "Follows the records that change at the node.", RunWatch, arguments);
  watch->add_option("COLLECTION", arguments->collections, "Only these, such as ports; all by default.")->type_name("");
  watch->add_option("--record", arguments->record, "Only this record and those beneath it, such as engagements/E.")->type_name("NAME");
  watch->add_flag("--snapshot", arguments->snapshot, "Send every record first.");
  watch->add_option("--resume", arguments->resume, "Continue after this token.")->type_name("TOKEN");
  watch->add_option("--count", arguments->count, "End after so many records.")->type_name("NUMBER")->check(CLI::PositiveNumber);
}

}  // namespace fairlead::cli
