import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle, ROOT } from '../package/bundle.js';
import { BODY } from '../server/support.js';
import { hasChromium, launch, openPage, type Service, serve } from './support.js';

/** What a page does with the package: it asks the service that it comes from, and answers itself from the same model. */
const SCRIPT = `
  import { Client } from './client.js';
  import { CompactBlock, VectorBatchOptimizer } from './browser.js';
  const client = new Client();
  const body = ${JSON.stringify(BODY)};
  const there = await client.calculateSize(body);
  const optimizer = await VectorBatchOptimizer.create({
    kernels: new URL('./kernels.wasm', import.meta.url),
    model: (await client.model()).state,
  });
  const here = await optimizer.batchSize.calculateOptimalBatchSize({
    itemCount: body.item_count,
    vectorDimension: body.vector_dimension,
    databaseType: body.database_type,
    systemResources: {
      availableMemoryMb: body.system_resources.available_memory,
      cpuCores: body.system_resources.cpu_cores,
      ioBandwidthMbps: body.system_resources.io_bandwidth,
    },
  });
  const vectors = [[1, 0, 0], [0, 1, 0], [0, 0.9, 0.1]];
  const { data } = await client.optimizeLayout(vectors, { batchSize: 3, encoding: 'int8' });
  const found = CompactBlock.from(data).search([0, 1, 0], 2);
  const run = await client.startRun({ kind: 'tune', sink: 'null://', dimension: 4, budget_ms: 100 });
  let last;
  for await (const event of client.events(run.id)) last = event;
  globalThis.outcome = {
    health: (await client.health()).status,
    there: there.recommended_batch_size,
    here: here.recommendedBatchSize,
    ids: [...found.ids],
    last: [last.event, last.data.state],
  };`;

describe.skipIf(!hasChromium)('the package in a page', () => {
  let browser: Browser;
  let service: Service;
  beforeAll(async () => {
    [browser, service] = await Promise.all([launch(), serve(() => ({ VBO_ALLOWED_SINKS: 'null://' }))]);
  });
  afterAll(async () => {
    await browser.close();
    await service[Symbol.asyncDispose]();
  });

  it('asks the service of its origin, and answers as it does', async () => {
    const { page, complaints } = await openPage(browser);
    const files: Record<string, { contentType: string; body: string | Buffer }> = {
      '/page/': { contentType: 'text/html', body: '<script type="module" src="main.js"></script>' },
      '/page/main.js': { contentType: 'text/javascript', body: SCRIPT },
      '/page/client.js': {
        contentType: 'text/javascript',
        body: (await bundle('dist/client/index.js')).code,
      },
      '/page/browser.js': { contentType: 'text/javascript', body: (await bundle('dist/browser.js')).code },
      '/page/kernels.wasm': {
        contentType: 'application/wasm',
        body: readFileSync(resolve(ROOT, 'build/kernels-unshared.wasm')),
      },
    };
    await page.route(`${service.url}/page/**`, (route) =>
      route.fulfill(files[new URL(route.request().url()).pathname] ?? { status: 404 }),
    );
    await page.goto(`${service.url}/page/`);
    const handle = await page.waitForFunction(() => (globalThis as { outcome?: object }).outcome);
    const outcome = (await handle.jsonValue()) as { there: number };
    expect(outcome).toEqual({
      ...{ health: 'ok', there: expect.any(Number), here: outcome.there },
      ...{ ids: [1, 2], last: ['end', 'completed'] },
    });
    expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
    await page.close();
  });
});
