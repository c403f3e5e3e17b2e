// One country's story: who covers it, where it is in the round of visits, what was done and found there, what is due, why it has its
// priority, and how its record came to be.

import { call, listAll } from "../api";
import { calendarDate, count, dateOf, idOf, label, percent, regionName } from "../format";
import { useLoaded } from "../load";
import type { Coverage, Engagement, LiaisonOfficer, Observation, VisitPriorities, VisitStage } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";
import { CountryAssessments } from "./assessments";
import { FactorDetails } from "./factors";
import { Revisions } from "./revisions";

const engagementsShown = 100;
const observationsShown = 100;

export function CountryStory(props: { code: string; day: string; name: string; region: string; ports: number | undefined; onClose: () => void }) {
  const { day, name, region } = props;
  const country = `countries/${props.code}`;
  return (
    <Panel
      title={name}
      note={
        <>
          {props.code} · region {regionName(region || "REGION_UNSPECIFIED")}
          {props.ports !== undefined && ` · ${count(props.ports)} ports`} · as of {day}{" "}
          <button type="button" class="link" onClick={props.onClose}>
            Close
          </button>
        </>
      }
    >
      <h3>Liaison officers</h3>
      <Officers country={country} day={day} />
      <h3>Round of visits</h3>
      <Stage country={country} day={day} />
      <CountryAssessments country={country} day={day} />
      <h3>Engagements</h3>
      <Engagements country={country} name={name} />
      <h3>Observations</h3>
      <Observations country={country} name={name} />
      {region && (
        <>
          <h3>Priority of a visit</h3>
          <Explained country={country} region={region} day={day} />
        </>
      )}
      <h3>Revisions of the country’s record</h3>
      <Revisions record={country} />
    </Panel>
  );
}

function Officers({ country, day }: { country: string; day: string }) {
  const coverage = useLoaded(() => call<{ coverage: Coverage[] }>("PortfolioService/ListCoverage", { country, asOf: dateOf(day) }), `coverage ${country} ${day}`, ["assignments", "liaisonOfficers"]);
  const officers = useLoaded(() => listAll<LiaisonOfficer>("ReferenceService/ListLiaisonOfficers", "liaisonOfficers"), "officers", ["liaisonOfficers"]);
  const named = new Map(officers.data?.records.map((officer) => [officer.name, officer.displayName]));
  return (
    <Shown loaded={coverage}>
      {({ data }) => {
        const covered = data.coverage.filter((each) => each.officer);
        if (covered.length === 0) return <Empty>Nobody covers this country.</Empty>;
        return (
          <ul class="plain">
            {covered.map((each) => (
              <li key={`${each.officer} ${each.duty}`}>
                <RecordName name={each.officer} text={named.get(each.officer) ?? idOf(each.officer)} />{" "}
                <span class="note">
                  {label(each.duty, "ASSIGNMENT_DUTY")}, {each.since ? `since ${calendarDate(each.since)}` : "since when is not recorded"}
                  {each.until && ` until ${calendarDate(each.until)}`}
                </span>
              </li>
            ))}
          </ul>
        );
      }}
    </Shown>
  );
}

function Stage({ country, day }: { country: string; day: string }) {
  const stages = useLoaded(() => call<{ stages: VisitStage[] }>("VisitService/ListVisitStages", { country, asOf: dateOf(day) }), `stage ${country} ${day}`, ["visitCycles"]);
  return (
    <Shown loaded={stages}>
      {({ data }) => {
        const stage = data.stages[0];
        if (!stage?.visitCycle) return <Empty>No round of visits is recorded.</Empty>;
        return (
          <p>
            <RecordName name={stage.visitCycle} text={label(stage.phase, "VISIT_PHASE")} /> since {calendarDate(stage.since)} ({count(stage.days)} days)
            {stage.officer && `, led by ${idOf(stage.officer)}`}
          </p>
        );
      }}
    </Shown>
  );
}

function Engagements({ country, name }: { country: string; name: string }) {
  const engagements = useLoaded(
    () => call<{ engagements: Engagement[]; nextPageToken: string }>("EngagementService/ListEngagements", { country, pageSize: engagementsShown }),
    `engagements ${country}`,
    ["engagements"],
  );
  return (
    <Shown loaded={engagements}>
      {({ data }) =>
        data.engagements.length === 0 ? (
          <Empty>None is recorded.</Empty>
        ) : (
          <Scroll label={`Engagements of ${name}`} tall>
            <table>
              <thead>
                <tr>
                  <th scope="col">Date</th>
                  <th scope="col">Kind</th>
                  <th scope="col">State</th>
                  <th scope="col">Title</th>
                </tr>
              </thead>
              <tbody>
                {data.engagements.map((each) => (
                  <tr key={each.name}>
                    <td class="time">{calendarDate(each.startDate)}</td>
                    <td>{label(each.kind, "ENGAGEMENT_KIND")}</td>
                    <td>{label(each.state, "ENGAGEMENT_STATE")}</td>
                    <td class="text">
                      <RecordName name={each.name} text={each.title} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {data.nextPageToken && <p class="note">The first {count(engagementsShown)}.</p>}
          </Scroll>
        )
      }
    </Shown>
  );
}

function Observations({ country, name }: { country: string; name: string }) {
  const observations = useLoaded(
    () => call<{ observations: Observation[]; nextPageToken: string }>("EngagementService/ListObservations", { parent: "engagements/-", country, pageSize: observationsShown }),
    `observations ${country}`,
    ["observations"],
  );
  return (
    <Shown loaded={observations}>
      {({ data }) =>
        data.observations.length === 0 ? (
          <Empty>None is recorded.</Empty>
        ) : (
          <Scroll label={`Observations of ${name}`} tall>
            <table>
              <thead>
                <tr>
                  <th scope="col">Severity</th>
                  <th scope="col">Element</th>
                  <th scope="col">Reference</th>
                  <th scope="col">Observation</th>
                </tr>
              </thead>
              <tbody>
                {data.observations.map((each) => (
                  <tr key={each.name}>
                    <td>{label(each.severity, "SEVERITY")}</td>
                    <td>{label(each.element, "ASSESSMENT_ELEMENT")}</td>
                    <td>{each.ispsReference}</td>
                    <td class="text">
                      <RecordName name={each.name} text={each.text} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {data.nextPageToken && <p class="note">The first {count(observationsShown)}.</p>}
          </Scroll>
        )
      }
    </Shown>
  );
}

function Explained({ country, region, day }: { country: string; region: string; day: string }) {
  const priorities = useLoaded(() => call<VisitPriorities>("PriorityService/ListVisitPriorities", { region, asOf: dateOf(day) }), `priority ${region} ${day}`, "never");
  return (
    <Shown loaded={priorities}>
      {({ data }) => {
        const own = data.priorities.find((each) => each.country === country);
        if (!own || own.rank === 0) return <Empty>Nothing is known that would give it a rank.</Empty>;
        return (
          <>
            <p>
              Rank <strong>{own.rank}</strong> of all countries, score {percent(own.scoreMillionths)} of 100 on {percent(own.coverageMillionths)} % of the weights.{" "}
              <a href={`#/priority/${idOf(country)}`}>The whole order</a>
            </p>
            <p class="remark">{data.dataNote}</p>
            <FactorDetails priority={own} />
          </>
        );
      }}
    </Shown>
  );
}
