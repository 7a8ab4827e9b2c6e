/**
 * The module's exports, in the order of `assembly/index.ts`: pointers, lengths, strides in bytes and scalars in;
 * results in memory or one number. The contracts are in the headers of `assembly/`.
 */
export interface KernelExports {
  packRows(source: number, rows: number, rowBytes: number, target: number, strideBytes: number): void;
  unpackRows(source: number, rows: number, rowBytes: number, strideBytes: number, target: number): void;

  rowsToBlocks(source: number, strideBytes: number, rows: number, dimension: number, target: number): void;
  blocksToRows(source: number, rows: number, dimension: number, target: number, strideBytes: number): void;

  encodeFloat16: ConvertRows;
  decodeFloat16: ConvertRows;

  minMaxFloat32(source: number, strideBytes: number, rows: number, dimension: number, target: number): void;

  encodeInt8(
    source: number,
    sourceStride: number,
    rows: number,
    dimension: number,
    target: number,
    targetStride: number,
    terms: number,
    inverse: number,
    offset: number,
  ): void;
  decodeInt8(
    source: number,
    sourceStride: number,
    rows: number,
    dimension: number,
    target: number,
    targetStride: number,
    alpha: number,
    offset: number,
  ): void;
  dotInt8: CompareRows;
  squaredL2Int8: CompareRows;

  encodeBits: ConvertRows;
  decodeBits: ConvertRows;
  /** The fifth argument is the bytes of a row, not its dimension. */
  hammingBits: CompareRows;

  dotFloat32By1: CompareRows;
  dotFloat32By4: CompareRows;
  squaredL2Float32By1: CompareRows;
  squaredL2Float32By4: CompareRows;

  firstNonFiniteFloat32(source: number, count: number, base: number): number;

  xxHash64(source: number, byteLength: number, seed: number, target: number): void;

  searchGrid(
    rows: number,
    columns: number,
    rowTable: number,
    columnTable: number,
    bounds: number,
    plateauFactor: number,
    top: number,
    scratch: number,
    result: number,
  ): number;
  costSurface(
    rows: number,
    columns: number,
    rowTable: number,
    columnTable: number,
    limits: number,
    target: number,
  ): void;

  /** The index of the first element that is NaN or infinite; -1 if there is none. */
  textFloat32(
    source: number,
    strideBytes: number,
    rows: number,
    dimension: number,
    target: number,
    offsets: number,
  ): number;
  /** The fourth argument is the bytes of a row, not its dimension. */
  encodeBase64: ConvertRows;
  copyRecords(
    source: number,
    sourceStride: number,
    rows: number,
    dimension: number,
    target: number,
    prefix: number,
    prefixBytes: number,
    numbers: number,
    numberOffset: number,
  ): void;

  predictForest(
    forest: number,
    source: number,
    sourceStride: number,
    rows: number,
    scratch: number,
    means: number,
    variances: number,
  ): void;

  deinterleaveInt8(
    source: number,
    rows: number,
    dimension: number,
    target: number,
    strideBytes: number,
  ): void;
  dotInt8Interleaved(query: number, groups: number, rows: number, dimension: number, target: number): void;
  interleaveInt8(source: number, strideBytes: number, rows: number, dimension: number, target: number): void;

  encodeBfloat16: ConvertRows;
  decodeBfloat16: ConvertRows;
  scanBfloat16: CompareRows;

  minMaxColumns(
    source: number,
    strideBytes: number,
    rows: number,
    columns: number,
    mins: number,
    maxs: number,
  ): void;
  sumColumns(
    source: number,
    strideBytes: number,
    rows: number,
    columns: number,
    before: number,
    target: number,
  ): void;

  encodeInt8Rows: ConvertRows;
  decodeInt8Rows: ConvertRows;
  /** Further arguments: lowers, inverses. */
  encodeInt8Columns: ConvertRows<[lowers: number, inverses: number]>;
  decodeInt8Columns: ConvertRows<[lowers: number, steps: number]>;
  scanInt8: CompareRows<[scale: number, constant: number]>;
  scanInt8Rows: CompareRows<[scale: number, querySum: number]>;

  encodeInt4: ConvertRows<[centre: number, scratch: number]>;
  decodeInt4: ConvertRows<[centre: number]>;
  scanInt4: CompareRows<[scale: number, querySum: number, constant: number]>;

  hadamardRows: ConvertRows<[signs: number]>;
  rotateRows: ConvertRows<[padded: number, centre: number, signs: number]>;

  encodeRabitq: ConvertRows<[bits: number, padded: number, centre: number, signs: number, scratch: number]>;
  decodeRabitq: ConvertRows<
    [bits: number, padded: number, centre: number, signs: number, scratch: number, centreSquare: number]
  >;
  /** The fifth argument is the padded dimension. */
  scanRabitq: CompareRows<[bits: number, scale: number, shift: number, constant: number]>;

  scanBits: CompareRows<[scale: number, constant: number]>;
  scanFloat16: CompareRows;

  cosineScores(scores: number, squares: number, count: number, inverseLength: number): void;
  l2Scores(scores: number, squares: number, count: number, querySquare: number): void;
  topK(scores: number, count: number, k: number, heap: number): void;
}

type ConvertRows<Further extends number[] = []> = (
  source: number,
  sourceStride: number,
  rows: number,
  dimension: number,
  target: number,
  targetStride: number,
  ...further: Further
) => void;

type CompareRows<Further extends number[] = []> = (
  query: number,
  source: number,
  strideBytes: number,
  rows: number,
  dimension: number,
  target: number,
  ...further: Further
) => void;
