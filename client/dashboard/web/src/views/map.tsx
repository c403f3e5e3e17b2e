// The map of the world: each country by its standing, ports as points. It shows what the table beside it says; the keyboard uses the table.

import { geoPath } from "d3-geo";
import { useMemo } from "preact/hooks";
import { CallError } from "../api";
import type { Standing } from "../standing";
import { height, projection, width } from "./projection";

const pointRadius = 2.6;

// The map before anything is known of the countries, as paths.
export interface Atlas {
  sphere: string;
  shapes: {
    // ISO 3166-1 numeric; empty where the atlas has none.
    numeric: string;
    d: string;
    // Where a country is marked that would be too small to be seen and clicked.
    point?: [number, number];
  }[];
  // Each between two countries that touch.
  borders: { between: [string, string]; d: string }[];
}

export async function readAtlas(): Promise<Atlas> {
  try {
    return (await import("virtual:atlas")).default;
  } catch {
    throw new CallError("UNAVAILABLE", "", "the map could not be read");
  }
}

// Borders between countries of different regions.
function boundariesOf(atlas: Atlas, places: Map<string, Place>): string {
  const regionOf = (numeric: string) => places.get(numeric)?.region;
  const apart = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b;
  return atlas.borders.filter(({ between: [a, b] }) => apart(regionOf(a), regionOf(b))).map(({ d }) => d).join("");
}

function portsPath(coordinates: [number, number][]): string {
  return geoPath(projection).pointRadius(1)({ type: "MultiPoint", coordinates }) ?? "";
}

export interface Place {
  code: string;
  name: string;
  region: string;
  standing: Standing;
  dimmed: boolean;
}

export function WorldMap(props: {
  atlas: Atlas;
  // By ISO 3166-1 numeric.
  places: Map<string, Place>;
  selected: string;
  ports: [number, number][];
  onSelect: (code: string) => void;
}) {
  const { atlas, places, ports } = props;
  const boundaries = useMemo(() => boundariesOf(atlas, places), [atlas, places]);
  const portPath = useMemo(() => (ports.length > 0 ? portsPath(ports) : ""), [ports]);
  return (
    <svg class="map" viewBox={`0 0 ${width} ${height}`} role="img" aria-label="World map of countries by standing; the table of countries says the same">
      <defs>
        <pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="ground" width="4" height="4" />
          <line class="stroke" x1="0" y1="0" x2="0" y2="4" />
        </pattern>
        <pattern id="crossed" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="conditions-ground" width="5" height="5" />
          <path class="conditions-stroke" d="M0 0V5M0 0H5" />
        </pattern>
        <pattern id="barred" width="4" height="4" patternUnits="userSpaceOnUse">
          <rect class="overdue-ground" width="4" height="4" />
          <line class="overdue-stroke" x1="0" y1="0" x2="4" y2="0" />
        </pattern>
      </defs>
      <path class="sphere" d={atlas.sphere} />
      {atlas.shapes.map(({ numeric, d, point }, i) => {
        const place = places.get(numeric);
        const classes = ["country", place?.standing ?? "unknown", place?.dimmed ? "dimmed" : "", place && place.code === props.selected ? "selected" : ""];
        const select = place && (() => props.onSelect(place.code));
        return (
          <g key={`${numeric} ${i}`} class={classes.join(" ")} data-code={place?.code} onClick={select}>
            {place && <title>{place.name}</title>}
            <path d={d} />
            {point && place && <circle cx={point[0]} cy={point[1]} r={pointRadius} />}
          </g>
        );
      })}
      {boundaries && <path class="boundaries" d={boundaries} />}
      {portPath && <path class="ports" d={portPath} />}
    </svg>
  );
}
