// Changes to a message on the wire, as an input chooses them.
//
// Thread safety: pure functions. Ownership: the message is the caller's.

#ifndef FAIRLEAD_TESTS_FUZZ_TAMPER_H_
#define FAIRLEAD_TESTS_FUZZ_TAMPER_H_

#include <google/protobuf/message.h>

#include "tests/fuzz/script.h"

namespace fairlead::fuzz {

// Changes one field of the message or of one within it: a number, some bytes, an element of a list, or its being there.
void ChangeField(Script* script, google::protobuf::Message* message);

// Changes bytes of the message's encoding. False when what results is no message, which ends a stream before its state machine sees it.
bool ChangeBytes(Script* script, google::protobuf::Message* message);

}  // namespace fairlead::fuzz

#endif  // FAIRLEAD_TESTS_FUZZ_TAMPER_H_
