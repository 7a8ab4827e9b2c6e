import { adviceLaw } from './law.js';
import type { DatabaseProfile, WireFormat } from './profile.js';
import { JSON_TEXT, PACKED, PACKED_SOURCE, TEXT_SOURCE } from './wire-formats.js';

const MIB = 2 ** 20;

/**
 * How fast one stream moves vectors where nothing was measured, for the advice laws below: encoding,
 * sending, parsing and storing together. Text and packed differ by what parsing costs. Good to a factor of
 * about three either way, which is what the confidence in an advice law says.
 */
const TEXT_STREAM_BYTES_PER_MS = 40_000;
const PACKED_STREAM_BYTES_PER_MS = 30_000;

/** Time of one vector on one stream where nothing was measured, ms. */
const streamMs = (wire: WireFormat, dimension: number, bytesPerMs: number): number =>
  (wire.perRowBytes + wire.perComponentBytes * dimension) / bytesPerMs;

/** Share of a vector's cost that does not depend on the dimension: LanceDB's sweeps say 0.02, rows of a server carry more. */
const ROW_SHARE = 0.1;

/** The databases of which only their vendors' words are known, and the one that stands for an unknown one. */
export const ADVISED_PROFILES: readonly DatabaseProfile[] = [
  {
    name: 'qdrant',
    aliases: ['qdrants'],
    deployment: 'http',
    limits: { maxRequestBytes: 32 * MIB },
    advice: { maxRows: 256, maxRequestBytes: 5_000_000 },
    wire: JSON_TEXT,
    concurrency: { fixed: 4 },
    law: adviceLaw({
      referenceDimension: 1536,
      ninetyPercentRows: 256,
      perVectorMs: streamMs(JSON_TEXT, 1536, TEXT_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 0.2,
      kappa: 0.04,
    }),
    basis: 'vendor advice',
    source: {
      limits: 'REST service max_request_size_mb, default 32.',
      advice:
        "Qdrant's documentation: 64 to 256 points per batch, bodies below 5 MB, 2 to 4 parallel streams.",
      wire: TEXT_SOURCE,
      law: 'Assumes that 256 points of 1536 dimensions reach 90 % of the rate and that 4 streams are best.',
    },
  },
  {
    name: 'nebula',
    aliases: ['nebulagraph'],
    deployment: 'http',
    limits: { maxRequestBytes: 4 * MIB },
    advice: { maxRows: 128 },
    wire: JSON_TEXT,
    concurrency: { fixed: 4 },
    law: adviceLaw({
      referenceDimension: 1536,
      ninetyPercentRows: 128,
      perVectorMs: streamMs(JSON_TEXT, 1536, TEXT_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 0.2,
      kappa: 0.04,
    }),
    basis: 'vendor advice',
    source: {
      limits: 'graphd max_allowed_query_size, default 4,194,304 bytes per statement.',
      advice: "nebula-importer's default of 128 rows per batch; the number of streams is assumed.",
      wire: `Vectors travel as text inside the statement. ${TEXT_SOURCE}`,
      law: "Assumes that the importer's 128 rows reach 90 % of the rate and that 4 streams are best.",
    },
  },
  {
    name: 'milvus',
    aliases: ['zilliz'],
    deployment: 'http',
    limits: { maxRequestBytes: 64_000_000 },
    advice: { maxRequestBytes: 20_000_000 },
    wire: PACKED,
    concurrency: { fixed: 4 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 3000,
      perVectorMs: streamMs(PACKED, 768, PACKED_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 0.3,
      kappa: 0.04,
    }),
    basis: 'vendor advice',
    source: {
      limits: 'gRPC message of 64 MB; managed services go down to 1 MB.',
      advice: "Milvus' documentation: 20 to 40 MB per insert; the number of streams is assumed.",
      wire: `gRPC float vectors. ${PACKED_SOURCE}`,
      law: 'Assumes that half of the advised 20 MB, 3000 rows of 768 dimensions, reaches 90 % of the rate.',
    },
  },
  {
    name: 'weaviate',
    aliases: [],
    deployment: 'http',
    limits: {},
    advice: { maxRows: 1000 },
    wire: PACKED,
    concurrency: { fixed: 4 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 100,
      perVectorMs: streamMs(PACKED, 768, PACKED_STREAM_BYTES_PER_MS) + 0.2,
      rowShare: 0.3,
      sigma: 0.3,
      kappa: 0.04,
    }),
    basis: 'vendor advice',
    source: {
      limits: "gRPC message size, told by the server's meta endpoint; none known in advance.",
      advice: "Weaviate's clients: dynamic batching up to 1000 objects, server-side batching starts at 100.",
      wire: `gRPC vector bytes. ${PACKED_SOURCE}`,
      law: "Assumes that the server's starting size of 100 reaches 90 % of the rate; indexing on insert adds to a vector.",
    },
  },
  {
    name: 'pinecone',
    aliases: [],
    deployment: 'http',
    limits: { maxRows: 1000, maxRequestBytes: 2_000_000, maxBytesPerSecond: 50_000_000 },
    advice: {},
    wire: JSON_TEXT,
    concurrency: { fixed: 8 },
    law: adviceLaw({
      referenceDimension: 1536,
      ninetyPercentRows: 500,
      perVectorMs: streamMs(JSON_TEXT, 1536, TEXT_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 0.05,
      kappa: 0.01,
    }),
    basis: 'vendor advice',
    source: {
      limits: "Pinecone's documentation: 1000 records and 2 MB per upsert, 50 MB/s per namespace.",
      advice: "Pinecone's documentation: fill the request; the number of streams is assumed.",
      wire: TEXT_SOURCE,
      law: 'Assumes that a request across the Internet is paid off at 500 records.',
    },
  },
  {
    name: 'elasticsearch',
    aliases: ['opensearch', 'elastic'],
    deployment: 'http',
    limits: { maxRequestBytes: 100 * MIB },
    advice: { maxRequestBytes: 15_000_000 },
    wire: { ...JSON_TEXT, perRowBytes: 100 },
    concurrency: { fixed: 5 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 600,
      perVectorMs: streamMs(JSON_TEXT, 768, TEXT_STREAM_BYTES_PER_MS) + 0.1,
      rowShare: 0.2,
      sigma: 0.2,
      kappa: 0.03,
    }),
    basis: 'vendor advice',
    source: {
      limits: 'http.max_content_length, default 100 MB.',
      advice:
        "Elasticsearch's documentation: bulk bodies of 5 to 15 MB; its JavaScript client sends 5 at a time.",
      wire: `An action line and a document a vector. ${TEXT_SOURCE}`,
      law: 'Assumes that 5 MB, 600 rows of 768 dimensions, reach 90 % of the rate.',
    },
  },
  {
    name: 'redis',
    aliases: ['redis-stack', 'valkey'],
    deployment: 'http',
    limits: {},
    advice: { maxRows: 1000 },
    wire: PACKED,
    concurrency: { fixed: 2 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 100,
      perVectorMs: 0.3,
      rowShare: 0.3,
      sigma: 0.9,
      kappa: 0.01,
    }),
    basis: 'vendor advice',
    source: {
      limits: 'None by count: VADD adds one element and is pipelined.',
      advice:
        'Vector sets take a few thousand elements per second, on one thread; the size of a pipeline is assumed.',
      wire: `FP32 blobs. ${PACKED_SOURCE}`,
      law: '3,300 elements per second of 768 dimensions on one thread.',
    },
  },
  {
    name: 'zvec',
    aliases: [],
    deployment: 'in-process',
    limits: { maxRows: 1024 },
    advice: {},
    wire: PACKED,
    concurrency: { fixed: 1 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 100,
      perVectorMs: streamMs(PACKED, 768, PACKED_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 1,
      kappa: 0,
    }),
    basis: 'vendor advice',
    source: {
      limits: '1024 documents per insert.',
      advice: 'One writer, and inserting is synchronous: requests in flight only queue.',
      wire: PACKED_SOURCE,
      law: 'Assumes that a call in the same process costs little.',
    },
  },
  {
    name: 'generic',
    aliases: ['null', 'sim', 'simulated'],
    deployment: 'in-process',
    limits: {},
    advice: {},
    wire: PACKED,
    concurrency: { perCore: 2, fixed: 16 },
    law: adviceLaw({
      referenceDimension: 768,
      ninetyPercentRows: 450,
      perVectorMs: streamMs(PACKED, 768, PACKED_STREAM_BYTES_PER_MS),
      rowShare: ROW_SHARE,
      sigma: 0.3,
      kappa: 0.02,
    }),
    basis: 'assumption',
    source: {
      limits: 'None.',
      advice: 'None.',
      wire: PACKED_SOURCE,
      law: 'A middling database: between the measured ones in every term.',
    },
  },
];
