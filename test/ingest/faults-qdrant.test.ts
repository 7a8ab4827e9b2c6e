import { afterAll, expect } from 'vitest';
import { QdrantServer } from '../servers/qdrant.js';
import { describeFaults } from './fault-suite.js';

let server: QdrantServer | undefined;
afterAll(() => expect(server?.violations).toEqual([]));

describeFaults('The Qdrant stand-in', {
  start: async () => {
    server = await QdrantServer.start();
    return server;
  },
  serviceMs: 100,
  hasSteadyRate: true,
  url: (address, collection) => `qdrant://${address}/${collection}`,
  ids: async (_, collection) => [...server!.collections.get(collection)!.points.keys()].map(Number),
});
