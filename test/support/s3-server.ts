import { freePort } from "./free-port.ts";
import { pythonPath } from "./python.ts";
import { Service } from "./service.ts";

export const S3_KEY_ID = "eider-test-key";
export const S3_SECRET = "eider test secret";

export interface S3Server extends AsyncDisposable {
  /** `127.0.0.1:PORT`, plain HTTP, path style. */
  readonly endpoint: string;
  createBucket(name: string): Promise<void>;
}

/** moto's S3, in memory; takes any credentials. */
export async function startS3(): Promise<S3Server> {
  const port = await freePort();
  const args = ["-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", String(port)];
  const service = await Service.start(pythonPath(), args, { port });
  const endpoint = `127.0.0.1:${port}`;
  return {
    endpoint,
    async createBucket(name) {
      const answer = await fetch(`http://${endpoint}/${name}`, { method: "PUT" });
      if (!answer.ok) throw new Error(`bucket ${name}: ${answer.status} ${await answer.text()}`);
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}
