import { describe, expect, it } from 'vitest';
import { latencyMs } from '../../src/model/cost.js';
import { costAt } from '../../src/model/law.js';
import {
  requestBytes,
  requestLimits,
  usefulConcurrency,
  wireBytesPerVector,
} from '../../src/model/profile.js';
import { PROFILES, profileOf } from '../../src/model/profiles.js';

describe('the profiles', () => {
  it('are found by name and alias, whatever the case, and no name means two databases', () => {
    const names = PROFILES.flatMap((profile) => [profile.name, ...profile.aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const profile of PROFILES) {
      for (const name of [profile.name, ...profile.aliases])
        expect(profileOf(name.toUpperCase())).toBe(profile);
    }
  });

  it('cover the sweeps’ databases and the sinks that have none', () => {
    expect(profileOf('postgres15-pgvector').name).toBe('pgvector');
    expect(profileOf('pglite-pgvector').name).toBe('pglite');
    expect(profileOf('sqlite-vec').name).toBe('sqlite');
    expect(profileOf('null')).toBe(profileOf('sim'));
  });

  it.each([['mysql'], [''], [undefined], [7], [null]])('refuse %j and list what they know', (name) => {
    expect(() => profileOf(name)).toThrow(
      expect.objectContaining({
        code: 'VBO_ERR_ARGUMENT',
        message: expect.stringMatching(/^databaseType is .*; expected one of lancedb, .*qdrant/),
      }),
    );
  });

  it.each(PROFILES)('of $name have a positive cost that grows with the dimension', (profile) => {
    const setting = { batchSize: 100, concurrency: 1 };
    const costs = [1, 128, 768, 1536, 4096].map((dimension) =>
      latencyMs(costAt(profile.law, dimension), setting),
    );
    expect(costs[0]).toBeGreaterThan(0);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
  });

  it.each(PROFILES)('of $name say in words where each number comes from', (profile) => {
    // ASCII: one character beyond Latin-1 doubles the memory and the time of the whole answer that it is in.
    for (const text of Object.values(profile.source)) expect(text).toMatch(/^[ -~]+\.$/);
  });

  it('count a 1536-dimensional vector for Qdrant as the 18 to 20 kB of its text', () => {
    const bytes = wireBytesPerVector(profileOf('qdrant'), 1536);
    expect(bytes).toBeGreaterThan(18_000);
    expect(bytes).toBeLessThan(20_000);
    expect(requestBytes(profileOf('nebula'), 1536, 220)).toBeLessThan(4_194_304);
  });

  it('let advice yield to what was measured, and never a limit of the database', () => {
    const qdrant = profileOf('qdrant');
    expect(requestLimits(qdrant, { rows: 0, requestBytes: 0 })).toEqual({
      maxRows: 256,
      maxRequestBytes: 5_000_000,
    });
    expect(requestLimits(qdrant, { rows: 1000, requestBytes: 30_000_000 })).toEqual({
      maxRows: 2000,
      maxRequestBytes: 32 * 2 ** 20,
    });
  });

  it('bound concurrency by the cores in process and by the server elsewhere', () => {
    expect(usefulConcurrency(profileOf('lancedb'), 1)).toBe(2);
    expect(usefulConcurrency(profileOf('lancedb'), 4)).toBe(8);
    expect(usefulConcurrency(profileOf('qdrant'), 64)).toBe(4);
    expect(usefulConcurrency(profileOf('sqlite'), 64)).toBe(1);
  });
});
