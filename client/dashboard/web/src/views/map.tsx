// The map of the world: each country by its standing, ports as points. It shows what the table beside it says; the keyboard uses the table.

import { geoEqualEarth, geoPath, type GeoPermissibleObjects } from "d3-geo";
import type { Feature, FeatureCollection, Geometry } from "geojson";
import { useMemo } from "preact/hooks";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import atlasAddress from "world-atlas/countries-50m.json?url";
import { CallError } from "../api";
import type { Standing } from "../standing";

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

type Atlas = Topology<{ countries: GeometryCollection }>;

export interface WorldAtlas {
  topology: Atlas;
  outlines: Outline[];
}

export async function readAtlas(): Promise<WorldAtlas> {
  const response = await fetch(atlasAddress, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  if (!response?.ok) throw new CallError("UNAVAILABLE", "", "the map could not be read");
  const topology = (await response.json()) as Atlas;
  const countries = feature(topology, topology.objects.countries) as FeatureCollection;
  return { topology, outlines: countries.features.map((shape) => ({ numeric: String(shape.id ?? ""), shape })) };
}

export interface Place {
  code: string;
  name: string;
  region: string;
  standing: Standing;
  dimmed: boolean;
}

export function WorldMap(props: {
  atlas: WorldAtlas;
  // By ISO 3166-1 numeric.
  places: Map<string, Place>;
  selected: string;
  ports: [number, number][];
  onSelect: (code: string) => void;
}) {
  const { atlas, places, ports } = props;
  const drawn = useMemo(() => {
    const projection = geoEqualEarth().fitSize([width, height], { type: "Sphere" });
    const path = geoPath(projection);
    return {
      sphere: path({ type: "Sphere" }) ?? "",
      shapes: atlas.outlines.map(({ numeric, shape }) => {
        const small = path.area(shape as GeoPermissibleObjects) < leastArea;
        return { numeric, d: path(shape as GeoPermissibleObjects) ?? "", point: small ? path.centroid(shape as GeoPermissibleObjects) : undefined };
      }),
      points: (coordinates: [number, number][]) => geoPath(projection).pointRadius(1)({ type: "MultiPoint", coordinates }) ?? "",
      // Borders between countries of different regions.
      boundaries: (regionOf: (numeric: string) => string | undefined) => {
        const differ = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b;
        return path(mesh(atlas.topology, atlas.topology.objects.countries, (a, b) => differ(regionOf(String(a.id)), regionOf(String(b.id))))) ?? "";
      },
    };
  }, [atlas]);
  const regions = [...places].map(([numeric, place]) => `${numeric} ${place.region}`).join();
  const boundaries = useMemo(() => (places.size > 0 ? drawn.boundaries((numeric) => places.get(numeric)?.region) : ""), [drawn, regions]);
  const portPath = useMemo(() => (ports.length > 0 ? drawn.points(ports) : ""), [drawn, ports]);
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
      <path class="sphere" d={drawn.sphere} />
      {drawn.shapes.map(({ numeric, d, point }, i) => {
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
