/** What the service refused, with its status and code. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const KEPT_AS = 'credential';

/** The credential of this tab: an API key or a bearer token. Nowhere but in the session's storage. */
export const credential = {
  get: (): string | null => sessionStorage.getItem(KEPT_AS),
  set: (value: string): void => sessionStorage.setItem(KEPT_AS, value),
  forget: (): void => sessionStorage.removeItem(KEPT_AS),
};

/** A token has three parts and says so in its first; anything else is a key. */
const headerOf = (value: string): Record<string, string> =>
  /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(value) ? { authorization: `Bearer ${value}` } : { 'x-api-key': value };

/** Asks for a credential; resolves once there is one to try, false if the user goes without. */
type Ask = (refused: string | undefined) => Promise<boolean>;
let ask: Ask = async () => false;
let asking: Promise<boolean> | undefined;

/** Sets who is asked when the service wants a credential. */
export function onUnauthorized(asked: Ask): void {
  ask = asked;
}

interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: unknown;
  accept?: string;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/**
 * One request to the service that served the page. When it asks for a credential the user is asked once for all
 * requests that wait, and they are made again.
 * @throws ApiError
 */
export async function request(path: string, call: Call = {}): Promise<Response> {
  for (;;) {
    const tried = credential.get();
    const answer = await fetch(path, {
      method: call.method ?? 'GET',
      headers: {
        accept: call.accept ?? 'application/json',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(tried === null ? {} : headerOf(tried)),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.signal ? { signal: call.signal } : {}),
    });
    if (answer.ok) return answer;
    const refusal = await refusalOf(answer);
    if (answer.status !== 401) throw refusal;
    // Another request may have been given a credential meanwhile.
    if (credential.get() !== tried) continue;
    asking ??= ask(tried === null ? undefined : refusal.message).finally(() => {
      asking = undefined;
    });
    if (!(await asking)) throw refusal;
  }
}

/** @throws ApiError */
export async function json<T>(path: string, call?: Call): Promise<T> {
  return (await (await request(path, call)).json()) as T;
}

async function refusalOf(answer: Response): Promise<ApiError> {
  const body = (await answer.json().catch(() => undefined)) as
    | { error?: { code?: string; message?: string } }
    | undefined;
  return new ApiError(
    answer.status,
    body?.error?.code ?? 'VBO_HTTP',
    body?.error?.message ?? `The service answered ${answer.status}.`,
  );
}

export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * The events of a stream (text/event-stream). `EventSource` cannot send a credential, so the stream is read by hand, and
 * taken up again behind the last event when the connection breaks.
 * @throws ApiError
 */
export async function* events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  let lastId = '';
  while (!signal.aborted) {
    const headers: Record<string, string> = lastId === '' ? {} : { 'last-event-id': lastId };
    try {
      const answer = await request(path, { accept: 'text/event-stream', signal, headers });
      // Nothing comes any more: the end was among the events before.
      if (answer.status === 204) return;
      for await (const event of readEvents(answer.body!)) {
        if (event.id !== '') lastId = event.id;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop()!;
    for (const block of blocks) {
      const event = { id: '', event: 'message', data: '' };
      for (const line of block.split(/\r?\n/)) {
        const [, name, rest] = /^(\w*): ?(.*)$/.exec(line) ?? [];
        if (name === 'id' || name === 'event') event[name] = rest!;
        else if (name === 'data') event.data += event.data === '' ? rest : `\n${rest}`;
      }
      if (event.data !== '') yield event;
    }
  }
}
