import { describe, expect, test } from "vitest";
import { maskSecrets } from "../../../src/base/secrets.ts";
import { editDistance, nearest } from "../../../src/config/nearest.ts";

describe("nearest", () => {
  test("counts inserts, deletes, replacements and swaps as one edit each", () => {
    expect(editDistance("port", "port")).toBe(0);
    expect(editDistance("prot", "port")).toBe(1);
    expect(editDistance("ports", "port")).toBe(1);
    expect(editDistance("", "port")).toBe(4);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });

  test("takes the closest candidate within a slip or two, or none", () => {
    expect(nearest("data_dri", ["data_dir", "data_path"])).toBe("data_dir");
    expect(nearest("colour", ["data_dir", "data_path"])).toBeUndefined();
  });
});

describe("maskSecrets", () => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["host=db password=abc user=x", "host=db password=*** user=x"],
    ["password = 'a b' x", "password = *** x"],
    ["passwd=a;pwd=b", "passwd=***;pwd=***"],
    ["postgresql://ada:p@ss@db/lake", "postgresql://ada:***@db/lake"],
    ["CREATE SECRET (TYPE s3, KEY_ID 'AK', SECRET 'sk')", "CREATE SECRET (TYPE s3, KEY_ID ***, SECRET ***)"],
    ["s3_secret_access_key=zzz,region=eu", "s3_secret_access_key=***,region=eu"],
    ['connect("password=abc")', 'connect("password=***")'],
    ["unexpected token at end", "unexpected token at end"],
    ["https://host/path?x=1", "https://host/path?x=1"],
  ];
  test.each(rows)("%s", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });
});
