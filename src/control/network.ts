import type { Random } from '../core/random.js';

/**
 * A multilayer perceptron with rectified hidden layers and a linear last one, in plain typed arrays:
 *
 * ```
 * parameters: for every layer, weights (outputs x inputs, row-major), then biases
 * activation: max(0, W x + b) in hidden layers, W x + b in the last
 * ```
 *
 * The same inputs and parameters give the same bits on every machine: only +, x and max are used.
 */
export class Network {
  /** Units of every layer, the inputs first. */
  readonly sizes: readonly number[];
  readonly parameters: Float64Array;
  /** Sums of {@link backward} since they were last cleared. */
  readonly gradient: Float64Array;
  /** What every layer puts out, the inputs first. */
  readonly #activations: Float64Array[];
  readonly #errors: Float64Array[];

  constructor(sizes: readonly number[], parameters?: Float64Array) {
    this.sizes = sizes;
    this.parameters = parameters ?? new Float64Array(parametersOf(sizes));
    this.gradient = new Float64Array(this.parameters.length);
    this.#activations = sizes.map((size) => new Float64Array(size));
    this.#errors = sizes.map((size) => new Float64Array(size));
  }

  /** Draws the weights (He et al. 2015: normal, variance 2 / inputs); biases are 0. */
  initialize(random: Random): void {
    let at = 0;
    for (let layer = 1; layer < this.sizes.length; layer++) {
      const inputs = this.sizes[layer - 1]!;
      const outputs = this.sizes[layer]!;
      for (let k = 0; k < inputs * outputs; k++)
        this.parameters[at++] = random.normal() * Math.sqrt(2 / inputs);
      this.parameters.fill(0, at, at + outputs);
      at += outputs;
    }
  }

  /** The outputs for `input`. The array is the network's own: the next call overwrites it. */
  forward(input: ArrayLike<number>): Float64Array {
    const { sizes, parameters } = this;
    this.#activations[0]!.set(input);
    let at = 0;
    for (let layer = 1; layer < sizes.length; layer++) {
      const from = this.#activations[layer - 1]!;
      const to = this.#activations[layer]!;
      const biases = at + from.length * to.length;
      for (let out = 0; out < to.length; out++) {
        let sum = parameters[biases + out]!;
        for (let k = 0; k < from.length; k++) sum += parameters[at++]! * from[k]!;
        to[out] = layer < sizes.length - 1 ? Math.max(0, sum) : sum;
      }
      at = biases + to.length;
    }
    return this.#activations.at(-1)!;
  }

  /** Adds to {@link gradient} what follows from `errors`, the loss's derivatives at the outputs of the last {@link forward}. */
  backward(errors: ArrayLike<number>): void {
    const { sizes, parameters, gradient } = this;
    this.#errors.at(-1)!.set(errors);
    let end = parameters.length;
    for (let layer = sizes.length - 1; layer > 0; layer--) {
      const from = this.#activations[layer - 1]!;
      const error = this.#errors[layer]!;
      const below = this.#errors[layer - 1]!.fill(0);
      const biases = end - error.length;
      const weights = biases - from.length * error.length;
      for (let out = 0; out < error.length; out++) {
        const e = error[out]!;
        if (e === 0) continue;
        gradient[biases + out]! += e;
        const row = weights + out * from.length;
        for (let k = 0; k < from.length; k++) {
          gradient[row + k]! += e * from[k]!;
          below[k]! += e * parameters[row + k]!;
        }
      }
      for (let k = 0; k < from.length; k++) if (from[k] === 0) below[k] = 0;
      end = weights;
    }
  }
}

/** How many weights and biases a network of these layers has. */
export function parametersOf(sizes: readonly number[]): number {
  return sizes.slice(1).reduce((sum, outputs, k) => sum + outputs * (sizes[k]! + 1), 0);
}
