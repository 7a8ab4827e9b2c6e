import type { Guard } from '../control/guard.js';
import type { Decision } from '../control/policy.js';
import type { Bell } from './bell.js';
import type { Permits } from './permits.js';

export interface DispatchOptions<P> {
  readonly guard: Guard;
  /** Rings whenever something to send, memory or permits come or go. */
  readonly bell: Bell;
  /** Aborts when nothing more is to be sent. */
  readonly stop: AbortSignal;
  readonly permits: Permits;
  /** Takes the next parcel of at most `batchSize` items; undefined if there is none yet. */
  readonly next: (batchSize: number) => P | undefined;
  /** Nothing will come any more. */
  readonly isOver: () => boolean;
  /** Never rejects. */
  readonly send: (parcel: P, setting: Decision) => Promise<void>;
}

/** Sends parcels, as many at once as the guard grants at the moment, until there are no more; returns when all are settled. */
export async function dispatch<P>(options: DispatchOptions<P>): Promise<void> {
  const { guard, bell, stop, permits, next, isOver, send } = options;
  while (!stop.aborted) {
    const { setting } = guard;
    const parcel = permits.available ? next(setting.batchSize) : undefined;
    if (parcel !== undefined) {
      permits.take();
      void send(parcel, setting).finally(() => permits.giveBack());
    } else if (isOver()) {
      break;
    } else {
      await bell.wait();
    }
  }
  await permits.idle();
}
