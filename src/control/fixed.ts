import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import type { Decision, Policy } from './policy.js';

/** One setting for the whole load, however it goes. Only the envelope moves it. */
export class FixedPolicy implements Policy {
  readonly name = 'fixed';
  readonly #wanted: Setting;
  #setting: Decision;

  constructor(setting: Setting) {
    this.#wanted = setting;
    this.#setting = this.#within(UNBOUNDED);
  }

  get setting(): Decision {
    return this.#setting;
  }

  get best(): Setting {
    const { batchSize, concurrency } = this.#setting;
    return { batchSize, concurrency };
  }

  observe(): void {}

  limit(bounds: Bounds): void {
    this.#setting = this.#within(bounds);
  }

  #within(bounds: Bounds): Decision {
    return { ...clampSetting(this.#wanted, bounds), reason: 'fixed by the caller' };
  }
}
