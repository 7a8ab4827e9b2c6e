import { OBJECTIVES, type Objective } from '../core/types.js';
import { PROFILES } from '../model/profiles.js';
import type { BatchSizeRequest } from '../optimizer/batch-size-calculator.js';
import { byId, make } from './dom.js';
import {
  formatQuantity,
  parseQuantity,
  positionOf,
  QUANTITIES,
  type Quantity,
  type QuantityId,
} from './quantities.js';

interface Load extends Record<QuantityId, number> {
  database: string;
  objective: Objective;
}

const DEFAULTS: Load = {
  database: 'qdrant',
  objective: 'performance',
  ...(Object.fromEntries(QUANTITIES.map(({ id, initial }) => [id, initial])) as Record<QuantityId, number>),
};

const OBJECTIVE_LABELS: Record<Objective, string> = {
  performance: 'Rate',
  latency: 'Latency',
  memory: 'Memory',
  cost: 'Requests',
  balanced: 'Balanced',
};

/** What the objective is called in the page. */
export const objectiveLabel = (objective: Objective): string => OBJECTIVE_LABELS[objective];

/** The form that describes a load. It is kept in the address, so a link shows the same. */
export class LoadForm {
  readonly #onChange: () => void;
  readonly #load: Load = { ...DEFAULTS };
  readonly #fields = new Map<QuantityId, { slider: HTMLInputElement; text: HTMLInputElement }>();
  readonly #database = byId<HTMLSelectElement>('database');
  readonly #radios = new Map<Objective, HTMLInputElement>();

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    for (const { name } of PROFILES) this.#database.append(make('option', { value: name }, name));
    this.#database.addEventListener('change', () => this.#set('database', this.#database.value));
    for (const objective of OBJECTIVES) this.#addObjective(objective);
    for (const quantity of QUANTITIES) {
      const isMachine = quantity.id === 'cores' || quantity.id === 'io';
      byId(isMachine ? 'machine-sliders' : 'sliders').append(this.#addQuantity(quantity));
    }
    byId('reset').addEventListener('click', () => {
      Object.assign(this.#load, DEFAULTS);
      this.#show();
      this.#onChange();
    });
    byId('load').addEventListener('submit', (event) => event.preventDefault());
    this.#show();
  }

  get request(): BatchSizeRequest & { objective: Objective } {
    const { database, objective, dimension, items, memory, cores, io } = this.#load;
    return {
      itemCount: items,
      vectorDimension: dimension,
      databaseType: database,
      systemResources: { availableMemoryMb: memory, cpuCores: cores, ioBandwidthMbps: io },
      objective,
    };
  }

  /** The load as it stands in an address: what differs from the defaults. */
  get query(): string {
    const different = Object.entries(this.#load).filter(
      ([name, value]) => DEFAULTS[name as keyof Load] !== value,
    );
    return new URLSearchParams(different.map(([name, value]) => [name, String(value)])).toString();
  }

  /** Takes over the load of an address; what cannot be read stays as it is by default. */
  set query(text: string) {
    const given = new URLSearchParams(text);
    Object.assign(this.#load, DEFAULTS);
    const database = given.get('database');
    if (PROFILES.some(({ name }) => name === database)) this.#load.database = database!;
    const objective = OBJECTIVES.find((name) => name === given.get('objective'));
    if (objective) this.#load.objective = objective;
    for (const quantity of QUANTITIES) {
      const value = parseQuantity(quantity, given.get(quantity.id) ?? '');
      if (value !== undefined) this.#load[quantity.id] = value;
    }
    this.#show();
  }

  #set<K extends keyof Load>(name: K, value: Load[K]): void {
    if (this.#load[name] === value) return;
    this.#load[name] = value;
    this.#onChange();
  }

  #addObjective(objective: Objective): void {
    const radio = make('input', { type: 'radio', name: 'objective', value: objective });
    radio.addEventListener('change', () => this.#set('objective', objective));
    this.#radios.set(objective, radio);
    byId('objectives').append(make('label', {}, radio, make('span', {}, objectiveLabel(objective))));
  }

  #addQuantity(quantity: Quantity & { id: QuantityId }): HTMLElement {
    const { id, label, unit, steps } = quantity;
    const slider = make('input', {
      type: 'range',
      id: `${id}-slider`,
      min: '0',
      max: String(steps.length - 1),
    });
    slider.setAttribute('aria-label', label);
    const text = make('input', { type: 'text', id, inputMode: 'decimal', autocomplete: 'off' });
    const change = (value: number) => {
      this.#set(id, value);
      this.#showQuantity(quantity);
    };
    slider.addEventListener('input', () => change(steps[Number(slider.value)]!));
    text.addEventListener('change', () => change(parseQuantity(quantity, text.value) ?? this.#load[id]));
    this.#fields.set(id, { slider, text });
    const name = make('label', { htmlFor: id }, label);
    const value = make(
      'span',
      { className: 'value' },
      text,
      ...(unit ? [make('span', { className: 'unit' }, unit)] : []),
    );
    return make('div', { className: 'field quantity' }, name, value, slider);
  }

  #show(): void {
    this.#database.value = this.#load.database;
    this.#radios.get(this.#load.objective)!.checked = true;
    for (const quantity of QUANTITIES) this.#showQuantity(quantity);
  }

  #showQuantity(quantity: Quantity & { id: QuantityId }): void {
    const { slider, text } = this.#fields.get(quantity.id)!;
    const value = this.#load[quantity.id];
    const spoken = `${formatQuantity(value)} ${quantity.unit}`.trim();
    // While it is dragged the slider itself says where it is.
    if (quantity.steps[Number(slider.value)] !== value) slider.value = String(positionOf(quantity, value));
    slider.setAttribute('aria-valuetext', spoken);
    slider.style.setProperty('--share', `${(100 * Number(slider.value)) / Number(slider.max)}%`);
    text.value = formatQuantity(value);
  }
}
