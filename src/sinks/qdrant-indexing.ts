import { VectorBatchError } from '../core/errors.js';
import type { CollectionInfo, QdrantCollection } from './qdrant-collection.js';

/** Qdrant: "To disable vector indexing, set to `0`" (OptimizersConfigDiff). */
const OFF = 0;
/** What Qdrant uses where the collection names no threshold, kB of vectors (OptimizersConfigDiff). */
const DEFAULT_THRESHOLD = 10_000;
/** Member of the collection's metadata that remembers the threshold while indexing is off. */
const MARKER = 'vector_batch_optimizer_indexing_threshold';

/**
 * Indexing put off for the length of a load: Qdrant's advice for bulk uploads. The collection itself
 * remembers, in its metadata, what the threshold was. Both are written in one request, so a load that dies
 * leaves nothing behind that the next one, whatever machine it runs on, does not put right. Where a collection
 * keeps no metadata (before 1.16), or the key may not change it, indexing is left as it is.
 */
export class DeferredIndexing {
  readonly #collection: QdrantCollection;
  /** The threshold to go back to, kB; undefined while there is nothing to restore. */
  #threshold: number | undefined;

  constructor(collection: QdrantCollection) {
    this.#collection = collection;
  }

  /** Takes over what a load that died, or another that still runs, has put off. */
  adopt(info: CollectionInfo): void {
    const remembered = info.config.metadata?.[MARKER];
    if (typeof remembered === 'number') this.#threshold = remembered;
  }

  /** Turns indexing off, unless it is. @throws VBO_ERR_SINK_UNREACHABLE */
  async putOff(info: CollectionInfo): Promise<void> {
    if (this.#threshold !== undefined) return;
    const threshold = info.config.optimizer_config.indexing_threshold ?? DEFAULT_THRESHOLD;
    if (threshold === OFF) return;
    try {
      await this.#collection.change({
        optimizers_config: { indexing_threshold: OFF },
        metadata: { [MARKER]: threshold },
      });
    } catch (error) {
      // A key that may write points but not change collections: the load is slower, not wrong.
      if (error instanceof VectorBatchError && error.code === 'VBO_ERR_SINK') return;
      throw error;
    }
    this.#threshold = threshold;
    const changed = await this.#collection.info();
    if (changed?.config.metadata?.[MARKER] !== threshold) await this.restore();
  }

  /** Puts the threshold back, once. @throws VBO_ERR_SINK_UNREACHABLE, VBO_ERR_SINK */
  async restore(): Promise<void> {
    if (this.#threshold === undefined) return;
    await this.#collection.change({
      optimizers_config: { indexing_threshold: this.#threshold },
      metadata: { [MARKER]: null },
    });
    this.#threshold = undefined;
  }

  /** The collection is gone: there is nothing to restore. */
  forget(): void {
    this.#threshold = undefined;
  }
}
