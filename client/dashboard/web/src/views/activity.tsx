// What changes, as it happens: the change feed of one node, from when the page was opened; and the search over all that is there.

import { useState } from "preact/hooks";
import { clock, count } from "../format";
import { type Change, useLive, useNow } from "../live";
import { Choice, Empty, Panel, Scroll } from "../parts/parts";
import type { ViewProps } from "./registry";
import { Revisions } from "./revisions";
import { Search } from "./search";

function titleOf(change: Change): string {
  const record = change.event.record;
  return record?.title || record?.displayName || record?.task || record?.text || "";
}

const searching = "search/";

export function Activity({ session, path }: ViewProps) {
  const live = useLive();
  const now = useNow(1000);
  const [filter, setFilter] = useState("");
  const [site, setSite] = useState("all");
  const [held, setHeld] = useState<Change[]>();
  const [open, setOpen] = useState("");
  const all = held ?? live.changes;
  const wanted = filter.trim().toLowerCase();
  const shown = all.filter((change) => {
    if (site !== "all" && change.event.site !== site) return false;
    const name = change.event.record?.name ?? change.event.gone ?? "";
    return !wanted || name.toLowerCase().includes(wanted) || titleOf(change).toLowerCase().includes(wanted);
  });
  const feed = live.feed;
  const note =
    feed?.state === "following"
      ? `the change feed of ${feed.site}, since ${clock(feed.time, now)}`
      : feed?.state === "lost"
        ? `the feed of ${feed.site} ended at ${clock(feed.time, now)}; another node is asked`
        : feed?.state === "denied"
          ? "you may not follow changes"
          : "no feed yet";
  return (
    <>
      <Search query={path.startsWith(searching) ? path.slice(searching.length) : ""} />
      <div class="bar">
        <Choice legend="Written at" name="activity-site" value={site} options={["all", ...session.sites].map((value) => ({ value, text: value === "all" ? "All" : value }))} onChange={setSite} />
        <label class="search">
          <span>Only</span>
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        <button type="button" aria-pressed={held !== undefined} onClick={() => setHeld(held ? undefined : live.changes)}>
          {held ? `Go on (${count(live.changes.filter((change) => change.number > (held[0]?.number ?? 0)).length)} new)` : "Hold"}
        </button>
      </div>
      <Panel title="Activity" note={note}>
        {shown.length === 0 ? (
          <Empty>{all.length === 0 ? `Nothing has changed since this page was opened at ${clock(live.opened, now)}.` : "No change matches."}</Empty>
        ) : (
          <Scroll label="Activity" tall>
            <table class="feed">
              <thead>
                <tr>
                  <th scope="col">Heard</th>
                  <th scope="col">Site</th>
                  <th scope="col">Kind</th>
                  <th scope="col">Record</th>
                  <th scope="col">Title</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((change) => {
                  const name = change.event.record?.name ?? change.event.gone ?? "";
                  const key = `${change.number}`;
                  return [
                    <tr key={key}>
                      <td class="time">{clock(change.time, now)}</td>
                      <td>{change.event.site || "–"}</td>
                      <td>{change.event.collection}</td>
                      <th scope="row">
                        {name ? (
                          <button type="button" class="link" aria-expanded={open === key} onClick={() => setOpen(open === key ? "" : key)}>
                            {name}
                          </button>
                        ) : (
                          "of a later version than the gateway"
                        )}
                      </th>
                      <td class="text">
                        {titleOf(change)}
                        {change.event.record?.withdrawn && <span class="tag">withdrawn</span>}
                        {change.event.gone && <span class="tag">gone</span>}
                        {(change.event.record?.conflicts?.length ?? 0) > 0 && <a class="tag bad" href="#/work/conflicts">in conflict</a>}
                      </td>
                    </tr>,
                    open === key && (
                      <tr key={`${key} story`}>
                        <td colSpan={5}>
                          <Revisions record={name} />
                        </td>
                      </tr>
                    ),
                  ];
                })}
              </tbody>
            </table>
          </Scroll>
        )}
      </Panel>
    </>
  );
}
