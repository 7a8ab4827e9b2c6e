import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MEASURED_LAWS } from '../../src/model/measured-laws.js';

const ROOT = resolve(import.meta.dirname, '../..');
const SWEEPS = join(ROOT, 'test/data/sweeps');

describe('the measured laws', () => {
  it('are what bench/fit-profiles.ts prints for the sweeps', () => {
    const files = readdirSync(SWEEPS).sort();
    const output = execFileSync(
      process.execPath,
      ['--import', 'tsx', 'bench/fit-profiles.ts', ...files.map((file) => join(SWEEPS, file))],
      { cwd: ROOT, encoding: 'utf8' },
    );
    const literal = output.slice(
      output.indexOf('MEASURED_LAWS = ') + 'MEASURED_LAWS = '.length,
      output.lastIndexOf(' as const'),
    );
    expect(new Function(`return (${literal});`)()).toEqual(MEASURED_LAWS);
  });

  it('predict the rate of half of their sweep’s cells within 26 %', () => {
    for (const law of Object.values(MEASURED_LAWS))
      expect(law.medianAbsoluteRelativeError).toBeLessThan(0.26);
  });
});
