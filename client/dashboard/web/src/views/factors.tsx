// The factors of a country's visit priority: what each adds to the score, and what it rests on.

import { count, label, percent } from "../format";
import type { FactorScore, VisitPriority } from "../messages";
import { Empty } from "../parts/parts";
import { RecordName } from "../parts/record";

export const factorNames = ["vessels", "cargo", "history", "other"] as const;

export const factorTexts: Record<string, string> = { vessels: "Vessels", cargo: "Cargo", history: "History", other: "Other" };

export function factorName(factor: FactorScore): string {
  return label(factor.factor, "PRIORITY_FACTOR");
}

const barWidth = 160;
const barHeight = 12;

// What each factor adds, one after the other: the whole width is the highest score there can be. A factor without data adds no piece.
export function FactorBar({ priority }: { priority: VisitPriority }) {
  const pieces = priority.factors.filter((factor) => !factor.missing && factor.contributionMillionths > 0);
  let left = 0;
  const said = priority.factors.map((factor) => `${factorName(factor)} ${factor.missing ? "no data" : percent(factor.contributionMillionths)}`).join(", ");
  return (
    <svg class="factors" viewBox={`0 0 ${barWidth} ${barHeight}`} width={barWidth} height={barHeight} role="img" aria-label={said}>
      <rect class="ground" x={0} y={0} width={barWidth} height={barHeight} />
      {pieces.map((factor) => {
        const x = left;
        const width = (factor.contributionMillionths / 1_000_000) * barWidth;
        left += width;
        return <rect key={factor.factor} class={factorName(factor)} x={x} y={1} width={Math.max(0.5, width - 0.75)} height={barHeight - 2} />;
      })}
    </svg>
  );
}

// Each factor in words, with the records behind it.
export function FactorDetails({ priority }: { priority: VisitPriority }) {
  return (
    <div class="explained">
      {priority.factors.map((factor) => (
        <section key={factor.factor} aria-label={factorTexts[factorName(factor)]}>
          <h3>
            <span class={`key ${factorName(factor)}`} aria-hidden="true" /> {factorTexts[factorName(factor)]}
          </h3>
          {factor.missing ? (
            <p class="missing">No data: counts neither for nor against.</p>
          ) : (
            <p>
              {count(factor.value)} {factor.unit}, {percent(factor.normalisedMillionths)} % of the largest; weight {count(factor.weight)}; adds{" "}
              <strong>{percent(factor.contributionMillionths)}</strong>.
            </p>
          )}
          <p class="note">{factor.explanation}</p>
          <Records factor={factor} />
        </section>
      ))}
    </div>
  );
}

function Records({ factor }: { factor: FactorScore }) {
  const all = Number(factor.recordCount);
  if (factor.records.length === 0) return factor.missing ? <></> : <Empty>It names no single record.</Empty>;
  return (
    <>
      <ul class="plain records">
        {factor.records.map((name) => (
          <li key={name}>
            <RecordName name={name} />
          </li>
        ))}
      </ul>
      {all > factor.records.length && <p class="note">{count(factor.records.length)} of {count(all)} records.</p>}
    </>
  );
}
