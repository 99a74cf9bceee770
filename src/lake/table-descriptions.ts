import type { TableShape } from "../base/table.ts";
import { type Target, targetKey } from "../base/target.ts";
import { type Connection, withConnection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { Metadata } from "./metadata.ts";
import { SchemaVersion } from "./schema-version.ts";
import { findById, mirroredKeys, readDetail, type TableDetail } from "./table-detail.ts";

export interface TableDescriptionsOptions {
  readonly metadata: Metadata;
  readonly connect: () => Promise<Connection>;
  /** With a slash at its end. */
  readonly dataPath: string;
  /** Other processes may change the lake's schema: then its version is asked for before a description is trusted. */
  readonly isShared: boolean;
}

/** A description that keeps changing under the reader is given up after this many readings. */
const DESCRIBE_ATTEMPTS = 5;

/** What the lake's tables look like, kept for as long as it is sure to be true. */
export class TableDescriptions {
  readonly #options: TableDescriptionsOptions;
  readonly #version: SchemaVersion;
  readonly #cache = new Map<string, TableDetail | undefined>();
  #cachedVersion = -1;
  /** Read once for all tables of a version: that takes as long as all the rest of a description. */
  #mirror: Promise<ReadonlyMap<string, readonly string[]>> | undefined;
  /** Counts the changes of this process; stands for the schema's version when no other process can change it. */
  #ownChanges = 0;
  /** The same for changes of which the table is known, so that they leave the others alone. */
  readonly #changesOf = new Map<string, number>();

  constructor(options: TableDescriptionsOptions) {
    this.#options = options;
    this.#version = new SchemaVersion(options.connect, options.metadata);
  }

  /** Columns, types and key as the lake has them at this moment; undefined when there is no such table. */
  async describe(target: Target): Promise<TableShape | undefined> {
    return (await this.detail(target))?.shape;
  }

  async detail(target: Target): Promise<TableDetail | undefined> {
    const key = targetKey(target);
    for (let attempt = 1; ; attempt++) {
      const version = await this.#readVersion();
      const changes = this.#changesOf.get(key) ?? 0;
      if (version !== this.#cachedVersion) {
        this.#forgetAll();
        this.#cachedVersion = version;
      }
      if (this.#cache.has(key)) return this.#cache.get(key);
      const detail = await this.#read(target);
      // The catalog and the table are read one after the other: only an unchanged version makes them surely one picture.
      const isSame = (await this.#readVersion()) === version && (this.#changesOf.get(key) ?? 0) === changes;
      if (isSame && this.#cachedVersion === version) this.#cache.set(key, detail);
      // Where tables are made all the time the version never rests; it is most likely not this table's that changed.
      if (isSame || attempt >= DESCRIBE_ATTEMPTS) return detail;
    }
  }

  /**
   * The table that rows were written for: that of the id, whatever its name is by now. When it was dropped, or the id is
   * not known, the one that has its name.
   */
  async follow(target: Target, id: string | undefined): Promise<TableDetail | undefined> {
    const named = await this.detail(target);
    if (id === undefined || named?.uuid === id) return named;
    const renamed = await withConnection(this.#options.connect, (connection) =>
      findById(connection, this.#options.metadata, id),
    );
    return (renamed && (await this.detail(renamed))) ?? named;
  }

  async #read(target: Target): Promise<TableDetail | undefined> {
    try {
      return await withConnection(this.#options.connect, (connection) =>
        readDetail(connection, this.#options.metadata, this.#options.dataPath, target, (uuid) =>
          this.#mirroredKey(connection, uuid),
        ),
      );
    } catch (error) {
      if (error instanceof EiderError && error.code === "table_not_found") return undefined;
      throw error;
    }
  }

  async #mirroredKey(connection: Connection, uuid: string): Promise<readonly string[]> {
    const reading = this.#mirror ?? mirroredKeys(connection);
    this.#mirror = reading;
    try {
      return (await reading).get(uuid) ?? [];
    } catch (error) {
      if (this.#mirror === reading) this.#mirror = undefined;
      throw error;
    }
  }

  async #readVersion(): Promise<number> {
    return this.#options.isShared ? this.#version.read() : this.#ownChanges;
  }

  /** To be called when the mirror of the keys has changed. */
  forgetKeys(): void {
    this.#mirror = undefined;
  }

  /** Another one whenever a table, view or macro may have been made, changed or dropped. */
  async version(): Promise<string> {
    return `${this.#options.isShared ? await this.#version.read() : 0}.${this.#ownChanges}`;
  }

  /** To be called after every statement that may have changed a table, and again when its transaction has committed. */
  invalidate(): void {
    this.#ownChanges++;
    this.#forgetAll();
  }

  #forgetAll(): void {
    this.#cache.clear();
    this.#mirror = undefined;
  }

  /** The same for a change of this table alone. */
  invalidateOne(target: Target): void {
    const key = targetKey(target);
    this.#changesOf.set(key, (this.#changesOf.get(key) ?? 0) + 1);
    this.#cache.delete(key);
  }
}
