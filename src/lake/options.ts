import type { Failpoints } from "../base/failpoints.ts";
import type { StoreSettings } from "../base/store-settings.ts";
import type { Connection } from "../duck/database.ts";
import type { Committer } from "./retries.ts";
import type { ConflictClass, LoadExtension, Log } from "./types.ts";

export interface LakeOptions extends StoreSettings {
  readonly catalog: string;
  /** Of the catalog's user; Quack's token. Empty: none, or in `catalog`. */
  readonly catalogPassword: string;
  readonly dataPath: string;
  /** Keep a copy of an object store's new files until their COMMIT is known. */
  readonly guardStore: boolean;
  readonly targetSchema: string;
  /** Tells this data folder's watermarks from those of others on the same lake; must never change. */
  readonly writerId: string;
  /** Beside the segments: see lease.ts. */
  readonly leaseFile: string;
  /** Folder for the guards' copies: hard links when it is on the data path's filesystem. */
  readonly guardDir: string;
  /** Memory limit of the lake instance; 0: a share of the machine's. */
  readonly queryMemoryMb: number;
  /** Size of a DuckDB-file catalog's WAL at which it is checkpointed, for example `1GB`. */
  readonly walAutocheckpoint: string;
  readonly tempDirectory: string;
  /**
   * Set when strangers' SQL runs on the instance: it then reaches no other files, no network, and none of the settings.
   * `folders`: those of the segments, beside the lake's own.
   */
  readonly lockDown?: { readonly folders: readonly string[] } | undefined;
  readonly loadExtension: LoadExtension;
  /** Called with a connection whenever an instance has been opened: for functions that belong to it. */
  readonly onOpen?: (connection: Connection) => void;
  /** How long `open` waits for a catalog server that does not answer; default: not at all. */
  readonly catalogWaitSeconds?: number;
  /** Ends that wait. */
  readonly stopSignal?: AbortSignal | undefined;
  /** Called when the catalog answers again after an outage. */
  readonly onBack?: () => void;
  /** Told of each transaction that lost to another one. */
  readonly onConflict?: (committer: Committer, kind: ConflictClass) => void;
  readonly failpoints: Failpoints;
  readonly log: Log;
  /** Overrides the catalog's own answer to "may another process commit?"; for tests of the fence. */
  readonly multiProcess?: boolean;
}
