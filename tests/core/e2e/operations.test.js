// What docs/operations.md says: the bundle on one machine, and the configuration that is given there.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'smol-toml';
import { root } from '../../../dev/paths.js';
import { freePort, Part, waitFor } from '../../../dev/process.js';
import { productSystems, schemas, systems } from '../../../dev/systems.js';
import { variables } from '../../support/edge.js';
import { ask, close, freshEmail, userToken } from '../../support/stack.js';

after(close);

const template = readFileSync(join(root, 'deploy', 'workerd.capnp'), 'utf8');

test('deploy/workerd.capnp serves, from variables of the environment', async () => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-lone-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['serve', join(root, 'deploy', 'workerd.capnp'), '--socket-addr', `http=127.0.0.1:${port}`];
  const part = new Part({
    name: 'workerd',
    command: () => ({
      file: createRequire(import.meta.url)('workerd').default,
      args,
      options: { env: { PATH: process.env.PATH, ...variables() } },
    }),
    ready: (_, given) =>
      waitFor(
        'workerd',
        () =>
          fetch(`${url}/healthz`).then(
            () => true,
            () => false,
          ),
        { given },
      ),
    logFile: join(data, 'log'),
    say: () => {},
    restart: false,
  });
  await part.start();
  try {
    assert.equal((await ask('/readyz', { base: url })).status, 200);
    assert.equal((await ask('/v1/entries', { base: url, json: { email: freshEmail() } })).status, 201);
    assert.equal((await ask('/rest/v1/projects', { base: url, token: await userToken() })).status, 200);
  } finally {
    await part.stop();
    rmSync(data, { recursive: true, force: true });
  }
});

test('it has every variable, and runs as wrangler.toml has it', () => {
  const bound = [...template.matchAll(/name = "(\w+)", fromEnvironment = "(\w+)"/g)].map(([, name, from]) => {
    assert.equal(name, from);
    return name;
  });
  const table = readFileSync(join(root, 'docs', 'configuration.md'), 'utf8')
    .split('## Variables')[1]
    .split('\n## ')[0];
  const documented = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  // Variables of somebody's own systems are bound where they are deployed.
  const product = productSystems().map(({ name }) => name);
  const own = systems()
    .filter(({ name, folder }) => !folder && !product.includes(name))
    .flatMap((system) => system.variables.map(({ name }) => name));
  assert.deepEqual(bound.filter((name) => !own.includes(name)).sort(), [...documented].sort());
  const { compatibility_date: date, compatibility_flags: flags = [] } = parse(
    readFileSync(join(root, 'wrangler.toml'), 'utf8'),
  );
  assert.ok(template.includes(`compatibilityDate = "${date}"`));
  for (const flag of flags) assert.ok(template.includes(`"${flag}"`), flag);
});

test('PostgREST’s settings in the docs are those that everything here is tested with', () => {
  const docs = readFileSync(join(root, 'docs', 'operations.md'), 'utf8');
  const configured = readFileSync(join(root, 'dev', 'postgrest.js'), 'utf8');
  const own = new Set(['db-uri', 'jwt-secret', 'server-port']);
  const settings = [...docs.matchAll(/^ {4}([a-z-]+) = (.*)$/gm)].filter(([, name]) =>
    /^(db|jwt|openapi|log|server)-/.test(name),
  );
  assert.ok(settings.length >= 10);
  for (const [line, name, value] of settings) {
    if (name === 'db-schemas') assert.equal(value, `"${schemas(productSystems(), []).join(', ')}"`);
    else if (own.has(name)) assert.ok(configured.includes(`${name} = `), name);
    else assert.ok(configured.includes(`${name} = ${value}\n`), line);
  }
});
