import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '../../src/core/clock.js';
import { Random } from '../../src/core/random.js';
import type { Batch, Sink, SinkOpenOptions } from '../../src/ingest/ports.js';
import { openSink } from '../../src/sinks/index.js';

/** A signal that never aborts. */
export const signal = new AbortController().signal;

const HASTE = 20;
/** Time passes so many times as fast: the two minutes that a server is waited for are six seconds. */
export const hastyClock: Clock = {
  now: () => HASTE * performance.now(),
  sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal),
};

/** Rows of ids `first`, `first + 1`, ... and unit vectors, in shared memory and not at its start, as those of a load are. */
export function batch(first: number, rows: number, dimension: number, options: Partial<Batch> = {}): Batch {
  const random = new Random(first + 1);
  const vectors = new Float32Array(new SharedArrayBuffer(4 * rows * dimension + 64), 64, rows * dimension);
  for (let row = 0; row < rows; row++) {
    const vector = vectors.subarray(row * dimension, (row + 1) * dimension);
    for (let i = 0; i < dimension; i++) vector[i] = random.normal();
    const norm = Math.hypot(...vector);
    for (let i = 0; i < dimension; i++) vector[i]! /= norm;
  }
  const ids = Array.from({ length: rows }, (_, i) => first + i);
  return { sequence: first, rows, dimension, ids, vectors, ...options };
}

/** The bits of a row's vector: -0 and 0 are told apart, and nothing is rounded. */
export const bitsOf = ({ vectors, dimension }: Batch, row: number): Uint32Array =>
  new Uint32Array(vectors.slice(row * dimension, (row + 1) * dimension).buffer);

export async function opened(url: string, options: Partial<SinkOpenOptions> = {}): Promise<Sink> {
  const sink = await openSink(url);
  await sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false, ...options });
  return sink;
}

/** What `open()` of a sink fails with in a process where a package is not installed, as JSON. */
export async function openWithout(packageName: string, url: string): Promise<unknown> {
  const hooks = `export async function resolve(name, context, next) {
    if (name === ${JSON.stringify(packageName)} || name.startsWith(${JSON.stringify(`${packageName}/`)}))
      throw new Error("Cannot find package '" + name + "'");
    return next(name, context);
  }`;
  const hide = `import { register } from 'node:module';
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const main = `
    const { openSink } = await import('./src/sinks/index.ts');
    const sink = await openSink(${JSON.stringify(url)});
    await sink.open({ dimension: 4, metric: 'cosine', idType: 'number', hasPayloads: false })
      .catch((error) => console.log(JSON.stringify(error)));
  `;
  const hidden = `data:text/javascript,${encodeURIComponent(hide)}`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', '--import', hidden, '--input-type=module', '--eval', main],
  ]);
  return JSON.parse(stdout);
}
