// What the gateway tells while the page is open: the state of every node about twice a second, and each record that changes.

import { useEffect, useState } from "preact/hooks";
import { type CallError, eventsPath, eventsRefusal } from "./api";
import type { NodeStatus, StateDigest, WatchEvent } from "./messages";

export interface NodeReport {
  site: string;
  address?: string; // of the node that answered
  time: string;
  elapsedMs: number;
  status?: NodeStatus;
  digest?: StateDigest;
  error?: CallError;
  // Since when the node has not answered.
  since?: string;
  // When this page heard it, by its own clock.
  heard: number;
}

export interface FeedState {
  site: string;
  state: "following" | "lost" | "denied";
  error?: CallError;
  time: number;
}

export interface Change {
  number: number;
  time: number;
  event: WatchEvent;
}

// Lag of one log at one node, for the traces of the last minutes.
export interface LagSample {
  time: number;
  seconds: number;
}

// In place of a collection: any may have changed.
export const everything = "*";

const changesMax = 500;
const lagSpanMs = 300_000;
const settleMs = 400;
const refusedRetryMs = 5_000;

class Live {
  nodes = new Map<string, NodeReport>();
  feed: FeedState | undefined;
  changes: Change[] = [];
  readonly opened = Date.now();
  // Whether the gateway is heard; since when it is so.
  heard: "connecting" | "open" | "lost" = "connecting";
  heardSince = Date.now();
  // What the gateway said when it would not tell of changes.
  refusal = "";
  expired = false;
  // By collection: counts up a moment after records of it have changed, so that what was read before may be old.
  generations = new Map<string, number>();
  lags = new Map<string, LagSample[]>();

  private listeners = new Set<() => void>();
  private source: EventSource | undefined;
  private settling: ReturnType<typeof setTimeout> | undefined;
  private readonly unsettled = new Set<string>();
  private number = 0;

  start(): void {
    this.source = new EventSource(eventsPath);
    this.source.onopen = () => this.hear("open");
    this.source.onerror = () => {
      this.hear("lost");
      // The browser tries again by itself unless it was refused.
      if (this.source?.readyState === EventSource.CLOSED) void this.comeBack();
    };
    this.source.addEventListener("node", (message) => {
      const report = { ...JSON.parse(message.data), heard: Date.now() } as NodeReport;
      this.nodes.set(report.site, report);
      this.noteLag(report);
      this.tell();
    });
    this.source.addEventListener("feed", (message) => {
      this.feed = { ...JSON.parse(message.data), time: Date.now() } as FeedState;
      // What changed before the node was followed is not known.
      if (this.feed.state === "following") this.settle(everything);
      this.tell();
    });
    this.source.addEventListener("record", (message) => {
      const event = JSON.parse(message.data) as WatchEvent;
      this.changes = [{ number: ++this.number, time: Date.now(), event }, ...this.changes].slice(0, changesMax);
      this.settle(event.collection);
      this.tell();
    });
    this.source.addEventListener("denied", (message) => {
      this.feed = { site: "", state: "denied", error: JSON.parse(message.data).error, time: Date.now() };
      this.tell();
    });
    this.source.addEventListener("expired", () => this.end());
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  // Records of the collection may have changed: whoever shows some reads again.
  settle(collection: string): void {
    this.unsettled.add(collection);
    this.settling ??= setTimeout(() => {
      this.settling = undefined;
      for (const each of this.unsettled) this.generations.set(each, (this.generations.get(each) ?? 0) + 1);
      this.unsettled.clear();
      this.tell();
    }, settleMs);
  }

  // Changes when what was read of these collections may be old; of all when none is named.
  generationOf(collections: string[]): number {
    let sum = 0;
    for (const [collection, generation] of this.generations) {
      if (collections.length === 0 || collection === everything || collections.includes(collection)) sum += generation;
    }
    return sum;
  }

  private hear(state: Live["heard"]): void {
    if (this.heard !== state) this.heardSince = Date.now();
    if (state === "open") this.refusal = "";
    this.heard = state;
    this.tell();
  }

  // An event source does not tell why it was refused: without a session that is the end of it, otherwise (too many open pages) it is
  // tried again.
  private async comeBack(): Promise<void> {
    const refusal = await eventsRefusal();
    if (refusal?.code === "UNAUTHENTICATED") return this.end();
    this.refusal = refusal?.message ?? "";
    this.tell();
    setTimeout(() => this.start(), refusedRetryMs);
  }

  private end(): void {
    this.source?.close();
    this.expired = true;
    this.tell();
  }

  private noteLag(report: NodeReport): void {
    for (const log of report.status?.logs ?? []) {
      const key = `${report.site} ${log.origin}`;
      const samples = (this.lags.get(key) ?? []).filter((sample) => sample.time > report.heard - lagSpanMs);
      samples.push({ time: report.heard, seconds: Number.parseFloat(log.oldestUnappliedAge ?? "0") });
      this.lags.set(key, samples);
    }
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

export const live = new Live();

// Draws the component again whenever there is news.
export function useLive(): Live {
  const [, draw] = useState(0);
  useEffect(() => live.subscribe(() => draw((n) => n + 1)), []);
  return live;
}

// One value of it; draws the component again only when that changes.
export function useLiveValue<T extends string | number | boolean>(select: (from: Live) => T): T {
  const [value, setValue] = useState(() => select(live));
  useEffect(() => live.subscribe(() => setValue(select(live))), []);
  return value;
}

// The time, so that ages grow.
export function useNow(intervalMs = 500): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}
