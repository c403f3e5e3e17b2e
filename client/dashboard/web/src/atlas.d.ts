// Made when the page is built (atlas.ts).
declare module "virtual:atlas" {
  const atlas: import("./views/map").Atlas;
  export default atlas;
}
