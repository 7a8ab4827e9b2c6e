/**
 * Bundles src/dashboard into dist/dashboard: files named by their content, each also as brotli and gzip, and
 * manifest.json, which says how to serve them (see src/server/plugins/dashboard.ts).
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const SOURCE = 'src/dashboard';
const TARGET = 'dist/dashboard';
const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  wasm: 'application/wasm',
};

const digest = (bytes) => createHash('sha256').update(bytes).digest();

/** The style element that Plot puts into its pictures, as the policy has to name it. */
function plotStyleHash() {
  const code = readFileSync('node_modules/@observablehq/plot/src/plot.js', 'utf8');
  const [, text] = /svg\.append\("style"\)\.text\(\s*`([^`]*)`/.exec(code) ?? [];
  if (!text) throw new Error('Plot does not add its style as it did; the page’s policy has to be looked at.');
  return digest(text.replace(/\$\{className\}/g, 'plot')).toString('base64');
}

const files = [];

/** Writes a file and its compressed forms; assets carry their hash in their name. */
function emit(name, bytes) {
  const [, extension] = /\.(\w+)$/.exec(name);
  const isAsset = name !== 'index.html';
  const tag = digest(bytes).toString('base64url').slice(0, 12);
  const path = isAsset ? `assets/${name.replace(/\.\w+$/, '')}-${tag}.${extension}` : name;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const compressed = { br: brotliCompressSync(bytes, { params }), gzip: gzipSync(bytes, { level: 9 }) };
  writeFileSync(`${TARGET}/${path}`, bytes);
  writeFileSync(`${TARGET}/${path}.br`, compressed.br);
  writeFileSync(`${TARGET}/${path}.gz`, compressed.gzip);
  const sizes = { identity: bytes.length, br: compressed.br.length, gzip: compressed.gzip.length };
  files.push({ path, type: TYPES[extension], tag, isAsset, sizes });
  return path;
}

async function bundle(entry, define = {}) {
  const result = await build({
    entryPoints: [`${SOURCE}/${entry}.ts`],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    write: false,
    define: Object.fromEntries(Object.entries(define).map(([name, value]) => [name, JSON.stringify(value)])),
  });
  return emit(`${entry}.js`, Buffer.from(result.outputFiles[0].contents));
}

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(`${TARGET}/assets`, { recursive: true });

const beside = (path) => path.replace('assets/', './');
const kernels = emit('kernels.wasm', readFileSync('build/kernels-unshared.wasm'));
const worker = await bundle('worker', { KERNELS_URL: beside(kernels) });
const main = await bundle('main', { WORKER_URL: beside(worker) });
const theme = await bundle('theme');
const { outputFiles } = await build({ entryPoints: [`${SOURCE}/style.css`], minify: true, write: false });
const style = emit('style.css', Buffer.from(outputFiles[0].contents));

const html = readFileSync(`${SOURCE}/index.html`, 'utf8').replace(
  /\{\{(\w+)\}\}/g,
  (_, name) => ({ main, theme, style })[name],
);
emit('index.html', Buffer.from(html));

const policy = [
  "default-src 'none'",
  // Kernels are compiled in the worker; no script stands in the page itself.
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  `style-src 'self' 'sha256-${plotStyleHash()}'`,
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
writeFileSync(`${TARGET}/manifest.json`, `${JSON.stringify({ policy, files }, null, 2)}\n`);

const total = (encoding) => files.reduce((sum, { sizes }) => sum + sizes[encoding], 0);
console.log(
  `page: ${(total('br') / 1000).toFixed(1)} kB brotli, ${(total('gzip') / 1000).toFixed(1)} kB gzip`,
);
