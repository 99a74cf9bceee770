import type { Command } from "commander";

/** Which server, and as whom: flags of every command that is a client. A flag wins over the environment. */
export interface ConnectionFlags {
  readonly uri?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsSkipVerify?: true;
}

export const DEFAULT_URI = "grpc://127.0.0.1:4214";

export function addConnectionFlags(command: Command): Command {
  return command
    .option("--uri <uri>", `server, grpc://HOST:PORT or grpc+tls://HOST:PORT (EIDER_URI; default ${DEFAULT_URI})`)
    .option("--user <name>", "user (EIDER_USER); the password comes from EIDER_PASSWORD, or is asked for")
    .option("--token <token>", "bearer token; better EIDER_TOKEN, since others can see a command's arguments")
    .option("--tls-ca <path>", "PEM file of those who signed the server's certificate (EIDER_TLS_CA)")
    .option("--tls-cert <path>", "PEM file of your own certificate (EIDER_TLS_CERT)")
    .option("--tls-key <path>", "PEM file of its key (EIDER_TLS_KEY)")
    .option("--tls-skip-verify", "take whatever certificate the server shows");
}
