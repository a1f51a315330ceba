// A server of the test's own in PostgREST's place: it answers whatever the test says.
import { createServer } from 'node:http';

/** Runs the body with the address of a server that answers by a function of response and request. */
export const withUpstream = async (answer, body) => {
  const server = createServer((request, response) => answer(response, request));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
};
