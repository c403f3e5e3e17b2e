// The map of the world: each country by its standing, ports as points. It shows what the table beside it says; the keyboard uses the table.

import { geoEqualEarth, geoPath, type GeoPermissibleObjects } from "d3-geo";
import type { Feature, FeatureCollection, Geometry } from "geojson";
import { useMemo } from "preact/hooks";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import atlasAddress from "world-atlas/countries-50m.json?url";
import { CallError } from "../api";

export interface Outline {
  // ISO 3166-1 numeric; absent where the atlas has none.
  numeric: string;
  shape: Feature<Geometry>;
}

const width = 960;
const height = 468;
// A country that would be smaller than this is drawn as a point of that size, so that it can be seen and clicked.
const pointRadius = 2.6;
const leastArea = 10;

export async function readAtlas(): Promise<Outline[]> {
  const response = await fetch(atlasAddress, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  if (!response?.ok) throw new CallError("UNAVAILABLE", "", "the map could not be read");
  const topology = (await response.json()) as Topology<{ countries: GeometryCollection }>;
  const countries = feature(topology, topology.objects.countries) as FeatureCollection;
  return countries.features.map((shape) => ({ numeric: String(shape.id ?? ""), shape }));
}

export type Standing = "engaged" | "never" | "outside";

export interface Place {
  code: string;
  name: string;
  standing: Standing;
  dimmed: boolean;
}

export function WorldMap(props: {
  outlines: Outline[];
  // By ISO 3166-1 numeric.
  places: Map<string, Place>;
  selected: string;
  ports: [number, number][];
  onSelect: (code: string) => void;
}) {
  const { outlines, ports } = props;
  const drawn = useMemo(() => {
    const projection = geoEqualEarth().fitSize([width, height], { type: "Sphere" });
    const path = geoPath(projection);
    return {
      sphere: path({ type: "Sphere" }) ?? "",
      shapes: outlines.map(({ numeric, shape }) => {
        const small = path.area(shape as GeoPermissibleObjects) < leastArea;
        return { numeric, d: path(shape as GeoPermissibleObjects) ?? "", point: small ? path.centroid(shape as GeoPermissibleObjects) : undefined };
      }),
      points: (coordinates: [number, number][]) => geoPath(projection).pointRadius(1)({ type: "MultiPoint", coordinates }) ?? "",
    };
  }, [outlines]);
  const portPath = useMemo(() => (ports.length > 0 ? drawn.points(ports) : ""), [drawn, ports]);
  return (
    <svg class="map" viewBox={`0 0 ${width} ${height}`} role="img" aria-label="World map of countries by standing; the table of countries says the same">
      <defs>
        <pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="ground" width="4" height="4" />
          <line class="stroke" x1="0" y1="0" x2="0" y2="4" />
        </pattern>
      </defs>
      <path class="sphere" d={drawn.sphere} />
      {drawn.shapes.map(({ numeric, d, point }, i) => {
        const place = props.places.get(numeric);
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
      {portPath && <path class="ports" d={portPath} />}
    </svg>
  );
}
