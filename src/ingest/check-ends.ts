import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Sink, Source } from './ports.js';

/**
 * For callers without types, who may pass the vectors or the URL themselves.
 * @throws VBO_ERR_ARGUMENT
 */
export function checkEnds(source: unknown, sink: unknown): void {
  const from = source as Partial<Source> | null | undefined;
  if (typeof from?.[Symbol.asyncIterator] !== 'function' || typeof from.dimension !== 'number') {
    refuse('source', source, 'a source, as openSource gives one');
  }
  const to = sink as Partial<Sink> | null | undefined;
  if (typeof to?.write !== 'function' || typeof to.open !== 'function') {
    refuse('sink', sink, 'a sink, as openSink gives one');
  }
}

function refuse(argument: string, value: unknown, expected: string): never {
  // A URL may hold a password.
  const kind = typeof value === 'string' ? 'text' : describe(value);
  throw new VectorBatchError('VBO_ERR_ARGUMENT', `${argument} is ${kind}; expected ${expected}.`, {
    details: { argument },
  });
}
