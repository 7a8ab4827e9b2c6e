import type { History } from '../history/history.js';

/** Where no file is configured records live in memory, and so many of them. */
const MOST_IN_MEMORY = 10_000;

/** The history, opened when it is first asked for: SQLite is not loaded for a service that only recommends. */
export class LazyHistory {
  readonly #path: string | undefined;
  #history: Promise<History> | undefined;

  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** @throws VBO_ERR_HISTORY */
  open(): Promise<History> {
    this.#history ??= this.#load();
    return this.#history;
  }

  async close(): Promise<void> {
    await (await this.#history)?.close();
  }

  async #load(): Promise<History> {
    const { History, MEMORY } = await import('../history/history.js');
    return this.#path === undefined
      ? History.open(MEMORY, { maxRecords: MOST_IN_MEMORY })
      : History.open(this.#path);
  }
}
