import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingest } from '../../src/ingest/ingest.js';
import type { IngestReport } from '../../src/ingest/report.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { type FaultKind, FaultProxy, type Faults } from '../servers/fault-proxy.js';
import { EndlessSource, rateOf, WatchedSink } from './watched.js';

/** A database server behind the proxy. */
export interface FaultyServer {
  readonly address: string;
  /** Ends it and, after so long, starts it again with what it had stored. */
  restart(downMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface FaultSubject {
  start(): Promise<FaultyServer>;
  /** What a small request takes, as the proxy has it: much more than the server needs. */
  readonly serviceMs: number;
  /** Whether its own share of that is small enough for rates to be asserted; else they are only printed. */
  readonly hasSteadyRate: boolean;
  /** The URL of a collection at `HOST:PORT`. */
  url(address: string, collection: string): string;
  /** The ids of all that is stored, asked past the proxy. */
  ids(server: FaultyServer, collection: string): Promise<number[]>;
}

interface Fault {
  readonly name: string;
  readonly faults?: Faults;
  /** The server is killed, and started again after so long. */
  readonly downMs?: number;
  /** How long it lasts. */
  readonly ms?: number;
  /** What must have struck, or nothing has been shown. */
  readonly strikes: readonly FaultKind[];
}

const throttled = { share: 0.1, retryAfterSeconds: 1 };
const FAULTS: readonly Fault[] = [
  { name: 'latency x 20', faults: { latencyFactor: 20 }, ms: 5000, strikes: ['latencyFactor'] },
  { name: '10 % connection resets', faults: { reset: 0.1 }, ms: 3000, strikes: ['reset'] },
  { name: '10 % 503', faults: { unavailable: 0.1 }, ms: 3000, strikes: ['unavailable'] },
  { name: '10 % 429 with Retry-After', faults: { throttled }, ms: 3000, strikes: ['throttled'] },
  { name: '10 % half-written responses', faults: { halfAnswer: 0.1 }, ms: 3000, strikes: ['halfAnswer'] },
  {
    ...{ name: '10 % of the acknowledgements lost', ms: 3000, strikes: ['lostAcknowledgement'] },
    faults: { lostAcknowledgement: 0.1 },
  },
  { name: 'a server killed and restarted', downMs: 1500, strikes: ['unreachable'] },
  {
    name: 'most of these at once',
    faults: {
      ...{ latencyFactor: 2, reset: 0.1, unavailable: 0.1, throttled, halfAnswer: 0.1 },
      lostAcknowledgement: 0.1,
    },
    ...{ ms: 4000, strikes: ['reset', 'unavailable', 'halfAnswer', 'lostAcknowledgement'] },
  },
];
const TOO_LARGE: Fault = {
  ...{ name: '413 above 1 MB', faults: { maxBodyBytes: 1e6 }, ms: 3000, strikes: ['maxBodyBytes'] },
};

const DIMENSION = 24;
const MAX_CONCURRENCY = 8;
/** A controller that has not settled by then is judged by the best it has. */
const SETTLED = 250;
/** Batches that a rate is measured on. */
const WINDOW = 16;
/** Batches that may be acknowledged after a fault before the rate is back. */
const RECOVERY = 30;
const RECOVERED = 0.8;

/** A load that never ends by itself, through a proxy. */
class FaultyLoad {
  readonly source: EndlessSource;
  readonly #proxy: FaultProxy;
  readonly #sink: WatchedSink;
  readonly #loading: Promise<IngestReport>;
  #isOver = false;
  #isSettled = false;

  constructor(proxy: FaultProxy, sink: WatchedSink, payloadBytes: number) {
    this.#proxy = proxy;
    this.#sink = sink;
    this.source = new EndlessSource(DIMENSION, () => sink.rows, payloadBytes);
    this.#loading = ingest({ kernels: Kernels.shared() }, this.source, sink, {
      ...{ metric: 'l2', maxConcurrency: MAX_CONCURRENCY },
      onProgress: ({ reason }) => {
        this.#isSettled ||= reason.includes('holding');
      },
    });
    const end = () => {
      this.#isOver = true;
    };
    this.#loading.then(end, end);
  }

