/**
 * The headers of Arrow IPC messages that lay out record batches, read from their flatbuffers
 * (https://arrow.apache.org/docs/format/Columnar.html, Message.fbs). The `apache-arrow` package decodes schemas and
 * values; of a batch it wants the whole body at once and refuses compressed ones, so its layout is read here.
 */
export type MessageHeader =
  | { kind: 'schema'; bodyLength: number }
  | { kind: 'records'; bodyLength: number; layout: BatchLayout }
  | { kind: 'dictionary'; bodyLength: number; layout: BatchLayout; id: number; isDelta: boolean }
  | { kind: 'other'; bodyLength: number };

/** Where the columns of a batch lie in its body: one node per field, in depth-first order, and its buffers. */
export interface BatchLayout {
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[];
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly codec: 'lz4' | 'zstd' | undefined;
}

const HEADERS = { 1: 'schema', 2: 'dictionary', 3: 'records' } as const;
const CODECS = ['lz4', 'zstd'] as const;
const PAIR_BYTES = 16;
/** Offset, length of the header, padding, length of the body. */
const BLOCK_BYTES = 24;
const MOST_FIELDS = 65_536;

/** @throws RangeError, Error if the bytes are no message */
export function readMessage(bytes: Uint8Array): MessageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const message = new Table(view, view.getUint32(0, true));
  const kind = HEADERS[message.byte(1) as keyof typeof HEADERS] ?? 'other';
  const bodyLength = message.long(3);
  if (!(bodyLength >= 0)) throw new Error(`a message claims a body of ${bodyLength} bytes`);
  const header = message.table(2);
  if (kind === 'records') return { kind, bodyLength, layout: layoutOf(header) };
  if (kind !== 'dictionary') return { kind, bodyLength };
  const layout = layoutOf(header?.table(1));
  return { kind, bodyLength, layout, id: header!.long(0), isDelta: header!.byte(2) !== 0 };
}

/** Where the messages of a file begin, dictionaries first, from its footer (File.fbs). */
export function readFooter(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const footer = new Table(view, view.getUint32(0, true));
  return [...footer.longs(2, BLOCK_BYTES), ...footer.longs(3, BLOCK_BYTES)];
}

/**
 * Checks that the lists of a schema (Schema.fbs) lie within its bytes: who decodes it believes their lengths.
 * @throws Error, RangeError
 */
export function checkSchema(bytes: Uint8Array, isFooter: boolean): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const root = new Table(view, view.getUint32(0, true));
  const schema = root.table(isFooter ? 1 : 2);
  if (!schema) throw new Error('it is missing');
  let fields = 0;
  const check = (table: Table, children: number, metadata: number) => {
    table.tables(metadata);
    for (const child of table.tables(children)) {
      if (++fields > MOST_FIELDS) throw new Error(`it has more than ${MOST_FIELDS} fields`);
      check(child, 5, 6);
    }
  };
  check(schema, 1, 2);
}

function layoutOf(batch: Table | undefined): BatchLayout {
  if (!batch) throw new Error('a message lacks its header');
  const compression = batch.table(3);
  const codec = compression && CODECS[compression.byte(0)];
  if (compression && !codec) throw new Error(`a batch is compressed with codec ${compression.byte(0)}`);
  return {
    rows: batch.long(0),
    nodes: batch.pairs(1).map(([length, nullCount]) => ({ length, nullCount })),
    buffers: batch.pairs(2).map(([offset, length]) => ({ offset, length })),
    codec: codec || undefined,
  };
}

/** A flatbuffers table: fields by number, absent ones are 0. */
class Table {
  readonly #view: DataView;
  readonly #position: number;

  constructor(view: DataView, position: number) {
    this.#view = view;
    this.#position = position;
  }

  byte(field: number): number {
    const at = this.#at(field);
    return at === 0 ? 0 : this.#view.getUint8(at);
  }

  long(field: number): number {
    const at = this.#at(field);
    return at === 0 ? 0 : Number(this.#view.getBigInt64(at, true));
  }

  table(field: number): Table | undefined {
    const at = this.#at(field);
    return at === 0 ? undefined : new Table(this.#view, at + this.#view.getUint32(at, true));
  }

  /** A vector of tables. */
  tables(field: number): Table[] {
    const { start, length } = this.#vector(field, 4);
    return Array.from({ length }, (_, i) => {
      const at = start + 4 * i;
      return new Table(this.#view, at + this.#view.getUint32(at, true));
    });
  }

  /** A vector of structs of two longs. */
  pairs(field: number): [number, number][] {
    const second = this.longs(field, PAIR_BYTES, 8);
    return this.longs(field, PAIR_BYTES).map((first, i) => [first, second[i]!]);
  }

  /** A long of each struct of a vector. */
  longs(field: number, structBytes: number, at = 0): number[] {
    const { start, length } = this.#vector(field, structBytes);
    return Array.from({ length }, (_, i) =>
      Number(this.#view.getBigInt64(start + structBytes * i + at, true)),
    );
  }

  #vector(field: number, elementBytes: number): { start: number; length: number } {
    const at = this.#at(field);
    if (at === 0) return { start: 0, length: 0 };
    const vector = at + this.#view.getUint32(at, true);
    const length = this.#view.getUint32(vector, true);
    if (vector + 4 + elementBytes * length > this.#view.byteLength) {
      throw new Error(`a list of ${length} lies outside its message`);
    }
    return { start: vector + 4, length };
  }

  #at(field: number): number {
    const table = this.#position - this.#view.getInt32(this.#position, true);
    const entry = 4 + 2 * field;
    if (entry >= this.#view.getUint16(table, true)) return 0;
    const offset = this.#view.getUint16(table + entry, true);
    return offset === 0 ? 0 : this.#position + offset;
  }
}
