// Fields that two sites wrote without having seen each other: side by side, and settled here.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, CallError, listAll } from "../api";
import { clock, count, methodName, plainValue } from "../format";
import { reread, useLoaded } from "../load";
import type { Conflict, ConflictValue } from "../messages";
import { Empty, Failure, Panel, Scroll, Shown } from "../parts/parts";
import type { ViewProps } from "./registry";

const listed = 1_000;

export function Conflicts({ path }: ViewProps) {
  const [settled, setSettled] = useState("");
  const list = useLoaded(() => listAll<Conflict>("RecordService/ListConflicts", "conflicts", {}, listed), "conflicts");
  return (
    <>
      {path && (
        <OneConflict
          key={path}
          name={path}
          onSettled={(text) => {
            setSettled(text);
            reread();
            location.hash = "#/work/conflicts";
          }}
        />
      )}
      <p role="status" class={settled ? "done" : "hidden"}>
        {settled}
      </p>
      <Panel title="Conflicts" note="The same field was written at two sites without the one having seen the other. All sites show the same value until a person decides.">
        <Shown loaded={list}>
          {({ records, more, site }) =>
            records.length === 0 ? (
              <Empty>Nothing is in conflict, as {site} knows it.</Empty>
            ) : (
              <Scroll label="Conflicts">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Record</th>
                      <th scope="col">Field</th>
                      <th scope="col">Shown</th>
                      <th scope="col" class="number">Others</th>
                      <th scope="col">Sites</th>
                      <th scope="col">Newest</th>
                    </tr>
                  </thead>
                  <tbody>
                    {records.map((conflict) => (
                      <tr key={conflict.name} class={conflict.name === path ? "selected" : ""}>
                        <th scope="row">
                          <a href={`#/work/conflicts/${encodeURIComponent(conflict.name)}`}>{conflict.record}</a>
                        </th>
                        <td>
                          <code>{conflict.field}</code>
                        </td>
                        <td class="text">{plainValue(conflict.values.find((value) => value.shown)?.value ?? "")}</td>
                        <td class="number">{count(conflict.values.filter((value) => !value.shown).length)}</td>
                        <td>{[...new Set(conflict.values.map((value) => value.site))].join(", ")}</td>
                        <td class="time">{clock(conflict.values.map((value) => value.time).sort().at(-1))}</td>
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

// Whether values stand against each other; otherwise what is to be settled are amendments alone.
function hasRivals(conflict: Conflict): boolean {
  return conflict.values.some((value) => !value.shown && !value.amendment);
}

function OneConflict({ name, onSettled }: { name: string; onSettled: (text: string) => void }) {
  const heading = useRef<HTMLDivElement>(null);
  const loaded = useLoaded(() => call<Conflict>("RecordService/GetConflict", { name }), `conflict ${name}`);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError>();
  useEffect(() => heading.current?.focus(), [name]);

  const settle = async (conflict: Conflict, choices: string[][], text: string) => {
    setBusy(true);
    setError(undefined);
    for (const valueIds of choices) {
      try {
        await call("RecordService/ResolveConflict", { name: conflict.name, etag: conflict.etag, keep: { valueIds } });
        return onSettled(text);
      } catch (failure) {
        const shown = failure instanceof CallError ? failure : new CallError("INTERNAL", "", String(failure));
        if (shown.field === "keep.value_ids" && valueIds !== choices.at(-1)) continue;
        setBusy(false);
        return setError(shown);
      }
    }
  };
  const keep = (conflict: Conflict, value: ConflictValue) =>
    settle(conflict, [[value.valueId]], `Settled: ${conflict.field} of ${conflict.record}: ${plainValue(value.value)}.`);
  // One shown value is a field's only one, or the only element of a set. The node takes the first as a choice and the second as none.
  const dropAmendments = (conflict: Conflict) => {
    const shown = conflict.values.filter((value) => value.shown).map((value) => value.valueId);
    return settle(conflict, shown.length === 1 ? [shown, []] : [[]], `Settled: the amendments of ${conflict.field} of ${conflict.record} are dropped.`);
  };

  return (
    <div ref={heading} tabIndex={-1} class="focusable">
      <Panel
        title={name}
        note={
          <a href="#/work/conflicts">Close</a>
        }
      >
        {error && (
          <>
            <Failure error={error} />
            {error.reason === "ETAG_MISMATCH" && <p class="note">Somebody has changed or settled it meanwhile. What is below is read again.</p>}
          </>
        )}
        <Shown loaded={loaded}>
          {({ data }) => (
            <>
              <ol class="sides">
                {data.values.map((value) => (
                  <li key={value.valueId} class={value.shown ? "shown" : ""}>
                    <p class="note">
                      {value.shown ? "Shown everywhere now" : value.amendment ? "Amendment after the record was locked" : "Kept beside it"}
                    </p>
                    <blockquote>{plainValue(value.value)}</blockquote>
                    <dl>
                      <dt>Who</dt>
                      <dd>{value.actor || "(payload not held here)"}</dd>
                      <dt>Where</dt>
                      <dd>{value.site}</dd>
                      <dt>When</dt>
                      <dd>
                        <time>{clock(value.time)}</time>
                      </dd>
                      <dt>How</dt>
                      <dd>{methodName(value.method)}</dd>
                      <dt>Entry</dt>
                      <dd>{value.entry}</dd>
                      <dt>Had read</dt>
                      <dd>{value.read.length === 0 ? "nothing" : value.read.map((read) => `${plainValue(read.value)} (${read.site || "not held here"})`).join("; ")}</dd>
                    </dl>
                    {!data.withdrawn && (value.amendment || hasRivals(data)) && (
                      <button type="button" class="primary" disabled={busy} onClick={() => keep(data, value)}>
                        {value.amendment ? "Take in this amendment" : "Keep this value"}
                        <span class="hidden"> of {value.site}</span>
                      </button>
                    )}
                  </li>
                ))}
              </ol>
              {data.withdrawn && <p class="note">The record has been withdrawn: nothing can be settled.</p>}
              {!data.withdrawn && !hasRivals(data) && (
                <p class="drop">
                  <button type="button" disabled={busy} onClick={() => dropAmendments(data)}>
                    Keep what is shown, drop the amendments
                  </button>
                </p>
              )}
            </>
          )}
        </Shown>
      </Panel>
    </div>
  );
}
