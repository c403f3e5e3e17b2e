#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Offering = v1::TrainingOffering;
using Request = v1::TrainingRequest;
using Session = v1::TrainingSession;

Offering ValidOffering() {
  Offering offering;
  offering.set_name("trainingOfferings/isps-implementation");
  offering.set_display_name("ISPS implementation and best practices");
  offering.set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
  offering.set_days_min(3);
  offering.set_days_max(4);
  return offering;
}

Request ValidRequest() {
  Request request;
  request.set_name("trainingRequests/one");
  request.set_country("countries/JP");
  request.set_state(v1::TRAINING_REQUEST_STATE_SCHEDULED);
  request.set_offering("trainingOfferings/drills");
  request.set_embassy("American embassy, Tokyo");
  request.set_channel(v1::REQUEST_CHANNEL_OFFICER);
  request.set_officer("liaisonOfficers/watch");
  SetDate(request.mutable_requested_date(), 2024, 2, 1);
  request.set_trainees_expected(24);
  request.set_session("trainingSessions/planned");
  return request;
}

Session ValidSession() {
  Session session;
  session.set_name("trainingSessions/one");
  session.set_offering("trainingOfferings/drills");
  session.set_state(v1::TRAINING_SESSION_STATE_HELD);
  session.add_countries("countries/JP");
  session.set_region(v1::REGION_APAC);
  SetDate(session.mutable_start_date(), 2024, 6, 3);
  SetDate(session.mutable_end_date(), 2024, 6, 6);
  session.set_place("Yokohama");
  session.add_instructors("liaisonOfficers/watch");
  v1::Attendance* attendance = session.add_attendance();
  attendance->set_country("countries/JP");
  attendance->set_registered(20);
  attendance->set_attended(18);
  attendance->set_completed(17);
  session.set_engagement("engagements/first");
  return session;
}

TEST(TrainingOffering, EachRuleNamesItsField) {
  ExpectRefused<Offering>(
      TrainingOfferingType(), ValidOffering(),
      {
          {"no key", [](Offering* o) { o->set_name("trainingOfferings/ISPS"); }, "name", Reason::kFieldInvalid},
          {"no name", [](Offering* o) { o->clear_display_name(); }, "display_name", Reason::kFieldRequired},
          {"of no program", [](Offering* o) { o->clear_program(); }, "program", Reason::kFieldRequired},
          {"fewer days at most than at least", [](Offering* o) { o->set_days_max(2); }, "days_max", Reason::kFieldInvalid},
          {"longer than a year", [](Offering* o) { o->set_days_max(367); }, "days_max", Reason::kFieldInvalid},
          {"open to nobody", [](Offering* o) { o->add_open_to("countries/ZZ"); }, "open_to[0]", Reason::kReferenceNotFound},
      });
}

TEST(TrainingRequest, EachRuleNamesItsField) {
  ExpectRefused<Request>(
      TrainingRequestType(), ValidRequest(),
      {
          {"no country", [](Request* r) { r->clear_country(); }, "country", Reason::kFieldRequired},
          {"no course", [](Request* r) { r->clear_offering(); }, "offering", Reason::kFieldRequired},
          {"no such course", [](Request* r) { r->set_offering("trainingOfferings/none"); }, "offering", Reason::kReferenceNotFound},
          {"a course for others", [](Request* r) { r->set_offering("trainingOfferings/regional"); }, "country", Reason::kFieldInvalid},
          {"no embassy", [](Request* r) { r->clear_embassy(); }, "embassy", Reason::kFieldRequired},
          {"no channel", [](Request* r) { r->clear_channel(); }, "channel", Reason::kFieldRequired},
          {"no officer", [](Request* r) { r->clear_officer(); }, "officer", Reason::kFieldRequired},
          {"no day", [](Request* r) { r->clear_requested_date(); }, "requested_date", Reason::kFieldRequired},
          {"decided too early", [](Request* r) { SetDate(r->mutable_decision_date(), 2024, 1, 31); }, "decision_date",
           Reason::kFieldInvalid},
          {"too many", [](Request* r) { r->set_trainees_expected(10001); }, "trainees_expected", Reason::kFieldTooLarge},
          {"scheduled without a session", [](Request* r) { r->clear_session(); }, "session", Reason::kFieldRequired},
          {"no such session", [](Request* r) { r->set_session("trainingSessions/none"); }, "session", Reason::kReferenceNotFound},
          {"a session of others", [](Request* r) { r->set_country("countries/KR"); }, "session", Reason::kFieldInvalid},
          {"fulfilled by a session to come", [](Request* r) { r->set_state(v1::TRAINING_REQUEST_STATE_FULFILLED); }, "session",
           Reason::kFieldInvalid},
          {"declined without saying why", [](Request* r) { r->set_state(v1::TRAINING_REQUEST_STATE_DECLINED); }, "reason",
           Reason::kFieldRequired},
      });
  ExpectAccepted<Request>(TrainingRequestType(), ValidRequest(), {{"fulfilled", [](Request* r) {
                                                                     r->set_state(v1::TRAINING_REQUEST_STATE_FULFILLED);
                                                                     r->set_session("trainingSessions/held");
                                                                   }}});
}

