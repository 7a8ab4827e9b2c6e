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
  readonly #waiting: (() => void)[] = [];
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
    return this.#waiting.length;
  }

  /**
   * Runs `work` when it is its turn. What takes too long is answered, but keeps its place until it has ended: kernels
   * cannot be stopped half-way. `discard` gets its result then.
   * @throws HttpError 503 when too many wait, VBO_ERR_TIMEOUT
   */
  async run<T>(work: () => Promise<T>, discard: (result: T) => void = () => {}): Promise<T> {
    if (this.#active >= this.#running) {
      if (this.#waiting.length >= this.#queueLimit) {
        throw new HttpError('VBO_HTTP_BUSY', `${this.#waiting.length} requests are waiting already.`, {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#active++;
    const result = work().finally(() => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#active--;
    });
    return withTimeout(result, this.#timeoutMs, discard);
  }
}

function withTimeout<T>(result: Promise<T>, timeoutMs: number, discard: (result: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new VectorBatchError('VBO_ERR_TIMEOUT', `The work took longer than ${timeoutMs} ms.`));
    }, timeoutMs);
    result.then(
      (value) => {
        clearTimeout(timer);
        if (isLate) discard(value);
        else resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
