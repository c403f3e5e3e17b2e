// The world as the answering node knows it: standing of each country, by region; one country's story.

import { useMemo, useState } from "preact/hooks";
import { listAll } from "../api";
import { calendarDate, clock, count, idOf, regionName, seconds, span } from "../format";
import { useNow } from "../live";
import { useLoaded, useSettled } from "../load";
import type { Overview, Port } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { type Standing, standings, standingText } from "../standing";
import { AsOfSlider } from "./asof";
import { CountryStory } from "./country";
import { type Place, readAtlas, WorldMap } from "./map";
import { type RegionChoice, RegionFilter } from "./regions";
import type { ViewProps } from "./registry";
import { type Row, useWorld, type World as WorldRead } from "./standings";

export function World({ path }: ViewProps) {
  const today = new Date().toISOString().slice(0, 10);
  const [region, setRegion] = useState<RegionChoice>("all");
  const [past, setPast] = useState<string>();
  const [showPorts, setShowPorts] = useState(false);
  const day = useSettled(past) ?? today;
  const world = useWorld(day, today);
  const { rows, overview } = world;
  const atlas = useLoaded(readAtlas, "atlas", "never");
  const ports = useLoaded(
    () => (showPorts ? listAll<Port>("ReferenceService/ListPorts", "ports") : Promise.resolve({ records: [], more: false })),
    showPorts ? "ports" : "none",
    "never",
  );
  const selected = path.toUpperCase();
  const select = (code: string) => {
    location.hash = code ? `#/world/${code}` : "#/world";
  };
  const places = useMemo(
    () =>
      new Map<string, Place>(
        rows.map((row) => [
          row.numeric,
          { code: row.code, name: `${row.name}: ${standingText[row.standing]}`, region: row.region, standing: row.standing, dimmed: region !== "all" && row.region !== region },
        ]),
      ),
    [rows, region],
  );
  const points = useMemo(
    () =>
      (ports.data?.records ?? []).flatMap((port): [number, number][] =>
        port.position && (!selected || idOf(port.country) === selected) ? [[port.position.longitude, port.position.latitude]] : [],
      ),
    [ports.data, selected],
  );
  const chosen = rows.find((row) => row.code === selected);
  const within = rows.filter((row) => region === "all" || row.region === region);
  const shownDay = world.onDay.data?.day;

  return (
    <>
      <div class="bar">
        <RegionFilter name="region" value={region} onChange={setRegion} />
        <label class="check">
          <input type="checkbox" checked={showPorts} onChange={(event) => setShowPorts(event.currentTarget.checked)} />
          <span>Ports{showPorts && ports.data ? ` (${count(points.length)})` : ""}</span>
        </label>
        <AsOfSlider today={today} onChange={setPast} />
      </div>
      <div class={selected ? "split told" : "split"}>
        <Panel title={shownDay && shownDay !== today ? `Standing on ${shownDay}` : "Standing"} note={<AsOf overview={overview.data?.data} />}>
          <Legend rows={within} />
          {shownDay !== undefined && shownDay !== today && <Past world={world} />}
          <Shown loaded={world.onDay}>
            {() => <Shown loaded={atlas}>{(read) => <WorldMap atlas={read} places={places} selected={selected} ports={points} onSelect={select} />}</Shown>}
          </Shown>
          {showPorts && <Shown loaded={ports}>{() => <></>}</Shown>}
        </Panel>
        {selected ? (
          <CountryStory code={selected} day={day} name={chosen?.name ?? selected} region={chosen?.region ?? ""} ports={chosen?.ports} onClose={() => select("")} />
        ) : (
          <Panel title="Regions" note="Of today. Engaged: at least one engagement that was neither cancelled nor refused.">
            <Shown loaded={overview}>{(answer) => <Regions overview={answer.data} />}</Shown>
          </Panel>
        )}
      </div>
      <Countries world={world} rows={within} selected={selected} />
    </>
  );
}

function Legend({ rows }: { rows: Row[] }) {
  const counts = new Map<Standing, number>();
  for (const row of rows) counts.set(row.standing, (counts.get(row.standing) ?? 0) + 1);
  return (
    <ul class="legend" aria-label="Legend">
      {standings.map((standing) => (
        <li key={standing} class={standing}>
          {standingText[standing]} <span class="number">{count(counts.get(standing))}</span>
        </li>
      ))}
      <li class="boundary">region boundary</li>
    </ul>
  );
}

