import { decode } from '@msgpack/msgpack';
import type { ErrorAnswer, Problem } from '../server/schemas/common.js';

/** What the service refused, or that it could not be reached (status 0). */
export class ServiceError extends Error {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** `VBO_ERR_...` of the package, `VBO_HTTP_...` of the service, `VBO_CLIENT_...` of this client. */
  readonly code: string;
  /** Which fields were wrong, and what was expected. */
  readonly details: readonly Problem[];
  /** For the service's logs. */
  readonly requestId: string | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { details?: readonly Problem[]; requestId?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ServiceError';
    this.status = status;
    this.code = code;
    this.details = options.details ?? [];
    this.requestId = options.requestId;
  }

  /** The error that an answer tells of. */
  static async of(response: Response): Promise<ServiceError> {
    const bytes = new Uint8Array(await response.arrayBuffer());
    try {
      const isMessagePack = response.headers.get('content-type')?.includes('msgpack');
      const answer = (
        isMessagePack ? decode(bytes) : JSON.parse(new TextDecoder().decode(bytes))
      ) as ErrorAnswer;
      const { code, message, details = [] } = answer.error;
      return new ServiceError(response.status, code, message, { details, requestId: answer.request_id });
    } catch (cause) {
      // A proxy's page, for instance.
      return new ServiceError(response.status, 'VBO_CLIENT_ANSWER', `HTTP ${response.status}.`, { cause });
    }
  }
}
