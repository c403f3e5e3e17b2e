// Engagements by month: columns of the regions one above the other, those to come hollow. What it shows stands as numbers below it.

import { scaleBand, scaleLinear } from "d3-scale";
import { monthsOf } from "../figures";
import { count, regionName } from "../format";
import type { Overview } from "../messages";
import { Pivot, keysOf } from "../parts/pivot";
import { Count } from "./overview";
import { type RegionChoice, regions } from "./regions";

type Months = Overview["months"];

const width = 720;
const height = 110;
const axis = 14;

function Columns({ rows, months, now }: { rows: Months; months: string[]; now: string }) {
  const of = (month: string, region: string) => rows.filter((row) => row.month === month && row.region === region).reduce((sum, row) => sum + Number(row.engagements?.count ?? 0), 0);
  const totals = months.map((month) => regions.reduce((sum, region) => sum + of(month, region), 0));
  const top = Math.max(1, ...totals);
  const x = scaleBand(months, [0, width]).paddingInner(0.25);
  const y = scaleLinear([0, top], [0, height - axis - 10]);
  const every = Math.ceil(months.length / 8);
  return (
    <svg class="months" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Engagements by month, ${months[0]} to ${months.at(-1)}: at most ${count(top)} in one`}>
      {months.map((month, i) => {
        let base = height - axis;
        return (
          <g key={month} class={month > now ? "ahead" : undefined}>
            {regions.map((region) => {
              const tall = y(of(month, region));
              base -= tall;
              return <rect key={region} class={region} x={x(month)} y={base} width={x.bandwidth()} height={tall} />;
            })}
            {months.length <= 24 && totals[i]! > 0 && (
              <text x={x(month)! + x.bandwidth() / 2} y={base - 2} text-anchor="middle">
                {count(totals[i])}
              </text>
            )}
            {i % every === 0 && (
              <text x={x(month)} y={height - 3}>
                {month}
              </text>
            )}
          </g>
        );
      })}
      <line x1={0} x2={width} y1={height - axis} y2={height - axis} />
    </svg>
  );
}

// Of one region, or of all.
export function Trend({ rows: all, region, back, today, site }: { rows: Months; region: RegionChoice; back: number; today: string; site: string }) {
  const rows = all.filter((row) => region === "all" || row.region === region);
  const months = monthsOf(rows, back, today);
  const cells = rows.map((row) => ({ row: row.month, column: row.region, figure: row.engagements }));
  const shown = keysOf(cells.map((cell) => cell.column), regions, regionName);
  return (
    <>
      <ul class="legend" aria-label="Regions">
        {regions.map((region) => (
          <li key={region} class={region}>
            {regionName(region)}
          </li>
        ))}
        <li class="ahead">to come</li>
      </ul>
      <Columns rows={rows} months={months} now={today.slice(0, 7)} />
      <Pivot
        label="Engagements by month"
        corner="Month"
        cells={cells}
        rows={[...months].reverse().map((month) => ({ key: month, text: month }))}
        columns={region === "all" ? shown : keysOf([region], regions, regionName)}
        over={["kind"]}
        across={region === "all" ? ["kind", "region"] : undefined}
        show={(figure, what) => <Count figure={figure} what={`engagements, ${what}`} site={site} />}
        tall
      />
    </>
  );
}
