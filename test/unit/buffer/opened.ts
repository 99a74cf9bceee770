import { onTestFinished } from "vitest";
import { openStore, type TestStore } from "./support.ts";

/** `openStore` for the test that runs: it is closed when that has finished. */
export async function open(...options: Parameters<typeof openStore>): Promise<TestStore> {
  return closeAfterTest(await openStore(...options));
}

export function closeAfterTest(store: TestStore): TestStore {
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}
