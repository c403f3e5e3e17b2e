#include "client/cli/void_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/cli/output.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {

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
    Table table{{"ENTRY", "CAUSE", "ACTOR", "METHOD", "RECORDS"}, {}};
    for (const auto& entry : all->void_entries()) {
      table.rows.push_back(
          {entry.entry(), entry.cause(), entry.actor(), entry.method(), fmt::format("{}", fmt::join(entry.records(), " "))});
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

}  // namespace fairlead::cli
