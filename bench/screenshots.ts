/**
 * `npx tsx bench/screenshots.ts [FOLDER]`: pictures of the dashboard, each page light, dark and narrow, for looking at; and
 * how long the explorer takes from a step of a slider to the new picture. Needs a built project and Debian's Chromium. Default folder: .cache/screenshots.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Random } from '../src/core/random.js';
import { median } from '../src/core/statistics.js';
import { latencyMs, vectorsPerSecond } from '../src/model/cost.js';
import { createApp } from '../src/server/app.js';
import { readServerConfig } from '../src/server/config.js';
import { VectorBatchOptimizer } from '../src/vector-batch-optimizer.js';

const folder = process.argv[2] ?? '.cache/screenshots';
mkdirSync(folder, { recursive: true });

const VIEWS = [
  { name: 'light', colorScheme: 'light', width: 1280, height: 900 },
  { name: 'dark', colorScheme: 'dark', width: 1280, height: 900 },
  { name: 'narrow', colorScheme: 'light', width: 375, height: 812 },
] as const;
const PAGES = [
  ['explorer', '#explore'],
  ['explorer-bound', '#explore?database=lancedb&memory=256&dimension=1536&cores=8'],
  ['explorer-path', '#explore?database=lancedb&io=20&dimension=768&cores=8'],
  ['explorer-latency', '#explore?database=pgvector&objective=latency&dimension=384'],
] as const;

/** A folder with a file to load, and databases: one at its own speed, one slow enough to be met. */
const home = mkdtempSync(join(tmpdir(), 'vbo-screenshots-'));
writeNpy(join(home, 'embeddings.npy'), 60_000, 96);
writeFileSync(
  join(home, 'slow.json'),
  JSON.stringify({
    sentence: 'A database that gains by larger batches and a few requests in flight.',
    dimension: 96,
    rows: 60_000,
    cost: { fixedMs: 25, perVectorMs: 0.12, superLinearMs: 0.002, sigma: 0.25, kappa: 0.02 },
  }),
);

await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(
  optimizer,
  readServerConfig({
    VBO_ALLOWED_SOURCES: home,
    VBO_ALLOWED_SINKS: `sim://${home},sqlite://${home},null://`,
    VBO_RUN_DIRECTORY: join(home, 'runs'),
  }),
);
const url = await app.listen({ host: '127.0.0.1', port: 0 });
await seed(app);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
});
for (const { name, colorScheme, width, height } of VIEWS) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height }, deviceScaleFactor: 1 });
  page.on('console', (message) => console.log(`${name}: ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error.stack}`));
  for (const [title, hash] of PAGES) {
    await page.goto(`${url}/${hash}`);
    await page.waitForTimeout(600);
    await page.screenshot({ path: join(folder, `${title}-${name}.png`), fullPage: true });
  }
  await page.goto(`${url}/#runs`);
  await page.fill('#run-sink', `sim://${home}/slow.json`);
  await page.fill('#run-source', 'embeddings.npy');
  await page.click('#start button[type="submit"]');
  await page.waitForSelector('#run-view svg');
  await page.waitForTimeout(4000);
  await page.screenshot({ path: join(folder, `run-${name}.png`), fullPage: true });
  await page.waitForFunction(() => document.querySelector('#run-view .state')?.textContent !== 'Running');
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `run-ended-${name}.png`), fullPage: true });
  await page.goto(`${url}/#history`);
  await page.waitForSelector('#history svg');
  await page.screenshot({ path: join(folder, `history-${name}.png`), fullPage: true });
  await page.close();
}
console.log(
  `explorer: ${(await stepMs()).toFixed(1)} ms from a slider's step to the new picture (median of 60)`,
);
await browser.close();
await app.close();
rmSync(home, { recursive: true, force: true });

/** Median time from a slider's event to the picture that it leads to, ms, at full width. */
async function stepMs(): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`${url}/#explore`);
  await page.waitForSelector('#plot svg');
  const times = await page.evaluate(async () => {
    const slider = document.getElementById('dimension-slider') as HTMLInputElement;
    const plot = document.getElementById('plot')!;
    const measured: number[] = [];
    for (let i = 0; i < 70; i++) {
      slider.value = String(10 + (i % 50));
      const drawn = new Promise<void>((resolve) => {
        const observer = new MutationObserver(() => {
          observer.disconnect();
          resolve();
        });
        observer.observe(plot, { childList: true });
      });
      const start = performance.now();
      slider.dispatchEvent(new Event('input'));
      await drawn;
      measured.push(performance.now() - start);
      await new Promise(requestAnimationFrame);
    }
    // The first ones compile.
    return measured.slice(10);
  });
  await page.close();
  return median(times);
}

/** Gives the service records of two databases that differ from their profiles, and trains it. */
async function seed(service: typeof app): Promise<void> {
  const random = new Random(3);
  const truths = [
    ['pgvector', 384, { fixedMs: 9, perVectorMs: 0.07, superLinearMs: 0.003, sigma: 0.18, kappa: 0.012 }],
    ['lancedb', 768, { fixedMs: 14, perVectorMs: 0.02, superLinearMs: 0.0015, sigma: 0.3, kappa: 0.03 }],
  ] as const;
  const records = truths.flatMap(([database_type, vector_dimension, truth]) =>
    [16, 64, 256, 1024, 4096].flatMap((batch_size) =>
      [1, 2, 4, 8].map((concurrency, i) => {
        const setting = { batchSize: batch_size, concurrency };
        const scatter = Math.exp(0.12 * random.normal());
        return {
          ...{ database_type, vector_dimension, batch_size, concurrency, item_count: 100_000, success: true },
          throughput_vps: vectorsPerSecond(truth, setting) * scatter,
          batch_p50_ms: latencyMs(truth, setting) / scatter,
          ts: Date.UTC(2026, 0, 5, 9, i, batch_size % 60),
        };
      }),
    ),
  );
  await service.inject({ method: 'POST', url: '/api/v1/history', payload: { records } });
  await service.inject({ method: 'POST', url: '/api/v1/batch-optimization/train', payload: { records } });
}

function writeNpy(path: string, rows: number, dimension: number): void {
  const random = new Random(1);
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const header = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${head.padEnd(117)}\n`, 'latin1');
  const vectors = Float32Array.from({ length: rows * dimension }, () => random.normal());
  writeFileSync(path, Buffer.concat([header, Buffer.from(vectors.buffer)]));
}
