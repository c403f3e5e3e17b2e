// From a number to the request that lists what it counts.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_VIEW_DRILL_DOWN_H_
#define FAIRLEAD_SERVER_VIEW_DRILL_DOWN_H_

#include <google/protobuf/message.h>

#include <cstdint>

#include "fairlead/v1/overview_service.pb.h"

namespace fairlead::view {

// The way to what `request` lists. REQUIRES: it is the request of a method of the service in its file, of strings, numbers, truths, enums
// and messages, none repeated.
v1::DrillDown DrillDownTo(const google::protobuf::Message& request);
v1::Figure FigureOf(int64_t count, const google::protobuf::Message& request);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_DRILL_DOWN_H_
