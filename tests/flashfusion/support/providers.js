// Services that stand for the real ones: each accepts some keys, as its documentation says, and can be slow, away or broken.
import { createServer } from 'node:http';

/** Where each takes the key, what it needs beside it, and what it answers to one that it does not know. */
const SERVICES = {
  openai: { path: '/v1/models', key: ({ authorization }) => authorization?.replace(/^Bearer /, ''), refuses: 401 },
  anthropic: {
    path: '/v1/models',
    key: (headers) => headers['anthropic-version'] && headers['x-api-key'],
    refuses: 401,
  },
  google: { path: '/v1beta/models', key: (headers) => headers['x-goog-api-key'], refuses: 400 },
  groq: { path: '/openai/v1/models', key: ({ authorization }) => authorization?.replace(/^Bearer /, ''), refuses: 401 },
  mistral: { path: '/v1/models', key: ({ authorization }) => authorization?.replace(/^Bearer /, ''), refuses: 401 },
};

/**
 * Starts one. `good` is a set of keys that it accepts; `requests` has what it was sent. `mode` is `right`, or `slow`, `broken`,
 * `forbids`, `redirects`, `limits`.
 * @param {keyof typeof SERVICES} name
 */
export const startProvider = async (name) => {
  const { path, key, refuses } = SERVICES[name];
  const provider = { good: new Set(), requests: [], mode: 'right' };
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    provider.requests.push({ method, url, headers });
    const answer = (status, body, more = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...more });
      response.end(JSON.stringify(body));
    };
    const sent = key(headers);
    const modes = {
      slow: () => setTimeout(() => answer(200, { data: [] }), 20_000).unref(),
      broken: () => answer(500, { error: `cannot read ${sent}` }),
      limits: () => answer(429, { error: 'too many requests' }),
      forbids: () => answer(403, { error: 'not for this key' }),
      redirects: () => answer(302, {}, { location: 'http://127.0.0.1:9/' }),
      right: () => {
        if (method !== 'GET' || new URL(url, 'http://x').pathname !== path) return answer(404, {});
        return provider.good.has(sent)
          ? answer(200, { data: [{ id: 'a-model' }] })
          : answer(refuses, { error: `Incorrect API key provided: ${sent}` });
      },
    };
    modes[provider.mode]();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  provider.url = `http://127.0.0.1:${server.address().port}`;
  provider.stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return provider;
};
