// The services of a project in a process of its own: a realtime service that says back what it hears, as Phoenix answers a heartbeat; storage
// with one file; and a function that takes its time. It says where it listens.
import { startService } from '../../tests/core/support/services.js';

const FILE = Buffer.alloc(5 * 1024 * 1024, 'x');
/** Milliseconds that a function takes. */
const SLOW = 2000;

const socket = (each) => each.on('message', (data, binary) => each.send(data, { binary }));
const answer = (response, { method, url }) => {
  // What it was sent is nobody's business here, and would fill the memory.
  service.received.length = 0;
  if (url.startsWith('/slow')) setTimeout(() => response.end('{}'), SLOW);
  else response.end(method === 'GET' ? FILE : '{"Key":"files/a"}');
};
const service = await startService({ answer, socket });
process.send(service.url);
process.on('disconnect', () => process.exit());
