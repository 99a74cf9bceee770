import { resolve } from "node:path";
import type { StoreSettings } from "../base/store-settings.ts";
import type { Connection } from "../duck/database.ts";
import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

/** THE table of object stores, by the data path's scheme. */
interface StoreRow {
  readonly scheme: RegExp;
  readonly extensions: readonly string[];
  /** Of DuckDB's secret (https://duckdb.org/docs/stable/configuration/secrets_manager). */
  readonly secretType: string;
  /** Where the SDK's own chain finds credentials when the settings give none. */
  readonly hasChain: boolean;
}

const STORES: readonly StoreRow[] = [
  { scheme: /^(s3|s3a|s3n):\/\//i, extensions: ["httpfs", "aws"], secretType: "s3", hasChain: true },
  { scheme: /^(gs|gcs):\/\//i, extensions: ["httpfs"], secretType: "gcs", hasChain: false },
  { scheme: /^r2:\/\//i, extensions: ["httpfs"], secretType: "r2", hasChain: false },
  { scheme: /^(az|azure|abfss):\/\//i, extensions: ["azure"], secretType: "azure", hasChain: true },
];

export interface DataPath {
  /** With a slash at its end; absolute when local. */
  readonly location: string;
  readonly isLocal: boolean;
  readonly extensions: readonly string[];
  readonly store: StoreRow | undefined;
}

/** Reads the `data_path` setting. Throws `config_invalid` for a URL of a store that is not in the table. */
export function parseDataPath(setting: string): DataPath {
  const withSlash = (text: string) => (text.endsWith("/") ? text : `${text}/`);
  const store = STORES.find((row) => row.scheme.test(setting));
  if (store) return { location: withSlash(setting), isLocal: false, extensions: store.extensions, store };
  if (/^[a-z][a-z0-9+]*:\/\//i.test(setting)) {
    throw new EiderError("config_invalid", `data_path "${setting}" must be a folder, s3://…, gs://…, r2://… or az://…`);
  }
  return { location: withSlash(resolve(setting)), isLocal: true, extensions: [], store: undefined };
}

const STORE_SECRET = "eider_store";
const CREDENTIALS = ["KEY_ID", "SECRET", "CONNECTION_STRING"];

/**
 * Gives DuckDB the store's credentials: those of the settings; else a secret that DuckDB has kept for the data path; else
 * what the environment, profiles or the machine's role give.
 */
export async function createStoreSecret(
  connection: Connection,
  { location, store }: DataPath,
  settings: StoreSettings,
): Promise<void> {
  if (!store) return;
  const fields = secretFields(store, settings);
  const hasCredentials = fields.some(([name]) => CREDENTIALS.includes(name));
  if (!hasCredentials && (await hasSecret(connection, location, store))) return;
  if (!hasCredentials && !store.hasChain) {
    if (fields.length === 0) return;
    throw new EiderError("config_invalid", `data_path ${location} needs store_key_id and store_secret`);
  }
  const parts = [`TYPE ${store.secretType}`, ...fields.map(([name, value]) => `${name} ${value}`)];
  // Credentials that a role gives run out; validated here, a chain without any would fail for a public bucket, too.
  if (!hasCredentials)
    parts.push("PROVIDER credential_chain", ...CHAIN_OPTIONS[store.secretType === "s3" ? "s3" : "other"]);
  await connection.run(`CREATE OR REPLACE SECRET ${quoteIdentifier(STORE_SECRET)} (${parts.join(", ")})`);
}

const CHAIN_OPTIONS = { s3: ["VALIDATION 'none'", "REFRESH auto"], other: [] } as const;

function secretFields(store: StoreRow, settings: StoreSettings): Array<readonly [name: string, value: string]> {
  const texts: ReadonlyArray<readonly [string, string]> =
    store.secretType === "azure"
      ? [
          ["CONNECTION_STRING", settings.storeConnection],
          ["ACCOUNT_NAME", settings.storeAccount],
        ]
      : [
          ["KEY_ID", settings.storeKeyId],
          ["SECRET", settings.storeSecret],
          ["SESSION_TOKEN", settings.storeSessionToken],
          ["ENDPOINT", settings.storeEndpoint],
          ["REGION", settings.storeRegion],
          ["URL_STYLE", settings.storeUrlStyle],
          ["ACCOUNT_ID", store.secretType === "r2" ? settings.storeAccount : ""],
        ];
  const fields = texts
    .filter(([, value]) => value !== "")
    .map(([name, value]): readonly [string, string] => [name, quoteLiteral(value)]);
  return settings.storeUseSsl || store.secretType === "azure" ? fields : [...fields, ["USE_SSL", "false"]];
}

async function hasSecret(connection: Connection, location: string, store: StoreRow): Promise<boolean> {
  const rows = await connection.rows(`FROM which_secret(${quoteLiteral(location)}, '${store.secretType}')`);
  return rows.length > 0;
}
