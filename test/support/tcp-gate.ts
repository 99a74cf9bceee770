import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Stands before a server: while shut, it is what a client sees of one that is down; with a delay, of one that is far. */
export class TcpGate implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isShut = false;
  /** Before whatever the client sends is passed on. */
  delayMs = 0;
  /** Connections refused or cut so far. */
  refused = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<TcpGate> {
    const server = createServer();
    const gate = new TcpGate(server);
    server.on("connection", (client) => gate.#join(client, port));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts what is connected and refuses what comes. */
  shut(): void {
    this.#isShut = true;
    for (const socket of this.#sockets) {
      this.refused++;
      socket.destroy();
    }
  }

  open(): void {
    this.#isShut = false;
  }

  #join(client: Socket, port: number): void {
    if (this.#isShut) {
      this.refused++;
      client.destroy();
      return;
    }
    const server = connect(port, "127.0.0.1");
    this.#sockets.add(client);
    client.on("close", () => {
      this.#sockets.delete(client);
      server.destroy();
    });
    server.on("close", () => client.destroy());
    for (const socket of [client, server]) socket.on("error", () => socket.destroy());
    let passed = Promise.resolve();
    client.on("data", (bytes) => {
      // In order, also when the delay changes.
      const late = this.delayMs > 0 ? sleep(this.delayMs) : undefined;
      passed = passed.then(() => late).then(() => void server.write(bytes));
    });
    client.on("end", () => {
      passed = passed.then(() => void server.end());
    });
    server.pipe(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shut();
    this.#server.close();
    await once(this.#server, "close");
  }
}
