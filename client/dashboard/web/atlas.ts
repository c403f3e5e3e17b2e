// Draws the map of the world once, when the page is built: projecting it takes a browser longer than everything else that a first view does.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type GeoPermissibleObjects, geoPath } from "d3-geo";
import type { FeatureCollection } from "geojson";
import { feature, mesh, neighbors } from "topojson-client";
import { presimplify, simplify } from "topojson-simplify";
import type { GeometryCollection, Topology } from "topojson-specification";
import type { Plugin } from "vite";
import type { Atlas } from "./src/views/map";
import { projection } from "./src/views/projection";

// A country that would be smaller than this is drawn as a point, too.
const leastArea = 10;
// Of a unit of the plane: a tenth is less than a pixel of any screen.
const digits = 1;
// Square degrees. A point of an outline that makes less of a difference than this is left out: a unit of the plane is about 0.38 degrees.
const leastTriangle = 0.015;

type Numeric = { id?: string | number };

export function drawAtlas(): Atlas {
  const file = createRequire(import.meta.url).resolve("world-atlas/countries-50m.json");
  const atlas = JSON.parse(readFileSync(file, "utf8")) as Topology<{ countries: GeometryCollection }>;
  const topology = simplify(presimplify(atlas), leastTriangle);
  const { countries } = topology.objects;
  const path = geoPath(projection).digits(digits);
  const numericOf = (country: Numeric) => String(country.id ?? "");
  const shapes = (feature(topology, countries) as FeatureCollection).features.map((shape) => {
    const drawn = shape as GeoPermissibleObjects;
    const point = path.area(drawn) < leastArea ? path.centroid(drawn).map((at) => Number(at.toFixed(digits))) : undefined;
    return { numeric: numericOf(shape), d: path(drawn) ?? "", point: point as [number, number] | undefined };
  });
  const { geometries } = countries;
  const borders = neighbors(geometries).flatMap((others, one) =>
    others
      .filter((other) => one < other)
      .map((other) => {
        const between = mesh(topology, countries, (a, b) => a !== b && [a, b].every((each) => each === geometries[one] || each === geometries[other]));
        return { between: [numericOf(geometries[one] as Numeric), numericOf(geometries[other] as Numeric)] as [string, string], d: path(between) ?? "" };
      }),
  );
  return { sphere: path({ type: "Sphere" }) ?? "", shapes, borders };
}

// The module `virtual:atlas`, whose default export is the drawn map. It is JSON to be parsed, which is faster than a literal.
export function drawnAtlas(): Plugin {
  const resolved = "\0virtual:atlas";
  return {
    name: "drawn-atlas",
    resolveId: (name) => (name === "virtual:atlas" ? resolved : undefined),
    load: (name) => (name === resolved ? `export default JSON.parse(${JSON.stringify(JSON.stringify(drawAtlas()))});` : undefined),
  };
}
