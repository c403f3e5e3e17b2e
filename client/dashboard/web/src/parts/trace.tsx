// A trace of the last minutes: one line, its newest value at the right.

import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import { span } from "../format";
import type { LagSample } from "../live";

const width = 120;
const height = 20;
const spanMs = 300_000;
const leastTopS = 1;

export function Trace({ samples, now, label }: { samples: LagSample[]; now: number; label: string }) {
  const top = Math.max(leastTopS, ...samples.map((sample) => sample.seconds));
  const x = scaleLinear([now - spanMs, now], [0, width]);
  const y = scaleLinear([0, top], [height - 1, 1]);
  const points = samples.filter((sample) => sample.time >= now - spanMs);
  const path = line<LagSample>((sample) => x(sample.time), (sample) => y(sample.seconds))(points) ?? "";
  const fill = area<LagSample>((sample) => x(sample.time), height, (sample) => y(sample.seconds))(points) ?? "";
  return (
    <svg class="trace" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={`${label}: at most ${span(top)} in 5 min`}>
      <path class="fill" d={fill} />
      <path class="line" d={path} />
    </svg>
  );
}
