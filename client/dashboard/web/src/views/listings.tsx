// How the records behind a number are listed, by the method that lists them (`listedBy` of figures.ts).

import { calendarDate, clock, count, idOf, label, regionName } from "../format";
import type {
  AnyRecord,
  AssessmentStanding,
  CalendarDate,
  Conflict,
  ConditionStanding,
  Country,
  CountryOverview,
  Engagement,
  LiaisonOfficer,
  Observation,
  OpaqueEntry,
  OverdueFollowUp,
  Port,
  VisitStage,
} from "../messages";
import { RecordName } from "../parts/record";
import type { Column } from "../parts/table";
import { CountryLink, CountryLinks, type CountryNames } from "./countries";

export interface Listing {
  keyOf: (row: never) => string;
  columns: (names: CountryNames) => Column<never>[];
}

// Of rows of one type: the type is forgotten where the answer, which has none, is read.
function listing<T>(keyOf: (row: T) => string, columns: (names: CountryNames) => Column<T>[]): Listing {
  return { keyOf, columns } as Listing;
}

interface FollowUp extends AnyRecord {
  task: string;
  owner: string;
  dueDate?: CalendarDate;
  state: string;
}

interface Inquiry extends AnyRecord {
  subject: string;
  country: string;
  region: string;
  state: string;
  receivedTime?: string;
  answeredTime?: string;
}

interface TrainingSession extends AnyRecord {
  offering: string;
  place: string;
  countries: string[];
  state: string;
  startDate?: CalendarDate;
}

interface TrainingRequest extends AnyRecord {
  country: string;
  offering: string;
  state: string;
}

const nameOf = (row: { name: string }) => row.name;
const countryOf = (row: { country: string }) => row.country;
const unset = (value: string, prefix: string) => (value === `${prefix}_UNSPECIFIED` ? "–" : label(value, prefix));

export function engagementColumns(names: CountryNames): Column<Engagement>[] {
  return [
    { title: "Date", kind: "time", cell: (row) => calendarDate(row.startDate) },
    { title: "Title", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.title} /> },
    { title: "Kind", cell: (row) => label(row.kind, "ENGAGEMENT_KIND") },
    { title: "State", cell: (row) => label(row.state, "ENGAGEMENT_STATE") },
    { title: "Region", cell: (row) => regionName(row.region) },
    { title: "Countries", kind: "text", cell: (row) => <CountryLinks countries={row.countries} names={names} /> },
  ];
}

export function overdueColumns(names: CountryNames): Column<OverdueFollowUp>[] {
  return [
    { title: "Due", kind: "time", cell: (row) => calendarDate(row.dueDate) },
    { title: "Days over", kind: "number", cell: (row) => count(row.daysOverdue) },
    { title: "Task", kind: "text", head: true, cell: (row) => <RecordName name={row.followUp} text={row.task} /> },
    { title: "State", cell: (row) => label(row.state, "FOLLOW_UP_STATE") },
    { title: "Owner", cell: (row) => idOf(row.owner) },
    { title: "Countries", kind: "text", cell: (row) => <CountryLinks countries={row.countries} names={names} /> },
  ];
}

export function assessmentColumns(names: CountryNames): Column<AssessmentStanding>[] {
  return [
    { title: "Due", kind: "time", cell: (row) => calendarDate(row.dueDate) },
    { title: "Days left", kind: "number", cell: (row) => (row.assessment ? count(row.daysLeft) : "–") },
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.country} names={names} /> },
    { title: "Determined", kind: "time", cell: (row) => calendarDate(row.determinationDate) },
    { title: "Determination", cell: (row) => unset(row.determination, "DETERMINATION") },
    { title: "Basis", cell: (row) => unset(row.basis, "ASSESSMENT_BASIS") },
    { title: "Assessment", cell: (row) => row.assessment && <RecordName name={row.assessment} /> },
  ];
}

export function conditionColumns(names: CountryNames): Column<ConditionStanding>[] {
  return [
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.country} names={names} /> },
    { title: "Status", cell: (row) => label(row.status, "CONDITION_STATUS") },
    { title: "Record", cell: (row) => row.condition && <RecordName name={row.condition.name} /> },
    { title: "Why", kind: "text", cell: (row) => row.explanation },
  ];
}

