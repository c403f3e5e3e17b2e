// Pictures of every view, for people to look at: tools/dev screenshots.

import { join } from "node:path";
import { expect, test } from "./network";
import { proposeRelease, suggest } from "./work";

const folder = process.env.FAIRLEAD_SCREENSHOTS ?? "";
const views = {
  world: "world",
  country: "world/JP",
  figures: "figures",
  priority: "priority/JP",
  network: "network",
  conflicts: "work/conflicts",
  releases: "work/releases",
  proposals: "work/proposals",
  overdue: "work/overdue",
  calendar: "work/calendar",
  engagements: "work/engagements/CLOSED",
  opaque: "work/opaque",
  activity: "activity",
};

test("pictures of every view @screenshots", async ({ signedIn: page, network, program: _ }) => {
  test.skip(!folder, "FAIRLEAD_SCREENSHOTS names no folder");
  test.setTimeout(600_000);
  // Something to see: a program at work, what waits for a decision, a change, a conflict and a link that is cut.
  await expect(page.locator(".alarms")).toContainText("all links are up");
  const release = await proposeRelease(network, "drill", "A joint drill in the autumn.");
  await suggest(network, "The north breakwater has been lengthened by 200 m.");
  await network.disagree("JP", "Nippon", "Nihon");
  await network.fairlead("csa", "country", "update", "BZ", "--official-name", "Belize");
  network.link("csa", "hq").cut();
  await page.evaluate(() => (location.hash = "#/work/conflicts"));
  const conflict = await page.getByRole("link", { name: "countries/JP" }).getAttribute("href");
  for (const [name, path] of Object.entries({ ...views, release: `work/releases/${encodeURIComponent(release)}`, conflict: conflict!.slice(2) })) {
    await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
    await expect(page.getByText("Reading…")).toHaveCount(0);
    await expect(page.locator(".alarms")).toContainText("csa ← hq");
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: width === 1280 ? 800 : 844 });
        await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`) });
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  network.link("csa", "hq").restore();
});
