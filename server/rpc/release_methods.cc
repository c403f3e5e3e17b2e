#include "server/rpc/release_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/practice.pb.h"
#include "server/exchange/attachments.h"
#include "server/exchange/disclosure.h"
#include "server/exchange/projection.h"
#include "server/exchange/release.h"
#include "server/node/conflicts.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/records/attachment.h"
#include "server/records/release.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_access.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using exchange::Grant;

constexpr uint16_t kReleasesByState = 501;

// The release in the making, with what is there of its fields now.
absl::StatusOr<v1::Release> Completed(const v1::Release& draft, const exchange::SubjectRecord& record,
                                      const std::vector<exchange::NamedAttachment>& attachments) {
  const std::vector<std::string>& releasable = exchange::ReleasableFields(*record.type);
  std::vector<std::string> names;
  for (const v1::ReleasedField& field : draft.fields()) names.push_back(field.field());
  if (names.empty()) {
    names = releasable;
    names.emplace_back(records::kAttachmentsField);
  }
  v1::Release release = draft;
  release.clear_fields();
  release.set_record_marking(record.subject.marking);
  const std::map<uint32_t, node::FieldView> views = node::ViewOf(record.state);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == records::kAttachmentsField && !releasable.empty()) {
      v1::ReleasedField released;
      released.set_field(names[i]);
      for (const exchange::NamedAttachment& each : attachments) {
        // One that is marked higher than its record needs a release of its own, which there is not.
        if (!each.subject.withdrawn && each.subject.marking <= record.subject.marking) released.add_value_ids(each.value_id);
      }
      if (!released.value_ids().empty()) *release.add_fields() = std::move(released);
      continue;
    }
    if (std::find(releasable.begin(), releasable.end(), names[i]) == releasable.end()) {
      return FieldError(Reason::kFieldInvalid, fmt::format("draft.fields[{}].field", i),
                        fmt::format("'{}' is no field of {} that can be released", names[i], record.type->singular()));
    }
    const auto* field = record.type->prototype->GetDescriptor()->FindFieldByName(names[i]);
    const auto view = views.find(static_cast<uint32_t>(field->number()));
    if (view == views.end() || view->second.live.empty()) continue;  // it has no value: nothing to release
    v1::ReleasedField* released = release.add_fields();
    released->set_field(names[i]);
    // Of a register what is shown, and not what is in conflict with it.
    const bool all = view->second.kind == MergeKind::kSet;
    for (const auto& [id, value] : view->second.live) {
      if (all || value->bytes == view->second.live.front().second->bytes) released->add_value_ids(node::ValueIdText(id));
    }
  }
  return release;
}

std::string WhyNothing(const Grant& grant, const exchange::Subject& subject, const std::string& today) {
  if (subject.withdrawn) return "the record is withdrawn";
  if (subject.marking > grant.marking) return "the record is marked higher than when it was previewed";
  if (!grant.last_day.empty() && today > grant.last_day) return "its last day is over";
  if (!grant.in_force) return "the release is not in force";
  return "its values are replaced, or another release of the record does not allow them";
}

// What of `values` is there, as JSON.
void TellFields(const exchange::SubjectRecord& record, const exchange::FieldValues& values, v1::PreviewedNation* out) {
  const node::RecordState only = exchange::OnlyValues(*record.type, record.state, values);
  for (const auto& [number, view] : node::ViewOf(only)) {
    const auto* field = record.type->prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
    v1::PreviewedField* told = out->add_fields();
    told->set_field(field->name());
    for (const auto& [id, value] : view.live) {
      told->add_values(node::ValueJson(*record.type, field, value->bytes));
      if (view.kind != MergeKind::kSet) break;
    }
  }
}

}  // namespace

void ReleaseMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Unary<v1::PreviewReleaseRequest, v1::PreviewReleaseResponse>(
      "fairlead.v1.ReleaseService/PreviewRelease",
      [this](const Call&, const v1::PreviewReleaseRequest& request) { return Preview(request); });
  dispatcher->Unary<v1::ListRecallsRequest, v1::ListRecallsResponse>(
      "fairlead.v1.ReleaseService/ListRecalls",
      [this](const Call& call, const v1::ListRecallsRequest& request) { return ListRecalls(call, request); });
}

