import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { connect, type EiderClient } from "../client/client.ts";
import { FlightError } from "../client/flight-error.ts";
import { EiderError, messageOf } from "../errors.ts";
import { type ConnectionFlags, DEFAULT_URI } from "./connection-flags.ts";
import { EXIT, type Shell } from "./shell.ts";

/** Runs `work` in a session of its own; what fails in it is told with what to do, and becomes the exit code. */
export async function withClient(
  flags: ConnectionFlags,
  shell: Shell,
  work: (client: EiderClient) => Promise<number>,
): Promise<number> {
  const uri = flags.uri ?? shell.env["EIDER_URI"] ?? DEFAULT_URI;
  try {
    await using client = await open(uri, flags, shell);
    return await work(client);
  } catch (error) {
    if (!(error instanceof FlightError)) throw error;
    const { text, exit } = tell(error, uri);
    shell.stderr(`eider: ${text}\n`);
    return exit;
  }
}

async function open(uri: string, flags: ConnectionFlags, shell: Shell): Promise<EiderClient> {
  const { env } = shell;
  const user = flags.user ?? env["EIDER_USER"];
  const token = flags.token ?? env["EIDER_TOKEN"];
  const [ca, cert, key] = await Promise.all([
    pem(flags.tlsCa ?? env["EIDER_TLS_CA"], shell),
    pem(flags.tlsCert ?? env["EIDER_TLS_CERT"], shell),
    pem(flags.tlsKey ?? env["EIDER_TLS_KEY"], shell),
  ]);
  const login =
    token !== undefined && flags.user === undefined
      ? { token }
      : user === undefined
        ? {}
        : { user, password: env["EIDER_PASSWORD"] ?? (await shell.readSecret(`password of ${user}: `)) };
  const tls = {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(flags.tlsSkipVerify ? { skipVerify: true } : {}),
  };
  try {
    return await connect(uri, { ...login, tls });
  } catch (error) {
    if (error instanceof TypeError)
      throw new EiderError("config_invalid", `${error.message} (--uri, --tls-cert, --tls-key)`);
    throw error;
  }
}

async function pem(path: string | undefined, shell: Shell): Promise<Buffer | undefined> {
  if (path === undefined || path === "") return undefined;
  try {
    return await readFile(resolve(shell.cwd, path));
  } catch (error) {
    throw new EiderError("config_invalid", `cannot read ${path}: ${messageOf(error)}`);
  }
}

function tell(error: FlightError, uri: string): { text: string; exit: number } {
  if (error.code === undefined && (error.status === "UNAVAILABLE" || error.status === "DEADLINE_EXCEEDED")) {
    return {
      text:
        `no answer from ${uri}: ${error.message.replace(/\s*Resolution note:\s*$/, "")}\n` +
        "Is the server running (eider serve), is this its address (--uri, EIDER_URI), and does it want TLS (grpc+tls://)?",
      exit: EXIT.unavailable,
    };
  }
  if (error.status === "UNAUTHENTICATED") {
    return {
      text: `${error.message}\nSign in by --user and EIDER_PASSWORD, or by EIDER_TOKEN.`,
      exit: EXIT.noPermission,
    };
  }
  const exit = error.status === "PERMISSION_DENIED" ? EXIT.noPermission : EXIT.failed;
  return { text: error.message, exit };
}
