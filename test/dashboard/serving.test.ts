import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, serve } from './support.js';

describe('the dashboard’s files', () => {
  let service: Service;
  beforeAll(async () => {
    service = await serve(() => ({ VBO_API_KEYS: 'a'.repeat(64) }));
  });
  afterAll(() => service[Symbol.asyncDispose]());

  const get = (url: string, headers: Record<string, string> = {}) =>
    service.app.inject({ method: 'GET', url, headers });

  it('come without a credential, in the smallest form that is taken', async () => {
    const plain = await get('/');
    expect(plain.statusCode).toBe(200);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const forms = [
      ['br', brotliDecompressSync, 'gzip, deflate, br'],
      ['gzip', gunzipSync, 'gzip, br;q=0'],
    ] as const;
    for (const [encoding, decompress, accepted] of forms) {
      const answer = await get('/', { 'accept-encoding': accepted });
      expect(answer.headers['content-encoding']).toBe(encoding);
      expect(decompress(answer.rawPayload).toString()).toBe(plain.body);
      expect(answer.headers.vary).toContain('accept-encoding');
    }
  });

  it('are asked for again only when they changed', async () => {
    const page = await get('/', { 'accept-encoding': 'br' });
    expect(page.headers['cache-control']).toBe('no-cache');
    const again = await get('/', { 'accept-encoding': 'br', 'if-none-match': page.headers.etag as string });
    expect(again.statusCode).toBe(304);
    expect(again.rawPayload).toHaveLength(0);
    const other = await get('/', { 'if-none-match': page.headers.etag as string });
    expect(other.statusCode).toBe(200);
    for (const path of assetsOf((await get('/')).body)) {
      const asset = await get(`/${path}`);
      expect(asset.statusCode, path).toBe(200);
      expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    }
  });

  it('bring a policy that lets no inline script run, and have none', async () => {
    const { body, headers } = await get('/');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')|https?:/);
    expect(body).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|javascript:/i);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });
});

const assetsOf = (html: string): string[] =>
  [...html.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, path]) => path!);
