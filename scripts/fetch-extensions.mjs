#!/usr/bin/env node
// Fetches DuckDB's extensions ahead: node scripts/fetch-extensions.mjs [--dir FOLDER] [NAME…]
// Without names: all that Eider can use. Needs a build.
import { homedir } from "node:os";
import { parseArgs } from "node:util";

const dist = process.env.EIDER_DIST ?? "dist";
const load = (path) => import(new URL(`../${dist}/src/${path}`, import.meta.url));
const { Database } = await load("duck/database.js");
const { EXTENSION_NAMES, Extensions } = await load("duck/extensions.js");
const { loadConfig } = await load("config/load.js");

const { values, positionals } = parseArgs({ options: { dir: { type: "string" } }, allowPositionals: true });
const flags = { values: values.dir === undefined ? {} : { extensionDir: values.dir }, unknown: [] };
const env = { HOME: process.env.HOME ?? homedir(), EIDER_EXTENSION_DIR: process.env.EIDER_EXTENSION_DIR };
const { extensionDir: dir } = loadConfig({ flags, env, cwd: process.cwd() }).config;

const extensions = new Extensions({ dir, progress: (line) => console.error(line) });
const database = await Database.open();
const connection = await database.connect();
let failures = 0;
for (const name of positionals.length > 0 ? positionals : EXTENSION_NAMES) {
  try {
    const path = await extensions.fetch(connection, name);
    console.error(`extension ${name}: ${path ?? "built in"}`);
  } catch (error) {
    failures++;
    console.error(error.message);
  }
}
await database[Symbol.asyncDispose]();
process.exitCode = failures === 0 ? 0 : 1;
