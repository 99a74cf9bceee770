/** The lake's data files where they are, and second copies of them in a folder of this machine. */
export interface LakeFiles {
  /** Folder of the second copies, on this machine. */
  readonly guardRoot: string;
  readonly trustsAnswers: boolean;
  /** All files under a folder, which need not exist yet. */
  list(folder: string): Promise<readonly string[]>;
  /** Files made since a time of day, in Unix milliseconds; none where that cannot be found out at a bearable price. */
  writtenSince(sinceMs: number): Promise<readonly string[]>;
  /** Path within the data path, or the whole path of a file elsewhere; `pathOf` is the way back. */
  relative(path: string): string;
  pathOf(relative: string): string;
  exists(path: string): Promise<boolean>;
  /** When this resolves, a power cut can neither lose the file nor its copy `to`. Rejects with code ENOENT without it. */
  save(path: string, to: string): Promise<void>;
  restore(from: string, path: string): Promise<void>;
  /** Makes the directory entries of files durable, up to the data path. */
  syncFolders(paths: readonly string[]): Promise<void>;
}
