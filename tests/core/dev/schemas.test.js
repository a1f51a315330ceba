// The endpoints of all manifests have JSON Schemas with examples that fit, and name error codes that exist. Needs no running
// system.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { root } from '../../../dev/paths.js';
import { bundleText, systems } from '../../../dev/systems.js';
import { faultsOf } from '../../support/schemas.js';

const EXAMPLE = join(root, 'examples', 'notes', 'systems', 'notes.toml');
const manifests = [...systems(), ...(existsSync(EXAMPLE) ? [parse(readFileSync(EXAMPLE, 'utf8'))] : [])];

for (const manifest of manifests)
  test(`${manifest.name}: every endpoint has schemas, examples that fit, and known error codes`, () =>
    assert.deepEqual(faultsOf(manifest), []));

const schema = { type: 'object', required: ['title'], properties: { title: { type: 'string' } } };
const good = { ...schema, examples: ['{"title": "x"}'] };
const endpoint = {
  method: 'POST',
  path: '/v1/things',
  arguments: { thing: { body: 'object' } },
  request: good,
  response: { contentType: 'text/plain' },
  errors: ['NT001', 'RG503'],
};
const wrong = {
  'request: missing': { request: undefined },
  'response: missing': { response: undefined },
  'request: there is no such body': { arguments: {} },
  'response: there is no such body': { answer: 'no_content' },
  'response: beside contentType there is no schema': { response: { ...good, contentType: 'text/plain' } },
  'request: has no examples': { request: { ...good, examples: [] } },
  'request: schema is invalid: data/required must be array': { request: { ...good, required: 'title' } },
  'request: strict mode: unknown keyword: "maxLenght"': { request: { ...good, maxLenght: 5 } },
  "request: can't resolve reference #/definitions/thing from id #": { request: { $ref: '#/definitions/thing' } },
  'request: examples[0]: data/title must be string': { request: { ...good, examples: ['{"title": 5}'] } },
  "response: examples[1]: data must have required property 'title'": {
    response: { ...good, examples: [...good.examples, '{}'] },
  },
  'errors: there is no NT002': { errors: ['NT002'] },
  'errors: there is no RG504': { errors: ['RG504'] },
};

test('a wrong schema, example or error code is found', () => {
  const of = (more) => ({
    name: 'things',
    errors: [{ code: 'NT001' }],
    endpoints: [{ ...endpoint, ...more }],
  });
  assert.deepEqual(faultsOf(of({})), []);
  for (const [fault, more] of Object.entries(wrong))
    assert.deepEqual(faultsOf(of(more)), [`things: POST /v1/things: ${fault}`]);
});

test('the edge gets no schemas, definitions and codes of endpoints', () => {
  for (const manifest of JSON.parse(bundleText())) {
    assert.equal(manifest.definitions, undefined);
    for (const each of manifest.endpoints)
      assert.deepEqual([each.request, each.response, each.errors], [undefined, undefined, undefined]);
  }
});
