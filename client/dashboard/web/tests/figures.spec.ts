// How the page judges and writes what it is told; no browser, no network.

import { expect, test } from "@playwright/test";
import { listAll } from "../src/api";
import { calendarDate, clock, collectionOf, dateOf, firstDayOf, idOf, label, lastDayOf, percent, plainValue, span } from "../src/format";
import type { NodeReport } from "../src/live";
import type { LinkStatus, NodeStatus, StateDigest } from "../src/messages";
import { alarms, contactAgeNow, digestVerdicts, expiryVerdict, linkVerdict, siteVerdict } from "../src/network";
import { addressOf, askedBy, meanSeconds, monthsOf, sumOf, wordsOf } from "../src/figures";
import { dayOfStep, lastStep, standingOf } from "../src/standing";

const noon = Date.UTC(2026, 10, 21, 12, 0, 0);
const at = (ms: number) => new Date(noon + ms).toISOString();

function link(contactMs: number, fields: Partial<LinkStatus> = {}): LinkStatus {
  return { peer: "hq", address: "", connected: true, lastContactTime: at(contactMs), rtt: "0.012s", entriesBehind: "0", entriesReceived: "0", bytesReceived: "0", lastError: "", ...fields };
}

function report(site: string, links: LinkStatus[] = [], fields: Partial<NodeStatus> = {}): NodeReport {
  const status: NodeStatus = { site, version: "", startTime: at(0), time: at(0), writable: true, unwritableReason: "", journalSize: "1", logs: [], links, opaqueEntries: "0", ...fields };
  return { site, address: "", time: at(0), elapsedMs: 1, status, heard: noon };
}

// The digests of one record by audience; 0: no record.
function digest(site: string, digests: Record<string, string | 0>, size = "5", fields: Partial<StateDigest> = {}): NodeReport {
  const classes = Object.entries(digests).map(([audience, value]) => ({ audience, digest: String(value), records: value === 0 ? "0" : "1" }));
  return { ...report(site), digest: { site, foldVersion: 1, vector: [{ origin: "n/hq/1/main", size }], classes, opaqueEntries: "0", ...fields } };
}

test("a link is up, silent or down, by the clock of the node that reports it", () => {
  expect(linkVerdict(report("apac"), link(-1000), noon).text).toBe("up");
  expect(linkVerdict(report("apac"), link(-1500), noon).text).toBe("silent");
  expect(linkVerdict(report("apac"), link(-1000), noon + 600).text).toBe("up");
  expect(linkVerdict(report("apac"), link(-1000), noon + 800).text).toBe("silent");
  expect(linkVerdict(report("apac"), link(0, { connected: false }), noon).text).toBe("down");
  expect(linkVerdict(report("apac"), link(0, { lastContactTime: undefined }), noon).text).toBe("silent");
  expect(linkVerdict(report("apac"), undefined, noon).text).toBe("not configured");
  expect(linkVerdict({ ...report("apac"), status: undefined, error: { code: "UNAVAILABLE" } as never }, undefined, noon).text).toBe("unknown");
  expect(contactAgeNow(report("apac"), link(-300), noon + 400)).toBeCloseTo(0.7);
});

test("of a site of several machines the one that leads has the links, and what is wrong with it is named", () => {
  const membership = { member: "b", leader: "a", members: [], etcdBytes: "0", etcdQuotaBytes: "0", etcdWarning: "" };
  const down = link(0, { connected: false });
  const judged = (fields: Partial<typeof membership>) => {
    const told = report("apac", [down], { membership: { ...membership, ...fields } });
    return [linkVerdict(told, down, noon).text, ...alarms(["apac"], new Map([["apac", told]]), noon)];
  };
  expect(judged({})).toEqual(["at a"]);
  expect(judged({ member: "a" })).toEqual(["down", "apac ← hq down"]);
  expect(judged({ leader: "" })).toEqual(["nobody leads", "apac: none of its members leads"]);
  expect(judged({ etcdWarning: "etcd has no leader" })).toEqual(["at a", "apac: etcd has no leader"]);
});

test("a site that is not heard is never shown as up", () => {
  expect(siteVerdict(undefined, noon).grade).toBe("none");
  expect(siteVerdict(report("apac"), noon).text).toBe("up");
  expect(siteVerdict(report("apac"), noon + 6000).text).toBe("no news");
  expect(siteVerdict(report("apac", [], { writable: false }), noon).text).toBe("read only");
  expect(siteVerdict({ ...report("apac"), error: { code: "UNAVAILABLE" } as never }, noon).text).toBe("no answer");
});

