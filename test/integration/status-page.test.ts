import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Status } from "../../src/observe/status.ts";
import { browserMissing, openBrowser, openPage, type WatchedPage } from "../support/browser.ts";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "../support/users.ts";

const ENDLESS = "SELECT count(*) FROM range(100000000000) t(i) WHERE sqrt(i) = 1.5";
/** A slow machine: conditions are waited for, however long they take. */
const PATIENCE = { timeout: 120_000 };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A script for the page. */
const LOWEST_CONTRAST = readFileSync(join(REPO, "test", "support", "lowest-contrast.js"), "utf8");

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600, bufferMaxRows: 1000, queryTimeoutSeconds: 120 } });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

/** 250 rows wait; 10 000 others are flushed, because there are so many. */
function write(): Promise<unknown> {
  return runPython(
    `
import json, sys
import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow
with flight_sql.connect(json.load(sys.stdin), autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE waiting (id BIGINT)")
        cursor.adbc_ingest("waiting", pyarrow.table({"id": list(range(250))}), mode="append")
        cursor.execute("CREATE TABLE many (id BIGINT, minute TIMESTAMP)")
        rows = pyarrow.table({"id": list(range(10000)), "minute": pyarrow.array([60_000_000 * (i // 100) for i in range(10000)], pyarrow.timestamp("us"))})
        cursor.adbc_ingest("many", rows, mode="append")
        cursor.execute("CALL duckling_queue_flush('many')")
print("null")`,
    eider.flightUri,
  );
}

async function status(): Promise<Status> {
  return (await (await fetch(`${eider.httpUrl}/status.json`)).json()) as Status;
}

