import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunList } from '../../src/server/schemas/runs.js';
import { writeNpy } from '../server/support.js';
import { expectAccessible, hasChromium, launch, openPage, type Service, serve } from './support.js';

const KEY = 'a key of the test';
const ROWS = 20_000;

/** Allows its folder's `sources` and databases in its `data`. */
function environment(folder: string): Record<string, string> {
  mkdirSync(join(folder, 'sources'));
  mkdirSync(join(folder, 'data'));
  writeNpy(join(folder, 'sources/vectors.npy'), ROWS, 32);
  // Takes 200 vectors a second: slow enough to be watched.
  writeFileSync(
    join(folder, 'data/slow.json'),
    JSON.stringify({
      sentence: 'Each request takes half a second.',
      dimension: 32,
      rows: ROWS,
      cost: { fixedMs: 500, perVectorMs: 0, superLinearMs: 0, sigma: 0, kappa: 0 },
    }),
  );
  return {
    VBO_ALLOWED_SOURCES: join(folder, 'sources'),
    VBO_ALLOWED_SINKS: `sqlite://${join(folder, 'data')},sim://${join(folder, 'data')},null://`,
    VBO_RUN_DIRECTORY: join(folder, 'runs'),
  };
}

async function start(page: Page, sink: string, fixed = ''): Promise<void> {
  await page.fill('#run-sink', sink);
  await page.fill('#run-source', 'vectors.npy');
  await page.fill('#run-fixed', fixed);
  await page.click('#start button[type="submit"]');
}

const hasState = (page: Page, state: string) =>
  page.waitForFunction((text) => document.querySelector('#run-view .state')?.textContent === text, state, {
    timeout: 30_000,
  });

describe.skipIf(!hasChromium)('the page of runs', () => {
  let browser: Browser;
  let service: Service;
  beforeAll(async () => {
    [browser, service] = await Promise.all([launch(), serve(environment)]);
  });
  afterAll(async () => {
    await browser.close();
    await service[Symbol.asyncDispose]();
  });

  const runs = async () => (await service.app.inject({ url: '/api/v1/runs' })).json<RunList>().runs;

  it('starts a load that ends with every vector stored', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#runs`);
    await page.waitForSelector('#known-sources option[value="vectors.npy"]', { state: 'attached' });
    await start(page, `sqlite://${join(service.folder, 'data/a.db')}?table=items`);
    await hasState(page, 'Completed');
    await page.waitForFunction(() => document.querySelector('#run-view .end')?.textContent !== '');
    expect(await page.textContent('#run-view .end')).toContain('20,000 vectors are stored, 0 were rejected');
    expect(await page.textContent('#run-view .end')).toContain('The database’s own count agrees.');
    const [run] = await runs();
    expect(run).toMatchObject({ state: 'completed', report: { acknowledged: ROWS, reconciled: true } });
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('shows where a load is while it goes on, and ends it', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#runs`);
    await start(page, `sim://${join(service.folder, 'data/slow.json')}`, '100x1');
    await hasState(page, 'Running');
    await page.waitForSelector('#run-view svg');
    const facts = await page.textContent('#run-view .facts');
    expect(facts).toContain('100 × 1');
    expect(facts).toContain('Time left');
    await page.waitForFunction(() => (document.querySelector('progress')?.value ?? 0) > 0);
    await expectAccessible(page);
    await page.click('#run-view button');
    await hasState(page, 'Cancelled');
    const [run] = await runs();
    expect(run!.state).toBe('cancelled');
    expect((run!.report as { acknowledged: number }).acknowledged).toBeLessThan(ROWS);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('tunes a database and says what was found', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#runs`);
    await page.check('input[value="tune"]', { force: true });
    await page.fill('#run-sink', 'null://');
    await page.fill('#run-dimension', '8');
    await page.fill('#run-budget', '1');
    await page.click('#start button[type="submit"]');
    await hasState(page, 'Completed');
    const [run] = await runs();
    expect(await page.textContent('#run-view .end')).toBe((run!.report as { verdict: string }).verdict);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('says why a run is refused, and keeps what was typed', async () => {
    const { page } = await openPage(browser);
    await page.goto(`${service.url}/#runs`);
    await start(page, 'qdrant://elsewhere:6333/items');
    await page.waitForSelector('#start-refusal:not([hidden])');
    expect(await page.textContent('#start-refusal')).toContain('VBO_ALLOWED_SINKS');
    expect(await page.inputValue('#run-sink')).toBe('qdrant://elsewhere:6333/items');
    await page.close();
  });
});

describe.skipIf(!hasChromium)('a service with a key', () => {
  let browser: Browser;
  let service: Service;
  beforeAll(async () => {
    const digest = createHash('sha256').update(KEY).digest('hex');
    const made = serve((folder) => ({ ...environment(folder), VBO_API_KEYS: digest }));
    [browser, service] = await Promise.all([launch(), made]);
  });
  afterAll(async () => {
    await browser.close();
    await service[Symbol.asyncDispose]();
  });

  it('is asked for its runs with the key that the user gives, which stays in the tab', async () => {
    const { page } = await openPage(browser);
    await page.goto(`${service.url}/#runs`);
    await page.waitForSelector('#sign-in[open]');
    await expectAccessible(page);
    await page.fill('#credential', 'not the key');
    await page.click('#sign-in button[value="ok"]');
    await page.waitForSelector('#sign-in-refusal:not([hidden])');
    await page.fill('#credential', KEY);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.getElementById('run-list')?.textContent?.includes('None'));
    await start(page, `sqlite://${join(service.folder, 'data/k.db')}?table=items`);
    await hasState(page, 'Completed');
    expect(await page.isVisible('#api')).toBe(false);
    const kept = await page.evaluate(() => ({
      session: { ...sessionStorage },
      local: { ...localStorage },
      cookies: document.cookie,
    }));
    expect(kept).toEqual({ session: { credential: KEY }, local: {}, cookies: '' });
    await page.click('#key');
    await page.waitForSelector('#sign-in[open]');
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    await page.close();
  });

  it('lets who goes without a key explore all the same', async () => {
    const { page } = await openPage(browser);
    await page.goto(service.url);
    await page.waitForSelector('#sign-in[open]');
    await page.click('#sign-in button[value="cancel"]');
    await page.waitForFunction(() => document.getElementById('explanation')?.textContent?.includes('qdrant'));
    // The dialog tells that it was closed a moment after it has.
    await page.waitForSelector('#key', { state: 'visible' });
    expect(await page.textContent('#key')).toBe('Enter key');
    expect(await page.isVisible('#api')).toBe(false);
    await page.close();
  });
});
