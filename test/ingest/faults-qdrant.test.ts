import { QdrantServer } from '../servers/qdrant.js';
import { describeFaults } from './fault-suite.js';

describeFaults('The Qdrant stand-in', {
  // Holding every body against the OpenAPI file takes longer than the service this suite measures.
  start: () => QdrantServer.start({ contract: false }),
  serviceMs: 100,
  hasSteadyRate: true,
  url: (address, collection) => `qdrant://${address}/${collection}`,
  ids: async (server, collection) => {
    const { points } = (server as QdrantServer).collections.get(collection)!;
    return [...points.keys()].map(Number);
  },
});
