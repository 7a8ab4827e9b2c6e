/**
 * `npx tsx bench/screenshots.ts [FOLDER]`: pictures of the dashboard, each page light, dark and narrow, for looking at.
 * Needs a built project and Debian's Chromium. Default folder: .cache/screenshots.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
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

await using optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const app = await createApp(optimizer, readServerConfig({}));
const url = await app.listen({ host: '127.0.0.1', port: 0 });
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
  await page.close();
}
await browser.close();
await app.close();
