// How fast the page is, for people to look at: tools/dev bench page. It asserts no time.

import type { Page } from "@playwright/test";
import { expect, type Network, test } from "./network";

const engagements = Number(process.env.FAIRLEAD_ENGAGEMENTS ?? "10000");
const rounds = 11;
const territories = [
  { site: "apac", region: "APAC", countries: ["AU", "ID", "JP", "KR", "MY", "NZ", "PH", "VN"] },
  { site: "eame", region: "EAME", countries: ["DE", "EG", "ES", "FR", "GB", "IT", "NL", "TR"] },
  { site: "csa", region: "CSA", countries: ["AR", "BR", "CL", "CO", "EC", "PA", "PE", "UY"] },
];

declare global {
  interface Window {
    // Milliseconds since the navigation began at which the view stood.
    firstView?: number;
  }
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const report = (what: string, values: number[]) => console.log(`${what}: median ${Math.round(median(values))} ms, of ${values.map(Math.round).sort((a, b) => a - b).join(" ")}`);

// From the navigation until what `selector` names is there, with nothing in the browser's cache.
async function firstView(page: Page, address: string, hash: string, selector: string): Promise<number> {
  const fresh = await page.context().browser()!.newContext({ storageState: await page.context().storageState() });
  const tab = await fresh.newPage();
  await tab.addInitScript((wanted) => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector(wanted)) return;
      observer.disconnect();
      requestAnimationFrame(() => (window.firstView = performance.now()));
    }).observe(document, { subtree: true, childList: true, attributes: true });
  }, selector);
  await tab.goto(`${address}/${hash}`);
  await tab.waitForFunction(() => window.firstView !== undefined);
  const took = await tab.evaluate(() => window.firstView!);
  await fresh.close();
  return took;
}

// From the time that a region's node gave a change until the open page shows it.
async function changeSeen(page: Page, network: Network, round: number): Promise<number> {
  const title = `Seen ${round} ${Date.now()}`;
  const seen = page.evaluate(
    (wanted) =>
      new Promise<number>((done) => {
        const observer = new MutationObserver(() => {
          if (!document.querySelector("table.feed")?.textContent?.includes(wanted)) return;
          observer.disconnect();
          requestAnimationFrame(() => done(Date.now()));
        });
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
    title,
  );
  const command = ["--json", "engagement", "create", "--kind", "port-visit", "--country", "JP", "--region", "apac", "--title", title];
  const { createTime } = JSON.parse(await network.fairlead("apac", ...command)) as { createTime: string };
  return (await seen) - new Date(createTime).getTime();
}

test("how fast the page is @speed", async ({ signedIn: page, network }) => {
  test.setTimeout(7_200_000);
  const each = Math.ceil(engagements / territories.length);
  console.log(`filling: ${each} engagements at each of ${territories.length} sites`);
  await Promise.all(territories.map(({ site, region, countries }) => network.fill(site, region, countries, each)));
  await network.agree(3_600_000);
  const address = new URL(page.url()).origin;
  for (const [what, hash, selector] of [
    ["first view of World", "#/world", "svg.map g[data-code=JP].engaged, svg.map g[data-code=JP].due, svg.map g[data-code=JP].overdue, svg.map g[data-code=JP].never"],
    ["first view of Figures", "#/figures", "main.figures a.count"],
    ["first view of a country", "#/world/JP", "[aria-label^='Engagements of'] tbody tr"],
  ] as const) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await firstView(page, address, hash, selector));
    report(`${what}, ${engagements} engagements`, times);
  }
  await page.evaluate(() => (location.hash = "#/activity"));
  await expect(page.locator("section[aria-label=Activity] .note")).toContainText("the change feed of hq");
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await changeSeen(page, network, round));
  report("from a change at apac until the open page shows it", times);
});
