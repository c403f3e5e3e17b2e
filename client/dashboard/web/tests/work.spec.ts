// A program at work on the page: what is due, what clashes, what waits for a decision, and in which order countries are visited.

import type { Page } from "@playwright/test";
import { expect, test } from "./network";
import { ask, expectAccessible, open, openWork } from "./page";
import { proposeRelease, suggest } from "./work";

test.beforeAll(async ({ program: _ }) => undefined);

async function show(page: Page, path: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), `#/${path}`);
}

test("Calendar shows the month, and where an officer would be in two places", async ({ signedIn: page }) => {
  await openWork(page, "Calendar");
  const clashes = page.getByRole("group", { name: "Clashes" });
  await expect(clashes.getByRole("row")).toHaveCount(2);
  const clash = clashes.getByRole("row").nth(1);
  await expect(clash).toContainText("Liaison Officer, Far East");
  await expect(clash).toContainText("Visit to the Designated Authority");
  await expect(clash).toContainText("Exchange on container scanning");
  await expect(clash).toContainText(`${new Date().toISOString().slice(0, 7)}-08`);
  const calendar = page.getByRole("group", { name: "Calendar" });
  await expect(calendar.locator("tr", { hasText: "Exchange on container scanning" })).toContainText("clash");
  await calendar.getByRole("button", { name: "Visit to the Designated Authority" }).click();
  await expect(calendar.getByRole("group", { name: /^Fields of engagements/ })).toContainText("officer: liaisonOfficers/far-east");
  await expectAccessible(page);
  await page.getByRole("combobox", { name: "Officer" }).selectOption("Liaison Officer, Far East");
  await expect(calendar.getByRole("row")).toHaveCount(3);
  await page.locator("label", { hasText: /^EAME$/ }).click();
  await expect(page.getByText("Nothing is planned or recorded in these days.")).toBeVisible();
  await page.locator("label", { hasText: /^All$/ }).click();
  await page.getByRole("button", { name: "Month after" }).click();
  await expect(page.getByText("No officer’s days clash.")).toBeVisible();
  await page.getByRole("button", { name: "This month" }).click();
  await expect(clashes.getByRole("row")).toHaveCount(2);
});

test("Overdue names follow-ups, assessments past and near their day, and conditions of entry", async ({ signedIn: page }) => {
  await openWork(page, "Overdue");
  await expect(page.getByRole("group", { name: "Follow-ups overdue" })).toContainText("Have the gate manned");
  const overdue = page.getByRole("group", { name: "Assessments overdue" });
  await expect(overdue.getByRole("row", { name: /Japan|Nippon/ })).toContainText("2023-03-01");
  await expect(page.getByRole("group", { name: "Assessments due" })).toContainText("Korea");
  await expect(page.getByRole("group", { name: "Conditions of entry" }).getByRole("link", { name: /Cuba/ }).first()).toBeVisible();
  await expectAccessible(page);
  await page.locator("label", { hasText: /^CSA$/ }).click();
  await expect(page.getByText("No follow-up is overdue.")).toBeVisible();
  await expect(page.getByText("No country is past its due date.")).toBeVisible();
});

