// The records behind a number, as the node that gave it lists them now.

import { useState } from "preact/hooks";
import { call, listAll } from "../api";
import { type Asked, listedBy, wordsOf } from "../figures";
import { count } from "../format";
import { useKept, useLoaded } from "../load";
import { Empty, Panel, Shown } from "../parts/parts";
import { Table } from "../parts/table";
import { useCountryNames } from "./countries";
import { type Listing, listingOf } from "./listings";

const page = 500;

async function read(asked: Asked, max: number): Promise<{ rows: never[]; more: boolean }> {
  const { field, paged } = listedBy.get(asked.method)!;
  if (paged) {
    const { records, more } = await listAll<never>(asked.method, field, asked.request, max, asked.site, page);
    return { rows: records, more };
  }
  const { data } = await call<Record<string, never[]>>(asked.method, asked.request, asked.site);
  return { rows: data[field] ?? [], more: false };
}

export function Behind({ asked }: { asked: Asked | undefined }) {
  const listing = asked && listingOf(asked.method);
  return (
    <>
      <p>
        <a href="#/figures">All figures</a>
      </p>
      {asked && listing ? (
        <Records key={JSON.stringify(asked)} asked={asked} listing={listing} />
      ) : (
        <Panel title="Records">
          <Empty>This address leads from no number to records.</Empty>
        </Panel>
      )}
    </>
  );
}

function Records({ asked, listing }: { asked: Asked; listing: Listing }) {
  const [max, setMax] = useState(page);
  const names = useCountryNames();
  const loaded = useKept(useLoaded(() => read(asked, max), `${JSON.stringify(asked)} ${max}`));
  return (
    <Panel title={asked.what} note={wordsOf(asked)}>
      <Shown loaded={loaded}>
        {({ rows, more }) => (
          <>
            <p class="note" role="status">
              {more ? `The first ${count(rows.length)}` : count(rows.length)}, as {asked.site} holds them now.
            </p>
            {rows.length === 0 ? <Empty>None any more.</Empty> : <Table label={asked.what} columns={listing.columns(names)} rows={rows} keyOf={listing.keyOf} tall />}
            {more && (
              <button type="button" onClick={() => setMax(max + page)}>
                More
              </button>
            )}
          </>
        )}
      </Shown>
    </Panel>
  );
}
