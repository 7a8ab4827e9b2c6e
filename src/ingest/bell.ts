/** Wakes whoever waits for something to change. The waiter checks again what it waits for. */
export class Bell {
  #ring: (() => void) | undefined;
  #rung: Promise<void> | undefined;

  /** Resolves at the next ring. */
  wait(): Promise<void> {
    this.#rung ??= new Promise((resolve) => {
      this.#ring = resolve;
    });
    return this.#rung;
  }

  ring(): void {
    this.#ring?.();
    this.#ring = this.#rung = undefined;
  }
}
