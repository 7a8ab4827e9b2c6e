import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { OBJECTIVES } from '../../src/core/types.js';
import { PROFILES } from '../../src/model/profiles.js';
import { expectAccessible, hasChromium, launch, openPage, type Service, serve } from './support.js';

const ROUTE = '/api/v1/batch-optimization/calculate-size';

interface Load {
  items: number;
  dimension: number;
  memory: number;
  cores: number;
  io: number;
  database: string;
  objective: string;
}

interface Answer {
  recommended_batch_size: number;
  recommended_concurrency: number;
  explanation: string;
}

describe.skipIf(!hasChromium)('the explorer', () => {
  let browser: Browser;
  let service: Service;
  beforeAll(async () => {
    [browser, service] = await Promise.all([launch(), serve()]);
  });
  afterAll(async () => {
    await browser.close();
    await service[Symbol.asyncDispose]();
  });

  const ask = async (load: Load): Promise<Answer> => {
    const payload = {
      item_count: load.items,
      vector_dimension: load.dimension,
      database_type: load.database,
      system_resources: { available_memory: load.memory, cpu_cores: load.cores, io_bandwidth: load.io },
      objective: load.objective,
    };
    const answer = await service.app.inject({ method: 'POST', url: ROUTE, payload });
    expect(answer.statusCode).toBe(200);
    return answer.json();
  };

  /** Waits until the page shows `answer`, to the letter. */
  const expectShown = async (page: Page, answer: Answer) => {
    await page.waitForFunction(
      (text) => document.getElementById('explanation')?.textContent === text,
      answer.explanation,
      { timeout: 5000 },
    );
    const number = async (id: string) => Number((await page.textContent(`#${id}`))!.replaceAll(',', ''));
    expect(await number('batch-size')).toBe(answer.recommended_batch_size);
    expect(await number('concurrency')).toBe(answer.recommended_concurrency);
  };

  const picture = (page: Page) => page.locator('#plot').innerHTML();
  const drawn = (page: Page) => page.waitForSelector('#plot svg');

  it('changes its heat map with every slider, the database and the objective', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(service.url);
    await drawn(page);
    expect(await page.isVisible('#api')).toBe(true);
    await page.click('summary');
    const changes: [string, () => Promise<unknown>][] = [
      ['dimension', () => page.press('#dimension-slider', 'ArrowRight')],
      ['items', () => page.press('#items-slider', 'Home')],
      ['memory', () => page.press('#memory-slider', 'Home')],
      [
        'cores',
        () => page.selectOption('#database', 'lancedb').then(() => page.press('#cores-slider', 'Home')),
      ],
      ['io', () => page.press('#io-slider', 'Home')],
      ['database', () => page.selectOption('#database', 'sqlite')],
      ['objective', () => page.check('input[value="latency"]', { force: true })],
      [
        'a number that is typed',
        () => page.fill('#dimension', '100').then(() => page.press('#dimension', 'Enter')),
      ],
    ];
    for (const [name, change] of changes) {
      const before = await picture(page);
      await change();
      await page.waitForFunction((html) => document.getElementById('plot')?.innerHTML !== html, before, {
        timeout: 5000,
      });
      expect(await picture(page), name).not.toBe(before);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('recommends what the service answers, for loads of any kind', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(service.url);
    const random = new Random(20);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)]!;
    const between = (low: number, high: number) => Math.round(low * (high / low) ** random.next());
    for (let i = 0; i < 25; i++) {
      const load: Load = {
        items: between(10, 1e10),
        dimension: between(2, 2000),
        memory: between(64, 200_000),
        cores: between(1, 128),
        io: between(1, 10_000),
        database: pick(PROFILES).name,
        objective: pick(OBJECTIVES),
      };
      const answer = await ask(load);
      await page.evaluate((query) => {
        location.hash = `explore?${query}`;
      }, new URLSearchParams(Object.entries(load).map(([name, value]) => [name, String(value)])).toString());
      await expectShown(page, answer);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('says why a load cannot be done', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(`${service.url}/#explore?memory=1&dimension=65536`);
    await page.waitForSelector('#refusal:not([hidden])');
    expect(await page.textContent('#refusal')).toContain('takes');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is used by keyboard alone, the heat map too', async () => {
    const { page, complaints } = await openPage(browser);
    await page.goto(service.url);
    await drawn(page);
    await page.waitForFunction(() =>
      document.getElementById('readout')?.textContent?.includes('recommended'),
    );
    const reached: string[] = [];
    for (let i = 0; i < 40 && !reached.includes('map'); i++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => document.activeElement?.id ?? ''));
    }
    expect(reached).toEqual(expect.arrayContaining(['database', 'dimension-slider', 'memory', 'map']));
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(() =>
      document.getElementById('readout')?.textContent?.includes('as good as the best'),
    );
    await page.keyboard.press('Home');
    await page.waitForFunction(() =>
      document.getElementById('readout')?.textContent?.includes('recommended'),
    );
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('follows the pointer with what it points at', async () => {
    const { page } = await openPage(browser);
    await page.goto(service.url);
    await drawn(page);
    const box = (await page.locator('#plot svg').boundingBox())!;
    await page.mouse.move(box.x + box.width - 20, box.y + 40);
    await page.waitForFunction(() =>
      /passes the limit/.test(document.getElementById('readout')?.textContent ?? ''),
    );
    await page.close();
  });

  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['narrow', { viewport: { width: 375, height: 812 } }],
  ] as const)('has no serious fault of accessibility when %s', async (_, options) => {
    const { page, complaints } = await openPage(browser, options);
    await page.goto(service.url);
    await drawn(page);
    await page.click('summary');
    await expectAccessible(page);
    const { scrolled, wide } = await page.evaluate(() => ({
      scrolled: document.documentElement.scrollWidth,
      wide: innerWidth,
    }));
    expect(scrolled).toBeLessThanOrEqual(wide);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('comes as less than 300 kB, and not again while it stays the same', async () => {
    const { page, complaints } = await openPage(browser);
    const sizes: number[] = [];
    page.on('requestfinished', async (request) => {
      if (request.url().startsWith('data:')) return;
      const { responseBodySize } = await request.sizes();
      sizes.push(responseBodySize);
    });
    await page.goto(service.url);
    await drawn(page);
    await page.waitForLoadState('networkidle');
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(50_000);
    expect(total).toBeLessThan(300_000);
    sizes.length = 0;
    await page.reload();
    await drawn(page);
    await page.waitForLoadState('networkidle');
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(20_000);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
