import type { Bell } from './bell.js';

/** Counts the requests in flight against a limit that may move at any time. A falling limit takes no permit back; it waits until enough have returned. */
export class Permits {
  readonly #limit: () => number;
  readonly #bell: Bell;
  #inFlight = 0;

  /**
   * @param limit the permits there are now, at least 1
   * @param bell rings when a permit comes back
   */
  constructor(limit: () => number, bell: Bell) {
    this.#limit = limit;
    this.#bell = bell;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get available(): boolean {
    return this.#inFlight < this.#limit();
  }

  /** Takes a permit that is {@link available}. */
  take(): void {
    this.#inFlight++;
  }

  giveBack(): void {
    this.#inFlight--;
    this.#bell.ring();
  }

  /** Resolves when none is out. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0) await this.#bell.wait();
  }
}
