// A provider in a process of its own, as fast as it can be: the first token at once, the rest right after it. It says where it listens.
import { createServer } from 'node:http';

const TOKENS = 30;
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (choices, more) =>
  event({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_764_201_600,
    model: 'a-model',
    choices,
    ...more,
  });
const token = (content) => chunk([{ index: 0, delta: { content }, finish_reason: null }], { usage: null });

const REST = [
  ...Array.from({ length: TOKENS - 1 }, (_, n) => token(` word ${n}`)),
  chunk([{ index: 0, delta: {}, finish_reason: 'stop' }], { usage: null }),
  chunk([], { usage: { prompt_tokens: 20, completion_tokens: TOKENS, total_tokens: 20 + TOKENS } }),
  'data: [DONE]\n\n',
];

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(token('first'));
    // Each event in a write of its own, as tokens come.
    let next = 0;
    const more = () => {
      if (next === REST.length) return response.end();
      response.write(REST[next]);
      next += 1;
      return setImmediate(more);
    };
    setImmediate(more);
  });
});
server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}/v1`));
process.on('disconnect', () => process.exit());
