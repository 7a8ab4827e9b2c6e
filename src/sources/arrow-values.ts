import type * as Arrow from 'apache-arrow';
import type { ArrowModule } from './arrow-slices.js';
import { ELEMENT_TYPES } from './elements.js';
import type { VectorCell } from './table.js';

/** The vectors of a piece of a column: a list of floats, or bytes that are float32. */
export function vectorsOf({ DataType }: ArrowModule, data: Arrow.Data): VectorCell[] {
  const { type, length } = data;
  const isValid = (row: number) => data.nullCount === 0 || data.getValid(row);
  if (!DataType.isFixedSizeList(type) && !DataType.isList(type)) {
    const bytes = data.values as Uint8Array;
    const width = DataType.isFixedSizeBinary(type) ? type.byteWidth : undefined;
    return Array.from({ length }, (_, row) => {
      if (!isValid(row)) return 'is null';
      const start = width === undefined ? data.valueOffsets[row]! : row * width;
      const end = width === undefined ? data.valueOffsets[row + 1]! : start + width;
      if ((end - start) % 4 !== 0) return `holds ${end - start} bytes, which are no float32 numbers`;
      return new Float32Array(Uint8Array.prototype.slice.call(bytes, start, end).buffer);
    });
  }
  const child = data.children[0]!;
  const values = floatsOf(child);
  const size = DataType.isFixedSizeList(type) ? type.listSize : undefined;
  return Array.from({ length }, (_, row) => {
    if (!isValid(row)) return 'is null';
    const start = size === undefined ? data.valueOffsets[row]! : row * size;
    const end = size === undefined ? data.valueOffsets[row + 1]! : start + size;
    if (child.nullCount > 0) {
      for (let i = start; i < end; i++) if (!child.getValid(i)) return `holds null at [${i - start}]`;
    }
    return values.subarray(start, end);
  });
}

function floatsOf(child: Arrow.Data): Float32Array | Float64Array {
  const values = child.values as Float32Array | Float64Array | Uint16Array;
  if (!(values instanceof Uint16Array)) return values;
  const bytes = Buffer.from(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  return ELEMENT_TYPES.f2!.decode(bytes, new Float32Array(values.length));
}

/** The values of a piece of any other column, as JavaScript has them. */
export function valuesOf(arrow: ArrowModule, data: Arrow.Data): unknown[] {
  const vector = new arrow.Vector([data]);
  return Array.from({ length: data.length }, (_, row) => scriptValue(arrow, data.type, vector.get(row)));
}

function scriptValue(arrow: ArrowModule, type: Arrow.DataType, value: unknown): unknown {
  const { DataType } = arrow;
  if (value === null || value === undefined) return null;
  if (DataType.isDictionary(type)) return scriptValue(arrow, type.dictionary, value);
  if (DataType.isTimestamp(type) || DataType.isDate(type)) return new Date(Number(value));
  if (DataType.isDecimal(type)) return decimalOf(value as Uint32Array, type.scale);
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) {
    return Array.from(value as Iterable<unknown>, (inner) => scriptValue(arrow, type.valueType, inner));
  }
  if (DataType.isStruct(type)) {
    const row = value as Record<string, unknown>;
    return Object.fromEntries(
      type.children.map((field) => [field.name, scriptValue(arrow, field.type, row[field.name])]),
    );
  }
  if (DataType.isMap(type)) {
    const entries = value as Iterable<[unknown, unknown]>;
    return new Map(Array.from(entries, ([key, inner]) => [key, scriptValue(arrow, type.valueType, inner)]));
  }
  return value;
}

/** Two's complement in 32-bit words, the least significant first. */
function decimalOf(words: Uint32Array, scale: number): number {
  let value = 0n;
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i]!);
  return Number(BigInt.asIntN(32 * words.length, value)) / 10 ** scale;
}
