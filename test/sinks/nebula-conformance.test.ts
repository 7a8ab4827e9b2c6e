import { afterAll, beforeAll } from 'vitest';
import { NebulaServer } from '../servers/nebula.js';
import { describeConformance } from './conformance.js';

let server: NebulaServer;
let tags = 0;

beforeAll(async () => {
  server = await NebulaServer.start({ vidType: 'FIXED_STRING(64)' });
});
afterAll(async () => server.close());

describeConformance('NebulaGraph', {
  url: () => `nebula://root:nebula@127.0.0.1:${server.port}/s?tag=t${tags++}`,
  textIds: true,
  async stored(url) {
    const tag = server.space.tags.get(new URL(url).searchParams.get('tag')!)!;
    return new Map(
      [...tag.vertices].map(([vid, { properties }]) => [
        vid,
        {
          vector: new Uint32Array(Float32Array.from(JSON.parse(properties.vector as string)).buffer),
          payload: properties.payload ? JSON.parse(properties.payload as string) : null,
        },
      ]),
    );
  },
});
