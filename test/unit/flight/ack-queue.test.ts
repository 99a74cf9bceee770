import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { AckQueue } from "../../../src/flight/ack-queue.ts";

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

test("results come in the order in which the work began", async () => {
  const queue = new AckQueue<number>(10, 1000);
  const [first, second] = [deferred<number>(), deferred<number>()];
  await queue.start(1, () => first.promise);
  await queue.start(1, () => second.promise);
  queue.end();
  second.resolve(2);
  first.resolve(1);
  expect(await queue.next()).toEqual({ end: false, value: 1 });
  expect(await queue.next()).toEqual({ end: false, value: 2 });
  expect(await queue.next()).toEqual({ end: true });
});

test.each([
  ["count", 2, 1000],
  ["bytes", 100, 20],
])("the %s in flight is bounded", async (_name, limitCount, limitBytes) => {
  const queue = new AckQueue<number>(limitCount, limitBytes);
  const works = [deferred<number>(), deferred<number>(), deferred<number>()];
  let started = 0;
  const begin = async () => {
    for (const work of works) {
      await queue.start(10, () => {
        started++;
        return work.promise;
      });
    }
  };
  const beginning = begin();
  await turn();
  expect(started).toBe(2);
  works[0]?.resolve(0);
  await queue.next();
  await beginning;
  expect(started).toBe(3);
});

test("one larger than the limit is let in alone", async () => {
  const queue = new AckQueue<number>(10, 5);
  expect(await queue.start(100, async () => 1)).toBe(true);
  expect(await queue.next()).toEqual({ end: false, value: 1 });
});

test("a failure is told after the results before it, and the starter's after its work's", async () => {
  const queue = new AckQueue<number>(10, 100);
  await queue.start(1, async () => 1);
  queue.fail(new Error("the reader failed"));
  expect(await queue.next()).toEqual({ end: false, value: 1 });
  await expect(queue.next()).rejects.toThrow("the reader failed");
});

test("stop starts nothing more and waits for what was started", async () => {
  const queue = new AckQueue<number>(1, 100);
  const work = deferred<number>();
  await queue.start(1, () => work.promise);
  const waiting = queue.start(1, async () => 2);
  let stopped = false;
  const stopping = queue.stop().then(() => {
    stopped = true;
  });
  expect(await waiting).toBe(false);
  await turn();
  expect(stopped).toBe(false);
  work.reject(new Error("late"));
  await stopping;
});
