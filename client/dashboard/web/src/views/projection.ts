// How the map lies on its plane: the same where it is drawn, when the page is built, and where points are put on it.

import { geoEqualEarth } from "d3-geo";

export const width = 960;
export const height = 468;

export const projection = geoEqualEarth().fitSize([width, height], { type: "Sphere" });
