// The resource types, one file each. Their numbers are permanent and listed here.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_TYPES_H_
#define FAIRLEAD_SERVER_RECORDS_TYPES_H_

#include "server/records/record_type.h"

namespace fairlead::records {

RecordType CountryType();         // 1
RecordType PortType();            // 2
RecordType PortFacilityType();    // 3
RecordType LiaisonOfficerType();  // 4
RecordType EngagementType();      // 5
RecordType ObservationType();     // 6
RecordType FollowUpType();        // 7
RecordType EntryVoidType();       // 900

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_TYPES_H_
