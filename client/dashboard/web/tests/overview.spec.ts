// The figures on the page: what they say, and that each leads to exactly the records that it counts.

import type { Page } from "@playwright/test";
import { askedBy, type Asked, listedBy } from "../src/figures";
import { readers } from "../src/readers";
import { expect, sites, test } from "./network";
import { ask, expectAccessible, open } from "./page";

test.beforeAll(async ({ program: _ }) => undefined);

// Every number of the view that leads to records, with what it asks.
async function numbers(page: Page): Promise<{ count: number; asked: Asked }[]> {
  const links = await page.locator("main a.count").evaluateAll((all) => all.map((link) => [link.textContent ?? "", link.getAttribute("href") ?? ""] as const));
  return links.map(([text, href]) => ({ count: Number(text.replaceAll(",", "")), asked: askedBy(decodeURIComponent(href.replace("#/figures/", "")))! }));
}

async function recount(page: Page, { method, request }: Asked): Promise<number> {
  const { field, paged } = listedBy.get(method)!;
  let found = 0;
  for (let pageToken = ""; ; ) {
    const answer = await ask<Record<string, unknown>>(page, method, paged ? { ...request, pageSize: 1000, pageToken } : request);
    found += (answer[field] as unknown[]).length;
    if (!answer.nextPageToken) return found;
    pageToken = answer.nextPageToken as string;
  }
}

// Asks for what each number counts; how many different ones there were.
async function expectExact(page: Page, all: { count: number; asked: Asked }[]): Promise<number> {
  const seen = new Map<string, number>();
  for (const { count, asked } of all) {
    expect(asked.site).toBe("hq");
    const key = JSON.stringify([asked.method, asked.request]);
    if (!seen.has(key)) seen.set(key, await recount(page, asked));
    expect(seen.get(key), `${asked.what}: ${key}`).toBe(count);
  }
  return seen.size;
}

test("Figures: every number counts exactly what it leads to", async ({ signedIn: page }) => {
  await open(page, "Figures");
  await expect(page.getByRole("region", { name: "Coverage by region" })).toBeVisible();
  const all = await numbers(page);
  const methods = new Set(all.map(({ asked }) => asked.method));
  // What was recorded gives some of each.
  for (const method of [
    "OverviewService/ListCountryOverviews",
    "EngagementService/ListEngagements",
    "EngagementService/ListObservations",
    "EngagementService/ListFollowUps",
    "EngagementService/ListOverdueFollowUps",
    "VisitService/ListVisitStages",
    "AssessmentService/ListAssessmentStandings",
    "AssessmentService/ListConditionsInForce",
    "PriorityService/ListEligibleCountries",
    "HelpDeskService/ListInquiries",
    "TrainingService/ListTrainingSessions",
    "TrainingService/ListTrainingRequests",
  ]) {
    expect(methods, method).toContain(method);
  }
  expect(await expectExact(page, all)).toBeGreaterThan(40);
  // Ten years of one region: what is left of the sums is that region's.
  await page.getByRole("radio", { name: "120 months" }).focus();
  await page.keyboard.press("Space");
  await page.locator("label", { hasText: /^EAME$/ }).click();
  const trend = page.getByRole("group", { name: "Engagements by month" });
  await expect(trend.getByRole("columnheader")).toHaveText(["Month", "EAME"]);
  await expect.poll(() => trend.getByRole("link").count()).toBeGreaterThan(0);
  expect(await expectExact(page, await numbers(page))).toBeGreaterThan(20);
});

test("Figures: a number opens its records, by keyboard, and they lead on", async ({ signedIn: page }) => {
  await open(page, "Figures");
  const sums = page.getByRole("region", { name: "Observations and follow-ups" });
  await sums.getByRole("link", { name: "1 follow-ups overdue", exact: true }).focus();
  await page.keyboard.press("Enter");
  const records = page.getByRole("region", { name: "follow-ups overdue", exact: true });
  await expect(records.getByRole("status")).toHaveText("1, as hq holds them now.");
  await records.getByRole("button", { name: "Have the gate manned" }).click();
  await expect(records.getByRole("group", { name: /^Fields of engagements.*followUps/ })).toContainText("2025-06-30");
  await expect(records.getByRole("link", { name: "Japan" })).toHaveAttribute("href", "#/world/JP");
  await expectAccessible(page);
  await page.getByRole("link", { name: "All figures" }).click();
  const coverage = page.getByRole("region", { name: "Coverage by officer" });
  await coverage.getByRole("row", { name: /^far-east/ }).getByRole("link").first().click();
  await expect(page.getByRole("group", { name: "countries that are measured, covered by far-east" }).getByRole("row")).toHaveCount(2);
  await page.goBack();
  await expect(coverage).toBeVisible();
});

test("Figures: the help desk's times, the trend, the filter by region and the months", async ({ signedIn: page }) => {
  await open(page, "Figures");
  const desk = page.getByRole("group", { name: "Help desk" });
  const ever = desk.getByRole("row", { name: /^ever/ });
  // Of two, one was answered after a day and one is open.
  await expect(ever.getByRole("link", { name: "1 inquiries, ever, answered" })).toBeVisible();
  await expect(ever.getByRole("link", { name: "1 inquiries, ever, open" })).toBeVisible();
  await expect(ever.getByRole("link", { name: "2 inquiries, ever", exact: true })).toBeVisible();
  await expect(ever.getByRole("cell").last()).toHaveText("24 h");
  await expect(page.getByRole("group", { name: "Training sessions" }).getByRole("row", { name: /^held/ })).toContainText("11817");
  const month = new Date().toISOString().slice(0, 7);
  const trend = page.getByRole("group", { name: "Engagements by month" });
  const now = trend.getByRole("row", { name: new RegExp(`^${month}`) });
  await expect(now.getByRole("link", { name: `2 engagements, ${month}, APAC` })).toBeVisible();
  await expect(trend.getByRole("row")).toHaveCount(1 + 12 + 3);
  await expect(page.getByRole("img", { name: /^Engagements by month, / })).toBeVisible();
  await page.getByRole("radio", { name: "120 months" }).focus();
  await page.keyboard.press("Space");
  await expect(page.getByRole("radio", { name: "120 months" })).toBeChecked();
  await expect.poll(() => trend.getByRole("row").count()).toBeGreaterThan(16);
  await page.locator("label", { hasText: /^EAME$/ }).click();
  await expect(now.getByRole("link")).toHaveCount(0);
  await expect(page.getByRole("group", { name: "Engagements by kind and state" })).not.toContainText("scheduled");
});

