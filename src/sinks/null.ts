import type { Batch, Sink, SinkLimits, WriteOutcome } from '../ingest/ports.js';

/** Accepts everything and keeps nothing but the count: how fast is everything but the database? */
export class NullSink implements Sink {
  readonly name = 'null://';
  readonly database = 'null';
  readonly ephemeral = true;
  #stored = 0;

  async open(): Promise<void> {}

  limits(): SinkLimits {
    return {};
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension;
  }

  async write(batch: Batch): Promise<WriteOutcome> {
    this.#stored += batch.rows;
    return { kind: 'ok', bytesSent: batch.vectors.byteLength };
  }

  async count(): Promise<number> {
    return this.#stored;
  }

  async finish(): Promise<void> {}

  async drop(): Promise<void> {
    this.#stored = 0;
  }

  async close(): Promise<void> {}
}

/** `null://` */
export function openNullSink(_url: URL): NullSink {
  return new NullSink();
}
