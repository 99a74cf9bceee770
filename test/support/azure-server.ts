import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { freePort } from "./free-port.ts";
import { Service } from "./service.ts";

/** The account that Azurite knows, with the key that its makers publish. */
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION = "2021-08-06";

export interface AzureServer extends AsyncDisposable {
  readonly connection: string;
  createContainer(name: string): Promise<void>;
}

/** Azurite's blob service, in memory. */
export async function startAzure(): Promise<AzureServer> {
  const port = await freePort();
  const program = createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js");
  const args = ["--blobHost", "127.0.0.1", "--blobPort", String(port), "--inMemoryPersistence", "--silent"];
  const service = await Service.start(
    process.execPath,
    [program, ...args, "--skipApiVersionCheck", "--disableTelemetry"],
    { port },
  );
  const url = `http://127.0.0.1:${port}/${ACCOUNT}`;
  return {
    connection: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${url};`,
    async createContainer(name) {
      const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": VERSION };
      const authorization = `SharedKey ${ACCOUNT}:${signature(name, headers)}`;
      const answer = await fetch(`${url}/${name}?restype=container`, {
        method: "PUT",
        headers: { ...headers, authorization },
      });
      if (!answer.ok) throw new Error(`container ${name}: ${answer.status} ${await answer.text()}`);
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

/** https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key */
function signature(container: string, headers: Readonly<Record<string, string>>): string {
  const text = [
    "PUT",
    ...Array<string>(11).fill(""),
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    `/${ACCOUNT}/${ACCOUNT}/${container}`,
    "restype:container",
  ].join("\n");
  return createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
}
