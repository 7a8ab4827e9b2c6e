import { readFile } from 'node:fs/promises';
import { parseScenario, type Scenario } from '../control/scenario.js';
import { SimulatedDatabase } from '../control/simulator.js';
import { type Clock, systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Batch, Sink, SinkLimits, WriteOutcome } from '../ingest/ports.js';
import { pathOfUrl } from './url.js';

/** The simulated database behind the sink's interface. It announces no limits: they are learnt from its refusals. */
export class SimSink implements Sink {
  readonly name: string;
  readonly database = 'sim';
  readonly ephemeral = true;
  readonly #database: SimulatedDatabase;
  readonly #clock: Clock;
  #startMs = 0;
  #inFlight = 0;

  constructor(name: string, scenario: Scenario, options: { clock?: Clock; seed?: number } = {}) {
    this.name = name;
    this.#clock = options.clock ?? systemClock;
    this.#database = new SimulatedDatabase(scenario, new Random(options.seed ?? 1));
  }

  async open(): Promise<void> {
    this.#startMs = this.#clock.now();
  }

  limits(): SinkLimits {
    return {};
  }

  bytesPerVector(dimension: number): number {
    return 4 * dimension;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const bytes = batch.vectors.byteLength;
    this.#inFlight++;
    try {
      const nowMs = this.#clock.now() - this.#startMs;
      const answer = this.#database.request(nowMs, batch.rows, bytes, this.#inFlight);
      await this.#clock.sleep(answer.latencyMs, signal);
      switch (answer.kind) {
        case 'ok':
          return { kind: 'ok', bytesSent: bytes };
        case 'shrink':
          return { ...answer, error: this.#refusal(`${batch.rows} records, ${bytes} bytes: too large`) };
        case 'backOff':
          return { ...answer, error: this.#refusal('too many requests') };
      }
    } catch (error) {
      return { kind: 'retry', error: toVectorBatchError(error, 'VBO_ERR_SINK', this.name) };
    } finally {
      this.#inFlight--;
    }
  }

  async count(): Promise<number> {
    return this.#database.stored;
  }

  async finish(): Promise<void> {}

  /** Nothing to remove: every sink simulates a database of its own. */
  async drop(): Promise<void> {}

  async close(): Promise<void> {}

  #refusal(message: string): VectorBatchError {
    return new VectorBatchError('VBO_ERR_SINK', `${this.name}: ${message}.`);
  }
}

/**
 * `sim://SCENARIO.json?seed=N`
 * @throws VBO_ERR_SCENARIO; VBO_ERR_FILE_NOT_FOUND
 */
export async function openSimSink(url: URL): Promise<SimSink> {
  const path = pathOfUrl(url);
  const text = await readFile(path, 'utf8').catch((error) => {
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot read the scenario ${path}`);
  });
  return new SimSink(`sim://${path}`, parseScenario(text, path), {
    seed: Number(url.searchParams.get('seed') ?? 1),
  });
}
