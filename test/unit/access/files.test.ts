import { describe, expect, test } from "vitest";
import { hashPassword, parsePasswordHash } from "../../../src/access/password.ts";
import { holds, holdsAnywhere } from "../../../src/access/principal.ts";
import { grantsOf, parseUsers } from "../../../src/access/users.ts";

describe("the users file", () => {
  test("takes hashes alone, and never repeats what it refuses", () => {
    const refusal = (text: string) => {
      try {
        parseUsers(text, "users.yaml");
        return "taken";
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal("users: { ann: { password: hunter2 } }")).toMatch(/users\.ann\.password: must be a hash/);
    expect(refusal("users: { ann: { password: hunter2 } }")).not.toContain("hunter2");
    expect(refusal("users: { ann: { tokens: [hunter2] } }")).not.toContain("hunter2");
    expect(refusal("users: { ann: { rule: read } }")).toMatch(/rule/);
    expect(refusal("users: { ann: { role: king } }")).toMatch(/users\.ann\.role/);
    expect(refusal("users: [")).toMatch(/not valid YAML/);
  });

  test("a hash that would cost too much to check is none", async () => {
    const hash = await hashPassword("x");
    expect(parsePasswordHash(hash)).toMatchObject({ ln: 15, r: 8, p: 1 });
    for (const cost of ["ln=30,r=8,p=1", "ln=4,r=8,p=1", "ln=15,r=99,p=99"]) {
      expect(parsePasswordHash(hash.replace(/ln=\d+,r=\d+,p=\d+/, cost)), cost).toBeUndefined();
    }
  });
});

test("a role on a schema stands before the one on all, and holds what is below it", () => {
  const grants = grantsOf("read", { Sales: "write", ops: "admin" });
  expect([holds(grants, "write", "SALES"), holds(grants, "write", "main"), holds(grants, "read", "main")]).toEqual([
    true,
    false,
    true,
  ]);
  expect([holds(grants, "admin"), holdsAnywhere(grants, "admin"), holds(grants, "read", "ops")]).toEqual([
    false,
    true,
    true,
  ]);
  expect(holdsAnywhere(grantsOf(undefined), "read")).toBe(false);
});
