import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { Batch, Sink, SinkOpenOptions } from '../../src/ingest/ports.js';
import { Kernels } from '../../src/kernels/kernels.js';
import { openSink } from '../../src/sinks/index.js';
import { importNebulaDriver, NebulaSession } from '../../src/sinks/nebula-session.js';
import { openSource } from '../../src/sources/index.js';
import { NebulaServer, type NebulaServerOptions } from '../servers/nebula.js';
import { hastyClock, openWithout } from './batches.js';

/** `USER:PASSWORD@HOST:PORT/SPACE` of a real graphd, with a space of string ids, instead of the stand-in. */
const REAL = process.env.NEBULA_ADDRESS;
const signal = () => new AbortController().signal;
const NO_LEADER = 'Storage Error: Not the leader of 3. Please retry later.';

function batch(first: number, rows: number, dimension: number, options: Partial<Batch> = {}): Batch {
  const random = new Random(first + 1);
  const vectors = new Float32Array(new SharedArrayBuffer(4 * rows * dimension + 64), 64, rows * dimension);
  for (let i = 0; i < vectors.length; i++) vectors[i] = random.normal();
  const ids = Array.from({ length: rows }, (_, i) => `v${first + i}`);
  return { sequence: first, rows, dimension, ids, vectors, ...options };
}

let server: NebulaServer | undefined;
let address: string;
let tags = 0;
const sinks: Sink[] = [];

const addressOf = (own: NebulaServer, user = 'root:nebula') => `${user}@127.0.0.1:${own.port}/s`;
const urlOf = (at = address, tag = `vbo_test_${process.pid}_${tags++}`) => `nebula://${at}?tag=${tag}`;

beforeAll(async () => {
  if (REAL === undefined) server = await NebulaServer.start({ vidType: 'FIXED_STRING(64)', tagDelay: 2 });
  address = REAL ?? addressOf(server!);
});
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close().catch(() => {});
});
afterAll(async () => server?.close());

async function opened(url: string, options: Partial<SinkOpenOptions> = {}): Promise<Sink> {
  const sink = await openSink(url);
  sinks.push(sink);
  await sink.open({ dimension: 4, metric: 'cosine', idType: 'string', hasPayloads: false, ...options });
  return sink;
}

/** Vector and payload of a vertex, read over a connection of its own. */
async function stored(url: string, vid: string): Promise<(string | null)[]> {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const tag = searchParams.get('tag')!;
  if (server) {
    const { vector, payload } = server.space.tags.get(tag)!.vertices.get(vid)!.properties;
    return [vector as string, (payload as string | null) ?? null];
  }
  const session = await NebulaSession.open(await importNebulaDriver(), {
    ...{ host: hostname, port: Number(port), user: username, password, space: pathname.slice(1) },
  });
  const rows = await session.execute(
    `FETCH PROP ON \`${tag}\` "${vid}" YIELD \`${tag}\`.\`vector\`, \`${tag}\`.payload`,
  );
  session.close();
  return [...rows[0]!];
}

async function standIn(
  options: Partial<NebulaServerOptions>,
  use: (own: NebulaServer) => Promise<void>,
): Promise<void> {
  const own = await NebulaServer.start({ vidType: 'FIXED_STRING(64)', ...options });
  try {
    await use(own);
  } finally {
    for (const sink of sinks.splice(0)) await sink.close().catch(() => {});
    await own.close();
  }
}

