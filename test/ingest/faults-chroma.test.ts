import { describe } from 'vitest';
import { ChromaServer, canStartChroma } from '../servers/chroma.js';
import { getIds } from '../servers/chroma-records.js';
import { describeFaults } from './fault-suite.js';

describe.skipIf(!canStartChroma)('a real server', () => {
  describeFaults('Chroma', {
    start: () => ChromaServer.start(),
    serviceMs: 200,
    // It shares the cores with the load: its own latency varies by more than the bar of 80 % leaves.
    hasSteadyRate: false,
    url: (address, collection) => `chroma://${address}/${collection}`,
    ids: async ({ address }, collection) => (await getIds(address, collection)).map(Number),
  });
});
