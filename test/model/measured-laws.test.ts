import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MEASURED_LAWS } from '../../src/model/measured-laws.js';
import { SINK_LAWS } from '../../src/model/sink-laws.js';

const ROOT = resolve(import.meta.dirname, '../..');

/** The laws that bench/fit-profiles.ts prints for the files of a folder. */
function fitted(folder: string, ...options: string[]): unknown {
  const files = readdirSync(join(ROOT, folder)).sort();
  const output = execFileSync(
    process.execPath,
    ['--import', 'tsx', 'bench/fit-profiles.ts', ...options, ...files.map((file) => join(folder, file))],
    { cwd: ROOT, encoding: 'utf8' },
  );
  return new Function(`return (${/_LAWS.* = (\{.*\})/s.exec(output)![1]});`)();
}

describe('the measured laws', () => {
  it('are what bench/fit-profiles.ts prints for the sweeps', () => {
    expect(fitted('test/data/sweeps')).toEqual(MEASURED_LAWS);
  });

  it('are what it prints for the tunings of our own sinks', () => {
    expect(fitted('test/data/sinks', '--sinks')).toEqual(SINK_LAWS);
  });

  it('predict the rate of half of their sweep’s cells within 26 %', () => {
    for (const law of Object.values(MEASURED_LAWS))
      expect(law.medianAbsoluteRelativeError).toBeLessThan(0.26);
  });
});
