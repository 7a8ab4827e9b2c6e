import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALIGNMENT, Arena, type Span } from '../../src/kernels/arena.js';
import { SEED } from './support.js';

const memory = () => new WebAssembly.Memory({ initial: 2, maximum: 65_536, shared: true });

describe('the arena', () => {
  it('never lets spans overlap, aligns them, and is empty again when all are freed', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ allocate: fc.integer({ min: 0, max: 50_000 }) }),
        fc.record({ free: fc.nat({ max: 1000 }) }),
      ),
      { maxLength: 150 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const arena = new Arena(memory());
        const live: Span[] = [];
        for (const step of list) {
          if ('allocate' in step) live.push(arena.allocate(step.allocate));
          else if (live.length > 0) arena.free(live.splice(step.free % live.length, 1)[0]!);
          const sorted = [...live].sort((a, b) => a.pointer - b.pointer);
          for (const [k, span] of sorted.entries()) {
            expect(span.pointer % ALIGNMENT).toBe(0);
            expect(span.pointer).toBeGreaterThanOrEqual(65_536);
            const next = sorted[k + 1];
            if (next) expect(span.pointer + span.byteLength).toBeLessThanOrEqual(next.pointer);
            expect(span.pointer + span.byteLength).toBeLessThanOrEqual(arena.memory.buffer.byteLength);
          }
          expect(arena.usedBytes).toBe(live.reduce((sum, span) => sum + span.byteLength, 0));
        }
        for (const span of live) arena.free(span);
        expect(arena.usedBytes).toBe(0);
        // All merged: the next span starts at the floor again.
        expect(arena.allocate(1).pointer).toBe(65_536);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it('gives a freed hole to the next span that fits', () => {
    const arena = new Arena(memory());
    const first = arena.allocate(1000);
    arena.allocate(64);
    arena.free(first);
    expect(arena.allocate(500).pointer).toBe(first.pointer);
    expect(arena.allocate(400).pointer).toBe(first.pointer + 512);
  });

  it('grows the memory and keeps earlier bytes and views', () => {
    const arena = new Arena(memory());
    const span = arena.allocate(64);
    const view = arena.bytes(span.pointer, 64);
    view.fill(7);
    const large = arena.allocate(10_000_000);
    expect(arena.bytes(span.pointer, 64).every((byte) => byte === 7)).toBe(true);
    arena.bytes(large.pointer, 10_000_000)[9_999_999] = 1;
    view[0] = 8;
    expect(arena.bytes(span.pointer, 1)[0]).toBe(8);
  });

  it('refuses to pass its limit, names both sizes and stays usable', () => {
    const arena = new Arena(memory(), 1_000_000);
    expect(() => arena.allocate(2_000_000)).toThrowError(
      expect.objectContaining({ code: 'VBO_ERR_MEMORY', message: expect.stringContaining('1.07 MB') }),
    );
    expect(arena.usedBytes).toBe(0);
    expect(arena.allocate(900_000).byteLength).toBe(900_032);
  });

  it('remembers the most bytes that were ever handed out', () => {
    const arena = new Arena(memory());
    const span = arena.allocate(6400);
    arena.free(span);
    arena.allocate(64);
    expect(arena.peakBytes).toBe(6400);
    expect(arena.usedBytes).toBe(64);
  });
});
