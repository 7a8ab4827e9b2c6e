/**
 * Puts the part of TypeBox that the schemas use beside them: imported as it is published, its 373 files take most of the
 * time in which the service starts.
 */
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

/** The package's other files stay where they are: what they export is not to be there twice. */
function keepOutside({ onResolve }) {
  onResolve({ filter: /^\.\.\/\.\.\// }, ({ path, importer }) =>
    importer.startsWith(folder) ? { path, external: true } : undefined,
  );
}

const folder = new URL('../dist/server/schemas/', import.meta.url).pathname;
for (const name of readdirSync(folder)) if (name.startsWith('chunk-')) rmSync(folder + name);
await build({
  entryPoints: readdirSync('src/server/schemas').map((name) => folder + name.replace(/\.ts$/, '.js')),
  outdir: folder,
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  plugins: [{ name: 'package', setup: keepOutside }],
  mainFields: ['module', 'main'],
  logLevel: 'warning',
});
