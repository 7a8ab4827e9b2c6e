import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/server/app.js';
import type { AuditLine } from '../../src/server/audit/chain.js';
import { verifyAuditLog } from '../../src/server/audit/verify.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';
import { BODY, CALCULATE, DIGEST, digestOf, KEY, tempFolder, until, writeNpy } from './support.js';

const folder = tempFolder();
const sources = join(folder, 'sources');
mkdirSync(sources);
writeNpy(join(sources, 'a.npy'), 10, 4);
writeNpy(join(folder, 'outside.npy'), 10, 4);
symlinkSync(join(folder, 'outside.npy'), join(sources, 'link.npy'));

const SECRET = 'a secret of more than thirty-two bytes, for tests';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
const READER = 'a key that may only ask';
const ISSUER = { VBO_JWT_ISSUER: 'https://issuer.example', VBO_JWT_AUDIENCE: 'vbo' };
const CLAIMS = { iss: 'https://issuer.example', aud: 'vbo', sub: 'tester' };

const optimizer = await VectorBatchOptimizer.create({ threads: 0 });
const common = {
  VBO_ALLOWED_SOURCES: sources,
  VBO_ALLOWED_SINKS: 'null://,qdrant://localhost:6333/team',
  VBO_RUN_DIRECTORY: join(folder, 'runs'),
  VBO_REQUEST_TIMEOUT: '1s',
  VBO_MAX_CONNECTIONS: '40',
  VBO_BODY_LIMIT: '1MB',
  ...ISSUER,
};
const logs = ['keyed', 'asymmetric', 'local'].map((name) => join(folder, `${name}.ndjson`)) as [
  string,
  string,
  string,
];
const [log] = logs;
const keyed = await createApp(
  optimizer,
  readServerConfig({
    ...common,
    VBO_API_KEYS: `${DIGEST},${digestOf(READER)}:recommend`,
    VBO_JWT_SECRET: SECRET,
    VBO_AUDIT_LOG: log,
  }),
);
const asymmetric = await createApp(
  optimizer,
  readServerConfig({ ...common, VBO_JWT_PUBLIC_KEY: pem, VBO_AUDIT_LOG: logs[1] }),
);
const local = await createApp(optimizer, readServerConfig({ ...common, VBO_AUDIT_LOG: logs[2] }));

let port: number;
beforeAll(async () => {
  port = Number(new URL(await keyed.listen({ port: 0, host: '127.0.0.1' })).port);
});
afterAll(async () => {
  for (const app of [keyed, asymmetric, local]) await app.close();
  await optimizer.close();
});

const now = () => Math.floor(Date.now() / 1000);
const base64 = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const sign = (claims: object = CLAIMS) => new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256' });
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const valid = () => sign().setExpirationTime('1m').sign(bytesOf(SECRET));

