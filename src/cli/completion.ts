import type { Command } from "commander";
import { EiderError } from "../errors.ts";
import { EXIT, type Shell } from "./shell.ts";

/** What may follow `eider` and the words before: a command's name and its flags and commands. */
interface Words {
  /** `""` for eider itself, `user add` for a command of a command. */
  readonly path: string;
  readonly words: readonly string[];
}

/** Each shell's script, made from commander's tree: it never differs from what the commands take. */
const SCRIPTS: Readonly<Record<string, (tree: readonly Words[]) => string>> = {
  bash: bashScript,
  zsh: (tree) => `#compdef eider\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(tree)}`,
  fish: fishScript,
};

export const SHELLS: readonly string[] = Object.keys(SCRIPTS);

export function completion(program: Command, name: string, shell: Shell): number {
  const script = SCRIPTS[name];
  if (!script) throw new EiderError("config_invalid", `a shell is one of ${SHELLS.join(", ")}, not ${name}`);
  shell.stdout(script(wordsOf(program, "")));
  return EXIT.ok;
}

function wordsOf(command: Command, path: string): Words[] {
  const flags = command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));
  const commands = command.commands.map((child) => child.name());
  const below = command.commands.flatMap((child) =>
    wordsOf(child, path === "" ? child.name() : `${path} ${child.name()}`),
  );
  return [{ path, words: [...commands, ...flags, "--help"] }, ...below];
}

/** Words that do not begin a flag, up to the cursor, are the path; where none fits, files are completed. */
function bashScript(tree: readonly Words[]): string {
  const cases = tree.map(({ path, words }) => `    "${path}") words="${words.join(" ")}" ;;`);
  return `_eider() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
  for ((i = 1; i < COMP_CWORD && i < 3; i++)); do
    case "\${COMP_WORDS[i]}" in -*) break ;; esac
    path="\${path:+$path }\${COMP_WORDS[i]}"
  done
  case "$path" in
${cases.join("\n")}
    *) path="\${path%% *}"; case "$path" in
${cases.map((line) => `  ${line}`).join("\n")}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _eider eider
`;
}

function fishScript(tree: readonly Words[]): string {
  const lines = tree.flatMap(({ path, words }) => {
    const seen = path.split(" ").filter((word) => word !== "");
    const condition =
      seen.length === 0
        ? "__fish_use_subcommand"
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    return words.map((word) => {
      const what = word.startsWith("--")
        ? `-l ${word.slice(2)}`
        : word.startsWith("-")
          ? `-s ${word.slice(1)}`
          : `-f -a ${word}`;
      return `complete -c eider -n '${condition}' ${what}`;
    });
  });
  return `${lines.join("\n")}\n`;
}
