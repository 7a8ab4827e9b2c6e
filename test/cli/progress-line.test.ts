import { expect, it } from 'vitest';
import { LoadText } from '../../src/cli/progress-line.js';
import { VirtualClock } from '../../src/control/virtual-clock.js';
import { silentLogger } from '../../src/core/logger.js';
import { accept, error, load, TestSink, TestSource } from '../ingest/support.js';

it('a load’s line says what is tried again and why, from the first failure until requests succeed again', async () => {
  const clock = new VirtualClock();
  const text = new LoadText();
  const lines: string[] = [];
  const sink = new TestSink(clock, async (batch, _, request) => {
    await clock.sleep(120);
    if (request === 0 || (request > 3 && request < 7)) {
      return { kind: 'retry', error: error('connect ECONNREFUSED\n 127.0.0.1:6333') };
    }
    return accept(batch);
  });
  await load(clock, new TestSource({ rows: 1000, count: 1000 }), sink, {
    fixed: { batchSize: 100, concurrency: 1 },
    logger: {
      ...silentLogger,
      warn: ({ attempt = 1 }: { attempt?: number }, message) => {
        text.retry(attempt, message);
        lines.push(String(text));
      },
    },
    onProgress: (progress) => {
      text.report(progress);
      lines.push(String(text));
    },
  });
  const why = 'failed: connect ECONNREFUSED 127.0.0.1:6333';
  expect(lines[0]).toBe(`attempt 1 ${why}`);
  // The same is reported again while nothing happens.
  const again = new Set(lines.filter((line) => line.startsWith('30 %  300 / 1,000')));
  expect([...again]).toEqual([1, 2, 3].map((attempt) => `30 %  300 / 1,000  attempt ${attempt} ${why}`));
  expect(lines.at(-1)).toMatch(/^█{24} 100 % {2}1,000 \/ 1,000 {2}[\d,]+\/s {2}ETA 0\.00 ms {2}100 x 1$/);
});
