// Every view of the page, before a real network.

import { dialledAgain, expect, sites, test } from "./network";
import { ask, expectAccessible, open } from "./page";

const everyView = [
  "world",
  "world/BD",
  "figures",
  `figures/of/${encodeURIComponent(JSON.stringify({ what: "engagements", site: "hq", method: "EngagementService/ListEngagements", request: { region: "REGION_APAC" } }))}`,
  "priority",
  "network",
  "work/conflicts",
  "work/releases",
  "work/proposals",
  "work/overdue",
  "work/calendar",
  "work/engagements/CLOSED",
  "work/opaque",
  "activity",
];

// A cut must be on the page within this.
const cutSeenMs = 2000;

test("a link opens the page once, as the identity it was made for", async ({ page, network, browser }) => {
  const link = await network.gateway();
  await page.goto(link);
  await expect(page.locator(".viewer")).toHaveText("hq/analyst/desk");
  expect(page.url()).not.toContain("link=");
  const second = await browser.newPage();
  await second.goto(link);
  await expect(second.locator("body")).toContainText("not good any more");
  await second.goto(new URL("/", link).href);
  await expect(second.getByRole("alert")).toContainText("there is no session");
  await second.close();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("alert")).toContainText("You have signed out.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("there is no session");
});

test("Network shows every site up, every link up and equal digests", async ({ signedIn: page }) => {
  await open(page, "Network");
  for (const site of sites) {
    const row = page.locator(`tr[data-site=${site}]`);
    await expect(row).toContainText("up");
    await expect(row).toContainText("equal to all", dialledAgain);
    for (const peer of sites) {
      if (peer !== site) await expect(page.locator(`td[data-link=${site}-${peer}]`)).toContainText("up", dialledAgain);
    }
  }
  await expect(page.locator("tr[data-lag=apac-hq]")).toContainText("caught up");
  await expect(page.locator(".alarms")).toContainText("all links are up");
});

test("a link that is cut, and one that falls silent, are seen within two seconds", async ({ signedIn: page, network }) => {
  await open(page, "Network");
  const cell = page.locator("td[data-link=csa-hq]");
  await expect(cell).toContainText("up", dialledAgain);
  await expect(page.locator(".alarms")).toContainText("all links are up", dialledAgain);
  for (const how of ["cut", "silence"] as const) {
    const link = network.link("csa", "hq");
    // Noted in the page, at the moment: Playwright itself looks only now and then.
    const seen = page.evaluate(
      () =>
        new Promise<number>((done) => {
          const observer = new MutationObserver(() => {
            if (!document.querySelector("td[data-link=csa-hq] .status.bad")) return;
            observer.disconnect();
            done(Date.now());
          });
          observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
        }),
    );
    const start = await page.evaluate(() => Date.now());
    link[how]();
    const tookMs = (await seen) - start;
    await expect(page.locator(".alarms")).toContainText("csa ← hq");
    link.restore();
    await expect(cell).toContainText("up", dialledAgain);
    expect(tookMs, how).toBeLessThan(cutSeenMs);
  }
  await expect(page.locator(".alarms")).toContainText("all links are up", dialledAgain);
});

test("World shows standings, filters by region and tells a country's story", async ({ signedIn: page }) => {
  await open(page, "World");
  const table = page.getByRole("group", { name: "Countries" });
  await expect(page.locator("svg.map g[data-code=JP]")).toHaveClass(/engaged|due|never/);
  await expect(page.locator("svg.map g[data-code=AQ]")).toHaveClass(/outside/);
  await expect(page.getByRole("row", { name: /^APAC/ })).toBeVisible();

  await page.locator("label", { hasText: /^CSA$/ }).click();
  await expect(table.getByRole("link", { name: "Brazil" })).toBeVisible();
  await expect(table.getByRole("link", { name: "Japan" })).toHaveCount(0);
  await page.locator("label", { hasText: /^All$/ }).click();
  await page.getByRole("searchbox", { name: "Find a country" }).fill("bangl");
  await table.getByRole("link", { name: "Bangladesh" }).click();

  const story = page.getByRole("region", { name: "Bangladesh", exact: true });
  await expect(story.getByRole("group", { name: "Engagements of Bangladesh" }).getByRole("row")).not.toHaveCount(1);
  await expect(story.locator(".revisions")).toContainText("hq/analyst/desk");
  const ports = table.getByRole("link", { name: /^\d+ ports, BD$/ });
  const counted = (await ports.textContent()) ?? "";
  const { ports: listed } = await ask<{ ports: unknown[] }>(page, "ReferenceService/ListPorts", { country: "countries/BD", pageSize: 1000 });
  expect(Number(counted)).toBe(listed.length);
  await expect(table.getByRole("link", { name: /^\d+ engagements neither cancelled nor refused, BD$/ })).toBeVisible();
  await page.getByRole("checkbox", { name: "Ports" }).check();
  await expect(page.locator("svg.map path.ports")).toBeAttached();
  await story.getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("row", { name: /^APAC/ })).toBeVisible();
  await page.locator("svg.map g[data-code=BR] path").click();
  await expect(page.getByRole("region", { name: "Brazil", exact: true }).getByRole("heading", { name: "Liaison officers" })).toBeVisible();
});