test("digests are compared only where both sides have applied the same", () => {
  const judge = (...reports: NodeReport[]) => digestVerdicts(reports.map((each) => each.site), new Map(reports.map((each) => [each.site, each])));
  const all = judge(digest("apac", { "*": "a" }), digest("eame", { "*": "a" }), digest("hq", { "*": "a" }));
  expect(all.get("apac")).toEqual({ grade: "good", text: "equal to all" });
  const wrong = judge(digest("apac", { "*": "a" }), digest("eame", { "*": "b" }), digest("hq", { "*": "a" }));
  expect(wrong.get("eame")).toEqual({ grade: "bad", text: "differs from apac, hq" });
  expect(wrong.get("hq")).toEqual({ grade: "bad", text: "differs from eame" });
  expect(judge(digest("apac", { "*": "a" }), digest("hq", { "*": "b" }, "6")).get("hq")?.grade).toBe("warn");
  expect(judge(digest("apac", { "*": "a" }), digest("hq", { "*": "b" }, "5", { foldVersion: 2 })).get("hq")?.grade).toBe("warn");
  expect(judge(digest("apac", { "*": "a" }), digest("hq", { "*": "b" }, "5", { opaqueEntries: "1" })).get("hq")?.grade).toBe("warn");
  // A class that only one of them holds says nothing.
  expect(judge(digest("apac", { "*": "a" }), digest("hq", { "*": "a", hq: "c" })).get("apac")?.text).toBe("equal to all");
  // eame holds records in part, and cannot know; the others' own classes tell.
  const partly = judge(digest("apac", { "* but eame": "a", "apac,hq": "c" }), digest("eame", { "*": "b" }), digest("hq", { "* but eame": "a", "apac,hq": "c" }));
  expect([...partly.values()].map((each) => `${each.grade} ${each.text}`)).toEqual(["good equal to hq", "warn not comparable", "good equal to apac"]);
  const lost = judge(digest("apac", { "* but eame": "a", "apac,hq": "c" }), digest("eame", { "*": "b" }), digest("hq", { "* but eame": "a", "apac,hq": "d" }));
  expect([...lost.values()].map((each) => each.text)).toEqual(["differs from hq", "not comparable", "differs from apac"]);
  expect(judge(digest("apac", { "apac,hq": "c" }), digest("eame", { "apac,hq": "d" })).get("eame")?.text).toBe("equal to all");
});

test("a class that a node does not list has no record there", () => {
  const judge = (...reports: NodeReport[]) => [...digestVerdicts(reports.map((each) => each.site), new Map(reports.map((each) => [each.site, each]))).values()].map((each) => each.text);
  const two = (one: string, other: string) => [`differs from ${other}`, `differs from ${one}`];
  const equal = ["equal to all", "equal to all"];
  const none = ["not comparable", "not comparable"];
  const apac = digest("apac", { "*": "a", "apac,hq": "b" });
  expect(judge(apac, digest("hq", { "*": "a" }))).toEqual(two("apac", "hq"));
  expect(judge(apac, digest("hq", {}))).toEqual(two("apac", "hq"));
  expect(judge(apac, digest("eame", { "*": "a", eame: "c" }))).toEqual(equal);
  // One without records is as one that is not listed.
  expect(judge(digest("apac", { "* but eame": 0 }), digest("hq", {}))).toEqual(equal);
  expect(judge(digest("apac", { "* but eame": 0 }), digest("eame", { "*": 0 }))).toEqual(equal);
  expect(judge(digest("apac", { "* but eame": 0 }), digest("hq", { "*": "a" }))).toEqual(two("apac", "hq"));
  // Who has none may say that the other holds it in part, of the narrowest class that it may be of.
  const hq = digest("hq", { "* but eame": 0, "apac,eame but eame": 0, "apac,hq": "b" });
  expect(judge(hq, digest("eame", { "*": "a" }))).toEqual(none);
  expect(judge(hq, digest("eame", { "apac,eame,hq": "a" }))).toEqual(none);
  expect(judge(hq, digest("eame", { "eame,hq": "a" }))).toEqual(two("hq", "eame"));
});

