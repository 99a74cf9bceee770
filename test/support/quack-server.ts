import { join } from "node:path";
import { extensionPath } from "./extension-path.ts";
import { freePort } from "./free-port.ts";
import { pythonPath } from "./python.ts";
import { Service } from "./service.ts";
import { tempDir } from "./temp-dir.ts";

export const QUACK_TOKEN = "quack quack";

/** DuckDB serves one database file until its input, or it, ends. */
const SERVE = `
import duckdb, sys, threading
path, address, token, *extensions = sys.argv[1:]
connection = duckdb.connect(path)
for extension in extensions:
    connection.execute(f"LOAD '{extension}'")
connection.execute("CALL quack_serve(?, token => ?)", [address, token])
threading.Event().wait()
`;

export interface QuackServer extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly address: string;
}

export async function startQuack(): Promise<QuackServer> {
  const folder = tempDir("quack");
  const port = await freePort();
  const address = `localhost:${port}`;
  // Quack encrypts by httpfs' means.
  const extensions = ["httpfs", "quack"].map(extensionPath);
  const args = ["-c", SERVE, join(folder.path, "served.db"), `quack:${address}`, QUACK_TOKEN, ...extensions];
  const service = await Service.start(pythonPath(), args, { port });
  return {
    address,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
