import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Where there is none, `describe.skipIf(!hasChromium)` reports what was not tested. */
export const hasChromium = existsSync(CHROMIUM);

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A service on a free port, with a folder of its own. */
export interface Service extends AsyncDisposable {
  readonly url: string;
  readonly app: FastifyInstance;
  readonly folder: string;
}

/** Starts the service with an environment made from its folder. */
export async function serve(
  environment: (folder: string) => Record<string, string> = () => ({}),
): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), 'vbo-page-'));
  const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
  const app = await createApp(optimizer, readServerConfig(environment(folder)));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    app,
    folder,
    async [Symbol.asyncDispose]() {
      await app.close();
      await optimizer.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A page that keeps what it complains about; `expectSilence` holds it against nothing. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints };
}

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Runs axe on the page as it is, light and dark; what it finds serious or critical must be nothing. */
export async function expectAccessible(page: Page): Promise<void> {
  const { readFileSync } = await import('node:fs');
  // By evaluation: the page's policy refuses scripts that it did not bring along.
  await page.evaluate(readFileSync(axePath, 'utf8'));
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(async () => {
      const axe = (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe;
      return (await axe.run()).violations;
    });
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
    expect(serious, colorScheme).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null });
}

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string }[];
}