absl::StatusOr<v1::PreviewReleaseResponse> ReleaseMethods::PreviewPublication(const std::string& name) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<std::optional<exchange::SubjectRecord>> found = exchange::ReadSubject(*node_, *view, name);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return FieldError(Reason::kReferenceNotFound, "publication", "there is no " + name);
  exchange::SubjectRecord record = **found;
  if (records::PublicIndexOf(*record.type) == 0) {
    return FieldError(Reason::kFieldInvalid, "publication", "is shown to nobody without a release, however it is marked");
  }
  // As it would be: marked PUBLIC and, where it has a lifecycle, published.
  const std::unique_ptr<google::protobuf::Message> as_public(record.message->New());
  as_public->CopyFrom(*record.message);
  as_public->GetReflection()->SetEnumValue(as_public.get(), Field(*as_public, "marking"), v1::MARKING_PUBLIC);
  if (auto* practice = dynamic_cast<v1::BestPractice*>(as_public.get())) practice->set_state(v1::PRACTICE_STATE_PUBLISHED);
  v1::PreviewReleaseResponse response;
  const std::string today = exchange::DayOf(node_->options().clock->Now());
  record.subject.marking = v1::MARKING_PUBLIC;
  for (const std::string& nation : records::PublicTo(*as_public)) {
    v1::PreviewedNation* told = response.add_nations();
    told->set_nation(nation);
    const std::vector<Grant> grants = {exchange::GrantOfPublic(*record.type, name, record.state, nation)};
    if (const auto sight = exchange::SightOf(grants, record.subject, nation, {}, today)) TellFields(record, sight->values, told);
    if (told->fields().empty()) told->set_reason(WhyNothing(grants.front(), record.subject, today));
  }
  return response;
}

absl::StatusOr<v1::PreviewReleaseResponse> ReleaseMethods::Preview(const v1::PreviewReleaseRequest& request) const {
  if (request.subject_case() == v1::PreviewReleaseRequest::kPublication) return PreviewPublication(request.publication());
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const records::RecordType& type = *node_->registry().FindByMessage("Release");
  v1::PreviewReleaseResponse response;
  v1::Release& release = *response.mutable_release();
  std::optional<Grant> grant;
  if (request.subject_case() == v1::PreviewReleaseRequest::kName) {
    if (absl::Status named = CheckName(node_->registry(), type, request.name(), "name"); !named.ok()) return named;
    const absl::StatusOr<Loaded> loaded = LoadExisting(*node_, *view, type, request.name());
    if (!loaded.ok()) return loaded.status();
    release = static_cast<const v1::Release&>(*loaded->message);
    grant = exchange::GrantOf(type, request.name(), loaded->state);  // of one that was decided, as it is
  } else if (request.subject_case() == v1::PreviewReleaseRequest::kDraft) {
    release = request.draft();
    if (release.record().empty()) return FieldError(Reason::kFieldRequired, "draft.record", "is required");
  } else {
    return FieldError(Reason::kFieldRequired, "name", "a release or a draft is required");
  }
  const absl::StatusOr<std::optional<exchange::SubjectRecord>> record = exchange::ReadSubject(*node_, *view, release.record());
  if (!record.ok()) return record.status();
  if (!record->has_value()) return FieldError(Reason::kReferenceNotFound, "draft.record", "there is no " + release.record());
  const absl::StatusOr<std::vector<exchange::NamedAttachment>> attachments = exchange::AttachmentsOf(*node_, *view, release.record());
  if (!attachments.ok()) return attachments.status();
  if (request.subject_case() == v1::PreviewReleaseRequest::kDraft) {
    absl::StatusOr<v1::Release> completed = Completed(release, **record, *attachments);
    if (!completed.ok()) return completed.status();
    release = *std::move(completed);
  }
  if (!grant) grant = exchange::GrantIfApproved(release);

  absl::StatusOr<std::vector<Grant>> grants = exchange::ReadGrants(*node_, *view, records::SubjectOf(release.record()));
  if (!grants.ok()) return grants.status();
  std::erase_if(*grants, [&grant](const Grant& other) { return other.release == grant->release; });
  grants->push_back(*grant);
  const absl::StatusOr<exchange::Groups> groups = exchange::ReadGroups(*node_, *view);
  if (!groups.ok()) return groups.status();
  const std::string today = exchange::DayOf(node_->options().clock->Now());
  for (const std::string& nation : exchange::ReachOf(*grant, *groups)) {
    v1::PreviewedNation* told = response.add_nations();
    told->set_nation(nation);
    for (const std::string& name : grant->groups) {
      if (const auto group = groups->find(name); group != groups->end() && group->second.contains(nation)) told->add_groups(name);
    }
    if (const auto sight = exchange::SightOf(*grants, (*record)->subject, nation, *groups, today)) {
      TellFields(**record, sight->values, told);
      const auto seen = exchange::SeenAttachments(*attachments, *grants, *sight, (*record)->subject, nation, *groups, today);
      if (!seen.empty() && !told->fields().empty()) {  // attachments go with what is seen of their record
        v1::PreviewedField* field = told->add_fields();
        field->set_field(std::string(records::kAttachmentsField));
        for (const exchange::NamedAttachment* each : seen) field->add_values(each->file_name_json);
      }
    }
    if (told->fields().empty()) told->set_reason(WhyNothing(*grant, (*record)->subject, today));
  }
  for (const std::string& name : grant->groups) {
    if (const auto group = groups->find(name); group == groups->end() || group->second.empty()) response.add_empty_groups(name);
  }
  const node::RecordState there = exchange::OnlyValues(*(*record)->type, (*record)->state, grant->values);
  for (const auto& [name, ids] : grant->values) {
    if (name == records::kAttachmentsField) {
      const bool any =
          std::any_of(attachments->begin(), attachments->end(), [&ids = ids](const auto& a) { return ids.contains(a.value_id); });
      if (!any) response.add_replaced_fields(name);
      continue;
    }
    const auto* field = (*record)->type->prototype->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || !there.fields.contains(static_cast<uint32_t>(field->number()))) response.add_replaced_fields(name);
  }
  return response;
}

