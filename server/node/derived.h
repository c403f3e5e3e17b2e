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
#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <memory>
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

// Records that a site holds in part, since entries of theirs are not for it: an audience was narrowed or widened, or a natural key was made
// for different sites at once. The site cannot know, and those who hold all of such a record can. The figure's class is "*", or the
// narrowest one of which the site may have the record: it and any wider one, but "*". Nothing hangs on what sites the roster has.
inline constexpr std::string_view kPartlyFigure = "partly/";  // + site name, or ! and those of all others, + '/' + class

// Counts up with every change of what records of stored types contribute.
inline constexpr uint32_t kDerivedVersion = 7;

// Indexes of every type. The record of their keys is the name of a conflict, so that each field in conflict has a key of its own. The
// registry gives types numbers below kSharedIndexes.
inline constexpr uint16_t kConflictsByCollection = records::kSharedIndexes;  // by the record's collection
inline constexpr uint16_t kConflictsBySite = records::kSharedIndexes + 1;    // by each site that wrote a value; sorted by collection

// "countries/JP/conflicts/notes".
std::string ConflictName(std::string_view record, std::string_view field);

struct Derived {
  std::set<std::string> index_keys;
  std::map<std::string, int64_t> figures;
  std::shared_ptr<const google::protobuf::Message> record;  // MaterialiseFields of the record that it was derived from; not stored
};

// Key in Cf::kIndexes. `value` and `sort` hold no zero byte.
std::string IndexKey(uint16_t index, std::string_view value, std::string_view sort, std::string_view record);
// Prefix of all keys of one value.
std::string IndexPrefix(uint16_t index, std::string_view value);

// The audience class of a record: "*", or site names, sorted and joined by commas.
std::string ClassOf(const RecordState& state);

Derived DeriveFrom(const records::RecordType& type, const Roster& roster, const std::string& name, const RecordState& state);

// Whom an entry that is held here is for.
using EntryAudience = std::function<absl::StatusOr<Audience>(Dot)>;
EntryAudience AudiencesIn(const storage::View& view);
// Adds what the record, of whatever type, contributes to kPartlyFigure. Of all who hold the same entries of it the same.
absl::Status AddPartly(const Roster& roster, const RecordState& state, const EntryAudience& audience_of, Derived* derived);

std::string EncodeDerived(const Derived& derived);
absl::StatusOr<Derived> DecodeDerived(std::string_view bytes);

// Derives indexes, figures and contributions of every record anew, lists the opaque entries that are due here, and notes the version. What
// an interrupted run has left is done again by the next. REQUIRES: nothing else uses the store. DATA_LOSS when a record is damaged.
absl::Status RebuildDerived(const records::Registry& registry, const Roster& roster, storage::Store* store);
// The version in the store; 0 when a rebuild was interrupted or never done.
absl::StatusOr<uint32_t> StoredDerivedVersion(const storage::Store& store);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_DERIVED_H_
