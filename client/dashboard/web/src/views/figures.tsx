// The figures of the whole network, each a link to exactly the records that it counts.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { askedBy, cycleStatuses, engagementKinds, engagementStates, figureOf, inquiryStates, meanSeconds, severities, sumOf, visitPhases } from "../figures";
import { calendarDate, clock, count, idOf, label, percent, regionName, seconds, span } from "../format";
import { useNow } from "../live";
import { useKept } from "../load";
import type { Overview } from "../messages";
import { Choice, Empty, Panel, Shown } from "../parts/parts";
import { type Cell, keysOf, Pivot } from "../parts/pivot";
import { RecordName } from "../parts/record";
import { Table } from "../parts/table";
import { Behind } from "./behind";
import { CountryLink, CountryLinks, type CountryNames, useCountryNames } from "./countries";
import { Coverage, coverageRule } from "./coverage";
import { AsOf, Count, type Sum, Sums, useOverview } from "./overview";
import { type RegionChoice, RegionFilter, regions } from "./regions";
import type { ViewProps } from "./registry";
import { Trend } from "./trend";

const monthsBack = ["12", "36", "120"] as const;

export function Figures({ path }: ViewProps) {
  return path ? <Behind asked={askedBy(path)} /> : <All />;
}

interface PartProps {
  overview: Overview;
  names: CountryNames;
}

function All() {
  const [months, setMonths] = useState<(typeof monthsBack)[number]>("12");
  const [region, setRegion] = useState<RegionChoice>("all");
  const overview = useKept(useOverview([], [], Number(months)));
  const names = useCountryNames();
  return (
    <Shown loaded={overview}>
      {({ data }) => {
        const part = { overview: data, names };
        return (
          <div class="panels">
            <Sites overview={data} />
            <Panel title="Coverage by region" note={coverageRule}>
              <Coverage label="Coverage by region" of="Region" rows={data.coverageByRegion} site={data.answeringSite} />
            </Panel>
            <Panel title="Coverage by officer" note="Who covers them today; a country of two officers counts with each.">
              <Coverage label="Coverage by officer" of="Officer" rows={data.coverageByOfficer} site={data.answeringSite} />
            </Panel>
            <div class="bar wide">
              <RegionFilter name="figures-region" value={region} onChange={setRegion} />
              <Choice legend="Months back" name="figures-months" value={months} options={monthsBack.map((value) => ({ value, text: `${value} months` }))} onChange={setMonths} />
              <span class="note">of engagements and inquiries</span>
            </div>
            <Mix {...part} region={region} />
            <Panel title="Engagements by month" note="Neither cancelled nor refused; one that lasts counts in each of its months.">
              <Trend rows={data.months} region={region} back={Number(months)} today={data.asOfTime.slice(0, 10)} site={data.answeringSite} />
            </Panel>
            <HelpDesk {...part} region={region} />
            <Stages {...part} />
            <Assessments {...part} />
            <Findings {...part} />
            <Priorities {...part} />
            <Next {...part} />
            <Training {...part} />
            <State {...part} />
          </div>
        );
      }}
    </Shown>
  );
}

function Sites({ overview }: { overview: Overview }) {
  const now = useNow(1000);
  return (
    <Panel title="Sites" note={<AsOf overview={overview} />}>
      <Table
        label="Sites"
        rows={overview.sites}
        keyOf={(site) => site.site}
        columns={[
          { title: "Site", head: true, cell: (site) => site.site },
          { title: "As of", kind: "time", cell: (site) => clock(site.asOfTime, now) },
          {
            title: "Age",
            kind: "number",
            cell: (site) => (overview.unreachable.includes(site.site) ? <strong class="bad">out of date{site.lag && `, ${span(seconds(site.lag) ?? 0)}`}</strong> : span(seconds(site.lag) ?? 0)),
          },
          { title: "Entries", kind: "number", cell: (site) => count(site.entries) },
          { title: "Behind", kind: "number", cell: (site) => count(site.entriesBehind) },
          { title: "Records begun there", kind: "number", cell: (site) => count(site.records) },
          { title: "Conflicts in them", kind: "number", cell: (site) => count(site.conflicts) },
        ]}
      />
    </Panel>
  );
}

function Mix({ overview, region }: PartProps & { region: RegionChoice }) {
  const cells = overview.engagements
    .filter((each) => region === "all" || each.region === region)
    .map((each): Cell => ({ row: each.kind, column: each.state, figure: { count: each.count, records: each.records } }));
  const over = region === "all" ? ["region"] : [];
  return (
    <Panel title="Engagements by kind and state" note="Withdrawn ones are not counted.">
      {cells.length === 0 ? (
        <Empty>None is recorded.</Empty>
      ) : (
        <Pivot
          label="Engagements by kind and state"
          corner="Kind"
          cells={cells}
          rows={keysOf(cells.map((cell) => cell.row), engagementKinds, (key) => label(key, "ENGAGEMENT_KIND"))}
          columns={keysOf(cells.map((cell) => cell.column), engagementStates, (key) => label(key, "ENGAGEMENT_STATE"))}
          over={over}
          across={[...over, "state"]}
          show={(figure, what) => <Count figure={figure} what={`engagements, ${what}${region === "all" ? "" : `, ${regionName(region)}`}`} site={overview.answeringSite} />}
        />
      )}
    </Panel>
  );
}

