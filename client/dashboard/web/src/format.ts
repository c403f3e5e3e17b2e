// How the page writes numbers, times and names. Times are UTC; an age says how old they are.

import type { CalendarDate } from "./messages";

const grouped = new Intl.NumberFormat("en-US");

export function count(value: string | number | undefined): string {
  return grouped.format(Number(value ?? 0));
}

// Seconds of a protobuf duration; undefined when there is none.
export function seconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : Number.parseFloat(duration);
}

// 0 ms, 12 ms, 1.4 s, 42 s, 3 min, 5 h, 12 d.
export function span(s: number): string {
  if (s < 0) return `−${span(-s)}`;
  if (s < 0.0005) return "0";
  if (s < 1) return `${(s * 1000).toFixed(s < 0.01 ? 1 : 0)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.floor(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

const zulu = (time: string | number) => new Date(time).toISOString();

// 10:42:31Z, for today's; otherwise with the date.
export function clock(time: string | number | undefined, now = Date.now()): string {
  if (time === undefined || time === "") return "–";
  const text = zulu(time);
  return text.slice(0, 10) === zulu(now).slice(0, 10) ? `${text.slice(11, 19)}Z` : `${text.slice(0, 10)} ${text.slice(11, 16)}Z`;
}

export function day(time: string | undefined): string {
  return time ? zulu(time).slice(0, 10) : "–";
}

export function ageSeconds(time: string | number, now: number): number {
  return (now - new Date(time).getTime()) / 1000;
}

// 2026-05, as exact as it is known.
export function calendarDate(date: CalendarDate | undefined): string {
  if (!date?.year) return "–";
  const two = (n: number) => String(n).padStart(2, "0");
  return [String(date.year), date.month ? two(date.month) : "", date.day ? two(date.day) : ""].filter(Boolean).join("-");
}

// As a calendar date of the API: 2026-05-04.
export function dateOf(isoDay: string): CalendarDate {
  const [year = 0, month = 0, day = 0] = isoDay.split("-").map(Number);
  return { year, month, day };
}

// The last day that a date, known as exactly as it is, may be: 2026-05-31 of May 2026. Undefined without a year.
export function lastDayOf(date: CalendarDate | undefined): string | undefined {
  if (!date?.year) return undefined;
  const last = date.month && date.day ? Date.UTC(date.year, date.month - 1, date.day) : Date.UTC(date.year, date.month || 12, 0);
  return new Date(last).toISOString().slice(0, 10);
}

// The first day that it may be.
export function firstDayOf(date: CalendarDate | undefined): string | undefined {
  if (!date?.year) return undefined;
  return new Date(Date.UTC(date.year, (date.month || 1) - 1, date.day || 1)).toISOString().slice(0, 10);
}

// Millionths as a share in percent with one decimal: 12.3.
export function percent(millionths: number): string {
  return (millionths / 10_000).toFixed(1);
}

// ENGAGEMENT_STATE_IN_PROGRESS without its prefix: "in progress".
export function label(value: string, prefix: string): string {
  return value.replace(`${prefix}_`, "").toLowerCase().replaceAll("_", " ");
}

export function regionName(region: string): string {
  return region === "REGION_UNSPECIFIED" ? "none" : region.replace("REGION_", "");
}

// "countries/JP" gives "JP".
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

// "engagements/E/followUps/F" gives "followUps".
export function collectionOf(name: string): string {
  return name.split("/").at(-2) ?? "";
}

// "fairlead.v1.RecordService/ResolveConflict" gives "ResolveConflict".
export function methodName(method: string): string {
  return method.slice(method.lastIndexOf("/") + 1);
}

// A value given as JSON, for reading: text without its quotes.
export function plainValue(json: string): string {
  if (json === "") return "(nothing)";
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : JSON.stringify(value, null, 1);
  } catch {
    return json;
  }
}
