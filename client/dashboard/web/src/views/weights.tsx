// Weights to try: sent with the request, stored nowhere.

import type { PriorityWeights } from "../messages";
import { factorNames, factorTexts } from "./factors";

const weightMax = 1000;
const sliderMax = 100;

export function shareOf(weights: PriorityWeights, factor: keyof PriorityWeights): string {
  const sum = factorNames.reduce((total, name) => total + weights[name], 0);
  return sum === 0 ? "–" : `${((100 * weights[factor]) / sum).toFixed(1)} %`;
}

export function sameWeights(a: PriorityWeights, b: PriorityWeights): boolean {
  return factorNames.every((name) => a[name] === b[name]);
}

export function Weights(props: { configured: PriorityWeights; tried: PriorityWeights; onChange: (weights: PriorityWeights) => void; onReset: () => void }) {
  const { tried, configured } = props;
  // A slider has fine steps as long as every weight lies on it.
  const top = factorNames.every((name) => tried[name] <= sliderMax) ? sliderMax : weightMax;
  const set = (name: keyof PriorityWeights, text: string) => {
    const weight = Math.round(Number(text));
    if (text !== "" && weight >= 0 && weight <= weightMax) props.onChange({ ...tried, [name]: weight });
  };
  return (
    <fieldset class="weights">
      <legend class="hidden">Weights to try</legend>
      {factorNames.map((name) => (
        <div key={name} class="weight">
          <label for={`weight-${name}`}>
            <span class={`key ${name}`} aria-hidden="true" /> {factorTexts[name]}
          </label>
          <input type="range" aria-label={`${factorTexts[name]}, slider`} min={0} max={top} step={1} value={tried[name]} onInput={(event) => set(name, event.currentTarget.value)} />
          <input id={`weight-${name}`} type="number" min={0} max={weightMax} step={1} value={tried[name]} onInput={(event) => set(name, event.currentTarget.value)} />
          <span class="note">
            {shareOf(tried, name)}
            {tried[name] !== configured[name] && ` (configured: ${configured[name]})`}
          </span>
        </div>
      ))}
      <button type="button" disabled={sameWeights(tried, configured)} onClick={props.onReset}>
        Reset to the configured weights
      </button>
    </fieldset>
  );
}
