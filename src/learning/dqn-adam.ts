const MEAN_DECAY = 0.9;
const SQUARE_DECAY = 0.999;
const EPSILON = 1e-8;

/** Adam (Kingma and Ba 2015) with the paper's constants. */
export class Adam {
  readonly #rate: number;
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  #steps = 0;

  constructor(parameters: number, rate: number) {
    this.#rate = rate;
    this.#mean = new Float64Array(parameters);
    this.#square = new Float64Array(parameters);
  }

  /** Moves the parameters down the gradient. */
  step(parameters: Float64Array, gradient: Float64Array): void {
    this.#steps++;
    const meanScale = 1 / (1 - MEAN_DECAY ** this.#steps);
    const squareScale = 1 / (1 - SQUARE_DECAY ** this.#steps);
    for (let k = 0; k < parameters.length; k++) {
      const g = gradient[k]!;
      this.#mean[k]! += (1 - MEAN_DECAY) * (g - this.#mean[k]!);
      this.#square[k]! += (1 - SQUARE_DECAY) * (g * g - this.#square[k]!);
      const step = (this.#mean[k]! * meanScale) / (Math.sqrt(this.#square[k]! * squareScale) + EPSILON);
      parameters[k]! -= this.#rate * step;
    }
  }
}
