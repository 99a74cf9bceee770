// What `npm run docs` writes, and a test compares: each file's path and whole text.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dashboard } from "./dashboard.mjs";

const dist = process.env.EIDER_DIST ?? "dist";
const load = (path) => import(new URL(`../${dist}/src/${path}`, import.meta.url));
const file = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

export async function generatedFiles() {
  const { settingsTable, settingsReference } = await load("config/describe.js");
  const { metricsReference } = await load("observe/describe-metrics.js");
  const readme = readFileSync(file("README.md"), "utf8");
  const section = `<!-- settings -->\n${settingsTable()}\n<!-- /settings -->`;
  return [
    { path: file("README.md"), text: readme.replace(/<!-- settings -->.*<!-- \/settings -->/s, () => section) },
    { path: file("docs/settings.md"), text: settingsReference() },
    { path: file("docs/metrics.md"), text: await metricsReference() },
    { path: file("deploy/grafana/eider-dashboard.json"), text: `${JSON.stringify(dashboard(), null, 1)}\n` },
  ];
}