test("what is wrong is named", () => {
  const nodes = new Map([
    ["apac", report("apac", [link(0, { connected: false })])],
    ["hq", report("hq", [], { writable: false, unwritableReason: "waits for apac", certificateExpireTime: at(3 * 86_400_000) })],
  ]);
  expect(alarms(["apac", "hq"], nodes, noon)).toEqual(["apac ← hq down", "hq takes no writes: waits for apac", "certificate of hq: 2026-11-24 · 3 d"]);
  expect(expiryVerdict(at(-1000), noon)).toEqual({ grade: "bad", text: "2026-11-21 · expired" });
});

test("spans, times, dates and names", () => {
  expect([0, 0.0023, 0.25, 1.44, 42.9, 119, 121, 7300, 200_000, -3].map(span)).toEqual(["0", "2.3 ms", "250 ms", "1.4 s", "42 s", "119 s", "2 min", "2 h", "2 d", "−3.0 s"]);
  expect(clock(at(0), noon)).toBe("12:00:00Z");
  expect(clock(at(-86_400_000), noon)).toBe("2026-11-20 12:00Z");
  expect(clock(undefined)).toBe("–");
  expect(calendarDate({ year: 2026, month: 5, day: 0 })).toBe("2026-05");
  expect(calendarDate({ year: 0, month: 0, day: 0 })).toBe("–");
  expect(label("ENGAGEMENT_STATE_IN_PROGRESS", "ENGAGEMENT_STATE")).toBe("in progress");
  expect([idOf("countries/JP"), collectionOf("engagements/E/followUps/F")]).toEqual(["JP", "followUps"]);
  expect([plainValue('"Nippon"'), plainValue(""), plainValue("3"), plainValue("{")]).toEqual(["Nippon", "(nothing)", "3", "{"]);
});

test("a date that lacks its day is any of its days", () => {
  expect([firstDayOf({ year: 2024, month: 2, day: 0 }), lastDayOf({ year: 2024, month: 2, day: 0 })]).toEqual(["2024-02-01", "2024-02-29"]);
  expect([firstDayOf({ year: 2023, month: 0, day: 0 }), lastDayOf({ year: 2023, month: 0, day: 0 })]).toEqual(["2023-01-01", "2023-12-31"]);
  expect([firstDayOf({ year: 2023, month: 5, day: 4 }), lastDayOf({ year: 2023, month: 5, day: 4 })]).toEqual(["2023-05-04", "2023-05-04"]);
  expect(lastDayOf(undefined)).toBeUndefined();
  expect(dateOf("2026-05-04")).toEqual({ year: 2026, month: 5, day: 4 });
  expect(percent(123_456)).toBe("12.3");
});

test("a country's standing is what matters most of what is known, by the measure that is chosen", () => {
  const country = { region: "REGION_APAC", standing: "STANDING_ENGAGED", assessment: "CYCLE_STATUS_OVERDUE", condition: "CONDITION_STATUS_UNSPECIFIED" };
  const both = (fields: Partial<typeof country>) => (["engagement", "assessment"] as const).map((measure) => standingOf({ ...country, ...fields }, measure));
  expect(both({})).toEqual(["engaged", "overdue"]);
  expect(both({ condition: "CONDITION_STATUS_IN_FORCE" })).toEqual(["conditions", "conditions"]);
  expect(both({ condition: "CONDITION_STATUS_UNKNOWN" })).toEqual(["engaged", "overdue"]);
  expect(both({ standing: "STANDING_DUE", assessment: "CYCLE_STATUS_NEVER" })).toEqual(["due", "never"]);
  expect(both({ standing: "STANDING_OVERDUE", assessment: "CYCLE_STATUS_DUE" })).toEqual(["overdue", "due"]);
  expect(both({ standing: "STANDING_NEVER", assessment: "CYCLE_STATUS_CURRENT" })).toEqual(["never", "engaged"]);
  expect(both({ region: "REGION_HQ", standing: "STANDING_UNSPECIFIED", assessment: "CYCLE_STATUS_NEVER" })).toEqual(["outside", "outside"]);
});

