import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundle, ROOT } from './bundle.js';

describe('the browser entry', () => {
  it('is what package.json exports, and bundles without a Node builtin', async () => {
    const manifest = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, { default: string }>;
    };
    const { code, inputs } = await bundle(manifest.exports['./browser']!.default);
    expect(code).not.toMatch(/['"]node:/);
    expect(inputs.filter((file) => /dist\/(pool|ingest|sinks|server|cli)\//.test(file))).toEqual([]);
    expect(inputs).toContain('dist/kernels/module-absent.js');
    expect(inputs).not.toContain('dist/kernels/module-file.js');
  });

  it('would be refused if it reached for Node: the library’s own entry is', async () => {
    await expect(bundle('dist/index.js')).rejects.toThrow(/Could not resolve "node:/);
  });

  it('answers, packs, compacts and searches from its bundle and the unshared kernels alone', async () => {
    const { code } = await bundle('dist/browser.js');
    const { VectorBatchOptimizer } = (await import(
      `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`
    )) as typeof import('../../src/browser.js');
    await expect(VectorBatchOptimizer.create({ kernels: 'data:text/plain,none' })).rejects.toMatchObject({
      code: 'VBO_ERR_KERNELS',
    });
    const optimizer = await VectorBatchOptimizer.create({
      kernels: readFileSync(resolve(ROOT, 'build/kernels-unshared.wasm')),
    });
    const answer = await optimizer.batchSize.calculateOptimalBatchSize({
      itemCount: 1_000_000,
      vectorDimension: 1536,
      databaseType: 'qdrant',
      systemResources: { availableMemoryMb: 8192, cpuCores: 4, ioBandwidthMbps: 1000 },
    });
    expect(answer.explanation).toContain(`${answer.recommendedBatchSize} vectors per request`);
    using block = await optimizer.pack([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0.9, 0.1],
    ]);
    using codes = await optimizer.compact(block, { encoding: 'int8' });
    expect([...codes.search([0, 1, 0], 2).ids]).toEqual([1, 2]);
  });
});