const byMethod: Record<string, Listing> = {
  "OverviewService/ListCountryOverviews": listing<CountryOverview>(countryOf, (names) => [
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.country} names={names} /> },
    { title: "Region", cell: (row) => regionName(row.region) },
    { title: "Standing", cell: (row) => label(row.standing, "STANDING") },
    { title: "Last engaged", kind: "time", cell: (row) => (row.lastEngagement ? <RecordName name={row.lastEngagement} text={calendarDate(row.lastEngagementDate)} /> : "–") },
    { title: "Due", kind: "time", cell: (row) => calendarDate(row.dueDate) },
    { title: "Officers", kind: "text", cell: (row) => row.officers.map(idOf).join(", ") || "–" },
  ]),
  "ReferenceService/ListCountries": listing<Country>(nameOf, (names) => [
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.name} names={names} /> },
    { title: "Region", cell: (row) => regionName(row.region) },
    { title: "Record", cell: (row) => <RecordName name={row.name} /> },
  ]),
  "ReferenceService/ListPorts": listing<Port>(nameOf, (names) => [
    { title: "Port", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.displayName} /> },
    { title: "Code", cell: (row) => idOf(row.name) },
    { title: "Country", cell: (row) => <CountryLink country={row.country} names={names} /> },
  ]),
  "ReferenceService/ListLiaisonOfficers": listing<LiaisonOfficer>(nameOf, () => [
    { title: "Officer", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.displayName} /> },
    { title: "Region", cell: (row) => regionName(row.region) },
  ]),
  "EngagementService/ListEngagements": listing<Engagement>(nameOf, engagementColumns),
  "EngagementService/ListObservations": listing<Observation>(nameOf, () => [
    { title: "Severity", cell: (row) => unset(row.severity, "SEVERITY") },
    { title: "Element", cell: (row) => unset(row.element, "ASSESSMENT_ELEMENT") },
    { title: "Reference", cell: (row) => row.ispsReference },
    { title: "Observation", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.text} /> },
  ]),
  "EngagementService/ListFollowUps": listing<FollowUp>(nameOf, () => [
    { title: "Due", kind: "time", cell: (row) => calendarDate(row.dueDate) },
    { title: "Task", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.task} /> },
    { title: "State", cell: (row) => label(row.state, "FOLLOW_UP_STATE") },
    { title: "Owner", cell: (row) => idOf(row.owner) },
  ]),
  "EngagementService/ListOverdueFollowUps": listing<OverdueFollowUp>((row) => row.followUp, overdueColumns),
  "VisitService/ListVisitStages": listing<VisitStage>(countryOf, (names) => [
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.country} names={names} /> },
    { title: "Phase", cell: (row) => (row.visitCycle ? <RecordName name={row.visitCycle} text={label(row.phase, "VISIT_PHASE")} /> : "–") },
    { title: "Since", kind: "time", cell: (row) => calendarDate(row.since) },
    { title: "Days", kind: "number", cell: (row) => (row.since ? count(row.days) : "–") },
    { title: "Led by", cell: (row) => (row.officer ? idOf(row.officer) : "–") },
  ]),
  "AssessmentService/ListAssessmentStandings": listing<AssessmentStanding>(countryOf, assessmentColumns),
  "AssessmentService/ListConditionsInForce": listing<ConditionStanding>((row) => row.condition?.name ?? row.country, conditionColumns),
  "PriorityService/ListEligibleCountries": listing<{ country: string; arrivals: string }>(countryOf, (names) => [
    { title: "Country", head: true, cell: (row) => <CountryLink country={row.country} names={names} /> },
    { title: "Arrivals", kind: "number", cell: (row) => count(row.arrivals) },
  ]),
  "HelpDeskService/ListInquiries": listing<Inquiry>(nameOf, (names) => [
    { title: "Came", kind: "time", cell: (row) => clock(row.receivedTime) },
    { title: "Answered", kind: "time", cell: (row) => clock(row.answeredTime) },
    { title: "Subject", kind: "text", head: true, cell: (row) => <RecordName name={row.name} text={row.subject} /> },
    { title: "State", cell: (row) => label(row.state, "INQUIRY_STATE") },
    { title: "Region", cell: (row) => regionName(row.region) },
    { title: "Country", cell: (row) => (row.country ? <CountryLink country={row.country} names={names} /> : "–") },
  ]),
  "TrainingService/ListTrainingSessions": listing<TrainingSession>(nameOf, (names) => [
    { title: "Date", kind: "time", cell: (row) => calendarDate(row.startDate) },
    { title: "Course", head: true, cell: (row) => <RecordName name={row.name} text={idOf(row.offering)} /> },
    { title: "Place", kind: "text", cell: (row) => row.place || "–" },
    { title: "State", cell: (row) => label(row.state, "TRAINING_SESSION_STATE") },
    { title: "Countries", kind: "text", cell: (row) => <CountryLinks countries={row.countries} names={names} /> },
  ]),
  "TrainingService/ListTrainingRequests": listing<TrainingRequest>(nameOf, (names) => [
    { title: "Request", head: true, cell: (row) => <RecordName name={row.name} text={idOf(row.offering)} /> },
    { title: "State", cell: (row) => label(row.state, "TRAINING_REQUEST_STATE") },
    { title: "Country", cell: (row) => <CountryLink country={row.country} names={names} /> },
  ]),
  "RecordService/ListConflicts": listing<Conflict>(nameOf, () => [
    { title: "Record", head: true, cell: (row) => <RecordName name={row.record} /> },
    { title: "Field", cell: (row) => row.field },
    { title: "Values", kind: "number", cell: (row) => count(row.values.length) },
    { title: "Settle", cell: (row) => <a href={`#/work/conflicts/${encodeURIComponent(row.name)}`}>side by side</a> },
  ]),
  "NodeService/ListOpaqueEntries": listing<OpaqueEntry>((row) => row.entry, () => [
    { title: "Entry", head: true, cell: (row) => row.entry },
    { title: "Cause", cell: (row) => row.cause },
    { title: "Found", kind: "text", cell: (row) => row.detail },
  ]),
};

export function listingOf(method: string): Listing | undefined {
  return Object.hasOwn(byMethod, method) ? byMethod[method] : undefined;
}
