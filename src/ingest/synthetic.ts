import { Random } from '../core/random.js';

const CLUSTERS = 64;
/** Length of the noise around a cluster's centre, which has length 1. */
const SPREAD = 0.5;

/**
 * Unit vectors in clusters, rows x dimension, as embeddings are: neither uniform, which no index can speed up, nor
 * all alike. The same seed gives the same vectors.
 */
export function clusteredVectors(rows: number, dimension: number, seed: number): Float32Array {
  const random = new Random(seed);
  const scale = 1 / Math.sqrt(dimension);
  const centres = Float32Array.from({ length: CLUSTERS * dimension }, () => random.normal() * scale);
  const vectors = new Float32Array(rows * dimension);
  for (let row = 0; row < rows; row++) {
    const centre = random.integer(CLUSTERS) * dimension;
    const start = row * dimension;
    let square = 0;
    for (let i = 0; i < dimension; i++) {
      // The sum of three uniform numbers is normal enough here, and three times as fast to draw.
      const noise = (random.next() + random.next() + random.next() - 1.5) * 2;
      const value = centres[centre + i]! + SPREAD * scale * noise;
      vectors[start + i] = value;
      square += value * value;
    }
    const length = Math.sqrt(square) || 1;
    for (let i = start; i < start + dimension; i++) vectors[i]! /= length;
  }
  return vectors;
}
