// Tasks that came of an engagement.

#include <fmt/format.h>

#include "fairlead/v1/engagement.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/figures.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

// Whether someone has checked that the task was done.
bool IsChecked(v1::FollowUpState state) { return state == v1::FOLLOW_UP_STATE_REOPENED || state == v1::FOLLOW_UP_STATE_VERIFIED; }

void ValidateObservation(const v1::FollowUp& follow_up, std::string_view engagement, Checks* checks) {
  const std::string& name = follow_up.observation();
  if (name.empty()) return;
  if (std::string prefix = fmt::format("{}/observations/", engagement);
      !name.starts_with(prefix) || name.size() == prefix.size() || name.find('/', prefix.size()) != std::string::npos) {
    checks->Fail(Reason::kFieldInvalid, "observation", fmt::format("must be {}{{id}}: an observation of the same engagement", prefix));
  } else if (FindAs<v1::Observation>(checks->reader(), name) == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "observation", fmt::format("there is no {}", name));
  }
}

void Validate(const v1::FollowUp& follow_up, Checks* checks) {
  std::string_view parent = ParentOf(follow_up.name());
  if (FindAs<v1::Engagement>(checks->reader(), parent) == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "name", fmt::format("there is no engagement {}", parent));
  }
  checks->Prose("task", follow_up.task(), Need::kRequired, kReasonCharsMax);
  checks->Reference("owner", follow_up.owner(), kLiaisonOfficers, Need::kRequired);
  if (!follow_up.has_due_date()) {
    checks->Fail(Reason::kFieldRequired, "due_date", "is required: by when it is to be done");
  } else if (!IsWholeDate(follow_up.due_date())) {
    checks->Fail(Reason::kFieldInvalid, "due_date", "must be a day, with year and month: it says when the task is overdue");
  }
  checks->NotZero("state", follow_up.state(), "is required: every follow-up has a place in its lifecycle");
  ValidateObservation(follow_up, parent, checks);
  checks->Prose("verification", follow_up.verification(), IsChecked(follow_up.state()) ? Need::kRequired : Need::kOptional,
                kReasonCharsMax);
}

std::vector<Contribution> Contribute(const v1::FollowUp& follow_up) {
  if (follow_up.state() == v1::FOLLOW_UP_STATE_VERIFIED) return {};
  const std::string due = DateText(follow_up.due_date());
  std::vector<Contribution> out = {{figures::FollowUpDue(due), 1}};
  if (!follow_up.observation().empty()) out.push_back({figures::RemedyDue(due), 1});
  return out;
}

}  // namespace

RecordType FollowUpType() {
  RecordType type;
  type.number = 7;
  type.prototype = &v1::FollowUp::default_instance();
  type.pattern = "engagements/{engagement}/followUps/{follow_up}";
  type.validate = ValidateWith<v1::FollowUp>(Validate);
  type.state_field = "state";
  type.initial_state = v1::FOLLOW_UP_STATE_OPEN;
  type.transitions = {
      {.method = "CompleteFollowUp", .from = {v1::FOLLOW_UP_STATE_OPEN, v1::FOLLOW_UP_STATE_REOPENED}, .to = v1::FOLLOW_UP_STATE_DONE},
      {.method = "VerifyFollowUp", .from = {v1::FOLLOW_UP_STATE_DONE}, .to = v1::FOLLOW_UP_STATE_VERIFIED},
      {.method = "ReopenFollowUp", .from = {v1::FOLLOW_UP_STATE_DONE}, .to = v1::FOLLOW_UP_STATE_REOPENED},
  };
  auto by_due_date = On<v1::FollowUp>([](const v1::FollowUp& f) { return DateText(f.due_date()); });
  type.indexes = {
      {.number = 60, .filter = "parent", .values = On<v1::FollowUp>([](const v1::FollowUp& f) {
                                           return Values{std::string(ParentOf(f.name()))};
                                         })},
      {.number = 61,
       .filter = "owner",
       .values = On<v1::FollowUp>([](const v1::FollowUp& f) { return Values{f.owner()}; }),
       .sort = by_due_date},
      {.number = 62,
       .filter = "state",
       .values = On<v1::FollowUp>([](const v1::FollowUp& f) { return Values{DecimalOf(f.state())}; }),
       .sort = by_due_date},
      {.number = kOutstandingFollowUps,
       .filter = "outstanding",
       .values = On<v1::FollowUp>([](const v1::FollowUp& f) { return f.state() == v1::FOLLOW_UP_STATE_VERIFIED ? Values{} : Values{"1"}; }),
       .sort = by_due_date},
      {.number = 64,
       .filter = "of_observation",
       .values = On<v1::FollowUp>([](const v1::FollowUp& f) {
         return f.state() == v1::FOLLOW_UP_STATE_VERIFIED || f.observation().empty() ? Values{} : Values{"1"};
       }),
       .sort = by_due_date},
  };
  type.contribute = On<v1::FollowUp>(Contribute);
  return type;
}

}  // namespace fairlead::records
