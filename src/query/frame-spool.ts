import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Frame } from "../arrow/read.ts";

/**
 * Frames that their reader has not asked for yet: first in memory, beyond `memoryLimitBytes` in a temporary file, which
 * has no name while it is open. One writer, then readers; owned by the result stream that spooled.
 */
export class FrameSpool implements AsyncDisposable {
  readonly #memoryLimitBytes: number;
  readonly #folder: string;
  readonly #entries: Array<Frame | { at: number; headerBytes: number; bodyBytes: number }> = [];
  #memoryBytes = 0;
  #fileBytes = 0;
  #file: FileHandle | undefined;

  constructor(options: { memoryLimitBytes?: number; folder?: string } = {}) {
    this.#memoryLimitBytes = options.memoryLimitBytes ?? 64 * 1024 * 1024;
    this.#folder = options.folder ?? tmpdir();
  }

  async push(frame: Frame): Promise<void> {
    const bytes = frame.header.byteLength + frame.body.byteLength;
    if (this.#memoryBytes + bytes <= this.#memoryLimitBytes) {
      this.#memoryBytes += bytes;
      this.#entries.push(frame);
      return;
    }
    this.#file ??= await this.#openFile();
    await this.#file.write(frame.header, 0, frame.header.byteLength, this.#fileBytes);
    await this.#file.write(frame.body, 0, frame.body.byteLength, this.#fileBytes + frame.header.byteLength);
    this.#entries.push({
      at: this.#fileBytes,
      headerBytes: frame.header.byteLength,
      bodyBytes: frame.body.byteLength,
    });
    this.#fileBytes += bytes;
  }

  /** The oldest frame; undefined when there is none. */
  async shift(): Promise<Frame | undefined> {
    const entry = this.#entries.shift();
    if (entry === undefined || "header" in entry) {
      if (entry) this.#memoryBytes -= entry.header.byteLength + entry.body.byteLength;
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
    const path = join(this.#folder, `eider-result-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.length = 0;
    await this.#file?.close();
    this.#file = undefined;
  }
}
