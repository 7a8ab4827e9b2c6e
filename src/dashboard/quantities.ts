import { MAX_DIMENSION, MAX_ITEMS } from '../core/limits.js';

/** A number that is dragged: its slider runs over `steps`, its text field takes anything from `min` to `max`. */
export interface Quantity {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly isInteger: boolean;
  readonly steps: readonly number[];
}

/** Eight equal steps in each doubling: 64, 72, 80, ... 120, 128, 144. Whole numbers only. */
function octaves(from: number, to: number): number[] {
  const steps: number[] = [];
  for (let start = from; start < to; start *= 2) {
    for (let eighth = 0; eighth < 8; eighth++) steps.push((start * (8 + eighth)) / 8);
  }
  return [...steps.filter((step) => Number.isInteger(step)), to];
}

/** 1, 1.5, 2, ... 9.5, 10, 15 times a power of ten. */
function decades(from: number, to: number): number[] {
  const steps: number[] = [];
  for (let start = from; start < to; start *= 10) {
    for (let half = 2; half < 20; half++) if ((start * half) / 2 < to) steps.push((start * half) / 2);
  }
  return [...steps, to];
}

export const QUANTITIES = [
  {
    id: 'dimension',
    label: 'Dimension',
    unit: '',
    initial: 768,
    min: 1,
    max: MAX_DIMENSION,
    isInteger: true,
    steps: octaves(16, 8192),
  },
  {
    id: 'items',
    label: 'Vectors to load',
    unit: '',
    initial: 1_000_000,
    min: 1,
    max: MAX_ITEMS,
    isInteger: true,
    steps: decades(100, 1e10),
  },
  {
    id: 'memory',
    label: 'Available memory',
    unit: 'MB',
    initial: 8192,
    min: 1,
    max: 1e9,
    isInteger: false,
    steps: octaves(64, 262_144),
  },
  {
    id: 'cores',
    label: 'Processor cores',
    unit: '',
    initial: 4,
    min: 1,
    max: 4096,
    isInteger: true,
    steps: octaves(1, 128),
  },
  {
    id: 'io',
    label: 'Bandwidth to the database',
    unit: 'MB/s',
    initial: 1000,
    min: 1e-3,
    max: 1e9,
    isInteger: false,
    steps: decades(1, 10_000),
  },
] as const satisfies readonly Quantity[];

export type QuantityId = (typeof QUANTITIES)[number]['id'];

/** Position on the slider that is nearest to a value, by ratio. */
export function positionOf({ steps }: Quantity, value: number): number {
  let nearest = 0;
  const distance = (step: number) => Math.abs(Math.log(step / value));
  for (let i = 1; i < steps.length; i++) if (distance(steps[i]!) < distance(steps[nearest]!)) nearest = i;
  return nearest;
}

const SUFFIXES: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9, b: 1e9, t: 1e12 };

/** A number as people write it (`1,000,000`, `1e6`, `1.5M`), within the quantity's bounds; undefined if it is none. */
export function parseQuantity(quantity: Quantity, text: string): number | undefined {
  const match = /^([\d.]+(?:e\+?\d+)?)\s*([kmgbt]?)(?:b?|b?\/s)$/i.exec(text.replace(/[,\s_]/g, ''));
  if (!match) return undefined;
  const value = Number(match[1]) * (SUFFIXES[match[2]!.toLowerCase()] ?? 1);
  if (!Number.isFinite(value)) return undefined;
  const bounded = Math.min(quantity.max, Math.max(quantity.min, value));
  return quantity.isInteger ? Math.round(bounded) : bounded;
}

export const formatQuantity = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: 3 });
