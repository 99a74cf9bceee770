import { afterEach, expect, test } from "vitest";
import { EiderError } from "../../../src/errors.ts";
import { CatalogWatch } from "../../../src/lake/catalog-watch.ts";

const SILENT = { info() {}, warn() {}, error() {} };
const REFUSED = new EiderError("lake_unavailable", "connection\n\trefused");

const watches: CatalogWatch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch[Symbol.dispose]();
});

function watchOf(probe: () => Promise<void>) {
  let backs = 0;
  const watch = new CatalogWatch({
    probe,
    onBack: () => {
      backs++;
    },
    log: SILENT,
    intervalMs: 1,
    patienceMs: 50,
  });
  watches.push(watch);
  return { watch, backs: () => backs };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("an error of a catalog that is away tells since when; another error, and one of a catalog that answers, stay", async () => {
  let isAway = true;
  const { watch, backs } = watchOf(async () => {
    if (isAway) throw REFUSED;
  });
  const other = new EiderError("sql_invalid", "x");
  expect(await watch.explain(other)).toBe(other);
  expect(watch.outage).toBeUndefined();
  const told = await watch.explain(REFUSED);
  expect(told).toMatchObject({ code: "lake_unavailable" });
  expect(String(told)).toMatch(/has not answered for 0 s \(since \d{4}-.*Z\): connection refused\. Appends/);
  expect(await watch.explain(told)).toBe(told);
  isAway = false;
  await until(() => backs() === 1);
  expect(watch.outage).toBeUndefined();
  expect(await watch.explain(REFUSED)).toBe(REFUSED);
});

test("what is known is taken when the catalog refuses, and when it hangs; never while it answers", async () => {
  let probe: () => Promise<void> = async () => {};
  const { watch } = watchOf(() => probe());
  const slow = () => new Promise<string>((resolve) => setTimeout(() => resolve("slow"), 100));
  expect(await watch.unlessAway("known", slow)).toBe("slow");
  await expect(watch.unlessAway("known", () => Promise.reject(REFUSED))).rejects.toBe(REFUSED);
  probe = () => new Promise(() => {});
  expect(await watch.unlessAway("known", () => new Promise<string>(() => {}))).toBe("known");
  expect(watch.outage).toMatchObject({ sinceMs: expect.any(Number), lengthMs: expect.any(Number) });
  expect(await watch.unlessAway("known", async () => "not asked")).toBe("known");
});
