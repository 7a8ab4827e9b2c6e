// Raw pointers and lengths in, results in memory or one number out. No allocation, no mutable statics:
// any number of instances may run on one shared memory at the same time, on disjoint targets.
// `src/kernels/exports.ts` mirrors this list for TypeScript.

export { packRows, unpackRows } from "./rows";
export { blocksToRows, rowsToBlocks } from "./blocks";
export { decodeFloat16, encodeFloat16 } from "./float16";
export { minMaxFloat32 } from "./range";
export { decodeInt8, dotInt8, encodeInt8, squaredL2Int8 } from "./int8";
export { decodeBits, encodeBits, hammingBits } from "./bits";
export { dotFloat32By1, dotFloat32By4, squaredL2Float32By1, squaredL2Float32By4 } from "./distance";
export { firstNonFiniteFloat32 } from "./check";
export { xxHash64 } from "./hash";
export { costSurface, searchGrid } from "./grid";
export { predictForest } from "./forest";
export { deinterleaveInt8, dotInt8Interleaved, interleaveInt8 } from "./interleave";
export { textFloat32 } from "./text";
export { encodeBase64 } from "./base64";
export { copyRecords } from "./copy";
export { decodeBfloat16, encodeBfloat16, scanBfloat16 } from "./bfloat16";
export { minMaxColumns, sumColumns } from "./columns";
export {
  decodeInt8Columns, decodeInt8Rows, encodeInt8Columns, encodeInt8Rows, scanInt8, scanInt8Rows,
} from "./int8-rows";
export { decodeInt4, encodeInt4, scanInt4 } from "./int4";
export { hadamardRows, rotateRows } from "./hadamard";
export { decodeRabitq, encodeRabitq, scanRabitq } from "./rabitq";
export { scanBits, scanFloat16 } from "./scan";
export { cosineScores, l2Scores, topK } from "./scores";
