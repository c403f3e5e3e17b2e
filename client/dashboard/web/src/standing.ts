// How a country stands on a day, from what the nodes answer for that day.

import type { CountryOverview } from "./messages";

// What the three years of 46 USC 70108(d) are counted from: the last engagement that took place, or the last assessment.
export type Measure = "engagement" | "assessment";

// In the order of what matters more: conditions of entry apply; past the three years, or soon; within them; never. Outside: domestic
// territory and places that no one visits.
export type Standing = "conditions" | "overdue" | "due" | "engaged" | "never" | "outside";

export const standings: Standing[] = ["conditions", "overdue", "due", "engaged", "never", "outside"];

export const standingTexts: Record<Measure, Record<Standing, string>> = {
  engagement: {
    conditions: "conditions of entry",
    overdue: "engagement overdue",
    due: "engagement due",
    engaged: "engaged",
    never: "never engaged",
    outside: "not visited (HQ)",
  },
  assessment: {
    conditions: "conditions of entry",
    overdue: "assessment overdue",
    due: "assessment due",
    engaged: "assessed",
    never: "never assessed",
    outside: "not visited (HQ)",
  },
};

const byEngagement: Record<string, Standing> = { STANDING_ENGAGED: "engaged", STANDING_DUE: "due", STANDING_OVERDUE: "overdue" };
const byAssessment: Record<string, Standing> = { CYCLE_STATUS_CURRENT: "engaged", CYCLE_STATUS_DUE: "due", CYCLE_STATUS_OVERDUE: "overdue" };

export function standingOf(country: Pick<CountryOverview, "region" | "standing" | "assessment" | "condition">, measure: Measure): Standing {
  if (country.condition === "CONDITION_STATUS_IN_FORCE") return "conditions";
  const measured = measure === "engagement" ? byEngagement[country.standing] : byAssessment[country.assessment];
  return measured ?? (country.region === "REGION_HQ" ? "outside" : "never");
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
