// The world as the answering node knows it: standing of each country, by region; one country's story.

import { useMemo, useState } from "preact/hooks";
import { listAll } from "../api";
import { figureOf, sumOf } from "../figures";
import { calendarDate, count, idOf, regionName } from "../format";
import { useLoaded, useSettled } from "../load";
import type { Overview, Port } from "../messages";
import { Choice, Empty, Panel, Shown } from "../parts/parts";
import { Table } from "../parts/table";
import { type Measure, type Standing, standings, standingTexts } from "../standing";
import { AsOfSlider } from "./asof";
import { CountryStory } from "./country";
import { Coverage, coverageRule } from "./coverage";
import { type Place, readAtlas, WorldMap } from "./map";
import { AsOf, Count, Sums } from "./overview";
import { type RegionChoice, RegionFilter } from "./regions";
import type { ViewProps } from "./registry";
import { type Row, useWorld, type World as WorldRead } from "./standings";

type Texts = Record<Standing, string>;

export function World({ path }: ViewProps) {
  const today = new Date().toISOString().slice(0, 10);
  const [region, setRegion] = useState<RegionChoice>("all");
  const [measure, setMeasure] = useState<Measure>("engagement");
  const [past, setPast] = useState<string>();
  const [showPorts, setShowPorts] = useState(false);
  const day = useSettled(past) ?? today;
  const world = useWorld(day, today, measure);
  const texts = standingTexts[measure];
  const { rows, overview } = world;
  const atlas = useLoaded(readAtlas, "atlas", "never");
  const ports = useLoaded(
    () => (showPorts ? listAll<Port>("ReferenceService/ListPorts", "ports") : Promise.resolve({ records: [], more: false, site: "" })),
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
          { code: row.code, name: `${row.name}: ${texts[row.standing]}`, region: row.region, standing: row.standing, dimmed: region !== "all" && row.region !== region },
        ]),
      ),
    [rows, region, texts],
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
        <Choice<Measure>
          legend="Measured by"
          name="measure"
          value={measure}
          options={[
            { value: "engagement", text: "Engagements" },
            { value: "assessment", text: "Assessments" },
          ]}
          onChange={setMeasure}
        />
        <label class="check">
          <input type="checkbox" checked={showPorts} onChange={(event) => setShowPorts(event.currentTarget.checked)} />
          <span>Ports{showPorts && ports.data ? ` (${count(points.length)})` : ""}</span>
        </label>
        <AsOfSlider today={today} onChange={setPast} />
      </div>
      <div class={selected ? "split told" : "split"}>
        <Panel title={shownDay && shownDay !== today ? `Standing on ${shownDay}` : "Standing"} note={<AsOf overview={overview.data?.data} />}>
          <Legend rows={within} texts={texts} />
          {shownDay !== undefined && shownDay !== today && <p class="note">By what is recorded now of that day: it may not have been known then. The numbers of engagements and ports are today’s.</p>}
          <Shown loaded={world.onDay}>
            {() => <Shown loaded={atlas}>{(read) => <WorldMap atlas={read} places={places} selected={selected} ports={points} onSelect={select} />}</Shown>}
          </Shown>
          {showPorts && <Shown loaded={ports}>{() => <></>}</Shown>}
        </Panel>
        {selected ? (
          <CountryStory code={selected} day={day} name={chosen?.name ?? selected} region={chosen?.region ?? ""} ports={chosen?.ports} onClose={() => select("")} />
        ) : (
          <Panel title="Regions today" note={coverageRule}>
            <Shown loaded={overview}>{(answer) => <Regions overview={answer.data} />}</Shown>
          </Panel>
        )}
      </div>
      <Countries world={world} rows={within} texts={texts} selected={selected} />
    </>
  );
}

function Legend({ rows, texts }: { rows: Row[]; texts: Texts }) {
  const counts = new Map<Standing, number>();
  for (const row of rows) counts.set(row.standing, (counts.get(row.standing) ?? 0) + 1);
  return (
    <ul class="legend" aria-label="Legend">
      {standings.map((standing) => (
        <li key={standing} class={standing}>
          {texts[standing]} <span class="number">{count(counts.get(standing))}</span>
        </li>
      ))}
      <li class="boundary">region boundary</li>
    </ul>
  );
}

function Countries({ world, rows, texts, selected }: { world: WorldRead; rows: Row[]; texts: Texts; selected: string }) {
  const [filter, setFilter] = useState("");
  const [standing, setStanding] = useState<Standing | "all">("all");
  const wanted = filter.trim().toLowerCase();
  const site = world.overview.data?.data.answeringSite ?? "";
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
                {texts[each]}
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
            <Table
              label="Countries"
              rows={listed}
              keyOf={(row) => row.code}
              selected={selected}
              tall
              columns={[
                { title: "Country", head: true, cell: (row) => <a href={`#/world/${row.code}`}>{row.name}</a> },
                { title: "Code", cell: (row) => row.code },
                { title: "Region", cell: (row) => regionName(row.region) },
                {
                  title: "Standing",
                  cell: (row) => (
                    <>
                      <span class={`standing ${row.standing}`}>{texts[row.standing]}</span>
                      {row.conditionsUnknown && <span class="tag">conditions of entry: not known whether</span>}
                    </>
                  ),
                },
                { title: "Last engaged", kind: "time", cell: (row) => calendarDate(row.lastEngaged) },
                { title: "Assessment due", kind: "time", cell: (row) => calendarDate(row.assessmentDue) },
                { title: "Engagements", kind: "number", cell: (row) => <Count figure={figureOf(row.engagements, "EngagementService/ListEngagements", { country: `countries/${row.code}`, active: true })} what={`engagements neither cancelled nor refused, ${row.code}`} site={site} /> },
                { title: "Ports", kind: "number", cell: (row) => <Count figure={figureOf(row.ports, "ReferenceService/ListPorts", { country: `countries/${row.code}` })} what={`ports, ${row.code}`} site={site} /> },
              ]}
            />
          )
        }
      </Shown>
    </Panel>
  );
}

function Regions({ overview }: { overview: Overview }) {
  const site = overview.answeringSite;
  return (
    <>
      <Coverage label="Regions" of="Region" rows={overview.coverageByRegion} site={site} />
      <Sums
        site={site}
        sums={[
          ["Observations", sumOf((overview.findings?.observations ?? []).map((each) => each.observations), ["severity"]), "observations"],
          ["Follow-ups outstanding", overview.findings?.followUpsOpen, "follow-ups outstanding"],
          ["Follow-ups overdue", overview.findings?.followUpsOverdue, "follow-ups overdue"],
        ]}
      />
      <p>
        <a href="#/figures">All figures</a>
      </p>
    </>
  );
}
