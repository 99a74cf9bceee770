import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What becomes of the requests that change something. */
export type StoreFault =
  | { readonly kind: "none" }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "slow"; readonly delayMs: number };

/** Stands before an object store and has it refuse, fail or dawdle when told to. */
export class StoreProxy implements AsyncDisposable {
  readonly #server: Server;
  fault: StoreFault = { kind: "none" };
  /** Requests that met a fault. */
  faults = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `endpoint` is `host:port`. */
  static async open(endpoint: string): Promise<StoreProxy> {
    const [host, port] = endpoint.split(":");
    const server = createServer();
    const proxy = new StoreProxy(server);
    server.on("request", async (incoming, outgoing) => {
      const { fault } = proxy;
      const isWrite = incoming.method === "PUT" || incoming.method === "POST";
      if (isWrite && fault.kind !== "none") proxy.faults++;
      if (isWrite && fault.kind === "status") {
        incoming.resume();
        await once(incoming, "end");
        outgoing.writeHead(fault.status).end();
        return;
      }
      if (isWrite && fault.kind === "slow") await sleep(fault.delayMs);
      const { method, url, headers } = incoming;
      const forwarded = request({ host, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      forwarded.on("error", () => outgoing.destroy());
      incoming.pipe(forwarded);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
