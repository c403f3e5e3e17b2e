// The fields of the API's messages that the page reads, as protobuf's JSON mapping names them: 64-bit integers are strings, durations
// "1.5s", times RFC 3339. The definitions are api/fairlead/v1/*.proto.

export interface CosignatureStatus {
  site: string;
  size: string;
  time: string;
}

export interface LogStatus {
  origin: string;
  site: string;
  size: string;
  checkpointSize: string;
  cosignatures: CosignatureStatus[];
  quarantine: string;
  oldestUnappliedAge?: string;
}

export interface LinkStatus {
  peer: string;
  address: string;
  connected: boolean;
  lastContactTime?: string;
  rtt?: string;
  entriesBehind: string;
  entriesReceived: string;
  bytesReceived: string;
  lastError: string;
  lastErrorTime?: string;
}

// A site of several machines, as the one that answers sees it.
export interface MembershipStatus {
  member: string;
  leader: string;
  members: { member: string; durableSize: string }[];
  etcdBytes: string;
  etcdQuotaBytes: string;
  etcdWarning: string;
}

export interface NodeStatus {
  site: string;
  version: string;
  startTime: string;
  time: string;
  writable: boolean;
  unwritableReason: string;
  journalSize: string;
  logs: LogStatus[];
  links: LinkStatus[];
  opaqueEntries: string;
  certificateExpireTime?: string;
  membership?: MembershipStatus;
}

export interface StateDigest {
  site: string;
  foldVersion: number;
  vector: { origin: string; size: string }[];
  classes: { audience: string; digest: string; records: string }[];
  opaqueEntries: string;
}

// The way from a number to what it counts: a method, and the request with which it lists exactly that.
export interface DrillDown {
  method: string;
  request: Record<string, unknown>;
}

export interface Figure {
  count: string;
  records?: DrillDown;
}

export interface CountryOverview {
  country: string;
  region: string;
  engagements: string;
  ports: string;
  standing: string;
  lastEngagement: string;
  lastEngagementDate?: CalendarDate;
  dueDate?: CalendarDate;
  officers: string[];
  phase: string;
  assessment: string;
  condition: string;
}

export interface CoverageCount {
  region: string;
  officer: string;
  countries?: Figure;
  engaged?: Figure;
  due?: Figure;
  overdue?: Figure;
  never?: Figure;
}

export interface Overview {
  answeringSite: string;
  sites: { site: string; records: string; entries: string; asOfTime?: string; lag?: string; entriesBehind: string; conflicts: string }[];
  regions: {
    region: string;
    countries: string;
    countriesEngaged: string;
    ports: string;
    portFacilities: string;
    liaisonOfficers: string;
  }[];
  engagements: { region: string; kind: string; state: string; count: string; records?: DrillDown }[];
  countries: CountryOverview[];
  coverageByRegion: CoverageCount[];
  coverageByOfficer: CoverageCount[];
  months: { month: string; region: string; kind: string; engagements?: Figure }[];
  stages: { region: string; phase: string; countries?: Figure }[];
  findings?: {
    observations: { severity: string; observations?: Figure }[];
    followUpsOpen?: Figure;
    followUpsOverdue?: Figure;
    observationsOpen?: Figure;
    observationsOverdue?: Figure;
  };
  assessments: { region: string; status: string; countries?: Figure }[];
  assessmentsAlternative?: Figure;
  conditions: { status: string; conditions?: Figure }[];
  priorities: VisitPriority[];
  eligibleCountries?: Figure;
  upcoming: CalendarEntry[];
  inquiries: { month: string; region: string; state: string; inquiries?: Figure; meanTime?: string }[];
  trainingSessions: { state: string; sessions?: Figure; attended: string; completed: string }[];
  trainingRequests: { state: string; requests?: Figure }[];
  links: LinkStatus[];
  conflicts?: Figure;
  opaqueEntries?: Figure;
  unreachable: string[];
  asOfTime: string;
}

// What all records share.
export interface AnyRecord {
  name: string;
  updateTime?: string;
  withdrawn?: boolean;
  conflicts?: { field: string }[];
  displayName?: string;
  title?: string;
  text?: string;
  task?: string;
}

export interface Country extends AnyRecord {
  displayName: string;
  alpha3: string;
  numeric: string;
  region: string;
  landlocked: boolean;
}

export interface Port extends AnyRecord {
  displayName: string;
  country: string;
  position?: { latitude: number; longitude: number };
}

export interface LiaisonOfficer extends AnyRecord {
  displayName: string;
  region: string;
}

export interface CalendarDate {
  year: number;
  month: number;
  day: number;
}

