#include "client/cli/void_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/cli/output.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {
namespace {

constexpr int64_t kPageSizeMax = 1000;

// All pages of a list, up to the limit. `size` counts what `all` has.
template <class Request, class Response, class Size>
absl::StatusOr<Response> ListAll(Session& session, const std::string& method, int64_t limit, const Size& size) {
  Response all;
  Request request;
  do {
    request.set_page_size(static_cast<int32_t>(limit == 0 ? kPageSizeMax : std::min(limit - size(all), kPageSizeMax)));
    absl::StatusOr<Response> page = session.Call<Response>(method, request);
    if (!page.ok()) return page.status();
    all.clear_next_page_token();
    all.MergeFrom(*page);
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && (limit == 0 || size(all) < limit));
  return all;
}

}  // namespace

absl::Status RunUnauthorised(Session& session, const VoidArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = fairlead::v1::ListUnauthorisedChangesResponse;
  const auto all = ListAll<fairlead::v1::ListUnauthorisedChangesRequest, Response>(
      session, "fairlead.v1.NodeService.ListUnauthorisedChanges", arguments.limit,
      [](const Response& r) { return static_cast<int64_t>(r.changes_size()); });
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
  const auto all = ListAll<fairlead::v1::ListVoidEntriesRequest, Response>(
      session, "fairlead.v1.NodeService.ListVoidEntries", arguments.limit,
      [](const Response& r) { return static_cast<int64_t>(r.void_entries_size()); });
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
