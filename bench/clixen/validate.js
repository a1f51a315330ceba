// Validation through the edge: the extra CPU of validating a workflow over reading and refusing the same bytes.
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../dev/paths.js';
import { SetupError } from '../../dev/setup.js';
import { rounded } from '../figures.js';
import { cpuTime } from '../machine.js';

/** What n8n exports, often enough under other names for 200 nodes in one workflow, each part with triggers of its own. */
const workflow = (size) => {
  const folder = join(root, 'tests', 'clixen', 'workflows');
  const exported = readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')));
  const made = { name: `${size} nodes`, nodes: [], connections: {}, settings: { executionOrder: 'v1' } };
  for (let round = 1; made.nodes.length < size; round += 1) {
    for (const [at, part] of exported.entries()) {
      if (made.nodes.length + part.nodes.length > size) {
        made.nodes.push(...part.nodes.slice(0, 1).map((node) => ({ ...node, type: 'n8n-nodes-base.stickyNote' })));
        made.nodes.at(-1).name = made.nodes.at(-1).id = `note ${round} ${at}`;
        if (made.nodes.length === size) return made;
        continue;
      }
      const named = (name) => `${name} ${round}.${at}`;
      for (const node of part.nodes) {
        const parameters = { ...node.parameters, ...(node.parameters.path && { path: named(node.parameters.path) }) };
        const webhook = node.webhookId && { webhookId: randomUUID() };
        made.nodes.push({ ...node, ...webhook, name: named(node.name), id: named(node.id), parameters });
      }
      for (const [source, ports] of Object.entries(part.connections)) {
        made.connections[named(source)] = JSON.parse(JSON.stringify(ports), (key, value) =>
          key === 'node' ? named(value) : value,
        );
      }
    }
  }
  return made;
};

/**
 * What a request takes, in milliseconds, of three kinds: `judged` is a workflow's; `parsed` that of the same without its
 * `nodes`, which are then no workflow; `refused` that of the same bytes called text, which are read and refused.
 * Of each its times, one after the other, and the CPU that the edge's process has used for one.
 * @param {{url: string, key: string, part: object, times: number, signal: AbortSignal}} options
 */
const validations = async ({ url, key, part, times, signal }) => {
  const body = JSON.stringify(workflow(200));
  const kinds = {
    judged: { body, type: 'application/json', status: 200, valid: true },
    parsed: { body: body.replace('"nodes":', '"modes":'), type: 'application/json', status: 200, valid: false },
    refused: { body, type: 'text/plain', status: 415 },
  };
  const ask = async ({ body, type, status, valid }) => {
    const start = performance.now();
    // Each from an address of its own: the edge lets long bodies of one caller wait for each other.
    const address = Array.from(randomBytes(3)).join('.');
    const headers = { 'content-type': type, apikey: key, 'cf-connecting-ip': `10.${address}` };
    const answer = await fetch(`${url}/v1/workflows/validate`, { method: 'POST', headers, body });
    const text = await answer.text();
    const ms = performance.now() - start;
    if (answer.status !== status || JSON.parse(text).valid !== valid)
      throw new SetupError(`A validation was answered ${answer.status}: ${text.slice(0, 500)}`);
    return ms;
  };
  const found = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { times: [], cpu: 0 }]));
  // In turns, so that what else the machine does meets all of them.
  const rounds = 10;
  for (let round = -2; round < rounds; round += 1) {
    for (const [kind, request] of Object.entries(kinds)) {
      const before = cpuTime(part);
      const spent = [];
      for (let n = 0; n < times / rounds && !signal.aborted; n += 1) spent.push(await ask(request));
      // What is called often is compiled once more, by and by.
      if (round < 0) continue;
      found[kind].times.push(...spent);
      found[kind].cpu += before === undefined ? Number.NaN : (cpuTime(part) - before) / 1000 / times;
    }
  }
  return { bytes: body.length, ...found };
};

const at = (values, part) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

/** The row of the table. @returns {Promise<{name: string, aim: string, reached: string}[]>} */
export const validation = async ({ stack, stopping, options, say }) => {
  const { signal } = stopping;
  const edge = { url: stack.edgeUrl, key: stack.keys.publishable_key, part: stack.edge.part };
  const { bytes, judged, parsed, refused } = await validations({ ...edge, times: options.validations, signal });
  signal.throwIfAborted();
  const median = ({ times }) => rounded(at(times, 0.5));
  const row = {
    name: `validating a workflow of 200 nodes, ${Math.round(bytes / 1024)} KB`,
    aim: 'under 5 ms',
    met: judged.cpu - refused.cpu < 5,
    reached:
      `${rounded(judged.cpu - refused.cpu)} ms of CPU, of which ${rounded(parsed.cpu - refused.cpu)} ms to parse it and ` +
      `${rounded(judged.cpu - parsed.cpu)} ms to judge it and to write and send \`fixed\`; the whole request ${median(judged)} ms ` +
      `(p99 ${rounded(at(judged.times, 0.99))} ms), the same bytes read and refused ${median(refused)} ms`,
  };
  say(`${row.name}: ${row.reached} (${row.aim})`);
  return [row];
};
