// Reading records as messages, and what every method that writes them has in common.
//
// Thread safety: as the node's; free functions are pure. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_RPC_RECORD_ACCESS_H_
#define FAIRLEAD_SERVER_RPC_RECORD_ACCESS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/entry.h"
#include "server/node/node.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"
#include "storage/store.h"

namespace fairlead::rpc {

// A record as it was read.
struct Loaded {
  node::RecordState state;
  MessagePtr message;
  bool expected = true;  // whether it must still be so when what is written upon it is committed; not of a basis that is kept (basis.h)
  std::unique_ptr<Loaded> now = nullptr;  // of a basis that the record has left behind: the record as it is; else null
};

// nullopt when there is none.
absl::StatusOr<std::optional<Loaded>> Load(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                           const std::string& name);
// The record as it is shown here: as it is folded, with what this site says of itself (bytes_state of an attachment).
MessagePtr Show(const storage::View& view, const records::RecordType& type, const std::string& name, const node::RecordState& state);
// The same of one that was just written. REQUIRES: there is one.
MessagePtr Show(const storage::View& view, const node::WrittenRecord& written);
// RECORD_NOT_FOUND when there is none.
absl::StatusOr<Loaded> LoadExisting(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                    const std::string& name);
absl::Status NotFound(const std::string& name);

// The payload of an entry; nullopt when this node does not hold it, or does not understand it: then it has changed no record.
absl::StatusOr<std::optional<Payload>> ReadEntry(const node::Node& node, Dot dot);

// Records as validators look them up, at one moment.
class StoreReader : public records::RecordReader {
 public:
  StoreReader(const node::Node& node, const storage::View& view) : node_(node), view_(view) {}
  MessagePtr Find(std::string_view name) const override;
  bool Has(std::string_view name) const override;

 private:
  const node::Node& node_;
  const storage::View& view_;
};

// FIELD_REQUIRED or FIELD_INVALID (of `field`) unless `name` is one of `type`'s.
absl::Status CheckName(const records::Registry& registry, const records::RecordType& type, const std::string& name,
                       const std::string& field);

// "ports/JPYOK" gives "JPYOK".
std::string_view LastSegment(std::string_view name);

// Scalar fields of requests and records by name. REQUIRES: absent, or of that type.
const google::protobuf::FieldDescriptor* Field(const google::protobuf::Message& message, const std::string& name);
std::string GetString(const google::protobuf::Message& message, const std::string& field);
bool GetBool(const google::protobuf::Message& message, const std::string& field);
bool IsWithdrawn(const google::protobuf::Message& record);

// The field of `message` that holds one message, or repeated ones, of `type`; null when there is none.
const google::protobuf::FieldDescriptor* FieldOfType(const google::protobuf::Descriptor& message, const records::RecordType& type,
                                                     bool repeated);

bool IsSet(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field);
// Makes `fields` of `to` as in `from`, unset ones included. REQUIRES: messages of one type.
void CopyFields(const google::protobuf::Message& from, const std::vector<const google::protobuf::FieldDescriptor*>& fields,
                google::protobuf::Message* to);

bool IsFolded(const google::protobuf::FieldDescriptor* field);
// Fields that take part in the fold.
std::vector<const google::protobuf::FieldDescriptor*> FoldedFields(const records::RecordType& type);
// Whether a caller may set the field by Create, Update or Import: it is folded, not moved by a method of its own, and not
// the service's own (records::IsServiceSet).
bool IsSettable(const records::RecordType& type, const google::protobuf::FieldDescriptor* field);

// The first 16 bytes of SHA-256 over the method and the request less the fields named.
std::array<uint8_t, 16> RequestDigest(std::string_view method, const google::protobuf::Message& request,
                                      const std::vector<std::string>& without);

// `status` with every field that it names called as `names` says.
absl::Status RenameFields(const absl::Status& status, const std::function<std::string(const std::string& field)>& names);
// `status` with `prefix` before the path of every field it names.
absl::Status PrefixFields(const absl::Status& status, const std::string& prefix);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RECORD_ACCESS_H_
