import { mkdir, writeFile } from "node:fs/promises";
import { syncPath } from "../base/sync-path.ts";
import type { Connection } from "../duck/database.ts";
import { quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { LakeFiles } from "./lake-files.ts";

export interface ObjectFilesOptions {
  /** With a slash at its end. */
  readonly location: string;
  readonly guardDir: string;
  /** False: the store itself keeps what is deleted, or lets nobody delete. */
  readonly copies: boolean;
  readonly connect: () => Promise<Connection>;
}

/**
 * A data path on an object store, by DuckDB's own means. What is there is durable; second copies are downloaded to this
 * machine, since DuckDB can neither copy nor delete an object.
 */
export class ObjectFiles implements LakeFiles {
  readonly trustsAnswers = true;
  readonly #options: ObjectFilesOptions;

  private constructor(options: ObjectFilesOptions) {
    this.#options = options;
  }

  static async open(options: ObjectFilesOptions): Promise<ObjectFiles> {
    await mkdir(options.guardDir, { recursive: true });
    return new ObjectFiles(options);
  }

  get guardRoot(): string {
    return this.#options.guardDir;
  }

  async list(folder: string): Promise<readonly string[]> {
    const rows = await this.#rows(`SELECT file FROM glob(${quoteLiteral(`${escapeGlob(folder)}**`)})`);
    return rows.map((row) => String(row["file"]));
  }

  /** A store would have to list all that it holds. */
  async writtenSince(): Promise<readonly string[]> {
    return [];
  }

  relative(path: string): string {
    const { location } = this.#options;
    return path.startsWith(location) ? path.slice(location.length) : path;
  }

  pathOf(relative: string): string {
    return relative.includes("://") ? relative : this.#options.location + relative;
  }

  async exists(path: string): Promise<boolean> {
    const rows = await this.#rows(`SELECT file FROM glob(${quoteLiteral(`${escapeGlob(path)}*`)})`);
    return rows.some((row) => row["file"] === path);
  }

  async save(path: string, to: string): Promise<void> {
    // The manifest names the file all the same, so that its loss is noticed.
    if (!this.#options.copies) return;
    await writeFile(to, "");
    await this.#copy(path, to);
    await syncPath(to);
  }

  async restore(from: string, path: string): Promise<void> {
    if (this.#options.copies) return this.#copy(from, path);
    throw new EiderError(
      "lake_unavailable",
      `the lake refers to ${path}, which was deleted when the answer to a COMMIT was lost; its rows are kept. ` +
        "Bring the object back from the bucket's older versions, and turn guard_store on",
    );
  }

  /** Object stores have no folders. */
  async syncFolders(): Promise<void> {}

  async #copy(from: string, to: string): Promise<void> {
    try {
      await this.#rows(
        `COPY (SELECT content FROM read_blob(${quoteLiteral(escapeGlob(from))})) TO ${quoteLiteral(to)} (FORMAT BLOB)`,
      );
    } catch (error) {
      if (!isGone(error)) throw error;
      throw new EiderError("not_found", messageOf(error), { cause: error });
    }
  }

  async #rows(sql: string): Promise<ReadonlyArray<Record<string, unknown>>> {
    using connection = await this.#options.connect();
    return await connection.rows(sql);
  }
}

/** S3's and Azure's words for an object that is not there. */
function isGone(error: unknown): boolean {
  return /HTTP 404|404 Not Found|NoSuchKey|BlobNotFound/.test(messageOf(error));
}

function escapeGlob(path: string): string {
  return path.replace(/[[\]*?\\]/g, "\\$&");
}
