// Search over the text of all records, as the node that answers holds them now.

import { useEffect, useState } from "preact/hooks";
import { call, CallError } from "../api";
import { calendarDate, clock, count, idOf, regionName } from "../format";
import type { SearchResponse, SearchResult } from "../messages";
import { Empty, Failure, Panel } from "../parts/parts";
import { RecordName } from "../parts/record";
import { type RegionChoice, RegionFilter } from "./regions";

const pageSize = 50;

const collections = [
  "engagements",
  "observations",
  "followUps",
  "assessments",
  "conditionsOfEntry",
  "visitCycles",
  "reciprocalVisits",
  "countries",
  "ports",
  "portFacilities",
  "contacts",
  "liaisonOfficers",
  "assignments",
  "arrivals",
  "scheduleKPorts",
  "trainingOfferings",
  "trainingRequests",
  "trainingSessions",
  "bestPractices",
  "endorsements",
  "inquiries",
  "partnerGroups",
  "releases",
  "proposals",
];

interface Asked {
  query: string;
  collection: string;
  region: RegionChoice;
}

interface Found {
  results: SearchResult[];
  nextPageToken: string;
  behind: number;
  site: string;
}

// The pages read so far of one question's answer.
function useSearch(asked: Asked) {
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState<CallError>();
  const [busy, setBusy] = useState(false);
  const read = async () => {
    setBusy(true);
    setError(undefined);
    const request = {
      query: asked.query,
      pageSize,
      pageToken: found?.nextPageToken ?? "",
      ...(asked.collection ? { collections: [asked.collection] } : {}),
      ...(asked.region === "all" ? {} : { regions: [asked.region] }),
    };
    try {
      const { data, site } = await call<SearchResponse>("SearchService/Search", request);
      setFound({ results: [...(found?.results ?? []), ...data.results], nextPageToken: data.nextPageToken, behind: Number(data.entriesBehind), site });
    } catch (failure) {
      setError(failure instanceof CallError ? failure : new CallError("INTERNAL", "", String(failure)));
    }
    setBusy(false);
  };
  useEffect(() => void read(), []);
  return { found, error, busy, read };
}

// `query` is what the address asks for; empty when nothing is looked for.
export function Search({ query }: { query: string }) {
  const [text, setText] = useState(query);
  const [collection, setCollection] = useState("");
  const [region, setRegion] = useState<RegionChoice>("all");
  useEffect(() => setText(query), [query]);
  return (
    <Panel title="Search" note="Over the text of every record that you may read. All words must be there: “in order”, harb*, NOT, OR.">
      <form
        class="bar"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          location.hash = text.trim() ? `#/activity/search/${encodeURIComponent(text.trim())}` : "#/activity";
        }}
      >
        <label class="search">
          <span>Words</span>
          <input type="search" maxLength={500} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="search">
          <span>In</span>
          <select value={collection} onChange={(event) => setCollection(event.currentTarget.value)}>
            <option value="">all collections</option>
            {collections.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        <RegionFilter name="search-region" value={region} onChange={setRegion} />
        <button type="submit" class="primary">
          Search
        </button>
        {query && <a href="#/activity">Clear</a>}
      </form>
      {query && <Results key={`${query} ${collection} ${region}`} asked={{ query, collection, region }} />}
    </Panel>
  );
}

function Results({ asked }: { asked: Asked }) {
  const { found, error, busy, read } = useSearch(asked);
  if (error?.code === "UNIMPLEMENTED") return <Empty>Search is not served by this network’s gateway or nodes.</Empty>;
  return (
    <>
      {error && <Failure error={error} again={read} />}
      {!found && busy && <Empty>Reading…</Empty>}
      {found && (
        <>
          <p class="note" role="status">
            {found.results.length === 0 ? "Nothing" : `${count(found.results.length)}${found.nextPageToken ? " or more" : ""}`} found, as {found.site} knows it
            {found.behind > 0 && <strong class="bad"> · the newest {count(found.behind)} entries are not searched yet</strong>}
          </p>
          <ol class="plain found" aria-label="Found">
            {found.results.map((result) => (
              <Result key={result.name} result={result} />
            ))}
          </ol>
          {found.nextPageToken && (
            <button type="button" disabled={busy} onClick={read}>
              More
            </button>
          )}
        </>
      )}
    </>
  );
}

function Result({ result }: { result: SearchResult }) {
  const facts = [
    result.collection,
    result.kind.toLowerCase().replaceAll("_", " "),
    result.state.toLowerCase().replaceAll("_", " "),
    result.countries.map(idOf).join(", "),
    result.regions.map(regionName).join(", "),
    result.date ? calendarDate(result.date) : "",
    result.updateTime ? `changed ${clock(result.updateTime)}` : "",
  ];
  return (
    <li>
      <RecordName name={result.name} text={result.title} /> <span class="note">{facts.filter(Boolean).join(" · ")}</span>
      <p class="snippet">{result.snippet.map((part, i) => (part.match ? <mark key={i}>{part.text}</mark> : part.text))}</p>
    </li>
  );
}
