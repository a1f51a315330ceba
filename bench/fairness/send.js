// One request of a reader or an attacker.
import { request } from 'node:http';

/** One request; gives status and milliseconds. A request that broke has status 0. With `transfer-encoding` the body declares no length. */
export const send = (agent, base, { path, method = 'GET', headers = {}, body }) =>
  new Promise((resolve) => {
    const start = performance.now();
    const done = (status) => resolve({ status, ms: performance.now() - start });
    const sent = request(`${base}${path}`, {
      agent,
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(body !== undefined && !headers['transfer-encoding'] && { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    });
    sent.on('error', () => done(0));
    sent.on('response', (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode));
      answer.on('error', () => done(0));
    });
    sent.end(body);
  });
