// The world as the answering node knows it: standing of each country, by region; one country's story.

import { useMemo, useState } from "preact/hooks";
import { call, listAll } from "../api";
import { clock, count, idOf, regionName, seconds, span } from "../format";
import { useNow } from "../live";
import { useLoaded } from "../load";
import type { Country, Overview, Port } from "../messages";
import { Choice, Empty, Panel, Scroll, Shown } from "../parts/parts";
import { CountryStory } from "./country";
import { type Place, readAtlas, type Standing, WorldMap } from "./map";
import type { ViewProps } from "./registry";

const regions = ["REGION_APAC", "REGION_EAME", "REGION_CSA", "REGION_HQ"];

interface Row {
  code: string;
  name: string;
  numeric: string;
  region: string;
  engagements: number;
  ports: number;
  standing: Standing;
}

// Headquarters' region is domestic territory and places that no one visits: they are outside of the program.
function standingOf(region: string, engagements: number): Standing {
  if (engagements > 0) return "engaged";
  return region === "REGION_HQ" ? "outside" : "never";
}

const standingText: Record<Standing, string> = { engaged: "engaged", never: "never engaged", outside: "not visited" };

export function World({ path }: ViewProps) {
  const [region, setRegion] = useState("all");
  const [showPorts, setShowPorts] = useState(false);
  const [filter, setFilter] = useState("");
  const overview = useLoaded(() => call<Overview>("OverviewService/GetOverview"), "overview");
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
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

  const rows = useMemo(() => {
    const named = new Map(countries.data?.records.map((country) => [idOf(country.name), country]));
    return (overview.data?.data.countries ?? [])
      .map((each): Row => {
        const code = idOf(each.country);
        const engagements = Number(each.engagements);
        const country = named.get(code);
        return {
          code,
          name: country?.displayName ?? code,
          numeric: country?.numeric ?? "",
          region: each.region,
          engagements,
          ports: Number(each.ports),
          standing: standingOf(each.region, engagements),
        };
      })
      .sort((a, b) => a.name.localeCompare(b.name, "en"));
  }, [overview.data, countries.data]);
  const places = useMemo(
    () =>
      new Map<string, Place>(
        rows.map((row) => [row.numeric, { code: row.code, name: `${row.name}: ${standingText[row.standing]}`, standing: row.standing, dimmed: region !== "all" && row.region !== region }]),
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
  const wanted = filter.trim().toLowerCase();
  const listed = rows.filter(
    (row) => (region === "all" || row.region === region) && (!wanted || row.name.toLowerCase().includes(wanted) || row.code.toLowerCase() === wanted),
  );
  const chosen = rows.find((row) => row.code === selected);

  return (
    <>
      <div class="bar">
        <Choice
          legend="Region"
          name="region"
          value={region}
          options={[{ value: "all", text: "All" }, ...regions.map((value) => ({ value, text: regionName(value) }))]}
          onChange={setRegion}
        />
        <label class="check">
          <input type="checkbox" checked={showPorts} onChange={(event) => setShowPorts(event.currentTarget.checked)} />
          <span>Ports{showPorts && ports.data ? ` (${count(points.length)})` : ""}</span>
        </label>
        <ul class="legend" aria-label="Legend">
          <li class="engaged">engaged</li>
          <li class="never">never engaged</li>
          <li class="outside">not visited (HQ)</li>
        </ul>
      </div>
      <div class="split">
        <Panel title="Standing" note={<AsOf overview={overview.data?.data} />}>
          <Shown loaded={atlas}>
            {(outlines) => <WorldMap outlines={outlines} places={places} selected={selected} ports={points} onSelect={select} />}
          </Shown>
          {showPorts && <Shown loaded={ports}>{() => <></>}</Shown>}
        </Panel>
        {selected ? <CountryStory code={selected} name={chosen?.name ?? selected} region={chosen?.region ?? ""} ports={chosen?.ports} onClose={() => select("")} /> : (
          <Panel title="Regions" note="Engaged: at least one engagement that was neither cancelled nor refused.">
            <Shown loaded={overview}>{(answer) => <Regions overview={answer.data} />}</Shown>
          </Panel>
        )}
      </div>
      <Panel title="Countries" note={`${count(listed.length)} of ${count(rows.length)}`}>
        <label class="search">
          <span>Find a country</span>
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        <Shown loaded={countries}>
          {() =>
            listed.length === 0 ? (
              <Empty>{rows.length === 0 ? "No country has been recorded." : "No country matches."}</Empty>
            ) : (
              <Scroll label="Countries" tall>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Country</th>
                      <th scope="col">Code</th>
                      <th scope="col">Region</th>
                      <th scope="col">Standing</th>
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
                        </td>
                        <td class="number">{count(row.engagements)}</td>
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
    </>
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
