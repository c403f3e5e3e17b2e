// What the reports of the nodes say about sites, links and digests.

import { ageSeconds, day, span } from "./format";
import type { NodeReport } from "./live";
import type { LinkStatus, StateDigest } from "./messages";

export type Grade = "good" | "warn" | "bad" | "none";

export interface Verdict {
  grade: Grade;
  text: string;
}

// Both sides of a link speak every second. A report that is made 1.4 s after the last word, or no newer word reported after 1.7 s, is a
// link that has fallen silent: so a dead line shows within two seconds.
const silentAtReportS = 1.4;
const silentNowS = 1.7;
// Beyond this without a report from the gateway, what is shown is no longer the state of the node.
const reportOldAfterS = 5;

export function siteVerdict(report: NodeReport | undefined, now: number): Verdict {
  if (!report) return { grade: "none", text: "not heard yet" };
  if (report.error) return { grade: "bad", text: "no answer" };
  if (ageSeconds(report.heard, now) > reportOldAfterS) return { grade: "none", text: "no news" };
  if (!report.status?.writable) return { grade: "warn", text: "read only" };
  return { grade: "good", text: "up" };
}

// Age of the last contact when the report was made, by the node's own clock.
function contactAge(report: NodeReport, link: LinkStatus): number | undefined {
  if (!link.lastContactTime || !report.status) return undefined;
  return ageSeconds(link.lastContactTime, new Date(report.status.time).getTime());
}

// The same now.
export function contactAgeNow(report: NodeReport, link: LinkStatus, now: number): number | undefined {
  const age = contactAge(report, link);
  return age === undefined ? undefined : Math.max(0, age + ageSeconds(report.heard, now));
}

export function linkVerdict(report: NodeReport | undefined, link: LinkStatus | undefined, now: number): Verdict {
  if (!report || report.error) return { grade: "none", text: "unknown" };
  if (!link) return { grade: "none", text: "not configured" };
  // Of a site of several machines, the one that leads has the links.
  const membership = report.status?.membership;
  if (membership && membership.member !== membership.leader) return { grade: "none", text: membership.leader ? `at ${membership.leader}` : "nobody leads" };
  if (!link.connected) return { grade: "bad", text: "down" };
  const age = contactAge(report, link);
  if (age === undefined || age > silentAtReportS || age + ageSeconds(report.heard, now) > silentNowS) return { grade: "bad", text: "silent" };
  return { grade: "good", text: "up" };
}

// A certificate that ends within this is to be renewed.
const renewWithinS = 14 * 86_400;

export function expiryVerdict(time: string | undefined, now: number): Verdict {
  if (!time) return { grade: "none", text: "unknown" };
  const left = -ageSeconds(time, now);
  return { grade: left < 0 ? "bad" : left < renewWithinS ? "warn" : "good", text: `${day(time)} · ${left < 0 ? "expired" : span(left)}` };
}

// What somebody should look at: nodes that do not answer or take no writes, links that are configured and not up, logs that are not taken,
// digests that differ, certificates that end soon.
export function alarms(sites: string[], nodes: Map<string, NodeReport>, now: number): string[] {
  const found: string[] = [];
  for (const site of sites) {
    const report = nodes.get(site);
    if (siteVerdict(report, now).grade === "bad") found.push(`${site} does not answer`);
    if (report?.status && !report.status.writable) found.push(`${site} takes no writes: ${report.status.unwritableReason}`);
    const membership = report?.status?.membership;
    if (membership && !membership.leader) found.push(`${site}: none of its members leads`);
    if (membership?.etcdWarning) found.push(`${site}: ${membership.etcdWarning}`);
    const expiry = expiryVerdict(report?.status?.certificateExpireTime, now);
    if (expiry.grade === "warn" || expiry.grade === "bad") found.push(`certificate of ${site}: ${expiry.text}`);
    for (const link of report?.status?.links ?? []) {
      const verdict = linkVerdict(report, link, now);
      if (verdict.grade === "bad") found.push(`${site} ← ${link.peer} ${verdict.text}`);
    }
    for (const log of report?.status?.logs ?? []) {
      if (log.quarantine) found.push(`${site} has quarantined ${log.origin}`);
    }
  }
  for (const [site, verdict] of digestVerdicts(sites, nodes)) {
    if (verdict.grade === "bad") found.push(`${site}: state digest ${verdict.text}`);
  }
  return found;
}

