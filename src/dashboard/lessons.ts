import type { ModelAnswer } from '../server/schemas/training.js';
import { json } from './api.js';
import { engine } from './engine.js';

/** Brings the page's model to what the service has learnt, so that both answer alike. */
export async function teachEngine(): Promise<void> {
  const { state } = await json<ModelAnswer>('api/v1/batch-optimization/model');
  await engine.teach(state);
}
