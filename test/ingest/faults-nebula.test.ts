import { FramedFaultProxy } from '../servers/framed-fault-proxy.js';
import { NebulaServer } from '../servers/nebula.js';
import { describeFaults } from './fault-suite.js';

const tagOf = (collection: string) => collection.replaceAll('-', '_');

describeFaults('The NebulaGraph stand-in', {
  start: () => NebulaServer.start({ vidType: 'INT64' }),
  startProxy: FramedFaultProxy.start,
  serviceMs: 100,
  hasSteadyRate: true,
  url: (address, collection) => `nebula://root:nebula@${address}/s?tag=${tagOf(collection)}`,
  ids: async (server, collection) => {
    const { vertices } = (server as NebulaServer).space.tags.get(tagOf(collection))!;
    return [...vertices.keys()].map(Number);
  },
});
