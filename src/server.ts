import { join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import { OPEN_AUTHENTICATOR } from "./access/authenticator.ts";
import { Gatekeeper } from "./access/gatekeeper.ts";
import { TlsFiles } from "./access/tls.ts";
import { type FailpointSpec, Failpoints } from "./base/failpoints.ts";
import { Scope } from "./base/scope.ts";
import { steadyNowMs } from "./base/steady-clock.ts";
import { BufferStore } from "./buffer/store.ts";
import type { Config } from "./config/config.ts";
import type { SettingView } from "./config/describe.ts";
import {
  gatekeeperSettings,
  hasAuthentication,
  hasTls,
  isLoopback,
  securityWarnings,
  tlsSettings,
} from "./config/security.ts";
import { DataFolder } from "./duck/data-folder.ts";
import { Extensions } from "./duck/extensions.ts";
import { FlightServer } from "./flight/server.ts";
import { steadyClock, systemClock } from "./flush/clock.ts";
import { Flusher } from "./flush/flusher.ts";
import type { FlushObserver } from "./flush/observer.ts";
import { Sweeper } from "./flush/sweeper.ts";
import { flushSpacingMs } from "./flush/triggers.ts";
import { Housekeeper } from "./housekeeping/housekeeper.ts";
import { httpRoutes } from "./http/routes.ts";
import { HttpServer } from "./http/server.ts";
import { flushOnCommand } from "./ingest/flush-on-command.ts";
import { Lake } from "./lake/lake.ts";
import { collectAll } from "./observe/collect.ts";
import { flushFields } from "./observe/flush-log.ts";
import type { Logger } from "./observe/log.ts";
import type { Metrics } from "./observe/metrics.ts";
import { flightObserver, flushObserver, housekeepingObserver, ingestObserver } from "./observe/observers.ts";
import type { Problems } from "./observe/problems.ts";
import { Readiness } from "./observe/readiness.ts";
import { RunningQueries } from "./observe/running-queries.ts";
import { readStatus, type StatusSources } from "./observe/status.ts";
import { Throughput } from "./observe/throughput.ts";
import type { Traces } from "./observe/traces.ts";
import { ComputeAhead } from "./query/compute-ahead.ts";
import { OpenTransactions } from "./query/open-transactions.ts";
import { targetOfText } from "./query/own-statement.ts";
import { openScratch } from "./query/scratch.ts";
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
    ? scope.use(
        await Gatekeeper.open({
          ...gatekeeperSettings(config),
          refused: (reason) => metrics.authFailures.inc({ reason }),
          log,
          nowMs: Date.now,
          steadyMs: steadyNowMs,
        }),
      )
    : OPEN_AUTHENTICATOR;
  for (const warning of securityWarnings(config)) log.warn({ host: config.host }, warning);
  const tempDirectory = await folder.emptyTemp();

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
      lakeTakesFiles: await lake.takesFilesOf(config.bufferDir),
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
      spacingMs: flushSpacingMs(config.sweepIntervalSeconds * 1000, config.bufferMaxAgeSeconds * 1000),
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
  const scratch = scope.use(await openScratch());
  const spool = new SpoolSpace({
    folder: tempDirectory,
    memoryLimitBytes: config.spoolMemoryBytes,
    diskLimitBytes: config.spoolDiskLimitBytes,
  });
  const ahead = new ComputeAhead(config.resultAheadBytes);
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
    ahead,
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

  const readiness = new Readiness(lake);
  const duckdbUses = async () => [
    { instance: "lake" as const, ...(await lake.usage()) },
    { instance: "buffers" as const, ...(await buffers.usage()) },
  ];
  const throughput = scope.use(new Throughput(metrics, Date.now));
  throughput.start();
  const statusSources: StatusSources = {
    config,
    startedMs: Date.now(),
    readiness,
    buffers,
    flusher,
    queries,
    reads,
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
          notReady: () => readiness.notReady,
          degraded: () => readiness.degraded,
          flush: (table) => flushOnCommand(services, table === undefined ? undefined : targetOfText(table, names)),
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
  collectAll(metrics, {
    config,
    buffers,
    lake,
    flusher,
    housekeeper,
    queries,
    reads,
    transactions,
    spool,
    ahead,
    flight,
    duckdbUses,
  });

  return {
    flightPort: flight.port,
    httpPort: http.port,
    async drain() {
      readiness.drain();
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
