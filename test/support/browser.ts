import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's; playwright-core brings no browser. */
const CHROMIUM = "/usr/bin/chromium";

/** Why tests that need a browser cannot run here; undefined when they can. */
export const browserMissing = existsSync(CHROMIUM)
  ? undefined
  : `${CHROMIUM} is not installed: scripts/setup-servers.sh`;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts, and of what the page loads or asks for. */
  readonly errors: readonly string[];
  /** Addresses that were asked for. */
  readonly requests: readonly string[];
}

/** A page in a context of its own; `disposed` closes both. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors: string[] = [];
  const requests: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("request", (request) => requests.push(request.url()));
  return { page, errors, requests, [Symbol.asyncDispose]: () => context.close() };
}
