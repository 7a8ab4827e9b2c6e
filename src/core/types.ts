/** How many vectors travel in one request, and how many requests are in flight at once. */
export interface Setting {
  batchSize: number;
  concurrency: number;
}

/** The machine that runs the load. Megabytes are 10^6 bytes. */
export interface SystemResources {
  availableMemoryMb: number;
  cpuCores: number;
  /** Sustained bandwidth of the path to the database (disk or network), MB/s. */
  ioBandwidthMbps: number;
}

export const OBJECTIVES = ['performance', 'latency', 'memory', 'cost', 'balanced'] as const;
/** What to optimize: vectors/s, request latency, memory, number of requests, or a balance of all four. */
export type Objective = (typeof OBJECTIVES)[number];

export const METRICS = ['cosine', 'dot', 'l2'] as const;
/** How the database will compare the vectors. */
export type Metric = (typeof METRICS)[number];

/**
 * One measured cell: what a load with one setting achieved. Snake case because it is the wire form
 * (NDJSON files, HTTP bodies); unknown further fields are kept.
 */
export interface BatchExecutionRecord {
  database_type: string;
  deployment?: 'in-process' | 'http';
  vector_dimension: number;
  batch_size: number;
  concurrency: number;
  item_count?: number;
  bytes_per_vector?: number;
  execution_time_ms?: number;
  throughput_vps?: number | null;
  batch_p50_ms?: number | null;
  batch_p95_ms?: number | null;
  peak_rss_mb?: number | null;
  /** Vectors that the collection held already. */
  collection_rows?: number | null;
  success: boolean;
  error?: string | null;
  /** Unix time, ms. */
  ts?: number;
  [further: string]: unknown;
}
