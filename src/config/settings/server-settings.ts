import { address, choice, path, seconds, whole } from "../kinds.ts";
import { type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

const PORT_MAX = 65_535;

/** DuckDB's version; extension files fit exactly one. A test compares it with the engine's own word. */
export const DUCKDB_VERSION = "v1.5.5";

export const SERVER_SETTINGS = {
  host: {
    kind: address,
    default: "127.0.0.1",
    help: "address to listen on; on another than loopback TLS and authentication must be set up (or `insecure`)",
  },
  port: { kind: whole(0, PORT_MAX), default: 4214, help: "Flight SQL port; 0 takes a free one" },
  httpPort: {
    kind: whole(0, PORT_MAX),
    default: 4280,
    help: "HTTP port: queries, metrics, health, flush; 0 takes a free one",
  },
  dataDir: {
    kind: path,
    default: "./eider-data",
    help: "folder of everything that is not placed elsewhere; one server at a time",
  },
  logLevel: {
    kind: choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    default: "info",
    help: "least level that is logged",
  },
  shutdownTimeoutSeconds: {
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "time to finish calls and flush on SIGTERM; what is left is flushed at the next start",
  },
  extensionDir: {
    kind: path,
    default: `~/.local/share/eider/extensions/${DUCKDB_VERSION}`,
    help: "folder of DuckDB extensions (NAME.duckdb_extension); looked in first, and filled when one is fetched",
  },
} satisfies SettingRows;
