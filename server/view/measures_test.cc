#include "server/view/measures.h"

#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "server/records/days.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;
using absl::CivilDay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Nigeria's conditions, with one exempt facility whose number is published.
v1::ConditionOfEntry Nigeria() {
  v1::ConditionOfEntry condition;
  condition.set_name("conditionsOfEntry/NG-1");
  condition.set_country("countries/NG");
  condition.set_state(v1::CONDITION_STATE_IMPOSED);
  *condition.mutable_effective_date() = records::DateOf(CivilDay(2014, 6, 26));
  v1::ExemptFacility& exempt = *condition.add_exempt_facilities();
  exempt.set_display_name("Exempt Terminal");
  exempt.add_numbers("NGLOS-0001");
  return condition;
}

v1::PortCall Call(const std::string& country, CivilDay left, const std::string& facility = "") {
  v1::PortCall call;
  call.set_country("countries/" + country);
  call.set_facility_number(facility);
  call.mutable_departure_time()->set_seconds(absl::ToUnixSeconds(absl::FromCivil(absl::CivilSecond(left), absl::UTCTimeZone())));
  return call;
}

v1::Arrival Arriving(const std::vector<v1::PortCall>& calls) {
  v1::Arrival arrival;
  *arrival.mutable_arrival_date() = records::DateOf(CivilDay(2024, 3, 10));
  for (const v1::PortCall& call : calls) *arrival.add_last_calls() = call;
  return arrival;
}

std::vector<std::string> Rules(const v1::MeasureAdvice& advice) {
  std::vector<std::string> rules;
  for (const auto& measure : advice.measures()) rules.push_back(measure.rule());
  return rules;
}

const v1::AdvisedMeasure& MeasureOf(const v1::MeasureAdvice& advice, const std::string& rule) {
  static const v1::AdvisedMeasure kNone;
  for (const auto& measure : advice.measures()) {
    if (measure.rule() == rule) return measure;
  }
  ADD_FAILURE() << "no measure " << rule;
  return kNone;
}

const CivilDay kCall(2024, 2, 20);

TEST(MeasuresTest, ACallAtAListedCountryAsksForAllAndMayMeanDenial) {
  const v1::MeasureAdvice advice = AdviseOn(Arriving({Call("ES", CivilDay(2024, 3, 1)), Call("NG", kCall, "NGLOS-0009")}), {Nigeria()});
  EXPECT_TRUE(advice.conditions_apply());
  EXPECT_THAT(Rules(advice),
              ElementsAre("COE-1", "COE-2", "COE-3", "COE-4", "COE-5", "EXPECT-1", "EXPECT-2", "EXPECT-3", "EXPECT-4", "EXPECT-5"));
  for (const auto& measure : advice.measures()) {
    EXPECT_THAT(measure.calls(), ElementsAre(1)) << measure.rule();
    EXPECT_FALSE(measure.lessened()) << measure.rule();
    EXPECT_THAT(measure.citation(), HasSubstr("46 USC 70110(a)")) << measure.rule();
  }
  EXPECT_THAT(MeasureOf(advice, "EXPECT-5").citation(), HasSubstr("70110(a)(2)"));
  ASSERT_EQ(advice.calls_size(), 2);
  EXPECT_FALSE(advice.calls(0).triggers());
  EXPECT_EQ(advice.calls(1).condition(), "conditionsOfEntry/NG-1");
  EXPECT_TRUE(advice.calls(1).triggers());
  EXPECT_FALSE(advice.calls(1).uncertain());
  EXPECT_EQ(advice.calls_unknown(), 3);
}

TEST(MeasuresTest, AHigherSecurityLevelLessensBoardingAndTransit) {
  v1::PortCall call = Call("NG", kCall, "NGLOS-0009");
  call.set_security_level(v1::SECURITY_LEVEL_2);
  const v1::MeasureAdvice advice = AdviseOn(Arriving({call}), {Nigeria()});
  EXPECT_THAT(Rules(advice), ElementsAre("COE-2", "COE-3", "COE-4", "COE-5", "EXPECT-1", "EXPECT-2", "EXPECT-3", "EXPECT-4", "EXPECT-5"));
  EXPECT_TRUE(MeasureOf(advice, "EXPECT-1").lessened());
  EXPECT_TRUE(MeasureOf(advice, "EXPECT-2").lessened());
  EXPECT_FALSE(MeasureOf(advice, "EXPECT-3").lessened());
  EXPECT_THAT(advice.calls(0).counted(), ElementsAre(v1::CALL_MEASURE_LEVEL_2_MEASURES));
  // One call at the higher level does not speak for another at level 1.
  const v1::MeasureAdvice two = AdviseOn(Arriving({call, Call("NG", kCall, "NGLOS-0009")}), {Nigeria()});
  EXPECT_FALSE(MeasureOf(two, "EXPECT-1").lessened());
  EXPECT_THAT(MeasureOf(two, "COE-1").calls(), ElementsAre(1));
}