  /** Loads until the controller holds what it found best; the rate then. */
  async settle(): Promise<number> {
    await this.#until(() => this.#isSettled || this.#sink.acknowledgements.length > SETTLED);
    return this.#rate();
  }

  /** Goes through a fault; the rate after it. */
  async endure({ name, faults, ms = 0, downMs, strikes }: Fault, server: FaultyServer): Promise<number> {
    const struck = new Map(this.#proxy.struck);
    this.#proxy.inject(faults ?? {});
    await sleep(ms);
    if (downMs !== undefined) await server.restart(downMs);
    this.#proxy.heal();
    const rate = await this.#rate();
    for (const kind of strikes) {
      expect(this.#proxy.struck.get(kind), `${name}: ${kind}`).toBeGreaterThan(struck.get(kind) ?? 0);
    }
    return rate;
  }

  end(): Promise<IngestReport> {
    this.source.end();
    return this.#loading;
  }

  /** The best rate of any {@link WINDOW} that begins {@link RECOVERY} batches from now or sooner. */
  async #rate(): Promise<number> {
    const { acknowledgements } = this.#sink;
    const first = acknowledgements.length;
    await this.#until(() => acknowledgements.length > first + RECOVERY + WINDOW);
    const windows = Array.from({ length: RECOVERY }, (_, i) =>
      acknowledgements.slice(first + i, first + i + WINDOW + 1),
    );
    return Math.max(...windows.map(rateOf));
  }

  async #until(reached: () => boolean): Promise<void> {
    while (!this.#isOver && !reached()) await sleep(5);
    // A load that has failed says why.
    if (this.#isOver) await this.#loading;
  }
}

/** Loads through every fault; `FAULT_RATES=1` prints the shares of the rate that came back. */
export function describeFaults(name: string, subject: FaultSubject): void {
  describe(`${name} behind a proxy that goes wrong`, () => {
    let server: FaultyServer;

    beforeAll(async () => {
      server = await subject.start();
    });
    afterAll(() => server?.close());

    // What a request costs is known, and much more than the server itself needs: so rates say something.
    const cases = [
      {
        what: 'every passing fault',
        faults: FAULTS,
        payloadBytes: 0,
        maxRows: 8,
        serviceMs: () => subject.serviceMs,
      },
      {
        ...{ what: 'a limit that comes up', faults: [TOO_LARGE], payloadBytes: 12_000, maxRows: 120 },
        serviceMs: (byteLength: number) => 20 + byteLength / 5000,
      },
    ];
    for (const { what, faults, payloadBytes, maxRows, serviceMs } of cases) {
      const rates = subject.hasSteadyRate ? ', and is back above 80 % of its rate within 30 batches' : '';
      it(`stores every vector once through ${what}${rates}`, async () => {
        const collection = `faults-${process.pid}-${maxRows}`;
        const proxy = await FaultProxy.start({ upstream: server.address, seed: 7, serviceMs });
        const sink = new WatchedSink(await openSink(subject.url(proxy.address, collection)), maxRows);
        const load = new FaultyLoad(proxy, sink, payloadBytes);
        const rate = await load.settle();
        const shares: [string, number][] = [];
        let before = rate;
        for (const fault of faults) {
          const after = await load.endure(fault, server);
          shares.push([fault.name, after / before]);
          // No fault profits from what an earlier one has spoilt.
          before = Math.max(rate, after);
        }
        const report = await load.end();
        await proxy.close();

        const { rows } = load.source;
        expect(report).toMatchObject({ acknowledged: rows, rejected: 0, reconciled: true });
        const ids = await subject.ids(server, collection);
        expect(ids.length).toBe(rows);
        expect(new Set(ids)).toEqual(new Set(Array.from({ length: rows }, (_, id) => id)));
        if (process.env.FAULT_RATES) console.log(`${name}, ${rate.toFixed(0)} vectors/s:`, shares);
        if (!subject.hasSteadyRate) return;
        for (const [fault, share] of shares) expect(share, fault).toBeGreaterThan(RECOVERED);
      }, 240_000);
    }
  });
}
