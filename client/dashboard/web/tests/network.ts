// A real network of four nodes with its gateway, each link between two nodes through a proxy that a test can cut.

import { test as base, type Page } from "@playwright/test";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { recordInquiries, recordProgram } from "./work";

const run = promisify(execFile);
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
const bin = resolve(root, process.env.FAIRLEAD_BIN ?? "build/dev");
const cli = join(bin, "client/cli/fairlead");
export const gatewayProgram = join(bin, "client/dashboard/fairlead-dashboard");

export const sites = ["apac", "eame", "csa", "hq"];
const viewer = "hq/analyst/desk";
// Ports of their own, beside a network that may run here: nodes, metrics 100 above, links.
const firstPort = 18_401;
const firstLink = 18_601;
// A node that could not reach a peer for long dials it again after up to 30 s (server/replication/backoff.h).
export const dialledAgain = { timeout: 45_000 };

// The connection that one node dials to another.
class Link {
  private readonly sockets = new Set<Socket>();
  private open = true;
  readonly server: Server;

  constructor(port: number, target: number) {
    this.server = createServer((near) => {
      if (!this.open) return near.destroy();
      const far = connect(target, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(one);
        one.on("data", (data) => this.open && other.write(data));
        one.on("error", () => undefined);
        one.on("close", () => {
          this.sockets.delete(one);
          other.destroy();
        });
      }
    });
    this.server.listen(port, "127.0.0.1");
  }

  // Ends the connection, as a lost interface does, and takes no new one.
  cut(): void {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
  }

  // Lets nothing through and says nothing, as a dead line does.
  silence(): void {
    this.open = false;
  }

  restore(): void {
    for (const socket of this.sockets) socket.destroy();
    this.open = true;
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}

export class Network {
  private readonly links = new Map<string, Link>();
  private gateways: ChildProcess[] = [];

  readonly root = root;

  private constructor(private readonly folder: string) {
    sites.forEach((receiver, i) =>
      sites.forEach((peer, j) => {
        if (i !== j) this.links.set(`${receiver}-${peer}`, new Link(firstLink + 16 * i + j, firstPort + j));
      }),
    );
  }

  static async start(): Promise<Network> {
    const network = new Network(await mkdtemp(join(tmpdir(), "fairlead-dashboard-")));
    try {
      await network.tool("start");
      await network.fairlead("hq", "import", "iso-codes");
      await network.fairlead("hq", "import", "sea-ports", join(root, "tools/npm/node_modules/sea-ports/lib/ports.json")).catch(refused);
      await network.fairlead("hq", "import", "engagements", join(root, "tools/data/engagements.jsonl"));
      await network.agree();
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const gateway of this.gateways) gateway.kill("SIGTERM");
    for (const link of this.links.values()) link.close();
    await this.tool("stop");
    await rm(this.folder, { recursive: true, force: true });
  }

  // The command line in the name of the site's officer, headquarters' of its analyst.
  async fairlead(site: string, ...command: string[]): Promise<string> {
    const config = site === "hq" ? "fairlead.toml" : `${site}.toml`;
    const { stdout } = await run(cli, ["--config", join(this.folder, config), "--quiet", ...command], { maxBuffer: 1 << 26 });
    return stdout;
  }

  // The same by a system of a nation, which gets its certificate when it is first wanted.
  async asPartner(nation: string, ...command: string[]): Promise<string> {
    const identity = `partner/${nation}/registry`;
    const config = join(this.folder, `${nation}.toml`);
    if (await access(config).then(() => false, () => true)) {
      await run(cli, ["certs", "issue", identity, "--dir", join(this.folder, "certs")]);
      await writeFile(config, (await readFile(join(this.folder, "apac.toml"), "utf8")).replaceAll("certs/officer/apac/watch/", `certs/${identity}/`));
    }
    const { stdout } = await run(cli, ["--config", config, "--quiet", ...command]);
    return stdout;
  }

  // Engagements of one region, many at once (tests/bench/fill.cc).
  async fill(site: string, region: string, countries: string[], count: number): Promise<void> {
    const of = countries.flatMap((country) => ["--country", country]);
    await run(join(bin, "tests/bench/fairlead-fill"), ["--config", join(this.folder, `${site}.toml`), "--site", site, "--region", region, "--count", String(count), ...of]);
  }

