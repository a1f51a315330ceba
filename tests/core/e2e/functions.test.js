// Functions through the edge with @supabase/supabase-js, unmodified, in Node. The service is a small server with functions of the tests,
// or that of a project of your own (docs/services.md).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, userToken } from '../../support/stack.js';
import { answers, echo } from '../support/clients/functions.js';
import { functions } from '../support/functions.js';
import { clients, needsStandIn, needsVariable, startProject } from '../support/project.js';

const SITE = 'https://www.example.org';
let project;
let edge;

before(async () => {
  project = await startProject({ functions: functions() });
  edge = await startEdge({ ...project.variables, ALLOWED_ORIGINS: SITE });
});
after(async () => {
  await edge?.stop();
  await project?.stop();
  await close();
});

const connect = (options) => clients(edge.url, project.key, SITE)(options);
const control = async (what) => project.functions[what]();

test('a function gets bodies, methods, regions and headers of its own', {
  ...needsVariable('SUPABASE_TEST_FUNCTION'),
}, async () => {
  const { headers, region, got, ...seen } = await echo({ connect, name: process.env.SUPABASE_TEST_FUNCTION });
  assert.deepEqual(seen, {
    posted: ['POST', { text: 'ä 😀', list: [1, null] }, 'application/json'],
    own: ['mine', 'yours', 't=1,v1=00'],
    form: true,
  });
  assert.equal(region[0], 'eu-west-1');
  assert.equal(new URL(region[1], 'http://project').search, '?forceFunctionRegion=eu-west-1');
  assert.deepEqual([got[0], new URL(got[1], 'http://project').search, got[2]], ['GET', '?x=1', '']);
  assert.match(headers['x-client-info'], /supabase-js/);
});

test('answers and errors of each kind', needsStandIn, async () => {
  assert.deepEqual(await answers({ connect, control }), {
    text: 'heard something',
    own: 'yours',
    blob: ['application/octet-stream', 3, 0, 255],
    events: ['data: 1\n\n', 'data: 2\n\n'],
    fails: ['FunctionsHttpError', 422, '{"mine":true}'],
    breaks: ['FunctionsHttpError', 503, 'mine, too'],
    relay: ['FunctionsRelayError', 502, 'the relay says no'],
    none: ['FunctionsHttpError', 404, '{"code":"NOT_FOUND","message":"Requested function was not found"}'],
  });
});

test('no function learns from a client what the edge, a proxy or the platform says', needsStandIn, async () => {
  const token = await userToken();
  const forged = {
    cookie: 'a=b',
    forwarded: 'for=198.51.100.1',
    via: '1.1 x',
    origin: SITE,
    'accept-encoding': 'x',
    'cdn-loop': 'x',
    'cf-ray': 'x',
    'proxy-authorization': 'Basic eA==',
    'sb-project-ref': 'x',
    'sec-fetch-site': 'same-origin',
    'true-client-ip': '198.51.100.1',
    'x-forwarded-host': 'other.example',
    'x-forwarded-for': '198.51.100.1',
    'x-http-method-override': 'DELETE',
    'x-original-url': '/other',
    'x-real-ip': '198.51.100.1',
    x_real_ip: '198.51.100.1',
    x_forwarded_for: '198.51.100.1',
    'x-amzn-oidc-data': 'x',
  };
  const headers = { ...forged, 'cf-connecting-ip': '203.0.113.5', 'x-mine': 'y' };
  const { body } = await ask('/functions/v1/echo', { base: edge.url, token, key: project.key, json: {}, headers });
  const { headers: got } = body;
  assert.deepEqual([got['x-mine'], got['x-forwarded-for'], got.apikey], ['y', '203.0.113.5', project.key]);
  assert.equal(got.authorization, `Bearer ${token}`);
  for (const [name, value] of Object.entries(forged)) assert.notEqual(got[name], value, name);
});
