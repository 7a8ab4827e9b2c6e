import type * as Arrow from 'apache-arrow';
import type { ArrowBody } from './arrow-body.js';

export type ArrowModule = typeof Arrow;

/** Which field and buffer come next, in the depth-first order in which a batch stores them. */
interface Cursor {
  node: number;
  buffer: number;
}

/** Rows start at a multiple of this: validity is stored in bits. */
export const ROW_ALIGNMENT = 8;
const aligned = (row: number): number => row - (row % ROW_ALIGNMENT);

/** Reads rows of single columns out of a record batch; the other rows and columns are not read. */
export class ArrowSlices {
  readonly #arrow: ArrowModule;
  readonly #dictionaries: ReadonlyMap<number, Arrow.Vector>;

  /** @param dictionaries of the batch's dictionary columns, by id */
  constructor(arrow: ArrowModule, dictionaries: ReadonlyMap<number, Arrow.Vector>) {
    this.#arrow = arrow;
    this.#dictionaries = dictionaries;
  }

  /**
   * Rows `from`..`to` of a top-level column; `from` is a multiple of {@link ROW_ALIGNMENT}.
   * @throws Error, RangeError if the batch is damaged; VBO_ERR_MEMORY
   */
  async column(
    body: ArrowBody,
    types: readonly Arrow.DataType[],
    column: number,
    from: number,
    to: number,
  ): Promise<Arrow.Data> {
    const cursor = { node: 0, buffer: 0 };
    for (const type of types.slice(0, column)) this.#skip(type, cursor);
    return this.#slice(body, types[column]!, cursor, from, to);
  }

  #skip(type: Arrow.DataType, cursor: Cursor): void {
    cursor.node++;
    cursor.buffer += this.#buffersOf(type);
    for (const { type: child } of this.#childrenOf(type)) this.#skip(child, cursor);
  }

