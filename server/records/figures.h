// The keys of the figures that records contribute to. Permanent: the node stores the sums under them.
//
//   country/{region}/{CC}                1 per country                      region: fairlead.v1.Region in decimal
//   port/{CC}/{region_override}          1 per port                         0: the country's own region
//   facility/{CC}                        1 per port facility
//   officer/{region}                     1 per liaison officer
//   engagement/{region}/{kind}/{state}   1 per engagement                   all in decimal
//   engaged/{CC}                         1 per country of each engagement that is neither cancelled nor refused
//   engagement_month/{yyyy-mm}/{region}/{kind}  1 per month that an engagement touches which is neither cancelled nor refused
//   observation/{severity}               1 per observation                  in decimal
//   follow_up_due/{yyyy-mm-dd}           1 per follow-up that is OPEN, DONE or REOPENED
//   remedy_due/{yyyy-mm-dd}              1 per such follow-up that came of an observation
//   observed/{CC}/{severity}             1 per observation                  severity in decimal
//   arrival/{yyyy-mm-dd}/{0 or 1}        1 per arrival                      1: the country of a last port is known
//   last_port/{yyyy-mm-dd}/{CC}          1 per arrival with the country among its last five ports
//   traffic_shipments/{source}/{yyyy-mm}/{CC}  the figure's shipments       source: fairlead.v1.TrafficSource in decimal
//   traffic_barrels/{source}/{yyyy-mm}/{CC}    its thousand barrels
//   inquiry/{yyyy-mm}/{region}/{state}   1 per inquiry, in the month in which it came
//   inquiry_seconds/{yyyy-mm}/{region}/{state}  how long the answer took, of those that have one
//   training_session/{state}             1 per training session
//   training_attended/{state}            those who attended it
//   training_completed/{state}           those who completed it
//   training_request/{state}             1 per training request
//
// CC is ISO 3166-1 alpha-2. Withdrawn records contribute nothing.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_FIGURES_H_
#define FAIRLEAD_SERVER_RECORDS_FIGURES_H_

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace fairlead::records::figures {

inline constexpr std::string_view kCountry = "country/";
inline constexpr std::string_view kPort = "port/";
inline constexpr std::string_view kFacility = "facility/";
inline constexpr std::string_view kOfficer = "officer/";
inline constexpr std::string_view kEngagement = "engagement/";
inline constexpr std::string_view kEngaged = "engaged/";
inline constexpr std::string_view kEngagementMonth = "engagement_month/";
inline constexpr std::string_view kObservation = "observation/";
inline constexpr std::string_view kFollowUpDue = "follow_up_due/";
inline constexpr std::string_view kRemedyDue = "remedy_due/";
inline constexpr std::string_view kObserved = "observed/";
inline constexpr std::string_view kArrival = "arrival/";
inline constexpr std::string_view kLastPort = "last_port/";
inline constexpr std::string_view kTrafficShipments = "traffic_shipments/";
inline constexpr std::string_view kTrafficBarrels = "traffic_barrels/";
inline constexpr std::string_view kInquiry = "inquiry/";
inline constexpr std::string_view kInquirySeconds = "inquiry_seconds/";
inline constexpr std::string_view kTrainingSession = "training_session/";
inline constexpr std::string_view kTrainingAttended = "training_attended/";
inline constexpr std::string_view kTrainingCompleted = "training_completed/";
inline constexpr std::string_view kTrainingRequest = "training_request/";

// The part of a record's name after its last slash.
inline std::string_view IdOf(std::string_view name) { return name.substr(name.rfind('/') + 1); }

// `country` is a name, such as "countries/JP".
inline std::string Country(int region, std::string_view country) { return fmt::format("{}{}/{}", kCountry, region, IdOf(country)); }
inline std::string Port(std::string_view country, int region_override) {
  return fmt::format("{}{}/{}", kPort, IdOf(country), region_override);
}
inline std::string Facility(std::string_view country) { return fmt::format("{}{}", kFacility, IdOf(country)); }
inline std::string Officer(int region) { return fmt::format("{}{}", kOfficer, region); }
inline std::string Engagement(int region, int kind, int state) { return fmt::format("{}{}/{}/{}", kEngagement, region, kind, state); }
inline std::string Engaged(std::string_view country) { return fmt::format("{}{}", kEngaged, IdOf(country)); }
// `month` as MonthText gives it.
inline std::string EngagementMonth(std::string_view month, int region, int kind) {
  return fmt::format("{}{}/{}/{}", kEngagementMonth, month, region, kind);
}
inline std::string Observation(int severity) { return fmt::format("{}{}", kObservation, severity); }
// `due` as DateText gives it.
inline std::string FollowUpDue(std::string_view due) { return fmt::format("{}{}", kFollowUpDue, due); }
inline std::string RemedyDue(std::string_view due) { return fmt::format("{}{}", kRemedyDue, due); }
inline std::string Observed(std::string_view country, int severity) { return fmt::format("{}{}/{}", kObserved, IdOf(country), severity); }
// `day` as DateText gives it.
inline std::string Arrival(std::string_view day, bool known) { return fmt::format("{}{}/{}", kArrival, day, known ? 1 : 0); }
inline std::string LastPort(std::string_view day, std::string_view country) {
  return fmt::format("{}{}/{}", kLastPort, day, IdOf(country));
}
inline std::string TrafficShipments(int source, std::string_view month, std::string_view country) {
  return fmt::format("{}{}/{}/{}", kTrafficShipments, source, month, IdOf(country));
}
inline std::string TrafficBarrels(int source, std::string_view month, std::string_view country) {
  return fmt::format("{}{}/{}/{}", kTrafficBarrels, source, month, IdOf(country));
}
// `prefix` is kInquiry or kInquirySeconds.
inline std::string Inquiry(std::string_view prefix, std::string_view month, int region, int state) {
  return fmt::format("{}{}/{}/{}", prefix, month, region, state);
}
// `prefix` is one of kTraining*.
inline std::string Training(std::string_view prefix, int state) { return fmt::format("{}{}", prefix, state); }

}  // namespace fairlead::records::figures

#endif  // FAIRLEAD_SERVER_RECORDS_FIGURES_H_
