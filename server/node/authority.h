// Who may write what (api/PROTOCOL.md, rule 12): the same answer at every replica, from the roster, the program's types and what entries
// say of themselves.
//
// In a network whose roster names a headquarters, that site writes everything. What a type keeps for a record's home is written by the
// home alone beside it: the site of the officer whose request made the record. So is, of every type, to take a restriction away: what
// another site replaces of a marking or an audience stands beside what it says, which can only narrow, and it marks nothing PUBLIC. A
// record's name is a hash over who asked for what (rule 9), so the entry that made it cannot be made up later, and shows the home. Where
// that entry came in does not matter for an officer's records, for a compromised site could repeat what it has read. The staff of
// headquarters have no office at a site: what they make at another site's node belongs to that site, and what they make at headquarters to
// headquarters.
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
  std::string office;  // the site whose officer asked for it; empty when no officer did
  SiteId site;         // where it came in
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
  // Whether the program knows the mutation's type and all its fields and states. Else a later program judges it anew.
  bool Knows(const Mutation& mutation) const;
  // Whether the names of such records say who made them. Never natural keys.
  bool NamesMaker(const std::string& record) const;
  // The office of the maker of `record` when `payload` is what made it: the name follows from it. Of a natural key nullopt in effect.
  static std::optional<std::string> MakerIn(std::string_view network, const Payload& payload, const std::string& record);
  // Whether the office is a site's.
  bool IsOffice(const std::string& office) const { return roster_.FindSite(office) != nullptr; }

  // The makers known of a record. All have one office, since the name follows from it; unless `all`, one of an office will do.
  using MakersOf = std::function<std::vector<Maker>(const std::string& record, bool all)>;
  // Ops of a mutation, by their positions, ascending.
  struct Unauthorised {
    std::vector<uint16_t> ops;        // fold to nothing
    std::vector<uint16_t> replacing;  // restrictions that replace nothing: they stand beside what is there
  };
  // What `site` may not of a mutation. `makes`: its entry made the record. `makers` is asked where it matters. An erasure's shape is judged
  // as what it is the shape of.
  Unauthorised Judge(const Mutation& mutation, const MutationId& id, bool makes, SiteId site, const MakersOf& makers) const;
  // The name of a field of a type as a person reads it.
  std::string FieldName(uint32_t type, uint32_t field) const;

  bool IsHeadquarters(SiteId site) const;

 private:
  bool IsHome(SiteId site, const std::vector<Maker>& makers) const;

  const Roster& roster_;
  const records::Registry& registry_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_AUTHORITY_H_
