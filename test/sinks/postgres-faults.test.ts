import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { VectorBatchError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { ingest } from '../../src/ingest/ingest.js';
import { openSink } from '../../src/sinks/index.js';
import { kernels, TestSource } from '../ingest/support.js';
import { TcpProxy } from '../servers/tcp-proxy.js';
import { batch, hastyClock, opened, signal } from './batches.js';

/** Nothing else that is sent is as long as the rows of a batch. */
const isRows = (piece: Buffer) => piece.length > 4000;

let database: PGlite;
let server: PGLiteSocketServer;
let proxy: TcpProxy;

beforeEach(async () => {
  database = await PGlite.create({ extensions: { vector } });
  server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: 0, maxConnections: 8 });
  await server.start();
  proxy = await TcpProxy.start(server.getServerConn());
});
afterEach(async () => {
  await proxy.down();
  await server.stop();
  await database.close();
});

const url = () =>
  `postgres://postgres:secret@${proxy.address}/postgres?table=t&sslmode=disable&connections=1&copy=never`;

describe('a PostgreSQL server that goes away', () => {
  test('in the middle of a write fails that write alone', async () => {
    const sink = await opened(url(), { dimension: 16 });
    proxy.resetAt(isRows);
    const rows = batch(0, 500, 16);
    expect(await sink.write(rows, signal)).toMatchObject({
      kind: 'retry',
      error: { code: 'VBO_ERR_SINK_UNREACHABLE', message: expect.stringMatching(/cannot be reached: \w+/) },
    });
    expect(proxy.resets).toBe(1);
    expect(await sink.write(rows, signal)).toMatchObject({ kind: 'ok' });
    expect(await sink.count!()).toBe(500);
    await sink.close();
  });

  test('is not asked by a write that timed out before its turn came, which is no fault of its rows', async () => {
    const sink = await opened(url(), { dimension: 16 });
    const timeOut = new AbortController();
    const first = sink.write(batch(0, 500, 16), signal);
    const second = sink.write(batch(500, 500, 16), timeOut.signal);
    timeOut.abort(new VectorBatchError('VBO_ERR_TIMEOUT', 'too slow'));
    expect(await first).toMatchObject({ kind: 'ok' });
    expect(await second).toMatchObject({ kind: 'retry', error: { code: 'VBO_ERR_TIMEOUT' } });
    await sink.close();
  });

  test('for longer than five attempts take is waited for', async () => {
    const failures = vi.fn();
    const loading = ingest(
      { kernels },
      new TestSource({ rows: 1000, dimension: 16 }),
      await openSink(url()),
      {
        ...{ clock: hastyClock, fixed: { batchSize: 100, concurrency: 1 } },
        logger: { ...silentLogger, warn: failures },
      },
    );
    // At the very moment: looked for afterwards, a quick load would be over.
    await new Promise<void>((resolve) =>
      proxy.resetAt((piece) => {
        if (!isRows(piece)) return false;
        resolve(proxy.down());
        return true;
      }),
    );
    await vi.waitFor(() => expect(failures.mock.calls.length).toBeGreaterThan(7), { timeout: 20_000 });
    await proxy.up();
    expect(await loading).toMatchObject({ acknowledged: 1000, rejected: 0, reconciled: true });
  });
});
