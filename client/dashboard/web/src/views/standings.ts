// What the world view reads: every country's standing on a day.

import { useMemo } from "preact/hooks";
import { type Answer, call, listAll } from "../api";
import { dateOf, idOf } from "../format";
import { type Loaded, useKept, useLoaded } from "../load";
import type { AssessmentStanding, CalendarDate, Country, CountryOverview, Overview } from "../messages";
import { type Measure, type Standing, standingOf } from "../standing";
import { useOverview } from "./overview";

export interface Row {
  code: string;
  name: string;
  numeric: string;
  region: string;
  // Of now, on whatever day it stood so.
  engagements: number;
  ports: number;
  conditionsUnknown: boolean;
  lastEngaged: CalendarDate | undefined;
  assessmentDue: CalendarDate | undefined;
  standing: Standing;
}

// What the node answers for one day.
export interface OnDay {
  day: string;
  // Of a day in the past; those of today are in the overview.
  countries: CountryOverview[] | undefined;
  assessmentDue: Map<string, CalendarDate | undefined>;
}

export interface World {
  // Empty until everything they are made of was read. Of the day in `onDay.data`.
  rows: Row[];
  overview: Loaded<Answer<Overview>>;
  countries: Loaded<{ records: Country[] }>;
  onDay: Loaded<OnDay>;
}

async function readDay(day: string, past: boolean): Promise<OnDay> {
  const asOf = dateOf(day);
  const [cycles, countries] = await Promise.all([
    call<{ standings: AssessmentStanding[] }>("AssessmentService/ListAssessmentStandings", { asOf }),
    past ? call<{ countries: CountryOverview[] }>("OverviewService/ListCountryOverviews", { asOf }) : undefined,
  ]);
  return { day, countries: countries?.data.countries, assessmentDue: new Map(cycles.data.standings.map((each) => [each.country, each.dueDate])) };
}

export function useWorld(day: string, today: string, measure: Measure): World {
  const past = day !== today;
  const overview = useOverview(["COVERAGE", "FINDINGS"]);
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
  const onDay = useKept(useLoaded(() => readDay(day, past), `day ${day}`, past ? [] : ["assessments", "countries"]));
  const facts = onDay.data;
  const listed = facts?.countries ?? overview.data?.data.countries;
  const rows = useMemo(() => {
    if (!facts || !listed || !countries.data) return [];
    const named = new Map(countries.data.records.map((country) => [country.name, country]));
    return listed
      .map((each): Row => {
        const country = named.get(each.country);
        return {
          code: idOf(each.country),
          name: country?.displayName ?? idOf(each.country),
          numeric: country?.numeric ?? "",
          region: each.region,
          engagements: Number(each.engagements),
          ports: Number(each.ports),
          conditionsUnknown: each.condition === "CONDITION_STATUS_UNKNOWN",
          lastEngaged: each.lastEngagementDate,
          assessmentDue: facts.assessmentDue.get(each.country),
          standing: standingOf(each, measure),
        };
      })
      .sort((a, b) => a.name.localeCompare(b.name, "en"));
  }, [facts, listed, countries.data, measure]);
  return { rows, overview, countries, onDay };
}