test("Work lists engagements by state and opaque entries of each site", async ({ signedIn: page }) => {
  await open(page, "Work");
  const kinds = page.getByRole("navigation", { name: "Kinds of work" });
  await kinds.getByRole("link", { name: "Engagements" }).click();
  await page.getByRole("link", { name: "closed", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Engagements: closed" })).toBeVisible();
  const counted = page.getByRole("link", { name: /engagements, closed$/ });
  const closed = await counted.textContent();
  await counted.click();
  await expect(page.getByRole("region", { name: "engagements, closed" }).getByRole("status")).toHaveText(`${closed}, as hq holds them now.`);
  await open(page, "Work");
  await kinds.getByRole("link", { name: "Opaque entries" }).click();
  await page.locator("label", { hasText: "eame" }).click();
  await expect(page.getByText("eame has folded every entry")).toBeVisible();
});

test("a conflict is shown side by side, heard of at once, and settled here", async ({ signedIn: page, network }) => {
  await open(page, "Work");
  await expect(page.getByText("Nothing is in conflict")).toBeVisible();
  await network.disagree("JP", "Nippon", "Nihon");
  await page.getByRole("link", { name: "countries/JP" }).click();
  const sides = page.locator(".sides > li");
  await expect(sides).toHaveCount(2);
  await expect(sides.filter({ hasText: "Nippon" })).toContainText("officer/apac/watch");
  await expect(sides.filter({ hasText: "Nihon" })).toContainText("officer/eame/watch");
  await expect(sides.filter({ hasText: "Nihon" })).toContainText("Japan (hq)");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Keep this value of apac" }).click();
  await expect(page.locator("p.done")).toContainText("display_name of countries/JP: Nippon");
  await expect(page.getByText("Nothing is in conflict")).toBeVisible();
  await network.agree();
  expect(await network.fairlead("eame", "country", "history", "JP")).toContain("hq/analyst/desk");
  expect(await network.fairlead("eame", "--json", "country", "get", "JP")).toContain("Nippon");
});

test("an amendment of a closed engagement is taken in or dropped by a person", async ({ signedIn: page, network }) => {
  await open(page, "Work");
  for (const [amended, button, said] of [
    ["Exchange, amended", "Take in this amendment of apac", "Exchange, amended"],
    ["Exchange, not wanted", "Keep what is shown, drop the amendments", "are dropped"],
  ] as const) {
    await network.amend("Exchange on cranes", amended);
    await page.getByRole("link", { name: /^engagements\// }).click();
    await expect(page.locator(".sides > li", { hasText: "Amendment" })).toContainText(amended);
    await page.getByRole("button", { name: button }).click();
    await expect(page.locator("p.done")).toContainText(said);
    await expect(page.getByText("Nothing is in conflict")).toBeVisible();
  }
});

test("Activity shows a change as it happens, by whom, and can be filtered and held", async ({ signedIn: page, network }) => {
  await open(page, "Activity");
  await expect(page.locator("section[aria-label=Activity] .note")).toContainText("the change feed of hq");
  await expect(page.getByText("Nothing has changed since")).toBeVisible();
  await network.fairlead("apac", "country", "update", "MV", "--display-name", "The Maldives");
  const feed = page.getByRole("group", { name: "Activity" });
  await expect(feed).toContainText("The Maldives");
  await feed.getByRole("button", { name: "countries/MV" }).click();
  await expect(feed.locator(".revisions > li").first()).toContainText("officer/apac/watch");
  await page.getByRole("button", { name: "Hold" }).click();
  await network.fairlead("csa", "country", "update", "BZ", "--display-name", "Belize (held)");
  await expect(page.getByRole("button", { name: "Go on (1 new)" })).toBeVisible();
  await expect(feed).not.toContainText("Belize");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(feed).toContainText("Belize (held)");
  await page.locator("label", { hasText: /^apac$/ }).click();
  await expect(feed).not.toContainText("Belize");
});

test("a viewer whom no node admits sees the refusal and nothing else", async ({ page, network }) => {
  // An officer's certificate vouches for nobody: the nodes refuse every call that it makes in another's name.
  await page.goto(await network.gateway("hq/analyst/desk", "apac.toml"));
  await expect(page.getByRole("alert").first()).toContainText("Not permitted.");
  await expect(page.locator(".alarms")).toContainText("you may not follow changes");
  for (const path of everyView) {
    await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
    await expect(page.getByText("Reading…")).toHaveCount(0);
    for (const secret of ["Bangladesh", "Japan", "equal to", "caught up", "engaged at", "None applies", "as hq knows it"]) {
      await expect(page.locator("main")).not.toContainText(secret);
    }
  }
});

test("the gateway takes no call without its page's own value, and none that the page does not make", async ({ signedIn: page }) => {
  const post = (path: string, csrf: boolean) =>
    page.evaluate(
      async ([to, with_csrf]) => {
        const { csrf } = (await (await fetch("/api/session")).json()) as { csrf: string };
        const headers = { "content-type": "application/json", ...(with_csrf ? { "x-fairlead-csrf": csrf } : {}) };
        return (await fetch(to as string, { method: "POST", headers, body: "{}" })).status;
      },
      [path, csrf] as const,
    );
  expect(await post("/api/call/OverviewService/GetOverview", true)).toBe(200);
  expect(await post("/api/call/OverviewService/GetOverview", false)).toBe(403);
  expect(await post("/api/call/NodeService/DeleteBackup", true)).toBe(501);
});

test("a gateway that has gone is said to be gone", async ({ page, network }) => {
  await page.goto(await network.gateway());
  await page.goto(`${new URL(page.url()).origin}/#/network`);
  await expect(page.locator("tr[data-site=hq]")).toContainText("up");
  await network.killGateways();
  await expect(page.locator(".alarms")).toContainText("the gateway has not been heard since");
  await expect(page.locator("tr[data-site=hq]")).toContainText("no news");
});

test("a gateway that takes no more pages says so, and is asked again", async ({ page, network }) => {
  let full = true;
  const error = { code: "RESOURCE_EXHAUSTED", reason: "OVERLOADED", message: "too many open pages", field: "" };
  await page.route("**/api/events", (route) => (full ? route.fulfill({ status: 429, json: { error } }) : route.continue()));
  await page.goto(await network.gateway());
  await expect(page.locator(".alarms")).toContainText("the gateway tells of no changes: too many open pages");
  await expect(page.getByRole("heading", { level: 1, name: "World" })).toBeAttached();
  full = false;
  await expect(page.locator(".alarms")).toContainText("all links are up");
});

test("a session that has ended says so on the open page", async ({ page, network }) => {
  await page.goto(await network.gateway("hq/analyst/desk", "dashboard.toml", "--session-lifetime", "30s"));
  await expect(page.locator(".clock")).toContainText("session ends in");
  await expect(page.getByRole("alert")).toContainText("Your session has ended.", { timeout: 90_000 });
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("there is no session");
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 390]) {
    test(`no view has an accessibility fault: ${colorScheme}, ${width} pixels wide`, async ({ signedIn: page }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      for (const path of everyView) {
        await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
        await expect(page.getByText("Reading…")).toHaveCount(0);
        await expectAccessible(page);
      }
    });
  }
}

test("no view is wider than the screen", async ({ signedIn: page }) => {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    for (const path of everyView) {
      await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
      await expect(page.getByText("Reading…")).toHaveCount(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), `${path} at ${width}`).toBeLessThanOrEqual(width);
    }
  }
});

test("the keyboard reaches everything: views, filters, a country", async ({ signedIn: page }) => {
  await expect(page.locator(".viewer")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the view" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("#main")).toBeFocused();
  await page.getByRole("radio", { name: "All" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("radio", { name: "APAC" })).toBeChecked();
  await page.getByRole("link", { name: "Japan" }).or(page.getByRole("link", { name: "Nippon" })).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Liaison officers" })).toBeVisible();
});
