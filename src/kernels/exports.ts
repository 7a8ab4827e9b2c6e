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
}

type ConvertRows = (
  source: number,
  sourceStride: number,
  rows: number,
  dimension: number,
  target: number,
  targetStride: number,
) => void;

type CompareRows = (
  query: number,
  source: number,
  strideBytes: number,
  rows: number,
  dimension: number,
  target: number,
) => void;
