#!/usr/bin/env node
// Writes what the code knows: the README's settings, docs/settings.md, docs/metrics.md, Grafana's dashboard. Needs a build.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { generatedFiles } from "./generated-files.mjs";

for (const { path, text } of await generatedFiles()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
