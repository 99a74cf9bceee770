import { expect, test } from "vitest";
import type { Maintenance } from "../../../src/lake/maintenance.ts";
import { column, LakeFixture, target } from "./lake-fixture.ts";

const FREEING: readonly Maintenance[] = [
  { kind: "expire", olderThanSeconds: 3600 },
  { kind: "flush_inlined", target: target("t") },
];

test.each(FREEING)("$kind, which frees the schema, leaves a transaction that defines tables alone", async (work) => {
  await using fixture = await LakeFixture.make();
  await using lake = await fixture.open();
  await lake.createTable({ target: target("t"), columns: [column("id", "BIGINT")], primaryKey: [] });
  const maintain = () => lake.maintain(work, { signal: new AbortController().signal, onProgress: () => {} });
  const release = await lake.holdDefinitions();
  await expect(maintain()).rejects.toMatchObject({ code: "write_conflict" });
  release();
  await expect(maintain()).resolves.toBe(0);
});
