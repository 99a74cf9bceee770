import { parentPort, workerData } from "node:worker_threads";
import { must } from "../base/assert.ts";
import { BufferHost } from "./host.ts";
import type { Request, WorkerSettings } from "./messages.ts";

/** A buffer worker's thread: recovers its folders, then serves requests until the main thread, having closed it, ends it. */

const port = must(parentPort, "worker.ts runs in a worker thread");
const host = new BufferHost(workerData as WorkerSettings, (update) => port.postMessage(update));

if (await host.start()) {
  port.on("message", (requests: readonly Request[]) => {
    for (const request of requests) host.handle(request);
  });
}
