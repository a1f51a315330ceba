// The JSON Schemas of the manifests: what docs/manifests.md asks of them, and a validator.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { root } from '../../dev/paths.js';
import { allSystems } from '../../dev/systems.js';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: true, allErrors: true });
addFormats(ajv);
// An address whose domain need not be in ASCII. ajv-formats does not check it.
ajv.addFormat('idn-email', true);

/** The validator of an endpoint's request or response. It throws for a schema that is not valid. */
const validator = (manifest, schema) => {
  const validate = ajv.compile({ ...schema, definitions: manifest.definitions ?? {} });
  return (value) => (validate(value) ? undefined : ajv.errorsText(validate.errors));
};

/** The same schema without fields beyond those that it names, wherever it names some. */
const closed = (schema) => {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== 'object') return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const namesFields = inner.properties && [inner.type].flat().includes('object');
  return namesFields ? { additionalProperties: false, ...inner } : inner;
};

/** The examples of a schema: TOML has no null, so that each is a text of JSON. */
export const examplesOf = (schema) => schema.examples.map((text) => JSON.parse(text));

/** Whether an endpoint reads a body: an argument takes it, or Rust of a method that has one. */
const takesBody = ({ method, arguments: taken = {}, seal, handler }) =>
  Object.values(taken).some(({ body, field }) => body ?? field) ||
  seal !== undefined ||
  (handler !== undefined && !['GET', 'DELETE'].includes(method));

/** The codes of the core, which docs/errors.md lists beside those of the systems. */
const coreCodes = () => {
  const listed = readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| (RG\d{3}) \|/gm);
  const others = allSystems().flatMap(({ errors }) => errors.map(({ code }) => code));
  return [...listed].map(([, code]) => code).filter((code) => !others.includes(code));
};

const schemaFaults = (manifest, schema) => {
  if (schema.contentType !== undefined)
    return Object.keys(schema).length > 1 ? ['beside contentType there is no schema'] : [];
  try {
    const check = validator(manifest, schema);
    if (!(schema.examples?.length > 0)) return ['has no examples'];
    return examplesOf(schema)
      .map(check)
      .flatMap((error, at) => (error ? [`examples[${at}]: ${error}`] : []));
  } catch (error) {
    return [error.message];
  }
};

/** What a manifest's endpoints lack of schemas and error codes, or have wrong. */
export const faultsOf = (manifest) => {
  const known = [...coreCodes(), ...manifest.errors.map(({ code }) => code)];
  return manifest.endpoints.flatMap((endpoint) => {
    const wanted = [takesBody(endpoint) && 'request', endpoint.answer !== 'no_content' && 'response'];
    const faults = ['request', 'response'].flatMap((part) => {
      const schema = endpoint[part];
      if (schema === undefined) return wanted.includes(part) ? [`${part}: missing`] : [];
      if (!wanted.includes(part)) return [`${part}: there is no such body`];
      return schemaFaults(manifest, schema).map((fault) => `${part}: ${fault}`);
    });
    const unknown = (endpoint.errors ?? []).filter((code) => !known.includes(code));
    return [...faults, ...unknown.map((code) => `errors: there is no ${code}`)].map(
      (fault) => `${manifest.name}: ${endpoint.method} ${endpoint.path}: ${fault}`,
    );
  });
};

const checkAnswer = (manifest, { response }, { status, headers, body, text }) => {
  assert.ok(status >= 200 && status < 300, `${status} ${text}`);
  if (response === undefined) return assert.equal(text, '');
  if (response.contentType) return assert.equal(headers.get('content-type'), response.contentType);
  const { definitions = {}, ...schema } = closed({ ...response, definitions: manifest.definitions });
  const fault = validator({ definitions }, schema)(body);
  assert.equal(fault, undefined, `${fault}: ${text}`);
  // Nothing of a good example is refused.
  assert.deepEqual(body.rejected ?? [], []);
};

/**
 * Sends the examples of all endpoints of a manifest, and holds the answers to the schemas.
 * @param {(path: string, options: object) => Promise<object>} ask
 * @param {Record<string, (example: unknown) => Promise<object>>} prepared by method and path, the options of `ask` that a request
 * needs, with `path` and `json` where they differ from the manifest's path and the example
 */
export const sendExamples = async (manifest, ask, prepared = {}) => {
  for (const endpoint of manifest.endpoints) {
    const name = `${endpoint.method} ${endpoint.path}`;
    for (const example of endpoint.request ? examplesOf(endpoint.request) : [undefined]) {
      const options = (await prepared[name]?.(example)) ?? {};
      const { path = endpoint.path, json = example, headers, ...more } = options;
      try {
        if (json !== undefined) assert.equal(validator(manifest, endpoint.request)(json), undefined);
        // The request of a body of lines is one of its lines.
        const sent = endpoint.line_limit ? 'application/x-ndjson' : 'application/json';
        const type = json !== undefined && { 'content-type': sent };
        const body = json !== undefined && { body: JSON.stringify(json) };
        const answer = await ask(path, { method: endpoint.method, headers: { ...type, ...headers }, ...body, ...more });
        checkAnswer(manifest, endpoint, answer);
      } catch (error) {
        throw new Error(`${name} ${JSON.stringify(json) ?? ''}: ${error.message}`, { cause: error });
      }
    }
  }
};
