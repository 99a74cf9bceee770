import { type Connection, Database } from "../duck/database.ts";

export interface InstanceSettings {
  readonly memoryMb: number;
  readonly threads: number;
  readonly tempFolder: string;
}

/** A DuckDB instance of the buffers: its own memory limit and temp folder, no extension loading, files attached uncompressed. */
async function openInstance(settings: InstanceSettings): Promise<Database> {
  return Database.open({
    memory_limit: `${settings.memoryMb}MiB`,
    threads: String(settings.threads),
    temp_directory: settings.tempFolder,
    // Segments live for seconds: appending is about twice as fast without compression.
    force_compression: "uncompressed",
    // An automatic checkpoint that fails after a durable COMMIT reports an error for rows that are stored.
    wal_autocheckpoint: "10TB",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
}

/**
 * DuckDB's default is what the disk has free when the instance is opened: of one that is opened on a full disk it would stay
 * as small. (DuckDB 1.5 takes the setting from SET alone, and not from the instance's configuration.)
 */
const SPILLS_WITHOUT_LIMIT = "SET max_temp_directory_size = '100TB'";

/** An instance with a connection, whose casts do not depend on where the server stands. `setUp`: SQL that it runs as well. */
export async function openConnected(
  settings: InstanceSettings,
  setUp = "",
): Promise<{ readonly database: Database; readonly connection: Connection }> {
  const database = await openInstance(settings);
  try {
    const connection = await database.connect();
    await connection.run(`SET TimeZone = 'UTC'; ${SPILLS_WITHOUT_LIMIT}; ${setUp}`);
    return { database, connection };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs `body` on an instance of its own, closed at the end. */
export async function withInstance<T>(
  settings: InstanceSettings,
  body: (database: Database, connection: Connection) => Promise<T>,
): Promise<T> {
  const { database, connection } = await openConnected(settings);
  try {
    return await body(database, connection);
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

export async function memoryUsage(database: Database): Promise<{ memoryBytes: number; tempBytes: number }> {
  // A connection of its own: the instance's other one may be in the middle of a COMMIT.
  const connection = await database.connect();
  try {
    const [row] = await connection.rows(
      `SELECT sum(memory_usage_bytes)::DOUBLE AS memory, sum(temporary_storage_bytes)::DOUBLE AS temp FROM duckdb_memory()`,
    );
    return { memoryBytes: Number(row?.["memory"] ?? 0), tempBytes: Number(row?.["temp"] ?? 0) };
  } finally {
    connection.close();
  }
}
