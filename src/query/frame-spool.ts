import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Frame } from "../arrow/read.ts";
import type { SpoolSpace } from "./spool-space.ts";

/**
 * Frames that their reader has not asked for yet: first in memory, then in a temporary file, which has no name while it
 * is open. One writer, then readers; owned by the result stream that spooled.
 */
export class FrameSpool implements AsyncDisposable {
  readonly #space: SpoolSpace;
  readonly #entries: Array<Frame | { at: number; headerBytes: number; bodyBytes: number }> = [];
  #memoryBytes = 0;
  #fileBytes = 0;
  #file: FileHandle | undefined;

  constructor(space: SpoolSpace) {
    this.#space = space;
  }

  /** Throws `limit_exceeded` when results that wait take too much. */
  async push(frame: Frame): Promise<void> {
    const bytes = frame.header.byteLength + frame.body.byteLength;
    if (this.#space.tryTakeMemory(bytes, this.#memoryBytes)) {
      this.#memoryBytes += bytes;
      this.#entries.push(frame);
      return;
    }
    this.#file ??= await this.#openFile();
    this.#space.takeDisk(bytes);
    const at = this.#fileBytes;
    // Taken also when the write fails: what it has written stays until the file is closed.
    this.#fileBytes += bytes;
    await this.#file.write(frame.header, 0, frame.header.byteLength, at);
    await this.#file.write(frame.body, 0, frame.body.byteLength, at + frame.header.byteLength);
    this.#entries.push({
      at,
      headerBytes: frame.header.byteLength,
      bodyBytes: frame.body.byteLength,
    });
  }

  /** The oldest frame; undefined when there is none. */
  async shift(): Promise<Frame | undefined> {
    const entry = this.#entries.shift();
    if (entry === undefined || "header" in entry) {
      if (entry) {
        const bytes = entry.header.byteLength + entry.body.byteLength;
        this.#memoryBytes -= bytes;
        this.#space.giveBack(bytes, 0);
      }
      return entry;
    }
    const bytes = new Uint8Array(entry.headerBytes + entry.bodyBytes);
    let done = 0;
    while (done < bytes.byteLength) {
      const read = await this.#file?.read(bytes, done, bytes.byteLength - done, entry.at + done);
      if (!read?.bytesRead) throw new Error("a spooled result was cut short");
      done += read.bytesRead;
    }
    return { header: bytes.subarray(0, entry.headerBytes), body: bytes.slice(entry.headerBytes) };
  }

  async #openFile(): Promise<FileHandle> {
    const path = join(this.#space.folder, `eider-result-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.length = 0;
    await this.#file?.close();
    this.#file = undefined;
    this.#space.giveBack(this.#memoryBytes, this.#fileBytes);
    this.#memoryBytes = 0;
    this.#fileBytes = 0;
  }
}