TEST(MeasuresTest, WhatIsShownInFullWaivesGuardsAndThreatensNoDelay) {
  v1::PortCall call = Call("NG", kCall, "NGLOS-0009");
  call.set_security_level(v1::SECURITY_LEVEL_3);
  for (const auto measure : {v1::CALL_MEASURE_GUARDED_ACCESS, v1::CALL_MEASURE_DECLARATION_EXECUTED, v1::CALL_MEASURE_ACTIONS_LOGGED,
                             v1::CALL_MEASURE_ACTIONS_REPORTED}) {
    call.add_measures(measure);
  }
  const v1::MeasureAdvice advice = AdviseOn(Arriving({call}), {Nigeria()});
  EXPECT_THAT(Rules(advice), ElementsAre("EXPECT-1", "EXPECT-2", "EXPECT-3"));
  EXPECT_TRUE(MeasureOf(advice, "EXPECT-3").lessened());
}

struct Case {
  const char* what;
  v1::PortCall call;
  bool triggers;
  bool uncertain;
  const char* why;
};

TEST(MeasuresTest, WhatTriggersAndWhatDoesNot) {
  v1::PortCall no_time;
  no_time.set_country("countries/NG");
  no_time.set_facility_number("NGLOS-0009");
  v1::PortCall named = Call("NG", kCall);
  named.set_place("exempt terminal");
  const Case cases[] = {
      {"an exempt facility", Call("NG", kCall, "NGLOS-0001"), false, false, "Exempt Terminal is exempt"},
      {"an exempt facility by name", named, false, false, "Exempt Terminal is exempt"},
      {"before they applied", Call("NG", CivilDay(2014, 6, 25), "NGLOS-0009"), false, false, "did not apply on the day of the call"},
      {"the first day", Call("NG", CivilDay(2014, 6, 26), "NGLOS-0009"), true, false, "effective 2014-06-26"},
      {"no facility given", Call("NG", kCall), true, true, "may be one of those exempt"},
      {"no time given", no_time, true, true, "the day of the call is not given"},
      {"another country", Call("ES", kCall), false, false, "no conditions of entry are recorded"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    const v1::MeasureAdvice advice = AdviseOn(Arriving({c.call}), {Nigeria()});
    ASSERT_EQ(advice.calls_size(), 1);
    EXPECT_EQ(advice.calls(0).triggers(), c.triggers);
    EXPECT_EQ(advice.calls(0).uncertain(), c.uncertain);
    EXPECT_EQ(advice.conditions_apply(), c.triggers);
    EXPECT_THAT(advice.calls(0).explanation(), HasSubstr(c.why));
  }
}

TEST(MeasuresTest, OnlyTheLastFiveCallsCountAndLiftedConditionsDoNot) {
  std::vector<v1::PortCall> calls(5, Call("ES", CivilDay(2024, 3, 1)));
  calls.push_back(Call("NG", kCall, "NGLOS-0009"));
  EXPECT_FALSE(AdviseOn(Arriving(calls), {Nigeria()}).conditions_apply());
  calls.erase(calls.begin());
  EXPECT_TRUE(AdviseOn(Arriving(calls), {Nigeria()}).conditions_apply());
  EXPECT_EQ(AdviseOn(Arriving(calls), {Nigeria()}).calls_unknown(), 0);

  v1::ConditionOfEntry lifted = Nigeria();
  lifted.set_state(v1::CONDITION_STATE_LIFTED);
  *lifted.mutable_lifted_date() = records::DateOf(CivilDay(2024, 3, 10));
  const v1::MeasureAdvice advice = AdviseOn(Arriving(calls), {lifted});
  EXPECT_FALSE(advice.conditions_apply());
  EXPECT_THAT(advice.measures(), IsEmpty());
  EXPECT_THAT(advice.calls(4).explanation(), HasSubstr("do not apply on the day of arrival"));
  // The second time that they are imposed counts, whatever the order of the records.
  v1::ConditionOfEntry again = Nigeria();
  again.set_name("conditionsOfEntry/NG-2");
  EXPECT_EQ(AdviseOn(Arriving(calls), {lifted, again}).calls(4).condition(), "conditionsOfEntry/NG-2");
  EXPECT_EQ(AdviseOn(Arriving(calls), {again, lifted}).calls(4).condition(), "conditionsOfEntry/NG-2");
}

}  // namespace
}  // namespace fairlead::view
