import type { Flags } from "../config/flags.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import { CHECKS } from "./checks.ts";
import { EXIT, type Shell } from "./shell.ts";

/** Runs every check, whatever the others say, and prints one line each; resolves to 78 when one failed. */
export async function check(flags: Flags, shell: Shell): Promise<number> {
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ flags, env: shell.env, cwd: shell.cwd });
  } catch (error) {
    shell.stdout(line("FAIL", "settings", messageOf(error)));
    return EXIT.config;
  }
  for (const warning of loaded.warnings) shell.stdout(line("warn", "settings", warning));
  let failures = 0;
  for (const { name, run } of CHECKS) {
    try {
      shell.stdout(line("ok", name, await run(loaded, shell)));
    } catch (error) {
      failures++;
      shell.stdout(line("FAIL", name, messageOf(error)));
    }
  }
  return failures === 0 ? EXIT.ok : EXIT.config;
}

const NAME_WIDTH = 12;

function line(verdict: string, name: string, text: string): string {
  return `${verdict.padEnd(5)} ${name.padEnd(NAME_WIDTH)} ${text.replaceAll("\n", `\n${" ".repeat(NAME_WIDTH + 7)}`)}\n`;
}
