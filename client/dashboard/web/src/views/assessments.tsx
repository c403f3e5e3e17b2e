// A country's assessments and conditions of entry, and how it stands by them on a day.

import { call } from "../api";
import { calendarDate, count, dateOf, label } from "../format";
import { useLoaded } from "../load";
import type { AnyRecord, Assessment, AssessmentStanding, ConditionStanding } from "../messages";
import { Empty, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";

const listed = 100;

const cycleText: Record<string, string> = {
  CYCLE_STATUS_CURRENT: "assessed, and not due soon",
  CYCLE_STATUS_DUE: "due soon",
  CYCLE_STATUS_OVERDUE: "overdue",
  CYCLE_STATUS_NEVER: "no determination is recorded",
};

export function CountryAssessments({ country, day }: { country: string; day: string }) {
  const standings = useLoaded(
    () => call<{ standings: AssessmentStanding[] }>("AssessmentService/ListAssessmentStandings", { asOf: dateOf(day) }),
    `standings ${day}`,
    ["assessments"],
  );
  const assessments = useLoaded(
    () => call<{ assessments: Assessment[]; nextPageToken: string }>("AssessmentService/ListAssessments", { country, pageSize: listed }),
    `assessments ${country}`,
    ["assessments"],
  );
  const inForce = useLoaded(
    () => call<{ standings: ConditionStanding[] }>("AssessmentService/ListConditionsInForce", { country, asOf: dateOf(day) }),
    `conditions in force ${country} ${day}`,
    ["conditionsOfEntry"],
  );
  const conditions = useLoaded(
    () => call<{ conditionsOfEntry: (AnyRecord & { state: string })[]; nextPageToken: string }>("AssessmentService/ListConditionsOfEntry", { country, pageSize: listed }),
    `conditions ${country}`,
    ["conditionsOfEntry"],
  );
  return (
    <>
      <h3>Assessments</h3>
      <Shown loaded={standings}>
        {({ data }) => {
          const own = data.standings.find((each) => each.country === country);
          if (!own) return <Empty>It is not in the cycle of assessments.</Empty>;
          return (
            <p>
              On {day}: {cycleText[own.status] ?? own.status}
              {own.dueDate && `; due ${calendarDate(own.dueDate)} (${own.daysLeft < 0 ? `${count(-own.daysLeft)} days ago` : `in ${count(own.daysLeft)} days`})`}.
              {own.assessment && own.missingElements.length > 0 && (
                <span class="note"> No finding on: {own.missingElements.map((each) => label(each, "ASSESSMENT_ELEMENT")).join(", ")}.</span>
              )}
            </p>
          );
        }}
      </Shown>
      <Shown loaded={assessments}>
        {({ data }) =>
          data.assessments.length === 0 ? (
            <Empty>None is recorded.</Empty>
          ) : (
            <Scroll label="Assessments">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Determined</th>
                    <th scope="col">Determination</th>
                    <th scope="col">State</th>
                    <th scope="col">Assessment</th>
                  </tr>
                </thead>
                <tbody>
                  {data.assessments.map((each) => (
                    <tr key={each.name}>
                      <td class="time">{calendarDate(each.determinationDate)}</td>
                      <td>{each.determination === "DETERMINATION_UNSPECIFIED" ? "–" : label(each.determination, "DETERMINATION")}</td>
                      <td>{label(each.state, "ASSESSMENT_STATE")}</td>
                      <td class="text">
                        <RecordName name={each.name} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {data.nextPageToken && <p class="note">The first {count(listed)}.</p>}
            </Scroll>
          )
        }
      </Shown>
      <h3>Conditions of entry</h3>
      <Shown loaded={inForce}>
        {({ data }) =>
          data.standings.length === 0 ? (
            <p>None applies on {day}.</p>
          ) : (
            <ul class="plain">
              {data.standings.map((each) => (
                <li key={each.condition?.name}>
                  <strong class={each.status === "CONDITION_STATUS_IN_FORCE" ? "bad" : ""}>{label(each.status, "CONDITION_STATUS")}</strong> on {day}. {each.explanation}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      <Shown loaded={conditions}>
        {({ data }) => (
          <ul class="plain">
            {data.conditionsOfEntry.map((each) => (
              <li key={each.name}>
                <RecordName name={each.name} /> <span class="note">{label(each.state, "CONDITION_STATE")}</span>
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </>
  );
}