const calculate = (headers: Record<string, string>, app = keyed) =>
  app.inject({ method: 'POST', url: CALCULATE, payload: BODY, headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const linesOf = (path: string): AuditLine[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

interface Answer {
  readonly statusCode: number;
  readonly body: string;
}

/** Each attack that was refused: it is to have a line of its own in an audit log. */
const attacks: { readonly request_id: string; readonly status: number; readonly code: string }[] = [];

/** Expects a refusal with one of `statuses`, and gives back its code. */
function expectRefused({ statusCode, body }: Answer, ...statuses: number[]): string {
  expect(statuses).toContain(statusCode);
  const { error, request_id } = JSON.parse(body);
  attacks.push({ request_id, status: statusCode, code: error.code });
  return error.code;
}

/** Sends text as it is over a connection of its own and gives back the answer, or all that comes where it is `untilClosed`. */
function raw(text: string, untilClosed = false): Promise<Answer & { readonly head: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (!untilClosed && isWhole(answer)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? undefined : reject(error),
    );
    socket.on('close', () => {
      const [head, body = ''] = answer.split('\r\n\r\n') as [string, string?];
      resolve({ statusCode: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head: `${head}\r\n`, body });
    });
    socket.write(text);
  });
}

function isWhole(answer: string): boolean {
  const [head, body] = answer.split('\r\n\r\n') as [string, string?];
  return body !== undefined && body.length >= Number(/content-length: (\d+)/i.exec(head)?.[1]);
}

describe('tokens', () => {
  it('lets the right ones in', async () => {
    expect((await calculate(bearer(await valid()))).statusCode).toBe(200);
    const token = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg: 'RS256' })
      .setExpirationTime('1m')
      .sign(rsa.privateKey);
    expect((await calculate(bearer(token), asymmetric)).statusCode).toBe(200);
  });

  it.each<[string, () => string | Promise<string>]>([
    ['alg none', () => `${base64({ alg: 'none' })}.${base64({ ...CLAIMS, exp: now() + 60 })}.`],
    [
      'alg None in other letters',
      () => `${base64({ alg: 'nOnE' })}.${base64({ ...CLAIMS, exp: now() + 60 })}.`,
    ],
    [
      'an expired one',
      () =>
        sign()
          .setExpirationTime(now() - 10)
          .sign(bytesOf(SECRET)),
    ],
    ['one that never expires', () => sign().sign(bytesOf(SECRET))],
    ['one of tomorrow', () => sign().setNotBefore('1d').setExpirationTime('2d').sign(bytesOf(SECRET))],
    [
      'one of another issuer',
      () =>
        sign({ ...CLAIMS, iss: 'https://evil.example' })
          .setExpirationTime('1m')
          .sign(bytesOf(SECRET)),
    ],
    ['one without an issuer', () => sign({ aud: 'vbo' }).setExpirationTime('1m').sign(bytesOf(SECRET))],
    [
      'one for another audience',
      () =>
        sign({ ...CLAIMS, aud: 'other' })
          .setExpirationTime('1m')
          .sign(bytesOf(SECRET)),
    ],
    [
      'one signed with another secret',
      () =>
        sign()
          .setExpirationTime('1m')
          .sign(bytesOf(`${SECRET}!`)),
    ],
    [
      'another algorithm of the same secret',
      () =>
        new SignJWT(CLAIMS)
          .setProtectedHeader({ alg: 'HS512' })
          .setExpirationTime('1m')
          .sign(bytesOf(SECRET)),
    ],
    [
      'a tampered payload',
      async () => {
        const [head, , signature] = (await valid()).split('.');
        return `${head}.${base64({ ...CLAIMS, sub: 'admin', exp: now() + 60 })}.${signature}`;
      },
    ],
    [
      'a key of its own in the header',
      () =>
        `${base64({ alg: 'HS256', jwk: { kty: 'oct', k: base64('x') } })}.${base64({ ...CLAIMS, exp: now() + 60 })}.x`,
    ],
    ['no token', () => ''],
    ['half a token', async () => (await valid()).slice(0, 40)],
    ['a token that is no text', () => '\u00ff.\u00ff.\u00ff'],
  ])('refuses %s', async (_, token) => {
    expect(expectRefused(await calculate(bearer(await token())), 401)).toBe('VBO_HTTP_UNAUTHORIZED');
  });

  it('refuses algorithm confusion: HS256 with the public key as the secret', async () => {
    const payload = `${base64({ alg: 'HS256' })}.${base64({ ...CLAIMS, exp: now() + 60 })}`;
    for (const secret of [pem, pem.trim(), rsa.publicKey.export({ type: 'spki', format: 'der' })]) {
      const signature = createHmac('sha256', secret).update(payload).digest('base64url');
      expectRefused(await calculate(bearer(`${payload}.${signature}`), asymmetric), 401);
    }
  });
});

