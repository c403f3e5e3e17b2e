// Who may write what (api/PROTOCOL.md, rule 12): the same answer at every replica, from the roster, the program's types and what entries
// say of themselves.
//
// In a network whose roster names a headquarters, that site writes everything. What a type keeps for a record's home is written by the
// home alone beside it: the site of the officer whose request made the record. A record's name is a hash over who asked for what (rule 9),
// so the entry that made it cannot be made up later, and shows the home. Where the entry came in does not make a home: a compromised site
// could repeat what it has read.
//
// Thread safety: immutable; any thread. Ownership: borrows roster and registry.

#ifndef FAIRLEAD_SERVER_NODE_AUTHORITY_H_
#define FAIRLEAD_SERVER_NODE_AUTHORITY_H_

#include <absl/status/status.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/entry.h"
#include "api/roster.h"
#include "server/records/record_type.h"

namespace fairlead::node {

// The entry that made a record, as far as authority is concerned.
struct Maker {
  std::string actor;
  SiteId site;  // where it came in
  MutationId mutation{};
  friend bool operator==(const Maker&, const Maker&) = default;
};

class Authority {
 public:
  Authority(const Roster* roster, const records::Registry* registry) : roster_(*roster), registry_(*registry) {}

  // Whether anything is kept for anyone here.
  bool Limits() const { return !roster_.headquarters().empty(); }
  // INVALID_ARGUMENT when no site could have written the mutation: its name is not of its type, or a field is merged otherwise than its
  // type says. Types and fields of later versions pass.
  absl::Status CheckShape(const Mutation& mutation) const;
  // Whether `payload` is what made `record`: the record's name follows from it. Never of natural keys.
  bool Makes(const Payload& payload, const std::string& record) const;

  // The makers known of a record: all of them, or the first that is found. All have one actor, since the name follows from it.
  using MakersOf = std::function<std::vector<Maker>(const std::string& record, bool all)>;
  // The ops of mutation `index` of a payload from `site` that fold to nothing, ascending. `makers` is asked where it matters.
  std::vector<uint16_t> Unauthorised(const Payload& payload, const std::vector<MutationId>& ids, size_t index, SiteId site,
                                     const MakersOf& makers) const;
  // The name of a field of a type as a person reads it.
  std::string FieldName(uint32_t type, uint32_t field) const;

 private:
  bool IsHeadquarters(SiteId site) const;
  // The site of the officer's office; headquarters for all others.
  SiteId HomeOf(std::string_view actor) const;

  const Roster& roster_;
  const records::Registry& registry_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_AUTHORITY_H_
