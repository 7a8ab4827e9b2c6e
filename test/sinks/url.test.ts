import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSink, SINK_SCHEMES } from '../../src/sinks/index.js';
import { parsePathUrl, pathOfUrl } from '../../src/sinks/url.js';

describe('the URL of a sink in the file system', () => {
  test.each([
    ['lancedb://./dir?table=t', 'dir'],
    ['lancedb://dir?table=t', 'dir'],
    ['lancedb://dir/deeper', 'dir/deeper'],
    ['lancedb://../dir', '../dir'],
    ['lancedb:///abs/dir', '/abs/dir'],
    ['lancedb://my data/x y', 'my data/x y'],
    ['lancedb://my%20data/x', 'my data/x'],
    ['lancedb://100%/x', '100%/x'],
    ['lancedb://a#b/c', 'a#b/c'],
    ['lancedb://USER@HOST:80/x', 'USER@HOST:80/x'],
    ['lancedb://Größe/漢字', 'Größe/漢字'],
  ])('%s means %s', (text, path) => {
    expect(pathOfUrl(parsePathUrl(text))).toBe(resolve(path));
  });

  test('keeps its options', () => {
    expect(parsePathUrl('lancedb://./a b?table=x%20y&mode=upsert').searchParams.get('table')).toBe('x y');
  });

  test('stands for any path there is, once encoded', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ minLength: 1 }).filter((s) => !s.includes('\0')),
          { minLength: 1 },
        ),
        (parts) => {
          const path = resolve(join('/', ...parts));
          expect(
            pathOfUrl(parsePathUrl(`sqlite://${path.split('/').map(encodeURIComponent).join('/')}`)),
          ).toBe(path);
        },
      ),
      { seed: 4 },
    );
  });
});

describe('openSink', () => {
  test.each(['mongo://localhost/x', 'lancedb', './dir', '', 'constructor://x', '__proto__://x'])(
    'refuses %j and lists what it knows',
    async (url) => {
      await expect(openSink(url)).rejects.toMatchObject({
        code: 'VBO_ERR_URL',
        message: expect.stringContaining(SINK_SCHEMES.map((scheme) => `${scheme}://`).join(', ')),
      });
    },
  );

  test.each(['lancedb://', 'lancedb://?table=t'])('refuses %j without a path', async (url) => {
    await expect(openSink(url)).rejects.toMatchObject({ code: 'VBO_ERR_URL' });
  });

  test('never shows a password in its messages', async () => {
    await expect(openSink('null://user:secret@[bad')).rejects.toMatchObject({
      code: 'VBO_ERR_URL',
      message: expect.not.stringContaining('secret'),
    });
  });
});
