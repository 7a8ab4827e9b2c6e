import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

const CHECK_MS = 1000;

interface Progress {
  /** Of all that was sent over the connection, what the other side's system took. */
  takenBytes: number;
  sinceMs: number;
}

/**
 * Ends connections whose reader takes nothing of an answer for `timeoutMs`: what waits for them holds memory. A reader
 * who waits for an answer is none of them, however long that takes.
 */
export function endStalledReaders(app: FastifyInstance, timeoutMs: number): void {
  const connections = new Map<Socket, Progress>();
  app.server.on('connection', (socket) => {
    connections.set(socket, { takenBytes: 0, sinceMs: 0 });
    socket.once('close', () => connections.delete(socket));
  });
  const check = () => {
    const nowMs = performance.now();
    for (const [socket, progress] of connections) {
      const takenBytes = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || takenBytes !== progress.takenBytes) {
        progress.takenBytes = takenBytes;
        progress.sinceMs = nowMs;
      } else if (nowMs - progress.sinceMs > timeoutMs) socket.destroy();
    }
  };
  const timer = setInterval(check, CHECK_MS).unref();
  app.addHook('onClose', async () => clearInterval(timer));
}
