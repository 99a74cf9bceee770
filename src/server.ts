import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import { type Authenticator, OPEN_AUTHENTICATOR } from "./access/authenticator.ts";
import { Gatekeeper } from "./access/gatekeeper.ts";
import { TlsFiles } from "./access/tls.ts";
import { type FailpointSpec, Failpoints } from "./base/failpoints.ts";
import { Scope } from "./base/scope.ts";
import { steadyNowMs } from "./base/steady-clock.ts";
import { BufferStore } from "./buffer/store.ts";
import type { Config } from "./config/config.ts";
import type { SettingView } from "./config/describe.ts";
import { limitValues } from "./config/limits.ts";
import { hasAuthentication, hasTls, isLoopback, jwtSettings, tlsSettings } from "./config/security.ts";
import { DataFolder } from "./duck/data-folder.ts";
import { Database } from "./duck/database.ts";
import { Extensions } from "./duck/extensions.ts";
import { FlightServer } from "./flight/server.ts";
import { steadyClock, systemClock } from "./flush/clock.ts";
import { Flusher } from "./flush/flusher.ts";
import type { FlushObserver } from "./flush/observer.ts";
import { Sweeper } from "./flush/sweeper.ts";
import { Housekeeper } from "./housekeeping/housekeeper.ts";
import { httpRoutes } from "./http/routes.ts";
import { HttpServer } from "./http/server.ts";
import { flushTable } from "./ingest/flush-table.ts";
import { Lake } from "./lake/lake.ts";
import {
  collectBufferCounts,
  collectBuffers,
  collectDuckdb,
  collectLimits,
  collectPool,
  collectQueries,
  collectSpool,
  collectTransactions,
} from "./observe/collect.ts";
import { flushFields } from "./observe/flush-log.ts";
import type { Logger } from "./observe/log.ts";
import { collectWith, type Metrics } from "./observe/metrics.ts";
import { flightObserver, flushObserver, housekeepingObserver, ingestObserver } from "./observe/observers.ts";
import type { Problems } from "./observe/problems.ts";
import { RunningQueries } from "./observe/running-queries.ts";
import { readStatus, type StatusSources } from "./observe/status.ts";
import { Throughput } from "./observe/throughput.ts";
import type { Traces } from "./observe/traces.ts";
import { OpenTransactions } from "./query/open-transactions.ts";
import { targetOfText } from "./query/own-statement.ts";
import { SpoolSpace } from "./query/spool-space.ts";
import { LakeBackend } from "./session/backend.ts";
import { StatementReader } from "./session/guard.ts";
import { ReadQueries } from "./session/read-queries.ts";
import type { SessionServices } from "./session/services.ts";
import { registerSystemFunctions } from "./session/system-functions.ts";
import { ARROW_VERSION, VERSION } from "./version.ts";

export interface ServerDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** For the status page. */
  readonly problems: Problems;
  readonly settings: readonly SettingView[];
  readonly traces?: Traces | undefined;
  readonly failpoints?: FailpointSpec;
  /** Ends a start that waits for its catalog. */
  readonly stopSignal?: AbortSignal;
}

export interface EiderServer extends AsyncDisposable {
  readonly flightPort: number;
  readonly httpPort: number;
  /** Stops accepting, finishes appends, seals and flushes within shutdown_timeout_seconds. */
  drain(): Promise<void>;
}

/** Statements of clients are parsed there: it must not reach files. */
const SCRATCH_SETTINGS = { threads: "1", enable_external_access: "false", lock_configuration: "true" };

/** Snapshots, old files and orphans are looked at this often: each look reads all of them. */
const LAKE_CHORES_INTERVAL_MS = 600_000;

