import { EiderError } from "../errors.ts";

export const ADVICE_ON_ENCODING = "convert it first, say by iconv -f ISO-8859-1 -t UTF-8";

/** By what DuckDB says of a file of text: what can be done here. */
const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [/not utf-8 encoded/i, `A file of text is read as UTF-8: ${ADVICE_ON_ENCODING}.`],
  [
    /when converting column|JSON transform error/,
    "Columns are read by the types of a table that is there: CREATE TABLE first.",
  ],
];
/** What follows names options of DuckDB's readers, or SQL, of which whoever ingests a file knows nothing. */
const NOT_OURS = /\n\n(?=LINE 1:|Column .* is being converted|Possible |.*\n? *file = )|\nTry increasing|\nPossible /;

/** A failure to read a file of text, in words for who ingests it. */
export function textFailure(error: unknown, path: string): unknown {
  if (!(error instanceof EiderError) || !/^(Conversion|Invalid Input) Error: /.test(error.message)) return error;
  const said = (error.message.split(NOT_OURS)[0] ?? "").trimEnd();
  const place = said.includes(path) ? "" : `${path}: `;
  const advice = ADVICE.filter(([pattern]) => pattern.test(said)).map(([, text]) => `\n${text}`);
  return new EiderError(error.code, `${place}${said}${advice.join("")}`, { cause: error });
}