// What a day in the past can honestly show.
function Past({ world }: { world: WorldRead }) {
  return (
    <>
      <p class="note">
        By what is recorded now of assessments, conditions of entry and engagements up to that day: it may not have been known then.
        {world.engagements.data?.more && <strong class="bad"> There are too many engagements to count them by day here: “engaged” stands for a current assessment only.</strong>}
      </p>
      <Shown loaded={world.engagements}>{() => <></>}</Shown>
    </>
  );
}

function Countries({ world, rows, selected }: { world: WorldRead; rows: Row[]; selected: string }) {
  const [filter, setFilter] = useState("");
  const [standing, setStanding] = useState<Standing | "all">("all");
  const wanted = filter.trim().toLowerCase();
  const listed = rows.filter((row) => (standing === "all" || row.standing === standing) && (!wanted || row.name.toLowerCase().includes(wanted) || row.code.toLowerCase() === wanted));
  return (
    <Panel title="Countries" note={`${count(listed.length)} of ${count(world.rows.length)}`}>
      <div class="bar filters">
        <label class="search">
          <span>Find a country</span>
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        <label class="search">
          <span>Standing</span>
          <select value={standing} onChange={(event) => setStanding(event.currentTarget.value as Standing | "all")}>
            <option value="all">all</option>
            {standings.map((each) => (
              <option key={each} value={each}>
                {standingText[each]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Shown loaded={world.countries}>
        {({ records }) =>
          listed.length === 0 ? (
            <Empty>{records.length === 0 ? "No country has been recorded." : world.rows.length === 0 ? "Their standing is not known yet." : "No country matches."}</Empty>
          ) : (
            <Scroll label="Countries" tall>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Country</th>
                    <th scope="col">Code</th>
                    <th scope="col">Region</th>
                    <th scope="col">Standing</th>
                    <th scope="col">Assessment due</th>
                    <th scope="col" class="number">Engagements</th>
                    <th scope="col" class="number">Ports</th>
                  </tr>
                </thead>
                <tbody>
                  {listed.map((row) => (
                    <tr key={row.code} class={row.code === selected ? "selected" : ""}>
                      <th scope="row">
                        <a href={`#/world/${row.code}`}>{row.name}</a>
                      </th>
                      <td>{row.code}</td>
                      <td>{regionName(row.region)}</td>
                      <td>
                        <span class={`standing ${row.standing}`}>{standingText[row.standing]}</span>
                        {row.conditionsUnknown && row.standing !== "conditions" && <span class="tag">conditions of entry: not known whether</span>}
                      </td>
                      <td class="time">{calendarDate(row.dueDate)}</td>
                      <td class="number">{row.engagements === undefined ? "not counted" : count(row.engagements)}</td>
                      <td class="number">{count(row.ports)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )
        }
      </Shown>
    </Panel>
  );
}

// True as of when, and who has not been heard: a silent site is named, never left out.
function AsOf({ overview }: { overview: Overview | undefined }) {
  const now = useNow(1000);
  if (!overview) return <>–</>;
  const lag = Math.max(0, ...overview.sites.map((site) => seconds(site.lag) ?? 0));
  return (
    <>
      as {overview.answeringSite} knows it at {clock(overview.asOfTime, now)}; the oldest site’s figures were {span(lag)} old
      {overview.unreachable.length > 0 && <strong class="bad"> · out of date: {overview.unreachable.join(", ")}</strong>}
    </>
  );
}

function Regions({ overview }: { overview: Overview }) {
  return (
    <Scroll label="Regions">
      <table>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col" class="number">Countries</th>
            <th scope="col" class="number">Engaged</th>
            <th scope="col" class="number">%</th>
            <th scope="col" class="number">Ports</th>
            <th scope="col" class="number">Officers</th>
          </tr>
        </thead>
        <tbody>
          {overview.regions.map((each) => (
            <tr key={each.region}>
              <th scope="row">{regionName(each.region)}</th>
              <td class="number">{count(each.countries)}</td>
              <td class="number">{count(each.countriesEngaged)}</td>
              <td class="number">{Number(each.countries) > 0 ? Math.round((100 * Number(each.countriesEngaged)) / Number(each.countries)) : "–"}</td>
              <td class="number">{count(each.ports)}</td>
              <td class="number">{count(each.liaisonOfficers)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl class="figures">
        <dt>Observations</dt>
        <dd>{count(overview.observations)}</dd>
        <dt>Follow-ups open</dt>
        <dd>{count(overview.followUpsOpen)}</dd>
        <dt>of those overdue</dt>
        <dd>{count(overview.followUpsOverdue)}</dd>
      </dl>
    </Scroll>
  );
}
