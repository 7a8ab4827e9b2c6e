import { VectorBatchError } from '../core/errors.js';
import { Network, parametersOf } from './network.js';
import { ACTIONS, type Observation, STATE } from './steered.js';

const HIDDEN = [32, 32];
export const LAYERS: readonly number[] = [STATE.length, ...HIDDEN, ACTIONS.length];

/** `VBOQ` */
const MAGIC = 0x514f4256;
/** Changes with the meaning of state, actions or layers: weights of another version mean nothing. */
const VERSION = 1;
const HEADER_BYTES = 16;

/**
 * A deep Q-network that steers batch size and permits (Mnih et al. 2015): from the state of a round (see
 * `STATE`) it estimates what every action is worth, and takes the best. It is trained by `trainDqn`.
 */
export class DQNAgent {
  readonly network: Network;

  /** @param network of the layers {@link LAYERS} */
  constructor(network: Network = new Network(LAYERS)) {
    this.network = network;
  }

  /** The action (an index into `ACTIONS`) held best among those that are open. */
  act(seen: Pick<Observation, 'state' | 'open'>): number {
    return bestOpen(this.network.forward(seen.state), seen.open);
  }

  /**
   * Bytes for {@link load}, little-endian: magic, version, number of parameters, FNV-1a of what follows;
   * then the parameters as float32. Training leaves parameters that float32 holds exactly, so what is loaded
   * decides exactly as what was saved.
   */
  save(): Uint8Array {
    const { parameters } = this.network;
    const view = new DataView(new ArrayBuffer(HEADER_BYTES + 4 * parameters.length));
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, VERSION, true);
    view.setUint32(8, parameters.length, true);
    for (const [k, value] of parameters.entries()) view.setFloat32(HEADER_BYTES + 4 * k, value, true);
    const bytes = new Uint8Array(view.buffer);
    view.setUint32(12, fnv1a(bytes.subarray(HEADER_BYTES)), true);
    return bytes;
  }

  /** @throws VBO_ERR_AGENT if the bytes are not a saved agent, are damaged, or come from another version. */
  static load(bytes: Uint8Array): DQNAgent {
    const count = parametersOf(LAYERS);
    const expected = HEADER_BYTES + 4 * count;
    const refuse = (what: string): never => {
      throw new VectorBatchError('VBO_ERR_AGENT', `The saved agent cannot be used: ${what}.`);
    };
    if (bytes.byteLength < HEADER_BYTES) refuse(`it has ${bytes.byteLength} bytes, expected ${expected}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0, true) !== MAGIC) refuse('the bytes do not begin with "VBOQ"');
    const version = view.getUint32(4, true);
    if (version !== VERSION) refuse(`it has version ${version}, expected ${VERSION}; train it again`);
    if (view.getUint32(8, true) !== count || bytes.byteLength !== expected) {
      refuse(`it has ${bytes.byteLength} bytes, expected ${expected}`);
    }
    if (view.getUint32(12, true) !== fnv1a(bytes.subarray(HEADER_BYTES)))
      refuse('its checksum does not match');
    const parameters = Float64Array.from({ length: count }, (_, k) =>
      view.getFloat32(HEADER_BYTES + 4 * k, true),
    );
    if (!parameters.every(Number.isFinite)) refuse('it has weights that are no numbers; train it again');
    return new DQNAgent(new Network(LAYERS, parameters));
  }
}

/** The place of the greatest value among the open ones. */
export function bestOpen(values: Float64Array, open: readonly boolean[]): number {
  let best = -1;
  for (const [k, value] of values.entries()) {
    if (open[k] && (best < 0 || value > values[best]!)) best = k;
  }
  return Math.max(0, best);
}

/** Fowler, Noll and Vo's hash, 32 bits, variant 1a. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
