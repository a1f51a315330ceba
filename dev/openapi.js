// The description of the edge in OpenAPI 3.1, and a page made of it: src/endpoints/reference.rs serves both. They are made of the
// manifests of the systems, of the core's own endpoints in src/endpoints/endpoints.toml, and of the errors in docs/errors.md.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'smol-toml';
import { page } from './docs_page/page.js';
import { root } from './paths.js';
import { allSystems, systems } from './systems.js';

const CORE = 'core';
const SERVICES = 'services';
const SOCKET = '/realtime/v1/websocket';

/** The core's endpoints, in the form of a manifest. Rust reads the bodies of those that have one. */
export const core = () => {
  const { endpoints, definitions } = parse(readFileSync(join(root, 'src', 'endpoints', 'endpoints.toml'), 'utf8'));
  return {
    name: CORE,
    about: 'What belongs to no system: the data API, API tokens, export and erasure, health.',
    errors: [],
    definitions,
    endpoints: endpoints.map((endpoint) => ({ ...(endpoint.request && { handler: 'Rust' }), ...endpoint })),
  };
};

/** The paths of the services behind the edge, in the form of a manifest. Rust reads the same list. */
export const services = () => {
  const lines = readFileSync(join(root, 'src', 'endpoints', 'services.txt'), 'utf8')
    .trim()
    .split('\n');
  const listed = lines.filter((line) => !line.startsWith('#')).map((line) => line.split(' '));
  return {
    name: SERVICES,
    about: 'What the edge hands on to a service of Supabase, which defines bodies and answers; docs/services.md.',
    endpoints: listed.flatMap(([access, methods, path, attempts]) =>
      methods.split(',').map((method) => ({
        method,
        // OpenAPI has no parameter of several segments.
        path: path.replace('{*rest}', '{rest}'),
        access,
        service: path.split('/')[1],
        errors: [
          ...['RG103', 'RG415', 'RG416'],
          ...(method === 'GET' ? [] : ['RG302', 'RG310', 'RG314']),
          ...(attempts ? ['RG301', 'RG334', ...(method === 'GET' ? [] : ['RG330'])] : []),
          ...(path === SOCKET ? ['RG104', 'RG220'] : []),
        ],
      })),
    ),
  };
};

/** Name, status and cause of each error that docs/errors.md lists, and of those of other manifests. */
const errorList = (manifests) => {
  const rows = readFileSync(join(root, 'docs', 'errors.md'), 'utf8').matchAll(
    /^\| (RG\d{3}|PGRST106) \| `(\w+)` \| (\d{3}) \|/gm,
  );
  const documented = [...rows].map(([, code, name, status]) => [code, { name, status: Number(status) }]);
  const listed = manifests.flatMap(({ errors }) => errors.map(({ code, ...rest }) => [code, rest]));
  return new Map([...documented, ...listed]);
};

/** The manifests of all that the edge of some systems serves. */
export const served = (chosen = systems()) => [core(), ...chosen, services()];

/** Codes that every endpoint of a kind may answer with, beside those that it lists. */
const ALWAYS = ['RG305', 'RG306', 'RG309', 'RG311', 'RG901', 'RG902'];
const OF_CREDENTIALS = [
  'RG201',
  'RG202',
  'RG203',
  'RG204',
  'RG205',
  'RG206',
  'RG208',
  'RG209',
  'RG210',
  'RG217',
  'RG218',
  'RG219',
];
const OF_KEYS = ['RG207'];
const OF_ROLES = ['RG213', 'RG214'];
const OF_BODIES = ['RG301', 'RG302', 'RG303', 'RG310', 'RG314', 'RG330'];
const OF_THE_DATABASE = [
  ...['RG401', 'RG402', 'RG403', 'RG404', 'RG406', 'RG407', 'RG408'],
  ...['RG501', 'RG517', 'RG518', 'RG519', 'RG521', 'RG574'],
];
const OF_THE_DATA_API = [
  ...['RG304', 'RG307', 'RG308', 'RG313', 'RG320', 'RG321', 'RG322', 'RG323', 'RG324', 'RG511', 'PGRST106'],
];
/** Statuses of PostgREST's and PostgreSQL's own codes. */
const OF_SQL = [400, 401, 403, 404, 409, 503];

