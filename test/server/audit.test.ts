import { appendFileSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/server/audit/audit-log.js';
import { headPath, parseHead, verifyAuditLog } from '../../src/server/audit/verify.js';
import { RECORD_EXAMPLE } from '../../src/server/schemas/record.js';
import { vbo } from '../cli/vbo.js';
import { startService } from './service.js';
import { tempFolder } from './support.js';

/** A log of a start, ten requests and a stop: twelve lines. */
async function writtenLog(): Promise<string> {
  const path = join(tempFolder(), 'audit.ndjson');
  const log = await AuditLog.open(path);
  for (let i = 1; i <= 10; i++) await log.append({ event: 'request', request_id: `r${i}`, status: 401 });
  await log.close();
  return path;
}

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
const rewrite = (path: string, lines: string[]): void => writeFileSync(path, `${lines.join('\n')}\n`);

describe('the audit log', () => {
  it('is whole as it was written, also over several starts', async () => {
    const path = await writtenLog();
    const again = await AuditLog.open(path);
    await again.append({ event: 'request', status: 200 });
    await again.close();
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: 15, line: null });
  });

  it.each<[string, (lines: string[]) => string[], number]>([
    ['changed', (l) => l.map((line, i) => (i === 4 ? line.replace('401', '200') : line)), 5],
    [
      'changed in its last digit',
      (l) => l.map((line, i) => (i === 4 ? line.replace(/.(?="}$)/, 'z') : line)),
      5,
    ],
    ['removed', (l) => l.filter((_, i) => i !== 4), 5],
    ['removed at the start', (l) => l.slice(1), 1],
    ['removed at the end', (l) => l.slice(0, -1), 12],
    ['removed at the end, five of them', (l) => l.slice(0, -5), 8],
    ['put in twice', (l) => l.toSpliced(4, 0, l[4]!), 6],
    ['moved', (l) => l.with(4, l[5]!).with(5, l[4]!), 5],
    ['emptied', (l) => l.with(4, ''), 5],
    ['made null', (l) => l.with(4, 'null'), 5],
  ])('shows which line was %s', async (_, tamper, line) => {
    const path = await writtenLog();
    rewrite(path, tamper(linesOf(path)));
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: false, line, lines: line - 1 });
  });

  it('shows lines cut off at the end, with their head file, by a head noted elsewhere', async () => {
    const path = await writtenLog();
    const head = parseHead(readFileSync(headPath(path), 'utf8').trim())!;
    rewrite(path, linesOf(path).slice(0, -3));
    rmSync(headPath(path));
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: 9 });
    expect(await verifyAuditLog(path, head)).toMatchObject({ isIntact: false, line: 10 });
  });

  it('is not gone on with where its end was cut off or changed', async () => {
    const path = await writtenLog();
    const copy = `${path}.copy`;
    copyFileSync(headPath(path), headPath(copy));
    rewrite(copy, linesOf(path).slice(0, -1));
    await expect(AuditLog.open(copy)).rejects.toMatchObject({ code: 'VBO_ERR_AUDIT' });
    rewrite(
      copy,
      linesOf(path).map((line, i) => (i === 11 ? line.replace('stop', 'halt') : line)),
    );
    await expect(AuditLog.open(copy)).rejects.toMatchObject({ code: 'VBO_ERR_AUDIT' });
  });

  it('goes on behind a line that a crash cut short', async () => {
    const path = await writtenLog();
    appendFileSync(path, '{"seq":13,"time":"2026-');
    const log = await AuditLog.open(path);
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: 14 });
  });

  it('is verified from the command line', async () => {
    const path = await writtenLog();
    const whole = await vbo(['audit', 'verify', path, '--json']);
    expect(whole.code).toBe(0);
    const { head } = JSON.parse(whole.stdout);
    rewrite(path, linesOf(path).slice(0, -1));
    const cut = await vbo(['audit', 'verify', path, '--head', head]);
    expect(cut.code).toBe(1);
    expect(cut.stdout).toContain('Line 12 is missing');
    expect((await vbo(['audit', 'check', path])).code).toBe(2);
  });
});

describe('a service whose audit log cannot grow any more', () => {
  const path = join(tempFolder(), 'audit.ndjson');
  const add = async (url: string) => {
    const response = await fetch(`${url}/api/v1/history`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ records: [RECORD_EXAMPLE] }),
    });
    return {
      status: response.status,
      requestId: response.headers.get('x-request-id'),
      body: await response.json(),
    };
  };

  it('says of the first change that it is not written down, and makes no further one', async () => {
    const service = await startService({ VBO_AUDIT_LOG: path }, { fileBlocks: 4 });
    let added = 0;
    const first = await add(service.url);
    let answer = first;
    for (; answer.status === 200 && added < 20; answer = await add(service.url)) added++;
    expect(added).toBeGreaterThan(1);
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'VBO_HTTP_AUDIT' } } });
    expect(answer.body.error.message).toMatch(/^This was done, but/);
    const refused = await add(service.url);
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'VBO_HTTP_AUDIT' } } });
    expect(refused.body.error.message).toMatch(/nothing is changed/);
    const { total } = await (await fetch(`${service.url}/api/v1/history`)).json();
    expect(total).toBe(added + 1);
    expect(await service.stop()).toBe(0);
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: 1 + added });
    expect(JSON.parse(linesOf(path)[1]!)).toMatchObject({ request_id: first.requestId, status: 200 });
  });

  it('is started again where there is room, and goes on with the log', async () => {
    const { lines } = await verifyAuditLog(path);
    const service = await startService({ VBO_AUDIT_LOG: path });
    expect((await add(service.url)).status).toBe(200);
    expect(await service.stop()).toBe(0);
    expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: lines + 3 });
    expect((await vbo(['audit', 'verify', path])).code).toBe(0);
  });
});
