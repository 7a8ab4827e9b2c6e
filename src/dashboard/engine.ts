import { type Remote, wrap } from 'comlink';
import type { Engine } from './worker.js';

declare const WORKER_URL: string;

const worker = new Worker(new URL(WORKER_URL, import.meta.url), { type: 'module' });

/** The computing behind the page, in its own thread. */
export const engine: Remote<Engine> = wrap<Engine>(worker);

/**
 * Runs `work` for the newest request only: while one is under way later ones replace each other, so dragging never
 * queues. `onError` gets what `work` throws.
 */
export function latest<T>(
  work: (value: T) => Promise<void>,
  onError: (error: unknown) => void,
): (value: T) => void {
  let waiting: { value: T } | undefined;
  let isBusy = false;
  return async (value) => {
    waiting = { value };
    if (isBusy) return;
    isBusy = true;
    while (waiting) {
      const next: T = waiting.value;
      waiting = undefined;
      try {
        await work(next);
      } catch (error) {
        onError(error);
      }
    }
    isBusy = false;
  };
}