const codesOf = (endpoint) => {
  const { access, request, call, data, export: exported, arguments: taken = {}, errors = [] } = endpoint;
  const isCalled = call ?? data ?? exported;
  return [
    ...ALWAYS,
    // The path names nothing that there is, or no id.
    ...(endpoint.path.includes('{') ? ['RG101'] : []),
    ...(access === 'public' ? [] : OF_CREDENTIALS),
    ...(access === 'key' ? OF_KEYS : []),
    ...(['user', 'service', 'worker', 'token'].includes(access) ? OF_ROLES : []),
    ...(request ? OF_BODIES : []),
    ...(Object.keys(taken).length > 0 || request ? ['RG325'] : []),
    ...(isCalled ? OF_THE_DATABASE : []),
    ...(data ? OF_THE_DATA_API : []),
    ...(endpoint.idempotent ? ['RG502'] : []),
    ...(endpoint.rate_limit === 'closed' ? ['RG312'] : []),
    ...(endpoint.requires || endpoint.seal ? ['RG903'] : []),
    ...(endpoint.seal ? ['RG912'] : []),
    ...(endpoint.limit ? ['RG573'] : []),
    ...errors,
  ];
};

const CREDENTIALS = {
  public: [],
  open: [{}, { userToken: [] }, { apiToken: [] }, { serviceToken: [] }],
  key: [{ publishableKey: [] }, { userToken: [] }, { apiToken: [] }, { serviceToken: [] }],
  user: [{ userToken: [] }, { apiToken: [] }],
  service: [{ serviceToken: [] }],
  worker: [{ serviceToken: [] }, { apiToken: [] }],
  token: [{ apiToken: [] }],
};

/** API tokens open no service, and no endpoint of the core but the data API. */
const securityOf = ({ access, data }, system) =>
  CREDENTIALS[access].filter((one) => !one.apiToken || data || ![CORE, SERVICES].includes(system));

const GOOD = { created: 201, accepted: 202, no_content: 204 };

/** The good statuses of an endpoint. */
const statusesOf = ({ statuses, answer, data, method }) => {
  if (statuses) return statuses;
  if (!data) return [GOOD[answer] ?? 200];
  return { GET: [200, 206], POST: [200, 201, 204], PATCH: [200, 204], PUT: [200, 201, 204], DELETE: [200, 204] }[
    method
  ];
};

const KINDS = {
  text: { type: 'string' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  uuid: { type: 'string', format: 'uuid' },
  email: { type: 'string' },
  any: {},
};

/** Headers that say something about the client, and that OpenAPI does not describe. */
const UNDESCRIBED = ['accept', 'accept-language', 'authorization', 'content-type', 'origin', 'referer', 'user-agent'];

const parametersOf = ({ path, data, idempotent, arguments: taken = {} }) => {
  const args = Object.values(taken);
  const kind = ({ type = 'text' } = {}) => KINDS[type];
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: kind(args.find((argument) => argument.path === name)),
  }));
  const others = ['query', 'header'].flatMap((place) =>
    args
      .filter((argument) => argument[place] !== undefined && !UNDESCRIBED.includes(argument[place]))
      .map((argument) => ({
        name: argument[place],
        in: place,
        ...(argument.required && argument.field === undefined && { required: true }),
        schema: {
          ...kind(argument),
          ...(['number', 'boolean'].includes(typeof argument.default) && { default: argument.default }),
        },
      })),
  );
  const key = idempotent ? [{ $ref: '#/components/parameters/idempotencyKey' }] : [];
  const profile = data
    ? [{ $ref: '#/components/parameters/profile' }, { $ref: '#/components/parameters/filters' }]
    : [];
  return [...inPath, ...others, ...key, ...profile];
};

/** A schema of a manifest as one of the description: its definitions are components, and TOML's examples stand elsewhere. */
const schemaOf = (value, system) => {
  if (Array.isArray(value)) return value.map((one) => schemaOf(one, system));
  if (value === null || typeof value !== 'object') return value;
  const rewritten = Object.entries(value).map(([name, inner]) =>
    name === '$ref'
      ? [name, inner.replace('#/definitions/', `#/components/schemas/${system}.`)]
      : [name, schemaOf(inner, system)],
  );
  return Object.fromEntries(rewritten);
};

const contentOf = ({ examples = [], contentType, ...schema }, system, more = {}) => {
  if (contentType) return { [contentType.split(';')[0]]: { schema: { type: 'string' } } };
  const described = { schema: schemaOf(schema, system) };
  if (examples.length > 0) {
    described.examples = Object.fromEntries(
      examples.map((text, at) => [`example${at + 1}`, { value: JSON.parse(text) }]),
    );
  }
  return { 'application/json': described, ...more };
};

const ENCODINGS = { form: 'application/x-www-form-urlencoded', multipart: 'multipart/form-data' };

const requestOf = (endpoint, system) => {
  const { request, accepts = ['json'], line_limit: lines, service } = endpoint;
  if (service) return { content: { '*/*': {} } };
  const content = contentOf(request, system);
  const described = content['application/json'];
  if (lines) {
    const schema = {
      type: 'string',
      contentMediaType: 'application/x-ndjson',
      description: 'Lines of JSON, each of which fits the schema in x-line.',
    };
    return { required: true, content: { 'application/x-ndjson': { schema, 'x-line': described } } };
  }
  for (const encoding of accepts) {
    if (ENCODINGS[encoding]) content[ENCODINGS[encoding]] = { schema: described.schema };
  }
  return { required: (request.required ?? []).length > 0, content };
};