export interface Engagement extends AnyRecord {
  kind: string;
  title: string;
  countries: string[];
  region: string;
  state: string;
  startDate?: CalendarDate;
  endDate?: CalendarDate;
  outcome: string;
  source: string;
}

export interface Observation extends AnyRecord {
  text: string;
  severity: string;
  element: string;
  ispsReference: string;
}

export interface CalendarEntry {
  record: string;
  title: string;
  kind: string;
  state: string;
  startDate?: CalendarDate;
  endDate?: CalendarDate;
  region: string;
  countries: string[];
  officers: string[];
}

export interface Clash {
  officer: string;
  first: string;
  firstTitle: string;
  second: string;
  secondTitle: string;
  startDate?: CalendarDate;
  endDate?: CalendarDate;
  uncertain: boolean;
}

export interface OverdueFollowUp {
  followUp: string;
  state: string;
  dueDate?: CalendarDate;
  daysOverdue: number;
  owner: string;
  task: string;
  countries: string[];
}

export interface AssessmentStanding {
  country: string;
  status: string;
  assessment: string;
  determination: string;
  determinationDate?: CalendarDate;
  basis: string;
  dueDate?: CalendarDate;
  daysLeft: number;
  missingElements: string[];
}

export interface Assessment extends AnyRecord {
  country: string;
  state: string;
  determination: string;
  determinationDate?: CalendarDate;
  basis: string;
  dueDate?: CalendarDate;
}

export interface ConditionStanding {
  condition?: AnyRecord;
  status: string;
  explanation: string;
  country: string;
}

export interface VisitStage {
  country: string;
  phase: string;
  since?: CalendarDate;
  days: number;
  visitCycle: string;
  officer: string;
}

export interface Coverage {
  country: string;
  officer: string;
  duty: string;
  since?: CalendarDate;
  until?: CalendarDate;
}

export interface PriorityWeights {
  vessels: number;
  cargo: number;
  history: number;
  other: number;
}

export interface FactorScore {
  factor: string;
  missing: boolean;
  value: string;
  unit: string;
  normalisedMillionths: number;
  weight: number;
  contributionMillionths: number;
  explanation: string;
  records: string[];
  recordCount: string;
}

export interface VisitPriority {
  country: string;
  rank: number;
  scoreMillionths: number;
  coverageMillionths: number;
  factors: FactorScore[];
  eligible: boolean;
}

export interface VisitPriorities {
  priorities: VisitPriority[];
  weights?: PriorityWeights;
  asOf?: CalendarDate;
  startDate?: CalendarDate;
  endDate?: CalendarDate;
  dataNote: string;
}

export interface Release extends AnyRecord {
  etag: string;
  createTime?: string;
  record: string;
  nations: string[];
  groups: string[];
  fields: { field: string; valueIds: string[] }[];
  purpose: string;
  retentionDate?: CalendarDate;
  recordMarking: string;
  replaces: string[];
  state: string;
  reason: string;
}

export interface PreviewedNation {
  nation: string;
  groups: string[];
  fields: { field: string; values: string[] }[];
  reason: string;
}

export interface ReleasePreview {
  release?: Release;
  nations: PreviewedNation[];
  emptyGroups: string[];
  replacedFields: string[];
}

export interface Proposal extends AnyRecord {
  etag: string;
  createTime?: string;
  nation: string;
  system: string;
  kind: string;
  record: string;
  subject: string;
  text: string;
  region: string;
  state: string;
  reason: string;
}

export interface Revision {
  entry: string;
  actor: string;
  site: string;
  time: string;
  method: string;
  changes: { field: string; value: string; replaced: number }[];
}

export interface ConflictValue {
  valueId: string;
  value: string;
  shown: boolean;
  amendment: boolean;
  entry: string;
  site: string;
  actor: string;
  method: string;
  time: string;
  read: { valueId: string; value: string; entry: string; site: string }[];
}

export interface Conflict {
  name: string;
  etag: string;
  record: string;
  field: string;
  values: ConflictValue[];
  withdrawn: boolean;
}

export interface OpaqueEntry {
  entry: string;
  cause: string;
  detail: string;
}

export interface WatchEvent {
  collection: string;
  record?: AnyRecord & Record<string, unknown>;
  // The name of a record that is not there any more, in place of it.
  gone?: string;
  resumeToken: string;
  snapshot: boolean;
  site: string;
}

export interface SearchResult {
  name: string;
  collection: string;
  title: string;
  snippet: { text: string; match: boolean }[];
  countries: string[];
  regions: string[];
  state: string;
  kind: string;
  date?: CalendarDate;
  updateTime?: string;
}

export interface SearchResponse {
  results: SearchResult[];
  nextPageToken: string;
  entriesBehind: string;
}
