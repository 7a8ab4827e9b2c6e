import type { History } from '../history/history.js';

const MOST_RECORDS = 10_000;

/** Records in memory, for a service without VBO_HISTORY. SQLite is loaded when the first is kept or asked for. */
export class RecentRecords {
  #history: Promise<History> | undefined;

  open(): Promise<History> {
    this.#history ??= import('../history/history.js').then(({ History, MEMORY }) =>
      History.open(MEMORY, { maxRecords: MOST_RECORDS }),
    );
    return this.#history;
  }

  async close(): Promise<void> {
    await (await this.#history)?.close();
  }
}
