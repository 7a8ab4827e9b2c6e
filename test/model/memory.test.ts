import { describe, expect, it } from 'vitest';
import {
  blockBytesPerVector,
  encodingSizes,
  inFlightBytesPerVector,
  peakMb,
} from '../../src/model/memory.js';
import { profileOf } from '../../src/model/profiles.js';

describe('the memory model', () => {
  it('starts every row of a block on a cache line', () => {
    expect(blockBytesPerVector(1)).toBe(64);
    expect(blockBytesPerVector(16)).toBe(64);
    expect(blockBytesPerVector(17)).toBe(128);
    expect(blockBytesPerVector(1536)).toBe(6144);
  });

  it('counts two float32 rows and three bodies for a vector in flight', () => {
    const packed = 4 * 128 + 24;
    expect(inFlightBytesPerVector(profileOf('lancedb'), 128)).toBe(2 * 512 + 3 * packed);
  });

  it('puts vectors in flight on top of the process', () => {
    const profile = profileOf('lancedb');
    const one = peakMb(profile, 128, { batchSize: 1000, concurrency: 1 });
    const four = peakMb(profile, 128, { batchSize: 1000, concurrency: 4 });
    expect(four - one).toBeCloseTo((3000 * inFlightBytesPerVector(profile, 128)) / 1e6, 9);
    expect(one).toBeGreaterThan(100);
  });

  it('lists encodings from the exact to the smallest', () => {
    const sizes = encodingSizes(1536).map(({ encoding, bytesPerVector }) => [encoding, bytesPerVector]);
    expect(sizes).toEqual([
      ['float32', 6144],
      ['float16', 3072],
      ['bfloat16', 3072],
      ['int8', 1544],
      ['rabitq4', 780],
      ['int4', 784],
      ['rabitq2', 396],
      ['rabitq1', 204],
      ['binary', 192],
    ]);
    expect(encodingSizes(1536).at(-1)!.compression).toBe(32);
  });
});
