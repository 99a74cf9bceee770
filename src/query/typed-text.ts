import duckdb from "@duckdb/node-bindings";
import { DuckDBLogicalType } from "../duck/node-api.ts";
import { EiderError } from "../errors.ts";
import type { ParameterSet } from "./statement.ts";
import type { Piece } from "./tokens.ts";

/** The statement with each positional parameter as a NULL of its value's type: it has the columns of the bound one. */
export function typedText(piece: Piece, set: ParameterSet): string {
  let text = "";
  let at = 0;
  let index = 0;
  for (const token of piece.tokens) {
    if (token.kind !== "parameter") continue;
    const number = /\d+/.exec(token.text);
    const value = set[number ? Number(number[0]) - 1 : index++];
    if (!value) throw new EiderError("sql_invalid", `no value for parameter ${token.text}`);
    text += piece.sql.slice(at, token.start) + typedNull(duckdb.get_value_type(value));
    at = token.end;
  }
  return text + piece.sql.slice(at);
}

function typedNull(type: duckdb.LogicalType): string {
  if (duckdb.get_type_id(type) === duckdb.Type.SQLNULL) return "NULL";
  return `CAST(NULL AS ${DuckDBLogicalType.create(type).asType()})`;
}
