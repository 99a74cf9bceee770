import { z } from "zod";
import { type EiderError, ERRORS, type ErrorCode } from "../errors.ts";

export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean;
}

/** Shape of every answer that is an error. */
export const ErrorAnswer = z.object({
  error: z.object({
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    retryable: z.boolean(),
  }),
});

export function errorBody({ code, message, row }: EiderError): ErrorBody {
  return { code, message, retryable: row.retryable };
}
