// From a record, as far as it is released, to the message that a nation is given: field by field, so that what has no line here cannot
// leave.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_EXCHANGE_PROJECTION_H_
#define FAIRLEAD_SERVER_EXCHANGE_PROJECTION_H_

#include <google/protobuf/message.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "fairlead/v1/contact.pb.h"
#include "fairlead/v1/exchange_service.pb.h"
#include "server/records/record_type.h"

namespace fairlead::exchange {

// The fields of a type that can be released, in the order of its message; empty for types that cannot. The key of a port or facility goes
// with any of them.
const std::vector<std::string>& ReleasableFields(const records::RecordType& type);

// All of a point of contact, for the nation that stated it.
void ProjectContact(const v1::Contact& contact, v1::PointOfContact* out);

// The nation's name of another record when it is released to it, too; else empty.
using Link = std::function<std::string(const std::string& record)>;

// Fills in the content. `record` is made of released values alone; `fields` names those that have one. REQUIRES: its type has releasable
// fields.
void Project(const google::protobuf::Message& record, const std::set<std::string>& fields, const Link& link, v1::ReleasedRecord* out);

}  // namespace fairlead::exchange

#endif  // FAIRLEAD_SERVER_EXCHANGE_PROJECTION_H_
