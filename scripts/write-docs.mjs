#!/usr/bin/env node
// Writes what the code knows into README.md, between its markers. Needs a build.
import { readFileSync, writeFileSync } from "node:fs";

const dist = process.env.EIDER_DIST ?? "dist";
const { settingsTable } = await import(new URL(`../${dist}/src/config/describe.js`, import.meta.url));
const path = new URL("../README.md", import.meta.url);
const text = readFileSync(path, "utf8");
const section = `<!-- settings -->\n${settingsTable()}\n<!-- /settings -->`;
writeFileSync(
  path,
  text.replace(/<!-- settings -->.*<!-- \/settings -->/s, () => section),
);
