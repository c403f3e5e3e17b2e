// Engagements by state and region, and those of one state.

import { call } from "../api";
import { engagementStates as states, sumOf } from "../figures";
import { count, label, regionName } from "../format";
import { useLoaded } from "../load";
import type { Engagement, Overview } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { Table } from "../parts/table";
import { useCountryNames } from "./countries";
import { engagementColumns } from "./listings";
import { AsOf, Count, useOverview } from "./overview";
import { regions } from "./regions";
import type { ViewProps } from "./registry";

const shown = 200;

export function Engagements({ path }: ViewProps) {
  const overview = useOverview(["ENGAGEMENTS"], ["engagements"]);
  const state = states.find((each) => each === `ENGAGEMENT_STATE_${path}`);
  return (
    <>
      <Panel title="Engagements by state" note={<AsOf overview={overview.data?.data} />}>
        <Shown loaded={overview}>{({ data }) => <ByState overview={data} />}</Shown>
        <p class="note">Withdrawn ones are not counted.</p>
      </Panel>
      {state && <OfState key={state} state={state} />}
    </>
  );
}

function ByState({ overview }: { overview: Overview }) {
  const of = (region: string, state: string) => {
    const counted = overview.engagements.filter((each) => (!region || each.region === region) && each.state === state);
    const what = `engagements, ${label(state, "ENGAGEMENT_STATE")}${region && `, ${regionName(region)}`}`;
    return <Count figure={sumOf(counted, region ? ["kind"] : ["kind", "region"])} what={what} site={overview.answeringSite} />;
  };
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
                  {of(region, state)}
                </td>
              ))}
              <td class="number">{of("", state)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function OfState({ state }: { state: string }) {
  const names = useCountryNames();
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
            <Table
              label="Engagements"
              columns={engagementColumns(names)}
              rows={data.engagements}
              keyOf={(each) => each.name}
              note={data.nextPageToken && `The first ${count(shown)}.`}
              tall
            />
          )
        }
      </Shown>
    </Panel>
  );
}
