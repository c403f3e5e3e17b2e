// What should have happened by now: follow-ups, assessments, and the conditions of entry that stand.

import { useState } from "preact/hooks";
import { call, listAll } from "../api";
import { calendarDate, count } from "../format";
import { type Loaded, useLoaded } from "../load";
import type { AssessmentStanding, CalendarDate, ConditionStanding, OverdueFollowUp } from "../messages";
import { Empty, Panel, Shown } from "../parts/parts";
import { Table } from "../parts/table";
import { type CountryNames, useCountryNames } from "./countries";
import { assessmentColumns, conditionColumns, overdueColumns } from "./listings";
import { type RegionChoice, RegionFilter, regionRequest } from "./regions";

const followUpsMax = 1_000;

export function Overdue() {
  const [region, setRegion] = useState<RegionChoice>("all");
  const names = useCountryNames();
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

function FollowUps({ followUps, more, names }: { followUps: OverdueFollowUp[]; more: boolean; names: CountryNames }) {
  if (followUps.length === 0) return <Empty>No follow-up is overdue.</Empty>;
  return (
    <Table
      label="Follow-ups overdue"
      columns={overdueColumns(names)}
      rows={followUps}
      keyOf={(each) => each.followUp}
      note={more && `The first ${count(followUps.length)}.`}
      tall
    />
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
          return <Table label={props.title} columns={assessmentColumns(props.names)} rows={listed} keyOf={(each) => each.country} tall />;
        }}
      </Shown>
    </Panel>
  );
}

function Conditions({ standings, names }: { standings: ConditionStanding[]; names: CountryNames }) {
  if (standings.length === 0) return <Empty>None applies.</Empty>;
  return <Table label="Conditions of entry" columns={conditionColumns(names)} rows={standings} keyOf={(each) => each.condition?.name ?? each.country} />;
}
