import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuditLog } from '../audit/audit-log.js';
import type { AuditEvent } from '../audit/chain.js';
import { HttpError } from '../http-error.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * A success of the route changes something. It is answered when it is written down; once something could not be, all
     * further changes are refused.
     */
    mutates?: boolean;
  }
  interface FastifyRequest {
    /** Of the run that the request is about, for the audit log. */
    runId: string | undefined;
  }
}

/** Writes down what changes something. Refusals are written down where they are answered. Before the routes. */
export function auditMutations(app: FastifyInstance, log: AuditLog): void {
  app.addHook('onRoute', (route) => {
    if (!route.config?.mutates) return;
    route.preHandler = [
      (_request, _reply, done) => {
        done(
          log.failure &&
            new HttpError('VBO_HTTP_AUDIT', 'The audit log cannot be written; nothing is changed any more.'),
        );
      },
      ...[route.preHandler ?? []].flat(),
    ];
    route.onSend = [
      ...[route.onSend ?? []].flat(),
      async (request, reply) => {
        if (reply.statusCode >= 400) return;
        await log.append(eventOf(request, reply.statusCode));
        if (log.failure) {
          throw new HttpError(
            'VBO_HTTP_AUDIT',
            'This was done, but could not be written into the audit log; nothing more will be.',
          );
        }
      },
    ];
  });
}

/** Tells who changes something under which id the audit log has it. Before the routes. */
export function nameMutations(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (!route.config?.mutates) return;
    route.onRequest = [
      (request, reply, done) => {
        reply.header('x-request-id', request.id);
        done();
      },
      ...[route.onRequest ?? []].flat(),
    ];
  });
}

/** A request as the audit log tells it. */
export function eventOf(request: FastifyRequest, status: number, code?: string): AuditEvent {
  const { id, method, routeOptions, principal, ip, runId } = request;
  return {
    event: 'request',
    request_id: id,
    method,
    route: routeOptions.url ?? '*',
    status,
    ...(code === undefined ? {} : { code }),
    principal: principal?.id ?? 'anonymous',
    address: ip,
    ...(runId === undefined ? {} : { run: runId }),
  };
}
