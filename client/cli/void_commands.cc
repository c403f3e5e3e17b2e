#include "client/cli/void_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/cli/output.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {
namespace {

struct VoidArguments {
  int64_t limit = 0;  // 0: all
  std::vector<std::string> entries;
  std::string reason;
  std::string request_id;
};

absl::Status RunUnauthorised(Session& session, const VoidArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = fairlead::v1::ListUnauthorisedChangesResponse;
  const auto all = session.ListAll<Response>("fairlead.v1.NodeService.ListUnauthorisedChanges",
                                             fairlead::v1::ListUnauthorisedChangesRequest(), arguments.limit);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"ENTRY", "RECORD", "FIELDS"}, {}};
    for (const auto& change : all->changes()) {
      table.rows.push_back({change.entry(), change.record(), fmt::format("{}", fmt::join(change.fields(), " "))});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunVoidList(Session& session, const VoidArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = fairlead::v1::ListVoidEntriesResponse;
  const auto all =
      session.ListAll<Response>("fairlead.v1.NodeService.ListVoidEntries", fairlead::v1::ListVoidEntriesRequest(), arguments.limit);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"ENTRY", "CAUSE", "ACTOR", "METHOD", "RECORDS", "REFUSED"}, {}};
    for (const auto& entry : all->void_entries()) {
      table.rows.push_back({entry.entry(), entry.cause(), entry.actor(), entry.method(), fmt::format("{}", fmt::join(entry.records(), " ")),
                            entry.refused()});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunVoidReissue(Session& session, const VoidArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  fairlead::v1::ReissueEntriesRequest request;
  for (const std::string& entry : arguments.entries) request.add_entries(entry);
  const auto response = session.Call<fairlead::v1::ReissueEntriesResponse>("fairlead.v1.NodeService.ReissueEntries", request);
  if (!response.ok()) return response.status();
  session.Print(ToJson(*response), [&] {
    for (int i = 0; i < response->entries_size() && i < request.entries_size(); ++i) {
      session.out() << fmt::format("{} is {} now\n", request.entries(i), response->entries(i));
    }
  });
  return absl::OkStatus();
}

// Discards the one entry.
absl::Status RunOpaqueVoid(Session& session, const VoidArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  fairlead::v1::VoidEntryRequest request;
  request.set_entry(arguments.entries.front());
  request.set_reason(arguments.reason);
  request.set_request_id(arguments.request_id);
  const auto response = session.Call<fairlead::v1::EntryVoid>("fairlead.v1.NodeService.VoidEntry", request);
  if (!response.ok()) return response.status();
  session.Print(ToJson(*response), [&] { PrintRecord(*response, session.out()); });
  return absl::OkStatus();
}

}  // namespace

void AddVoidCommands(Commands& commands) {
  const auto arguments = std::make_shared<VoidArguments>();
  CLI::App* discard = commands.Add(commands.root()->get_subcommand("opaque"), "void",
                                   "Discards one at every site, for ever; for headquarters.", RunOpaqueVoid, arguments);
  discard->add_option("ENTRY", arguments->entries, "The entry, SITE/EPOCH/SEQUENCE.")->required()->expected(1)->type_name("");
  discard->add_option("--reason", arguments->reason, "Why.")->required()->type_name("TEXT");
  AddRequestId(discard, &arguments->request_id);
  AddLimit(commands.Add(commands.root(), "unauthorised", "The changes that their site had no right to make. They change no record.",
                        RunUnauthorised, arguments),
           &arguments->limit);
  CLI::App* voids = commands.AddGroup("void", "The entries that count for nothing.");
  AddLimit(commands.Add(voids, "list", "Lists them: those of closed logs, and those that were discarded.", RunVoidList, arguments),
           &arguments->limit);
  CLI::App* reissue = commands.Add(voids, "reissue", "Writes entries of a closed log anew in the node's own log, as the values they were.",
                                   RunVoidReissue, arguments);
  reissue->add_option("ENTRY", arguments->entries, "The entries, SITE/EPOCH/SEQUENCE.")->required()->type_name("");
}

}  // namespace fairlead::cli
