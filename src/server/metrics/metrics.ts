import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { Gate } from '../gate.js';
import type { Run } from '../runs/run.js';
import type { Runs } from '../runs/runs.js';
import { RUN_STATES } from '../schemas/runs.js';
import { DurationHistogram } from './duration-histogram.js';
import { gainOf } from './gain.js';
import { METRICS } from './names.js';

const KINDS = ['ingest', 'tune'] as const;

/** What the gauges are read from when somebody asks. */
export interface Sources {
  readonly optimizer: VectorBatchOptimizer;
  readonly gate: Gate;
  readonly runs: Runs;
  readonly auditLines: () => number;
}

/** Everything `/metrics` shows. Gauges are read when it is asked for; only histograms and counters cost anything before. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requestSeconds = new DurationHistogram(METRICS.requestSeconds);
  readonly #algorithmSeconds = new DurationHistogram(METRICS.algorithmSeconds);
  readonly #refusals: Counter<'code'>;
  readonly #internalErrors: Counter;
  readonly #runsEnded: Counter<'kind' | 'state'>;
  readonly #batches: Counter<'outcome'>;
  readonly #vectors: Counter<'outcome'>;
  readonly #gain: Gauge<'database'>;
  /** What of each run's progress has been counted already. */
  readonly #counted = new WeakMap<
    Run,
    { batches: number; failures: number; acknowledged: number; rejected: number }
  >();

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: 'vbo_' });
    const { refusals, internalErrors, runsEnded, batches, vectors, gain } = METRICS;
    this.#refusals = new Counter({ ...refusals, labelNames: ['code'], registers });
    this.#internalErrors = new Counter({ ...internalErrors, registers });
    this.#runsEnded = new Counter({ ...runsEnded, labelNames: ['kind', 'state'], registers });
    this.#batches = new Counter({ ...batches, labelNames: ['outcome'], registers });
    this.#vectors = new Counter({ ...vectors, labelNames: ['outcome'], registers });
    this.#gain = new Gauge({ ...gain, labelNames: ['database'], registers });
    // Shown as 0 from the start, so that an alert on their growth sees the first one.
    for (const kind of KINDS) {
      for (const state of RUN_STATES) if (state !== 'running') this.#runsEnded.inc({ kind, state }, 0);
    }
    for (const outcome of ['success', 'failure']) this.#batches.inc({ outcome }, 0);
    for (const outcome of ['acknowledged', 'rejected']) this.#vectors.inc({ outcome }, 0);
  }

  /** Registers the gauges that are read when somebody asks. */
  watch(sources: Sources): void {
    const { optimizer, gate, runs, auditLines } = sources;
    const gauge = (metric: { name: string; help: string }, read: () => number) =>
      new Gauge({
        ...metric,
        registers: [this.#registry],
        collect() {
          this.set(read());
        },
      });
    gauge(METRICS.poolThreads, () => optimizer.statistics().pool.threads);
    gauge(METRICS.poolQueued, () => optimizer.statistics().pool.queued);
    gauge(METRICS.poolUtilization, () => optimizer.statistics().pool.utilization);
    gauge(METRICS.memoryUsed, () => optimizer.statistics().memory.usedBytes);
    gauge(METRICS.memoryPeak, () => optimizer.statistics().memory.peakBytes);
    gauge(METRICS.memoryReserved, () => optimizer.statistics().memory.byteLength);
    gauge(METRICS.heavyActive, () => gate.active);
    gauge(METRICS.heavyQueued, () => gate.queued);
    new Counter({
      ...{ ...METRICS.auditLines, registers: [this.#registry] },
      collect() {
        this.reset();
        this.inc(auditLines());
      },
    });
    new Gauge({
      ...{ ...METRICS.modelError, labelNames: ['database', 'dimension'], registers: [this.#registry] },
      collect() {
        this.reset();
        for (const { database, fits } of optimizer.batchSize.modelState().databases) {
          for (const { dimension, medianAbsoluteRelativeError: error } of fits) {
            this.set({ database, dimension: String(dimension) }, error);
          }
        }
      },
    });
    this.#watchRuns(runs);
  }

  /** Counts the requests of one route. */
  route(method: string, route: string): (status: number, durationMs: number) => void {
    const byStatus = new Map<number, (durationMs: number) => void>();
    return (status, durationMs) => {
      let observe = byStatus.get(status);
      if (!observe) {
        observe = this.#requestSeconds.series({ method, route, status: String(status) });
        byStatus.set(status, observe);
      }
      observe(durationMs);
    };
  }

  /** Times a calculation. */
  algorithm(algorithm: string): (durationMs: number) => void {
    return this.#algorithmSeconds.series({ algorithm });
  }

  refused(code: string, status: number): void {
    this.#refusals.inc({ code });
    if (status === 500) this.#internalErrors.inc();
  }

  /** Adds what a run has done since it was last heard. */
  advanced(run: Run): void {
    const { kind } = run.facts;
    const { progress } = run;
    if (!progress || kind !== 'ingest') return;
    const { batches = 0, failures = 0, rejected = 0, resumed_from: resumedFrom = 0, done } = progress;
    const acknowledged = done - rejected - resumedFrom;
    const before = this.#counted.get(run) ?? { batches: 0, failures: 0, acknowledged: 0, rejected: 0 };
    this.#batches.inc({ outcome: 'success' }, batches - before.batches);
    this.#batches.inc({ outcome: 'failure' }, failures - before.failures);
    this.#vectors.inc({ outcome: 'acknowledged' }, acknowledged - before.acknowledged);
    this.#vectors.inc({ outcome: 'rejected' }, rejected - before.rejected);
    this.#counted.set(run, { batches, failures, acknowledged, rejected });
  }

  ended(run: Run): void {
    const { facts, state, report } = run;
    this.#runsEnded.inc({ kind: facts.kind, state });
    if (!report || state !== 'completed') return;
    const gain = gainOf(report);
    const database = facts.sink.split(':')[0]!;
    if (gain !== undefined) this.#gain.set({ database }, gain);
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    const others = await this.#registry.metrics();
    return [others, this.#requestSeconds.text(), this.#algorithmSeconds.text()].join('\n');
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #watchRuns(runs: Runs): void {
    const registers = [this.#registry];
    new Gauge({
      ...{ ...METRICS.runs, labelNames: ['kind'], registers },
      collect() {
        for (const kind of KINDS) {
          this.set({ kind }, runs.active().filter((run) => run.facts.kind === kind).length);
        }
      },
    });
    const perRun = (metric: { name: string; help: string }, read: (run: Run) => number | null | undefined) =>
      new Gauge({
        ...{ ...metric, labelNames: ['run'], registers },
        collect() {
          this.reset();
          for (const run of runs.active()) {
            const value = read(run);
            if (typeof value === 'number') this.set({ run: run.facts.id }, value);
          }
        },
      });
    perRun(METRICS.runBatchSize, ({ progress }) => progress?.setting.batch_size);
    perRun(METRICS.runConcurrency, ({ progress }) => progress?.setting.concurrency);
    perRun(METRICS.runRate, ({ progress }) => progress?.vectors_per_second);
    perRun(METRICS.runEta, ({ progress }) => progress?.eta_ms && progress.eta_ms / 1000);
    new Gauge({
      ...{ ...METRICS.runLatency, labelNames: ['run', 'quantile'], registers },
      collect() {
        this.reset();
        for (const { facts, progress } of runs.active()) {
          if (!progress?.latency_ms) continue;
          this.set({ run: facts.id, quantile: '0.5' }, progress.latency_ms.p50 / 1000);
          this.set({ run: facts.id, quantile: '0.95' }, progress.latency_ms.p95 / 1000);
        }
      },
    });
  }
}
