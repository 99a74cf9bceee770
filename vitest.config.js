import { defineConfig } from "vitest/config";

// Tests run as compiled JavaScript, so that worker threads and child processes load the same files as in production.
const dist = process.env.EIDER_DIST ?? "dist";
const kind = (name, timeoutMs, options = {}) => ({
  test: {
    name,
    include: [`${dist}/test/${name}/**/*.test.js`],
    exclude: [],
    pool: "forks",
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    ...options,
  },
});

export default defineConfig({
  test: {
    projects: [
      kind("unit", 60_000),
      kind("integration", 300_000, { fileParallelism: false }),
      kind("drivers", 900_000, { fileParallelism: false }),
      kind("lakes", 900_000, { fileParallelism: false }),
      kind("crash", 900_000, { fileParallelism: false }),
      // After all others: they would be what is measured.
      kind("bench", 900_000, { fileParallelism: false, sequence: { groupOrder: 1 } }),
    ],
  },
});
