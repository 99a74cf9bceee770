import { fromDuckError, isFatal } from "../duck/errors.ts";
import type { EiderError } from "../errors.ts";
import type { FlushPart } from "./types.ts";

/** An error of one part's own statements: the others can go on without it. */
export class PartFailure extends Error {
  readonly part: FlushPart;
  readonly error: EiderError;

  constructor(part: FlushPart, error: EiderError) {
    super(error.message, { cause: error });
    this.part = part;
    this.error = error;
  }
}

/** Whether no other grouping of the parts can avoid the error. */
export function blocksAll(error: EiderError): boolean {
  return error.code === "write_conflict" || error.code === "lake_unavailable" || isFatal(error);
}

/** The part's own failure, unless it says that the lake as a whole cannot be written now. */
export function blame(part: FlushPart, error: unknown): Error {
  const failure = fromDuckError(error);
  return blocksAll(failure) ? failure : new PartFailure(part, failure);
}
