import { MEASURED_LAWS } from './measured-laws.js';
import type { DatabaseProfile } from './profile.js';
import { JSON_TEXT, PACKED, PACKED_SOURCE, TEXT_SOURCE } from './wire-formats.js';

const MIB = 2 ** 20;

const SWEEP = 'Fitted by bench/fit-profiles.ts to a sweep on two shared cores';
const ONE_DIMENSION = `${SWEEP} at 128 dimensions; the share that does not depend on the dimension is assumed.`;

/** The databases whose cost law was fitted to measurements. */
export const MEASURED_PROFILES: readonly DatabaseProfile[] = [
  {
    name: 'lancedb',
    aliases: ['lance'],
    deployment: 'in-process',
    limits: {},
    advice: {},
    wire: PACKED,
    concurrency: { perCore: 2, fixed: 16 },
    law: MEASURED_LAWS.lancedb,
    basis: 'measured sweep',
    source: {
      limits: "None by count or bytes in LanceDB's documentation, none met in the sweep.",
      advice:
        "LanceDB's documentation: several thousand rows per add, parallel up to the cores; 4 in flight were best on two cores.",
      wire: `Arrow buffers. ${PACKED_SOURCE}`,
      law: `${SWEEP} at 128 and 768 dimensions.`,
    },
  },
  {
    name: 'chroma',
    aliases: ['chromadb'],
    deployment: 'http',
    limits: { maxRows: 5461, maxRequestBytes: 40 * MIB },
    advice: {},
    wire: JSON_TEXT,
    concurrency: { fixed: 2 },
    law: MEASURED_LAWS.chroma,
    basis: 'measured sweep',
    source: {
      limits:
        "The server's pre-flight check says 5461 records per call (other builds 166 or 41,666); bodies of about 40 MiB met 413.",
      advice:
        "Chroma's documentation: slice by max_batch_size. More than 2 in flight gained nothing in the sweep.",
      wire: TEXT_SOURCE,
      law: ONE_DIMENSION,
    },
  },
  {
    name: 'pgvector',
    aliases: ['postgres', 'postgresql', 'postgres15-pgvector'],
    deployment: 'http',
    // 65,535 bind parameters a statement and three a row, for loads that cannot use COPY.
    limits: { maxRows: 21_845, maxDimension: 16_000 },
    advice: {},
    wire: PACKED,
    concurrency: { fixed: 8 },
    law: MEASURED_LAWS['postgres15-pgvector'],
    basis: 'measured sweep',
    source: {
      limits:
        'PostgreSQL: 65,535 bind parameters per statement, three per row; pgvector: 16,000 dimensions per vector.',
      advice: "pgvector's documentation: COPY in binary and build the index after the load.",
      wire: `Binary COPY. ${PACKED_SOURCE}`,
      law: ONE_DIMENSION,
    },
  },
  {
    name: 'pglite',
    aliases: ['pglite-pgvector'],
    deployment: 'in-process',
    limits: { maxRows: 21_845, maxDimension: 16_000 },
    advice: {},
    wire: PACKED,
    concurrency: { fixed: 1 },
    law: MEASURED_LAWS['pglite-pgvector'],
    basis: 'measured sweep',
    source: {
      limits: 'As PostgreSQL: 65,535 bind parameters per statement, three per row, 16,000 dimensions.',
      advice: 'One engine in one thread: requests in flight only queue.',
      wire: PACKED_SOURCE,
      law: ONE_DIMENSION,
    },
  },
  {
    name: 'sqlite',
    aliases: ['sqlite-vec', 'libsql'],
    deployment: 'in-process',
    limits: {},
    advice: {},
    wire: PACKED,
    concurrency: { fixed: 1 },
    law: MEASURED_LAWS['sqlite-vec'],
    basis: 'measured sweep',
    source: {
      limits: 'None: a batch is a transaction of single inserts.',
      advice: "SQLite has one writer; a second in flight gained less than the sweep's noise.",
      wire: PACKED_SOURCE,
      law: ONE_DIMENSION,
    },
  },
];
