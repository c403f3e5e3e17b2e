// How a country stands on a day, from what the nodes answer for that day.

import { lastDayOf } from "./format";
import type { Engagement } from "./messages";

// In the order of what matters more: conditions of entry apply; past the three years of 46 USC 70108(d), or soon; engaged; never. Outside:
// domestic territory and places that no one visits.
export type Standing = "conditions" | "overdue" | "due" | "engaged" | "never" | "outside";

export const standings: Standing[] = ["conditions", "overdue", "due", "engaged", "never", "outside"];

export const standingText: Record<Standing, string> = {
  conditions: "conditions of entry",
  overdue: "assessment overdue",
  due: "assessment due",
  engaged: "engaged",
  never: "never engaged",
  outside: "not visited (HQ)",
};

// What is known of one country on the day; undefined is what could not be read.
export interface Facts {
  region: string;
  engagements: number | undefined;
  // A CycleStatus.
  cycle: string | undefined;
  // A ConditionStatus of each set of conditions, without those that do not apply.
  conditions: string[] | undefined;
}

export function standingOf(facts: Facts): Standing {
  if (facts.conditions?.includes("CONDITION_STATUS_IN_FORCE")) return "conditions";
  if (facts.cycle === "CYCLE_STATUS_OVERDUE") return "overdue";
  if (facts.cycle === "CYCLE_STATUS_DUE") return "due";
  if ((facts.engagements ?? 0) > 0 || facts.cycle === "CYCLE_STATUS_CURRENT") return "engaged";
  return facts.region === "REGION_HQ" ? "outside" : "never";
}

const notHeld = ["ENGAGEMENT_STATE_CANCELLED", "ENGAGEMENT_STATE_REFUSED"];

// Engagements of each country that had begun by the end of the day, by dates as exact as they are known: neither cancelled nor refused.
export function engagedBy(day: string, engagements: Engagement[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const engagement of engagements) {
    const began = lastDayOf(engagement.startDate);
    if (notHeld.includes(engagement.state) || began === undefined || began > day) continue;
    for (const country of engagement.countries) counts.set(country, (counts.get(country) ?? 0) + 1);
  }
  return counts;
}

// The ISPS Code came into force on 1 July 2004: what the program did begins there.
const firstMonth = { year: 2004, month: 7 };

const monthsSince = (year: number, month: number) => (year - firstMonth.year) * 12 + month - firstMonth.month;

// Steps of the time slider: the ends of months, and today as the last.
export function lastStep(today: string): number {
  const [year = 0, month = 0] = today.split("-").map(Number);
  return monthsSince(year, month);
}

export function dayOfStep(step: number, today: string): string {
  if (step >= lastStep(today)) return today;
  const month = firstMonth.month + step;
  return new Date(Date.UTC(firstMonth.year, month, 0)).toISOString().slice(0, 10);
}