describe('keys and headers', () => {
  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['an empty key', { 'x-api-key': '' }],
    ['a wrong key', { 'x-api-key': `${KEY}x` }],
    ['the digest instead of the key', { 'x-api-key': DIGEST }],
    ['a key with a NUL', { 'x-api-key': `${KEY}\0` }],
    ['an empty Authorization', { authorization: '' }],
    ['basic credentials', { authorization: `Basic ${base64('a:b')}` }],
    ['a key as a token', { authorization: `Bearer ${base64(KEY)}` }],
    ['a key and a token', { 'x-api-key': KEY, authorization: 'Bearer x.y.z' }],
    ['a very long key', { 'x-api-key': 'k'.repeat(10_000) }],
  ])('refuses %s', async (_, headers) => {
    expectRefused(await calculate(headers), 401);
  });

  it('refuses duplicate credentials, on the wire', async () => {
    const body = JSON.stringify(BODY);
    const request = (...headers: string[]) =>
      `POST ${CALCULATE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${headers.map((h) => `${h}\r\n`).join('')}\r\n${body}`;
    expect((await raw(request(`x-api-key: ${KEY}`))).statusCode).toBe(200);
    const token = await valid();
    for (const headers of [
      [`authorization: Bearer ${token}`, 'authorization: Bearer x.y.z'],
      [`authorization: Bearer ${token}`, `Authorization: Bearer ${token}`],
      [`x-api-key: ${KEY}`, `x-api-key: ${KEY}`],
    ]) {
      expectRefused(await raw(request(...headers)), 401);
    }
    expectRefused(await raw(request(`x-api-key: ${KEY}\0`)), 400);
  });

  it('lets a key do what its scopes say and no more', async () => {
    const headers = { 'x-api-key': READER };
    expect((await calculate(headers)).statusCode).toBe(200);
    for (const [method, url, payload] of [
      ['POST', '/api/v1/batch-optimization/train', { records: [{}] }],
      ['POST', '/api/v1/history', { records: [] }],
      ['POST', '/api/v1/runs', { kind: 'tune', sink: 'null://', dimension: 4 }],
    ] as const) {
      const answer = await keyed.inject({ method, url, payload, headers });
      expect(expectRefused(answer, 403)).toBe('VBO_HTTP_FORBIDDEN');
    }
  });

  it('shows metrics and the API to nobody without a credential', async () => {
    for (const url of ['/metrics', '/docs', '/docs/json', '/docs/static/index.html', '/nowhere']) {
      expectRefused(await keyed.inject({ url }), 401);
    }
    expect((await keyed.inject({ url: '/metrics', headers: { 'x-api-key': READER } })).statusCode).toBe(200);
  });

  it('keeps other sites’ pages out of a service without credentials', async () => {
    const host = 'localhost:8001';
    expect((await calculate({ host }, local)).statusCode).toBe(200);
    expect((await calculate({ host, origin: `http://${host}` }, local)).statusCode).toBe(200);
    for (const headers of [
      { host: 'rebound.example:8001' },
      { host: '127.0.0.1.nip.example' },
      { host, origin: 'https://evil.example' },
      { host, origin: 'null' },
      { host, origin: 'http://localhost:3000' },
      { host, 'sec-fetch-site': 'cross-site' },
    ]) {
      expectRefused(await calculate(headers, local), 403);
    }
  });
});

describe('bodies', () => {
  const post = (payload: string | Buffer, headers: Record<string, string> = {}, url = CALCULATE) =>
    keyed.inject({
      method: 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json', 'x-api-key': KEY, ...headers },
    });
  const MSGPACK = { 'content-type': 'application/msgpack' };

  it.each([
    ['a prototype', `{"__proto__":{"admin":true},${JSON.stringify(BODY).slice(1)}`],
    ['a prototype, escaped', `{"\\u005f_proto__":{"admin":true},${JSON.stringify(BODY).slice(1)}`],
    [
      'a constructor’s prototype',
      `{"constructor":{"prototype":{"admin":true}},${JSON.stringify(BODY).slice(1)}`,
    ],
    ['deep nesting', '['.repeat(100_000)],
    ['deep nesting that is closed', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
    ['NaN', JSON.stringify(BODY).replace('8192', 'NaN')],
    ['infinity', JSON.stringify(BODY).replace('8192', '1e999')],
    ['nothing', ''],
    ['text', '"text"'],
  ])('refuses %s in JSON', async (_, payload) => {
    expectRefused(await post(payload), 400);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it.each<[string, Buffer]>([
    [
      'a prototype',
      Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from('__proto__'), Buffer.from([0x80])]),
    ],
    ['an array of four thousand million', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ['a map of four thousand million', Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])],
    ['text of four thousand million bytes', Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff])],
    [
      'many arrays that each claim the rest',
      Buffer.concat(Array.from({ length: 20 }, () => Buffer.from([0xdd, 0x00, 0x0f, 0x00, 0x00]))),
    ],
    ['an extension', Buffer.from([0xc7, 0x01, 0x05, 0x00])],
    ['the reserved byte', Buffer.from([0xc1])],
    ['a million levels', Buffer.alloc(1_000_000, 0x91)],
    ['two documents', Buffer.from([0xc0, 0xc0])],
    ['nothing', Buffer.alloc(0)],
    ['NaN', Buffer.from(encode({ ...BODY, item_count: Number.NaN }))],
    ['keys that are numbers', Buffer.from([0x81, 0x01, 0x01])],
  ])('refuses %s in MessagePack', async (_, payload) => {
    const before = process.memoryUsage().rss;
    for (const url of [CALCULATE, '/api/v1/batch-optimization/optimize-layout']) {
      expectRefused(await post(payload, MSGPACK, url), 400);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  it('refuses compressed, unknown and too large bodies', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expectRefused(await post(bomb, { 'content-encoding': 'gzip' }), 415);
    expectRefused(await post('<a/>', { 'content-type': 'application/xml' }), 415);
    const large = `{"a":"${'x'.repeat(1_100_000)}"}`;
    expectRefused(await post(large), 413);
    expectRefused(await post(large, {}, '/api/v1/batch-optimization/optimize-layout'), 413);
  });

  it('closes slow bodies and slow headers', async () => {
    const slow = `POST ${CALCULATE} HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${KEY}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`;
    const started = performance.now();
    const answers = await Promise.all([raw(slow, true), raw('POST / HTTP/1.1\r\nhost: lo', true)]);
    expect(performance.now() - started).toBeLessThan(8000);
    for (const answer of answers) expectRefused(answer, 408);
  });

  it('refuses header floods and what is not HTTP', async () => {
    const flood = 'x-flood: abcdefgh\r\n'.repeat(5000);
    for (const [status, text] of [
      [431, `GET /health HTTP/1.1\r\nhost: localhost\r\n${flood}`],
      [400, 'GET /%ff HTTP/1.1\r\nhost: localhost\r\n'],
      [400, 'GET /health HTTP/1.1\r\nhost: localhost\r\nbad header\r\n'],
      [400, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n'],
    ] as const) {
      const answer = await raw(`${text}\r\n`);
      expectRefused(answer, status);
      expect(answer.head).toContain('\r\nx-content-type-options: nosniff\r\n');
      expect(answer.head).toContain('\r\ncache-control: no-store\r\n');
    }
  });
});

describe('connections', () => {
  it('bounds idle ones, keeps answering, and closes them after a while', async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    for (let i = 0; i < 200; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => closed++);
      socket.resume();
      sockets.push(socket);
    }
    // All beyond the fortieth at once, the others when they have said nothing for a second.
    await until(
      async () => closed,
      (count) => count >= 160,
      5000,
    );
    await until(
      async () => closed,
      (count) => count === 200,
      10_000,
    );
    expect((await raw('GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n')).statusCode).toBe(200);
    for (const socket of sockets) socket.destroy();
  });
});