test("Priority splits each score into its factors, says what is missing, and leads to the records", async ({ signedIn: page }) => {
  const answer = await ask<{ dataNote: string; priorities: { country: string; rank: number }[] }>(page, "PriorityService/ListVisitPriorities", {});
  await open(page, "Priority");
  const order = page.getByRole("group", { name: "Order of visits" });
  await expect(page.getByText(answer.dataNote)).toBeVisible();
  const shown = () => order.locator("tr[data-country]").evaluateAll((rows) => rows.map((row) => `countries/${row.getAttribute("data-country")}`));
  await expect(order.locator("tr[data-country=JP]")).toBeVisible();
  expect(await shown()).toEqual(answer.priorities.filter((each) => each.rank > 0).map((each) => each.country));
  // No traffic figure is recorded: nothing is known of cargo, which is not nothing.
  await expect(order.locator("tr[data-country=JP] td.number").nth(3)).toHaveText("no data");
  await order.getByRole("button", { name: /Japan|Nippon/ }).click();
  const vessels = order.getByRole("region", { name: "Vessels" });
  await expect(vessels).toContainText("3 arrivals");
  await expect(order.getByRole("region", { name: "Cargo" })).toContainText("No data: counts neither for nor against.");
  await vessels.getByRole("button", { name: /^arrivals\// }).first().click();
  await expect(vessels.getByRole("group", { name: /^Fields of arrivals/ })).toContainText(/First|Second|Third/);
  await expectAccessible(page);
});

test("Priority: weights that are tried change the order as the node says, and are stored nowhere", async ({ signedIn: page }) => {
  type Answer = { priorities: { country: string; rank: number }[] };
  const ranked = (answer: Answer) => answer.priorities.filter((each) => each.rank > 0).map((each) => each.country);
  const method = "PriorityService/ListVisitPriorities";
  const configured = ranked(await ask<Answer>(page, method, {}));
  const history = ranked(await ask<Answer>(page, method, { weights: { vessels: 0, cargo: 0, history: 100, other: 0 } }));
  expect(history).not.toEqual(configured);
  await open(page, "Priority");
  const rows = page.getByRole("group", { name: "Order of visits" }).locator("tr[data-country]");
  const shown = () => rows.evaluateAll((all) => all.map((row) => `countries/${row.getAttribute("data-country")}`));
  await expect.poll(shown).toEqual(configured);
  for (const [name, weight] of [["Vessels", "0"], ["Cargo", "0"], ["History", "100"]] as const) await page.getByRole("spinbutton", { name }).fill(weight);
  // By keyboard: the slider of the last factor goes to its beginning.
  await page.getByRole("slider", { name: "Other, slider" }).focus();
  await page.keyboard.press("Home");
  await expect(page.getByRole("region", { name: "Order of visits with the weights tried" })).toBeVisible();
  await expect.poll(shown).toEqual(history);
  await expect(page.getByRole("columnheader", { name: "Configured" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("spinbutton", { name: "History" }).fill("0");
  const refused = (await ask<{ error: { message: string } }>(page, method, { weights: { vessels: 0 } })).error.message;
  await expect(page.getByRole("alert")).toContainText(refused);
  await page.getByRole("button", { name: "Reset to the configured weights" }).click();
  await expect.poll(shown).toEqual(configured);
});

test("World shows how countries stood on a day, and a country's whole story", async ({ signedIn: page }) => {
  await open(page, "World");
  await page.getByRole("radio", { name: "Assessments" }).focus();
  await page.keyboard.press("Space");
  // Conditions of entry on vessels from Djibouti: from 2019-05-30 to 2025-07-21.
  const djibouti = page.locator("svg.map g[data-code=DJ]");
  await expect(djibouti).not.toHaveClass(/conditions/);
  await expect(page.locator("svg.map g[data-code=JP]")).toHaveClass(/overdue/);
  await expect(page.locator("svg.map g[data-code=KR]")).toHaveClass(/ due/);
  await expect(page.locator("svg.map g[data-code=CU]")).toHaveClass(/conditions/);
  await expect(page.locator("svg.map .boundaries")).toBeAttached();
  const slider = page.getByRole("slider", { name: "As of" });
  await slider.fill("186");
  await expect(page.getByRole("region", { name: "Standing on 2020-01-31" })).toBeVisible();
  await expect(djibouti).toHaveClass(/conditions/);
  await expect(page.locator("svg.map g[data-code=JP]")).not.toHaveClass(/overdue/);
  await expect(page.getByText("it may not have been known then")).toBeVisible();
  await slider.focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("region", { name: "Standing on 2020-02-29" })).toBeVisible();
  await expectAccessible(page);
  // By its engagements instead: the node tells the last that had taken place by the day.
  const { countries: then } = await ask<{ countries: { country: string; standing: string }[] }>(page, "OverviewService/ListCountryOverviews", { asOf: { year: 2020, month: 2, day: 29 } });
  await page.getByRole("radio", { name: "Engagements" }).focus();
  await page.keyboard.press("Space");
  const overdue = then.filter((each) => each.standing === "STANDING_OVERDUE").map((each) => each.country.replace("countries/", ""));
  expect(overdue.length).toBeGreaterThan(0);
  for (const code of overdue) {
    const row = page.getByRole("group", { name: "Countries" }).getByRole("row").filter({ has: page.locator(`a[href="#/world/${code}"]`) });
    await expect(row).toContainText(/engagement overdue|conditions of entry/);
  }
  await page.getByRole("radio", { name: "Assessments" }).focus();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Today" }).click();
  await expect(djibouti).not.toHaveClass(/conditions/);

  await page.getByRole("combobox", { name: "Standing" }).selectOption("overdue");
  const countries = page.getByRole("group", { name: "Countries" });
  await expect(countries.getByRole("row")).toHaveCount(2);
  await countries.getByRole("link", { name: /Japan|Nippon/ }).click();
  const story = page.locator("section.panel", { has: page.getByRole("heading", { name: "Liaison officers" }) });
  for (const told of ["Liaison Officer, Far East", "primary, since 2024-02-01", "in country since 2026-04-02", "The east gate is not manned at night.", "overdue; due 2023-03-01", "Rank"]) {
    await expect(story).toContainText(told);
  }
  await expectAccessible(page);
});

test("a release is approved with exactly who would see what, by keyboard alone", async ({ signedIn: page, network }) => {
  const name = await proposeRelease(network, "drill", "A joint drill.");
  await openWork(page, "Releases");
  await page.getByRole("link", { name: "ports/JPYOK" }).focus();
  await page.keyboard.press("Enter");
  const panel = page.getByRole("region", { name, exact: true });
  const nations = panel.getByRole("list", { name: "Nations" });
  await expect(nations.getByRole("listitem")).toHaveText(["AU by partnerGroups/drill", "JP by partnerGroups/drill", "KR named itself"]);
  await expect(panel.locator("dl[aria-label='Fields and values']")).toContainText("Yokohama");
  await expectAccessible(page);
  const tabTo = async (text: string) => {
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      if ((await page.evaluate(() => document.activeElement?.textContent)) === text) return;
    }
    throw new Error(`Tab does not reach ${text}`);
  };
  await tabTo("Approve…");
  await page.keyboard.press("Enter");
  const form = page.getByRole("form", { name: "Confirm: Approve" });
  await expect(form).toContainText("Approved: 3 nations (AU, JP, KR) may see display_name, country of ports/JPYOK.");
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(form).toHaveCount(0);
  await page.getByRole("button", { name: "Approve…" }).focus();
  await page.keyboard.press("Enter");
  await expect(form).toBeFocused();
  await tabTo("Confirm: approve");
  await page.keyboard.press("Enter");
  await expect(page.locator("p.done")).toContainText("Approved: 3 nations");
  await expect(page.getByText("No release waits for approval")).toBeVisible();
  await network.agree();
  expect(await network.fairlead("apac", "release", "history", name)).toContain("hq/analyst/desk");
  expect(await network.asPartner("JP", "exchange", "list")).toContain("A joint drill.");
});

test("what changes before it is confirmed has to be looked at again", async ({ signedIn: page, network }) => {
  const name = await proposeRelease(network, "changing", "A drill that changes.");
  await show(page, `work/releases/${encodeURIComponent(name)}`);
  await page.getByRole("button", { name: "Approve…" }).click();
  const form = page.getByRole("form", { name: "Confirm: Approve" });
  await expect(form).toContainText("3 nations (AU, JP, KR)");
  await network.fairlead("hq", "partner-group", "update", "changing", "--nation", "countries/JP");
  await expect(form).toContainText("has changed meanwhile");
  await expect(form.getByRole("button", { name: "Confirm: approve" })).toBeDisabled();
  await form.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Decline…" }).click();
  const decline = page.getByRole("form", { name: "Confirm: Decline" });
  await decline.getByRole("button", { name: "Confirm: decline" }).click();
  expect(await decline.getByRole("textbox").evaluate((field: HTMLTextAreaElement) => field.validity.valueMissing)).toBe(true);
  await decline.getByRole("textbox").fill("The group is not agreed.");
  await decline.getByRole("button", { name: "Confirm: decline" }).click();
  await expect(page.locator("p.done")).toContainText("Declined");
  expect(await network.fairlead("hq", "--json", "release", "get", name)).toContain("The group is not agreed.");
});

test("the preview follows the record that is to be released", async ({ signedIn: page, network }) => {
  const propose = ["release", "propose", "ports/JPUKB", "--nation", "KR", "--field", "display_name", "--purpose", "A record that changes."];
  const { name } = JSON.parse(await network.fairlead("apac", "--json", ...propose)) as { name: string };
  await network.agree();
  await show(page, `work/releases/${encodeURIComponent(name)}`);
  const panel = page.getByRole("region", { name, exact: true });
  await expect(panel.locator("dl[aria-label='Fields and values']")).toContainText("Kobe");
  await network.fairlead("apac", "port", "update", "JPUKB", "--display-name", "Kobe, renamed");
  await expect(panel).toContainText("Has another value now, which is not released: display_name.");
});

test("a refusal is shown in the node's words: one's own release, and an officer's approval", async ({ signedIn: page, network, browser }) => {
  const own = JSON.parse(
    await network.fairlead("hq", "--json", "release", "propose", "ports/JPYOK", "--nation", "KR", "--field", "display_name", "--purpose", "Proposed by headquarters."),
  ) as { name: string; etag: string };
  const refuses = async (viewer: Page) => {
    const said = await ask<{ error: { message: string; code: string } }>(viewer, "ReleaseService/ApproveRelease", { name: own.name, etag: own.etag });
    expect(said.error.code).toBe("PERMISSION_DENIED");
    await show(viewer, `work/releases/${encodeURIComponent(own.name)}`);
    await viewer.getByRole("button", { name: "Approve…" }).click();
    await viewer.getByRole("button", { name: "Confirm: approve" }).click();
    await expect(viewer.getByRole("alert")).toContainText(`Not permitted. ${said.error.message}`);
  };
  await refuses(page);
  const officer = await browser.newPage();
  await officer.goto(await network.gateway("officer/apac/watch"));
  await refuses(officer);
  await officer.close();
  expect(await network.fairlead("hq", "--json", "release", "get", own.name)).toContain("RELEASE_STATE_PROPOSED");
});

test("a nation's proposal is answered with a reason that the nation reads", async ({ signedIn: page, network }) => {
  await suggest(network, "The north breakwater has been lengthened by 200 m.");
  await openWork(page, "Proposals");
  await page.getByRole("row", { name: /north breakwater/ }).getByRole("link").click();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Merge…" }).click();
  const form = page.getByRole("form", { name: "Confirm: Merge" });
  await form.getByRole("textbox").fill("Taken over with the harbour master's chart.");
  await form.getByRole("button", { name: "Confirm: merge" }).click();
  await expect(page.locator("p.done")).toContainText("Merged");
  await expect(page.getByText("No proposal waits for an answer")).toBeVisible();
  await network.agree();
  expect(await network.asPartner("JP", "--json", "exchange", "suggestions")).toContain("Taken over with the harbour master's chart.");
});

test("Search shows what was found and where, page by page, and says when nobody serves it", async ({ signedIn: page }) => {
  const asked: Record<string, unknown>[] = [];
  let served = true;
  await page.route("**/api/call/SearchService/Search", async (route) => {
    asked.push(route.request().postDataJSON() as Record<string, unknown>);
    if (!served) return route.fulfill({ status: 501, json: { error: { code: "UNIMPLEMENTED", reason: "METHOD_UNKNOWN", message: "the page has no such method", field: "" } } });
    const first = asked.at(-1)?.pageToken === "";
    return route.fulfill({
      headers: { "x-fairlead-site": "hq" },
      json: {
        results: [
          {
            name: first ? "countries/JP" : "countries/DE",
            collection: "countries",
            title: first ? "Japan" : "Germany",
            snippet: [{ text: "an island <b>", match: false }, { text: "harbour", match: true }],
            countries: [],
            regions: ["REGION_APAC"],
            state: "",
            kind: "",
          },
        ],
        nextPageToken: first ? "next" : "",
        entriesBehind: "7",
      },
    });
  });
  await open(page, "Activity");
  await page.getByRole("searchbox", { name: "Words" }).fill("harbour");
  await page.getByRole("combobox", { name: "In" }).selectOption("countries");
  await page.getByRole("button", { name: "Search" }).click();
  const found = page.getByRole("list", { name: "Found" });
  await expect(found.locator("mark")).toHaveText("harbour");
  await expect(found).toContainText("an island <b>");
  await expect(page.getByText("the newest 7 entries are not searched yet")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "More" }).click();
  await expect(found.getByRole("listitem")).toHaveCount(2);
  expect(asked).toEqual([
    { query: "harbour", pageSize: 50, pageToken: "", collections: ["countries"] },
    { query: "harbour", pageSize: 50, pageToken: "next", collections: ["countries"] },
  ]);
  await found.getByRole("button", { name: "Japan" }).click();
  await expect(found.getByRole("group", { name: "Fields of countries/JP" })).toContainText("JPN");
  served = false;
  await page.getByRole("searchbox", { name: "Words" }).fill("harbour gate");
  await page.getByRole("button", { name: "Search" }).click();
  await expect(page.getByText("Search is not served by this network’s gateway or nodes.")).toBeVisible();
});
