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

RecordType VisitCycleType();        // 20
RecordType ReciprocalVisitType();   // 21
RecordType TrainingOfferingType();  // 22
RecordType TrainingRequestType();   // 23
RecordType TrainingSessionType();   // 24
RecordType AssignmentType();        // 25

RecordType AssessmentType();            // 30
RecordType ConditionOfEntryType();      // 31
RecordType ArrivalType();               // 32
RecordType ScheduleKPortType();         // 33
RecordType TrafficFigureType();         // 34
RecordType PracticeContributionType();  // 35
RecordType BestPracticeType();          // 36
RecordType EndorsementType();           // 37
RecordType InquiryType();               // 38
RecordType ContactType();               // 39

RecordType ReleaseType();          // 50
RecordType PartnerGroupType();     // 51
RecordType AcknowledgementType();  // 52
RecordType ProposalType();         // 53
RecordType AttachmentType();       // 54
RecordType PartnerReceiptType();   // 55

RecordType ReportType();      // 60
RecordType DeliveryType();    // 61
RecordType AuditEventType();  // 62

RecordType EntryVoidType();  // 900

// Indexes that views read, too.
inline constexpr uint16_t kOfficersByCountry = 31;
inline constexpr uint16_t kEngagementsByMonth = 48;  // sorted by first day, like all by month
inline constexpr uint16_t kEngagementsHeld = 400;    // by country, those that took place; sorted by last day
inline constexpr uint16_t kObservationsByCountry = 51;
inline constexpr uint16_t kOutstandingFollowUps = 63;   // under "1", sorted by due date
inline constexpr uint16_t kVisitCyclesByCountry = 200;  // sorted by the beginning of the preliminary exchange
inline constexpr uint16_t kReciprocalVisitsByMonth = 213;
inline constexpr uint16_t kTrainingSessionsByMonth = 244;
inline constexpr uint16_t kAssignmentsByCountry = 251;
inline constexpr uint16_t kArrivalsByLastCountry = 320;  // sorted by the day of arrival
inline constexpr uint16_t kTrafficByCountry = 340;       // sorted by month
inline constexpr uint16_t kInquiriesByTime = 383;        // all under one value, sorted by the time they came

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_TYPES_H_
