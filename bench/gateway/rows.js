// The rows of the table, as data: what is asked, with which tokens, over how many connections.
import { ENDPOINT } from './systems.js';

const KB = 1024;

const row = (
  name,
  { connections = 16, algorithm = 'ES256', tokens = 'repeated', status = 200, times = 1, ...request },
) => ({
  name: `${name}, ${connections} connection${connections === 1 ? '' : 's'}`,
  ...{ connections, algorithm, tokens, status, times },
  ...request,
});

/**
 * All rows.
 * @param {string} project the project that is read
 */
export const rows = (project) => {
  const one = `/projects?select=id,name,created_at&id=eq.${project}`;
  const batch = (number) => `/bench_answers?select=payload&batch=eq.${number}`;
  const filled = (size) => JSON.stringify({ payload: 'x'.repeat(size - '{"payload":""}'.length) });
  const json = { 'content-type': 'application/json' };
  const arguments_ = JSON.stringify({ id: project, page: 2 });
  const write = { 'content-type': 'application/json', prefer: 'return=minimal' };
  const algorithms = ['HS256', 'ES256'];
  return [
    ...algorithms.flatMap((algorithm) =>
      [1, 16, 128].map((connections) => row(`one row, repeated ${algorithm}`, { algorithm, connections, path: one })),
    ),
    ...algorithms.map((algorithm) => row(`one row, fresh ${algorithm}`, { algorithm, tokens: 'fresh', path: one })),
    row('100 KB answer', { path: batch(100) }),
    // Longer cells, so that the answers that the end of a cell cuts off are few among the whole ones.
    row('10 MB answer', { path: batch(1000), times: 3 }),
    row('100 KB write', { path: '/bench_writes', method: 'POST', headers: write, body: filled(100 * KB), status: 201 }),
    // The edge reads the body and makes the function's arguments of it; the others pass a call of the function on.
    row('plain endpoint', {
      path: '/rpc/bench_plain',
      endpoint: ENDPOINT,
      method: 'POST',
      headers: json,
      body: arguments_,
    }),
    row('refused token, the same again', { path: one, tokens: 'forged', status: 401 }),
    row('refused token, always another', { path: one, tokens: 'fresh forged', status: 401 }),
  ];
};