// Countries of each region, by a status of theirs.
function ByRegion(props: { title: string; note: string; cells: Cell[]; columns: string[]; prefix: string; unset?: string; across: string; site: string; children?: ComponentChildren }) {
  const text = (key: string) => (key === `${props.prefix}_UNSPECIFIED` && props.unset ? props.unset : label(key, props.prefix));
  return (
    <Panel title={props.title} note={props.note}>
      {props.cells.length === 0 ? (
        <Empty>No country has been recorded.</Empty>
      ) : (
        <Pivot
          label={props.title}
          corner="Region"
          cells={props.cells}
          rows={keysOf(props.cells.map((cell) => cell.row), regions, regionName)}
          columns={keysOf(props.cells.map((cell) => cell.column), props.columns, text)}
          across={[props.across]}
          show={(figure, what) => <Count figure={figure} what={`countries: ${props.title.toLowerCase()}, ${what}`} site={props.site} />}
        />
      )}
      {props.children}
    </Panel>
  );
}

function Stages({ overview }: PartProps) {
  const cells = overview.stages.map((each) => ({ row: each.region, column: each.phase, figure: each.countries }));
  return <ByRegion title="Stage of the round of visits" note="Countries by the phase that they are in today." cells={cells} columns={visitPhases} prefix="VISIT_PHASE" unset="no round" across="phase" site={overview.answeringSite} />;
}

function Assessments({ overview }: PartProps) {
  const site = overview.answeringSite;
  const cells = overview.assessments.map((each) => ({ row: each.region, column: each.status, figure: each.countries }));
  return (
    <ByRegion title="Assessments" note="46 USC 70108(d): every three years; due within 180 days." cells={cells} columns={cycleStatuses} prefix="CYCLE_STATUS" across="status" site={site}>
      <Sums
        sums={[
          ["On an alternative basis (70108(f))", overview.assessmentsAlternative, "countries whose newest determination rests on an alternative basis"],
          ...overview.conditions.map((each): Sum => {
            const status = label(each.status, "CONDITION_STATUS");
            return [`Conditions of entry: ${status}`, each.conditions, `sets of conditions of entry, ${status}`];
          }),
        ]}
        site={site}
      />
    </ByRegion>
  );
}

function Findings({ overview }: PartProps) {
  const { findings } = overview;
  return (
    <Panel title="Observations and follow-ups" note="An observation is open while a follow-up of it is outstanding, and overdue once that is.">
      <Sums
        site={overview.answeringSite}
        sums={[
          ["Follow-ups outstanding", findings?.followUpsOpen, "follow-ups outstanding"],
          ["Follow-ups overdue", findings?.followUpsOverdue, "follow-ups overdue"],
          ["Of observations, outstanding", findings?.observationsOpen, "follow-ups of observations outstanding"],
          ["Of observations, overdue", findings?.observationsOverdue, "follow-ups of observations overdue"],
          ...keysOf((findings?.observations ?? []).map((each) => each.severity), severities, (key) => label(key, "SEVERITY")).map(({ key, text }): Sum => {
            const rows = findings?.observations.filter((each) => each.severity === key) ?? [];
            return [`Observations, ${text}`, sumOf(rows.map((each) => each.observations), []), `observations, ${text}`];
          }),
        ]}
      />
    </Panel>
  );
}

function Priorities({ overview, names }: PartProps) {
  const ranked = overview.priorities.filter((each) => each.rank > 0);
  return (
    <Panel title="To be visited first" note={<a href="#/priority">The whole order, and why</a>}>
      {ranked.length === 0 ? (
        <Empty>Nothing is known that would rank a country.</Empty>
      ) : (
        <Table
          label="To be visited first"
          rows={ranked}
          keyOf={(each) => each.country}
          columns={[
            { title: "Rank", kind: "number", cell: (each) => each.rank },
            { title: "Country", head: true, cell: (each) => <CountryLink country={each.country} names={names} /> },
            { title: "Score", kind: "number", cell: (each) => percent(each.scoreMillionths) },
            { title: "Weights with data", kind: "number", cell: (each) => `${percent(each.coverageMillionths)} %` },
            { title: "Factors", cell: (each) => <a href={`#/priority/${idOf(each.country)}`}>explained</a> },
          ]}
        />
      )}
      <Sums sums={[["Countries to which visits are offered", overview.eligibleCountries, "countries to which visits are offered"]]} site={overview.answeringSite} />
    </Panel>
  );
}

