// What a nation sees of a record: the one rule by which releases combine.
//
// Every release of a record that was ever approved or recalled, and that reaches the nation, has its say; **the most restrictive wins**.
// One that is in force allows the values that it names. One that is not (recalled, past its last day, of a record that has been marked
// higher since, or changed after its approval) allows none. What the nation sees is what all of them allow. A release is silenced only by
// an approved one that names it in `replaces`. So an approval may narrow what others allow, and the end of a release never widens anything.
//
// A record that is shown to the nation because it is PUBLIC (records::PublicTo) has one more say, which allows all of its values.
//
// A release reaches the nations that it names and the members, as they are now, of the groups that it names; a group that is empty,
// withdrawn or unknown reaches nobody.
//
// Thread safety: pure functions. Ownership: results point into the grants.

#ifndef FAIRLEAD_SERVER_EXCHANGE_RELEASE_H_
#define FAIRLEAD_SERVER_EXCHANGE_RELEASE_H_

#include <google/protobuf/timestamp.pb.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/release.pb.h"
#include "server/node/fold.h"
#include "server/records/record_type.h"

namespace fairlead::exchange {

// Ids of values (node::ValueIdText) by the name of their field.
using FieldValues = std::map<std::string, std::set<std::string>>;

// The say of one release.
struct Grant {
  std::string release;  // its name
  std::string record;
  std::set<std::string> nations;  // "countries/JP"
  std::set<std::string> groups;   // "partnerGroups/quad"
  std::set<std::string> replaces;
  bool approved = false;  // at some time
  bool in_force = false;  // now, and as it was approved
  FieldValues values;
  v1::Marking marking = v1::MARKING_UNSPECIFIED;  // the record's, at most
  std::string last_day;                           // "2027-01-31"; empty: no end
  std::string purpose;
  google::protobuf::Timestamp approve_time;
};

// Nullopt for a release that was neither approved nor recalled. In force is one whose approval is what is shown, has seen every other move
// of its lifecycle (a recall made at the same time, it has not), and has sealed every value of it: headquarters alone can write an approval
// (rule 12), so that this rests on log facts. REQUIRES: `type` is that of releases.
std::optional<Grant> GrantOf(const records::RecordType& type, const std::string& name, const node::RecordState& state);
// The say of a release once it is approved as it is shown.
Grant GrantIfApproved(const v1::Release& release);

// The say of a record's being PUBLIC: all values that can be released, to `nation`. It names no release.
Grant GrantOfPublic(const records::RecordType& type, const std::string& name, const node::RecordState& state, const std::string& nation);

// Members by the group's name; withdrawn groups are left out.
using Groups = std::map<std::string, std::set<std::string>>;

bool Reaches(const Grant& grant, const std::string& nation, const Groups& groups);
// All nations that it reaches.
std::set<std::string> ReachOf(const Grant& grant, const Groups& groups);

// What a nation sees.
struct Sight {
  FieldValues values;            // not empty, and no field without values
  std::vector<const Grant*> by;  // those that allow it
};

// A record as far as the rule asks.
struct Subject {
  v1::Marking marking = v1::MARKING_UNSPECIFIED;
  bool withdrawn = false;
};

// Nullopt: nothing. `grants` are all those of the record; `today` is a day, such as "2027-01-31".
std::optional<Sight> SightOf(const std::vector<Grant>& grants, const Subject& subject, const std::string& nation, const Groups& groups,
                             const std::string& today);

// The record's state as far as `values` go: every other value is absent, so that winners and conflicts follow from what is released.
// Fields that cannot be released (projection.h) are absent, too.
node::RecordState OnlyValues(const records::RecordType& type, const node::RecordState& state, const FieldValues& values);

}  // namespace fairlead::exchange

#endif  // FAIRLEAD_SERVER_EXCHANGE_RELEASE_H_
