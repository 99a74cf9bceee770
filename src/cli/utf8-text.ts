import { EiderError } from "../errors.ts";

/** Bytes of another encoding would become U+FFFD, and be stored as that. */
export function utf8Text(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const advice = "convert it first, say by iconv -f ISO-8859-1 -t UTF-8";
    throw new EiderError("config_invalid", `${name} is not UTF-8: ${advice}`, { cause: error });
  }
}
