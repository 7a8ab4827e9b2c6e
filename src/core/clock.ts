/** Where time comes from. Below the server nothing reads the machine's clock directly, so tests can hand in their own. */
export interface Clock {
  /** Milliseconds since an arbitrary, fixed start; never goes back. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The time of day, for what is written down. */
export interface WallClock {
  /** Unix time, ms. */
  unixMs(): number;
}

export const systemClock: Clock & WallClock = {
  now: () => performance.now(),
  unixMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};
