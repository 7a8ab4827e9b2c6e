import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { BatchExecutionRecord } from '../../src/core/types.js';
import { latencyMs, vectorsPerSecond } from '../../src/model/cost.js';
import { expectAccessible, hasChromium, launch, openPage, type Service, serve } from './support.js';

const DIMENSION = 256;
/** A database four times as slow as its profile says, and best at another setting. */
const TRUTH = { fixedMs: 30, perVectorMs: 0.2, superLinearMs: 0.01, sigma: 0.2, kappa: 0.01 };

/** What it measures at many settings, scattered by 5 %. */
function measurements(): BatchExecutionRecord[] {
  const random = new Random(5);
  return [16, 64, 256, 1024, 4096].flatMap((batch_size) =>
    [1, 2, 4, 8].map((concurrency) => {
      const scatter = Math.exp(0.05 * random.normal());
      const setting = { batchSize: batch_size, concurrency };
      return {
        database_type: 'pgvector',
        vector_dimension: DIMENSION,
        batch_size,
        concurrency,
        item_count: 100_000,
        throughput_vps: vectorsPerSecond(TRUTH, setting) * scatter,
        batch_p50_ms: latencyMs(TRUTH, setting) / scatter,
        success: true,
      };
    }),
  );
}

describe.skipIf(!hasChromium)('what was learnt', () => {
  let browser: Browser;
  let service: Service;
  const records = measurements();
  beforeAll(async () => {
    [browser, service] = await Promise.all([launch(), serve()]);
  });
  afterAll(async () => {
    await browser.close();
    await service[Symbol.asyncDispose]();
  });

  const post = async (url: string, payload: object) => {
    const answer = await service.app.inject({ method: 'POST', url: `/api/v1${url}`, payload });
    expect(answer.statusCode).toBe(200);
    return answer.json();
  };

  it('is nothing at first, and the page says so', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#history`);
    await page.waitForFunction(() =>
      document.getElementById('history')?.textContent?.includes('No records yet'),
    );
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is held against what was measured, in every theme and width', async () => {
    await post('/history', { records });
    await post('/batch-optimization/train', { records });
    for (const options of [{}, { colorScheme: 'dark' }, { viewport: { width: 375, height: 812 } }] as const) {
      const { page, complaints } = await openPage(browser, options);
      await page.goto(`${service.url}/#history`);
      await page.waitForSelector('#history svg circle');
      const [cells] = await page.$$eval('#history table', (tables) =>
        tables.map((table) => [...table.querySelectorAll('tbody td')].map((cell) => cell.textContent)),
      );
      expect([cells![0], cells![3], cells![4]]).toEqual(['pgvector, 256 dimensions', '20', '20']);
      const [now, withoutRecords] = cells!.slice(1, 3).map((text) => Number.parseInt(text!, 10));
      expect(withoutRecords).toBeGreaterThan(2 * now!);
      await expectAccessible(page);
      expect(complaints).toEqual([]);
      await page.close();
    }
  });

  it('changes the page’s recommendation as it changes the service’s', async () => {
    const answer = await post('/batch-optimization/calculate-size', {
      item_count: 1_000_000,
      vector_dimension: DIMENSION,
      database_type: 'pgvector',
      system_resources: { available_memory: 8192, cpu_cores: 4, io_bandwidth: 1000 },
    });
    expect(answer.model.records).toBe(records.length);
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#explore?database=pgvector&dimension=${DIMENSION}`);
    await page.waitForFunction(
      (text) => document.getElementById('explanation')?.textContent === text,
      answer.explanation,
    );
    expect(complaints).toEqual([]);
    await page.close();
  });
});
