import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** `before`: PostgreSQL never hears the COMMIT; `after`: it commits, and nobody hears its answer. */
export type Cut = "before" | "after";

/** Of a DuckLake commit that changes something; a reading transaction ends with COMMIT, too. */
const WRITES = Buffer.from("ducklake_snapshot VALUES");
const COMMIT = Buffer.from("COMMIT\0");

/** Stands before a PostgreSQL server and cuts connections at the COMMIT of a lake transaction, when told to. */
export class CommitProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: Cut | undefined;
  #refusesAfterCut = false;
  #isDown = false;
  /** Cuts made so far. */
  cuts = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<CommitProxy> {
    const server = createServer();
    const proxy = new CommitProxy(server);
    server.on("connection", (client) => proxy.#join(client, port));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts at the next COMMIT; with `thenDown`, all connections are refused from then until `up`. */
  cutNext(cut: Cut, thenDown = false): void {
    this.#next = cut;
    this.#refusesAfterCut = thenDown;
  }

  up(): void {
    this.#isDown = false;
  }

  #join(client: Socket, port: number): void {
    if (this.#isDown) return void client.destroy();
    const server = connect(port, "127.0.0.1");
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    let isWriting = false;
    let isCutting = false;
    client.on("data", (bytes) => {
      isWriting ||= bytes.includes(WRITES);
      if (bytes.includes(COMMIT)) {
        if (isWriting && this.#next !== undefined) {
          isCutting = true;
          if (this.#takeCut() === "before") return this.#cut(end);
        }
        isWriting = false;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (isCutting) this.#cut(end);
      else client.write(bytes);
    });
  }

  #takeCut(): Cut | undefined {
    const cut = this.#next;
    this.#next = undefined;
    return cut;
  }

  #cut(end: () => void): void {
    this.cuts++;
    this.#isDown = this.#refusesAfterCut;
    end();
    if (this.#isDown) for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
