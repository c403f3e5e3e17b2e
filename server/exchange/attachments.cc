#include "server/exchange/attachments.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "server/exchange/disclosure.h"
#include "server/node/conflicts.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/records/attachment.h"
#include "storage/schema.h"

namespace fairlead::exchange {
namespace {

using v1::Attachment;

constexpr uint32_t kTold[] = {Attachment::kFileNameFieldNumber, Attachment::kMediaTypeFieldNumber, Attachment::kSizeBytesFieldNumber,
                              Attachment::kSha256FieldNumber};

// What the mutation says of the attachment.
node::RecordState OnlyOf(const node::RecordState& state, const MutationId& mutation) {
  node::RecordState only;
  only.type = state.type;
  for (const uint32_t number : kTold) {
    const auto field = state.fields.find(number);
    if (field == state.fields.end()) continue;
    for (const auto& [id, value] : field->second.values) {
      if (id.mutation != mutation) continue;
      only.fields[number].kind = field->second.kind;
      only.fields[number].values[id] = value;
    }
  }
  return only;
}

}  // namespace

absl::StatusOr<std::vector<NamedAttachment>> AttachmentsOf(const node::Node& node, const storage::View& view, const std::string& record) {
  std::vector<NamedAttachment> all;
  const std::string prefix = node::IndexPrefix(records::kAttachmentsBySubject, record);
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string name(it->key().substr(it->key().rfind('\0') + 1));
    const absl::StatusOr<std::optional<SubjectRecord>> found = ReadSubject(node, view, name);
    if (!found.ok()) return found.status();
    if (!found->has_value()) continue;
    const std::map<uint32_t, node::FieldView> views = node::ViewOf((*found)->state);
    const auto hashes = views.find(Attachment::kSha256FieldNumber);
    if (hashes == views.end()) continue;
    for (const auto& [id, value] : hashes->second.live) {
      const node::RecordState only = OnlyOf((*found)->state, id.mutation);
      const auto message = node::Materialise(*(*found)->type, name, only);
      const auto& shown = static_cast<const Attachment&>(*message);
      if (!records::IsSha256(shown.sha256())) continue;  // erased
      NamedAttachment& named = all.emplace_back();
      named.name = name;
      named.value_id = node::ValueIdText(id);
      named.told.set_file_name(shown.file_name());
      named.told.set_media_type(shown.media_type());
      named.told.set_size_bytes(shown.size_bytes());
      named.told.set_sha256(shown.sha256());
      const auto file_name = only.fields.find(Attachment::kFileNameFieldNumber);
      if (file_name != only.fields.end()) {
        named.file_name_json = node::ValueJson(*(*found)->type, Attachment::descriptor()->FindFieldByName("file_name"),
                                               file_name->second.values.begin()->second.bytes);
      }
      named.subject = (*found)->subject;
    }
  }
  if (!it->status().ok()) return it->status();
  return all;
}

std::vector<const NamedAttachment*> SeenAttachments(const std::vector<NamedAttachment>& all, const std::vector<Grant>& grants,
                                                    const Sight& sight, const Subject& record, const std::string& nation,
                                                    const Groups& groups, const std::string& today) {
  std::vector<const NamedAttachment*> seen;
  const auto allowed = sight.values.find(std::string(records::kAttachmentsField));
  if (allowed == sight.values.end()) return seen;
  for (const NamedAttachment& named : all) {
    if (!allowed->second.contains(named.value_id)) continue;
    const Subject both{.marking = std::max(record.marking, named.subject.marking),
                       .withdrawn = record.withdrawn || named.subject.withdrawn};
    if (SightOf(grants, both, nation, groups, today)) seen.push_back(&named);
  }
  return seen;
}

}  // namespace fairlead::exchange
