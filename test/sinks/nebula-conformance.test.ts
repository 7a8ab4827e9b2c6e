import { afterAll, beforeAll } from 'vitest';
import type { Id } from '../../src/ingest/ports.js';
import { importNebulaDriver, type NebulaRows, NebulaSession } from '../../src/sinks/nebula-session.js';
import { NebulaServer } from '../servers/nebula.js';
import { describeConformance, type StoredRecord } from './conformance.js';

/** `USER:PASSWORD@HOST:PORT/SPACE` of a real graphd, with a space of string ids, instead of the stand-in. */
const REAL = process.env.NEBULA_ADDRESS;
const MOST_RECORDS = 10_000;

let server: NebulaServer | undefined;
let address = REAL ?? '';
const tags: string[] = [];

beforeAll(async () => {
  if (REAL !== undefined) return;
  server = await NebulaServer.start({ vidType: 'FIXED_STRING(64)' });
  address = `root:nebula@${server.address}/s`;
});
afterAll(async () => {
  for (const tag of tags) await ask(`DROP TAG \`${tag}\``).catch(() => {});
  await server?.close();
});

function url(): string {
  tags.push(`vbo_conformance_${process.pid}_${tags.length}`);
  return `nebula://${address}?tag=${tags.at(-1)}`;
}

/** What a statement is answered with, over a connection of its own. */
async function ask(statement: string): Promise<NebulaRows> {
  const { hostname, port, username, password, pathname } = new URL(`nebula://${address}`);
  const session = await NebulaSession.open(await importNebulaDriver(), {
    ...{ host: hostname, port: Number(port), user: decodeURIComponent(username) },
    ...{ password: decodeURIComponent(password), space: pathname.slice(1) },
  });
  try {
    return await session.execute(statement);
  } finally {
    session.close();
  }
}

async function stored(of: string): Promise<ReadonlyMap<Id, StoredRecord>> {
  const tag = new URL(of).searchParams.get('tag');
  const properties = `v.\`${tag}\`.\`vector\`, v.\`${tag}\`.\`payload\``;
  const rows = await ask(`MATCH (v:\`${tag}\`) RETURN id(v), ${properties} LIMIT ${MOST_RECORDS}`);
  return new Map(
    rows.map(([vid, vector, payload]) => [
      vid!,
      {
        vector: new Uint32Array(Float32Array.from(JSON.parse(vector!) as number[]).buffer),
        payload: payload === null || payload === undefined ? null : JSON.parse(payload),
      },
    ]),
  );
}

/** A tag of others, whose payload must be there. */
async function strictUrl(): Promise<string> {
  const strict = url();
  await ask(`CREATE TAG IF NOT EXISTS \`${tags.at(-1)}\`(\`vector\` string, \`payload\` string NOT NULL)`);
  return strict;
}

describeConformance('NebulaGraph', {
  url,
  stored,
  textIds: true,
  poison: { url: strictUrl, payload: null, message: /not null field cannot be null/ },
});
