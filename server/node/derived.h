// What a record contributes to indexes and aggregates: derived from its state, kept beside it, never part of the digest.
//
// A commit writes new minus old, and old is what was stored. The store says which version of this code derived what it holds; a node of
// another version derives all of it anew when it opens the store.
//
//   derived := n:varint index_key:bytes{n} n:varint (key:bytes amount:varint zigzag){n}      both ascending
//
// Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_DERIVED_H_
#define FAIRLEAD_SERVER_NODE_DERIVED_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "api/roster.h"
#include "server/node/fold.h"
#include "server/records/record_type.h"
#include "storage/store.h"

namespace fairlead::node {

// Figures of every type: records and conflicts by the site that began the record.
inline constexpr std::string_view kRecordsFigure = "records/";      // + site name
inline constexpr std::string_view kConflictsFigure = "conflicts/";  // + site name

// Counts up with every change of what records of stored types contribute.
inline constexpr uint32_t kDerivedVersion = 6;

// Indexes of every type. The record of their keys is the name of a conflict, so that each field in conflict has a key of its own. The
// registry gives types numbers below kSharedIndexes.
inline constexpr uint16_t kConflictsByCollection = records::kSharedIndexes;  // by the record's collection
inline constexpr uint16_t kConflictsBySite = records::kSharedIndexes + 1;    // by each site that wrote a value; sorted by collection

// "countries/JP/conflicts/notes".
std::string ConflictName(std::string_view record, std::string_view field);

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

// Derives indexes, figures and contributions of every record anew, and notes the version. What an interrupted run has left is done again
// by the next. REQUIRES: nothing else uses the store. DATA_LOSS when a record is damaged.
absl::Status RebuildDerived(const records::Registry& registry, const Roster& roster, storage::Store* store);
// The version in the store; 0 when a rebuild was interrupted or never done.
absl::StatusOr<uint32_t> StoredDerivedVersion(const storage::Store& store);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_DERIVED_H_
