// A program's work, recorded on the network: officers, visits, findings, what is due, what waits for a decision.

import type { Network } from "./network";

const day = (offsetDays: number) => new Date(Date.now() + offsetDays * 86_400_000).toISOString().slice(0, 10);
const thisMonth = day(0).slice(0, 7);

async function created(network: Network, site: string, ...command: string[]): Promise<string> {
  return (JSON.parse(await network.fairlead(site, "--json", ...command)) as { name: string }).name;
}

// A visit and an exchange of one officer share a day of this month; an observation with a follow-up that nobody did; Japan's assessment is
// overdue, Korea's is due soon; arrivals from Japan.
export async function recordProgram(network: Network): Promise<void> {
  const officer = "liaisonOfficers/far-east";
  await network.fairlead("hq", "officer", "create", "far-east", "--display-name", "Liaison Officer, Far East", "--region", "apac");
  await network.fairlead("hq", "assignment", "create", "--officer", officer, "--country", "countries/JP", "--duty", "primary", "--start-date", "2024-02-01");
  await network.agree();
  const plan = async (title: string, kind: string, start: string, end: string) => {
    const name = await created(
      network, "apac", "engagement", "create", "--title", title, "--kind", kind, "--country", "JP", "--region", "apac",
      "--participant", "officer=far-east,role=head",
    );
    await network.fairlead("apac", "engagement", "schedule", name, "--start-date", `${thisMonth}-${start}`, "--end-date", `${thisMonth}-${end}`);
    return name;
  };
  const visit = await plan("Visit to the Designated Authority", "country-visit", "04", "08");
  await plan("Exchange on container scanning", "technical-exchange", "08", "12");
  await network.fairlead(
    "apac", "observation", "create", visit, "--text", "The east gate is not manned at night.", "--isps-reference", "ISPS A/16.3", "--severity", "major",
    "--country", "JP", "--element", "access", "--evidence", "Seen on two nights.",
  );
  await network.fairlead("apac", "follow-up", "create", visit, "--task", "Have the gate manned", "--owner", officer, "--due-date", "2025-06-30");
  const cycle = await created(network, "apac", "visit-cycle", "create", "--country", "countries/JP", "--officer", officer, "--preliminary-date", "2026-02-01");
  await network.fairlead("apac", "visit-cycle", "begin", cycle, "--in-country-date", "2026-04-02");
  for (const [country, determined] of [["JP", "2020-03-01"], ["KR", day(-3 * 365 + 60)]] as const) {
    const assessment = await created(network, "apac", "assessment", "create", "--country", `countries/${country}`, "--source", "A visit's report.");
    await network.fairlead("apac", "assessment", "determine", assessment, "--determination", "effective", "--determination-date", determined, "--basis", "on-site");
  }
  await network.fairlead("hq", "import", "conditions", `${network.root}/tools/data/conditions_of_entry.jsonl`);
  for (const vessel of ["First", "Second", "Third"]) {
    await network.fairlead(
      "hq", "arrival", "create", "--vessel-name", vessel, "--arrival-place", "Seattle", "--arrival-date", day(-10), "--source-kind", "notice",
      "--last-call", "country=countries/JP",
    );
  }
  await network.agree();
}

// Two questions of Japan: one was answered after a day, one is open. A course that Japan asks for, and one that was held.
export async function recordInquiries(network: Network): Promise<void> {
  const ask = (subject: string, receivedTime: string) =>
    created(network, "apac", "inquiry", "create", "--subject", subject, "--question", "How often?", "--channel", "email", "--inquirer", "operator", "--country", "JP", "--received-time", receivedTime);
  const at = (offsetDays: number) => new Date(Date.now() + offsetDays * 86_400_000).toISOString();
  const answered = await ask("Drills", at(-1));
  await network.fairlead("apac", "inquiry", "answer", answered, "--answer", "Every three months.");
  await ask("Exercises", at(0));
  await network.fairlead("hq", "training-offering", "create", "drills", "--display-name", "Drills and exercises", "--program", "port-security", "--marking", "public");
  await network.agree();
  await network.fairlead(
    "apac", "training-request", "create", "--country", "JP", "--offering", "drills", "--embassy", "American Embassy Tokyo", "--trainees-expected", "20",
    "--channel", "officer", "--officer", "far-east", "--requested-date", day(-2),
  );
  const session = await created(
    network, "apac", "training-session", "create", "--offering", "drills", "--country", "JP", "--region", "apac", "--start-date", "2026-03-02", "--place", "Yokohama",
  );
  await network.fairlead("apac", "training-session", "hold", session, "--attendance", "country=JP,registered=20,attended=18,completed=17");
  await network.agree();
}

// Proposed by the officer of Asia-Pacific: the port of Yokohama for a group and a nation of its own. Its name.
export async function proposeRelease(network: Network, group: string, purpose: string): Promise<string> {
  await network.fairlead("hq", "partner-group", "create", group, "--display-name", "The drill's nations", "--nation", "countries/JP", "--nation", "countries/AU");
  await network.agree();
  const name = await created(
    network, "apac", "release", "propose", "ports/JPYOK", "--nation", "KR", "--group", group, "--field", "display_name", "--field", "country", "--purpose", purpose,
  );
  await network.agree();
  return name;
}

// What a nation's system proposes.
export async function suggest(network: Network, text: string): Promise<void> {
  await network.asPartner("JP", "exchange", "suggest", "port", "--subject", "JPYOK", "--text", text);
  await network.agree();
}
