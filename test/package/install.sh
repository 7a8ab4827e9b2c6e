#!/usr/bin/env bash
# Packs the project, installs the tarball into an empty one and uses it there as a stranger would.
# Usage: install.sh WORK_FOLDER
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "$1/package-XXXX")
cd "$project"
tarball=$(npm pack --silent --pack-destination "$work" | tail -n 1)

mkdir "$work/empty"
cd "$work/empty"
npm init --yes >/dev/null
npm install --no-audit --no-fund --silent "$work/$tarball"

cat >use.mjs <<'JS'
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSink, openSource, VectorBatchError, VectorBatchOptimizer } from 'vector-batch-optimizer';

const optimizer = await VectorBatchOptimizer.create();
const block = await optimizer.pack([[1, 2, 3], [4, 5, 6]]);
const compact = await optimizer.compact(block, { encoding: 'float16' });
assert.deepEqual([...compact.decode()], [1, 2, 3, 4, 5, 6]);
const report = await optimizer.ingest(await openSource([[1, 2], [3, 4]]), await openSink('null://'));
assert.equal(report.acknowledged, 2);
// The databases are optional: without the package the error says what to install.
const error = await (async () => {
  const sink = await openSink('lancedb://./data?table=t');
  await optimizer.ingest(await openSource([[1, 2]]), sink);
})().catch((thrown) => thrown);
assert.ok(error instanceof VectorBatchError);
assert.equal(error.code, 'VBO_ERR_MISSING_PACKAGE');
assert.match(error.message, /npm install @lancedb\/lancedb/);
await optimizer.close();

// What a page gets: the entry without Node, and its kernels.
const { VectorBatchOptimizer: InPage } = await import('vector-batch-optimizer/browser');
const kernels = readFileSync(fileURLToPath(import.meta.resolve('vector-batch-optimizer/kernels.wasm')));
const page = await InPage.create({ kernels });
assert.equal((await page.compact(await page.pack([[1, 0], [0, 1]]), { encoding: 'int8' })).search([0, 1], 1).ids[0], 1);

// Every entry is there, and knows its types.
const { exports } = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('vector-batch-optimizer/package.json'))));
for (const [entry, target] of Object.entries(exports)) {
  assert.ok(existsSync(fileURLToPath(import.meta.resolve(`vector-batch-optimizer${entry.slice(1)}`))), entry);
  if (target.types) {
    assert.ok(existsSync(new URL(target.types, import.meta.resolve('vector-batch-optimizer/package.json'))), target.types);
    await import(`vector-batch-optimizer${entry.slice(1)}`);
  }
}
JS
node use.mjs

# The service's page comes along.
node node_modules/.bin/vbo serve --port 0 --json >serve.json &
serve=$!
trap 'kill $serve' EXIT
for _ in $(seq 50); do [ -s serve.json ] && break || sleep 0.2; done
node -e '
const { url } = JSON.parse(require("fs").readFileSync("serve.json"));
fetch(url).then(async (answer) => { if (!answer.ok || !(await answer.text()).includes("assets/main-")) process.exit(1); }, () => process.exit(1));
'

npx --no-install vbo recommend --items 1000000 --dim 1536 --database qdrant --json >answer.json
node -e '
const answer = JSON.parse(require("fs").readFileSync("answer.json"));
for (const key of ["recommended_batch_size", "recommended_concurrency", "predicted", "confidence", "interval", "binding_constraint", "alternatives", "explanation", "model"])
  if (!(key in answer)) throw new Error("missing " + key);
'
echo 'import { VectorBatchOptimizer } from "vector-batch-optimizer"; export const create: () => Promise<VectorBatchOptimizer> = () => VectorBatchOptimizer.create();' >use.mts
"$project/node_modules/.bin/tsc" --noEmit --strict --target es2022 --module nodenext --lib es2023,esnext.disposable,dom --typeRoots "$project/node_modules/@types" --types node use.mts