test("Figures: as of when each site is true, and a silent one is named", async ({ signedIn: page, network }) => {
  await open(page, "Figures");
  const panel = page.getByRole("region", { name: "Sites", exact: true });
  for (const site of sites) await expect(panel.getByRole("row", { name: new RegExp(`^${site}`) })).toBeVisible();
  await expect(panel).not.toContainText("out of date");
  const before = await panel.getByRole("row", { name: /^csa/ }).getByRole("cell").nth(4).textContent();
  for (const link of network.around("csa")) link.cut();
  // The node's bound of staleness; the page asks by itself, though nothing changes.
  await expect(panel.getByRole("row", { name: /^csa/ })).toContainText("out of date", { timeout: 120_000 });
  await expect(panel.locator(".note strong")).toContainText("out of date: csa");
  // What it holds still counts.
  expect(await panel.getByRole("row", { name: /^csa/ }).getByRole("cell").nth(4).textContent()).toBe(before);
  for (const link of network.around("csa")) link.restore();
  await expect(panel).not.toContainText("out of date", { timeout: 60_000 });
});

test("an address that leads from no number calls no method", async ({ signedIn: page }) => {
  const called: string[] = [];
  page.on("request", (request) => request.url().includes("/api/call/") && called.push(new URL(request.url()).pathname));
  const approve = { what: "harmless", site: "hq", method: "ReleaseService/ApproveRelease", request: { name: "releases/any" } };
  for (const path of [`figures/of/${encodeURIComponent(JSON.stringify(approve))}`, "figures/of/{", "figures/nowhere", "figures/of/%"]) {
    await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
    await expect(page.getByRole("link", { name: "Figures", exact: true })).toBeVisible();
  }
  await page.evaluate((hash) => (location.hash = hash), `#/figures/of/${encodeURIComponent(JSON.stringify({ ...approve, method: "constructor" }))}`);
  await expect(page.getByText("This address leads from no number to records.")).toBeVisible();
  expect(called.filter((path) => path.includes("Approve") || path.includes("constructor"))).toEqual([]);
});

test("what a region records reaches the open page: the figures, the feed, the search", async ({ signedIn: page, network }) => {
  await open(page, "Figures");
  const sums = page.getByRole("region", { name: "Observations and follow-ups" });
  await expect(sums.getByRole("link", { name: "1 observations, major" })).toBeVisible();
  const { engagements } = JSON.parse(await network.fairlead("apac", "--json", "engagement", "list", "--country", "JP")) as { engagements: { name: string; title: string }[] };
  const visit = engagements.find((each) => each.title === "Visit to the Designated Authority")!.name;
  await network.fairlead("apac", "observation", "create", visit, "--text", "The fence at the breakwater has a gap.", "--evidence", "A photograph.", "--isps-reference", "ISPS A/16.3", "--severity", "major", "--country", "JP", "--element", "access");
  await expect(sums.getByRole("link", { name: "2 observations, major" })).toBeVisible();
  await open(page, "Activity");
  await expect(page.getByRole("group", { name: "Activity" })).toContainText("The fence at the breakwater has a gap.");
  await page.getByRole("searchbox", { name: "Words" }).fill("breakwater gap");
  await page.getByRole("combobox", { name: "In" }).selectOption("observations");
  const found = page.getByRole("list", { name: "Found" });
  // The index follows the records a moment behind.
  await expect(async () => {
    await page.getByRole("button", { name: "Search" }).click();
    await expect(found.locator("mark")).toHaveText(["breakwater", "gap"], { timeout: 2_000 });
  }).toPass({ timeout: 20_000 });
  await found.getByRole("button", { name: /fence/ }).click();
  await expect(found.getByRole("group", { name: /^Fields of engagements.*observations/ })).toContainText("ISPS A/16.3");
  for (const [query, collection] of [["Yokohama", ""], ["officer far east", "liaisonOfficers"]] as const) {
    await page.getByRole("searchbox", { name: "Words" }).fill(query);
    await page.getByRole("combobox", { name: "In" }).selectOption(collection);
    await page.getByRole("button", { name: "Search" }).click();
    await expect(found.getByRole("listitem").first()).toContainText(new RegExp(query.split(" ")[0]!, "i"));
  }
});

test("every collection that the search offers can be searched, and its records be opened", async ({ signedIn: page }) => {
  await open(page, "Activity");
  const options = await page.getByRole("combobox", { name: "In" }).locator("option").evaluateAll((all) => all.map((option) => (option as HTMLOptionElement).value));
  const collections = options.filter(Boolean);
  expect(collections).toContain("contacts");
  for (const collection of collections) {
    const answer = await ask<{ results?: unknown[] }>(page, "SearchService/Search", { query: "port", collections: [collection] });
    expect(answer, collection).toHaveProperty("results");
    expect(Object.keys(readers), collection).toContain(collection);
  }
});
