// The examples of growth's manifest get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { examplesOf, sendExamples } from '../../support/schemas.js';
import { ask, close, freshEmail, made, sql, userToken } from '../../support/stack.js';
import { addAccount, freshIds, signature } from '../support/whatsapp.js';

const growth = systems().find(({ name }) => name === 'growth');
const admin = () => userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });

/** The experiment that the examples of exposures name. Their units are in its control. */
const exposures = growth.endpoints.find(({ path }) => path === '/v1/experiments/exposures');
const [{ experiment_id: experiment }] = examplesOf(exposures.request)[0].exposures;
before(async () => {
  await sql('truncate private.rate_limits');
  await sql(
    `insert into experiments.experiments (id, name, control_variant, test_variants, status, hash_seed, primary_metric)
     values ($1, 'Examples', '{"id": "control", "weight": 0.9999}', '[{"id": "test", "weight": 0.0001}]', 'running', 'examples', 'bought')`,
    [experiment],
  );
});
after(async () => {
  await sql('delete from experiments.experiments where id = $1', [experiment]);
  await close();
});

const session = async () => {
  const { body } = await ask('/v1/onboarding/sessions', { json: {} });
  return { headers: { 'x-session-token': body.session_token } };
};
const confirmation = async () => {
  const email = freshEmail();
  await ask('/v1/leads', { json: { email, consent: 'on' } });
  const [{ token }] = await sql(
    `select marketing.confirmation_token(l, now() + interval '1 day') as token from marketing.leads as l where l.email = $1`,
    [email],
  );
  return { json: { token } };
};
const account = async () => {
  const owner = randomUUID();
  const { id } = await addAccount(sql, freshIds(), { owner_id: owner });
  return { path: `/v1/whatsapp/accounts/${id}/access-token`, token: await userToken(owner) };
};

test('each example gets an answer that fits its schema', () =>
  sendExamples(growth, ask, {
    'POST /v1/leads/confirm': confirmation,
    'GET /forms/{source}': async () => ({ path: '/forms/contact-form' }),
    'GET /v1/onboarding/session': session,
    'PATCH /v1/onboarding/session': session,
    'POST /v1/onboarding/activities': session,
    'GET /v1/experiments/{id}/results': async () => ({
      path: `/v1/experiments/${experiment}/results`,
      token: await admin(),
    }),
    'GET /v1/whatsapp/webhook': async () => ({
      path: `/v1/whatsapp/webhook?${new URLSearchParams({ 'hub.mode': 'subscribe', 'hub.verify_token': made.whatsapp_verify_token, 'hub.challenge': '1' })}`,
    }),
    'POST /v1/whatsapp/webhook': async (example) => ({
      headers: { 'x-hub-signature-256': signature(JSON.stringify(example), made.whatsapp_app_secret) },
    }),
    'PUT /v1/whatsapp/accounts/{id}/access-token': account,
    'DELETE /v1/whatsapp/accounts/{id}/access-token': account,
    'GET /v1/admin/leads.csv': async () => ({ token: await admin() }),
  }));