  // Waits until all nodes hold the same.
  async agree(limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const failed = await this.fairlead("hq", "digest", "--all-sites").then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!failed) return;
      if (Date.now() > deadline) throw failed;
    }
  }

  link(receiver: string, peer: string): Link {
    return this.links.get(`${receiver}-${peer}`)!;
  }

  // Every link of a site, both ways.
  around(site: string): Link[] {
    return [...this.links].filter(([name]) => name.split("-").includes(site)).map(([, link]) => link);
  }

  // Starts a gateway and gives a link that opens one session as `identity`. With another caller's configuration it is one that no node trusts.
  async gateway(identity = viewer, config = "dashboard.toml", ...options: string[]): Promise<string> {
    const gateway = spawn(gatewayProgram, ["--config", join(this.folder, config), "--listen", "127.0.0.1:0", "--demonstration", identity, ...options], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.gateways.push(gateway);
    for await (const line of createInterface({ input: gateway.stdout! })) return line;
    throw new Error("the gateway ended without a word");
  }

  async killGateways(): Promise<void> {
    for (const gateway of this.gateways.splice(0)) {
      const ended = new Promise((done) => gateway.once("exit", done));
      gateway.kill("SIGKILL");
      await ended;
    }
  }

  // A country's name written at two sites that do not hear each other.
  async disagree(code: string, atApac: string, atEame: string): Promise<void> {
    for (const link of this.around("apac")) link.cut();
    await this.fairlead("apac", "country", "update", code, "--display-name", atApac);
    await this.fairlead("eame", "country", "update", code, "--display-name", atEame);
    for (const link of this.around("apac")) link.restore();
    await this.agree();
  }

  // An engagement that was closed at one site and retitled at another that had not heard of it: an amendment.
  async amend(title: string, amended: string): Promise<void> {
    const created = JSON.parse(
      await this.fairlead("eame", "--json", "engagement", "create", "--kind", "technical-exchange", "--country", "DE", "--region", "eame", "--title", title, "--start-date", "2026-05-01"),
    ) as { name: string };
    await this.agree();
    for (const link of this.around("apac")) link.cut();
    await this.fairlead("eame", "engagement", "schedule", created.name, "--start-date", "2026-05-01");
    await this.fairlead("eame", "engagement", "start", created.name);
    await this.fairlead("eame", "engagement", "complete", created.name, "--outcome", "Held.");
    await this.fairlead("eame", "engagement", "report", created.name);
    await this.fairlead("eame", "engagement", "close", created.name);
    await this.fairlead("apac", "engagement", "update", created.name, "--title", amended);
    for (const link of this.around("apac")) link.restore();
    await this.agree();
  }

  private async tool(command: string): Promise<void> {
    // Where every site may write everything, conflicts are made of any record.
    const links = command === "start" ? ["--links", String(firstLink), "--headquarters", "none"] : [];
    await run(join(root, "tools/network"), [command, "--data", this.folder, "--bin", bin, "--port", String(firstPort), ...links]);
  }
}

// Single rows of published data may be refused (exit code 3); the import says which.
function refused(error: { code?: number }): void {
  if (error.code !== 3) throw error;
}

export const test = base.extend<{ signedIn: Page }, { network: Network; program: void }>({
  network: [
    async ({}, use) => {
      const network = await Network.start();
      await use(network);
      await network.stop();
    },
    { scope: "worker", timeout: 180_000 },
  ],
  // The network with a program's work on it (work.ts), recorded once.
  program: [
    async ({ network }, use) => {
      await recordProgram(network);
      await recordInquiries(network);
      await use();
    },
    { scope: "worker", timeout: 300_000 },
  ],
  // A page of the analyst, and the certainty that it asked nobody but the gateway.
  signedIn: async ({ page, network }, use) => {
    const link = await network.gateway();
    const foreign: string[] = [];
    const errors: string[] = [];
    page.on("request", (request) => new URL(request.url()).origin !== new URL(link).origin && foreign.push(request.url()));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(link);
    await use(page);
    base.expect(foreign).toEqual([]);
    base.expect(errors.filter((text) => !text.startsWith("Failed to load resource"))).toEqual([]);
  },
});

export { expect } from "@playwright/test";