describe('the NebulaGraph sink', () => {
  test('creates the tag, waits until it is known, and stores vectors bit for bit', async () => {
    const url = urlOf();
    const sink = await opened(url, { dimension: 33 });
    const batches = [batch(0, 1, 33), batch(1, 200, 33)];
    for (const b of batches) expect(await sink.write(b, signal())).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(201);
    const [vector] = await stored(url, 'v7');
    expect(new Uint32Array(Float32Array.from(JSON.parse(vector!)).buffer)).toEqual(
      new Uint32Array(batches[1]!.vectors.slice(6 * 33, 7 * 33).buffer),
    );
  });

  test('stores payloads as JSON, and none as NULL', async () => {
    const url = urlOf();
    const sink = await opened(url, { hasPayloads: true });
    const payloads = [{ text: 'Ünïcode "quoted"\n🙂\\', deep: [{ x: null }] }, null];
    const ids = ['größe 漢字', 'b'];
    expect(await sink.write(batch(0, 2, 4, { ids, payloads }), signal())).toMatchObject({ kind: 'ok' });
    expect(JSON.parse((await stored(url, ids[0]!))[1]!)).toEqual(payloads[0]);
    expect((await stored(url, 'b'))[1]).toBeNull();
  });

  test('stores a vertex that is sent twice once, the later one', async () => {
    const sink = await opened(urlOf());
    for (const first of [0, 5]) await sink.write(batch(first, 10, 4), signal());
    expect(await sink.count!()).toBe(15);
    expect(sink.upserts).toBe(true);
  });

  test('rejects the records whose ids are too long, and stores the others', async () => {
    const sink = await opened(urlOf());
    const ids = ['a', 'x'.repeat(1000), 'b'];
    expect(await sink.write(batch(0, 3, 4, { ids }), signal())).toMatchObject({
      kind: 'ok',
      rejected: [{ index: 1, code: 'VBO_ERR_RECORD' }],
    });
    expect(await sink.count!()).toBe(2);
  });

  test('drops the tag it opened', async () => {
    const url = urlOf();
    const sink = await opened(url);
    await sink.write(batch(0, 3, 4), signal());
    await sink.drop!();
    expect(await (await opened(url, { dimension: 5 })).count!()).toBe(0);
  });

  test('takes a password with a percent sign that encodes nothing', async () => {
    await standIn({ password: '100%' }, async (own) => {
      await opened(urlOf(addressOf(own, 'root:100%')));
    });
  });

  test('refuses a tag of another dimension', async () => {
    const url = urlOf();
    await opened(url);
    await expect(opened(url, { dimension: 5 })).rejects.toMatchObject({
      code: 'VBO_ERR_DIMENSION',
      message: expect.stringContaining('dimension 4; the source has dimension 5'),
    });
  });

  test('never sends a statement graphd would not take', async () => {
    const sink = await opened(urlOf(), { dimension: 1536 });
    expect(sink.limits()).toEqual({ maxBytes: 4_194_304, maxConcurrency: 4 });
    expect(await sink.write(batch(0, 300, 1536), signal())).toMatchObject({
      kind: 'shrink',
      limits: { maxBytes: 4_194_304 },
    });
  });

  test('counts a value JSON cannot hold as a fault of its record', async () => {
    const sink = await opened(urlOf());
    const b = batch(0, 3, 4);
    b.vectors[5] = Number.NaN;
    expect(await sink.write(b, signal())).toMatchObject({
      kind: 'permanent',
      error: { code: 'VBO_ERR_NOT_FINITE' },
    });
  });

  test('does not count with count=none, and says so when it is used after close', async () => {
    const sink = await opened(`${urlOf()}&count=none`);
    expect(sink.count).toBeUndefined();
    await sink.close();
    await expect(sink.write(batch(0, 1, 4), signal())).rejects.toMatchObject({ code: 'VBO_ERR_CLOSED' });
  });
});

