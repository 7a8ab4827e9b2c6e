import { afterAll, beforeAll, describe } from 'vitest';
import type { Id, Payload } from '../../src/ingest/ports.js';
import { type Chroma, hasChroma, startChroma } from '../servers/chroma.js';
import { getAll } from '../servers/chroma-records.js';
import { describeConformance, type StoredRecord } from './conformance.js';

describe.skipIf(!hasChroma)('a real server', () => {
  let server: Chroma;
  let collections = 0;
  const run = `${Date.now()}`;

  beforeAll(async () => {
    server = await startChroma();
  });
  afterAll(() => server?.close());

  async function stored(url: string): Promise<ReadonlyMap<Id, StoredRecord>> {
    const { host, pathname } = new URL(url);
    return new Map(
      (await getAll(host, pathname.slice(1))).map(({ id, embedding, metadata }) => {
        const { _json = '{}', ...flat } = (metadata ?? {}) as Payload & { _json?: string };
        const payload: Payload = { ...flat, ...JSON.parse(_json) };
        return [
          id,
          {
            vector: new Uint32Array(Float32Array.from(embedding).buffer),
            payload: Object.keys(payload).length > 0 ? payload : null,
          },
        ];
      }),
    );
  }

  describeConformance('Chroma', {
    url: () => `chroma://${server?.address ?? '127.0.0.1:1'}/conformance-${run}-${collections++}`,
    stored,
    textIds: true,
    noEmptyId: true,
    poison: { id: '', message: /Empty ID/ },
  });
});
