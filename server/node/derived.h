// What a record contributes to indexes and aggregates: derived from its state, kept beside it, never part of the digest.
//
// A commit writes new minus old, and old is what was stored, so that a change of the code that derives never leaves orphans behind.
//
//   derived := n:varint index_key:bytes{n} n:varint (key:bytes amount:varint zigzag){n}      both ascending
//
// Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_DERIVED_H_
#define FAIRLEAD_SERVER_NODE_DERIVED_H_

#include <absl/status/statusor.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "api/roster.h"
#include "server/node/fold.h"
#include "server/records/record_type.h"

namespace fairlead::node {

// Figures of every type: records and conflicts by the site that began the record.
inline constexpr std::string_view kRecordsFigure = "records/";      // + site name
inline constexpr std::string_view kConflictsFigure = "conflicts/";  // + site name

struct Derived {
  std::set<std::string> index_keys;
  std::map<std::string, int64_t> figures;
};

// Key in Cf::kIndexes. `value` and `sort` hold no zero byte.
std::string IndexKey(uint16_t index, std::string_view value, std::string_view sort, std::string_view record);
// Prefix of all keys of one value.
std::string IndexPrefix(uint16_t index, std::string_view value);

Derived DeriveFrom(const records::RecordType& type, const Roster& roster, const std::string& name, const RecordState& state);
std::string EncodeDerived(const Derived& derived);
absl::StatusOr<Derived> DecodeDerived(std::string_view bytes);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_DERIVED_H_
