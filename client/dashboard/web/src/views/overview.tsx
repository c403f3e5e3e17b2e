// What the views that show figures share: the overview itself, as of when it is true, and a number that leads to its records.

import { useEffect } from "preact/hooks";
import { type Answer, call } from "../api";
import { addressOf } from "../figures";
import { clock, count, seconds, span } from "../format";
import { useNow } from "../live";
import { type Loaded, useLoaded } from "../load";
import type { Figure, Overview } from "../messages";

// Also while nothing changes, the sites' figures grow older: so often it is asked how old.
const rereadMs = 5_000;

// Sections of the overview, read again with every change of these collections (of any, when none is named).
export function useOverview(sections: string[], collections: string[] = [], months = 0): Loaded<Answer<Overview>> {
  const request = { sections: sections.map((section) => `OVERVIEW_SECTION_${section}`), months };
  const overview = useLoaded(() => call<Overview>("OverviewService/GetOverview", request), `overview ${JSON.stringify(request)}`, collections);
  useEffect(() => {
    const timer = setInterval(overview.again, rereadMs);
    return () => clearInterval(timer);
  }, []);
  return overview;
}

// True as of when, and who has not been heard: a silent site is named, never left out.
export function AsOf({ overview }: { overview: Overview | undefined }) {
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

// A number; where it counts something, a link to exactly that. `what` says it in words.
export function Count({ figure, what, site }: { figure: Figure | undefined; what: string; site: string }) {
  const text = count(figure?.count);
  if (text === "0" || !figure?.records) return <span class={text === "0" ? "zero" : undefined}>{text}</span>;
  return (
    <a class="count" href={addressOf(figure.records, what, site)} aria-label={`${text} ${what}`}>
      {text}
    </a>
  );
}

export type Sum = [title: string, figure: Figure | undefined, what: string];

export function Sums({ sums, site }: { sums: Sum[]; site: string }) {
  return (
    <dl class="sums">
      {sums.map(([title, figure, what]) => [
        <dt key={`${title} name`}>{title}</dt>,
        <dd key={title}>
          <Count figure={figure} what={what} site={site} />
        </dd>,
      ])}
    </dl>
  );
}