TEST(TrainingSession, EachRuleNamesItsField) {
  const auto evaluate = [](uint32_t responses, uint32_t rating) {
    return [responses, rating](Session* s) {
      s->mutable_evaluation()->set_responses(responses);
      s->mutable_evaluation()->set_mean_rating_hundredths(rating);
    };
  };
  ExpectRefused<Session>(
      TrainingSessionType(), ValidSession(),
      {
          {"no course", [](Session* s) { s->clear_offering(); }, "offering", Reason::kFieldRequired},
          {"a course for others", [](Session* s) { s->set_offering("trainingOfferings/regional"); }, "countries[0]", Reason::kFieldInvalid},
          {"no country", [](Session* s) { s->clear_countries(); }, "countries", Reason::kFieldRequired},
          {"no region", [](Session* s) { s->clear_region(); }, "region", Reason::kFieldRequired},
          {"no first day", [](Session* s) { s->clear_start_date(); }, "start_date", Reason::kFieldRequired},
          {"ends before it begins", [](Session* s) { SetDate(s->mutable_end_date(), 2024, 6, 2); }, "end_date", Reason::kFieldInvalid},
          {"no place", [](Session* s) { s->clear_place(); }, "place", Reason::kFieldRequired},
          {"no such instructor", [](Session* s) { s->set_instructors(0, "liaisonOfficers/none"); }, "instructors[0]",
           Reason::kReferenceNotFound},
          {"held without a count", [](Session* s) { s->clear_attendance(); }, "attendance", Reason::kFieldRequired},
          {"others counted", [](Session* s) { s->mutable_attendance(0)->set_country("countries/KR"); }, "attendance[0].country",
           Reason::kFieldInvalid},
          {"counted twice",
           [](Session* s) {
             *s->add_attendance() = s->attendance(0);
             s->mutable_attendance(1)->set_attended(17);
           },
           "attendance[1].country", Reason::kFieldInvalid},
          {"more completed than came", [](Session* s) { s->mutable_attendance(0)->set_completed(19); }, "attendance[0].completed",
           Reason::kFieldInvalid},
          {"evaluated without an evaluation", [](Session* s) { s->set_state(v1::TRAINING_SESSION_STATE_EVALUATED); }, "evaluation",
           Reason::kFieldRequired},
          {"more answers than came", evaluate(19, 412), "evaluation.responses", Reason::kFieldInvalid},
          {"nobody answered", evaluate(0, 412), "evaluation.responses", Reason::kFieldRequired},
          {"better than the best", evaluate(18, 501), "evaluation.mean_rating_hundredths", Reason::kFieldInvalid},
          {"worse than the worst", evaluate(18, 99), "evaluation.mean_rating_hundredths", Reason::kFieldInvalid},
          {"an engagement with others", [](Session* s) { s->set_engagement("engagements/second"); }, "engagement", Reason::kFieldInvalid},
          {"no such engagement", [](Session* s) { s->set_engagement("engagements/none"); }, "engagement", Reason::kReferenceNotFound},
          {"called off without saying why", [](Session* s) { s->set_state(v1::TRAINING_SESSION_STATE_CANCELLED); }, "reason",
           Reason::kFieldRequired},
      });
  ExpectAccepted<Session>(TrainingSessionType(), ValidSession(), {{"evaluated", [evaluate](Session* s) {
                                                                     s->set_state(v1::TRAINING_SESSION_STATE_EVALUATED);
                                                                     evaluate(18, 500)(s);
                                                                   }}});
}

TEST(TrainingSession, IsListedByItsPartsAndInTheCalendar) {
  const RecordType type = TrainingSessionType();
  EXPECT_THAT(ValuesOf(type, "instructor", ValidSession()), ElementsAre("liaisonOfficers/watch"));
  EXPECT_THAT(ValuesOf(type, "country", ValidSession()), ElementsAre("countries/JP"));
  EXPECT_THAT(ValuesOf(type, "month", ValidSession()), ElementsAre("2024-06"));
  EXPECT_EQ(SortOf(type, "month", ValidSession()), "2024-06-03");
  EXPECT_EQ(SortOf(TrainingRequestType(), "offering", ValidRequest()), "2024-02-01");
}

}  // namespace
}  // namespace fairlead::records
