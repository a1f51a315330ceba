// A TCP proxy in front of a part, that can be slow, refuse, and count.
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Starts a proxy to a port of this machine.
 * `requests` counts those that came through. `delay` holds what clients send back for so many milliseconds; `refuse` closes that many further connections at once.
 */
export const startProxy = async (target) => {
  const proxy = { delay: 0, refuse: 0, accepted: 0, requests: 0, open: new Set() };
  const server = createServer((client) => {
    proxy.accepted += 1;
    if (proxy.refuse > 0) {
      proxy.refuse -= 1;
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    proxy.open.add(client);
    const end = () => {
      proxy.open.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.on('data', async (chunk) => {
      // workerd sends a request's head in a packet of its own.
      if (/^[A-Z]+ \//.test(chunk.subarray(0, 10).toString('latin1'))) proxy.requests += 1;
      await sleep(proxy.delay);
      if (!upstream.destroyed) upstream.write(chunk);
    });
    upstream.on('data', (chunk) => client.writable && client.write(chunk));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.close = () => {
    for (const socket of proxy.open) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return proxy;
};
