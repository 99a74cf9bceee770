import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../base/assert.ts";
import type { Route } from "./route.ts";

// The page is plain HTML, CSS and JavaScript, served as it is; compiled code is what runs, three folders below the package.
const PAGE_DIR = fileURLToPath(new URL("../../../src/http/page/", import.meta.url));
const UPLOT_DIR = join(dirname(createRequire(import.meta.url).resolve("uplot")));

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Nothing from elsewhere, and nothing inline but the styles that the chart library sets on its elements. */
const SECURITY_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** `/` and the files that it loads, `/page/NAME`; kept in memory. */
export function pageRoutes(): Route[] {
  const own = readdirSync(PAGE_DIR)
    .filter((name) => extname(name) in MEDIA_TYPES)
    .map((name) => fileRoute(name === "index.html" ? "/" : `/page/${name}`, join(PAGE_DIR, name)));
  return [
    ...own,
    fileRoute("/page/uplot.js", join(UPLOT_DIR, "uPlot.esm.js")),
    fileRoute("/page/uplot.css", join(UPLOT_DIR, "uPlot.min.css")),
  ];
}

function fileRoute(path: string, file: string): Route {
  const bytes = readFileSync(file);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url")}"`;
  const type = must(MEDIA_TYPES[extname(file)], `${file} has no media type`);
  return {
    method: "GET",
    path,
    access: "open",
    summary: path === "/" ? "Status page" : "Part of the status page",
    isHidden: path !== "/",
    answers: [{ status: 200, description: "the file", content: { [type]: undefined } }],
    handle(request, reply) {
      // Asked for anew each time, so that an upgrade of the server is one of the page.
      reply.headers({ ...SECURITY_HEADERS, ETag: etag, "Cache-Control": "no-cache" });
      if (request.headers["if-none-match"] === etag) return reply.code(304).send();
      return reply.type(type).send(bytes);
    },
  };
}
