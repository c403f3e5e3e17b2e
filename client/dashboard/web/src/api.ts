// Calls to the gateway. Every call has a time limit, so that nothing waits for ever.

export interface Session {
  viewer: string;
  network: string;
  csrf: string;
  expireTime: string;
  sites: string[];
}

// What went wrong, as the node or the gateway said it.
export class CallError extends Error {
  constructor(
    readonly code: string,
    readonly reason: string,
    message: string,
    readonly field = "",
  ) {
    super(message);
  }
}

export interface Answer<T> {
  data: T;
  // The node that answered.
  site: string;
  time: number;
}

export interface Listed<T> {
  records: T[];
  // Whether there are others, too.
  more: boolean;
  site: string;
}

const callLimitMs = 10_000;
// No page of a listing is asked for later than this after its first.
const listingLimitMs = 60_000;

let session: Session | undefined;

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: "same-origin", signal: AbortSignal.timeout(callLimitMs) });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw late
      ? new CallError("DEADLINE_EXCEEDED", "", `no answer within ${callLimitMs / 1000} s`)
      : new CallError("UNAVAILABLE", "", "the gateway does not answer");
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as { error?: CallError } | undefined;
  const error = body?.error;
  throw new CallError(error?.code || String(response.status), error?.reason ?? "", error?.message || response.statusText, error?.field ?? "");
}

export async function openSession(): Promise<Session> {
  const response = await send("/api/session", {});
  session = (await response.json()) as Session;
  return session;
}

export const eventsPath = "/api/events";

// Why the gateway would not tell of changes now; nothing when it would.
export async function eventsRefusal(): Promise<CallError | undefined> {
  try {
    await (await send(eventsPath, {})).body?.cancel();
    return undefined;
  } catch (error) {
    return error instanceof CallError ? error : new CallError("INTERNAL", "", String(error));
  }
}

export async function closeSession(): Promise<void> {
  await send("/api/close", { method: "POST", headers: { "x-fairlead-csrf": session?.csrf ?? "" } });
}

// `method` is "RecordService/ListConflicts"; with a site, that node is asked and no other.
export async function call<T>(method: string, request: object = {}, site = ""): Promise<Answer<T>> {
  const response = await send(`/api/call/${method}${site ? `?site=${encodeURIComponent(site)}` : ""}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-fairlead-csrf": session?.csrf ?? "" },
    body: JSON.stringify(request),
  });
  return { data: (await response.json()) as T, site: response.headers.get("x-fairlead-site") ?? "", time: Date.now() };
}

// Every page of a listing, up to `max` records, and the node that gave the last; with a site, of that node.
export async function listAll<T>(
  method: string,
  collection: string,
  request: object = {},
  max = 50_000,
  site = "",
  pageSize = 1000,
): Promise<Listed<T>> {
  const records: T[] = [];
  const end = Date.now() + listingLimitMs;
  for (let pageToken = ""; ; ) {
    const { data, site: asked } = await call<Record<string, unknown>>(method, { ...request, pageSize, pageToken }, site);
    records.push(...((data[collection] as T[] | undefined) ?? []));
    pageToken = (data.nextPageToken as string | undefined) ?? "";
    if (!pageToken) return { records, more: false, site: asked };
    if (records.length >= max) return { records, more: true, site: asked };
    if (Date.now() > end) throw new CallError("DEADLINE_EXCEEDED", "", `the list was not complete within ${listingLimitMs / 1000} s`);
  }
}
