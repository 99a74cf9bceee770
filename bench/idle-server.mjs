// A Flight SQL server that does nothing: it answers each call of the benchmark at once, with bytes made before, and stores
// nothing. What it reaches is the end of what clients, gRPC and HTTP/2 in Node leave for a server on this machine.
import http2 from "node:http2";

const dist = process.env.EIDER_DIST ?? "dist";
const { Flight, Sql } = await import(new URL(`../${dist}/src/wire/messages.js`, import.meta.url));
const { packAny } = await import(new URL(`../${dist}/src/wire/any.js`, import.meta.url));
const { decodeFlightData, encodeFlightData } = await import(
  new URL(`../${dist}/src/wire/flight-data.js`, import.meta.url)
);
const { encapsulate, encodeSchema, NO_COLUMNS } = await import(
  new URL(`../${dist}/src/arrow/schema.js`, import.meta.url)
);
const { encodeTable } = await import(new URL(`../${dist}/src/arrow/encode-table.js`, import.meta.url));
const { Field, Int32, Schema } = await import("apache-arrow");

const PREFIX_BYTES = 5;
const UNIMPLEMENTED = "12";
const HEADERS = { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity" };

const schema = new Schema([new Field("1", new Int32(), true)]);
const schemaMessage = encodeSchema(schema);
const ONE = [{ header: schemaMessage, body: new Uint8Array(0) }, ...encodeTable(schema, [[1]])].map((frame) => {
  const message = encodeFlightData(frame);
  return Buffer.from(message.buffer, message.byteOffset - PREFIX_BYTES, message.length + PREFIX_BYTES);
});
const HANDLE = Buffer.from("handle");

function framed(message) {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const acknowledgement = framed(Flight.PutResult.encode({ app_metadata: Buffer.from("{}") }));
const updated = (count) =>
  framed(Flight.PutResult.encode({ app_metadata: Sql.DoPutUpdateResult.encode({ record_count: count }) }));

/** Text in a statement tells a query from an update. */
function prepared(body) {
  const isUpdate = body.includes("INSERT");
  const result = {
    prepared_statement_handle: HANDLE,
    dataset_schema: encapsulate(isUpdate ? NO_COLUMNS : schemaMessage),
    parameter_schema: encapsulate(NO_COLUMNS),
    is_update: isUpdate,
  };
  return framed(Flight.Result.encode({ body: packAny(Sql.ActionCreatePreparedStatementResult, result) }));
}

function info(descriptor) {
  // What the driver asks of the server itself is not measured.
  if (Buffer.from(descriptor.cmd ?? []).includes("SqlInfo")) return undefined;
  return framed(
    Flight.FlightInfo.encode({
      schema: encapsulate(schemaMessage),
      flight_descriptor: descriptor,
      endpoint: [{ ticket: { ticket: HANDLE } }],
      total_records: -1,
    }),
  );
}

/** Of each method, what answers its first message; undefined: not implemented. */
const ANSWERS = {
  GetFlightInfo: (message) => info(Flight.FlightDescriptor.decode(message)),
  DoGet: () => Buffer.concat(ONE),
  DoAction(message) {
    const { type, body } = Flight.Action.decode(message);
    return type === "CreatePreparedStatement" ? prepared(Buffer.from(body)) : Buffer.alloc(0);
  },
};

function answer(stream, message, method) {
  const bytes = ANSWERS[method]?.(message);
  if (!bytes) return refuse(stream);
  begin(stream);
  stream.end(bytes);
}

function begin(stream) {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
}

function refuse(stream) {
  stream.respond({ ...HEADERS, "grpc-status": UNIMPLEMENTED }, { endStream: true });
}

/** A path's batches are acknowledged one by one, a command's all at its end. */
class Put {
  #isPath;
  #batches = 0;
  #stream;

  constructor(stream) {
    this.#stream = stream;
    begin(stream);
  }

  message(bytes) {
    const data = decodeFlightData(bytes);
    if (this.#isPath === undefined) {
      this.#isPath = (Flight.FlightDescriptor.decode(Buffer.from(data.descriptor)).path?.length ?? 0) > 0;
    } else {
      this.#batches++;
      if (this.#isPath) this.#stream.write(acknowledgement);
    }
  }

  end() {
    if (this.#isPath) this.#stream.end();
    else this.#stream.end(updated(this.#batches));
  }
}

const server = http2.createServer({ settings: { initialWindowSize: 2 ** 20 } });
server.on("stream", (stream, headers) => {
  const method = headers[":path"].split("/").at(-1);
  const put = method === "DoPut" ? new Put(stream) : undefined;
  let rest = Buffer.alloc(0);
  stream.on("error", () => {});
  stream.on("data", (part) => {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part]);
    while (rest.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) return;
      const message = rest.subarray(PREFIX_BYTES, end);
      rest = rest.subarray(end);
      if (put) put.message(message);
      else answer(stream, message, method);
    }
  });
  stream.on("end", () => put?.end());
});
server.listen(0, "127.0.0.1", () => console.log(`grpc://127.0.0.1:${server.address().port}`));
process.once("SIGTERM", () => process.exit());
