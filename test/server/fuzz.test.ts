import { expect, it } from 'vitest';
import { fuzz } from './fuzz.js';

it('answers three thousand generated requests without a 5xx of its own making', async () => {
  const report = await fuzz({ requests: 3000, seed: 7, expectSteady: false });
  expect(report.failures).toEqual([]);
  // It got as far as the routes, and was refused in every way.
  for (const status of [200, 400, 404, 415, 422]) expect(report.statuses[status]).toBeGreaterThan(0);
});
