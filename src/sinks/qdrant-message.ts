import { VectorBatchError } from '../core/errors.js';
import type { Batch, Id, Payload } from '../ingest/ports.js';
import { pointColumns } from './qdrant-points.js';

/**
 * The messages of Qdrant's `points.proto` that an upsert is made of, by field number:
 *
 * ```
 * UpsertPoints   collection_name 1   wait 2   points 3 *
 * PointStruct    id 1   payload 3 (map of Value)   vectors 4
 * PointId        num 1 | uuid 2
 * Vectors        vector 1 | vectors 2 = NamedVectors { vectors 1 (map of Vector) }
 * Vector         dense 101 = DenseVector { data 1: packed floats, little-endian as they lie in memory }
 * Value          null 1 | double 2 | integer 3 | string 4 | bool 5 | struct 6 { fields 1 } | list 7 { values 1 }
 * ```
 */
enum Wire {
  Varint = 0,
  Fixed64 = 1,
  Bytes = 2,
}

/** gRPC puts a flag (not compressed) and the length, big-endian, before a message. */
const FRAME_BYTES = 5;

export interface UpsertTarget {
  readonly collection: string;
  readonly wait: boolean;
  /** Which of the collection's named vectors to write. */
  readonly vectorName?: string;
}

/**
 * The upsert of a batch as a gRPC frame: the vectors are copied once, and no object is made for a number.
 * @throws VBO_ERR_RECORD if a payload cannot be told in JSON
 */
export function upsertFrame(batch: Batch, { collection, wait, vectorName }: UpsertTarget): Buffer {
  const { ids, payloads } = pointColumns(batch);
  const { vectors, rows, dimension } = batch;
  const vectorBytes = 4 * dimension;
  const beforeVector = vectorLead(vectorBytes, vectorName);
  const leads: Buffer[] = [];
  let byteLength = FRAME_BYTES;
  const head = Buffer.from([...textField(1, collection), ...tag(2, Wire.Varint), Number(wait)]);
  for (let row = 0; row < rows; row++) {
    const fields = Buffer.concat([idField(ids[row]!), ...payloadFields(payloads?.[row]), beforeVector]);
    const lead = Buffer.concat([lengthDelimited(3, fields.length + vectorBytes), fields]);
    leads.push(lead);
    byteLength += lead.length + vectorBytes;
  }
  const frame = Buffer.allocUnsafeSlow(byteLength + head.length);
  frame[0] = 0;
  frame.writeUInt32BE(frame.length - FRAME_BYTES, 1);
  frame.set(head, FRAME_BYTES);
  const floats = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
  let end = FRAME_BYTES + head.length;
  for (const [row, lead] of leads.entries()) {
    frame.set(lead, end);
    frame.set(floats.subarray(row * vectorBytes, (row + 1) * vectorBytes), end + lead.length);
    end += lead.length + vectorBytes;
  }
  return frame;
}

/** All of the field `vectors` that stands before the floats; it is the same for every point. */
function vectorLead(vectorBytes: number, name: string | undefined): Buffer {
  let lead = lengthDelimited(1, vectorBytes);
  const wrap = (number: number, before: Buffer = Buffer.alloc(0)) => {
    const length = lengthDelimited(number, lead.length + vectorBytes);
    lead = Buffer.concat([before, length, lead]);
  };
  wrap(101);
  if (name === undefined) wrap(1);
  else {
    wrap(2, Buffer.from(textField(1, name)));
    wrap(1);
    wrap(2);
  }
  wrap(4);
  return lead;
}

const idField = (id: Id): Buffer =>
  bytesField(1, typeof id === 'number' ? varintField(1, id) : Buffer.from(textField(2, id)));

function payloadFields(payload: Payload | null | undefined): Buffer[] {
  if (!payload) return [];
  let told: Payload;
  try {
    told = JSON.parse(JSON.stringify(payload));
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_RECORD',
      `A payload cannot be told in JSON: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  return mapFields(3, told);
}

const mapFields = (number: number, map: object): Buffer[] =>
  Object.entries(map).map(([key, value]) =>
    bytesField(number, Buffer.concat([Buffer.from(textField(1, key)), bytesField(2, valueMessage(value))])),
  );

/** @param value as JSON.parse gives it */
function valueMessage(value: unknown): Buffer {
  switch (typeof value) {
    case 'string':
      return Buffer.from(textField(4, value));
    case 'boolean':
      return varintField(5, Number(value));
    case 'number': {
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return varintField(3, value);
      const field = Buffer.from([...tag(2, Wire.Fixed64), ...new Uint8Array(8)]);
      field.writeDoubleLE(value, 1);
      return field;
    }
    default:
      if (value === null || value === undefined) return varintField(1, 0);
      return Array.isArray(value)
        ? bytesField(7, Buffer.concat(value.map((item) => bytesField(1, valueMessage(item)))))
        : bytesField(6, Buffer.concat(mapFields(1, value)));
  }
}

const tag = (number: number, wire: Wire): number[] => varint((number << 3) | wire);
const lengthDelimited = (number: number, length: number): Buffer =>
  Buffer.from([...tag(number, Wire.Bytes), ...varint(length)]);
const bytesField = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([lengthDelimited(number, bytes.length), bytes]);
const varintField = (number: number, value: number): Buffer =>
  Buffer.from([...tag(number, Wire.Varint), ...varint(value)]);

function textField(number: number, text: string): Buffer {
  return bytesField(number, Buffer.from(text));
}

/** Seven bits a byte, the lowest first; a negative integer as the 64 bits of its two's complement. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  if (value >= 0) {
    for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
    bytes.push(value);
    return bytes;
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}
