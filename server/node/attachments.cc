#include "server/node/attachments.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/contents.h"
#include "server/node/derived.h"
#include "server/node/erasures.h"
#include "server/node/materialise.h"
#include "server/records/attachment.h"

namespace fairlead::node {
namespace {

using google::protobuf::Message;
using storage::Cf;

absl::StatusOr<std::optional<RecordState>> StateOf(const storage::View& view, std::string_view name) {
  absl::StatusOr<std::optional<std::string>> bytes = view.Get(Cf::kRecords, name);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  absl::StatusOr<RecordState> state = DecodeState(**bytes);
  if (!state.ok()) return Error(Reason::kStoreDamaged, fmt::format("the state of {} is damaged", name));
  return *std::move(state);
}

// Whether the revision that made the record is erased. One that is not here is not.
absl::StatusOr<bool> FirstIsErased(const storage::View& view, const RecordState& state) {
  const absl::StatusOr<std::vector<Dot>> erasures = ErasuresOf(view, SpanOf(state).first);
  if (!erasures.ok()) return erasures.status();
  return !erasures->empty();
}

// Whether the record is for the site.
bool IsFor(const Message& record, const std::string& site) {
  const auto* audience = record.GetDescriptor()->FindFieldByName("audience");
  const int sites = record.GetReflection()->FieldSize(record, audience);
  bool named = sites == 0;
  for (int i = 0; i < sites; ++i) named = named || record.GetReflection()->GetRepeatedString(record, audience, i) == site;
  return named;
}

std::vector<std::string> NamesUnder(const storage::View& view, uint16_t index, std::string_view value, absl::Status* status) {
  std::vector<std::string> names;
  const std::string prefix = IndexPrefix(index, value);
  const auto it = view.Iterate(Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) names.emplace_back(it->key().substr(it->key().rfind('\0') + 1));
  *status = it->status();
  return names;
}

std::optional<v1::Attachment> Shown(const std::string& name, const RecordState& state) {
  const records::RecordType* type = records::TheRegistry().FindByNumber(state.type);
  if (type == nullptr || type->prototype->GetDescriptor() != v1::Attachment::descriptor()) return std::nullopt;
  const std::unique_ptr<Message> message = Materialise(*type, name, state);
  return static_cast<const v1::Attachment&>(*message);
}

bool HasValueOf(const RecordState& state, const std::set<LogId>& logs) {
  return std::any_of(state.fields.begin(), state.fields.end(), [&logs](const auto& field) {
    const auto& values = field.second.values;
    return std::any_of(values.begin(), values.end(), [&logs](const auto& value) { return logs.contains(value.second.dot.log); });
  });
}

absl::StatusOr<bool> SubjectIsErased(const storage::View& view, const v1::Attachment& attachment) {
  const absl::StatusOr<std::optional<RecordState>> subject = StateOf(view, attachment.subject());
  if (!subject.ok()) return subject.status();
  if (!subject->has_value()) return false;  // it is withheld here
  return FirstIsErased(view, **subject);
}

}  // namespace

std::string_view ContentOfIndexKey(std::string_view key) {
  Reader in(key);
  if (in.U16() != records::kAttachmentsByContent || !in.ok()) return {};
  const std::string_view rest = key.substr(sizeof(uint16_t));
  return rest.substr(0, rest.find('\0'));
}

absl::StatusOr<std::vector<v1::Attachment>> AttachmentsWith(const storage::View& view, std::string_view sha256) {
  std::vector<v1::Attachment> all;
  absl::Status status;
  for (const std::string& name : NamesUnder(view, records::kAttachmentsByContent, sha256, &status)) {
    const absl::StatusOr<std::optional<RecordState>> state = StateOf(view, name);
    if (!state.ok()) return state.status();
    std::optional<v1::Attachment> attachment = state->has_value() ? Shown(name, **state) : std::nullopt;
    if (!attachment) continue;
    const absl::StatusOr<bool> erased = SubjectIsErased(view, *attachment);
    if (!erased.ok()) return erased.status();
    if (!*erased) all.push_back(*std::move(attachment));
  }
  if (!status.ok()) return status;
  return all;
}

absl::StatusOr<bool> BytesAreFor(const storage::View& view, std::string_view sha256, const std::string& site,
                                 const std::set<LogId>& maybe_erased) {
  const absl::StatusOr<std::vector<v1::Attachment>> all = AttachmentsWith(view, sha256);
  if (!all.ok()) return all.status();
  for (const v1::Attachment& attachment : *all) {
    if (!IsFor(attachment, site)) continue;
    const absl::StatusOr<std::optional<RecordState>> own = StateOf(view, attachment.name());
    if (!own.ok()) return own.status();
    const absl::StatusOr<std::optional<RecordState>> state = StateOf(view, attachment.subject());
    if (!state.ok()) return state.status();
    const records::RecordType* type = records::TheRegistry().FindByName(attachment.subject());
    if (!own->has_value() || !state->has_value() || type == nullptr) continue;
    if (HasValueOf(**own, maybe_erased) || HasValueOf(**state, maybe_erased)) continue;
    if (IsFor(*Materialise(*type, attachment.subject(), **state), site)) return true;
  }
  return false;
}

absl::StatusOr<v1::BytesState> BytesStateOf(const storage::View& view, const v1::Attachment& attachment) {
  if (!records::IsSha256(attachment.sha256())) return v1::BYTES_STATE_ERASED;
  const absl::StatusOr<bool> erased = SubjectIsErased(view, attachment);
  if (!erased.ok()) return erased.status();
  if (*erased) return v1::BYTES_STATE_ERASED;
  const absl::StatusOr<std::optional<Content>> content = FindContent(view, attachment.sha256());
  if (!content.ok()) return content.status();
  return content->has_value() ? v1::BYTES_STATE_HELD : v1::BYTES_STATE_AWAITED;
}

absl::StatusOr<std::vector<std::string>> ContentsOfSubject(const storage::View& view, std::string_view subject) {
  std::vector<std::string> contents;
  absl::Status status;
  for (const std::string& name : NamesUnder(view, records::kAttachmentsBySubject, subject, &status)) {
    const absl::StatusOr<std::optional<std::string>> bytes = view.Get(Cf::kDerived, name);
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) continue;
    const absl::StatusOr<Derived> derived = DecodeDerived(**bytes);
    if (!derived.ok()) return derived.status();
    for (const std::string& key : derived->index_keys) {
      if (const std::string_view content = ContentOfIndexKey(key); !content.empty()) contents.emplace_back(content);
    }
  }
  if (!status.ok()) return status;
  return contents;
}

}  // namespace fairlead::node
