// Releases to partner nations: those that wait for approval, with exactly who would see what, decided there.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, listAll } from "../api";
import { calendarDate, clock, count, idOf, label, plainValue } from "../format";
import { reread, useLoaded } from "../load";
import type { PreviewedNation, Release, ReleasePreview } from "../messages";
import { type Decision, Decisions } from "../parts/decision";
import { Choice, Empty, Panel, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";
import type { ViewProps } from "./registry";

const prefix = "RELEASE_STATE";
const states = ["PROPOSED", "APPROVED", "DECLINED", "RECALLED"] as const;
const stateTexts = { PROPOSED: "Waiting", APPROVED: "Approved", DECLINED: "Declined", RECALLED: "Recalled" };
const listed = 1_000;

const nationsOf = (names: string[]) => names.map(idOf).join(", ");

export function Releases({ path }: ViewProps) {
  const [state, setState] = useState<(typeof states)[number]>("PROPOSED");
  const [done, setDone] = useState("");
  const list = useLoaded(() => listAll<Release>("ReleaseService/ListReleases", "releases", { state: `${prefix}_${state}` }, listed), `releases ${state}`, ["releases"]);
  return (
    <>
      {path && (
        <OneRelease
          key={path}
          name={path}
          onDone={(effect) => {
            setDone(effect);
            reread();
            location.hash = "#/work/releases";
          }}
        />
      )}
      <p role="status" class={done ? "done" : "hidden"}>
        {done}
      </p>
      <div class="bar">
        <Choice legend="State" name="release-state" value={state} options={states.map((value) => ({ value, text: stateTexts[value] }))} onChange={setState} />
      </div>
      <Panel title={`Releases: ${stateTexts[state].toLowerCase()}`} note="Nobody outside sees anything of a release before headquarters has approved it, by another role than its author’s.">
        <Shown loaded={list}>
          {({ records, more, site }) =>
            records.length === 0 ? (
              <Empty>
                {state === "PROPOSED" ? "No release waits for approval" : `No release is ${stateTexts[state].toLowerCase()}`}, as {site} knows it.
              </Empty>
            ) : (
              <Scroll label="Releases" tall>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Record</th>
                      <th scope="col">Nations</th>
                      <th scope="col">Groups</th>
                      <th scope="col">Fields</th>
                      <th scope="col">Purpose</th>
                      <th scope="col">Until</th>
                      <th scope="col">Proposed</th>
                    </tr>
                  </thead>
                  <tbody>
                    {records.map((release) => (
                      <tr key={release.name} class={release.name === path ? "selected" : ""}>
                        <th scope="row">
                          <a href={`#/work/releases/${encodeURIComponent(release.name)}`}>{release.record}</a>
                        </th>
                        <td>{nationsOf(release.nations) || "–"}</td>
                        <td>{nationsOf(release.groups) || "–"}</td>
                        <td class="text">{release.fields.map((each) => each.field).join(", ")}</td>
                        <td class="text">{release.purpose}</td>
                        <td class="time">{release.retentionDate ? calendarDate(release.retentionDate) : "no end"}</td>
                        <td class="time">{clock(release.createTime)}</td>
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

function OneRelease({ name, onDone }: { name: string; onDone: (effect: string) => void }) {
  const heading = useRef<HTMLDivElement>(null);
  // A change of a group's members, of the record, whatever it is, or of another release changes what a nation would see.
  const loaded = useLoaded(() => call<ReleasePreview>("ReleaseService/PreviewRelease", { name }), `preview ${name}`);
  useEffect(() => heading.current?.focus(), [name]);
  return (
    <div ref={heading} tabIndex={-1} class="focusable">
      <Panel title={name} note={<a href="#/work/releases">Close</a>}>
        <Shown loaded={loaded}>
          {({ data, site }) => {
            const release = data.release;
            if (!release) return <Empty>The node gave no release.</Empty>;
            return (
              <>
                <dl class="fields">
                  <dt>Record</dt>
                  <dd>
                    <RecordName name={release.record} /> <span class="note">marked {label(release.recordMarking, "MARKING")}</span>
                  </dd>
                  <dt>State</dt>
                  <dd>
                    {label(release.state, prefix)}
                    {release.reason && `: ${release.reason}`}
                  </dd>
                  <dt>For</dt>
                  <dd>{[...release.nations, ...release.groups].join(", ")}</dd>
                  <dt>Purpose</dt>
                  <dd>{release.purpose}</dd>
                  <dt>Until</dt>
                  <dd>{release.retentionDate ? calendarDate(release.retentionDate) : "no end"}</dd>
                  {release.replaces.length > 0 && (
                    <>
                      <dt>In place of</dt>
                      <dd>{release.replaces.join(", ")}</dd>
                    </>
                  )}
                </dl>
                <h3>
                  {release.state === `${prefix}_PROPOSED` ? "What each nation would see once it is approved" : "What each nation sees"}, as {site} knows it
                </h3>
                <Preview preview={data} />
                {release.state === `${prefix}_PROPOSED` && <Decisions name={release.name} etag={release.etag} decisions={decisionsOf(release, data)} onDone={onDone} />}
              </>
            );
          }}
        </Shown>
      </Panel>
    </div>
  );
}

function decisionsOf(release: Release, preview: ReleasePreview): Decision[] {
  const seeing = preview.nations.filter((nation) => nation.fields.length > 0);
  const fields = [...new Set(seeing.flatMap((nation) => nation.fields.map((each) => each.field)))];
  const effect =
    seeing.length === 0
      ? `The release of ${release.record} is approved; no nation sees anything by it now.`
      : `Approved: ${seeing.length === 1 ? "one nation" : `${count(seeing.length)} nations`} (${nationsOf(seeing.map((nation) => nation.nation))}) may see ${fields.join(", ")} of ${release.record}.`;
  return [
    { title: "Approve", effect, method: "ReleaseService/ApproveRelease", reason: "none" },
    { title: "Decline", effect: `Declined: nobody sees anything of ${release.record} by this release.`, method: "ReleaseService/DeclineRelease", reason: "required" },
  ];
}

// Nations that see the same, together.
function sameSight(nations: PreviewedNation[]): PreviewedNation[][] {
  const bySight = new Map<string, PreviewedNation[]>();
  for (const nation of nations) {
    const sight = JSON.stringify([nation.fields, nation.reason]);
    bySight.set(sight, [...(bySight.get(sight) ?? []), nation]);
  }
  return [...bySight.values()];
}

function Preview({ preview }: { preview: ReleasePreview }) {
  return (
    <>
      {preview.nations.length === 0 && <Empty>It reaches no nation.</Empty>}
      {sameSight(preview.nations).map((nations) => {
        const first = nations[0]!;
        return (
          <div class="sight" key={first.nation}>
            <ul class="plain nations" aria-label="Nations">
              {nations.map((nation) => (
                <li key={nation.nation}>
                  <strong>{idOf(nation.nation)}</strong> <span class="note">{nation.groups.length === 0 ? "named itself" : `by ${nation.groups.join(", ")}`}</span>
                </li>
              ))}
            </ul>
            {first.fields.length === 0 ? (
              <p>
                {nations.length === 1 ? "Sees" : "See"} nothing: {first.reason}.
              </p>
            ) : (
              <dl class="fields" aria-label="Fields and values">
                {first.fields.map((each) => [
                  <dt key={`${each.field} name`}>
                    <code>{each.field}</code>
                  </dt>,
                  <dd key={each.field}>{each.values.map(plainValue).join("\n") || "(nothing)"}</dd>,
                ])}
              </dl>
            )}
          </div>
        );
      })}
      {preview.emptyGroups.length > 0 && <p class="bad">Reaches nobody: {preview.emptyGroups.join(", ")}.</p>}
      {preview.replacedFields.length > 0 && <p class="bad">Has another value now, which is not released: {preview.replacedFields.join(", ")}.</p>}
      {preview.nations.some((nation) => nation.groups.length > 0) && <p class="note">A later change of a group’s members counts at once, without another approval.</p>}
    </>
  );
}