absl::StatusOr<v1::ListRecallsResponse> ReleaseMethods::ListRecalls(const Call& call, const v1::ListRecallsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const records::RecordType& type = *node_->registry().FindByMessage("Release");
  const std::string prefix = node::IndexPrefix(kReleasesByState, std::to_string(v1::RELEASE_STATE_RECALLED));
  const auto it = view->Iterate(storage::Cf::kIndexes, position->empty() ? prefix : *position + '\0', storage::PrefixEnd(prefix));
  v1::ListRecallsResponse page;
  std::string last;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (page.recalls_size() == *page_size) {
      page.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    last = std::string(it->key());
    const std::string name = last.substr(last.rfind('\0') + 1);
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, *view, type, name);
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    const auto& release = static_cast<const v1::Release&>(*(*loaded)->message);
    if (!records::TellsRecipients(release)) continue;  // nobody was shown anything
    const bool was_public = records::IsEndOfPublication(release);
    v1::Recall recall;
    for (const std::string& nation : release.recipients()) {
      if (was_public) {
        const absl::StatusOr<bool> lost = exchange::HasLostPublic(*node_, *view, *pseudonyms_, nation, release.record());
        if (!lost.ok()) return lost.status();
        if (!*lost) continue;
      }
      const absl::StatusOr<std::optional<node::RecordState>> acknowledged =
          node_->GetState(*view, fmt::format("{}/acknowledgements/{}", name, LastSegment(nation)));
      if (!acknowledged.ok()) return acknowledged.status();
      acknowledged->has_value() ? recall.add_acknowledged(nation) : recall.add_unacknowledged(nation);
    }
    if (request.outstanding() && recall.unacknowledged().empty()) continue;
    if (was_public && recall.unacknowledged().empty() && recall.acknowledged().empty()) continue;
    recall.set_release(name);
    recall.set_record(release.record());
    recall.set_reason(release.reason());
    *page.add_recalls() = std::move(recall);
  }
  if (!it->status().ok()) return it->status();
  return page;
}

}  // namespace fairlead::rpc
