import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { VectorBatchError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import {
  type ExecuteOptions,
  type ExecuteResult,
  execute,
  type Operation,
} from '../../src/ingest/execute.js';
import { failureOf } from '../../src/ingest/failure.js';
import { FAILING_LISTENERS } from './support.js';

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const httpError = (status: number, headers = {}) =>
  Object.assign(new Error(`HTTP ${status}`), { status, headers });

/** Runs on virtual time; a failure comes back with the result so far. */
async function run<T, R>(
  items: T[],
  operation: (clock: VirtualClock) => Operation<T, R>,
  options: ExecuteOptions<T> = {},
): Promise<{ result: ExecuteResult<T, R>; error?: VectorBatchError }> {
  const clock = new VirtualClock();
  try {
    return { result: await clock.run(execute(items, operation(clock), { clock, ...options })) };
  } catch (thrown) {
    if (!(thrown instanceof VectorBatchError) || !thrown.details.result) throw thrown;
    return { result: thrown.details.result as ExecuteResult<T, R>, error: thrown };
  }
}

describe('execute', () => {
  it('returns one result per item in their order, and finds a better batch than it began with', async () => {
    const sizes: number[] = [];
    const { result } = await run(numbers(50_000), (clock) => async (batch) => {
      sizes.push(batch.length);
      await clock.sleep(10 + 0.01 * batch.length);
      return batch.map((n) => n * 2);
    });
    expect(result.results).toEqual(numbers(50_000).map((n) => n * 2));
    expect(result.failures).toEqual([]);
    expect(sizes[0]).toBe(16);
    expect(result.best.batchSize).toBeGreaterThan(200);
    expect(result.settings.length).toBeGreaterThan(3);
  });

  it('whatever happens each item is done once or named with its failure, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer(),
          count: fc.integer({ min: 0, max: 800 }),
          bad: fc.double({ min: 0, max: 0.05, noNaN: true }),
          trouble: fc.double({ min: 0, max: 0.4, noNaN: true }),
          maxItems: fc.integer({ min: 1, max: 200 }),
          weighs: fc.boolean(),
        }),
        async ({ seed, count, bad, trouble, maxItems, weighs }) => {
          const random = new Random(seed);
          const culprits = new Set(numbers(count).filter(() => random.next() < bad));
          const weight = (n: number) => (n % 7) + 1;
          const done = new Map<number, number>();
          const { result, error } = await run(
            numbers(count),
            (clock) => async (batch) => {
              await clock.sleep(random.next() * 10);
              if (weighs && batch.length > 1) {
                expect(batch.reduce((sum, n) => sum + weight(n), 0)).toBeLessThanOrEqual(60);
              }
              if (batch.length > maxItems) throw httpError(413);
              if (random.next() < trouble) throw httpError([429, 500, 408][random.integer(3)]!);
              if (batch.some((n) => culprits.has(n))) throw httpError(422);
              for (const n of batch) done.set(n, (done.get(n) ?? 0) + 1);
              return batch.map((n) => `r${n}`);
            },
            { maxAttempts: 100, ...(weighs ? { weight, maxWeight: 60 } : {}) },
          );
          expect(error).toBeUndefined();
          expect(result.failures.map(({ index }) => index)).toEqual([...culprits]);
          expect(result.results).toEqual(numbers(count).map((n) => (culprits.has(n) ? undefined : `r${n}`)));
          expect([...done.values()].every((times) => times === 1)).toBe(true);
        },
      ),
      { seed: 77, numRuns: 60 },
    );
  });

  it('lets an item that is too heavy alone go alone', async () => {
    const seen: number[][] = [];
    const { result } = await run(
      [3, 3, 99, 3, 3],
      () => async (batch) => {
        seen.push([...batch]);
      },
      { weight: (n) => n, maxWeight: 6, fixed: { batchSize: 10, concurrency: 1 } },
    );
    expect(seen).toEqual([[3, 3], [99], [3, 3]]);
    expect(result.results).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it('waits as long as a 429 asks, and counts attempts', async () => {
    const attempts: number[] = [];
    const { result } = await run([1], () => async (batch, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw httpError(429, { 'retry-after': '7' });
      return batch;
    });
    expect(attempts).toEqual([1, 2, 3]);
    expect(result.seconds).toBeCloseTo(14, 1);
    expect(result.retries).toBe(2);
  });

  it('asks again where an answer is half written or a page of HTML', async () => {
    const bodies = ['<html>Bad gateway</html>', '[0, 1', '[0, 1, 2]'];
    const { result } = await run(numbers(3), () => async () => new Response(bodies.shift()).json());
    expect(result).toMatchObject({ results: [0, 1, 2], retries: 2 });
  });

  it('stops at once at a fatal error or a mistake in the program, with the results so far', async () => {
    for (const failure of [httpError(401), new TypeError('x is undefined')]) {
      let calls = 0;
      const { result, error } = await run(
        numbers(100),
        () => async (batch) => {
          if (++calls === 4) throw failure;
          return batch;
        },
        { fixed: { batchSize: 10, concurrency: 1 } },
      );
      expect(error?.message).toContain(failure.message);
      expect(calls).toBe(4);
      expect(result.results.filter((r) => r !== undefined)).toEqual(numbers(30));
    }
  });

  it('refuses an operation that loses count', async () => {
    const { error } = await run(numbers(10), () => async () => [1, 2, 3]);
    expect(error).toMatchObject({
      code: 'VBO_ERR_ARGUMENT',
      message: expect.stringMatching(/array of 3 for 10/),
    });
  });

  it('ends when it is aborted; what is under way is finished', async () => {
    const abort = new AbortController();
    const { result, error } = await run(
      numbers(10_000),
      (clock) => async (batch) => {
        await clock.sleep(5);
        return batch;
      },
      { signal: abort.signal, onProgress: ({ done }) => done > 500 && abort.abort() },
    );
    expect(error?.code).toBe('VBO_ERR_ABORTED');
    const done = result.results.filter((r) => r !== undefined).length;
    expect(done).toBeGreaterThan(500);
    expect(done).toBeLessThan(10_000);
  });

  it.each(FAILING_LISTENERS)('ends with the error of a listener that %s', async (_, onProgress) => {
    const { result, error } = await run(
      numbers(10_000),
      (clock) => async (batch) => {
        await clock.sleep(5);
        return batch;
      },
      { onProgress },
    );
    expect(error?.message).toBe('onProgress failed: no such element');
    expect(result.results.filter((r) => r !== undefined).length).toBeLessThan(10_000);
  });

  it('believes a caller who knows better', async () => {
    const { result } = await run(
      numbers(8),
      () => async (batch) => {
        if (batch.includes(5)) throw new Error('no such thing as 5');
        return batch;
      },
      { classify: () => ({ kind: 'permanent' }) },
    );
    expect(result.failures).toMatchObject([
      { index: 5, item: 5, error: { message: 'operation: no such thing as 5' } },
    ]);
  });

  it('gives an operation that hangs its signal', async () => {
    const { result } = await run([1], () => async (batch, { signal, attempt }) => {
      if (attempt === 1) {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
      return batch;
    });
    expect(result.results).toEqual([1]);
    expect(result.seconds).toBeGreaterThanOrEqual(30);
  });
});

describe('what a thrown error means', () => {
  it.each([
    [httpError(413), 'shrink'],
    [httpError(429), 'backOff'],
    [httpError(503), 'backOff'],
    [httpError(500), 'retry'],
    [httpError(502), 'retry'],
    [httpError(408), 'retry'],
    [httpError(401), 'fatal'],
    [httpError(404), 'fatal'],
    [httpError(400), 'permanent'],
    [httpError(422), 'permanent'],
    [Object.assign(new Error('x'), { statusCode: 429 }), 'backOff'],
    [Object.assign(new Error('x'), { response: { status: 400 } }), 'permanent'],
    [Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'retry'],
    [new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) }), 'retry'],
    [new TypeError('not a function'), 'fatal'],
    [new ReferenceError('x is not defined'), 'fatal'],
    [new SyntaxError('Unexpected token < in JSON at position 0'), 'retry'],
    [new VectorBatchError('VBO_ERR_ARGUMENT', 'x'), 'fatal'],
    [new Error('who knows'), 'retry'],
    ['a string', 'retry'],
    [null, 'retry'],
  ])('%s is %s', (thrown, kind) => {
    expect(failureOf(thrown, 'test').kind).toBe(kind);
  });

  it('Retry-After is read from plain and from fetch headers', () => {
    expect(failureOf(httpError(429, { 'retry-after': 2 }), 'x')).toMatchObject({ retryAfterMs: 2000 });
    const response = { status: 503, headers: new Headers({ 'Retry-After': '1.5' }) };
    expect(failureOf(Object.assign(new Error(), { response }), 'x')).toMatchObject({ retryAfterMs: 1500 });
    expect(
      failureOf(httpError(429, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }), 'x'),
    ).not.toHaveProperty('retryAfterMs');
  });
});
