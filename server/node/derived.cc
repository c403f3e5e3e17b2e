#include "server/node/derived.h"

#include "api/bytes.h"
#include "server/node/materialise.h"

namespace fairlead::node {
namespace {

constexpr const char* kWithdrawn = "withdrawn";
constexpr const char* kConflicts = "conflicts";

// Index keys separate their parts by a zero byte.
std::string WithoutZeros(std::string text) {
  std::erase(text, '\0');
  return text;
}

uint64_t ZigZag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
int64_t UnZigZag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

}  // namespace

std::string IndexPrefix(uint16_t index, std::string_view value) {
  std::string key;
  PutU16(&key, index);
  key.append(value);
  PutU8(&key, 0);
  return key;
}

std::string IndexKey(uint16_t index, std::string_view value, std::string_view sort, std::string_view record) {
  std::string key = IndexPrefix(index, value);
  key.append(sort);
  PutU8(&key, 0);
  key.append(record);
  return key;
}

Derived DeriveFrom(const records::RecordType& type, const Roster& roster, const std::string& name, const RecordState& state) {
  Derived derived;
  std::unique_ptr<google::protobuf::Message> record = Materialise(type, name, state);
  for (const records::Index& index : type.indexes) {
    std::string sort = index.sort ? WithoutZeros(index.sort(*record)) : "";
    for (const std::string& value : index.values(*record)) {
      derived.index_keys.insert(IndexKey(index.number, WithoutZeros(value), sort, name));
    }
  }
  const auto* descriptor = record->GetDescriptor();
  const auto* reflection = record->GetReflection();
  if (reflection->GetBool(*record, descriptor->FindFieldByName(kWithdrawn))) return derived;

  const RosterLog* log = roster.FindLog(SpanOf(state).first.log);
  std::string site = log == nullptr ? "" : log->site_name;
  derived.figures[std::string(kRecordsFigure) + site] += 1;
  int conflicts = reflection->FieldSize(*record, descriptor->FindFieldByName(kConflicts));
  if (conflicts > 0) derived.figures[std::string(kConflictsFigure) + site] += conflicts;
  if (type.contribute) {
    for (const records::Contribution& c : type.contribute(*record)) derived.figures[c.key] += c.amount;
  }
  return derived;
}

std::string EncodeDerived(const Derived& derived) {
  std::string out;
  PutVarint(&out, derived.index_keys.size());
  for (const std::string& key : derived.index_keys) PutBytes(&out, key);
  PutVarint(&out, derived.figures.size());
  for (const auto& [key, amount] : derived.figures) {
    PutBytes(&out, key);
    PutVarint(&out, ZigZag(amount));
  }
  return out;
}

absl::StatusOr<Derived> DecodeDerived(std::string_view bytes) {
  Reader in(bytes);
  Derived derived;
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) derived.index_keys.emplace(in.Bytes());
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    std::string key(in.Bytes());
    derived.figures[key] = UnZigZag(in.Varint());
  }
  if (!in.Done()) return absl::DataLossError("a record's derived entries are damaged");
  return derived;
}

}  // namespace fairlead::node
