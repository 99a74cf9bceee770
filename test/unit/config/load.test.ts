import { writeFileSync } from "node:fs";
import { join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { describeConfig } from "../../../src/config/describe.ts";
import { addSettingFlags, type Flags, NO_FLAGS, readFlags } from "../../../src/config/flags.ts";
import { type LoadedConfig, type LoadInput, loadConfig } from "../../../src/config/load.ts";
import { DUCKDB_VERSION } from "../../../src/config/settings/server-settings.ts";
import { environmentName, flagName, SETTING_KEYS } from "../../../src/config/settings.ts";
import { EiderError } from "../../../src/errors.ts";
import { tempDir } from "../../support/temp-dir.ts";

const CWD = "/srv/eider";
const HOME = "/home/ada";

function parse(...args: string[]): Flags {
  const command = addSettingFlags(new Command()).exitOverride();
  command.parse(args, { from: "user" });
  return readFlags(command);
}

function load(input: Partial<LoadInput> = {}): LoadedConfig {
  return loadConfig({ flags: NO_FLAGS, cwd: CWD, ...input, env: { HOME, ...input.env } });
}

function problemsOf(input: Partial<LoadInput>): string {
  try {
    load(input);
  } catch (error) {
    expect(error).toBeInstanceOf(EiderError);
    expect((error as EiderError).code).toBe("config_invalid");
    return (error as EiderError).message;
  }
  throw new Error("loadConfig took it");
}

describe("defaults", () => {
  test("are those of the contract, with paths below the data folder", () => {
    const { config, sources, warnings } = load();
    expect(config).toMatchObject({
      host: "127.0.0.1",
      port: 4214,
      httpPort: 4280,
      dataDir: "/srv/eider/eider-data",
      bufferDir: "/srv/eider/eider-data/buffer",
      catalog: "duckdb:/srv/eider/eider-data/catalog.ducklake",
      dataPath: "/srv/eider/eider-data/lake",
      queueSchema: "duckling_queue",
      targetSchema: "main",
      bufferMaxRows: 50_000,
      bufferMaxBytes: 100_000_000,
      bufferMaxAgeSeconds: 5,
      sweepIntervalSeconds: 1,
      maxParallelFlushes: 2,
      autoCreateTables: true,
      bufferMemoryMb: 16,
      flushMemoryMb: 512,
      queryMemoryMb: 0,
      bufferDiskLimitBytes: 10_000_000_000,
      bufferFullWaitSeconds: 30,
      stageMemoryBytes: 4 * 2 ** 20,
      tokenRetentionSeconds: 86_400,
      poolMax: 20,
      poolIdle: 5,
      poolLifetimeSeconds: 3600,
      queryTimeoutSeconds: 30,
      walAutocheckpoint: "1GB",
      shutdownTimeoutSeconds: 30,
      extensionDir: `/home/ada/.local/share/eider/extensions/${DUCKDB_VERSION}`,
      sessionIdleSeconds: 1800,
      maxSessions: 1000,
      maxMessageBytes: 256 * 2 ** 20,
      logLevel: "info",
    });
    expect([1, 2, 4]).toContain(config.bufferWorkers);
    expect(Object.isFrozen(config)).toBe(true);
    expect(new Set(Object.values(sources))).toEqual(new Set(["default"]));
    expect(warnings).toEqual([]);
  });

  test("the extension folder carries the engine's own version", () => {
    expect(DUCKDB_VERSION).toBe(duckdb.library_version());
  });
});

describe("precedence", () => {
  test("a flag wins over the environment, the environment over the file, the file over the default", async () => {
    await using dir = tempDir();
    const file = join(dir.path, "eider.yaml");
    writeFileSync(file, "# ours\nport: 1\nhttp_port: 2\nmax_sessions: 3\nbuffer-max-rows: 1_000\n");
    const flags = parse("--config", file, "--port", "11");
    const { config, sources } = load({ flags, env: { EIDER_PORT: "21", EIDER_HTTP_PORT: "22" } });
    expect([config.port, config.httpPort, config.maxSessions, config.poolMax]).toEqual([11, 22, 3, 20]);
    expect(config.bufferMaxRows).toBe(1000);
    expect([sources.port, sources.httpPort, sources.maxSessions, sources.poolMax]).toEqual([
      "--port",
      "EIDER_HTTP_PORT",
      `${file}:4`,
      "default",
    ]);
  });

  test("Eider's variable wins over the legacy name; an empty one counts as not set", () => {
    const env = {
      EIDER_BUFFER_MAX_ROWS: "10",
      DUCKLING_QUEUE_BUFFER_MAX_ROWS: "20",
      EIDER_TARGET_SCHEMA: "",
      DUCKLING_QUEUE_TARGET_SCHEMA: "events",
    };
    const { config } = load({ env });
    expect([config.bufferMaxRows, config.targetSchema]).toEqual([10, "events"]);
  });

  test("every legacy variable reaches its setting", () => {
    const { config } = load({
      env: {
        DUCKLING_QUEUE_ROOT: "segments",
        DUCKLING_QUEUE_TARGET_SCHEMA: "events",
        DUCKLING_QUEUE_BUFFER_MAX_ROWS: "7",
        DUCKLING_QUEUE_ROTATE_SIZE_BYTES: "2048",
        DUCKLING_QUEUE_ROTATE_INTERVAL_SECONDS: "300",
        DUCKLING_QUEUE_FLUSH_INTERVAL_SECONDS: "9",
        DUCKLING_QUEUE_MAX_PARALLEL_FLUSHES: "3",
        DUCKLING_QUEUE_AUTO_CREATE_TABLES: "false",
      },
    });
    expect(config).toMatchObject({
      bufferDir: "/srv/eider/segments",
      targetSchema: "events",
      bufferMaxRows: 7,
      bufferMaxBytes: 2048,
      bufferMaxAgeSeconds: 300,
      sweepIntervalSeconds: 9,
      maxParallelFlushes: 3,
      autoCreateTables: false,
    });
  });

  test("EIDER_CONFIG names the file, relative to the current folder", async () => {
    await using dir = tempDir();
    writeFileSync(join(dir.path, "e.yml"), "log_level: debug");
    expect(load({ env: { EIDER_CONFIG: "e.yml" }, cwd: dir.path }).config.logLevel).toBe("debug");
  });

  test("every setting has a flag and a variable that are read", () => {
    for (const key of SETTING_KEYS) {
      expect(parse(flagName(key), "true").values[key], flagName(key)).toBeDefined();
      expect(problemsOf({ env: { [`${environmentName(key)}X`]: "1" } })).toContain(environmentName(key));
    }
  });
});

describe("values", () => {
  const rows: ReadonlyArray<readonly [string, string, keyof LoadedConfig["config"], unknown]> = [
    ["sizes with decimal units", "--buffer-max-bytes=64MB", "bufferMaxBytes", 64_000_000],
    ["sizes with binary units", "--max-message-bytes=1.5MiB", "maxMessageBytes", 1.5 * 2 ** 20],
    ["fractions of seconds", "--buffer-max-age-seconds=0.25", "bufferMaxAgeSeconds", 0.25],
    ["an age of a year", "--buffer-max-age-seconds=31536000", "bufferMaxAgeSeconds", 31_536_000],
    ["a flag alone", "--auto-create-tables", "autoCreateTables", true],
    ["off", "--auto-create-tables=off", "autoCreateTables", false],
    ["absolute paths", "--data-path=/mnt/lake", "dataPath", "/mnt/lake"],
    ["the home folder", "--data-path=~/lake", "dataPath", "/home/ada/lake"],
    ["the data folder", "--buffer-dir={data_dir}/b", "bufferDir", "/srv/eider/eider-data/b"],
    ["stores", "--data-path=s3://bucket/lake", "dataPath", "s3://bucket/lake"],
    ["catalog files", "--catalog=sqlite:c.db", "catalog", "sqlite:/srv/eider/c.db"],
    ["catalog servers", "--catalog=postgres:dbname=lake host=db", "catalog", "postgres:dbname=lake host=db"],
    ["DuckDB's sizes, as they are", "--wal-autocheckpoint=16MB", "walAutocheckpoint", "16MB"],
    ["workers", "--buffer-workers=3", "bufferWorkers", 3],
  ];
  test.each(rows)("%s: %s", (_, argument, key, value) => {
    expect(load({ flags: parse(argument) }).config[key]).toBe(value);
  });
});

describe("problems", () => {
  test("are all told at once, each with its setting, value and source", async () => {
    await using dir = tempDir();
    const file = join(dir.path, "eider.yaml");
    writeFileSync(file, "prot: 1\nhost: [a]\nlog_level: loud\n");
    const flags = parse("--config", file, "--port", "70000", "--buffer-memory-mbb", "4");
    const text = problemsOf({ flags, env: { EIDER_POOL_MAX: "many", EIDER_BUFFER_MAX_ROW: "1" } });
    expect(text).toContain("the configuration has 7 problems");
    expect(text).toContain("port must be a whole number from 0 to 65535, not `70000` (from --port)");
    expect(text).toContain("unknown flag --buffer-memory-mbb; did you mean --buffer-memory-mb?");
    expect(text).toContain("pool_max must be a whole number from 1 to 10000, not `many` (from EIDER_POOL_MAX)");
    expect(text).toContain("unknown environment variable EIDER_BUFFER_MAX_ROW; did you mean EIDER_BUFFER_MAX_ROWS?");
    expect(text).toContain(`${file}:1: unknown setting prot; did you mean port?`);
    expect(text).toContain(`${file}:2: \`host\` must be a plain value`);
    expect(text).toContain("log_level must be one of trace, debug, info");
  });

  test("a setting that the file has twice, with dashes and without, is none that one line wins", async () => {
    await using dir = tempDir();
    const file = join(dir.path, "eider.yaml");
    writeFileSync(file, "buffer-max-rows: 5\nbuffer_max_rows: 6\n");
    expect(problemsOf({ flags: parse("--config", file) })).toContain(
      `${file}:2: buffer_max_rows is set in line 1 already`,
    );
  });

  const rows: ReadonlyArray<readonly [string, Partial<LoadInput>, string]> = [
    ["a file that is not there", { env: { EIDER_CONFIG: "/nowhere/e.yaml" } }, "cannot be read"],
    ["equal ports", { flags: parse("--port=99", "--http-port=99") }, "port and http_port are both 99"],
    ["equal schemas", { flags: parse("--queue-schema=MAIN") }, "queue_schema and target_schema"],
    ["more idle than allowed", { flags: parse("--pool-max=2") }, "pool_idle is 5, more than pool_max, 2"],
    ["less to flush than to buffer", { flags: parse("--flush-memory-mb=8") }, "less than buffer_memory_mb, 16"],
    ["a catalog without a kind", { flags: parse("--catalog=lake.db") }, "catalog must be `duckdb:PATH`"],
    ["a store that is unknown", { flags: parse("--data-path=ftp://h/x") }, "data_path must be a folder, or"],
    ["an argument too many", { flags: parse("now") }, "unknown argument now"],
    ["an interval that overflows timers", { flags: parse("--sweep-interval-seconds=3000000") }, "at most 2147483"],
    ["Kubernetes' service link", { env: { EIDER_PORT: "tcp://10.0.0.1:4214" } }, "enableServiceLinks"],
  ];
  test.each(rows)("%s", (_, input, text) => {
    expect(problemsOf(input)).toContain(text);
  });

  test("YAML errors name the line", async () => {
    await using dir = tempDir();
    const file = join(dir.path, "eider.yaml");
    writeFileSync(file, "port: 1\nport: 2\n");
    expect(problemsOf({ env: { EIDER_CONFIG: file } })).toContain(`${file}:2: not valid YAML`);
  });

  test("a variable that resembles no setting is a warning", () => {
    const { warnings } = load({ env: { EIDER_SERVICE_HOST: "10.0.0.1" } });
    expect(warnings).toEqual(["environment variable EIDER_SERVICE_HOST is not a setting; it is ignored"]);
  });
});

describe("secrets", () => {
  const catalog = "postgres:host=db password='s3 cr\\'et' user=x";

  test("are masked where the settings are described", () => {
    const text = JSON.stringify(describeConfig(load({ flags: parse("--catalog", catalog) })));
    expect(text).toContain("postgres:host=db password=*** user=x (--catalog)");
    expect(text).not.toContain("s3 cr");
  });

  test("are masked in problems", () => {
    const text = problemsOf({ env: { EIDER_CATALOG: "pg://ada:hunter2@db/lake" } });
    expect(text).toContain("pg://ada:***@db/lake");
    expect(text).not.toContain("hunter2");
  });
});

describe("strangers", () => {
  const TLS = ["--tls-cert-file=c", "--tls-key-file=k"];

  test("an address that others reach needs TLS and authentication, or the word that it does not", () => {
    expect(problemsOf({ flags: parse("--host=0.0.0.0") })).toMatch(
      /no TLS \(tls_cert_file and tls_key_file\) and no authentication \(users_file.*set insecure/s,
    );
    expect(problemsOf({ flags: parse("--host=10.0.0.1", "--users-file=u") })).toMatch(/there is no TLS \(.*\): set/);
    expect(problemsOf({ flags: parse("--host=::", ...TLS) })).toMatch(/there is no authentication/);
    load({ flags: parse("--host=0.0.0.0", "--users-file=u", ...TLS) });
    load({ flags: parse("--host=0.0.0.0", "--insecure") });
    for (const host of ["127.0.0.1", "localhost", "127.8.8.8", "::1"]) load({ flags: parse(`--host=${host}`) });
  });

  test("settings that do not hold what they seem to are refused", () => {
    expect(problemsOf({ flags: parse("--tls-cert-file=c") })).toMatch(/go together/);
    expect(problemsOf({ flags: parse("--tls-client-ca-file=a") })).toMatch(/needs tls_cert_file.*needs users_file/s);
    expect(problemsOf({ flags: parse("--jwt-jwks=keys.json") })).toMatch(/needs jwt_audience/);
    expect(problemsOf({ flags: parse("--jwt-jwks=http://idp.example/keys") })).toMatch(/an https:\/\/ address/);
  });
});
