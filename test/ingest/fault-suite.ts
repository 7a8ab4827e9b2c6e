import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { IngestReport } from '../../src/ingest/report.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { FaultProxy } from '../servers/fault-proxy.js';
import type { FaultKind, FaultProxyOptions, Faults, FaultyProxy } from '../servers/faults.js';
import { EndlessSource, rateOf, WatchedSink, worthInFlight } from './watched.js';

/** A database server behind the proxy. */
export interface FaultyServer {
  readonly address: string;
  /** Ends it and, after so long, starts it again with what it had stored. */
  restart(downMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface FaultSubject {
  start(): Promise<FaultyServer>;
  /** A proxy for its protocol, if that is not HTTP: then nothing is asked of it that HTTP alone knows. */
  readonly startProxy?: (options: FaultProxyOptions) => Promise<FaultyProxy>;
  /** What a small request takes, as the proxy has it: much more than the server needs. */
  readonly serviceMs: number;
  /** Whether its own share of that is small enough for rates to be asserted, beside what is in flight. */
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
    ...{ ms: 4000, strikes: ['latencyFactor'] },
  },
];
/** What other protocols have no answer for. */
const isOfHttp = (kind: string): boolean => ['unavailable', 'throttled', 'maxBodyBytes'].includes(kind);

/** At most 1 MB, and less than what is sent by then: a noisy search may have settled on less. */
const tooLarge = (bodyBytes: number): Fault => ({
  ...{ name: '413 above 1 MB', ms: 3000, strikes: ['maxBodyBytes'] },
  faults: { maxBodyBytes: Math.min(1e6, 0.9 * bodyBytes) },
});

/** Requests that nobody waits for any more when the server sees them. */
const LATE: Fault = {
  ...{ name: '20 % of the writes long after their time-out', ms: 2000, strikes: [] },
  faults: { late: { share: 0.2, ms: 8000 } },
};
/** The shortest time-out, 30 s, passes in half a second. */
const HASTE = 60;
const hastyClock: Clock = {
  now: () => HASTE * performance.now(),
  sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal),
};

const DIMENSION = 24;
/** Batches that a level is measured on. */
const WINDOW = 16;
/** Batches that may be acknowledged after a fault before the level is back. */
const RECOVERY = 30;
const RECOVERED = 0.8;
/** A level that is back so far need not be measured longer. */
const ENOUGH = 0.9;
/** What the load does before the faults is measured again until it grows by less, but not for ever. */
const STEADY = 1.05;
const MOST_MEASURED = 6;

/** What a load achieves. */
interface Level {
  /** Vectors per second. */
  readonly rate: number;
  /**
   * The controller's part of it. By Little's law a rate is what is in flight over the latency: this is the rate, in
   * vectors per second, that the requests in flight amount to if each takes as long as the proxy has it, whatever
   * the server and the machine add.
   */
  readonly inFlight: number;
}

const higher = (a: Level, b: Level): Level => ({
  rate: Math.max(a.rate, b.rate),
  inFlight: Math.max(a.inFlight, b.inFlight),
});

/** A load that never ends by itself, through a proxy. */
class FaultyLoad {
  readonly source: EndlessSource;
  readonly #proxy: FaultyProxy;
  readonly #sink: WatchedSink;
  readonly #loading: Promise<IngestReport>;
  #isOver = false;
  #isSettled = false;

