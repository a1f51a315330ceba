// A load balancer for tests: it gives each connection to the next PostgREST that is ready, and adds network latency.
import { connect, createServer } from 'node:net';

/** Milliseconds between two questions whether a target is ready. */
const CHECK_MS = 250;

/** Passes on what a socket sends, some time later and in its order. */
const relay = (from, to, latency) => {
  from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), latency));
  from.on('error', () => {});
  from.on('close', () => setTimeout(() => to.destroy(), latency));
};

const isReady = ({ adminPort }) =>
  fetch(`http://127.0.0.1:${adminPort}/ready`, { signal: AbortSignal.timeout(1000) }).then(
    (answer) => answer.ok,
    () => false,
  );

/**
 * Starts a balancer on a port of this machine.
 * @param {{port: number, adminPort: number}[]} targets PostgRESTs
 * @param {number} latency milliseconds of each way
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export const startBalancer = async (targets, latency) => {
  let ready = targets;
  let turn = 0;
  const check = setInterval(async () => {
    const answers = await Promise.all(targets.map(isReady));
    ready = targets.filter((_, n) => answers[n]);
  }, CHECK_MS);
  const clients = new Set();
  const give = (client, left) => {
    const [target, ...others] = left;
    if (!target) return client.destroy();
    const upstream = connect(target.port, '127.0.0.1');
    upstream.once('error', () => !upstream.opened && give(client, others));
    upstream.once('connect', () => {
      upstream.opened = true;
      relay(client, upstream, latency);
      relay(upstream, client, latency);
      client.resume();
    });
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.on('error', () => {}).on('close', () => clients.delete(client));
    turn += 1;
    give(
      client,
      ready.map((_, n) => ready[(turn + n) % ready.length]),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      clearInterval(check);
      for (const client of clients) client.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
};
