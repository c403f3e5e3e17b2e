// What the program says to wrong options; no network.

import { expect, test } from "@playwright/test";
import { execFile } from "node:child_process";
import { gatewayProgram } from "./network";

const tls = ["--tls-certificate", "a", "--tls-key", "b", "--tls-client-ca", "c"];
const cases: [string[], string][] = [
  [[], "--config is required"],
  [["--config", "absent.toml"], "give either the three --tls files or --demonstration"],
  [["--config", "absent.toml", ...tls, "--demonstration", "hq/analyst/desk"], "give either the three --tls files or --demonstration"],
  [["--config", "absent.toml", ...tls.slice(2)], "go together"],
  [["--config", "absent.toml", "--demonstration", "partner/JP/portnet"], "--demonstration: partner/JP/portnet is not officer/SITE/NAME or hq/ROLE/NAME"],
  [["--config", "absent.toml", ...tls, "--listen", "8443"], "--listen: 8443 is not HOST:PORT"],
  [["--config", "absent.toml", ...tls, "--listen", "0.0.0.0:99999"], "is not HOST:PORT"],
  [["--config", "absent.toml", ...tls, "--map", "00=hq/analyst/desk"], "--map: 00=hq/analyst/desk is not FINGERPRINT=IDENTITY"],
  [["--config", "absent.toml", ...tls, "--session-idle", "soon"], "--session-idle: soon is not a duration"],
  [["--config", "absent.toml", ...tls], "there is no configuration file absent.toml"],
];

for (const [options, says] of cases) {
  test(`fairlead-dashboard ${options.join(" ")}`, async () => {
    const [code, text] = await new Promise<[unknown, string]>((done) =>
      execFile(gatewayProgram, options, (error, stdout, stderr) => done([error?.code, stdout + stderr])),
    );
    expect(text).toContain(says);
    expect(code).not.toBe(0);
    expect(code).not.toBeUndefined();
  });
}
