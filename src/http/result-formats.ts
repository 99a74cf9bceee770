import Negotiator from "negotiator";
import { EiderError } from "../errors.ts";
import type { QueryRequest } from "./backend.ts";

export interface ResultFormat {
  readonly name: QueryRequest["format"];
  /** As sent; the others are understood in `Accept`, too. */
  readonly mediaType: string;
  readonly aliases: readonly string[];
  readonly description: string;
  /**
   * Bytes that wait before the answer begins: an error until then has a status of its own. A reader can do nothing with
   * a part of a JSON document, so that one waits for long; the others begin soon.
   */
  readonly holdBackBytes: number;
  /** Rows at most; undefined: any number. */
  readonly limit: { readonly default: number; readonly max: number } | undefined;
  /** How an error is told inside the body once it has begun; the connection is cut after it in any case. */
  readonly errorLine?: (error: object) => string;
}

const STREAM_HOLD_BACK_BYTES = 64 * 2 ** 10;

export const JSON_LIMIT = { default: 1000, max: 10_000 };

/** THE table of result formats; the first is the default. */
export const RESULT_FORMATS: readonly ResultFormat[] = [
  {
    name: "json",
    mediaType: "application/json",
    aliases: [],
    description: "one document, with limit and offset",
    holdBackBytes: 8 * 2 ** 20,
    limit: JSON_LIMIT,
  },
  {
    name: "ndjson",
    mediaType: "application/x-ndjson",
    aliases: ["application/ndjson", "application/jsonl", "application/x-jsonlines"],
    description: "an object per line",
    holdBackBytes: STREAM_HOLD_BACK_BYTES,
    limit: undefined,
    errorLine: (error) => `${JSON.stringify({ error })}\n`,
  },
  {
    name: "csv",
    mediaType: "text/csv; charset=utf-8",
    aliases: ["text/csv"],
    description: "RFC 4180 with a header; NULL is empty, an empty text is quoted",
    holdBackBytes: STREAM_HOLD_BACK_BYTES,
    limit: undefined,
  },
  {
    name: "arrow",
    mediaType: "application/vnd.apache.arrow.stream",
    aliases: [],
    description: "Arrow's IPC streaming format",
    holdBackBytes: STREAM_HOLD_BACK_BYTES,
    limit: undefined,
  },
  {
    name: "parquet",
    mediaType: "application/vnd.apache.parquet",
    aliases: ["application/parquet", "application/x-parquet"],
    description: "a Parquet file",
    holdBackBytes: STREAM_HOLD_BACK_BYTES,
    limit: undefined,
  },
];

const BY_TYPE = new Map(
  RESULT_FORMATS.flatMap((format) => [bare(format.mediaType), ...format.aliases].map((type) => [type, format])),
);

/** The format that the header `Accept` prefers. Throws `not_acceptable` when it takes none of them. */
export function chooseFormat(accept: string | undefined): ResultFormat {
  // Scripts send an empty one where a variable is not set.
  const headers = accept === undefined || accept.trim() === "" ? {} : { accept: withoutParameters(accept) };
  const chosen = new Negotiator({ headers }).mediaType([...BY_TYPE.keys()]);
  const format = chosen === undefined ? undefined : BY_TYPE.get(chosen);
  if (format) return format;
  const types = RESULT_FORMATS.map(({ mediaType }) => bare(mediaType)).join(", ");
  throw new EiderError("not_acceptable", `Accept takes none of ${types}`);
}

/**
 * Without parameters of media types (`charset`, CSV's `header`), which many clients send and no format here has a choice of.
 * The weights stay.
 */
function withoutParameters(accept: string): string {
  const types = accept.split(",").map((range) => {
    const [type = "", ...parameters] = range.split(";");
    return [type, ...parameters.filter((parameter) => /^\s*q\s*=/i.test(parameter))].join(";");
  });
  return types.join(",");
}

function bare(mediaType: string): string {
  return mediaType.split(";")[0] ?? mediaType;
}
