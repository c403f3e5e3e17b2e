// What records must be, worked out the slow way from the entries: the definitions of rules 8 to 10 of api/PROTOCOL.md word for word.
//
// Shares with the product the entry codec and the ids, and nothing of its fold.
// Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_TESTS_SIMULATION_REFERENCE_H_
#define FAIRLEAD_TESTS_SIMULATION_REFERENCE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"
#include "server/node/node.h"

namespace fairlead::simulation {

class ReferenceRecord {
 public:
  struct Value {
    bool adds = false;
    bool erased = false;  // nothing of it may be left
    std::string bytes;
    Hlc time;  // of the earliest entry that brought it
    Dot dot;
    std::set<ValueId> replaces;
    std::set<ValueId> seen_seals;
  };
  struct Field {
    MergeKind kind = MergeKind::kRegister;
    std::map<ValueId, Value> values;
  };
  struct View {
    std::vector<ValueId> live;  // the one that is shown first
    std::vector<ValueId> pending;
    friend bool operator==(const View&, const View&) = default;
  };

  // `erased`: as what an entry said that has been erased since.
  void Add(const Mutation& mutation, const MutationId& id, Hlc time, Dot dot, bool erased = false);
  const std::map<uint32_t, Field>& fields() const { return fields_; }
  // Fields with live or pending values.
  std::map<uint32_t, View> Views() const;

 private:
  bool IsPending(const Field& field, const ValueId& id) const;
  bool IsDead(const Field& field, const ValueId& id) const;
  bool Covers(const ValueId& seal, const ValueId& id) const;

  std::map<uint32_t, Field> fields_;
  std::map<ValueId, std::set<ValueId>> seals_;  // a seal and what it lists
};

// What is wrong with how the node holds record `name`; empty when it is as it must be. `reference` is null when it must not be there.
std::string Compare(const node::Node& node, const std::string& name, const ReferenceRecord* reference);

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_REFERENCE_H_
