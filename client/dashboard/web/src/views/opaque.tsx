// Entries that a node holds and could not fold, with the cause. Their records wait; the rest flows.

import { useState } from "preact/hooks";
import { listAll } from "../api";
import { count } from "../format";
import { useLoaded } from "../load";
import type { OpaqueEntry } from "../messages";
import { Choice, Empty, Panel, Scroll, Shown } from "../parts/parts";
import type { ViewProps } from "./registry";

const listed = 1_000;

const causes: Record<string, string> = {
  WITHHELD: "the site is not in its audience",
  PENDING: "the payload is asked for",
  INVALID: "malformed, or contradicts its record",
  UNKNOWN_KIND: "of a later version of the fold",
};

export function OpaqueEntries({ session }: ViewProps) {
  const [site, setSite] = useState(session.sites.at(-1) ?? "");
  const list = useLoaded(() => listAll<OpaqueEntry>("NodeService/ListOpaqueEntries", "opaqueEntries", {}, listed, site), `opaque ${site}`);
  return (
    <>
      <div class="bar">
        <Choice legend="Site" name="opaque-site" value={site} options={session.sites.map((value) => ({ value, text: value }))} onChange={setSite} />
      </div>
      <Panel title={`Opaque entries at ${site}`} note="Entries of the logs that this node holds and could not fold.">
        <Shown loaded={list}>
          {({ records, more }) =>
            records.length === 0 ? (
              <Empty>None: {site} has folded every entry that it holds.</Empty>
            ) : (
              <Scroll label="Opaque entries" tall>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Entry</th>
                      <th scope="col">Cause</th>
                      <th scope="col">Found</th>
                    </tr>
                  </thead>
                  <tbody>
                    {records.map((each) => (
                      <tr key={each.entry}>
                        <th scope="row">{each.entry}</th>
                        <td>
                          {each.cause} <span class="note">{causes[each.cause]}</span>
                        </td>
                        <td class="text">{each.detail}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                {more && <p class="note">The first {count(records.length)}.</p>}
              </Scroll>
            )
          }
        </Shown>
      </Panel>
    </>
  );
}
