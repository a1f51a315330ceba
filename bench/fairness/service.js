// The services of a project in a process of its own: a realtime service that says back what it hears, as Phoenix answers a heartbeat; storage
// with one file; a function that takes its time; Turnstile, which is slow and fails; and a provider of language models whose answer does not end.
// It says where it listens.
import { startService } from '../../tests/core/support/services.js';

const FILE = Buffer.alloc(5 * 1024 * 1024, 'x');
/** Milliseconds that a function takes, and Turnstile. */
const SLOW = 2000;

/** A hundred tokens, each an event of its own. */
const TOKENS =
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'endless ' }, finish_reason: null }] })}\n\n`.repeat(
    100,
  );

/** As fast as it is read, until its client leaves. */
const endless = (response) => {
  const more = () => {
    while (!response.destroyed && response.write(TOKENS));
  };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.on('drain', more).on('error', () => {});
  more();
};

const socket = (each) => each.on('message', (data, binary) => each.send(data, { binary }));
const answer = (response, { method, url }) => {
  // What it was sent is nobody's business here, and would fill the memory.
  service.received.length = 0;
  if (url.startsWith('/slow')) setTimeout(() => response.end('{}'), SLOW);
  else if (url.startsWith('/siteverify')) setTimeout(() => response.writeHead(500).end(), SLOW);
  else if (url.startsWith('/endless')) endless(response);
  else response.end(method === 'GET' ? FILE : '{"Key":"files/a"}');
};
const service = await startService({ answer, socket });
process.send(service.url);
process.on('disconnect', () => process.exit());
