import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { Clock, WallClock } from '../../src/core/clock.js';
import { systemClock } from '../../src/core/clock.js';
import type { Logger } from '../../src/core/logger.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';

/** A folder for one test, removed after it. */
export function scratchFolder(): { readonly path: string; file(name: string): string } {
  let path = '';
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'vbo-history-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    file: (name) => join(path, name),
  };
}

export const NOW = Date.UTC(2026, 5, 1);

/** The machine's clock, but for the time of day. */
export const clockAt = (unixMs: number): Clock & WallClock => ({ ...systemClock, unixMs: () => unixMs });

/** Keeps the warnings it is given. */
export function warningLogger(): Logger & { readonly warnings: string[] } {
  const warnings: string[] = [];
  const ignore = () => {};
  return {
    ...{ warnings, debug: ignore, info: ignore, error: ignore },
    warn: (_details, message) => void warnings.push(message),
  };
}

/** A measured cell; `n` makes it another one. */
export const recordAt = (n: number, change: Partial<BatchExecutionRecord> = {}): BatchExecutionRecord => ({
  ...{ database_type: 'qdrant', deployment: 'http', vector_dimension: 128, batch_size: 256, concurrency: 4 },
  ...{ item_count: 100_000, bytes_per_vector: 512, execution_time_ms: 1000 + n, throughput_vps: 50_000 + n },
  ...{
    batch_p50_ms: 12.5,
    batch_p95_ms: 20.25,
    peak_rss_mb: 200,
    success: true,
    error: null,
    ts: NOW - 1000 + n,
  },
  ...change,
});

export const recordsAt = (count: number): BatchExecutionRecord[] =>
  Array.from({ length: count }, (_, n) => recordAt(n));
