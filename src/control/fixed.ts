import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import type { Decision, Policy } from './policy.js';

/** One setting for the whole load, however it goes. Only the envelope moves it. */
export class FixedPolicy implements Policy {
  readonly name = 'fixed';
  readonly #wanted: Setting;
  #bounds: Bounds = UNBOUNDED;

  constructor(setting: Setting) {
    this.#wanted = setting;
  }

  get setting(): Decision {
    const { batchSize, concurrency } = this.best;
    return { batchSize, concurrency, reason: 'fixed by the caller' };
  }

  get best(): Setting {
    return clampSetting(this.#wanted, this.#bounds);
  }

  observe(): void {}

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
  }
}
