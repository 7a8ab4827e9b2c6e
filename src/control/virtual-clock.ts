import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly ring: () => void;
}

/** Turns of the event loop without a timer after which a run counts as stuck: real I/O has long come back by then. */
const STUCK_TURNS = 200_000;

/**
 * Time that only passes when everyone waits for it: the next timer rings as soon as nothing else can run, so
 * an hour's load takes a moment, and the same program always sees the same times.
 */
export class VirtualClock implements Clock {
  readonly #timers: Timer[] = [];
  #nowMs = 0;
  #sequence = 0;

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        reject(signal!.reason);
      };
      const timer: Timer = {
        atMs: this.#nowMs + Math.max(0, ms),
        sequence: this.#sequence++,
        ring: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#timers.push(timer);
    });
  }

  /**
   * Lets time pass until `work` has settled, and returns what it gave.
   * @throws VBO_ERR_INTERNAL if nothing can ever happen again; and whatever `work` throws.
   */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    work.then(settle, settle);
    for (let idleTurns = 0; ; ) {
      await setImmediate();
      if (settled) return work;
      const next = this.#earliest();
      if (next) {
        idleTurns = 0;
        this.#timers.splice(this.#timers.indexOf(next), 1);
        this.#nowMs = Math.max(this.#nowMs, next.atMs);
        next.ring();
      } else if (++idleTurns > STUCK_TURNS) {
        throw new VectorBatchError(
          'VBO_ERR_INTERNAL',
          `Nothing is left that could happen at ${this.#nowMs} ms.`,
        );
      }
    }
  }

  #earliest(): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) {
      if (
        !earliest ||
        timer.atMs < earliest.atMs ||
        (timer.atMs === earliest.atMs && timer.sequence < earliest.sequence)
      ) {
        earliest = timer;
      }
    }
    return earliest;
  }
}
