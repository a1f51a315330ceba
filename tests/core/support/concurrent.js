// Many requests at the same moment, each on a connection of its own.
import { Agent, request } from 'node:http';

/**
 * Sends `count` requests at once; `make(n)` gives the n-th one's path, method, headers and body.
 * Gives the answers (of one that got none, the error's code as its status), and how many were open at the same time.
 */
export const sendConcurrently = async (url, count, make) => {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  let open = 0;
  let most = 0;
  const one = (n) =>
    new Promise((resolve) => {
      const { path, method = 'POST', headers = {}, body = '' } = make(n);
      const length = { 'content-length': Buffer.byteLength(body) };
      const sent = request({ hostname, port, agent, path, method, headers: { ...headers, ...length } }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('error', ({ code }) => resolve({ n, status: code, text }));
        answer.on('end', () => resolve({ n, status: answer.statusCode, headers: answer.headers, text }));
      });
      sent.on('socket', (socket) => {
        socket.once('connect', () => {
          open += 1;
          most = Math.max(most, open);
        });
        socket.once('close', () => {
          open -= 1;
        });
      });
      sent.on('error', ({ code, message }) => resolve({ n, status: code ?? message, text: '' }));
      sent.end(body);
    });
  const answers = await Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  agent.destroy();
  return { answers, most };
};
