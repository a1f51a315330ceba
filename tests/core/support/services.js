// Small servers in the places of Supabase's services. They keep what they were sent; the tests say what they answer, and cite what
// the real ones are documented to answer.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const bodyOf = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/**
 * Starts one. `answer` gets response, request and body; `socket`, if it is given, each WebSocket and the request that opened it.
 * @param {{answer?: (response: import('node:http').ServerResponse, request: import('node:http').IncomingMessage, body: Buffer) => void, socket?: Function}} options
 */
export const startService = async ({ answer = (response) => response.end('{}'), socket } = {}) => {
  const received = [];
  const state = { answer };
  const server = createServer(async (request, response) => {
    const entry = { method: request.method, url: request.url, headers: request.headers };
    try {
      entry.body = await bodyOf(request);
    } catch (error) {
      entry.broke = error.message;
    }
    received.push(entry);
    if (!entry.broke) state.answer(response, request, entry.body);
  });
  const sockets = socket && new WebSocketServer({ server });
  sockets?.on('connection', (each, request) => {
    received.push({ method: request.method, url: request.url, headers: request.headers });
    socket(each, request);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    received,
    sockets,
    /** What is answered from now on. */
    answers: (next) => {
      state.answer = next;
    },
    last: () => received.at(-1),
    stop: async () => {
      for (const each of sockets?.clients ?? []) each.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
