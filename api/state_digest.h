// Whether nodes hold the same state, by what they say of each audience class (rule 17 of api/PROTOCOL.md).
//
// A class that a node does not list has no record there: where two nodes are both of it and hold it alike, that is a difference like any
// other.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_API_STATE_DIGEST_H_
#define FAIRLEAD_API_STATE_DIGEST_H_

#include <set>
#include <string>
#include <string_view>

#include "fairlead/v1/node_service.pb.h"

namespace fairlead {

// Whether all sites of `narrow` are of `wide`: both "*", or site names joined by commas.
bool ClassHolds(std::string_view wide, std::string_view narrow);

// What ClassDigest.audience says.
struct AudienceClass {
  std::string sites;             // "*", or site names
  std::set<std::string> partly;  // those that may hold records of it in part: it is not compared with theirs
};
AudienceClass ParseClass(const std::string& audience);

// Of the classes that both are of, and of which at least one has records.
struct ClassComparison {
  std::set<std::string> same;
  std::set<std::string> different;
  std::set<std::string> in_part;  // not comparable: one of the two may hold records of it in part
};
// For nodes that have applied the same, with nothing opaque.
ClassComparison CompareClasses(const v1::StateDigest& one, const v1::StateDigest& other);

}  // namespace fairlead

#endif  // FAIRLEAD_API_STATE_DIGEST_H_
