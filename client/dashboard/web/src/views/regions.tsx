// The liaison regions, and a filter by them.

import { regionName } from "../format";
import { Choice } from "../parts/parts";

export const regions = ["REGION_APAC", "REGION_EAME", "REGION_CSA", "REGION_HQ"] as const;
export type RegionChoice = "all" | (typeof regions)[number];

// The field of a request that asks for one region only.
export function regionRequest(region: RegionChoice): { region?: string } {
  return region === "all" ? {} : { region };
}

export function RegionFilter({ name, value, onChange }: { name: string; value: RegionChoice; onChange: (value: RegionChoice) => void }) {
  return <Choice<RegionChoice> legend="Region" name={name} value={value} options={[{ value: "all", text: "All" }, ...regions.map((each) => ({ value: each, text: regionName(each) }))]} onChange={onChange} />;
}
