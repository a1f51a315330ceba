// OpenTelemetry's own exporter, against the edge: http/json, gzip, an API token, and no secrets.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { conversationsOf, hook, rowsOf } from '../support/live.js';
import { logs, record } from '../support/logs.js';

after(close);

const URL_ = `${stack.edge_url}/v1/otlp/v1/logs`;
const someone = async () => {
  const user = randomUUID();
  return { user, session: randomUUID(), token: await userToken(user) };
};
const eventsOf = (user) =>
  rowsOf('select to_jsonb(e) as row from private.otel_events as e where owner_id = $1 order by id', [user]);

/** Sends events as the agent does, by the exporter's own code. */
const exported = async (token, events, options = {}) => {
  const exporter = new OTLPLogExporter({ url: URL_, headers: { authorization: `Bearer ${token}` }, ...options });
  const results = [];
  const { export: send } = exporter;
  exporter.export = (records, done) =>
    send.call(exporter, records, (result) => {
      results.push(result);
      done(result);
    });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('com.anthropic.claude_code.events', '2.1.240');
  for (const [name, attributes] of events)
    logger.emit({ body: `claude_code.${name}`, attributes: { 'event.name': name, ...attributes } });
  await provider.forceFlush();
  await provider.shutdown();
  return results;
};

test('what the exporter sends is stored, with an API token, as JSON or gzip', async (t) => {
  for (const compression of ['none', 'gzip']) {
    await t.test(compression, async () => {
      const { user, session, token } = await someone();
      const made = await ask('/v1/tokens', {
        token,
        json: { name: 'otel', endpoints: ['POST /v1/otlp/v1/logs', 'POST /v1/hooks'], access: 'write' },
      });
      assert.equal(
        (await ask('/v1/hooks', { token: made.body.token, json: hook(session, 'UserPromptSubmit') })).status,
        200,
      );
      const common = { 'session.id': session, 'user.email': 'person@example.org' };
      const results = await exported(
        made.body.token,
        [
          ['user_prompt', { ...common, 'event.sequence': 0, prompt_length: 5 }],
          [
            'api_request',
            {
              ...common,
              'event.sequence': 1,
              request_id: 'req_1',
              model: 'claude-opus-5',
              cost_usd: 0.25,
              cost_usd_micros: 250_000,
              input_tokens: 3,
              output_tokens: 5,
              cache_read_tokens: 0,
              cache_creation_tokens: 0,
            },
          ],
          ['tool_result', { ...common, 'event.sequence': 2, tool_use_id: 'toolu_1', duration_ms: 12, success: 'true' }],
        ],
        { compression },
      );
      assert.deepEqual(
        results.map(({ code }) => code),
        [0],
        String(results[0]?.error),
      );
      assert.deepEqual((await eventsOf(user)).map(({ event }) => event).toSorted(), [
        'api_request',
        'tool_result',
        'user_prompt',
      ]);
      const used = await sql(
        'select reported_cost_micro_usd::int as cost, total_tokens::int as total from observatory.usage_records where owner_id = $1',
        [user],
      );
      assert.deepEqual(used, [{ cost: 250_000, total: 8 }]);
      assert.equal((await conversationsOf(user, session)).length, 1);
    });
  }
});

test('a compaction is shown with its session, and a sweep of transcripts that were never sent is a notice to the owner', async () => {
  const { session, token } = await someone();
  const { token: stranger } = await someone();
  assert.equal((await ask('/v1/hooks', { token, json: hook(session, 'UserPromptSubmit') })).status, 200);
  // Of this session only its logs are known, of 40 days ago.
  const lost = randomUUID();
  const request = record(lost, 'api_request', { request_id: 'req_1' }, { at: Date.now() - 40 * 86_400_000 });
  assert.equal((await ask('/v1/otlp/v1/logs', { token, json: logs(request) })).status, 200);
  const results = await exported(token, [
    [
      'compaction',
      {
        'session.id': session,
        trigger: 'auto',
        success: 'true',
        pre_tokens: 150_000,
        post_tokens: 9000,
        duration_ms: 5,
      },
    ],
    ['retention_sweep', { 'session.id': session, transcripts_deleted: 3, period_days: 30 }],
  ]);
  assert.deepEqual(
    results.map(({ code }) => code),
    [0],
    String(results[0]?.error),
  );
  const shown = async (path, caller) => (await ask(`/rest/v1/${path}`, { token: caller })).body;
  const [{ live }] = await shown(`conversations?session_id=eq.${session}&select=live`, token);
  assert.deepEqual([live.compaction.trigger, live.compaction.pre_tokens], ['auto', 150_000]);
  const [notice, ...more] = await shown('notices?select=kind,read_at,details', token);
  assert.deepEqual([notice.kind, notice.read_at, more], ['transcripts_deleted', null, []]);
  assert.deepEqual([notice.details.sessions, notice.details.deleted], [[lost], 3]);
  assert.deepEqual(await shown('notices', stranger), []);
});

test('the answer is OTLP’s: empty, or how many records were rejected', async () => {
  const { session, token } = await someone();
  const good = await ask('/v1/otlp/v1/logs', { token, json: logs(record(session, 'user_prompt')) });
  assert.deepEqual([good.status, good.body], [200, { partialSuccess: {} }]);
  assert.match(good.headers.get('content-type'), /^application\/json/);
  const partly = await ask('/v1/otlp/v1/logs', { token, json: logs(record(session, 'user_prompt'), { body: {} }) });
  assert.deepEqual([partly.status, partly.body.partialSuccess.rejectedLogRecords], [200, 1]);
});

test('protobuf is 415, what is no request 400, too much 413, and nobody is 401', async () => {
  const { user, token } = await someone();
  const post = (body, type, more = {}) =>
    ask('/v1/otlp/v1/logs', { token, method: 'POST', body, headers: { 'content-type': type }, ...more });
  assert.equal((await post(Buffer.from([10, 2]), 'application/x-protobuf')).status, 415);
  assert.deepEqual((await post('{"resourceLogs":5}', 'application/json')).body.code, 'RG332');
  assert.equal((await post('{', 'application/json')).status, 400);
  assert.equal((await post(JSON.stringify({ resourceLogs: ['x'.repeat(4_300_000)] }), 'application/json')).status, 413);
  const dense = await post(`{"resourceLogs":[${'{"":0},'.repeat(50_000)}{}]}`, 'application/json');
  assert.deepEqual([dense.status, dense.body.code], [400, 'RG301'], dense.text);
  assert.equal((await post('{}', 'application/json', { token: undefined })).status, 401);
  assert.deepEqual(await eventsOf(user), []);
});

test('no secret in a record reaches the database', async () => {
  const { user, session, token } = await someone();
  const key = `ghp_${'Ab1'.repeat(12)}`;
  const answer = await ask('/v1/otlp/v1/logs', {
    token,
    json: logs(
      record(session, 'api_request', { request_id: `req_${key}`, model: key, query_source: key }),
      record(session, 'tool_result', { tool_use_id: key, tool_name: key, duration_ms: 1 }, { sequence: 2 }),
      record(key, 'user_prompt', { prompt: key }, { sequence: 3 }),
    ),
  });
  assert.equal(answer.status, 200, answer.text);
  const rows = [
    await eventsOf(user),
    await rowsOf('select to_jsonb(s) as row from private.otel_sessions as s where owner_id = $1', [user]),
  ];
  assert.equal(rows[0].length, 3);
  assert.doesNotMatch(JSON.stringify(rows), /Ab1Ab1/);
});
