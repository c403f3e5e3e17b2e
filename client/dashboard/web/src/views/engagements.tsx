// Engagements by state and region, and those of one state.

import { call } from "../api";
import { calendarDate, count, idOf, label, regionName } from "../format";
import { useLoaded } from "../load";
import type { Engagement, Overview } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import type { ViewProps } from "./registry";

const states = ["DRAFT", "PROPOSED", "SCHEDULED", "IN_PROGRESS", "COMPLETED", "REPORTED", "CLOSED", "CANCELLED", "REFUSED"].map((state) => `ENGAGEMENT_STATE_${state}`);
const shown = 200;

export function Engagements({ path }: ViewProps) {
  const overview = useLoaded(() => call<Overview>("OverviewService/GetOverview"), "overview", ["engagements"]);
  const state = states.find((each) => each === `ENGAGEMENT_STATE_${path}`);
  return (
    <>
      <Panel title="Engagements by state" note="Withdrawn ones are not counted.">
        <Shown loaded={overview}>{({ data }) => <ByState overview={data} />}</Shown>
      </Panel>
      {state && <OfState key={state} state={state} />}
    </>
  );
}

function ByState({ overview }: { overview: Overview }) {
  const regions = overview.regions.map((each) => each.region);
  const of = (region: string, state: string) =>
    overview.engagements.filter((each) => (!region || each.region === region) && each.state === state).reduce((sum, each) => sum + Number(each.count), 0);
  return (
    <Scroll label="Engagements by state">
      <table>
        <thead>
          <tr>
            <th scope="col">State</th>
            {regions.map((region) => (
              <th scope="col" class="number" key={region}>
                {regionName(region)}
              </th>
            ))}
            <th scope="col" class="number">All</th>
          </tr>
        </thead>
        <tbody>
          {states.map((state) => (
            <tr key={state}>
              <th scope="row">
                <a href={`#/work/engagements/${state.replace("ENGAGEMENT_STATE_", "")}`}>{label(state, "ENGAGEMENT_STATE")}</a>
              </th>
              {regions.map((region) => (
                <td class="number" key={region}>
                  {count(of(region, state))}
                </td>
              ))}
              <td class="number">{count(of("", state))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function OfState({ state }: { state: string }) {
  const list = useLoaded(
    () => call<{ engagements: Engagement[]; nextPageToken: string }>("EngagementService/ListEngagements", { state, pageSize: shown }),
    `engagements ${state}`,
    ["engagements"],
  );
  return (
    <Panel title={`Engagements: ${label(state, "ENGAGEMENT_STATE")}`}>
      <Shown loaded={list}>
        {({ data }) =>
          data.engagements.length === 0 ? (
            <Empty>None.</Empty>
          ) : (
            <Scroll label="Engagements" tall>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Title</th>
                    <th scope="col">Date</th>
                    <th scope="col">Kind</th>
                    <th scope="col">Region</th>
                    <th scope="col">Countries</th>
                  </tr>
                </thead>
                <tbody>
                  {data.engagements.map((each) => (
                    <tr key={each.name}>
                      <th scope="row" class="text">{each.title}</th>
                      <td class="time">{calendarDate(each.startDate)}</td>
                      <td>{label(each.kind, "ENGAGEMENT_KIND")}</td>
                      <td>{regionName(each.region)}</td>
                      <td>
                        {each.countries.map((country, i) => (
                          <span key={country}>
                            {i > 0 && ", "}
                            <a href={`#/world/${idOf(country)}`}>{idOf(country)}</a>
                          </span>
                        ))}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {data.nextPageToken && <p class="note">The first {count(shown)}.</p>}
            </Scroll>
          )
        }
      </Shown>
    </Panel>
  );
}