/** The composition root: everything in the order in which it is opened; closed in reverse. */
export async function openServer(config: Config, deps: ServerDeps): Promise<EiderServer> {
  const scope = new Scope();
  try {
    return await compose(config, deps, scope);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(
  config: Config,
  { log, metrics, problems, settings, traces, failpoints = {}, stopSignal }: ServerDeps,
  scope: Scope,
): Promise<EiderServer> {
  const folder = scope.use(await DataFolder.open(config.dataDir));
  const tls = hasTls(config) ? scope.use(await TlsFiles.open(tlsSettings(config), log)) : undefined;
  const authenticator = hasAuthentication(config)
    ? scope.use(await openGatekeeper(config, log, metrics))
    : OPEN_AUTHENTICATOR;
  warnOfStrangers(config, authenticator, log);
  const tempDirectory = join(folder.path, "temp");
  await rm(tempDirectory, { recursive: true, force: true });
  await mkdir(tempDirectory, { recursive: true });

  const extensions = new Extensions({ dir: config.extensionDir, progress: (line) => log.info(line) });
  const lake = scope.use(
    await Lake.open({
      ...config,
      writerId: folder.writerId,
      leaseFile: join(folder.path, "lease"),
      guardDir: join(folder.path, "guard"),
      tempDirectory,
      stopSignal,
      onBack: () => flusher?.retryNow(),
      onConflict: (committer, kind) => metrics.commitConflicts.inc({ committer, class: kind }),
      lockDown: authenticator.isOn ? { folders: [config.bufferDir] } : undefined,
      loadExtension: (connection, name) => extensions.load(connection, name),
      onOpen: (connection) =>
        registerSystemFunctions(connection, {
          views: () => buffers.views(),
          flusher: () => flusher,
          tasks: () => housekeeper.tasks.views,
        }),
      failpoints: new Failpoints(failpoints),
      log,
    }),
  );

  const housekeeper: Housekeeper = scope.use(
    new Housekeeper({
      lake,
      isFlushing: (target) => buffers.sealed(target).length > 0,
      policy: config,
      intervalMs: config.housekeepingIntervalSeconds * 1000,
      lakeIntervalMs: LAKE_CHORES_INTERVAL_MS,
      concurrency: config.housekeepingThreads,
      observer: housekeepingObserver(metrics),
      clock: steadyClock,
      log,
    }),
  );
  const counts = flushObserver(metrics, Date.now);
  const flushes: FlushObserver = {
    ...counts,
    flushed(record) {
      counts.flushed(record);
      traces?.flushed(record);
      log.info(flushFields(record), "flushed");
      housekeeper.flushed(record.target, record.rowsDeleted, record.durationMs);
    },
  };
  const buffers: BufferStore = scope.use(
    await BufferStore.open({
      ...config,
      workers: config.bufferWorkers,
      diskLimitBytes: config.bufferDiskLimitBytes,
      fullWaitSeconds: config.bufferFullWaitSeconds,
      failpoints,
      onSealed: (segment) => flusher.enqueue(segment.target),
      log,
    }),
  );
  const isDiskFull = () => buffers.backPressure.waitingForDisk > 0;
  const flusher: Flusher = scope.use(
    new Flusher({
      ...config,
      buffers,
      lake,
      observer: flushes,
      clock: systemClock,
      log,
      // The sweeper enqueues what was left to gather.
      spacingMs: config.sweepIntervalSeconds * 1000,
      isDiskFull,
      pauseLimits: {
        greatestMs: config.commitPauseMaxSeconds * 1000,
        maxAgeMs: config.bufferMaxAgeSeconds * 1000,
      },
    }),
  );
  await flusher.recover(buffers.recovered);
  const sweeper = scope.use(
    new Sweeper({
      buffers,
      flusher,
      limits: {
        maxRows: config.bufferMaxRows,
        maxBytes: config.bufferMaxBytes,
        maxAgeMs: config.bufferMaxAgeSeconds * 1000,
      },
      isDiskFull,
      intervalMs: config.sweepIntervalSeconds * 1000,
      clock: systemClock,
      log,
    }),
  );
  sweeper.start();
  if (config.housekeepingIntervalSeconds > 0) housekeeper.start();

  const queries = new RunningQueries(metrics, Date.now);
  const names = { queueSchema: config.queueSchema, targetSchema: config.targetSchema };
  const scratch = scope.use(await Database.open(SCRATCH_SETTINGS));
  const spool = new SpoolSpace({
    folder: tempDirectory,
    memoryLimitBytes: config.spoolMemoryBytes,
    diskLimitBytes: config.spoolDiskLimitBytes,
  });
  const transactions = new OpenTransactions(config.transactionIdleSeconds);
  const services: SessionServices = {
    lake,
    buffers,
    flusher,
    observer: ingestObserver(metrics),
    autoCreateTables: config.autoCreateTables,
    names,
    queries,
    scratch,
    reader: authenticator.isOn ? await StatementReader.open(scratch, names) : undefined,
    spool,
    transactions,
    cancelTask: (id) => housekeeper.tasks.cancel(id),
  };
  const backend = new LakeBackend(services);
  const reads = scope.use(new ReadQueries(services, config));

  const calls = flightObserver(metrics);
  const flight = scope.use(
    await FlightServer.listen({
      host: config.host,
      port: config.port,
      backend,
      info: {
        name: "eider",
        version: `${VERSION} (duckdb ${duckdb.library_version()})`,
        arrowVersion: ARROW_VERSION,
        readOnly: false,
        statementTimeoutMs: 0,
      },
      limits: config,
      authenticator,
      tls,
      log,
      observer: {
        ...calls,
        request(method, command, code, durationMs, parent) {
          calls.request(method, command, code, durationMs, parent);
          traces?.called({ method, command, code, durationMs, parent });
        },
      },
    }),
  );

  let isDraining = false;
  const notReady = () => [
    ...(isDraining ? ["the server is shutting down"] : []),
    ...(lake.isTakenOver ? ["another server serves this data folder, or a copy of it"] : []),
  ];
  const degraded = () => {
    const { outage } = lake;
    if (!outage) return [];
    // Strangers may read it: what the catalog's driver says is for the log, and for those who query.
    return [
      `the lake's catalog has not answered since ${new Date(outage.sinceMs).toISOString()}: ` +
        "appends to tables that were written to since the start are taken, all else waits",
    ];
  };
  const duckdbUses = async () => [
    { instance: "lake" as const, ...(await lake.usage()) },
    { instance: "buffers" as const, ...(await buffers.usage()) },
  ];
  const throughput = scope.use(new Throughput(metrics, Date.now));
  throughput.start();
  const statusSources: StatusSources = {
    version: VERSION,
    duckdbVersion: duckdb.library_version(),
    startedMs: Date.now(),
    notReady,
    degraded,
    limits: {
      rows: config.bufferMaxRows,
      bytes: config.bufferMaxBytes,
      ageMs: config.bufferMaxAgeSeconds * 1000,
      diskBytes: config.bufferDiskLimitBytes,
    },
    poolMax: config.poolMax,
    views: () => buffers.views(),
    flusher,
    queries,
    poolCounts: () => reads.poolCounts,
    throughput,
    problems,
    settings,
    duckdbUses,
  };
  const http = scope.use(
    await HttpServer.open({
      host: config.host,
      isLoopback: isLoopback(config.host),
      port: config.httpPort,
      traces,
      authenticator,
      tls,
      log,
      metrics,
      routes: httpRoutes({
        operations: {
          metrics,
          open: { health: config.openHealth, metrics: config.openMetrics },
          probe: () => lake.ping(),
          notReady,
          degraded,
          flush: async (table) => {
            if (table === undefined) await flusher.flushAll("command");
            else await flushTable({ lake, buffers, flusher }, targetOfText(table, names));
            return { flushed: table ?? "all" };
          },
        },
        queries: {
          backend: {
            run: (query, stop) => reads.run(query, stop),
            has: (id) => queries.has(id),
            cancel: (id, principal) => queries.cancel(id, principal),
          },
          timeoutSeconds: config.queryTimeoutSeconds,
          log,
        },
        status: { status: () => readStatus(statusSources) },
      }),
    }),
  );
  collectBuffers(metrics, () => buffers.views(), Date.now);
  collectQueries(metrics, { running: () => queries.count, waiting: () => reads.poolCounts.waiting });
  collectPool(metrics, () => reads.poolCounts);
  metrics.poolLimit.set(config.poolMax);
  collectTransactions(metrics, transactions);
  collectDuckdb(metrics, duckdbUses);
  collectBufferCounts(metrics, () => ({ ...buffers.backPressure, quarantined: buffers.quarantined.length }));
  collectWith(metrics.housekeepingRunning, () => metrics.housekeepingRunning.set(housekeeper.tasks.runningCount));
  collectWith(metrics.guardRestoredFiles, () => metrics.guardRestoredFiles.set(lake.restoredFiles));
  collectWith(metrics.commitPause, () => metrics.commitPause.set(flusher.pauseMs / 1000));
  collectWith(metrics.catalogUp, () => metrics.catalogUp.set(lake.outage ? 0 : 1));
  collectWith(metrics.catalogAway, () => {
    metrics.catalogAway.set((lake.outage?.lengthMs ?? 0) / 1000);
  });
  collectSpool(metrics, spool, config);
  collectLimits(metrics, limitValues(config), () => ({
    ...flight.used,
    spool_disk_limit_bytes: spool.diskBytes,
    buffer_disk_limit_bytes: buffers.views().reduce((sum, { diskBytes }) => sum + diskBytes, 0),
  }));
  metrics.bufferDiskLimit.set(config.bufferDiskLimitBytes);
  metrics.buildInfo.set(
    { version: VERSION, duckdb_version: duckdb.library_version(), node_version: process.version },
    1,
  );

  return {
    flightPort: flight.port,
    httpPort: http.port,
    async drain() {
      isDraining = true;
      const untilMs = performance.now() + config.shutdownTimeoutSeconds * 1000;
      // Half of the time at most for calls that run; what they acknowledged is to be flushed in the other half.
      await flight.drain((config.shutdownTimeoutSeconds * 1000) / 2);
      const isDone = await flusher.drain(Math.max(0, untilMs - performance.now()));
      if (!isDone)
        log.warn({}, "not everything was flushed in time; the rest waits in its segments for the next start");
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

function openGatekeeper(config: Config, log: Logger, metrics: Metrics): Promise<Gatekeeper> {
  return Gatekeeper.open({
    usersFile: config.usersFile,
    jwt: jwtSettings(config),
    takesCertificates: config.tlsClientCaFile !== "",
    refused: (reason) => metrics.authFailures.inc({ reason }),
    log,
    nowMs: Date.now,
    steadyMs: steadyNowMs,
  });
}

function warnOfStrangers(config: Config, { isOn }: Authenticator, log: Logger): void {
  if (isLoopback(config.host)) return;
  if (!isOn)
    log.warn({ host: config.host }, "insecure: anybody who reaches this address may read and change everything");
  if (!hasTls(config))
    log.warn({ host: config.host }, "insecure: without TLS, data and passwords can be read on the way");
}
