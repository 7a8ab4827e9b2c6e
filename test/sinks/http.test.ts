import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
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
    const server = createServer((request, response) => {
      const { 'x-key': key, 'content-type': type } = request.headers;
      request.on('data', (body) => response.writeHead(418).end(`${key} ${type} ${body}`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = new HttpConnection({ origin, headers: { 'x-key': 'k' } });
    const answer = await connection.request({ method: 'POST', path: '/a?b=c', body: '{}' });
    expect(answer).toMatchObject({ status: 418, text: 'k application/json {}' });
    await connection.close();
    server.close();
  });
});