  constructor(
    proxy: FaultyProxy,
    sink: WatchedSink,
    { dimension = DIMENSION, maxConcurrency = 8, clock = systemClock as Clock } = {},
  ) {
    this.#proxy = proxy;
    this.#sink = sink;
    this.source = new EndlessSource(dimension, () => sink.rows);
    this.#loading = ingest({ kernels: Kernels.shared() }, this.source, sink, {
      ...{ metric: 'l2', maxConcurrency, clock },
      onProgress: ({ reason }) => {
        this.#isSettled ||= reason.includes('holding');
      },
    });
    const end = () => {
      this.#isOver = true;
    };
    this.#loading.then(end, end);
  }

  /**
   * Loads until the controller holds what it found best, and nothing grows any more; the level then.
   * @param patience batches: a controller that has not settled by then is judged by the best it has
   */
  async settle(patience: number): Promise<Level> {
    await this.#until(() => this.#isSettled || this.#sink.acknowledgements.length > patience);
    let level = await this.#level(WINDOW);
    for (let measured = 1; measured < MOST_MEASURED; measured++) {
      const before = level;
      level = higher(before, await this.#level(WINDOW));
      if (level.inFlight < STEADY * before.inFlight) break;
    }
    return level;
  }

  /** Goes through a fault; the level after it. */
  async endure(fault: Fault, server: FaultyServer, before?: Level): Promise<Level> {
    const { name, faults, ms = 0, downMs, strikes } = fault;
    const struck = new Map(this.#proxy.struck);
    this.#proxy.inject(faults ?? {});
    await sleep(ms);
    if (downMs !== undefined) await server.restart(downMs);
    this.#proxy.heal();
    const level = await this.#level(RECOVERY, before);
    for (const kind of strikes) {
      expect(this.#proxy.struck.get(kind), `${name}: ${kind}`).toBeGreaterThan(struck.get(kind) ?? 0);
    }
    return level;
  }

  end(): Promise<IngestReport> {
    this.source.end();
    return this.#loading;
  }

  /** The best of any {@link WINDOW} that begins with one of the next so many batches; no further once it is nearly `enough`. */
  async #level(starts: number, enough?: Level): Promise<Level> {
    const { acknowledgements } = this.#sink;
    const first = acknowledgements.length;
    let level: Level = { rate: 0, inFlight: 0 };
    for (let start = first; start < first + starts; start++) {
      await this.#until(() => acknowledgements.length > start + WINDOW);
      const window = acknowledgements.slice(start, start + WINDOW + 1);
      level = higher(level, { rate: rateOf(window), inFlight: worthInFlight(window) });
      if (enough && level.rate >= ENOUGH * enough.rate && level.inFlight >= ENOUGH * enough.inFlight) break;
    }
    return level;
  }

  async #until(reached: () => boolean): Promise<void> {
    while (!this.#isOver && !reached()) await sleep(5);
    // A load that has failed says why.
    if (this.#isOver) await this.#loading;
  }
}

/** Loads through every fault; `FAULT_RATES=1` prints the shares of the level that came back. */
export function describeFaults(name: string, subject: FaultSubject): void {
  describe(`${name} behind a proxy that goes wrong`, () => {
    let server: FaultyServer;

    beforeAll(async () => {
      server = await subject.start();
    });
    afterAll(() => server?.close());

    /** Ends the load: everything must be stored, once. */
    async function checkExact(load: FaultyLoad, proxy: FaultyProxy, collection: string): Promise<void> {
      const report = await load.end();
      await proxy.settle();
      await proxy.close();
      const { rows } = load.source;
      expect(report).toMatchObject({ acknowledged: rows, rejected: 0, reconciled: true });
      const ids = await subject.ids(server, collection);
      expect(ids.length).toBe(rows);
      expect(new Set(ids)).toEqual(new Set(Array.from({ length: rows }, (_, id) => id)));
    }

    const { startProxy = FaultProxy.start } = subject;
    const isHttp = subject.startProxy === undefined;
    // What a request costs is known, and much more than the server itself needs: so rates say something.
    const cases = [
      {
        what: 'every passing fault',
        faults: FAULTS.filter(({ faults = {} }) => isHttp || !Object.keys(faults).some(isOfHttp)),
        ...{ dimension: DIMENSION, maxRows: 8 },
        ...{ maxConcurrency: 8, patience: 400, serviceMs: () => subject.serviceMs },
      },
      {
        ...{ what: 'a limit that comes up', faults: [tooLarge], dimension: 4096, maxRows: 50 },
        // The size alone is to be judged: more of such requests at once are more than a busy machine can carry.
        ...{ maxConcurrency: 1, patience: 80 },
        serviceMs: (byteLength: number) => 10 + byteLength / 5000,
      },
    ];
    const back = subject.hasSteadyRate ? 'its rate, and what is in flight, are' : 'what is in flight is';
    for (const { what, faults, dimension, maxRows, maxConcurrency, patience, serviceMs } of isHttp
      ? cases
      : cases.slice(0, 1)) {
      it(`stores every vector once through ${what}, and ${back} back above 80 % within 30 batches`, async () => {
        const collection = `faults-${process.pid}-${maxRows}`;
        let bodyBytes = 0;
        const proxy = await startProxy({
          ...{ upstream: server.address, seed: 7 },
          serviceMs: (byteLength) => {
            bodyBytes = byteLength;
            return serviceMs(byteLength);
          },
        });
        const upstream = await openSink(subject.url(proxy.address, collection));
        const rowBytes = upstream.bytesPerVector(dimension);
        const worth = (rows: number) => (1000 * rows) / serviceMs(rows * rowBytes);
        const sink = new WatchedSink(upstream, maxRows, worth);
        const load = new FaultyLoad(proxy, sink, { dimension, maxConcurrency });
        const level = await load.settle(patience);
        const shares: { fault: string; rate: number; inFlight: number }[] = [];
        let before = level;
        for (const given of faults) {
          const fault = typeof given === 'function' ? given(bodyBytes) : given;
          const after = await load.endure(
            fault,
            server,
            subject.hasSteadyRate ? before : { ...before, rate: 0 },
          );
          shares.push({
            fault: fault.name,
            rate: after.rate / before.rate,
            inFlight: after.inFlight / before.inFlight,
          });
          // No fault profits from what an earlier one has spoilt.
          before = higher(level, after);
        }
        await checkExact(load, proxy, collection);
        if (process.env.FAULT_RATES) console.log(name, level, shares);
        for (const { fault, rate, inFlight } of shares) {
          expect(inFlight, `${fault}: in flight`).toBeGreaterThan(RECOVERED);
          if (subject.hasSteadyRate) expect(rate, `${fault}: rate`).toBeGreaterThan(RECOVERED);
        }
      }, 180_000);
    }

    it.skipIf(!isHttp)(
      'stores every vector once where writes land after those that replaced them',
      async () => {
        const collection = `late-${process.pid}`;
        const proxy = await FaultProxy.start({ upstream: server.address, seed: 7, serviceMs: () => 20 });
        const sink = new WatchedSink(await openSink(subject.url(proxy.address, collection)), 8);
        const load = new FaultyLoad(proxy, sink, { clock: hastyClock });
        await load.settle(0);
        await load.endure(LATE, server);
        await checkExact(load, proxy, collection);
        expect(proxy.struck.get('late')).toBeGreaterThan(0);
      },
      60_000,
    );

    it.skipIf(!isHttp)(
      'is reconciled although the final count is first refused, then broken off',
      async () => {
        const collection = `count-${process.pid}`;
        const concerns = ({ path }: { path: string }) => path.endsWith('/count');
        const proxy = await FaultProxy.start({ upstream: server.address, concerns });
        const sink = new WatchedSink(await openSink(subject.url(proxy.address, collection)), 8);
        const load = new FaultyLoad(proxy, sink);
        await load.settle(0);
        for (const kind of ['unavailable', 'reset'] as const) {
          proxy.inject({ [kind]: 1 });
          void load.end().catch(() => {});
          await vi.waitFor(() => expect(proxy.struck.get(kind)).toBeGreaterThan(0), { timeout: 20_000 });
        }
        proxy.heal();
        await checkExact(load, proxy, collection);
      },
      60_000,
    );
  });
}
