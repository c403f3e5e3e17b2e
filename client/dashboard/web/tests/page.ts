// What every test of the page does.

import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

export async function open(page: Page, view: string): Promise<void> {
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: view, exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: view })).toBeAttached();
}

export async function openWork(page: Page, kind: string): Promise<void> {
  await open(page, "Work");
  await page.getByRole("navigation", { name: "Kinds of work" }).getByRole("link", { name: kind, exact: true }).click();
}

export async function expectAccessible(page: Page): Promise<void> {
  // What is inside the map is one picture to assistive technology.
  const { violations } = await new AxeBuilder({ page }).exclude("svg.map > *").withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
  expect(violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target).join(" ")}`)).toEqual([]);
}

// The same call as the page makes, with what the node answers.
export async function ask<T>(page: Page, method: string, request: object): Promise<T> {
  return page.evaluate(
    async ([name, body]) => {
      const { csrf } = (await (await fetch("/api/session")).json()) as { csrf: string };
      const headers = { "content-type": "application/json", "x-fairlead-csrf": csrf };
      return (await fetch(`/api/call/${name}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
    },
    [method, request] as const,
  );
}