describe('runs', () => {
  const start = (body: object) =>
    keyed.inject({ method: 'POST', url: '/api/v1/runs', payload: body, headers: { 'x-api-key': KEY } });

  it.each([
    '/etc/passwd',
    '../outside.npy',
    '..%2foutside.npy',
    'link.npy',
    'a.npy\0',
    `${sources}/../outside.npy`,
  ])('reads nothing outside of the allowed folders: %j', async (source) => {
    expectRefused(await start({ kind: 'ingest', source, sink: 'null://' }), 403, 422);
  });

  it.each([
    'qdrant://evil.example:6333/team',
    'qdrant://a:b@localhost:6333/team',
    'qdrant://localhost:6333/team/../other',
  ])('writes nowhere else: %j', async (sink) => {
    const answer = await start({ kind: 'ingest', source: 'a.npy', sink });
    expect(expectRefused(answer, 403)).toBe('VBO_HTTP_FORBIDDEN');
  });

  it('shows nobody the runs of others', async () => {
    const { id } = (await start({ kind: 'tune', sink: 'null://', dimension: 4, budget_ms: 100 })).json();
    const token = await sign({ ...CLAIMS, scope: 'run' })
      .setExpirationTime('1m')
      .sign(bytesOf(SECRET));
    const url = `/api/v1/runs/${id}`;
    expectRefused(await keyed.inject({ url, headers: bearer(token) }), 404);
    expectRefused(await keyed.inject({ method: 'DELETE', url, headers: bearer(token) }), 404);
    expect((await keyed.inject({ url, headers: { 'x-api-key': KEY } })).statusCode).toBe(200);
  });
});

describe('the audit logs of all this', () => {
  it('have a line of its own for every attack, in chains that are whole, and no secret', async () => {
    const lines = () => logs.flatMap(linesOf);
    const written = () => new Map(lines().map((line) => [line.request_id, line]));
    await until(
      async () => attacks.filter(({ request_id }) => !written().has(request_id)),
      (missing) => missing.length === 0,
      5000,
    );
    expect(attacks.length).toBeGreaterThan(80);
    expect(new Set(attacks.map(({ request_id }) => request_id)).size).toBe(attacks.length);
    for (const attack of attacks) expect(written().get(attack.request_id)).toMatchObject(attack);
    // Connections that are closed unheard get no answer, and a line each.
    expect(lines().filter(({ code }) => code === 'VBO_HTTP_CONNECTIONS').length).toBeGreaterThanOrEqual(160);
    // The one run that was started.
    expect(lines().filter(({ status }) => status === 202)).toHaveLength(1);
    for (const path of logs) {
      expect(await verifyAuditLog(path)).toMatchObject({ isIntact: true, lines: linesOf(path).length });
      const text = readFileSync(path, 'utf8');
      for (const secret of [KEY, READER, SECRET, 'eyJ']) expect(text).not.toContain(secret);
    }
  });
});
