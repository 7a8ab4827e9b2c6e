import type { Setting } from '../core/types.js';
import { type Encoding, encodedRowBytes } from '../vectors/encoding.js';
import { type DatabaseProfile, wireBytesPerVector } from './profile.js';

/**
 * Share of the available memory that vectors in flight may take. Elasticsearch lets outstanding writes take
 * a tenth of its heap (`indexing_pressure.memory.limit`), which is to be at most half of the memory: a
 * twentieth. The rest is for the database, the page cache, the source and the process itself.
 */
export const IN_FLIGHT_SHARE = 0.05;

/** What Node, the kernels and a driver take before the first vector: clients in the sweeps began at 103 to 135 MB. */
export const PROCESS_BYTES = 120_000_000;

/** Rows of a block start on a cache line. */
const ROW_ALIGNMENT = 64;
/** The batch being sent and the one read ahead meanwhile. */
const BLOCKS = 2;
/** The encoded body, the driver's copy of it, and its predecessor that the collector has not taken yet. */
const BODIES = 3;

/** Bytes of a float32 row in a block, padding included. */
export function blockBytesPerVector(dimension: number): number {
  return Math.ceil((4 * dimension) / ROW_ALIGNMENT) * ROW_ALIGNMENT;
}

/**
 * Bytes a vector holds from being read to being acknowledged: two rows of float32 and three of the request
 * body. In the sweeps' PostgreSQL client the resident set grew by 26 MB with 8.4 MB of float32 in flight,
 * 3.1 times; this says 5 times for packed bodies, an upper bound on what the collector lets pile up.
 */
export function inFlightBytesPerVector(profile: DatabaseProfile, dimension: number): number {
  return BLOCKS * blockBytesPerVector(dimension) + BODIES * wireBytesPerVector(profile, dimension);
}

/** Predicted peak resident set of the process that loads, MB; a database in the same process comes on top. */
export function peakMb(profile: DatabaseProfile, dimension: number, setting: Setting): number {
  const vectors = setting.batchSize * setting.concurrency;
  return (PROCESS_BYTES + vectors * inFlightBytesPerVector(profile, dimension)) / 1e6;
}

/** How a stored vector can be encoded: its bytes, and what is lost. */
export interface EncodingSize {
  readonly encoding: 'float32' | Encoding;
  readonly bytesPerVector: number;
  /** Size as float32 over size in this encoding. */
  readonly compression: number;
  readonly note: string;
}

/**
 * recall@10 by cosine on 20,000 GloVe vectors of 100 dimensions, 200 others as queries (`npm run bench -- recall`); for
 * the smaller ones also with the best 100 scored again from the exact vectors.
 */
const NOTES: Record<EncodingSize['encoding'], string> = {
  float32: 'exact',
  float16: 'recall@10 0.999',
  bfloat16: 'recall@10 0.996',
  int8: 'recall@10 0.989',
  rabitq4: 'recall@10 0.90, 1.0 with the best 100 re-scored',
  int4: 'recall@10 0.89, 1.0 with the best 100 re-scored',
  rabitq2: 'recall@10 0.68, 0.997 with the best 100 re-scored',
  rabitq1: 'recall@10 0.42, 0.90 with the best 100 re-scored',
  binary: 'recall@10 0.32: needs re-scoring with the exact vectors',
};

/** Bytes per vector in each encoding, from the exact to the coarsest. */
export function encodingSizes(dimension: number): EncodingSize[] {
  const float32 = 4 * dimension;
  return (Object.keys(NOTES) as EncodingSize['encoding'][]).map((encoding) => {
    const bytesPerVector = encoding === 'float32' ? float32 : encodedRowBytes(encoding, dimension);
    return { encoding, bytesPerVector, compression: float32 / bytesPerVector, note: NOTES[encoding] };
  });
}
