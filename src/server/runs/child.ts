import { toVectorBatchError } from '../../core/errors.js';
import type { BatchExecutionRecord } from '../../core/types.js';
import { toWire } from '../../core/wire.js';
import { openSink } from '../../sinks/index.js';
import { openSource } from '../../sources/index.js';
import { VectorBatchOptimizer } from '../../vector-batch-optimizer.js';
import type { RunProgress } from '../schemas/runs.js';
import type { FromRun, RunReport, RunTask, ToRun } from './protocol.js';

// A run's own process: a load takes no time from the service's event loop, and a database driver that crashes takes
// nothing down but the load. Ctrl-C in the service's terminal reaches this process too; the service decides.
process.on('SIGINT', () => {});

const stop = new AbortController();
const tell = (message: FromRun): void => void process.send?.(message);
const tellLast = (message: FromRun): Promise<void> =>
  new Promise((resolve) => {
    if (!process.connected) resolve();
    else process.send?.(message, () => resolve());
  });

process.on('message', (message: ToRun) => {
  if (message.type === 'cancel') stop.abort();
  else void run(message.task);
});
process.on('SIGTERM', () => stop.abort());
// The service is gone: the load ends at a batch boundary, with its ledger.
process.on('disconnect', () => stop.abort());

async function run({ history, ...task }: RunTask): Promise<void> {
  const optimizer = await VectorBatchOptimizer.create({
    threads: 0,
    ...(history === undefined ? {} : { history }),
  }).catch(fail);
  if (!optimizer) process.exit();
  try {
    const report = await (task.kind === 'ingest' ? ingest(optimizer, task) : tune(optimizer, task));
    await tellLast({ type: 'completed', report: toWire(report) as RunReport });
  } catch (error) {
    await fail(error);
  }
  await optimizer.close();
  // A driver's open handles are not waited for.
  process.exit();
}

async function fail(thrown: unknown): Promise<undefined> {
  const error = toVectorBatchError(thrown, 'VBO_ERR_INTERNAL', 'The run failed');
  const report = (error.details.report ?? null) as RunReport | null;
  await tellLast({
    ...{ type: 'failed', code: error.code, message: error.message },
    report: report && (toWire(report) as RunReport),
  });
}

/** Sent on where no file takes the records. */
const onRecord = (record: BatchExecutionRecord): void =>
  tell({ type: 'record', record: { ...record, ts: record.ts ?? Date.now() } });

async function ingest(optimizer: VectorBatchOptimizer, task: RunTask & { kind: 'ingest' }) {
  const { kind: _, source: path, sink: url, ...options } = task;
  const sink = await openSink(url);
  const source = await openSource(path);
  return optimizer.ingest(source, sink, {
    ...options,
    signal: stop.signal,
    ...(optimizer.history ? {} : { onRecord }),
    onProgress: (progress) => {
      const { acknowledged, rejected, resumedFrom, batches, latencyMs } = progress;
      tell({
        type: 'progress',
        progress: {
          done: acknowledged + rejected + resumedFrom,
          total: progress.total ?? null,
          rejected,
          batches,
          retries: progress.retries,
          failures: progress.failures,
          resumed_from: resumedFrom,
          vectors_per_second: progress.vectorsPerSecond,
          ...(batches > 0 ? { latency_ms: latencyMs } : {}),
          setting: wireSetting(progress.setting),
          reason: progress.reason,
          elapsed_ms: progress.elapsedMs,
          eta_ms: progress.etaMs,
        },
      });
    },
  });
}

async function tune(optimizer: VectorBatchOptimizer, task: RunTask & { kind: 'tune' }) {
  const { kind: _, sink, source: path, ...options } = task;
  const source = path === undefined ? undefined : await openSource(path);
  try {
    return await optimizer.tune(sink, {
      ...options,
      ...(source ? { source } : {}),
      signal: stop.signal,
      ...(optimizer.history ? {} : { onRecord }),
      onProgress: ({ done, total, setting, elapsedMs, etaMs }) =>
        tell({
          type: 'progress',
          progress: { done, total, setting: wireSetting(setting), elapsed_ms: elapsedMs, eta_ms: etaMs },
        }),
    });
  } finally {
    await source?.close?.();
  }
}

const wireSetting = (setting: { batchSize: number; concurrency: number }): RunProgress['setting'] => ({
  batch_size: setting.batchSize,
  concurrency: setting.concurrency,
});