describe('a graphd that fails', () => {
  test.each([
    [-1002, 'Session not existed!', 'retry'],
    [-1003, 'Session timeout', 'retry'],
    [-4, 'Leader changed', 'unreachable'],
    [-3, 'RPC failure', 'unreachable'],
    [-1005, 'Storage Error: Not the leader of 3. Please retry later.', 'unreachable'],
    [-1005, 'Storage Error: part: 3, error: E_RPC_FAILURE(-3).', 'unreachable'],
    [-1005, 'Storage Error: Term of part 3 is out of date. Please retry later.', 'unreachable'],
    [-1005, 'Storage Error: part: 3, error: E_RAFT_TOO_MANY_REQUESTS(-3523).', 'backOff'],
    [-1005, 'Storage Error: Part 3 raft buffer is full. Please retry later.', 'backOff'],
    [-1005, 'Used memory hits the high watermark(0.800000) of total system memory.', 'backOff'],
    [-1005, 'Storage Error: The not null field cannot be null.', 'permanent'],
    [-1005, 'Storage Error: Tag not found.', 'retry'],
    [-3523, 'Too many requests', 'backOff'],
    [-3011, 'Write stalled', 'backOff'],
    [-1009, "SemanticError: No schema found for `t'", 'fatal'],
    [-1008, 'PermissionError: No permission to write data.', 'fatal'],
    [-3003, 'Data type mismatch', 'permanent'],
    [-1004, "SyntaxError: syntax error near `x'", 'permanent'],
    [-1004, 'SyntaxError: Query is too large (282 > 256).', 'shrink'],
    [-8000, 'Unknown', 'retry'],
  ])('with %i %j: the outcome is %s', async (code, message, expected) => {
    await standIn({}, async (own) => {
      const sink = await opened(urlOf(addressOf(own)));
      own.inject({ kind: 'error', code: code as number, message: message as string });
      const isUnreachable = expected === 'unreachable';
      const kind = isUnreachable ? 'retry' : expected;
      expect(await sink.write(batch(0, 1, 4), signal())).toMatchObject({
        kind,
        error: {
          code: isUnreachable ? 'VBO_ERR_SINK_UNREACHABLE' : 'VBO_ERR_SINK',
          details: { errorCode: code },
        },
      });
      if (kind === 'shrink') {
        expect(sink.limits().maxBytes).toBe(256);
        expect(await sink.write(batch(0, 9, 4), signal())).toMatchObject({ kind: 'shrink' });
      } else expect(await sink.write(batch(0, 1, 4), signal())).toMatchObject({ kind: 'ok' });
    });
  });

  test.each(['reset', 'lostAcknowledgement', 'sessionsLost'] as const)(
    'with a %s is asked again in a new session, and stores every vertex once',
    async (kind) => {
      await standIn({}, async (own) => {
        const sink = await opened(urlOf(addressOf(own)));
        own.inject({ kind });
        expect(await sink.write(batch(0, 3, 4), signal())).toMatchObject({ kind: 'retry' });
        expect(await sink.write(batch(0, 3, 4), signal())).toMatchObject({ kind: 'ok' });
        expect(await sink.count!()).toBe(3);
      });
    },
  );

  test('to answer in time is given up when the signal says so; its session is used again', async () => {
    await standIn({}, async (own) => {
      const sink = await opened(urlOf(addressOf(own)));
      own.inject({ kind: 'latency', ms: 300 });
      const outcome = await sink.write(batch(0, 3, 4), AbortSignal.timeout(30));
      expect(outcome).toMatchObject({ kind: 'retry' });
      expect(await sink.write(batch(0, 3, 4), signal())).toMatchObject({ kind: 'ok' });
      expect(own.sessions).toBe(2);
      await new Promise((resolve) => setTimeout(resolve, 400));
      await Promise.all([0, 1].map((i) => sink.write(batch(i, 1, 4), signal())));
      expect(own.sessions).toBe(2);
      await sink.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(own.sessions).toBe(0);
    });
  });

  test('loses nothing of a load, whatever happens to its statements', async () => {
    await standIn({ maxQueryBytes: 30_000 }, async (own) => {
      own.inject(
        { kind: 'reset' },
        { kind: 'lostAcknowledgement' },
        { kind: 'error', code: -1010, message: 'Too many sessions' },
        { kind: 'error', code: -4, message: 'Leader changed' },
        { kind: 'sessionsLost' },
      );
      const rows = Array.from({ length: 3000 }, (_, i) => ({ id: `doc ${i}`, vector: [i, 1, -i, 0.5] }));
      const sink = await openSink(urlOf(addressOf(own), 'load'));
      const report = await ingest({ kernels: Kernels.shared() }, await openSource(rows), sink);
      expect(report).toMatchObject({ acknowledged: 3000, rejected: 0, reconciled: true });
      expect(own.space.tags.get('load')!.vertices.size).toBe(3000);
    });
  });

  test('as long as it has no leader is waited for, though five attempts take less', async () => {
    await standIn({}, async (own) => {
      own.inject(
        ...Array.from({ length: 9 }, () => ({ kind: 'error', code: -1005, message: NO_LEADER }) as const),
      );
      const rows = Array.from({ length: 100 }, (_, i) => ({ id: `doc ${i}`, vector: [i, 1, -i, 0.5] }));
      const sink = await openSink(urlOf(addressOf(own), 'load'));
      const report = await ingest({ kernels: Kernels.shared() }, await openSource(rows), sink, {
        ...{ clock: hastyClock, fixed: { batchSize: 100, concurrency: 1 } },
      });
      expect(report).toMatchObject({ acknowledged: 100, rejected: 0, retries: 9, reconciled: true });
    });
  });

  test('to let the user in, or the space, says so when it is opened', async () => {
    await standIn({}, async (own) => {
      await expect(opened(urlOf(addressOf(own, 'root:wrong')))).rejects.toMatchObject({
        code: 'VBO_ERR_SINK',
        details: { errorCode: -1001 },
        message: expect.not.stringContaining('wrong'),
      });
      const elsewhere = addressOf(own).replace(/s$/, 'elsewhere');
      await expect(opened(urlOf(elsewhere))).rejects.toMatchObject({
        code: 'VBO_ERR_SINK',
        message: expect.stringContaining('SpaceNotFound'),
      });
    });
  });

  test('to hold text ids takes integers only', async () => {
    await standIn({ vidType: 'INT64' }, async (own) => {
      await expect(opened(urlOf(addressOf(own)))).rejects.toMatchObject({ code: 'VBO_ERR_SINK' });
      const sink = await opened(urlOf(addressOf(own), 'numbers'), { idType: 'number' });
      expect(await sink.write(batch(0, 3, 4, { ids: [-1, 0, 2 ** 53] }), signal())).toMatchObject({
        kind: 'ok',
        rejected: [{ index: 2 }],
      });
      expect([...own.space.tags.get('numbers')!.vertices.keys()]).toEqual([-1, 0]);
    });
  });

  test('to listen cannot be opened', async () => {
    await expect(opened('nebula://root:secret@127.0.0.1:1/s')).rejects.toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: expect.not.stringContaining('secret'),
    });
  });
});

test('names the command that installs its package where that is missing', async () => {
  const url = 'nebula://root:secret@127.0.0.1:1/s';
  expect(await openWithout('@nebula-contrib/nebula-nodejs', url)).toMatchObject({
    code: 'VBO_ERR_MISSING_PACKAGE',
    message: expect.stringContaining('npm install --ignore-scripts @nebula-contrib/nebula-nodejs'),
  });
});

describe('the URL of a NebulaGraph sink', () => {
  test.each([
    'nebula://localhost/s',
    'nebula://root:secret@localhost',
    'nebula://root:secret@localhost/a b',
    'nebula://root:secret@localhost/s?tag=a`b',
    'nebula://root:secret@localhost/s?count=yes',
  ])('%s is none', async (url) => {
    await expect(openSink(url)).rejects.toMatchObject({
      code: expect.stringMatching(/^VBO_ERR_(URL|ARGUMENT)$/),
      message: expect.not.stringContaining('secret'),
    });
  });

  test('names server, space and tag, and neither user nor password', async () => {
    const sink = await openSink('nebula://root:secret@h.example/s');
    expect([sink.name, sink.database]).toEqual(['nebula://h.example:9669/s?tag=vectors', 'nebula']);
  });
});
