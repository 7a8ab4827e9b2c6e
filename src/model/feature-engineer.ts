import type { Setting } from '../core/types.js';

/** What the forest is told of a measured setting: logarithms to base 2, so that a doubling is a step of the same length. */
export class FeatureEngineer {
  /** Names of the features, in order. */
  static readonly names = [
    'log2 batch size',
    'log2 concurrency',
    'log2 vectors in flight',
    'log2 bytes in a request',
  ] as const;

  /**
   * The features of a setting for vectors of `dimension`, in the order of {@link names}.
   * @param bytesPerVector default: that of float32
   */
  features({ batchSize, concurrency }: Setting, dimension: number, bytesPerVector = 4 * dimension): number[] {
    const [batch, inFlight] = [Math.log2(batchSize), Math.log2(concurrency)];
    return [batch, inFlight, batch + inFlight, batch + Math.log2(bytesPerVector)];
  }
}
