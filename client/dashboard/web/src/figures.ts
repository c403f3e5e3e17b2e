// Numbers of the overview, sums of them, and the way from a number to the records that it counts.

import { methodName } from "./format";
import type { DrillDown, Figure } from "./messages";

const named = (prefix: string, values: string[]) => values.map((value) => `${prefix}_${value}`);

// In the order in which they are shown.
export const engagementStates = named("ENGAGEMENT_STATE", ["DRAFT", "PROPOSED", "SCHEDULED", "IN_PROGRESS", "COMPLETED", "REPORTED", "CLOSED", "CANCELLED", "REFUSED"]);
export const engagementKinds = named("ENGAGEMENT_KIND", [
  "BILATERAL",
  "MULTILATERAL",
  "COUNTRY_VISIT",
  "PORT_VISIT",
  "RECIPROCAL_VISIT",
  "TECHNICAL_EXCHANGE",
  "TRAINING",
  "INFORMATION_EXCHANGE",
]);
export const visitPhases = named("VISIT_PHASE", ["PRELIMINARY_EXCHANGE", "IN_COUNTRY", "RECIPROCAL_OFFERED", "DIALOGUE", "ENDED", "UNSPECIFIED"]);
export const cycleStatuses = named("CYCLE_STATUS", ["CURRENT", "DUE", "OVERDUE", "NEVER"]);
export const severities = named("SEVERITY", ["CRITICAL", "MAJOR", "MINOR", "COMMENDABLE"]);
export const inquiryStates = named("INQUIRY_STATE", ["OPEN", "ROUTED", "REOPENED", "ANSWERED", "CLOSED"]);

// The methods that a number may lead to: the field of the answer that holds the records, and whether it comes in pages. An address that
// names any other method leads nowhere: it may have been made by somebody else.
export const listedBy = new Map([
  ["OverviewService/ListCountryOverviews", { field: "countries", paged: false }],
  ["ReferenceService/ListCountries", { field: "countries", paged: true }],
  ["ReferenceService/ListPorts", { field: "ports", paged: true }],
  ["ReferenceService/ListLiaisonOfficers", { field: "liaisonOfficers", paged: true }],
  ["EngagementService/ListEngagements", { field: "engagements", paged: true }],
  ["EngagementService/ListObservations", { field: "observations", paged: true }],
  ["EngagementService/ListFollowUps", { field: "followUps", paged: true }],
  ["EngagementService/ListOverdueFollowUps", { field: "followUps", paged: true }],
  ["VisitService/ListVisitStages", { field: "stages", paged: false }],
  ["AssessmentService/ListAssessmentStandings", { field: "standings", paged: false }],
  ["AssessmentService/ListConditionsInForce", { field: "standings", paged: false }],
  ["PriorityService/ListEligibleCountries", { field: "countries", paged: false }],
  ["HelpDeskService/ListInquiries", { field: "inquiries", paged: true }],
  ["TrainingService/ListTrainingSessions", { field: "trainingSessions", paged: true }],
  ["TrainingService/ListTrainingRequests", { field: "trainingRequests", paged: true }],
  ["RecordService/ListConflicts", { field: "conflicts", paged: true }],
  ["NodeService/ListOpaqueEntries", { field: "opaqueEntries", paged: true }],
]);

// A number that was asked about: the node that gave it lists what it counts.
export interface Asked {
  what: string;
  site: string;
  method: string;
  request: Record<string, unknown>;
}

// A number of which the overview does not say how to list what it counts.
export function figureOf(count: string | number, method: string, request: Record<string, unknown>): Figure {
  return { count: String(count), records: { method: `fairlead.v1.${method}`, request } };
}

// What figures count together that differ in nothing but the fields `over` of their requests: all of them, without those fields.
export function sumOf(figures: (Figure | undefined)[], over: string[]): Figure {
  let sum = 0;
  let records: DrillDown | undefined;
  for (const figure of figures) {
    sum += Number(figure?.count ?? 0);
    records ??= figure?.records;
  }
  if (!records) return { count: String(sum) };
  const request = Object.fromEntries(Object.entries(records.request).filter(([field]) => !over.includes(field)));
  return { count: String(sum), records: { method: records.method, request } };
}

const prefix = "of/";

export function addressOf(way: DrillDown, what: string, site: string): string {
  const asked: Asked = { what, site, method: way.method.replace("fairlead.v1.", ""), request: way.request };
  return `#/figures/${prefix}${encodeURIComponent(JSON.stringify(asked))}`;
}

// What a path of the view asks about; undefined when it is none of this page's.
export function askedBy(path: string): Asked | undefined {
  if (!path.startsWith(prefix)) return undefined;
  try {
    const asked = JSON.parse(path.slice(prefix.length)) as Partial<Asked> | null;
    const { what, site, method, request } = asked ?? {};
    if (typeof what !== "string" || typeof site !== "string" || typeof method !== "string" || !listedBy.has(method)) return undefined;
    if (typeof request !== "object" || request === null) return undefined;
    return { what, site, method, request };
  } catch {
    return undefined;
  }
}

// The request in words: "state CLOSED, region APAC".
export function wordsOf(asked: Asked): string {
  const words = Object.entries(asked.request).map(([field, value]) => {
    const text = typeof value === "object" && value !== null && "year" in value ? Object.values(value).join("-") : String(value);
    return `${field} ${text}`;
  });
  return [methodName(asked.method), ...words].join(", ");
}

// Seconds that answers took on average, over rows with a mean each; undefined when none has one.
export function meanSeconds(rows: { inquiries?: Figure; meanTime?: string }[]): number | undefined {
  let answers = 0;
  let sum = 0;
  for (const row of rows) {
    if (row.meanTime === undefined) continue;
    const n = Number(row.inquiries?.count ?? 0);
    answers += n;
    sum += n * Number.parseFloat(row.meanTime);
  }
  return answers > 0 ? sum / answers : undefined;
}

// So many months back, the current one included, and the three to come; more than a year only from the first with a row on.
export function monthsOf(rows: { month: string }[], back: number, today: string): string[] {
  const [year = 0, month = 0] = today.split("-").map(Number);
  const ahead = 3;
  const all: string[] = [];
  for (let step = 1 - back; step <= ahead; step++) all.push(new Date(Date.UTC(year, month - 1 + step, 1)).toISOString().slice(0, 7));
  const first = rows.reduce((least, row) => (row.month < least ? row.month : least), today.slice(0, 7));
  return back > 12 ? all.filter((each) => each >= first) : all;
}
