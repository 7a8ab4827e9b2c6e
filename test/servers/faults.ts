import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/core/random.js';

/** What goes wrong while it is injected; everything may be combined. Shares are of the requests, 0..1. */
export interface Faults {
  /** The answer comes after so many times the time the server took. */
  latencyFactor?: number;
  /** The connection is reset before the server sees the request. */
  reset?: number;
  /** 503 instead of the server's answer; the server does not see the request. */
  unavailable?: number;
  /** 429 instead, asking to wait for so many seconds. */
  throttled?: { share: number; retryAfterSeconds: number };
  /** Longer bodies are answered 413, before they are read, as by a proxy with a limit. */
  maxBodyBytes?: number;
  /** The server sees the request only after so long, even if nobody waits for its answer by then: only those strike. */
  late?: { share: number; ms: number };
  /** The server does as it is asked; the connection breaks in the middle of its answer. */
  halfAnswer?: number;
  /** The server does as it is asked; the connection is reset before its answer. */
  lostAcknowledgement?: number;
}

export type FaultKind = keyof Faults | 'unreachable';

export interface FaultProxyOptions {
  /** `HOST:PORT` of the server behind it. */
  upstream: string;
  seed?: number;
  /** Time that every concerned request takes beside the server's own: makes the server one of a known speed. */
  serviceMs?: (byteLength: number) => number;
  /** Which requests may go wrong; the others only pass. Default: those with a body that is not small. */
  concerns?: (request: { method: string; path: string; byteLength: number }) => boolean;
}

/** A request on its way through a proxy, and what its protocol has to say to either side. */
export interface Exchange<Answer> {
  readonly byteLength: number;
  readonly isConcerned: boolean;
  /** Nobody waits for the answer any more. */
  readonly isAbandoned: boolean;
  /** Takes in the whole request. */
  receive(): Promise<void>;
  /** Has the server do as it is asked. @throws if it cannot be reached */
  forward(): Promise<Answer>;
  answer(answer: Answer): void;
  /** Sends half of the answer and breaks the connection. */
  breakOff(answer: Answer): void;
  reset(): void;
  /** Answers in the place of the server. */
  refuse(status: number, headers?: Record<string, string>): void;
}

/** A proxy that goes wrong on command, in the same way for the same seed and requests. */
export abstract class FaultyProxy {
  /** How often each fault has struck. */
  readonly struck = new Map<FaultKind, number>();
  readonly #serviceMs: NonNullable<FaultProxyOptions['serviceMs']>;
  readonly #random: Random;
  readonly #serving = new Set<Promise<void>>();
  #faults: Faults = {};

  protected constructor({ seed = 1, serviceMs = () => 0 }: FaultProxyOptions) {
    this.#serviceMs = serviceMs;
    this.#random = new Random(seed);
  }

  /** `127.0.0.1:PORT` */
  abstract get address(): string;

  abstract close(): Promise<void>;

  /** From now on these go wrong, and nothing else. */
  inject(faults: Faults): void {
    this.#faults = faults;
  }

  heal(): void {
    this.inject({});
  }

  /** Returns when the server has seen every request that came. */
  async settle(): Promise<void> {
    await Promise.all(this.#serving);
  }

  protected serve<Answer>(exchange: Exchange<Answer>): Promise<void> {
    const serving = this.#serve(exchange)
      .catch(() => exchange.reset())
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
    return serving;
  }

  async #serve<Answer>(exchange: Exchange<Answer>): Promise<void> {
    const { isConcerned, byteLength } = exchange;
    const faults = isConcerned ? this.#faults : {};
    if (byteLength > (faults.maxBodyBytes ?? Infinity)) {
      this.strike('maxBodyBytes');
      return exchange.refuse(413, { connection: 'close' });
    }
    await exchange.receive();
    if (this.#chance('reset', faults.reset)) return exchange.reset();
    if (this.#chance('unavailable', faults.unavailable)) return exchange.refuse(503);
    if (this.#chance('throttled', faults.throttled?.share)) {
      return exchange.refuse(429, { 'retry-after': String(faults.throttled!.retryAfterSeconds) });
    }
    if (faults.late && this.#random.next() < faults.late.share) {
      await sleep(faults.late.ms);
      if (exchange.isAbandoned) this.strike('late');
    }
    const startMs = performance.now();
    const answer = await exchange.forward().catch(() => undefined);
    if (!answer) {
      this.strike('unreachable');
      return exchange.reset();
    }
    const ownMs = performance.now() - startMs;
    const serviceMs = isConcerned ? this.#serviceMs(byteLength) : 0;
    if (faults.latencyFactor !== undefined) this.strike('latencyFactor');
    const wantedMs = (faults.latencyFactor ?? 1) * Math.max(ownMs, serviceMs);
    if (wantedMs > ownMs) await sleep(wantedMs - ownMs);
    if (this.#chance('lostAcknowledgement', faults.lostAcknowledgement)) return exchange.reset();
    if (this.#chance('halfAnswer', faults.halfAnswer)) exchange.breakOff(answer);
    else exchange.answer(answer);
  }

  #chance(kind: FaultKind, share = 0): boolean {
    if (share === 0 || this.#random.next() >= share) return false;
    this.strike(kind);
    return true;
  }

  protected strike(kind: FaultKind): void {
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
  }
}