function Next({ overview, names }: PartProps) {
  return (
    <Panel title="Next in the calendar" note={<a href="#/work/calendar">The calendar</a>}>
      {overview.upcoming.length === 0 ? (
        <Empty>Nothing that begins today or later is planned.</Empty>
      ) : (
        <Table
          label="Next in the calendar"
          rows={overview.upcoming}
          keyOf={(each) => each.record}
          columns={[
            { title: "Begins", kind: "time", cell: (each) => calendarDate(each.startDate) },
            { title: "Title", kind: "text", head: true, cell: (each) => <RecordName name={each.record} text={each.title} /> },
            { title: "Kind", cell: (each) => label(each.kind, "ENGAGEMENT_KIND") },
            { title: "Countries", kind: "text", cell: (each) => <CountryLinks countries={each.countries} names={names} /> },
          ]}
        />
      )}
    </Panel>
  );
}

const everyMonth = "";

function HelpDesk({ overview, region }: PartProps & { region: RegionChoice }) {
  const rows = overview.inquiries.filter((each) => region === "all" || each.region === region);
  const cells = rows.map((each): Cell => ({ row: each.month, column: each.state, figure: each.inquiries }));
  const months = [...new Set(rows.map((each) => each.month))].sort().reverse();
  const over = region === "all" ? ["region", "unrouted"] : [];
  return (
    <Panel title="Help desk" note="Inquiries by the month in which they came; how long the answers took on average.">
      {rows.length === 0 ? (
        <Empty>No inquiry has come.</Empty>
      ) : (
        <Pivot
          label="Help desk"
          corner="Came"
          cells={cells}
          rows={[everyMonth, ...months.filter((month) => month !== everyMonth)].map((key) => ({ key, text: key || "ever" }))}
          columns={keysOf(cells.map((cell) => cell.column), inquiryStates, (key) => label(key, "INQUIRY_STATE"))}
          over={over}
          across={[...over, "state"]}
          show={(figure, what) => <Count figure={figure} what={`inquiries, ${what}${region === "all" ? "" : `, ${regionName(region)}`}`} site={overview.answeringSite} />}
          more={[
            {
              title: "Mean time",
              cell: (month) => {
                const mean = meanSeconds(rows.filter((each) => each.month === month));
                return mean === undefined ? "–" : span(mean);
              },
            },
          ]}
        />
      )}
    </Panel>
  );
}

function Training({ overview }: PartProps) {
  const site = overview.answeringSite;
  return (
    <Panel title="Training" note="Sessions, and the people who attended and completed them; requests of countries.">
      {overview.trainingSessions.length === 0 ? (
        <Empty>No session is recorded.</Empty>
      ) : (
        <Table
          label="Training sessions"
          rows={overview.trainingSessions}
          keyOf={(each) => each.state}
          columns={[
            { title: "Sessions", head: true, cell: (each) => label(each.state, "TRAINING_SESSION_STATE") },
            { title: "Number", kind: "number", cell: (each) => <Count figure={each.sessions} what={`training sessions, ${label(each.state, "TRAINING_SESSION_STATE")}`} site={site} /> },
            { title: "Attended", kind: "number", cell: (each) => count(each.attended) },
            { title: "Completed", kind: "number", cell: (each) => count(each.completed) },
          ]}
        />
      )}
      <Sums
        site={site}
        sums={overview.trainingRequests.map((each): Sum => {
          const state = label(each.state, "TRAINING_REQUEST_STATE");
          return [`Requests: ${state}`, each.requests, `training requests, ${state}`];
        })}
      />
    </Panel>
  );
}

function State({ overview }: PartProps) {
  const site = overview.answeringSite;
  const down = overview.links.filter((link) => !link.connected).map((link) => link.peer);
  // No filter asks for what is in no region.
  const ofRegion = (n: string, method: string, region: string) => (region === "REGION_UNSPECIFIED" ? { count: n } : figureOf(n, `ReferenceService/${method}`, { region }));
  return (
    <Panel title="State of the data" note={<a href="#/network">The network</a>}>
      <Sums
        site={site}
        sums={[
          ["Fields in conflict", overview.conflicts, "fields in conflict"],
          [`Entries that ${site} cannot fold`, overview.opaqueEntries, `entries that ${site} cannot fold`],
        ]}
      />
      <p>
        {site} hears {count(overview.links.length - down.length)} of {count(overview.links.length)} peers
        {down.length > 0 && <strong class="bad">; not {down.join(", ")}</strong>}.
      </p>
      <Table
        label="Registry"
        rows={overview.regions}
        keyOf={(each) => each.region}
        columns={[
          { title: "Region", head: true, cell: (each) => regionName(each.region) },
          { title: "Countries", kind: "number", cell: (each) => <Count figure={ofRegion(each.countries, "ListCountries", each.region)} what={`countries, ${regionName(each.region)}`} site={site} /> },
          { title: "Ports", kind: "number", cell: (each) => count(each.ports) },
          { title: "Facilities", kind: "number", cell: (each) => count(each.portFacilities) },
          { title: "Officers", kind: "number", cell: (each) => <Count figure={ofRegion(each.liaisonOfficers, "ListLiaisonOfficers", each.region)} what={`liaison officers, ${regionName(each.region)}`} site={site} /> },
        ]}
      />
    </Panel>
  );
}
