import pRetry from "p-retry";
import type { Connection } from "../duck/database.ts";
import { LAKE, quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Catalog } from "./catalogs.ts";
import type { DataPath } from "./stores.ts";

const CATALOG_SECRET = "eider_catalog";

/** ATTACHes the lake (https://ducklake.select/docs/stable/duckdb/usage/connecting). Throws `config_invalid`, `lake_unavailable`. */
export async function attachLake(connection: Connection, catalog: Catalog, dataPath: DataPath): Promise<void> {
  const secretOptions = await createCatalogSecret(connection, catalog);
  const options = [
    `DATA_PATH ${quoteLiteral(dataPath.location)}`,
    // Rows of flushed tables go to files, never into the catalog: see the option of `_eider` in state.ts for the exception.
    "DATA_INLINING_ROW_LIMIT 0",
    ...catalog.row.attachOptions,
    ...secretOptions,
  ];
  const sql = `ATTACH ${quoteLiteral(catalog.attachUri)} AS ${LAKE} (${options.join(", ")})`;
  try {
    await pRetry(() => connection.run(sql), {
      retries: 8,
      minTimeout: 50,
      maxTimeout: 2_000,
      randomize: true,
      shouldRetry: ({ error }) => isMadeByAnother(error),
    });
  } catch (error) {
    throw attachError(error, catalog.path);
  }
}

/** Several nodes found an empty database and made DuckLake's tables in it at the same time: one of them has. */
function isMadeByAnother(error: unknown): boolean {
  return /Failed to initialize DuckLake[\s\S]*(already exists|duplicate key)/.test(messageOf(error));
}

/** Resolves to what ATTACH must say to find it. */
async function createCatalogSecret(connection: Connection, catalog: Catalog): Promise<readonly string[]> {
  const { secret } = catalog.row;
  if (!secret || catalog.password === undefined) return [];
  const fields = [`TYPE ${secret.type}`, `${secret.passwordField} ${quoteLiteral(catalog.password)}`];
  if (secret.isScoped) fields.push(`SCOPE ${quoteLiteral(catalog.attachUri.replace(/^ducklake:/, ""))}`);
  await connection.run(`CREATE OR REPLACE SECRET ${quoteIdentifier(CATALOG_SECRET)} (${fields.join(", ")})`);
  return secret.isScoped ? [] : [`META_SECRET ${quoteLiteral(CATALOG_SECRET)}`];
}

export async function isEncrypted(connection: Connection): Promise<boolean> {
  const rows = await connection.rows(`SELECT value FROM ${LAKE}.options() WHERE option_name = 'encrypted'`);
  return rows[0]?.["value"] === "true";
}

function attachError(error: unknown, path: string | undefined): EiderError {
  const text = messageOf(error);
  if (path !== undefined && text.includes("Could not set lock on file")) {
    return new EiderError("lake_unavailable", `another process has the catalog ${path} open: ${text}`, {
      cause: error,
    });
  }
  const [, asked, kept] =
    /DATA_PATH parameter "(.*)" does not match existing data path in the catalog "(.*)"/.exec(text) ?? [];
  if (kept !== undefined) {
    return new EiderError(
      "config_invalid",
      `the catalog's files are in ${kept}, and data_path is ${asked}: set data_path to the former; where the files were moved, ` +
        "change the path in the catalog (docs/backup.md, restoring to another place)",
      { cause: error },
    );
  }
  if (/version mismatch|AUTOMATIC_MIGRATION|DATA_PATH|authentication failed|does not exist|no pg_hba.conf/.test(text)) {
    return new EiderError("config_invalid", `the lake cannot be attached: ${text}`, { cause: error });
  }
  return new EiderError("lake_unavailable", `the lake cannot be attached: ${text}`, { cause: error });
}
