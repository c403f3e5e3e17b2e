// The day that the world is shown as of: a slider over the ends of months, and today.

import { useState } from "preact/hooks";
import { dayOfStep, lastStep } from "../standing";

// `onChange` gets the day, or nothing for today, whichever day that is by then.
export function AsOfSlider({ today, onChange }: { today: string; onChange: (day: string | undefined) => void }) {
  const last = lastStep(today);
  const [back, setBack] = useState(0);
  const day = dayOfStep(last - back, today);
  const move = (steps: number) => {
    setBack(steps);
    onChange(steps === 0 ? undefined : dayOfStep(last - steps, today));
  };
  return (
    <div class="asof">
      <label>
        <span>As of</span>
        <input type="range" min={0} max={last} step={1} value={last - back} aria-valuetext={day} onInput={(event) => move(last - Number(event.currentTarget.value))} />
      </label>
      <output>{back === 0 ? `${day} (today)` : day}</output>
      <button type="button" disabled={back === 0} onClick={() => move(0)}>
        Today
      </button>
    </div>
  );
}