const named = (codes, list) => codes.map((one) => `${one} ${list.get(one).name}`).join(', ');

/** A response of the one shape of errors with some codes. */
const errorResponse = (codes, list, hasSql) => {
  const own = codes.length > 0 ? [{ enum: codes }] : [];
  // Codes of PostgREST and PostgreSQL, and the status where they give none.
  const others = hasSql ? [{ type: 'string', pattern: '^(PGRST|[1-5][0-9]{2}$|(?!RG)[0-9A-Z]{5}$)' }] : [];
  const code = { anyOf: [...own, ...others] };
  return {
    description: named(codes, list) || 'A code of PostgreSQL.',
    content: {
      'application/json': {
        schema: { allOf: [{ $ref: '#/components/schemas/Error' }, { type: 'object', properties: { code } }] },
      },
    },
  };
};

const COMPONENTS = {
  securitySchemes: {
    publishableKey: {
      type: 'apiKey',
      in: 'header',
      name: 'apikey',
      description: 'A publishable key, which pages may contain.',
    },
    userToken: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'The access token of a signed-in user.',
    },
    apiToken: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'rgt_',
      description: 'An API token, whose scope has the system or the endpoint.',
    },
    serviceToken: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'A token of the role service_role, for servers only.',
    },
  },
  parameters: {
    idempotencyKey: {
      name: 'Idempotency-Key',
      in: 'header',
      description: 'A request that is repeated with the same key within 24 hours writes nothing twice.',
      schema: { type: 'string', maxLength: 255 },
    },
    profile: {
      name: 'Accept-Profile',
      in: 'header',
      description: 'The schema; Content-Profile for writes.',
      schema: { type: 'string' },
    },
    filters: {
      name: 'filters',
      in: 'query',
      style: 'form',
      explode: true,
      description: 'Conditions, such as id=eq.5, by column.',
      schema: { type: 'object', additionalProperties: { type: 'string' } },
    },
    select: { name: 'select', in: 'query', description: 'Columns and embedded relations.', schema: { type: 'string' } },
    order: { name: 'order', in: 'query', description: 'Such as created_at.desc.', schema: { type: 'string' } },
    limit: { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 0 } },
    offset: { name: 'offset', in: 'query', schema: { type: 'integer', minimum: 0 } },
    prefer: { name: 'Prefer', in: 'header', description: 'Such as return=representation.', schema: { type: 'string' } },
  },
};

const ERROR = {
  type: 'object',
  required: ['code', 'message', 'details', 'hint'],
  properties: {
    code: { type: 'string' },
    message: { type: 'string' },
    details: {},
    hint: { type: ['string', 'null'] },
  },
};

const DATA_ERROR = {
  description: 'An error of the edge, of PostgREST or of PostgreSQL.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

/** Method and path as an id: it does not depend on other endpoints. */
const idOf = ({ method, path }) => `${method}${path}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');

const byStatus = (codes, list) => {
  const statuses = new Map();
  for (const code of new Set(codes)) {
    const { status } = list.get(code) ?? {};
    // A code without a status stands inside an answer.
    if (status) statuses.set(status, [...(statuses.get(status) ?? []), code]);
  }
  return statuses;
};

/** Gives equal responses one name. */
const shared = (responses, status, response) => {
  const digest = createHash('sha256').update(JSON.stringify(response)).digest('hex').slice(0, 8);
  const name = `E${status}-${digest}`;
  responses[name] = response;
  return { $ref: `#/components/responses/${name}` };
};

/** An answer, such as a page that says that nothing is there, under a status that errors have as well. */
const either = ({ description: about, content }) => {
  const error = { $ref: '#/components/schemas/Error' };
  const { 'application/json': json, ...others } = content;
  const schema = json ? { anyOf: [json.schema, error] } : error;
  return { description: about, content: { ...others, 'application/json': { ...json, schema } } };
};

/** Answers of a service, which has bodies of its own for the same statuses. */
const handedBack = (endpoint, list, responses) => {
  const statuses = [...byStatus(codesOf(endpoint), list)].map(([status, codes]) => [
    status,
    shared(responses, status, {
      description: `${named(codes.sort(), list)}, or the service's own answer.`,
      content: { 'application/json': { schema: {} } },
    }),
  ]);
  return {
    ...Object.fromEntries(statuses),
    ...(endpoint.path === SOCKET && { 101: { description: 'The WebSocket is open.' } }),
    default: { description: "The service's own answer.", content: { '*/*': {} } },
  };
};

