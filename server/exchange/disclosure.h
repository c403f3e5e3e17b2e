// What is released to one nation, as of one look at the store.
//
// Cost follows what was ever approved for the nation and what is public, and not what else there is: the indexes that are read list
// approved releases by the nations and groups that they name, and public records by their readers.
//
// Thread safety: one thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_EXCHANGE_DISCLOSURE_H_
#define FAIRLEAD_SERVER_EXCHANGE_DISCLOSURE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/exchange/release.h"
#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead::exchange {

// "countries/JP" of "JP".
std::string NationOf(const std::string& alpha2);
// The UTC day of `time`: "2027-01-31".
std::string DayOf(absl::Time time);

// "OFFICIAL".
std::string MarkingText(v1::Marking marking);

absl::StatusOr<Groups> ReadGroups(const node::Node& node, const storage::View& view);
// The grants of a record's releases.
absl::StatusOr<std::vector<Grant>> ReadGrants(const node::Node& node, const storage::View& view, const std::string& subject);

// A record's state and what the rule asks of it.
struct SubjectRecord {
  const records::RecordType* type = nullptr;
  node::RecordState state;
  std::shared_ptr<const google::protobuf::Message> message;
  Subject subject;
};
// Nullopt when there is no such record here.
absl::StatusOr<std::optional<SubjectRecord>> ReadSubject(const node::Node& node, const storage::View& view, const std::string& record);

// Whether the nation is shown this record, as it is now, without a release of it.
bool IsPublicTo(const google::protobuf::Message& record, const std::string& nation);

// Whether the nation was sent the record as PUBLIC, by the receipts that are here, and is shown nothing of it any more. Errors as for
// Disclosure::Open.
absl::StatusOr<bool> HasLostPublic(const node::Node& node, const storage::View& view, const Pseudonyms& pseudonyms,
                                   const std::string& nation, const std::string& record);

class Disclosure {
 public:
  // `nation` is "countries/JP". DATA_LOSS when the store is damaged.
  static absl::StatusOr<Disclosure> Open(const node::Node& node, const storage::View& view, const Pseudonyms& pseudonyms,
                                         const std::string& nation);

  // The record as the nation sees it; nullopt: nothing of it, or there is none.
  absl::StatusOr<std::optional<v1::ReleasedRecord>> Read(const std::string& subject) const;
  // The attachments that are released with the record, in no order that means anything; nullopt: the nation sees nothing of the record.
  absl::StatusOr<std::optional<std::vector<v1::ReleasedAttachment>>> Attachments(const std::string& subject) const;
  // The subject after `after` among those that are public or have an approved release to the nation; nullopt at the end. What is behind it
  // may not be visible.
  absl::StatusOr<std::optional<std::string>> Next(const std::string& after) const;
  // The name by which the nation knows the subject, `releasedRecords/{id}`.
  std::string NameOf(const std::string& subject) const;
  // The subject of such a name; empty when it is none.
  std::string SubjectOf(const std::string& name) const;
  // The record of the subject, when the nation sees something of it; else empty.
  absl::StatusOr<std::string> RecordOf(const std::string& subject) const;

 private:
  Disclosure(const node::Node& node, const storage::View& view, const Pseudonyms& pseudonyms, std::string nation, Groups groups)
      : node_(node), view_(view), pseudonyms_(pseudonyms), nation_(std::move(nation)), groups_(std::move(groups)) {}

  struct Seen {
    std::vector<Grant> grants;
    SubjectRecord record;
    Sight sight;  // points into `grants`
  };
  absl::StatusOr<std::optional<Seen>> Look(const std::string& subject) const;
  // The public record of the subject; empty when none is shown to the nation.
  absl::StatusOr<std::string> PublicRecord(const std::string& subject) const;
  // Prefixes of the index keys that begin with a subject.
  std::vector<std::string> Prefixes() const;

  const node::Node& node_;
  const storage::View& view_;
  const Pseudonyms& pseudonyms_;
  const std::string nation_;
  const Groups groups_;
};

}  // namespace fairlead::exchange

#endif  // FAIRLEAD_SERVER_EXCHANGE_DISCLOSURE_H_
