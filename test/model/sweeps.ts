import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchExecutionRecord, Setting } from '../../src/core/types.js';

const DIRECTORY = join(import.meta.dirname, '../data/sweeps');

/** The measured sweeps, the files of a database-dimension pair pooled. */
export function loadSweeps(): Map<string, BatchExecutionRecord[]> {
  const sweeps = new Map<string, BatchExecutionRecord[]>();
  for (const file of readdirSync(DIRECTORY).sort()) {
    const name = file.replace(/(-ab|-rep)?\.jsonl$/, '');
    const lines = readFileSync(join(DIRECTORY, file), 'utf8').split('\n').filter(Boolean);
    const records = sweeps.get(name) ?? [];
    sweeps.set(name, [...records, ...lines.map((line) => JSON.parse(line) as BatchExecutionRecord)]);
  }
  return sweeps;
}

/**
 * What share of the best rate the measured cell nearest to `setting` reaches. The argmax of noisy cells is
 * not the truth, so rates are smoothed first: a Gaussian-kernel average of their logarithm in (log2 batch,
 * log2 concurrency) with a standard deviation of 0.7 in both.
 */
export function shareOfBest(records: readonly BatchExecutionRecord[], setting: Setting): number {
  const measured = records.filter((r) => r.success && r.batch_size * r.concurrency <= r.item_count!);
  const distance = (r: BatchExecutionRecord, batchSize: number, concurrency: number) =>
    Math.log2(r.batch_size / batchSize) ** 2 + Math.log2(r.concurrency / concurrency) ** 2;
  const surface = (batchSize: number, concurrency: number) => {
    let sum = 0;
    let total = 0;
    for (const r of measured) {
      const weight = Math.exp(-distance(r, batchSize, concurrency) / (2 * 0.7 ** 2));
      total += weight;
      sum += weight * Math.log(r.throughput_vps!);
    }
    return Math.exp(sum / total);
  };
  const best = Math.max(...measured.map((r) => surface(r.batch_size, r.concurrency)));
  const nearest = measured.reduce((a, b) =>
    distance(b, setting.batchSize, setting.concurrency) < distance(a, setting.batchSize, setting.concurrency)
      ? b
      : a,
  );
  return surface(nearest.batch_size, nearest.concurrency) / best;
}
