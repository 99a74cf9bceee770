import {
  Bool,
  type Data,
  type DataType,
  DenseUnion,
  Field,
  Int32,
  Int64,
  List,
  Map_,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Uint32,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { must } from "../base/assert.ts";
import type { Frame } from "./backend.ts";
import { splitStream } from "./message.ts";
import type { ServerInfo } from "./services.ts";
import { SQL_INFO, type SqlInfoValue } from "./sql-info-table.ts";

const TEXT = new Utf8();
const INT_LIST = new List(new Field("item", new Int32(), true));
const TEXT_LIST = new List(new Field("item", TEXT, true));
const ENTRIES = new Struct<{ key: Int32; value: List<Int32> }>([
  new Field("key", new Int32(), false),
  new Field("value", INT_LIST, true),
]);
const CONVERT_MAP = new Map_<Int32, List<Int32>>(new Field("entries", ENTRIES, false));

/** Members of the union, by type id. */
const MEMBERS: ReadonlyArray<{
  readonly member: SqlInfoValue["member"];
  readonly name: string;
  readonly type: DataType;
}> = [
  { member: "text", name: "string_value", type: TEXT },
  { member: "bool", name: "bool_value", type: new Bool() },
  { member: "bigint", name: "bigint_value", type: new Int64() },
  { member: "int", name: "int32_bitmask", type: new Int32() },
  { member: "list", name: "string_list", type: TEXT_LIST },
  { member: "map", name: "int32_to_int32_list_map", type: CONVERT_MAP },
];

const VALUE = new DenseUnion(
  MEMBERS.map((_member, id) => id),
  MEMBERS.map(({ name, type }) => new Field(name, type, false)),
);

export const SQL_INFO_SCHEMA = new Schema([
  new Field("info_name", new Uint32(), false),
  new Field("value", VALUE, false),
]);

/** One row per code that is asked for and known, all codes when none is asked for. */
export function sqlInfoFrames(info: ServerInfo, asked: readonly number[]): Frame[] {
  const wanted = asked.length > 0 ? asked : Object.keys(SQL_INFO).map(Number);
  const codes = wanted.filter((code) => SQL_INFO[code] !== undefined);
  const values: unknown[][] = MEMBERS.map(() => []);
  const typeIds = new Int8Array(codes.length);
  const offsets = new Int32Array(codes.length);
  codes.forEach((code, row) => {
    const { member, value } = must(SQL_INFO[code], `no SqlInfo ${code}`);
    const id = MEMBERS.findIndex((candidate) => candidate.member === member);
    const column = must(values[id], `no union member ${member}`);
    typeIds[row] = id;
    offsets[row] = column.push(typeof value === "function" ? value(info) : value) - 1;
  });
  const children = MEMBERS.map(({ member, type }, id) =>
    childOf(member, type, must(values[id], "a column per member")),
  );
  const union = makeData({ type: VALUE, length: codes.length, typeIds, valueOffsets: offsets, children });
  const names = makeData({ type: new Uint32(), length: codes.length, data: Uint32Array.from(codes) });
  const struct = makeData({
    type: new Struct(SQL_INFO_SCHEMA.fields),
    length: codes.length,
    children: [names, union],
  });
  const writer = RecordBatchStreamWriter.writeAll([new RecordBatch(SQL_INFO_SCHEMA, struct)]);
  return splitStream(writer.toUint8Array(true)).slice(1);
}

function childOf(member: SqlInfoValue["member"], type: DataType, values: readonly unknown[]): Data {
  if (member === "map") return mapData(values as ReadonlyArray<ReadonlyMap<number, readonly number[]>>);
  if (member === "list") return listData(TEXT_LIST, values as ReadonlyArray<readonly string[]>);
  return must(vectorFromArray(values, type).data[0], "a vector has one piece of data");
}

/** With a child also when it is empty: apache-arrow's writer cannot write a list without one. */
function listData(type: List, lists: ReadonlyArray<readonly unknown[]>): Data {
  const child = must(vectorFromArray(lists.flat(), type.valueType).data[0], "a vector has one piece of data");
  return makeData({ type, length: lists.length, valueOffsets: offsetsOf(lists.map((values) => values.length)), child });
}

function mapData(maps: ReadonlyArray<ReadonlyMap<number, readonly number[]>>): Data {
  const entries = maps.flatMap((map) => [...map]);
  const keys = makeData({ type: new Int32(), length: entries.length, data: Int32Array.from(entries, ([key]) => key) });
  const lists = listData(
    INT_LIST,
    entries.map(([, list]) => list),
  );
  const child = makeData({ type: ENTRIES, length: entries.length, children: [keys, lists] });
  return makeData({
    type: CONVERT_MAP,
    length: maps.length,
    valueOffsets: offsetsOf(maps.map((map) => map.size)),
    child,
  });
}

function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + length;
  });
  return offsets;
}
