import { type Static, Type } from 'typebox';

export const HealthAnswer = Type.Object({
  status: Type.String({ description: 'ok of /health; ready or stopping of /ready' }),
});
export type HealthAnswer = Static<typeof HealthAnswer>;
