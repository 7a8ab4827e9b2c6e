import { VectorBatchError } from '../core/errors.js';
import { formatHead, parseHead, verifyAuditLog } from '../server/audit/verify.js';
import { type Command, EXIT } from './command.js';

const command: Command = {
  summary: 'checks that nobody changed, removed or moved lines of an audit log',
  usage: 'audit verify FILE [--head SEQ:HASH]',
  positionals: 2,
  options: [
    {
      name: 'head',
      value: 'SEQ:HASH',
      text: 'where the log ended when you last looked: lines cut off at the end are found even if FILE.head was changed too',
    },
  ],
  async run(invocation) {
    const [action, path] = invocation.positionals as [string, string];
    if (action !== 'verify') {
      throw new VectorBatchError(
        'VBO_ERR_USAGE',
        `Unknown action ${JSON.stringify(action)}; expected verify.`,
      );
    }
    const text = invocation.text('head');
    const expected = text === undefined ? undefined : parseHead(text);
    if (text !== undefined && expected === undefined) {
      throw new VectorBatchError('VBO_ERR_USAGE', `--head is ${JSON.stringify(text)}; expected SEQ:HASH.`);
    }
    const verdict = await verifyAuditLog(path, expected);
    const { isIntact, lines, head, line, problem } = verdict;
    invocation.answer({ ...verdict, head: formatHead(head) }, () =>
      isIntact
        ? `${lines === 1 ? '1 line' : `${lines} lines`}, as written. Head: ${formatHead(head)}`
        : `Line ${line} ${problem}. ${lines} lines before it are as they were written.`,
    );
    return isIntact ? EXIT.done : EXIT.failed;
  },
};

export default command;
