import { expect, it } from 'vitest';
import { TimeoutEstimator } from '../../src/control/timeout.js';
import { sampleOf } from './support.js';

it('a time-out is ten times the recent latency scaled to the size, at least 30 s, doubled with every attempt', () => {
  const timeouts = new TimeoutEstimator();
  expect(timeouts.timeoutMs(100, 1)).toBe(30_000);
  timeouts.observe(sampleOf({ rows: 100, endMs: 10 }));
  expect(timeouts.timeoutMs(100, 1)).toBe(30_000);
  expect(timeouts.timeoutMs(100, 3)).toBe(120_000);
  timeouts.observe(sampleOf({ rows: 100, endMs: 60_000, outcome: 'retry' }));
  for (let i = 0; i < 100; i++) timeouts.observe(sampleOf({ rows: 100, endMs: 5000 }));
  expect(timeouts.timeoutMs(100, 1)).toBeCloseTo(50_000, -1);
  expect(timeouts.timeoutMs(200, 1)).toBeCloseTo(100_000, -1);
  expect(timeouts.timeoutMs(50, 1)).toBeCloseTo(50_000, -1);
});
