// A client that closes its connection before it has an answer.
import { request } from 'node:http';

/** Sends a request, and resets its connection after so many milliseconds. */
export const hangUp = (base, path, { token, method = 'GET', json, milliseconds = 60 } = {}) =>
  new Promise((resolve, reject) => {
    const headers = {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(json && { 'content-type': 'application/json' }),
    };
    const sent = request(base + path, { method, agent: false, headers }, ({ statusCode }) => {
      reject(new Error(`answered ${statusCode} before the client hung up`));
    });
    sent.on('error', () => {});
    sent.on('close', resolve);
    sent.end(json && JSON.stringify(json));
    setTimeout(() => sent.socket.resetAndDestroy(), milliseconds);
  });
