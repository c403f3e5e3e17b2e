#include "server/view/records.h"

#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "storage/schema.h"

namespace fairlead::view {
namespace {

bool IsWithdrawn(const google::protobuf::Message& record) {
  return record.GetReflection()->GetBool(record, record.GetDescriptor()->FindFieldByName("withdrawn"));
}

}  // namespace

absl::Status ForEachRecord(const node::Node& node, const storage::View& view, const std::string& collection,
                           const std::function<void(const google::protobuf::Message&)>& visit) {
  const std::string lower = collection + "/";
  const auto it = view.Iterate(storage::Cf::kRecords, lower, storage::PrefixEnd(lower));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string name(it->key());
    if (name.find('/', lower.size()) != std::string::npos) continue;  // of a collection beneath
    const absl::StatusOr<std::unique_ptr<google::protobuf::Message>> record = FindRecord(node, view, name);
    if (!record.ok()) return record.status();
    if (*record != nullptr) visit(**record);
  }
  return it->status();
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> FindRecord(const node::Node& node, const storage::View& view,
                                                                      const std::string& name) {
  const records::RecordType* type = node.registry().FindByName(name);
  if (type == nullptr) return nullptr;
  const absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, name);
  if (!state.ok()) return state.status();
  if (!state->has_value()) return nullptr;
  std::unique_ptr<google::protobuf::Message> record = node::Materialise(*type, name, **state);
  if (IsWithdrawn(*record)) return nullptr;
  return record;
}

absl::StatusOr<std::vector<std::string>> NamesInIndex(const node::Node& node, const storage::View& view, uint16_t index,
                                                      const std::string& value, const std::string& first, const std::string& last,
                                                      size_t names_max) {
  const std::string prefix = node::IndexPrefix(index, value);
  // A sort key ends in a zero byte: 0x01 lies after every key with this one.
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix + first, prefix + last + '\x01');
  std::vector<std::string> names;
  for (it->SeekToFirst(); it->Valid() && names.size() < names_max; it->Next()) {
    std::string name(it->key().substr(it->key().rfind('\0') + 1));
    const absl::StatusOr<std::unique_ptr<google::protobuf::Message>> record = FindRecord(node, view, name);
    if (!record.ok()) return record.status();
    if (*record != nullptr) names.push_back(std::move(name));
  }
  if (!it->status().ok()) return it->status();
  return names;
}

}  // namespace fairlead::view
