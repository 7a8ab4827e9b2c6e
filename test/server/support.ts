import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { npyHeader } from '../cli/vbo.js';

export const KEY = 'correct horse battery staple';
export const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex');
export const DIGEST = digestOf(KEY);

export const CALCULATE = '/api/v1/batch-optimization/calculate-size';
export const BODY = {
  item_count: 1_000_000,
  vector_dimension: 1536,
  database_type: 'qdrant',
  system_resources: { available_memory: 8192, cpu_cores: 4, io_bandwidth: 1000 },
};

export const tempFolder = (): string => mkdtempSync(join(tmpdir(), 'vbo-server-'));

/** Writes `rows` vectors of a few whole numbers each as .npy. */
export function writeNpy(path: string, rows: number, dimension: number): void {
  const values = Float32Array.from({ length: rows * dimension }, (_, i) => (i % 97) + 1);
  writeFileSync(path, Buffer.concat([npyHeader(rows, dimension), Buffer.from(values.buffer)]));
}

/** The value of a series in the text of `/metrics`; NaN where there is none. */
export const sampleOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  );

/** Asks until the answer is one to stop at. */
export async function until<T>(
  ask: () => Promise<T>,
  isDone: (answer: T) => boolean,
  timeoutMs = 50_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isDone(answer)) return answer;
    if (performance.now() > end)
      throw new Error(`Still not so after ${timeoutMs} ms: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The same, but for the digits of its numbers that answers in JSON leave out. */
export function closeTo(value: unknown): unknown {
  if (typeof value === 'number') return expect.closeTo(value, value >= 1 ? 2 : value >= 1e-3 ? 5 : 15);
  if (Array.isArray(value)) return value.map(closeTo);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, closeTo(inner)]));
}
