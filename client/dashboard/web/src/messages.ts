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
}

export interface StateDigest {
  site: string;
  foldVersion: number;
  vector: { origin: string; size: string }[];
  classes: { audience: string; digest: string; records: string }[];
  opaqueEntries: string;
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
  engagements: { region: string; kind: string; state: string; count: string }[];
  countries: { country: string; region: string; engagements: string; ports: string }[];
  followUpsOpen: string;
  followUpsOverdue: string;
  observations: string;
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
  resumeToken: string;
  snapshot: boolean;
  site: string;
}
