// Schemathesis over the description: requests that fit and requests that do not, to every endpoint of a throw-away system. No answer is
// a fault of the server, and none lacks in the description.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { served } from '../../../dev/openapi.js';
import { missingPython, schemathesis } from '../../../dev/schemathesis.js';
import { ask, close, stack, userToken } from '../../support/stack.js';

const directory = mkdtempSync(join(tmpdir(), 'rowgate-schemathesis-'));
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await close();
});

const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';

/**
 * Operations that it cannot test here: what needs a service of somebody else's, which a throw-away system has not, and answers 501, 502
 * or 503 as documented; bodies of lines, which it cannot make.
 */
const isLeftOut = ({ requires, after_call: afterCall, seal, stream, service, line_limit: lines, path }) =>
  [requires?.length > 0, afterCall, seal, stream, service, lines, path === '/readyz'].some(Boolean);

/** Runs it with the credentials of a caller; gives its status and what it printed. */
const run = async (name, headers) => {
  const { body } = await ask('/openapi.json');
  const leftOut = served().flatMap(({ endpoints }) => endpoints.filter(isLeftOut));
  for (const { method, path } of leftOut) delete body.paths[path][method.toLowerCase()];
  const file = join(directory, `${name}.json`);
  writeFileSync(file, JSON.stringify(body));
  const args = [
    'run',
    file,
    '--url',
    stack.edge_url,
    '--seed',
    '20',
    '--max-examples',
    '4',
    '--phases',
    'examples,fuzzing',
  ];
  // One worker: Python 3.11 keeps a single depth of recursion for the parsers of all threads, so that with two
  // `ast.parse` now and then fails with "AST constructor recursion depth mismatch".
  args.push(
    '--checks',
    CHECKS,
    '--workers',
    '1',
    '--request-timeout',
    '20',
    '--no-color',
    '--suppress-health-check',
    'all',
    '--warnings',
    'off',
  );
  for (const [header, value] of Object.entries(headers)) args.push('--header', `${header}: ${value}`);
  const child = spawn(await schemathesis(), args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      printed += piece;
    });
  }
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, printed };
};

const skip = missingPython() ?? false;

test('to a user: no fault of the server and no answer that is not described', { skip }, async () => {
  const { status, printed } = await run('user', { Authorization: `Bearer ${await userToken()}` });
  assert.equal(status, 0, printed);
});

test('to a server: the same', { skip }, async () => {
  const { status, printed } = await run('server', { Authorization: `Bearer ${stack.service_key}` });
  assert.equal(status, 0, printed);
});

test('to somebody without any credentials: the same', { skip }, async () => {
  const { status, printed } = await run('nobody', {});
  assert.equal(status, 0, printed);
});
