// Data that a view reads, with its states: being read, there, or not to be had. What is there stays while it is read again.

import { useEffect, useRef, useState } from "preact/hooks";
import { CallError } from "./api";
import { everything, live, useLiveValue } from "./live";

export interface Loaded<T> {
  data?: T;
  error?: CallError;
  // When the data was read.
  time: number;
  again: () => void;
}

// Reads now, again whenever `key` changes, and when records of these collections have changed: of any when the list is empty.
export function useLoaded<T>(read: () => Promise<T>, key: string, collections: string[] | "never" = []): Loaded<T> {
  const generation = useLiveValue((from) => (collections === "never" ? 0 : from.generationOf(collections)));
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<{ key: string; data?: T; error?: CallError; time: number }>({ key, time: 0 });
  useEffect(() => {
    let current = true;
    read().then(
      (data) => current && setState({ key, data, time: Date.now() }),
      (error: unknown) => {
        if (!current) return;
        const shown = error instanceof CallError ? error : new CallError("INTERNAL", "", String(error));
        setState((before) => ({ ...(before.key === key ? before : { key, time: 0 }), error: shown }));
      },
    );
    return () => {
      current = false;
    };
  }, [key, generation, attempt]);
  const here = state.key === key ? state : { data: undefined, error: undefined, time: 0 };
  return { data: here.data, error: here.error, time: here.time, again: () => setAttempt((n) => n + 1) };
}

// What was there last stays while something else is read. Whoever shows it says what it is of.
export function useKept<T>(loaded: Loaded<T>): Loaded<T> {
  const last = useRef<T>();
  if (loaded.data !== undefined) last.current = loaded.data;
  return { ...loaded, data: loaded.data ?? last.current };
}

const settleMs = 300;

// The value once it has stayed the same for a moment: a slider asks for where it ends, not for all between.
export function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), settleMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

export function reread(): void {
  live.settle(everything);
}
