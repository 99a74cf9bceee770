import type { Column, TableShape } from "../base/table.ts";
import { targetName } from "../base/target.ts";
import { opColumnOf } from "../buffer/row-layout.ts";
import { rowsSql } from "../buffer/segment-rows.ts";
import { OPS, type SealedSegment } from "../buffer/types.ts";
import { lakeTable, qualifiedName, quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { type KeyDeletion, keyOf } from "./key-deletion.ts";

/** A sealed segment and the name under which the lake instance has attached it. */
export interface AttachedSegment {
  readonly segment: SealedSegment;
  readonly alias: string;
  /** Its number in the winners' file. */
  readonly index: number;
}

export interface FlushStatements {
  /** Undefined when nothing but inserts waits. */
  readonly deletion: KeyDeletion | undefined;
  /** More than one only when the segments have different columns. */
  readonly insertSqls: readonly string[];
}

const INSERT = OPS.indexOf("insert");
const DELETE = OPS.indexOf("delete");
/** Room for 2^40 rows in a segment, when segment and row number are one BIGINT. */
const SEGMENT_SHIFT = 40;

/**
 * The statements that bring one table's segments into the lake. `winners` is the attached winners' file; without it every
 * row wins. When the table was given its key after the rows were written, its present key decides: they are upserts, and
 * their winners are found here.
 */
export function flushStatements(
  shape: TableShape,
  segments: readonly AttachedSegment[],
  winners: string | undefined,
): FlushStatements {
  const written = writtenKey(shape, segments[0]?.segment);
  const isRekeyed = shape.primaryKey.length > 0 && !sameNames(written, shape.primaryKey);
  const key = isRekeyed ? shape.primaryKey : written;
  return {
    deletion: deletionOf(shape, segments, key, isRekeyed),
    insertSqls: insertStatements(shape, segments, winners, isRekeyed ? key : []),
  };
}

/**
 * The keys of every row that is not an insert, losers too: a delete that a later insert of the same key has beaten must
 * still remove the lake's row.
 */
function deletionOf(
  shape: TableShape,
  segments: readonly AttachedSegment[],
  key: readonly string[],
  isRekeyed: boolean,
): KeyDeletion | undefined {
  const deleting = segments.filter(({ segment }) => isRekeyed || segment.hasNonInserts);
  if (key.length === 0 || deleting.length === 0) return undefined;
  const keys = deleting.map(({ segment, alias }) => {
    const columns = key.map((name) => keyExpression(shape, segment, name));
    const filter = segment.primaryKey.length > 0 ? ` WHERE ${opOf(segment)} <> ${INSERT}` : "";
    return `SELECT ${columns.join(", ")} FROM ${rowsSql(alias, segment)}${filter}`;
  });
  return { from: lakeTable(shape.target), key: keyOf(shape, key), keysSql: keys.join(" UNION ALL ") };
}

function insertStatements(
  shape: TableShape,
  segments: readonly AttachedSegment[],
  winners: string | undefined,
  rekey: readonly string[],
): string[] {
  const groups = new Map<string, AttachedSegment[]>();
  for (const attached of segments) {
    const signature = JSON.stringify(expressions(shape, attached.segment).names);
    groups.set(signature, [...(groups.get(signature) ?? []), attached]);
  }
  return [...groups.values()].map((group) => {
    const { names } = expressions(shape, group[0]?.segment);
    const selects = group.map(({ segment, alias, index }) => {
      const filters: string[] = [];
      if (segment.primaryKey.length > 0) filters.push(`${opOf(segment)} <> ${DELETE}`);
      if (rekey.length > 0) filters.push(`${position(index)} IN (SELECT position FROM eider_winners)`);
      else if (winners !== undefined) {
        filters.push(
          `rowid IN (SELECT rid FROM ${qualifiedName(winners, "main", "winners")} WHERE segment = ${index})`,
        );
      }
      const where = filters.length > 0 ? ` WHERE ${filters.join(" AND ")}` : "";
      return `SELECT ${expressions(shape, segment).values.join(", ")} FROM ${rowsSql(alias, segment)}${where}`;
    });
    const withWinners = rekey.length > 0 ? winnersClause(shape, segments, rekey) : "";
    return `INSERT INTO ${lakeTable(shape.target)} (${names.map(quoteIdentifier).join(", ")}) ${withWinners}${selects.join(" UNION ALL ")}`;
  });
}

/**
 * max() GROUP BY, as it needs the least memory of all ways to find the last row of a key. Rows that were acknowledged with
 * a NULL, before its column was in the key, are nobody's upsert: each stays.
 */
function winnersClause(shape: TableShape, segments: readonly AttachedSegment[], key: readonly string[]): string {
  const aliases = key.map((_, i) => `k${i}`);
  const rows = segments.map(({ segment, alias, index }) => {
    const columns = key.map((name, i) => `${keyExpression(shape, segment, name)} AS ${aliases[i]}`);
    return `SELECT ${columns.join(", ")}, ${position(index)} AS position FROM ${rowsSql(alias, segment)}`;
  });
  const hasNull = aliases.map((alias) => `${alias} IS NULL`).join(" OR ");
  const groups = [...aliases, `CASE WHEN ${hasNull} THEN position END`].join(", ");
  return `WITH eider_winners AS MATERIALIZED (SELECT max(position) AS position FROM (${rows.join(" UNION ALL ")}) GROUP BY ${groups}) `;
}

const position = (index: number) => `((${index}::BIGINT << ${SEGMENT_SHIFT}) + rowid)`;
const opOf = (segment: SealedSegment) => quoteIdentifier(opColumnOf(segment.columns));

/** The columns that the segment and the lake's table both have, cast to the table's types. */
function expressions(shape: TableShape, segment: SealedSegment | undefined): { names: string[]; values: string[] } {
  const names: string[] = [];
  const values: string[] = [];
  for (const column of segment?.columns ?? []) {
    const lakeColumn = lakeColumnOf(shape, segment, column);
    if (!lakeColumn) continue;
    names.push(lakeColumn.name);
    values.push(castTo(column.name, column.type, lakeColumn.type));
  }
  if (names.length === 0) {
    throw new EiderError(
      "schema_mismatch",
      `table ${targetName(shape.target)} has none of the columns of its buffered rows any more ` +
        `(${segment?.columns.map((column) => column.name).join(", ")})`,
    );
  }
  return { names, values };
}

function keyExpression(shape: TableShape, segment: SealedSegment, name: string): string {
  for (const column of segment.columns) {
    const lakeColumn = lakeColumnOf(shape, segment, column);
    if (lakeColumn && sameNames([lakeColumn.name], [name])) return castTo(column.name, column.type, lakeColumn.type);
  }
  throw new EiderError(
    "schema_mismatch",
    `primary key column ${name} of table ${targetName(shape.target)} is not in its buffered rows`,
  );
}

function castTo(name: string, from: string, to: string): string {
  return from === to ? quoteIdentifier(name) : `CAST(${quoteIdentifier(name)} AS ${to})`;
}

/**
 * What a buffered column is in the table now: by its id, so that values follow a column that was renamed while they waited
 * and never go to another of its name; by name when the rows were written for a table that is gone, or before it was made.
 */
function lakeColumnOf(shape: TableShape, segment: SealedSegment | undefined, column: Column): Column | undefined {
  const isById = shape.id !== undefined && segment?.tableId === shape.id && column.id !== undefined;
  return shape.columns.find(({ id, name }) => (isById ? id === column.id : sameNames([name], [column.name])));
}

/** The key that the rows were written by, in the table's present names. */
function writtenKey(shape: TableShape, segment: SealedSegment | undefined): readonly string[] {
  return (segment?.primaryKey ?? []).map((name) => {
    const column = segment?.columns.find((candidate) => sameNames([candidate.name], [name]));
    return (column && lakeColumnOf(shape, segment, column)?.name) ?? name;
  });
}

export function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, i) => name.toLowerCase() === right[i]?.toLowerCase());
}
