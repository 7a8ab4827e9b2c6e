import type { FastifyReply } from 'fastify';

/**
 * A handler that first works out what all requests of one turn of the event loop ask for, and then sends the answers. What
 * works them out is in the processor's caches for all but the first: between parsing and writing, each alone would fetch
 * it anew, and 32 connections be served at half of the rate.
 */
export function together<Body, Answer>(answer: (body: Body) => Answer) {
  let waiting: { readonly body: Body; readonly reply: FastifyReply }[] = [];
  const answerAll = (): void => {
    const turn = waiting;
    waiting = [];
    const answers = turn.map(({ body }) => {
      try {
        return answer(body);
      } catch (error) {
        return error;
      }
    });
    for (const [k, { reply }] of turn.entries()) reply.send(answers[k]);
  };
  return ({ body }: { readonly body: Body }, reply: FastifyReply): void => {
    if (waiting.push({ body, reply }) === 1) setImmediate(answerAll);
  };
}
