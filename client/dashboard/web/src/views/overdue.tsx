// What should have happened by now: follow-ups, assessments, and the conditions of entry that stand.

import { useState } from "preact/hooks";
import { call, listAll } from "../api";
import { calendarDate, count, idOf, label } from "../format";
import { type Loaded, useLoaded } from "../load";
import type { AssessmentStanding, CalendarDate, ConditionStanding, Country, OverdueFollowUp } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";
import { type RegionChoice, RegionFilter, regionRequest } from "./regions";

const followUpsMax = 1_000;

interface CountryNames {
  of: (country: string) => string;
  region: (country: string) => string | undefined;
}

export function Overdue() {
  const [region, setRegion] = useState<RegionChoice>("all");
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
  const followUps = useLoaded(
    () => listAll<OverdueFollowUp>("EngagementService/ListOverdueFollowUps", "followUps", regionRequest(region), followUpsMax),
    `overdue ${region}`,
    ["followUps", "engagements"],
  );
  const standings = useLoaded(
    () => call<{ standings: AssessmentStanding[]; asOf?: CalendarDate }>("AssessmentService/ListAssessmentStandings", regionRequest(region)),
    `standings ${region}`,
    ["assessments", "countries"],
  );
  const conditions = useLoaded(() => call<{ standings: ConditionStanding[]; asOf?: CalendarDate }>("AssessmentService/ListConditionsInForce"), "conditions", ["conditionsOfEntry"]);
  const known = new Map(countries.data?.records.map((country) => [country.name, country]));
  const names: CountryNames = { of: (country) => known.get(country)?.displayName ?? idOf(country), region: (country) => known.get(country)?.region };
  return (
    <>
      <div class="bar">
        <RegionFilter name="overdue-region" value={region} onChange={setRegion} />
      </div>
      <Panel title="Follow-ups overdue" note="Due before today and not verified; what is done awaits its verification.">
        <Shown loaded={followUps}>{({ records, more }) => <FollowUps followUps={records} more={more} names={names} />}</Shown>
      </Panel>
      <Assessments title="Assessments overdue" status="CYCLE_STATUS_OVERDUE" none="No country is past its due date." standings={standings} names={names} />
      <Assessments title="Assessments due" status="CYCLE_STATUS_DUE" none="No country is due within 180 days." standings={standings} names={names} />
      <Panel title="Conditions of entry" note="Those that apply today, and those of which the records do not say whether they do.">
        <Shown loaded={conditions}>
          {({ data }) => <Conditions standings={data.standings.filter((each) => region === "all" || names.region(each.country) === region)} names={names} />}
        </Shown>
      </Panel>
    </>
  );
}

function CountryLink({ country, names }: { country: string; names: CountryNames }) {
  return <a href={`#/world/${idOf(country)}`}>{names.of(country)}</a>;
}

function FollowUps({ followUps, more, names }: { followUps: OverdueFollowUp[]; more: boolean; names: CountryNames }) {
  if (followUps.length === 0) return <Empty>No follow-up is overdue.</Empty>;
  return (
    <Scroll label="Follow-ups overdue" tall>
      <table>
        <thead>
          <tr>
            <th scope="col">Due</th>
            <th scope="col" class="number">
              Days over
            </th>
            <th scope="col">Task</th>
            <th scope="col">State</th>
            <th scope="col">Owner</th>
            <th scope="col">Countries</th>
          </tr>
        </thead>
        <tbody>
          {followUps.map((each) => (
            <tr key={each.followUp}>
              <td class="time">{calendarDate(each.dueDate)}</td>
              <td class="number">{count(each.daysOverdue)}</td>
              <th scope="row" class="text">
                <RecordName name={each.followUp} text={each.task} />
              </th>
              <td>{label(each.state, "FOLLOW_UP_STATE")}</td>
              <td>{idOf(each.owner)}</td>
              <td class="text">
                {each.countries.map((country, i) => (
                  <span key={country}>
                    {i > 0 && ", "}
                    <CountryLink country={country} names={names} />
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {more && <p class="note">The first {count(followUps.length)}.</p>}
    </Scroll>
  );
}

function Assessments(props: { title: string; status: string; none: string; standings: Loaded<{ data: { standings: AssessmentStanding[]; asOf?: CalendarDate } }>; names: CountryNames }) {
  const asOf = props.standings.data?.data.asOf;
  return (
    <Panel title={props.title} note={asOf ? `46 USC 70108(d): every three years. As of ${calendarDate(asOf)}.` : undefined}>
      <Shown loaded={props.standings}>
        {({ data }) => {
          const listed = data.standings.filter((each) => each.status === props.status);
          if (listed.length === 0) return <Empty>{props.none}</Empty>;
          return (
            <Scroll label={props.title} tall>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Due</th>
                    <th scope="col" class="number">
                      Days left
                    </th>
                    <th scope="col">Country</th>
                    <th scope="col">Determined</th>
                    <th scope="col">Determination</th>
                    <th scope="col">Basis</th>
                    <th scope="col">Assessment</th>
                  </tr>
                </thead>
                <tbody>
                  {listed.map((each) => (
                    <tr key={each.country}>
                      <td class="time">{calendarDate(each.dueDate)}</td>
                      <td class="number">{count(each.daysLeft)}</td>
                      <th scope="row">
                        <CountryLink country={each.country} names={props.names} />
                      </th>
                      <td class="time">{calendarDate(each.determinationDate)}</td>
                      <td>{label(each.determination, "DETERMINATION")}</td>
                      <td>{label(each.basis, "ASSESSMENT_BASIS")}</td>
                      <td>
                        <RecordName name={each.assessment} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          );
        }}
      </Shown>
    </Panel>
  );
}

function Conditions({ standings, names }: { standings: ConditionStanding[]; names: CountryNames }) {
  if (standings.length === 0) return <Empty>None applies.</Empty>;
  return (
    <Scroll label="Conditions of entry" tall>
      <table>
        <thead>
          <tr>
            <th scope="col">Country</th>
            <th scope="col">Status</th>
            <th scope="col">Record</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {standings.map((each) => (
            <tr key={each.condition?.name}>
              <th scope="row">
                <CountryLink country={each.country} names={names} />
              </th>
              <td>{label(each.status, "CONDITION_STATUS")}</td>
              <td>{each.condition && <RecordName name={each.condition.name} />}</td>
              <td class="text">{each.explanation}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
