import { json } from './api.js';
import { engine } from './engine.js';

/** Brings the page's model to what the service has learnt, so that both answer alike. */
export async function teachEngine(): Promise<void> {
  const { state } = await json<{ state?: unknown }>('api/v1/batch-optimization/model');
  if (state) await engine.teach(state);
}
