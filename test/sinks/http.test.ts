import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  HttpConnection,
  kindOfStatus,
  refusal,
  refusalOutcome,
  retryAfterMs,
  unreachable,
} from '../../src/sinks/http.js';

describe('Retry-After', () => {
  test.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': ' 0.5 ' }, 500],
    [{ 'retry-after': ['3', '4'] }, 3000],
    [{ 'retry-after': '99999' }, 600_000],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT', date: 'Wed, 21 Oct 2026 07:28:00 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:27:00 GMT', date: 'Wed, 21 Oct 2026 07:28:00 GMT' }, 0],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-1' }, undefined],
    [{}, undefined],
  ])('%j asks for %s ms, whatever our own clock says', (headers, ms) => {
    expect(retryAfterMs(headers)).toBe(ms);
  });
});

describe('the status of an answer', () => {
  test.each([
    [200, 'ok'],
    [204, 'ok'],
    [400, 'permanent'],
    [401, 'fatal'],
    [403, 'fatal'],
    [404, 'fatal'],
    [408, 'retry'],
    [409, 'permanent'],
    [413, 'shrink'],
    [422, 'permanent'],
    [429, 'backOff'],
    [500, 'retry'],
    [502, 'backOff'],
    [503, 'backOff'],
    [504, 'backOff'],
    [507, 'fatal'],
    [302, 'retry'],
  ])('%i means %s', (status, kind) => {
    expect(kindOfStatus(status)).toBe(kind);
  });

  test('of success with words nobody understands is tried again', () => {
    expect(refusalOutcome('x://h', { status: 200, headers: {}, text: '<html>' }, '<html>')).toMatchObject({
      kind: 'retry',
      error: { details: { status: 200 } },
    });
  });
});

describe('an error', () => {
  test('holds the server’s words in one line, and no page of them', () => {
    const { message } = refusal('x://h', { status: 500, headers: {}, text: '' }, `a\n\n${'b'.repeat(9999)}`);
    expect(message).toMatch(/^x:\/\/h answered 500: a b+\.\.\.$/);
    expect(message.length).toBeLessThan(540);
  });

  test('of a host with several addresses is that of the first', () => {
    const cause = new AggregateError([new Error('connect ECONNREFUSED ::1:1'), new Error('other')]);
    expect(unreachable('x://h', cause)).toMatchObject({
      code: 'VBO_ERR_SINK_UNREACHABLE',
      message: 'x://h cannot be reached: connect ECONNREFUSED ::1:1',
    });
  });
});

describe('a connection', () => {
  test('sends its headers and the body, and answers whatever the status is', async () => {
    const { connection } = await connectTo((request, response) => {
      const { 'x-key': key, 'content-type': type } = request.headers;
      request.on('data', (body) => response.writeHead(418).end(`${key} ${type} ${body}`));
    });
    const answer = await connection.request({ method: 'POST', path: '/a?b=c', body: '{}' });
    expect(answer).toMatchObject({ status: 418, text: 'k application/json {}' });
  });

  describe('that asks', () => {
    const question = { method: 'GET', path: '/count' } as const;

    test('asks again after 503, 429, a reset and half an answer, ever later and as late as it is told', async () => {
      const troubles: RequestListener[] = [
        (_, response) => response.writeHead(503).end(),
        ({ socket }) => socket.resetAndDestroy(),
        (_, response) => response.writeHead(429, { 'retry-after': '7' }).end(),
        (_, response) => {
          response.writeHead(200, { 'content-length': 2 }).write('4', () => response.destroy());
        },
        (_, response) => response.end('42'),
      ];
      const { connection, sleptMs } = await connectTo((...call) => troubles.shift()!(...call));
      expect(await connection.ask(question)).toMatchObject({ status: 200, text: '42' });
      expect(sleptMs[2]).toBe(7000);
      for (const [i, fullMs] of [200, 400, 7000, 1600].entries()) {
        expect(sleptMs[i]).toBeGreaterThanOrEqual(fullMs / 2);
        expect(sleptMs[i]).toBeLessThanOrEqual(fullMs);
      }
    });

    test('gives the last of six refusals back', async () => {
      let asked = 0;
      const { connection } = await connectTo((_, response) => response.writeHead(503).end(String(++asked)));
      expect(await connection.ask(question)).toMatchObject({ status: 503, text: '6' });
    });

    test('fails with the last of six broken connections', async () => {
      let asked = 0;
      const { connection } = await connectTo(({ socket }, response) => {
        if (asked++ === 0) response.writeHead(503).end();
        else socket.resetAndDestroy();
      });
      await expect(connection.ask(question)).rejects.toMatchObject({
        code: expect.stringMatching(/ECONNRESET|UND_ERR/),
      });
      expect(asked).toBe(6);
    });

    test.each([200, 301, 400, 401, 404, 409])('takes %i for an answer', async (status) => {
      const { connection, sleptMs } = await connectTo((_, response) => response.writeHead(status).end());
      expect((await connection.ask(question)).status).toBe(status);
      expect(sleptMs).toEqual([]);
    });

    test('does not wait for a server that has never answered', async () => {
      const { connection, sleptMs } = await connectTo(({ socket }) => socket.resetAndDestroy());
      await expect(connection.ask(question)).rejects.toThrow();
      expect(sleptMs).toEqual([]);
    });
  });
});

/** A connection to a server of one's own, which sleeps no time. */
async function connectTo(
  listener: RequestListener,
): Promise<{ connection: HttpConnection; sleptMs: number[] }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sleptMs: number[] = [];
  const clock = { now: () => 0, sleep: async (ms: number) => void sleptMs.push(ms) };
  const connection = new HttpConnection({ origin, headers: { 'x-key': 'k' }, clock });
  onTestFinished(async () => {
    await connection.close();
    server.close();
  });
  return { connection, sleptMs };
}
