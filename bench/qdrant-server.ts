/** A process that takes upserts, counts their bytes and answers, so that its CPU is not counted with the client's. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

let bytes = 0;
const server = createServer((request, response) => {
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
  });
  request.on('end', () => {
    const result = { operation_id: 0, status: 'completed' };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ result, status: 'ok', time: 0 }));
  });
});
// Between two upserts encoding alone is measured, for longer than a connection is usually kept.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', () => {
  process.send!({ bytes });
  bytes = 0;
});
process.on('disconnect', () => process.exit());
