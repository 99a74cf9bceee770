import { readFileSync } from "node:fs";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { messageOf } from "../errors.ts";

export interface FileEntry {
  readonly name: string;
  readonly value: unknown;
  readonly line: number;
}

export interface SettingsFile {
  readonly entries: readonly FileEntry[];
  readonly problems: readonly string[];
}

/** Reads a YAML file whose top level is a map of setting names to plain values. Problems name the line. */
export function readSettingsFile(path: string): SettingsFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { entries: [], problems: [`the settings file cannot be read: ${messageOf(error)}`] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const lineOf = (offset: number) => lines.linePos(offset).line;
  if (document.errors.length > 0) {
    return {
      entries: [],
      problems: document.errors.map((error) => `${path}:${lineOf(error.pos[0])}: not valid YAML: ${error.message}`),
    };
  }
  if (document.contents === null) return { entries: [], problems: [] };
  if (!isMap(document.contents)) {
    return { entries: [], problems: [`${path}: must hold \`name: value\` lines, one per setting`] };
  }
  const entries: FileEntry[] = [];
  const problems: string[] = [];
  for (const pair of document.contents.items) {
    const line = isScalar(pair.key) && pair.key.range ? lineOf(pair.key.range[0]) : 0;
    const name = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    if (pair.value !== null && !isScalar(pair.value)) {
      problems.push(`${path}:${line}: \`${name}\` must be a plain value, not a list or a map`);
    } else {
      entries.push({ name, value: pair.value === null ? null : pair.value.value, line });
    }
  }
  return { entries, problems };
}
