// What partner nations propose, and what the region answers.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, listAll } from "../api";
import { clock, count, idOf, label, regionName } from "../format";
import { reread, useLoaded } from "../load";
import type { Proposal } from "../messages";
import { type Decision, Decisions } from "../parts/decision";
import { Choice, Empty, Panel, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";
import { type RegionChoice, RegionFilter, regionRequest } from "./regions";
import type { ViewProps } from "./registry";

const prefix = "PROPOSAL_STATE";
const states = ["SUBMITTED", "ACCEPTED", "MERGED", "DECLINED"] as const;
const stateTexts = { SUBMITTED: "Waiting", ACCEPTED: "Accepted", MERGED: "Merged", DECLINED: "Declined" };
const listed = 1_000;

export function Proposals({ path }: ViewProps) {
  const [state, setState] = useState<(typeof states)[number]>("SUBMITTED");
  const [region, setRegion] = useState<RegionChoice>("all");
  const [done, setDone] = useState("");
  const list = useLoaded(
    () => listAll<Proposal>("ReleaseService/ListProposals", "proposals", { state: `${prefix}_${state}`, ...regionRequest(region) }, listed),
    `proposals ${state} ${region}`,
    ["proposals"],
  );
  return (
    <>
      {path && (
        <OneProposal
          key={path}
          name={path}
          onDone={(effect) => {
            setDone(effect);
            reread();
            location.hash = "#/work/proposals";
          }}
        />
      )}
      <p role="status" class={done ? "done" : "hidden"}>
        {done}
      </p>
      <div class="bar">
        <Choice legend="State" name="proposal-state" value={state} options={states.map((value) => ({ value, text: stateTexts[value] }))} onChange={setState} />
        <RegionFilter name="proposal-region" value={region} onChange={setRegion} />
      </div>
      <Panel title={`Proposals of nations: ${stateTexts[state].toLowerCase()}`} note="The region decides; what it takes over, it writes into its own records.">
        <Shown loaded={list}>
          {({ records, more, site }) =>
            records.length === 0 ? (
              <Empty>
                {state === "SUBMITTED" ? "No proposal waits for an answer" : `No proposal is ${stateTexts[state].toLowerCase()}`}, as {site} knows it.
              </Empty>
            ) : (
              <Scroll label="Proposals" tall>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">About</th>
                      <th scope="col">Nation</th>
                      <th scope="col">Kind</th>
                      <th scope="col">Region</th>
                      <th scope="col">What is proposed</th>
                      <th scope="col">Received</th>
                    </tr>
                  </thead>
                  <tbody>
                    {records.map((proposal) => (
                      <tr key={proposal.name} class={proposal.name === path ? "selected" : ""}>
                        <th scope="row">
                          <a href={`#/work/proposals/${encodeURIComponent(proposal.name)}`}>{proposal.record || proposal.subject || proposal.name}</a>
                        </th>
                        <td>{idOf(proposal.nation)}</td>
                        <td>{label(proposal.kind, "PROPOSAL_KIND")}</td>
                        <td>{regionName(proposal.region)}</td>
                        <td class="text">{proposal.text}</td>
                        <td class="time">{clock(proposal.createTime)}</td>
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

function decisionsOf(proposal: Proposal): Decision[] {
  const what = `the proposal of ${idOf(proposal.nation)} about ${proposal.record || proposal.subject}`;
  return [
    { title: "Accept", effect: `Accepted: ${what} is taken as it is.`, method: "ReleaseService/AcceptProposal", reason: "optional" },
    { title: "Merge", effect: `Merged: ${what} is taken in part, or together with what is known.`, method: "ReleaseService/MergeProposal", reason: "required" },
    { title: "Decline", effect: `Declined: ${what} is not taken.`, method: "ReleaseService/DeclineProposal", reason: "required" },
  ];
}

function OneProposal({ name, onDone }: { name: string; onDone: (effect: string) => void }) {
  const heading = useRef<HTMLDivElement>(null);
  const loaded = useLoaded(() => call<Proposal>("ReleaseService/GetProposal", { name }), `proposal ${name}`, ["proposals"]);
  useEffect(() => heading.current?.focus(), [name]);
  return (
    <div ref={heading} tabIndex={-1} class="focusable">
      <Panel title={name} note={<a href="#/work/proposals">Close</a>}>
        <Shown loaded={loaded}>
          {({ data: proposal }) => (
            <>
              <dl class="fields">
                <dt>Nation</dt>
                <dd>
                  {idOf(proposal.nation)} <span class="note">by its system {proposal.system}</span>
                </dd>
                <dt>Kind</dt>
                <dd>{label(proposal.kind, "PROPOSAL_KIND")}</dd>
                <dt>About</dt>
                <dd>
                  {proposal.record ? <RecordName name={proposal.record} /> : "no record that is released to it"}
                  {proposal.subject && ` (“${proposal.subject}”)`}
                </dd>
                <dt>Proposed</dt>
                <dd>{proposal.text}</dd>
                <dt>Region</dt>
                <dd>{regionName(proposal.region)}</dd>
                <dt>State</dt>
                <dd>
                  {label(proposal.state, prefix)}
                  {proposal.reason && `: ${proposal.reason}`}
                </dd>
              </dl>
              {proposal.state === `${prefix}_SUBMITTED` && (
                <>
                  <p class="note">The nation is shown the reason.</p>
                  <Decisions name={proposal.name} etag={proposal.etag} decisions={decisionsOf(proposal)} onDone={onDone} />
                </>
              )}
            </>
          )}
        </Shown>
      </Panel>
    </div>
  );
}
