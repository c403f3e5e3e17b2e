// What a request comes to for one record: the record as it would be, the mutation that makes it so, and what must still hold when it is
// committed.
//
// Thread safety: as the node's; nothing here writes. Ownership: borrows node and view; a Change owns its message.

#ifndef FAIRLEAD_SERVER_RPC_RECORD_CHANGE_H_
#define FAIRLEAD_SERVER_RPC_RECORD_CHANGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "fairlead/v1/release.pb.h"
#include "server/node/node.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/record_access.h"
#include "storage/store.h"

namespace fairlead::rpc {

using Fields = std::vector<const google::protobuf::FieldDescriptor*>;

struct Change {
  MessagePtr next;
  MessagePtr merged;  // of a basis that the record has left behind: `next` with what was written since; else null
  Mutation mutation;  // no ops: it equals what is stored
  node::Expectation expectation;
  bool creates = false;
  std::optional<v1::Release> end_of_publication;  // records/release.h; to be written with it

  // The record as it is shown afterwards.
  const google::protobuf::Message& outcome() const { return merged ? *merged : *next; }
};

// A new record `name` from what may be set of `given`, in its type's first state. FieldErrors with paths relative to the record.
absl::StatusOr<Change> PlanNew(const node::Node& node, const storage::View& view, const records::RecordType& type, const std::string& name,
                               const google::protobuf::Message& given);
// The record that was read as `next` has it, of which `fields` were meant to change. Errors as for PlanNew.
absl::StatusOr<Change> PlanChange(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                  const std::string& name, const Loaded& read, MessagePtr next, Fields fields);

// The record `name`, of which `now` is the state, once `mutation` has been written to it.
MessagePtr OutcomeOf(const node::Node& node, const records::RecordType& type, const std::string& name, node::RecordState now,
                     const Mutation& mutation);

// EndOfPublication for the partner nations of the roster.
std::optional<v1::Release> EndOfPublication(const node::Node& node, const records::RecordType& type,
                                            const google::protobuf::Message& previous, const google::protobuf::Message& next);
// Adds the creation of that release, if it is one, to the write, by whose request it is named: no more than one to a write.
void AddEndOfPublication(const node::Node& node, std::optional<v1::Release> end, node::WriteRequest* write);

// The rules of every type, then the type's own. FieldErrors with paths relative to the record.
absl::Status CheckRecord(const node::Node& node, const records::RecordType& type, const google::protobuf::Message& next,
                         const google::protobuf::Message* previous, const records::RecordReader& reader);
// FIELD_REQUIRED or FIELD_INVALID (of `field`) unless `id` may be a record's natural key.
absl::Status CheckId(const records::RecordType& type, const std::string& id, const std::string& field);

// The settable fields that are set in `record`.
Fields PopulatedFields(const records::RecordType& type, const google::protobuf::Message& record);
// Those of `fields` that `given` would change from what is shown. What a caller sends back as it was read answers no conflict.
Fields ChangedFields(const Fields& fields, const google::protobuf::Message& shown, const google::protobuf::Message& given);
// As the node shows a record that has none.
void DefaultMarking(google::protobuf::Message* record);
MessagePtr Clone(const google::protobuf::Message& message);

absl::Status RecordWithdrawn(const std::string& name);
absl::Status RecordExists(const std::string& name);
absl::Status EtagMismatch(const std::string& name);

// PERMISSION_DENIED when the caller would write what every partner nation, or some, is then shown without a release: that is for
// headquarters' people (rule 15 of api/PROTOCOL.md).
absl::Status CheckMayPublish(const Call& call, const Roster& roster, const google::protobuf::Message& next);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RECORD_CHANGE_H_