test("a sum counts what its figures count together, and nothing else", () => {
  const figure = (count: string, request?: Record<string, unknown>) => ({ count, ...(request ? { records: { method: "fairlead.v1.EngagementService/ListEngagements", request } } : {}) });
  const request = { region: "REGION_APAC", state: "ENGAGEMENT_STATE_DRAFT" };
  expect(sumOf([figure("2", request)], [])).toEqual(figure("2", request));
  expect(sumOf([figure("2", request), figure("3", { ...request, region: "REGION_CSA" })], ["region"])).toEqual(figure("5", { state: "ENGAGEMENT_STATE_DRAFT" }));
  // What no filter asks for is counted, and does not hide the way to the rest.
  expect(sumOf([figure("1"), undefined, figure("2", request)], ["region"])).toEqual(figure("3", { state: "ENGAGEMENT_STATE_DRAFT" }));
  expect(sumOf([figure("1")], ["region"])).toEqual({ count: "1" });
  expect(sumOf([], [])).toEqual({ count: "0" });
});

test("a number's address leads back to what was asked, and a made-up one to nothing", () => {
  const way = { method: "fairlead.v1.HelpDeskService/ListInquiries", request: { month: "2026-05", unrouted: true } };
  const path = decodeURIComponent(addressOf(way, "inquiries, 2026-05", "hq").replace("#/figures/", ""));
  const asked = { what: "inquiries, 2026-05", site: "hq", method: "HelpDeskService/ListInquiries", request: way.request };
  expect(askedBy(path)).toEqual(asked);
  expect(wordsOf(asked)).toBe("ListInquiries, month 2026-05, unrouted true");
  for (const wrong of ["", "of/", "of/{", "of/null", "of/[]", 'of/{"what":"a","site":"hq","method":"RecordService/ListConflicts"}', 'of/{"what":"a","site":"hq","method":"ReleaseService/ApproveRelease","request":{}}', 'of/{"what":"a","site":"hq","method":"RecordService/ListConflicts","request":null}']) {
    expect(askedBy(wrong), wrong).toBeUndefined();
  }
});

test("a list goes on after a page that ended early, as far as it is wanted, and not for ever", async () => {
  const { fetch } = globalThis;
  const pages = (all: string[][]) => {
    const asked: string[] = [];
    globalThis.fetch = (async (_path: string, init: RequestInit) => {
      const { pageToken } = JSON.parse(init.body as string) as { pageToken: string };
      asked.push(pageToken);
      const n = Number(pageToken || "0");
      const body = { conflicts: all[n], nextPageToken: n + 1 < all.length ? String(n + 1) : "" };
      return new Response(JSON.stringify(body), { headers: { "x-fairlead-site": "hq" } });
    }) as typeof globalThis.fetch;
    return asked;
  };
  const { now } = Date;
  try {
    pages([[], [], ["a"]]);
    expect(await listAll("RecordService/ListConflicts", "conflicts")).toEqual({ records: ["a"], more: false, site: "hq" });
    const asked = pages([["a"], ["b"], ["c"]]);
    expect(await listAll("RecordService/ListConflicts", "conflicts", {}, 2)).toEqual({ records: ["a", "b"], more: true, site: "hq" });
    expect(asked).toEqual(["", "1"]);
    let time = noon;
    Date.now = () => (time += 20_000);
    pages([[], [], [], [], [], [], [], []]);
    await expect(listAll("RecordService/ListConflicts", "conflicts")).rejects.toThrow("the list was not complete within 60 s");
  } finally {
    globalThis.fetch = fetch;
    Date.now = now;
  }
});

test("a mean over rows weighs each by its number", () => {
  const row = (count: string, meanTime?: string) => ({ inquiries: { count }, meanTime });
  expect(meanSeconds([row("3", "10s"), row("1", "50s"), row("9")])).toBe(20);
  expect(meanSeconds([row("9")])).toBeUndefined();
});

test("the months of a trend have no gaps, and begin where long ones have something", () => {
  const rows = [{ month: "2026-02", region: "REGION_APAC", kind: "", engagements: { count: "1" } }];
  expect(monthsOf(rows, 12, "2026-11-21")).toHaveLength(15);
  expect(monthsOf(rows, 12, "2026-11-21")[0]).toBe("2025-12");
  expect(monthsOf(rows, 120, "2026-11-21")).toEqual(["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"].map((month) => `2026-${month}`).concat(["2027-01", "2027-02"]));
});

test("the steps of the time slider are the ends of months, and today", () => {
  const today = "2026-11-21";
  expect(dayOfStep(0, today)).toBe("2004-07-31");
  expect(dayOfStep(186, today)).toBe("2020-01-31");
  expect(dayOfStep(lastStep(today) - 1, today)).toBe("2026-10-31");
  expect(dayOfStep(lastStep(today), today)).toBe(today);
});
