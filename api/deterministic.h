// A message as bytes that are equal for equal messages of one program: a map field has no order of its own.
//
// Thread safety: a pure function. Ownership: the result is the caller's.

#ifndef FAIRLEAD_API_DETERMINISTIC_H_
#define FAIRLEAD_API_DETERMINISTIC_H_

#include <google/protobuf/message.h>

#include <string>

namespace fairlead {

std::string DeterministicBytes(const google::protobuf::Message& message);

}  // namespace fairlead

#endif  // FAIRLEAD_API_DETERMINISTIC_H_