describe.skipIf(browserMissing !== undefined)(`the page${browserMissing ? ` (${browserMissing})` : ""}`, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openBrowser();
  });

  afterAll(async () => {
    await browser.close();
  });

  async function open(options: Parameters<typeof openPage>[1] = {}, url = eider.httpUrl): Promise<WatchedPage> {
    const opened = await openPage(browser, options);
    onTestFinished(() => opened[Symbol.asyncDispose]());
    opened.page.setDefaultTimeout(PATIENCE.timeout);
    await opened.page.goto(url);
    return opened;
  }

  const textOf = (page: Page, selector: string) => page.locator(selector).innerText();

  test("says honestly that there is nothing yet", async () => {
    const { page, errors } = await open();
    await expect.poll(() => textOf(page, "#state"), PATIENCE).toBe("Ready");
    expect(await textOf(page, "#buffer-rows")).toContain("No table has been written to");
    expect(await textOf(page, "#flush-rows")).toContain("Nothing has been flushed");
    expect(await textOf(page, "#query-rows")).toContain("No statement has run");
    expect(await textOf(page, "#problem-list")).toContain("No warnings and no errors");
    expect(errors).toEqual([]);
  });

  test("shows buffers, flushes, throughput and settings, and follows them", async () => {
    const { page, errors, requests } = await open();
    await expect.poll(() => textOf(page, "#state"), PATIENCE).toBe("Ready");
    await write();
    await expect.poll(() => textOf(page, "#buffer-rows"), PATIENCE).toMatch(/main\.waiting\s+250\s/);
    await expect.poll(() => textOf(page, "#flush-rows"), PATIENCE).toMatch(/main\.many\s+\w+\s+10,000\s+10,000\s/);
    await expect.poll(() => page.locator("#throughput canvas").count(), PATIENCE).toBe(1);
    expect(await page.locator("#flush-rows .phases").first().getAttribute("aria-label")).toMatch(/write .*commit /);
    const setting = page.locator("#setting-rows tr", { hasText: "buffer_max_rows" });
    expect(await setting.innerText()).toMatch(/buffer_max_rows\s+1000\s+--buffer-max-rows/);
    await page.check("#settings-changed");
    expect(await page.locator("#setting-rows tr", { hasText: "pool_lifetime_seconds" }).count()).toBe(0);
    expect(errors).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(eider.httpUrl))).toEqual([]);
  });

  test("runs SQL by keyboard, shows rows, and plots them", async () => {
    const { page, errors } = await open();
    await page.keyboard.press("/");
    expect(await page.evaluate("document.activeElement.id")).toBe("sql-text");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("SELECT minute, count(*) AS n FROM many GROUP BY 1 ORDER BY 1");
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector("#sql-results:not([hidden])");
    expect(await page.locator("#sql-results thead th").allInnerTexts()).toEqual(["minute", "n"]);
    expect(await page.locator("#sql-results tbody tr").count()).toBe(100);
    expect(await textOf(page, "#sql-state")).toMatch(/^100 rows; /);
    expect(await page.locator("#plot canvas").count()).toBe(1);
    expect(await page.locator("#plot-x").inputValue()).toBe("0");
    await page.selectOption("#plot-kind", "bars");
    expect(await page.locator("#plot canvas").count()).toBe(1);
    await page.fill("#sql-text", "SELECT 9007199254740993 AS big, NULL AS none, '<b>' AS html");
    await page.click("#sql-run");
    await expect
      .poll(() => page.locator("#sql-results td").allInnerTexts(), PATIENCE)
      .toEqual(["9007199254740993", "NULL", "<b>"]);
    expect(await page.locator("#plot-panel").isHidden()).toBe(true);
    expect(errors).toEqual([]);
  });

  test("says in DuckDB's words what is wrong with a statement", async () => {
    const { page } = await open();
    await page.fill("#sql-text", "SELEC 1");
    await page.click("#sql-run");
    await expect.poll(() => textOf(page, "#sql-error"), PATIENCE).toContain('syntax error at or near "SELEC"');
    await page.fill("#sql-text", "DROP TABLE many");
    await page.click("#sql-run");
    await expect.poll(() => textOf(page, "#sql-error"), PATIENCE).toContain("this is DROP");
  });

  test("includes rows that wait when it is told to", async () => {
    const { page } = await open();
    await page.fill("#sql-text", "SELECT count(*) FROM waiting");
    const answer = async () =>
      (await page.locator("#sql-results:not([hidden]) td, #sql-error").allInnerTexts()).join("");
    await page.click("#sql-run");
    await expect.poll(answer, PATIENCE).toBe("0");
    await page.check("#sql-strong");
    await page.click("#sql-run");
    await expect.poll(answer, PATIENCE).toBe("250");
  });

  test("downloads all rows as a file", async () => {
    const { page } = await open();
    await page.fill("#sql-text", "SELECT id FROM many ORDER BY id");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=CSV")]);
    expect(download.suggestedFilename()).toBe("result.csv");
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString().trimEnd().split("\n")).toHaveLength(10_001);
  });

  test("cancels a query that runs, anybody's in the list and its own by Escape", async () => {
    const { page } = await open();
    const answer = fetch(`${eider.httpUrl}/query`, { method: "POST", body: JSON.stringify({ sql: ENDLESS }) });
    const row = page.locator("#query-rows tr", { hasText: "running" }).filter({ hasText: ENDLESS });
    await row.getByRole("button", { name: "Cancel" }).click();
    expect((await answer).status).toBe(499);
    await expect.poll(() => row.count(), PATIENCE).toBe(0);
    await page.fill("#sql-text", ENDLESS);
    await page.click("#sql-run");
    await expect.poll(async () => (await status()).queries.running.length, PATIENCE).toBe(1);
    await page.keyboard.press("Escape");
    expect(await textOf(page, "#sql-state")).toBe("Cancelled.");
    await expect.poll(async () => (await status()).queries.running.length, PATIENCE).toBe(0);
  });

  test.each([
    ["light", {}],
    ["dark", {}],
    ["light", PHONE],
    ["dark", PHONE],
  ] as const)("fits its window and keeps its contrast: %s %j", async (colorScheme, device) => {
    const { page } = await open({ colorScheme, ...device });
    await expect.poll(() => textOf(page, "#flush-rows"), PATIENCE).toContain("main.many");
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe(colorScheme);
    const lowest = await page.evaluate<{ ratio: number; text: string }>(LOWEST_CONTRAST);
    expect(lowest.ratio, lowest.text).toBeGreaterThanOrEqual(4.5);
  });

  test("the theme can be chosen, and stays", async () => {
    const { page } = await open({ colorScheme: "light" });
    await page.click("#theme");
    await page.click("#theme");
    expect(await textOf(page, "#theme")).toBe("Theme: dark");
    await page.reload();
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
  });

  test("says so when the server does not answer any more", async () => {
    await using other = await startEider();
    const { page } = await open({}, other.httpUrl);
    await expect.poll(() => textOf(page, "#state"), PATIENCE).toBe("Ready");
    await other.kill();
    await expect.poll(() => textOf(page, "#state"), PATIENCE).toBe("No answer");
    expect(await textOf(page, "#notice")).toContain("does not answer");
  });

  test("a reader gets the SQL box, an administrator the state, too", async () => {
    await using folder = tempDir("page");
    const { path, tokens } = writeUsers(folder.path, { reader: { role: "read" }, admin: { role: "admin" } });
    await using guarded = await startEider({ settings: { usersFile: path } });
    for (const user of ["reader", "admin"] as const) {
      const extraHTTPHeaders = { authorization: `Bearer ${tokens[user]}` };
      const { page } = await open({ extraHTTPHeaders }, guarded.httpUrl);
      const [state, notice] = user === "admin" ? ["Ready", ""] : ["No access to the state", "needs the role admin"];
      await expect.poll(() => textOf(page, "#state"), PATIENCE).toBe(state);
      expect(await page.locator("#notice").textContent()).toContain(notice);
      await page.fill("#sql-text", "SELECT 42 AS answer");
      await page.click("#sql-run");
      await expect.poll(() => page.locator("#sql-results td").innerText(), PATIENCE).toBe("42");
    }
  });
});

describe("GET /status.json", () => {
  test("has what the page shows, newest first, and no secrets", async () => {
    const { buffers, flushes, queries, settings, limits, pool } = await status();
    expect(buffers.map(({ table }) => table)).toEqual(expect.arrayContaining(["main.waiting"]));
    expect(limits).toMatchObject({ rows: 1000, ageMs: 3_600_000 });
    expect(flushes.map(({ startedMs }) => startedMs)).toEqual(
      flushes.map(({ startedMs }) => startedMs).sort((a, b) => b - a),
    );
    expect(queries.running).toEqual([]);
    expect(pool).toMatchObject({ max: 20 });
    expect(settings.find(({ name }) => name === "buffer_max_rows")).toMatchObject({
      value: "1000",
      source: "--buffer-max-rows",
    });
    expect(settings.find(({ name }) => name === "catalog")?.source).toBe("default");
  });
});
