// One request of the soak, whose answer is read to its end.
import { Agent, request } from 'node:http';

// A connection that has been idle is closed here before the edge closes it, so that no request meets its end.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, timeout: 2000 });

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Sends it. One that broke has status 0.
 * @param {string} base
 * @param {{method?: string, path: string, headers?: object, token?: string, json?: unknown, body?: string}} given
 * @returns {Promise<{status: number, text: string, body?: unknown, code?: string, retryAfter?: string}>}
 */
export const send = (base, { method = 'GET', path, headers = {}, token, json, body = json && JSON.stringify(json) }) =>
  new Promise((resolve) => {
    const broken = (error) => resolve({ status: 0, text: error.message, code: error.code });
    const sent = request(`${base}${path}`, {
      method,
      agent,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    sent.on('error', broken);
    sent.on('response', (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (piece) => {
        text += piece;
      });
      answer.on('error', broken);
      answer.on('end', () => {
        const found = parsed(text);
        const { statusCode: status, headers: fields } = answer;
        resolve({ status, text, body: found, code: found?.code, retryAfter: fields['retry-after'] });
      });
    });
    sent.end(body);
  });
