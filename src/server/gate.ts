import { VectorBatchError } from '../core/errors.js';
import { HttpError } from './http-error.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * Lets a few pieces of heavy work run at a time and some more wait; the rest is refused at once, which costs a caller
 * less than waiting in vain.
 */
export class Gate {
  readonly #running: number;
  readonly #queueLimit: number;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<() => void>();
  #active = 0;

  constructor(options: { running: number; queueLimit: number; timeoutMs: number }) {
    this.#running = options.running;
    this.#queueLimit = options.queueLimit;
    this.#timeoutMs = options.timeoutMs;
  }

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /**
   * Runs `work` when it is its turn. What takes too long, waiting included, is answered: if it still waits it is never
   * begun; if it runs it keeps its place until it has ended, for kernels cannot be stopped half-way, and `discard` gets
   * its result then.
   * @throws HttpError 503 when too many wait, VBO_ERR_TIMEOUT
   */
  async run<T>(work: () => Promise<T>, discard: (result: T) => void = () => {}): Promise<T> {
    const isFree = this.#active < this.#running;
    if (!isFree && this.#waiting.size >= this.#queueLimit) {
      const message = `${this.#waiting.size} requests are waiting already.`;
      throw new HttpError('VBO_HTTP_BUSY', message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    return new Promise((resolve, reject) => {
      let isLate = false;
      const begin = () => {
        this.#occupy(work).then(
          (result) => {
            clearTimeout(timer);
            if (isLate) discard(result);
            else resolve(result);
          },
          (error) => {
            clearTimeout(timer);
            reject(error);
          },
        );
      };
      const timer = setTimeout(() => {
        isLate = true;
        this.#waiting.delete(begin);
        reject(new VectorBatchError('VBO_ERR_TIMEOUT', `The work took longer than ${this.#timeoutMs} ms.`));
      }, this.#timeoutMs);
      if (isFree) begin();
      else this.#waiting.add(begin);
    });
  }

  /** Holds a place for as long as the work takes, and then lets the next in. */
  async #occupy<T>(work: () => Promise<T>): Promise<T> {
    this.#active++;
    try {
      return await work();
    } finally {
      this.#active--;
      const [next] = this.#waiting;
      if (next) {
        this.#waiting.delete(next);
        next();
      }
    }
  }
}
