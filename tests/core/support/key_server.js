// An issuer's key server that may answer anything, and counts who asks.
import { createServer } from 'node:http';

/** The usual answer: an honest key set. */
export const honest = (keys) => (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ keys }));
};

/** Starts a server: `answers` has a function of request and response by path, `asked` how often each was asked for. */
export const startKeyServer = async () => {
  const found = { answers: {}, asked: {} };
  const server = createServer((request, response) => {
    // Clients that close the connection in the middle of an answer are expected here.
    response.on('error', () => {});
    found.asked[request.url] = (found.asked[request.url] ?? 0) + 1;
    found.answers[request.url](request, response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  found.url = `http://127.0.0.1:${server.address().port}`;
  found.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return found;
};
