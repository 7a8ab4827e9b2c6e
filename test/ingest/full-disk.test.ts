import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { VectorBatchError } from '../../src/core/errors.js';
import { ingest } from '../../src/ingest/ingest.js';
import type { IngestReport } from '../../src/ingest/report.js';
import { openSink } from '../../src/sinks/index.js';
import { MAIN, npyHeader } from '../cli/vbo.js';
import { ChromaServer, canStartChroma } from '../servers/chroma.js';
import { getIds } from '../servers/chroma-records.js';
import { FaultProxy } from '../servers/fault-proxy.js';
import { QdrantServer } from '../servers/qdrant.js';
import { kernels, TestSource } from './support.js';
import { WatchedSink } from './watched.js';

const ROWS = 2000;
const DIMENSION = 4;
/** The disk fills up when so many rows are stored. */
const FILLED_AT = 80;
/** Part of the ledger's first line: what follows soon needs a second page of the disk. */
const LONG_NAME = 'x'.repeat(2900);
const SERVICE_MS = 40;

const folder = mkdtempSync(join(tmpdir(), 'disk-'));
/** Mounts a disk of 64 kB; false where that is not allowed. */
function mounts(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const isMounted = mounts();
afterAll(() => {
  if (isMounted) execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
});

interface Subject {
  readonly name: string;
  readonly canStart: boolean;
  start(): Promise<{ readonly address: string; close(): Promise<void> }>;
  url(address: string): string;
  ids(server: { readonly address: string }): Promise<number[]>;
}

const SUBJECTS: readonly Subject[] = [
  {
    ...{ name: 'the Qdrant stand-in', canStart: true, start: () => QdrantServer.start() },
    url: (address) => `qdrant://${address}/full`,
    ids: async (server) => {
      const { collections, violations } = server as QdrantServer;
      expect(violations).toEqual([]);
      return [...collections.get('full')!.points.keys()].map(Number);
    },
  },
  {
    ...{ name: 'Chroma', canStart: canStartChroma, start: () => ChromaServer.start() },
    url: (address) => `chroma://${address}/full`,
    ids: async ({ address }) => (await getIds(address, 'full')).map(Number),
  },
];

for (const { name, canStart, start, url, ids } of SUBJECTS) {
  describe.skipIf(!isMounted || !canStart)(`a ledger on a disk that fills up, loading into ${name}`, () => {
    it('stops the load with VBO_ERR_LEDGER_WRITE; with room again, the rest is loaded and every vector is there once', async () => {
      const server = await start();
      const proxy = await FaultProxy.start({
        ...{ upstream: server.address, serviceMs: () => SERVICE_MS, concerns: () => true },
      });
      const ledger = join(folder, `${name}.ledger`);
      const filler = join(folder, 'filler');
      const run = async (resume: boolean, onStored: (rows: number) => void) => {
        const sink = new WatchedSink(await openSink(url(proxy.address)), 8);
        const onProgress = () => onStored(sink.rows);
        const source = Object.assign(new TestSource({ rows: ROWS }), { name: LONG_NAME });
        return ingest({ kernels }, source, sink, {
          ...{ ledger, resume, onProgress, fixed: { batchSize: 8, concurrency: 4 } },
        });
      };
      let isFull = false;
      const failure: VectorBatchError = await run(false, (rows) => {
        if (isFull || rows < FILLED_AT) return;
        isFull = true;
        fill(filler);
      }).then(
        () => expect.fail('The load went on.'),
        (error) => error,
      );
      expect(failure).toMatchObject({
        code: 'VBO_ERR_LEDGER_WRITE',
        message: expect.stringContaining('ENOSPC'),
      });
      const { acknowledged } = failure.details.report as IngestReport;
      const stored = await ids(server);
      expect(acknowledged).toBeGreaterThan(0);
      expect(acknowledged).toBeLessThanOrEqual(stored.length);
      expect(stored.length).toBeLessThan(ROWS);

      rmSync(filler);
      const report = await run(true, () => {});
      expect(report).toMatchObject({ resumedFrom: acknowledged, reconciled: true });
      expect(report.acknowledged).toBe(ROWS - acknowledged);
      const all = await ids(server);
      expect(all.length).toBe(ROWS);
      expect(new Set(all)).toEqual(new Set(Array.from({ length: ROWS }, (_, id) => id)));
      await proxy.close();
      await server.close();
    }, 60_000);
  });

  describe.skipIf(!canStart)(`a ledger whose file may grow no further, loading into ${name}`, () => {
    it('stops `vbo ingest` with VBO_ERR_LEDGER_WRITE; without the limit, the rest is loaded and every vector is there once', async () => {
      const server = await start();
      const proxy = await FaultProxy.start({
        ...{ upstream: server.address, serviceMs: () => SERVICE_MS, concerns: () => true },
      });
      const cwd = mkdtempSync(join(tmpdir(), 'limit-'));
      const values = Float32Array.from({ length: ROWS * DIMENSION }, (_, i) => 1 + i);
      const npy = Buffer.concat([npyHeader(ROWS, DIMENSION), Buffer.from(values.buffer)]);
      writeFileSync(join(cwd, 'rows.npy'), npy);
      const words = [
        'ingest',
        'rows.npy',
        '--to',
        url(proxy.address),
        '--ledger',
        'ledger',
        '--fixed',
        '8x4',
      ];
      const run = async (limit: string, ...more: string[]) => {
        const script = `ulimit -f ${limit} && exec "$0" "$@"`;
        const running = promisify(execFile)(
          'sh',
          ['-c', script, process.execPath, MAIN, ...words, ...more, '--json'],
          { cwd },
        );
        const { stdout } = await running.catch((error) => error as { stdout: string });
        return JSON.parse(stdout);
      };
      // 1 KiB: the shell counts blocks of 512 bytes.
      const failed = await run('2');
      expect(failed.error).toMatchObject({
        code: 'VBO_ERR_LEDGER_WRITE',
        message: expect.stringContaining('EFBIG'),
      });
      const stored = await ids(server);
      expect(failed.acknowledged).toBeGreaterThan(0);
      expect(failed.acknowledged).toBeLessThanOrEqual(stored.length);
      expect(stored.length).toBeLessThan(ROWS);

      const report = await run('unlimited', '--resume');
      expect(report).toMatchObject({ resumedFrom: failed.acknowledged, reconciled: true });
      expect(report.acknowledged).toBe(ROWS - failed.acknowledged);
      const all = await ids(server);
      expect(all.length).toBe(ROWS);
      expect(new Set(all)).toEqual(new Set(Array.from({ length: ROWS }, (_, id) => id)));
      rmSync(cwd, { recursive: true });
      await proxy.close();
      await server.close();
    }, 60_000);
  });
}

/** Takes all the room that is left. */
function fill(path: string): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(path, Buffer.alloc(bavail * bsize));
}
