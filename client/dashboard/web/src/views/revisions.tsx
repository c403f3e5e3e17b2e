// Who changed a record, where, when and how.

import { call } from "../api";
import { clock, methodName, plainValue } from "../format";
import { useLoaded } from "../load";
import type { Revision } from "../messages";
import { Empty, Shown } from "../parts/parts";

const revisionsShown = 20;

export function Revisions({ record }: { record: string }) {
  const revisions = useLoaded(() => call<{ revisions: Revision[]; nextPageToken: string }>("RecordService/ListRevisions", { name: record, pageSize: revisionsShown }), `revisions ${record}`);
  return (
    <Shown loaded={revisions}>
      {({ data }) =>
        data.revisions.length === 0 ? (
          <Empty>None.</Empty>
        ) : (
          <>
            <ol class="revisions">
              {data.revisions.map((revision) => (
                <li key={revision.entry}>
                  <p>
                    <time>{clock(revision.time)}</time> <strong>{revision.actor || "(payload not held here)"}</strong> at {revision.site}{" "}
                    <span class="note">
                      {methodName(revision.method)} · {revision.entry}
                    </span>
                  </p>
                  <ul>
                    {revision.changes.map((change, i) => (
                      <li key={`${change.field} ${i}`}>
                        <code>{change.field}</code> {change.value === "" ? "removed" : plainValue(change.value)}
                      </li>
                    ))}
                  </ul>
                </li>
              ))}
            </ol>
            {data.nextPageToken && <p class="note">The newest {revisionsShown}.</p>}
          </>
        )
      }
    </Shown>
  );
}
