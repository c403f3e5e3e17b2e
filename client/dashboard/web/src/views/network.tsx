// The sites and the links between them, as each node reports them about twice a second.

import { Panel, Scroll, Status } from "../parts/parts";
import { Trace } from "../parts/trace";
import { ageSeconds, clock, count, seconds, span } from "../format";
import { type NodeReport, useLive, useNow } from "../live";
import type { LogStatus } from "../messages";
import { contactAgeNow, digestVerdicts, expiryVerdict, linkVerdict, siteVerdict, type Verdict } from "../network";
import type { ViewProps } from "./registry";

function Sites({ sites, nodes, now }: { sites: string[]; nodes: Map<string, NodeReport>; now: number }) {
  const digests = digestVerdicts(sites, nodes);
  return (
    <Panel title="Sites" note="Each asked about twice a second.">
      <Scroll label="Sites">
        <table>
          <thead>
            <tr>
              <th scope="col">Site</th>
              <th scope="col">State</th>
              <th scope="col" class="number">Answer</th>
              <th scope="col" class="number">Journal</th>
              <th scope="col">State digest</th>
              <th scope="col" class="number">Opaque</th>
              <th scope="col">Certificate</th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {sites.map((site) => {
              const report = nodes.get(site);
              const status = report?.status;
              return (
                <tr key={site} data-site={site}>
                  <th scope="row">{site}</th>
                  <td>
                    <Status verdict={siteVerdict(report, now)} />
                    {report?.error && (
                      <span class="note">
                        {" "}
                        for {span(Math.max(0, ageSeconds(report.since ?? report.time, now)))} · {report.error.message}
                      </span>
                    )}
                    {status && !status.writable && <span class="note"> {status.unwritableReason}</span>}
                  </td>
                  <td class="number">{status ? span((report?.elapsedMs ?? 0) / 1000) : "–"}</td>
                  <td class="number">{status ? count(status.journalSize) : "–"}</td>
                  <td>
                    <Status verdict={digests.get(site) ?? { grade: "none", text: "unknown" }} />
                  </td>
                  <td class="number">{status ? count(status.opaqueEntries) : "–"}</td>
                  <td>{status ? <Status verdict={expiryVerdict(status.certificateExpireTime, now)} /> : "–"}</td>
                  <td class="time">{status ? clock(status.startTime, now) : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function LinkCell({ site, peer, report, now }: { site: string; peer: string; report: NodeReport | undefined; now: number }) {
  if (site === peer) return <td class="self" />;
  const link = report?.status?.links.find((each) => each.peer === peer);
  const verdict = linkVerdict(report, link, now);
  const age = report && link && contactAgeNow(report, link, now);
  return (
    <td class={`link ${verdict.grade}`} data-link={`${site}-${peer}`}>
      <Status verdict={verdict} />
      {link && (
        <dl>
          <dt>heard</dt>
          <dd>{age === undefined ? "never" : `${age < 10 ? `${age.toFixed(1)} s` : span(age)} ago`}</dd>
          <dt>RTT</dt>
          <dd>{link.connected ? span(seconds(link.rtt) ?? 0) : "–"}</dd>
          <dt>behind</dt>
          <dd>{count(link.entriesBehind)}</dd>
        </dl>
      )}
      {verdict.grade === "bad" && link?.lastError && (
        <p class="note error" title={link.lastError}>
          {clock(link.lastErrorTime, now)} {link.lastError}
        </p>
      )}
    </td>
  );
}

function Links({ sites, nodes, now }: { sites: string[]; nodes: Map<string, NodeReport>; now: number }) {
  return (
    <Panel title="Links" note="A row receives from a column. Both sides of a link speak every second.">
      <Scroll label="Links">
        <table class="matrix">
          <thead>
            <tr>
              <td class="corner">receives ↓ from →</td>
              {sites.map((peer) => (
                <th scope="col" key={peer}>
                  {peer}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sites.map((site) => (
              <tr key={site}>
                <th scope="row">{site}</th>
                {sites.map((peer) => (
                  <LinkCell key={peer} site={site} peer={peer} report={nodes.get(site)} now={now} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

const mebibytes = (bytes: string) => `${(Number(bytes) / 2 ** 20).toFixed(0)} MiB`;

// Nothing where every site is one machine.
function Members({ sites, nodes }: { sites: string[]; nodes: Map<string, NodeReport> }) {
  const several = sites.flatMap((site) => {
    const membership = nodes.get(site)?.status?.membership;
    return membership ? [{ site, membership }] : [];
  });
  if (several.length === 0) return null;
  return (
    <Panel title="Members" note="Machines of one site, which share its log on etcd: what each has said to have durably of the site’s journal.">
      <Scroll label="Members">
        <table>
          <thead>
            <tr>
              <th scope="col">Site</th>
              <th scope="col">Member</th>
              <th scope="col">Role</th>
              <th scope="col" class="number">Durable</th>
              <th scope="col" class="number">etcd</th>
              <th scope="col">Warning</th>
            </tr>
          </thead>
          <tbody>
            {several.flatMap(({ site, membership }) =>
              membership.members.map((each) => (
                <tr key={`${site} ${each.member}`} data-member={`${site}-${each.member}`}>
                  <th scope="row">{site}</th>
                  <td>{each.member}</td>
                  <td>
                    {each.member === membership.leader ? "leads" : "follows"}
                    {each.member === membership.member && <span class="note"> answers here</span>}
                  </td>
                  <td class="number">{count(each.durableSize)}</td>
                  <td class="number">{each.member === membership.member ? `${mebibytes(membership.etcdBytes)} of ${mebibytes(membership.etcdQuotaBytes)}` : ""}</td>
                  <td>{each.member === membership.member && membership.etcdWarning ? <Status verdict={{ grade: "warn", text: membership.etcdWarning }} /> : ""}</td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function lagVerdict(log: LogStatus, known: number): Verdict {
  const behind = known - Number(log.size);
  if (log.quarantine) return { grade: "bad", text: "quarantined" };
  if (behind <= 0) return { grade: "good", text: "caught up" };
  return { grade: "warn", text: `${count(behind)} behind` };
}

// Of a log's origin, `{network}/{site}/{epoch}/{stream}`.
const streamOf = (log: LogStatus) => log.origin.slice(log.origin.lastIndexOf("/") + 1);

// How a log is called beside those of other sites: streams other than that of the records are named.
const logName = (log: LogStatus) => (streamOf(log) === "main" ? log.site : `${log.site} ${streamOf(log)}`);

function Lags({ sites, nodes, lags, now }: { sites: string[]; nodes: Map<string, NodeReport>; lags: ReturnType<typeof useLive>["lags"]; now: number }) {
  // The most that any node that answers has of a log.
  const known = new Map<string, number>();
  for (const report of nodes.values()) {
    for (const log of report.status?.logs ?? []) known.set(log.origin, Math.max(known.get(log.origin) ?? 0, Number(log.size)));
  }
  return (
    <Panel title="Lag" note="What each node has applied of the other sites’ logs, of records and of whatever stream is behind; the age is that of the oldest entry it knows of and has not applied.">
      <Scroll label="Lag">
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Log of</th>
              <th scope="col">State</th>
              <th scope="col" class="number">Oldest unapplied</th>
              <th scope="col" class="number">Applied</th>
              <th scope="col" class="number">Known</th>
              <th scope="col">Last 5 min</th>
            </tr>
          </thead>
          <tbody>
            {sites.flatMap((site) =>
              (nodes.get(site)?.status?.logs ?? [])
                .filter((log) => log.site !== site && (known.get(log.origin) ?? 0) > 0)
                .filter((log) => streamOf(log) === "main" || log.quarantine || lagVerdict(log, known.get(log.origin) ?? 0).grade !== "good")
                .map((log) => (
                  <tr key={`${site} ${log.origin}`} data-lag={`${site}-${logName(log)}`}>
                    <th scope="row">{site}</th>
                    <td title={log.origin}>{logName(log)}</td>
                    <td>
                      <Status verdict={lagVerdict(log, known.get(log.origin) ?? 0)} />
                      {log.quarantine && <span class="note"> {log.quarantine}</span>}
                    </td>
                    <td class="number">{span(seconds(log.oldestUnappliedAge) ?? 0)}</td>
                    <td class="number">{count(log.size)}</td>
                    <td class="number">{count(known.get(log.origin))}</td>
                    <td>
                      <Trace samples={lags.get(`${site} ${log.origin}`) ?? []} now={now} label={`Lag of ${logName(log)} at ${site}`} />
                    </td>
                  </tr>
                )),
            )}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

export function Network({ session }: ViewProps) {
  const { nodes, lags } = useLive();
  const now = useNow(200);
  return (
    <>
      <Sites sites={session.sites} nodes={nodes} now={now} />
      <Members sites={session.sites} nodes={nodes} />
      <Links sites={session.sites} nodes={nodes} now={now} />
      <Lags sites={session.sites} nodes={nodes} lags={lags} now={now} />
    </>
  );
}
