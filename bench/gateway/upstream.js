// How many calls of PostgREST a refused token costs: counted by an HTTP server between the Workers and PostgREST.
import { Agent, createServer, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from '../../dev/setup.js';
import { burst } from '../wrk.js';

/** Hands requests on and counts them. */
const counting = async (target) => {
  const agent = new Agent({ keepAlive: true });
  const counter = { calls: 0 };
  const server = createServer((request, response) => {
    counter.calls += 1;
    const { method, headers, url } = request;
    const onward = send(target + url, { method, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  counter.url = `http://127.0.0.1:${server.address().port}`;
  counter.close = () => {
    agent.destroy();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return counter;
};

/** Waits for calls of requests that the end of a load cut off: a pass-through still makes them. */
const quiet = async (counter) => {
  for (let before; before !== counter.calls; ) {
    before = counter.calls;
    await sleep(250);
  }
};

/** A counter that counts nothing would prove nothing: one good request must be one call. */
const provenCounter = async (counter, url, token) => {
  const before = counter.calls;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  if (answer.status !== 200 || counter.calls !== before + 1) {
    throw new Error(`one good request (status ${answer.status}) was counted as ${counter.calls - before} calls`);
  }
};

const count = async ({ name, url }, { counter, tokens, row, directory, signal }) => {
  await provenCounter(counter, url + row.path, tokens.one('ES256'));
  const before = counter.calls;
  const load = { tokens: [tokens.forged('ES256')], connections: row.connections, seconds: 1, directory, signal };
  const { requests, refused, failed } = await burst({ url: url + row.path, ...load });
  await quiet(counter);
  const calls = counter.calls - before;
  await provenCounter(counter, url + row.path, tokens.one('ES256'));
  if (requests === 0 || refused !== requests || failed > 0) {
    throw new SetupError(`${name}: of ${requests} forged tokens ${refused} were refused, ${failed} got no answer.`);
  }
  return { name, requests, calls };
};

/**
 * The calls that refused requests make upstream, by system. The edge must make none.
 * @param {{postgrestUrl: string, row: object, withWorkersAt: (upstream: string, body: Function) => Promise<object[]>}} options
 */
export const upstreamCalls = async ({ postgrestUrl, withWorkersAt, ...options }) => {
  const counter = await counting(postgrestUrl);
  try {
    const counted = await withWorkersAt(counter.url, async (workers) => {
      const results = [];
      for (const worker of workers) results.push(await count(worker, { counter, ...options }));
      return results;
    });
    const made = counted.find(({ name }) => name === 'rowgate').calls;
    if (made > 0) throw new SetupError(`rowgate asked PostgREST ${made} times for refused tokens.`);
    return counted;
  } finally {
    await counter.close();
  }
};
