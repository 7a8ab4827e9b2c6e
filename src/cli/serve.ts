import { createApp } from '../server/app.js';
import { readServerConfig } from '../server/config.js';
import { VectorBatchOptimizer } from '../vector-batch-optimizer.js';
import { type Command, EXIT, numberOption } from './command.js';

const command: Command = {
  summary: 'the HTTP service and its dashboard',
  note: 'Credentials, limits, folders and databases come from VBO_ variables: docs/configuration.md.',
  usage: 'serve [--host HOST] [--port PORT]',
  positionals: 0,
  options: [
    { name: 'host', value: 'HOST', text: 'address to listen on (VBO_HOST, default 127.0.0.1)' },
    { name: 'port', value: 'PORT', text: 'port to listen on (VBO_PORT, default 8001)' },
  ],
  async run(invocation) {
    const port = invocation.text('port') === undefined ? undefined : numberOption(invocation, 'port');
    const config = readServerConfig(process.env, { host: invocation.text('host'), port });
    await using optimizer = await VectorBatchOptimizer.create({ history: config.history ?? false });
    const app = await createApp(optimizer, config);
    const stop = new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    const url = await app.listen({ host: config.host, port: config.port });
    invocation.answer({ url }, () => `Listening on ${url}`);
    await stop;
    await app.close();
    return EXIT.done;
  },
};

export default command;