const vectorOf = (digest: StateDigest) =>
  digest.vector
    .filter((position) => Number(position.size) > 0)
    .map((position) => `${position.origin}:${position.size}`)
    .sort()
    .join(" ");

// Whether all sites of `narrow` are of `wide`: both "*", or site names joined by commas.
function holds(wide: string, narrow: string): boolean {
  if (wide === "*" || narrow === "*") return wide === "*";
  return narrow.split(",").every((site) => wide.split(",").includes(site));
}

// "apac,hq but eame": by the sites of a class what is in it, and who holds records of it in part.
function classesOf(digest: StateDigest): Map<string, { records: number; digest: string; partly: string[] }> {
  return new Map(
    digest.classes.map(({ audience, records, digest }) => {
      const [sites = "", partly] = audience.split(" but ");
      return [sites, { records: Number(records), digest, partly: partly?.split(",") ?? [] }];
    }),
  );
}

// Two nodes are compared where both have applied the same and fold alike; the audience classes that both are of and hold whole must then
// have the same digests. A class that a node does not list has no record there. As api/state_digest.h has it (rule 17 of api/PROTOCOL.md).
function differs(a: StateDigest, b: StateDigest): boolean | undefined {
  if (a.foldVersion !== b.foldVersion || vectorOf(a) !== vectorOf(b) || Number(a.opaqueEntries) + Number(b.opaqueEntries) > 0) return undefined;
  const ofA = classesOf(a);
  const ofB = classesOf(b);
  // What a node says of a class that it has no records of, it says of the narrowest.
  const inPart = (classes: typeof ofA, sites: string, site: string) =>
    classes.get(sites)?.partly.includes(site) ??
    [...classes].some(([narrow, { partly }]) => (narrow === "*") === (sites === "*") && holds(sites, narrow) && partly.includes(site));
  let whole = true;
  for (const sites of new Set([...ofA.keys(), ...ofB.keys()])) {
    if (!holds(sites, a.site) || !holds(sites, b.site)) continue;
    const [here, there] = [ofA, ofB].map((classes) => {
      const found = classes.get(sites);
      return found && found.records > 0 ? `${found.records} ${found.digest}` : "";
    });
    if (here === "" && there === "") continue;
    if (inPart(ofA, sites, b.site) || inPart(ofB, sites, a.site)) whole = false;
    else if (here !== there) return true;
  }
  return whole ? false : undefined;
}

export function digestVerdicts(sites: string[], nodes: Map<string, NodeReport>): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (const site of sites) {
    const own = nodes.get(site)?.digest;
    if (!own) {
      verdicts.set(site, { grade: "none", text: "unknown" });
      continue;
    }
    const equal: string[] = [];
    const unequal: string[] = [];
    let others = 0;
    for (const other of sites) {
      const digest = other === site ? undefined : nodes.get(other)?.digest;
      if (!digest) continue;
      others++;
      const verdict = differs(own, digest);
      if (verdict === true) unequal.push(other);
      if (verdict === false) equal.push(other);
    }
    if (unequal.length > 0) verdicts.set(site, { grade: "bad", text: `differs from ${unequal.join(", ")}` });
    else if (equal.length === others && others > 0) verdicts.set(site, { grade: "good", text: others === sites.length - 1 ? "equal to all" : `equal to ${equal.join(", ")}` });
    else if (equal.length > 0) verdicts.set(site, { grade: "good", text: `equal to ${equal.join(", ")}` });
    else verdicts.set(site, { grade: "warn", text: "not comparable" });
  }
  return verdicts;
}
