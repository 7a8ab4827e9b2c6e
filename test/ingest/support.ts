import type { VirtualClock } from '../../src/control/virtual-clock.js';
import { VectorBatchError } from '../../src/core/errors.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { IngestOptions } from '../../src/ingest/options.js';
import type {
  Batch,
  Id,
  Payload,
  RejectedRecord,
  Sink,
  SinkLimits,
  SinkOpenOptions,
  Source,
  SourceChunk,
  WriteOutcome,
} from '../../src/ingest/ports.js';
import type { IngestReport } from '../../src/ingest/report.js';
import { Kernels } from '../../src/kernels/kernels.js';

export const error = (message: string) => new VectorBatchError('VBO_ERR_SINK', message);

export interface TestSourceOptions {
  rows: number;
  dimension?: number;
  chunkRows?: number;
  /** The id of a row; rows have none if left out. */
  id?: (row: number) => Id;
  payload?: (row: number) => Payload | null;
  /** Overwrites a row's values. */
  vector?: (row: number, values: Float32Array) => void;
  /** Rows the source itself rejects. */
  rejects?: ReadonlySet<number>;
  /** Thrown after the last row. */
  failure?: Error;
  count?: number;
}

/** Row r holds `r + 1` in every component, so that a test can tell rows apart. */
export class TestSource implements Source {
  readonly name = 'test';
  readonly dimension: number;
  readonly count?: number;
  closed = false;
  readonly #options: TestSourceOptions;

  constructor(options: TestSourceOptions) {
    this.#options = options;
    this.dimension = options.dimension ?? 4;
    if (options.count !== undefined) this.count = options.count;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceChunk> {
    const { rows, chunkRows = 100, id, payload, vector, rejects, failure } = this.#options;
    const buffer = new Float32Array(chunkRows * this.dimension);
    for (let first = 0; first < rows; first += chunkRows) {
      const positions: number[] = [];
      const rejected: RejectedRecord[] = [];
      for (let row = first; row < Math.min(rows, first + chunkRows); row++) {
        if (rejects?.has(row)) {
          rejected.push({ position: row, code: 'VBO_ERR_RECORD', message: 'broken', raw: '{' });
          continue;
        }
        const values = buffer.subarray(
          positions.length * this.dimension,
          (positions.length + 1) * this.dimension,
        );
        values.fill(row + 1);
        vector?.(row, values);
        positions.push(row);
      }
      const vectors = buffer.subarray(0, positions.length * this.dimension);
      const ids = id && positions.map(id);
      const payloads = payload && positions.map(payload);
      yield { positions, vectors, rejected, ...(ids ? { ids } : {}), ...(payloads ? { payloads } : {}) };
      // What was handed out is only valid until the next chunk is asked for.
      buffer.fill(Number.NaN);
    }
    if (failure) throw failure;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export type Answer = (
  batch: Batch,
  signal: AbortSignal,
  request: number,
) => Promise<WriteOutcome> | WriteOutcome;

/** Remembers every record stored, and answers as a test wants. */
export class TestSink implements Sink {
  readonly name = 'test://';
  readonly database = 'test';
  readonly upserts?: boolean;
  /** How often each id was stored. */
  readonly stored = new Map<Id, number>();
  readonly payloads = new Map<Id, Payload | null>();
  readonly batchRows: number[] = [];
  opened: SinkOpenOptions | undefined;
  finished = 0;
  closed = 0;
  inFlight = 0;
  mostInFlight = 0;
  /** Records the sink pretends to hold beside those stored. */
  extra = 0;
  readonly clock: VirtualClock;
  readonly #answer: Answer;
  readonly #limits: SinkLimits;
  #requests = 0;

  constructor(clock: VirtualClock, answer: Answer = accept, limits: SinkLimits = {}) {
    this.clock = clock;
    this.#answer = answer;
    this.#limits = limits;
  }

  async open(options: SinkOpenOptions): Promise<void> {
    this.opened = options;
  }

  limits(): SinkLimits {
    return this.#limits;
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    this.batchRows.push(batch.rows);
    try {
      const outcome = await this.#answer(batch, signal, this.#requests++);
      if (outcome.kind === 'ok') this.#store(batch, new Set(outcome.rejected?.map(({ index }) => index)));
      return outcome;
    } finally {
      this.inFlight--;
    }
  }

  #store(batch: Batch, rejected: ReadonlySet<number>): void {
    for (let row = 0; row < batch.rows; row++) {
      if (rejected.has(row)) continue;
      const id = batch.ids[row]!;
      this.stored.set(id, (this.stored.get(id) ?? 0) + 1);
      if (batch.payloads) this.payloads.set(id, batch.payloads[row]!);
    }
  }

  async count(): Promise<number> {
    return this.extra + [...this.stored.values()].reduce((sum, times) => sum + times, 0);
  }

  async finish(): Promise<void> {
    this.finished++;
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

export function accept(batch: Batch): WriteOutcome {
  return { kind: 'ok', bytesSent: batch.vectors.byteLength };
}

/** Accepts after some virtual time. */
export const acceptAfter =
  (clock: VirtualClock, ms: (batch: Batch) => number): Answer =>
  async (batch, signal) => {
    await clock.sleep(ms(batch), signal);
    return accept(batch);
  };

/** One set of kernels for a test file: its arena must be empty after every load. */
export const kernels = Kernels.load();

/** Runs a load on virtual time; a failure comes back with its report. */
export async function load(
  clock: VirtualClock,
  source: Source,
  sink: Sink,
  options: IngestOptions = {},
): Promise<{ report: IngestReport; error?: VectorBatchError }> {
  try {
    return { report: await clock.run(ingest({ kernels }, source, sink, { clock, ...options })) };
  } catch (thrown) {
    if (!(thrown instanceof VectorBatchError) || !thrown.details.report) throw thrown;
    return { report: thrown.details.report as IngestReport, error: thrown };
  }
}

/** Callbacks of a caller's that fail, and how. */
export const FAILING_LISTENERS: readonly (readonly [string, () => unknown])[] = [
  [
    'throws',
    () => {
      throw new Error('no such element');
    },
  ],
  ['rejects', () => Promise.reject(new Error('no such element'))],
];
