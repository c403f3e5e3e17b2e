// What the world view reads: every country's standing on a day.

import { useMemo } from "preact/hooks";
import { call, listAll } from "../api";
import { dateOf, idOf } from "../format";
import { type Loaded, useKept, useLoaded } from "../load";
import type { AssessmentStanding, CalendarDate, ConditionStanding, Country, Engagement, Overview } from "../messages";
import { engagedBy, type Standing, standingOf } from "../standing";

// Beyond so many engagements those of a day in the past are not counted here.
const engagementsMax = 20_000;

export interface Row {
  code: string;
  name: string;
  numeric: string;
  region: string;
  // Undefined where they could not be counted.
  engagements: number | undefined;
  ports: number;
  conditionsUnknown: boolean;
  dueDate: CalendarDate | undefined;
  standing: Standing;
}

// What the node answers for one day.
export interface OnDay {
  day: string;
  cycles: Map<string, AssessmentStanding>;
  conditions: Map<string, string[]>;
}

export interface World {
  // Empty until everything they are made of was read. Of the day in `onDay.data`.
  rows: Row[];
  overview: Loaded<{ data: Overview }>;
  countries: Loaded<{ records: Country[] }>;
  onDay: Loaded<OnDay>;
  // Of a day in the past.
  engagements: Loaded<{ records: Engagement[]; more: boolean } | undefined>;
}

async function readDay(day: string): Promise<OnDay> {
  const asOf = dateOf(day);
  const [cycles, conditions] = await Promise.all([
    call<{ standings: AssessmentStanding[] }>("AssessmentService/ListAssessmentStandings", { asOf }),
    call<{ standings: ConditionStanding[] }>("AssessmentService/ListConditionsInForce", { asOf }),
  ]);
  const byCountry = new Map<string, string[]>();
  for (const each of conditions.data.standings) byCountry.set(each.country, [...(byCountry.get(each.country) ?? []), each.status]);
  return { day, cycles: new Map(cycles.data.standings.map((each) => [each.country, each])), conditions: byCountry };
}

export function useWorld(day: string, today: string): World {
  const past = day !== today;
  const overview = useLoaded(() => call<Overview>("OverviewService/GetOverview"), "overview");
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
  const onDay = useKept(useLoaded(() => readDay(day), `day ${day}`, ["assessments", "conditionsOfEntry", "countries"]));
  const engagements = useLoaded(
    () => (past ? listAll<Engagement>("EngagementService/ListEngagements", "engagements", {}, engagementsMax) : Promise.resolve(undefined)),
    past ? "engagements" : "none",
    past ? ["engagements"] : "never",
  );
  const facts = onDay.data;
  const listed = overview.data?.data.countries;
  const rows = useMemo(() => {
    if (!facts || !listed || !countries.data) return [];
    const named = new Map(countries.data.records.map((country) => [idOf(country.name), country]));
    const history = engagements.data && !engagements.data.more ? engagedBy(facts.day, engagements.data.records) : undefined;
    return listed
      .map((each): Row => {
        const code = idOf(each.country);
        const country = named.get(code);
        const cycle = facts.cycles.get(each.country);
        const conditions = facts.conditions.get(each.country);
        const engaged = facts.day === today ? Number(each.engagements) : history && (history.get(each.country) ?? 0);
        return {
          code,
          name: country?.displayName ?? code,
          numeric: country?.numeric ?? "",
          region: each.region,
          engagements: engaged,
          ports: Number(each.ports),
          conditionsUnknown: conditions?.includes("CONDITION_STATUS_UNKNOWN") ?? false,
          dueDate: cycle?.dueDate,
          standing: standingOf({ region: each.region, engagements: engaged, cycle: cycle?.status, conditions }),
        };
      })
      .sort((a, b) => a.name.localeCompare(b.name, "en"));
  }, [facts, listed, countries.data, engagements.data, today]);
  return { rows, overview, countries, onDay, engagements };
}
