import { describe, expect, it } from 'vitest';
import { Network, parametersOf } from '../../src/control/network.js';
import { Random } from '../../src/core/random.js';

describe('the network', () => {
  it('has the gradient that finite differences show', () => {
    const random = new Random(3);
    const network = new Network([5, 7, 6, 3]);
    network.initialize(random);
    for (let k = 0; k < network.parameters.length; k++) network.parameters[k]! += 0.1 * random.normal();
    const input = Array.from({ length: 5 }, () => random.normal());
    const weights = [0.7, -1.3, 0.4];
    const loss = () => network.forward(input).reduce((sum, out, k) => sum + weights[k]! * out * out, 0);
    const outputs = [...network.forward(input)];
    network.backward(outputs.map((out, k) => 2 * weights[k]! * out));
    for (let k = 0; k < network.parameters.length; k++) {
      const kept = network.parameters[k]!;
      const step = 1e-6;
      network.parameters[k] = kept + step;
      const above = loss();
      network.parameters[k] = kept - step;
      const below = loss();
      network.parameters[k] = kept;
      expect(network.gradient[k]!).toBeCloseTo((above - below) / (2 * step), 5);
    }
  });

  it('sums gradients until they are cleared', () => {
    const network = new Network([2, 3, 1]);
    network.initialize(new Random(1));
    network.forward([1, 2]);
    network.backward([1]);
    const once = [...network.gradient];
    network.forward([1, 2]);
    network.backward([1]);
    expect([...network.gradient]).toEqual(once.map((value) => 2 * value));
  });

  it('holds weights and a bias for every unit', () => {
    expect(parametersOf([4, 8, 2])).toBe(4 * 8 + 8 + 8 * 2 + 2);
  });
});
