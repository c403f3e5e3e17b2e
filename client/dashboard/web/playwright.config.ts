import { defineConfig } from "@playwright/test";

// One worker: the tests share one network of four nodes (tests/network.ts).
export default defineConfig({
  testDir: "tests",
  outputDir: process.env.FAIRLEAD_TEST_OUTPUT ?? "test-results",
  workers: 1,
  fullyParallel: false,
  retries: 0,
  timeout: 300_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: process.env.FAIRLEAD_CHROMIUM ?? "/usr/bin/chromium",
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    },
  },
});
