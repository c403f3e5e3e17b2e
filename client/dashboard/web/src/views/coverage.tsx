// Countries by how recently they were engaged, by region or by officer.

import { idOf, regionName } from "../format";
import type { CoverageCount } from "../messages";
import { Table } from "../parts/table";
import { Count } from "./overview";

const parts = ["countries", "engaged", "due", "overdue", "never"] as const;

const partText: Record<(typeof parts)[number], string> = {
  countries: "countries that are measured",
  engaged: "countries engaged",
  due: "countries due",
  overdue: "countries overdue",
  never: "countries never engaged",
};

export const coverageRule = "By the last engagement that took place: due within 180 days of three years, overdue after them. Without territory of headquarters.";

export function Coverage({ label, of, rows, site }: { label: string; of: "Region" | "Officer"; rows: CoverageCount[]; site: string }) {
  const nameOf = (row: CoverageCount) => (of === "Region" ? regionName(row.region) : row.officer ? idOf(row.officer) : "nobody");
  return (
    <Table
      label={label}
      rows={rows}
      keyOf={nameOf}
      columns={[
        { title: of, cell: nameOf, head: true },
        ...parts.map((part) => ({
          title: part === "countries" ? "Countries" : part[0]!.toUpperCase() + part.slice(1),
          kind: "number" as const,
          cell: (row: CoverageCount) => <Count figure={row[part]} what={`${partText[part]}, ${of === "Region" ? "region" : "covered by"} ${nameOf(row)}`} site={site} />,
        })),
      ]}
    />
  );
}
