import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Batch,
  Sink,
  SinkLimits,
  SinkOpenOptions,
  Source,
  SourceChunk,
  WriteOutcome,
} from '../../src/ingest/ports.js';

const AHEAD = 1000;

/** Vectors that never end until they are told to, with ids from 0. No two have the same direction. */
export class EndlessSource implements Source {
  readonly name = 'endless';
  readonly dimension: number;
  rows = 0;
  readonly #acknowledged: () => number;
  #isOver = false;

  /**
   * @param acknowledged rows so far: the source does not run far ahead of them
   */
  constructor(dimension: number, acknowledged: () => number) {
    this.dimension = dimension;
    this.#acknowledged = acknowledged;
  }

  end(): void {
    this.#isOver = true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceChunk> {
    const chunkRows = 64;
    while (!this.#isOver) {
      if (this.rows > this.#acknowledged() + AHEAD) {
        await sleep(5);
        continue;
      }
      const vectors = new Float32Array(chunkRows * this.dimension);
      for (let i = 0; i < vectors.length; i++) vectors[i] = Math.sin(1 + this.rows * this.dimension + i * i);
      const positions = { first: this.rows };
      this.rows += chunkRows;
      yield { positions, vectors };
    }
  }
}

export interface Acknowledgement {
  readonly ms: number;
  readonly rows: number;
  /** The worth of what was in flight, integrated over the time until then. */
  readonly worthMs: number;
}

/** A sink of smaller batches whose acknowledgements, and how much was in flight between them, are noted. */
export class WatchedSink implements Sink {
  readonly acknowledgements: Acknowledgement[] = [];
  rows = 0;
  readonly #sink: Sink;
  readonly #maxRows: number;
  readonly #worth: (rows: number) => number;
  #inFlight = 0;
  #worthMs = 0;
  #changedMs = 0;

  /** @param worth what a request of so many rows counts for while it is in flight */
  constructor(sink: Sink, maxRows: number, worth = (rows: number) => rows) {
    this.#sink = sink;
    this.#maxRows = maxRows;
    this.#worth = worth;
  }

  get name(): string {
    return this.#sink.name;
  }

  get database(): string {
    return this.#sink.database;
  }

  get upserts(): Sink['upserts'] & {} {
    return this.#sink.upserts ?? false;
  }

  open(options: SinkOpenOptions): Promise<void> {
    return this.#sink.open(options);
  }

  limits(): SinkLimits {
    return { ...this.#sink.limits(), maxRows: this.#maxRows };
  }

  bytesPerVector(dimension: number): number {
    return this.#sink.bytesPerVector(dimension);
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    this.#fly(this.#worth(batch.rows));
    const outcome = await this.#sink.write(batch, signal);
    const ms = this.#fly(-this.#worth(batch.rows));
    if (outcome.kind !== 'ok') return outcome;
    this.acknowledgements.push({ ms, rows: batch.rows, worthMs: this.#worthMs });
    this.rows += batch.rows;
    return outcome;
  }

  #fly(worth: number): number {
    const nowMs = performance.now();
    this.#worthMs += this.#inFlight * (nowMs - this.#changedMs);
    this.#changedMs = nowMs;
    this.#inFlight += worth;
    return nowMs;
  }

  count(): Promise<number> {
    return this.#sink.count!();
  }

  finish(): Promise<void> {
    return this.#sink.finish();
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}

/** Vectors per second over some acknowledgements on end: the first one only begins the time. */
export function rateOf(acknowledgements: readonly Pick<Acknowledgement, 'ms' | 'rows'>[]): number {
  const rows = acknowledgements.slice(1).reduce((sum, one) => sum + one.rows, 0);
  return (1000 * rows) / (acknowledgements.at(-1)!.ms - acknowledgements[0]!.ms);
}

/** The worth of what was in flight over some acknowledgements on end, as the mean over their time. */
export function worthInFlight(acknowledgements: readonly Acknowledgement[]): number {
  const [first, last] = [acknowledgements[0]!, acknowledgements.at(-1)!];
  return (last.worthMs - first.worthMs) / (last.ms - first.ms);
}