const responsesOf = (endpoint, system, list, responses) => {
  if (endpoint.service) return handedBack(endpoint, list, responses);
  const { response, data, form, redirect } = endpoint;
  const made = {};
  const statuses = byStatus(codesOf(endpoint), list);
  const ofSql = (endpoint.call ?? endpoint.export ?? endpoint.data) ? OF_SQL : [];
  for (const status of ofSql) statuses.set(status, statuses.get(status) ?? []);
  for (const [status, codes] of statuses) {
    made[status] = shared(responses, status, errorResponse(codes.sort(), list, ofSql.includes(status)));
  }
  for (const status of statusesOf(endpoint)) {
    const good = {
      description: status === 204 ? 'Done.' : 'The answer.',
      ...(response && status !== 204 && { content: contentOf(response, system) }),
    };
    made[status] = made[status] ? either(good) : good;
  }
  if (form || redirect) made[303] = { description: 'For a browser that has posted a form.' };
  if (endpoint.method === 'GET') made[304] = { description: 'The ETag of the request fits.' };
  if (data) made.default = { $ref: '#/components/responses/DataError' };
  return made;
};

const operationOf = (endpoint, system, list, responses) => {
  const parameters = parametersOf(endpoint);
  return {
    operationId: idOf(endpoint),
    tags: [system],
    ...(endpoint.about && { summary: endpoint.about }),
    ...(parameters.length > 0 && { parameters }),
    ...((endpoint.request ?? (endpoint.service && endpoint.method !== 'GET')) && {
      requestBody: requestOf(endpoint, system),
    }),
    security: securityOf(endpoint, system),
    responses: responsesOf(endpoint, system, list, responses),
  };
};

/**
 * The description of the core and of some systems, as an object.
 * @param {object[]} chosen manifests
 * @param {object[]} manifests all that are described
 */
export const description = (chosen = systems(), manifests = served(chosen)) => {
  const list = errorList([...allSystems(), ...chosen]);
  const responses = { DataError: DATA_ERROR };
  const schemas = { Error: ERROR };
  const paths = {};
  for (const { name, definitions = {}, endpoints } of manifests) {
    for (const [definition, schema] of Object.entries(definitions))
      schemas[`${name}.${definition}`] = schemaOf(schema, name);
    for (const endpoint of endpoints) {
      paths[endpoint.path] ??= {};
      paths[endpoint.path][endpoint.method.toLowerCase()] = operationOf(endpoint, name, list, responses);
    }
  }
  const { version, description: about, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Rowgate',
      version,
      summary: about,
      license: { name: license, identifier: license.replaceAll(/[()]/g, '') },
    },
    // The address that serves the description.
    servers: [{ url: '/' }],
    tags: manifests.map(({ name, about: description }) => ({ name, ...(description && { description }) })),
    // At the end of these two the edge adds what a signed-in caller may use.
    components: { ...COMPONENTS, responses, schemas },
    paths,
  };
};

/** The place at the end of an object's fields at which the edge adds more: no JSON contains this character. */
const PLACE = '\u001e';
const withPlace = (object) => `${JSON.stringify(object).slice(0, -1)}${PLACE}}`;

/** The description as a text with two places. */
export const descriptionText = ({ components, paths, ...others }) => {
  const { schemas, ...parts } = components;
  const head = JSON.stringify(others).slice(0, -1);
  const before = JSON.stringify(parts).slice(0, -1);
  return `${head},"components":${before},"schemas":${withPlace(schemas)}},"paths":${withPlace(paths)}}`;
};

const local = (name) => readFileSync(join(root, 'dev', 'docs_page', name), 'utf8');
const pico = () =>
  readFileSync(createRequire(import.meta.url).resolve('@picocss/pico/css/pico.classless.min.css'), 'utf8');

/** The documents by name, as one JSON text in gzip: each is a digest in the first line, and the text. */
export const documentsModule = (chosen = systems()) => {
  const described = description(chosen);
  const texts = {
    'openapi.json': descriptionText(described),
    'docs.html': page(described),
    'style.css': `${pico()}\n${local('style.css')}`,
    'filter.js': local('filter.js'),
  };
  const digest = (text) => createHash('sha256').update(text).digest('base64url').slice(0, 16);
  const documents = Object.entries(texts).map(([name, text]) => [name, `${digest(text)}\n${text}`]);
  return gzipSync(JSON.stringify(Object.fromEntries(documents)), { level: 9 });
};

/**
 * Writes the module `documents.bin` into a directory, at once, so that no reader finds half of it. It is compressed because the runtime
 * converts a text at each start, whether or not it is imported.
 * @param {string} directory where to write it
 * @param {object[]} chosen the manifests
 */
export const writeDocuments = (directory, chosen = systems()) => {
  const file = join(directory, 'documents.bin');
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${file}.new`, documentsModule(chosen));
  renameSync(`${file}.new`, file);
  return file;
};
