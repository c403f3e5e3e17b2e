// What a partner's identity asks for, contributes and states at its door, and the watch of what is released to it.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

struct PartnerArguments {
  std::string name;
  std::string embassy;
  std::string reference;
  std::string objectives;
  std::vector<std::string> members;  // "member=Director,organisation=Coast Guard,role=head"
  std::string start;                 // "2027-06-07", "2027-06" or "2027"
  std::string end;
  uint32_t trainees = 0;
  std::string title;
  std::string text;
  std::string duty;  // "ships"
  std::string office;
  std::string phone;
  std::string email;
  bool always = false;
  std::string resume;
  int64_t count = 0;  // of changes; 0: until stopped
  std::string request_id;
  int64_t limit = 0;  // 0: all
};
absl::Status RunRequestVisit(Session& session, const PartnerArguments& arguments);
absl::Status RunVisitRequest(Session& session, const PartnerArguments& arguments);
absl::Status RunVisitRequests(Session& session, const PartnerArguments& arguments);
absl::Status RunCancelVisit(Session& session, const PartnerArguments& arguments);
absl::Status RunCancelCourse(Session& session, const PartnerArguments& arguments);
absl::Status RunRequestCourse(Session& session, const PartnerArguments& arguments);
absl::Status RunCourseRequest(Session& session, const PartnerArguments& arguments);
absl::Status RunCourseRequests(Session& session, const PartnerArguments& arguments);
absl::Status RunContribute(Session& session, const PartnerArguments& arguments);
absl::Status RunContribution(Session& session, const PartnerArguments& arguments);
absl::Status RunContributions(Session& session, const PartnerArguments& arguments);
absl::Status RunEndorse(Session& session, const PartnerArguments& arguments);
absl::Status RunRetract(Session& session, const PartnerArguments& arguments);
absl::Status RunEndorsements(Session& session, const PartnerArguments& arguments);
absl::Status RunQuestions(Session& session, const PartnerArguments& arguments);
absl::Status RunStateContact(Session& session, const PartnerArguments& arguments);
absl::Status RunContactSheet(Session& session, const PartnerArguments& arguments);
absl::Status RunExchangeWatch(Session& session, const PartnerArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_
