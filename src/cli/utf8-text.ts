import { EiderError } from "../errors.ts";
import { ADVICE_ON_ENCODING } from "../files/text-failure.ts";

/** Bytes of another encoding would become U+FFFD, and be stored as that. */
export function utf8Text(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new EiderError("config_invalid", `${name} is not UTF-8: ${ADVICE_ON_ENCODING}`, { cause: error });
  }
}
