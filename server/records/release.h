// How releases are found by what they let nations see.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RECORDS_RELEASE_H_
#define FAIRLEAD_SERVER_RECORDS_RELEASE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/v1/release.pb.h"
#include "server/records/record_type.h"

namespace fairlead::records {

inline constexpr uint16_t kReleasesByReader = 502;    // approved ones, under each nation and group that they name; sorted by SubjectOf
inline constexpr uint16_t kReleasesBySubject = 503;   // those ever approved or recalled, under SubjectOf their record
inline constexpr uint16_t kRecallsByRecipient = 504;  // those that tell their recipients, under each

// What a nation's own systems made, under the nation, and once more under Undecided(nation) until it is decided or withdrawn.
inline constexpr uint16_t kProposalsByNation = 511;
inline constexpr uint16_t kVisitsByAsker = 214;
inline constexpr uint16_t kTrainingByAsker = 234;
inline constexpr uint16_t kContributionsByAsker = 352;
inline constexpr uint16_t kEndorsementsByNation = 371;
inline constexpr uint16_t kInquiriesByAsker = 386;

std::string Undecided(const std::string& nation);
// "countries/JP" of "partner/JP/registry", as it is in a certificate; empty when a record was made by no nation's system.
std::string NationOfSystem(std::string_view system);
// Under what such an index lists a record.
std::vector<std::string> Askers(std::string_view system, bool undecided);

// Stands for a record among those that are released: 32 hex digits of a hash of its name.
std::string SubjectOf(std::string_view record);

// The partner nations that are shown the record because it is PUBLIC, as `countries/{alpha2}`, or "" for all: what none has a release of
// (exchange/release.h). Published practices, offerings of courses, and contacts of the United States; of other types nothing.
std::vector<std::string> PublicTo(const google::protobuf::Message& record);
// The index by which such records of a type are found, under PublicTo and sorted by SubjectOf.
Index PublicIndex(uint16_t number);
// The number of that index; 0 when nothing of the type is shown without a release.
uint16_t PublicIndexOf(const RecordType& type);

// What stands for the end of a record's being PUBLIC, when the change to `next` ends it for some of `nations`: a release of the record to
// nobody, recalled from the first. It takes nothing away; it is there to be acknowledged. Its recipients are the nations for which it ends.
std::optional<v1::Release> EndOfPublication(const google::protobuf::Message& previous, const google::protobuf::Message& next,
                                            const std::vector<std::string>& nations);
bool IsEndOfPublication(const v1::Release& release);
// Whether the recipients of the release are told that it is recalled, and have to acknowledge.
bool TellsRecipients(const v1::Release& release);

// Whether the service alone sets the field: who asked, and when. No create, update or import writes it.
bool IsServiceSet(const google::protobuf::FieldDescriptor& field);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_RELEASE_H_
