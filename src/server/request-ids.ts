import { randomUUID } from 'node:crypto';

const COUNT_DIGITS = 12;

/** Ids of the form of a UUID, which count on from a random one of this process: a new one each takes longer than routing. */
export function requestIds(): () => string {
  const process = randomUUID().slice(0, -COUNT_DIGITS);
  let count = 0;
  return () => process + (++count).toString(16).padStart(COUNT_DIGITS, '0');
}