  async #slice(
    body: ArrowBody,
    type: Arrow.DataType,
    cursor: Cursor,
    from: number,
    to: number,
  ): Promise<Arrow.Data> {
    const { DataType, makeData } = this.#arrow;
    const node = body.layout.nodes[cursor.node++];
    if (!node) throw new Error('it has fewer fields than its schema');
    if (to > node.length) throw new Error(`a field has ${node.length} rows; expected ${to}`);
    const length = to - from;
    const first = cursor.buffer;
    cursor.buffer += this.#buffersOf(type);
    if (DataType.isNull(type)) return makeData({ type, length });
    const nullBitmap = node.nullCount === 0 ? undefined : await body.read(first, from / 8, Math.ceil(to / 8));
    const common = { length, ...(nullBitmap && nullBitmap.length > 0 && { nullBitmap }) };
    // The constructor functions are overloaded by type; every case below gives what its type asks for.
    const make = makeData as unknown as (props: Record<string, unknown>) => Arrow.Data;

    if (DataType.isStruct(type)) {
      const children: Arrow.Data[] = [];
      for (const child of type.children) {
        children.push(await this.#slice(body, child.type, cursor, from, to));
      }
      return make({ ...common, type, children });
    }
    if (DataType.isFixedSizeList(type)) {
      const size = type.listSize;
      const child = await this.#slice(body, type.valueType, cursor, from * size, to * size);
      return make({ ...common, type, child });
    }
    if (DataType.isList(type) || DataType.isMap(type)) {
      const offsets = await this.#offsets(body, first + 1, from, to, 4);
      const start = aligned(offsets[0]!);
      const child = await this.#slice(body, type.children[0]!.type, cursor, start, offsets[length]!);
      return make({ ...common, type, valueOffsets: rebased(offsets, start), child });
    }
    if (DataType.isUtf8(type) || DataType.isBinary(type) || isLarge(this.#arrow, type)) {
      const offsets = await this.#offsets(body, first + 1, from, to, isLarge(this.#arrow, type) ? 8 : 4);
      const data = await body.read(first + 2, offsets[0]!, offsets[length]!);
      // With 32-bit offsets even a large type can be made: a piece is never that long.
      const small = DataType.isLargeUtf8(type)
        ? new this.#arrow.Utf8()
        : DataType.isLargeBinary(type)
          ? new this.#arrow.Binary()
          : type;
      return make({ ...common, type: small, valueOffsets: rebased(offsets, offsets[0]!), data });
    }
    if (DataType.isDictionary(type)) {
      const width = type.indices.bitWidth / 8;
      const bytes = await body.read(first + 1, from * width, to * width);
      const dictionary = this.#dictionaries.get(type.id);
      if (!dictionary) throw new Error(`the dictionary ${type.id} is missing`);
      return make({ ...common, type, data: viewAs(type.indices.ArrayType, bytes), dictionary });
    }
    if (DataType.isBool(type)) {
      return make({ ...common, type, data: await body.read(first + 1, from / 8, Math.ceil(to / 8)) });
    }
    const width = widthOf(this.#arrow, type);
    const bytes = await body.read(first + 1, from * width, to * width);
    if (bytes.length < length * width) throw new Error('a buffer is missing');
    return make({ ...common, type, data: viewAs(type.ArrayType as TypedArrayConstructor, bytes) });
  }

  async #offsets(
    body: ArrowBody,
    buffer: number,
    from: number,
    to: number,
    width: 4 | 8,
  ): Promise<readonly number[]> {
    const bytes = await body.read(buffer, from * width, (to + 1) * width);
    if (bytes.length === 0 && to === from) return [0];
    const { buffer: memory, byteOffset, byteLength } = bytes;
    const offsets =
      width === 4
        ? Array.from(new Int32Array(memory, byteOffset, byteLength / 4))
        : Array.from(new BigInt64Array(memory, byteOffset, byteLength / 8), Number);
    if (offsets.length !== to - from + 1) throw new Error('the offsets of a column are missing');
    for (let i = 0; i < offsets.length; i++) {
      if (!(offsets[i]! >= (i === 0 ? 0 : offsets[i - 1]!))) {
        throw new Error(`the offsets of a column run backwards, to ${offsets[i]}`);
      }
    }
    return offsets;
  }

  #childrenOf(type: Arrow.DataType): readonly Arrow.Field[] {
    // A dictionary's values are in a message of their own.
    return this.#arrow.DataType.isDictionary(type) ? [] : (type.children ?? []);
  }

  #buffersOf(type: Arrow.DataType): number {
    const { DataType } = this.#arrow;
    if (DataType.isNull(type)) return 0;
    if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) return 1;
    if (DataType.isUtf8(type) || DataType.isBinary(type) || isLarge(this.#arrow, type)) return 3;
    if (DataType.isUnion(type)) return type.mode === this.#arrow.UnionMode.Sparse ? 1 : 2;
    return 2;
  }
}

type TypedArrayConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => unknown;

function viewAs(kind: unknown, bytes: Uint8Array): unknown {
  const { BYTES_PER_ELEMENT: width } = kind as { BYTES_PER_ELEMENT: number };
  return new (kind as TypedArrayConstructor)(bytes.buffer, bytes.byteOffset, bytes.length / width);
}

const rebased = (offsets: readonly number[], base: number): Int32Array =>
  Int32Array.from(offsets, (offset) => offset - base);

const isLarge = ({ DataType }: ArrowModule, type: Arrow.DataType): boolean =>
  DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);

/** Bytes of a value. */
function widthOf({ DataType, DateUnit, IntervalUnit }: ArrowModule, type: Arrow.DataType): number {
  if (DataType.isInt(type) || DataType.isTime(type) || DataType.isDecimal(type)) return type.bitWidth / 8;
  if (DataType.isFloat(type)) return 2 << type.precision;
  if (DataType.isDate(type)) return type.unit === DateUnit.DAY ? 4 : 8;
  if (DataType.isTimestamp(type) || DataType.isDuration(type)) return 8;
  if (DataType.isInterval(type)) return type.unit === IntervalUnit.YEAR_MONTH ? 4 : 8;
  if (DataType.isFixedSizeBinary(type)) return type.byteWidth;
  throw new Error(`columns of type ${type} cannot be read`);
}
