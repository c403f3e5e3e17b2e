#include "server/rpc/search_methods.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/read_rights.h"
#include "server/rpc/record_access.h"
#include "server/search/finder.h"

namespace fairlead::rpc {
namespace {

using search::Question;

constexpr absl::Duration kMoment = absl::Milliseconds(500);
constexpr std::string_view kCountries = "countries/";

// place := weight:u64 rank:u64 order
std::string Encode(const search::Place& place) {
  std::string out;
  PutU64(&out, place.weight);
  PutU64(&out, place.rank);
  return out.append(place.order);
}

search::Place Decode(std::string_view bytes) {
  Reader in(bytes);
  search::Place place;
  place.weight = in.U64();
  place.rank = in.U64();
  place.order = std::string(in.Fixed(in.left()));
  return place;
}

// The values of one filter, each of which one of the types that are looked at must have.
absl::Status CheckValues(const google::protobuf::RepeatedPtrField<std::string>& values, const std::set<std::string>& known,
                         const char* field) {
  for (const std::string& value : values) {
    if (known.contains(value)) continue;
    return FieldError(Reason::kFieldInvalid, field, fmt::format("\"{}\" is none of {}", value, fmt::join(known, ", ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<const records::RecordType*>> TypesFor(const node::Node& node, const Call& call,
                                                                 const v1::SearchRequest& request) {
  std::vector<const records::RecordType*> types;
  for (const std::string& collection : request.collections()) {
    const records::RecordType* type = node.registry().FindByCollection(collection);
    if (type == nullptr) return FieldError(Reason::kFieldInvalid, "collections", "there is no collection '" + collection + "'");
    if (!search::IsSearchable(*type)) {
      return FieldError(Reason::kFieldInvalid, "collections", "records of '" + collection + "' have no words to be found by");
    }
    if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
    types.push_back(type);
  }
  if (!types.empty()) return types;
  for (const records::RecordType& type : node.registry().types()) {
    if (search::IsSearchable(type) && MayRead(call, type)) types.push_back(&type);
  }
  return types;
}

absl::StatusOr<Question> QuestionOf(const node::Node& node, const Call& call, const v1::SearchRequest& request) {
  const auto types = TypesFor(node, call, request);
  if (!types.ok()) return types.status();
  Question question;
  question.words = request.query();
  question.last_word_begins = request.last_word_begins();
  std::set<std::string> states, kinds;
  for (const records::RecordType* type : *types) {
    question.collections.push_back(type->collection());
    states.merge(search::StatesOf(*type));
    kinds.merge(search::KindsOf(*type));
  }
  absl::Status checked = CheckValues(request.states(), states, "states");
  checked.Update(CheckValues(request.kinds(), kinds, "kinds"));
  if (!checked.ok()) return checked;
  for (const std::string& country : request.countries()) {
    if (!country.starts_with(kCountries) || node.registry().FindByName(country) == nullptr) {
      return FieldError(Reason::kFieldInvalid, "countries", fmt::format("\"{}\" is no country, such as countries/JP", country));
    }
  }
  for (const int region : request.regions()) {
    if (region == 0 || !v1::Region_IsValid(region)) return FieldError(Reason::kFieldInvalid, "regions", "holds a value that is no region");
  }
  question.countries.assign(request.countries().begin(), request.countries().end());
  question.regions.assign(request.regions().begin(), request.regions().end());
  question.states.assign(request.states().begin(), request.states().end());
  question.kinds.assign(request.kinds().begin(), request.kinds().end());
  for (const auto& [date, field] : {std::pair(&request.since(), "since"), std::pair(&request.until(), "until")}) {
    if (date->ByteSizeLong() > 0 && !records::IsDate(*date)) return FieldError(Reason::kFieldInvalid, field, "is not a date");
  }
  if (records::IsDate(request.since())) question.since = records::EarliestDay(request.since());
  if (records::IsDate(request.until())) question.until = records::LatestDay(request.until());
  if (question.since && question.until && *question.until < *question.since) {
    return FieldError(Reason::kFieldInvalid, "until", "is before `since`");
  }
  return question;
}

v1::SearchResult ToProto(const search::Result& found) {
  v1::SearchResult out;
  out.set_name(found.name);
  out.set_collection(found.type->collection());
  out.set_title(found.content.title);
  for (const search::Part& part : found.snippet) {
    v1::SnippetPart* piece = out.add_snippet();
    piece->set_text(part.text);
    piece->set_match(part.match);
  }
  for (const std::string& country : found.content.countries) out.add_countries(country);
  for (const int region : found.content.regions) out.add_regions(static_cast<v1::Region>(region));
  out.set_state(found.content.state);
  out.set_kind(found.content.kind);
  *out.mutable_date() = found.content.date;
  const auto& record = *found.record;
  out.mutable_update_time()->CopyFrom(record.GetReflection()->GetMessage(record, Field(record, "update_time")));
  return out;
}

}  // namespace

SearchMethods::SearchMethods(const node::Node* node, const Sealer* sealer, search::SearchIndex* index)
    : node_(node), sealer_(sealer), index_(index), waiting_([index] { return index->figures().indexed; }) {
  listener_ = index_->AddListener([this](Position) { waiting_.Look(); });
}

SearchMethods::~SearchMethods() { index_->RemoveListener(listener_); }

void SearchMethods::Register(Dispatcher* dispatcher) {
  dispatcher->Handle("fairlead.v1.SearchService/Search",
                     [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& request, Reply reply) {
                       Search(call, static_cast<const v1::SearchRequest&>(request), std::move(reply));
                     });
}

v1::SearchStatus SearchMethods::Status() const {
  const search::IndexFigures figures = index_->figures();
  const Position end = node_->JournalEnd();
  v1::SearchStatus status;
  status.set_records(figures.records);
  status.set_entries_behind(static_cast<int64_t>(end.value() - std::min(figures.indexed, end).value()));
  status.set_building(figures.building);
  status.set_error(figures.error);
  return status;
}

struct SearchMethods::Asked {
  v1::SearchRequest request;
  Question question;
  std::optional<search::Place> after;
  size_t results_max = 0;
  Position end;  // of the journal, when it was asked
};

absl::StatusOr<SearchMethods::Asked> SearchMethods::Read(const Call& call, const v1::SearchRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  absl::StatusOr<Question> question = QuestionOf(*node_, call, request);
  if (!question.ok()) return question.status();
  if (auto query = search::QueryOf(*question); !query.ok()) return query.status();
  Asked asked{request, *std::move(question), std::nullopt, static_cast<size_t>(*page_size), node_->JournalEnd()};
  if (!position->empty()) asked.after = Decode(*position);
  return asked;
}

void SearchMethods::Search(const std::shared_ptr<Call>& call, const v1::SearchRequest& request, Reply reply) {
  absl::StatusOr<Asked> asked = Read(*call, request);
  if (!asked.ok()) return reply(asked.status());
  const Position end = asked->end;
  if (index_->figures().indexed >= end) return reply(Answer(*call, *asked));
  const absl::Time answer = AnswerTime(call->deadline);
  const absl::Time until = call->has_token ? answer : std::min(answer, absl::Now() + kMoment);
  const uint64_t wait =
      waiting_.Enter([end](Position indexed) { return indexed >= end; }, until,
                     [this, call, asked = *std::move(asked), reply = std::move(reply)](bool reached) {
                       if (reached || !call->has_token) return reply(Answer(*call, asked));
                       reply(Error(Reason::kConsistencyTimeout, "the search index has not come to what the consistency token names"));
                     });
  call->OnEnd([this, wait] { waiting_.Leave(wait); });
}

absl::StatusOr<MessagePtr> SearchMethods::Answer(const Call& call, const Asked& asked) const {
  const absl::StatusOr<search::Answer> found =
      search::Find(*node_, *index_, asked.question, asked.after, asked.results_max, [&call] { return call.cancelled(); });
  if (!found.ok()) return found.status();
  auto response = std::make_unique<v1::SearchResponse>();
  for (const search::Result& result : found->results) *response->add_results() = ToProto(result);
  if (found->next) response->set_next_page_token(SealPageToken(*sealer_, call.method, asked.request, Encode(*found->next)));
  if (found->indexed < asked.end) response->set_entries_behind(static_cast<int64_t>(asked.end.value() - found->indexed.value()));
  return response;
}

}  // namespace fairlead::rpc
