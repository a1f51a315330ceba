// growth: what visitors, front ends and Meta send.
import { createHash, randomUUID } from 'node:crypto';
import { delivery, freshIds, messages, signature, text } from '../../../tests/growth/support/whatsapp.js';
import { IN_STEPS, pick, uuidv7, visitor } from './tools.js';

/** A running experiment, and an account of WhatsApp's. */
export const prepare = async (sql) => {
  const [{ id }] = await sql(
    `insert into experiments.experiments (name, status, unit, control_variant, test_variants)
     values ('soak', 'running', 'session_id', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]') returning id`,
  );
  const ids = freshIds();
  await sql(
    `insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number, is_verified, owner_id)
     values ($1, $2, $3, true, gen_random_uuid())`,
    [ids.waba, ids.phoneId, `+${ids.phone}`],
  );
  return { experiment: id, ids };
};

export const stored = {
  leads: 'select email from marketing.leads',
  events: 'select id::text from analytics.events',
  onboarding: `select encode(session_token_hash, 'hex') from onboarding.sessions where business_info_completed_at is not null`,
  exposures: 'select session_id from experiments.assignments where exposure_count > 0',
  webhooks: 'select dedupe_key from private.webhook_inbox',
};

const GROUP = 'public endpoints';

export const kinds = ({ growth: { experiment, ids }, whatsapp }) => {
  const post = (path, json, headers) => ({
    ...{ method: 'POST', path, json },
    headers: { accept: 'application/json', ...visitor(), ...headers },
  });
  return [
    {
      name: 'POST /v1/leads',
      group: IN_STEPS,
      share: 4,
      run: async ({ ask, acknowledge }) => {
        const email = `${randomUUID()}@example.org`;
        const given = { email, first_name: 'Ada', notes: 'How much is it?', utm_source: 'soak', consent: 'yes' };
        await ask(post('/v1/leads', given, { 'idempotency-key': randomUUID() }));
        acknowledge('leads', email);
      },
    },
    {
      name: 'GET /forms/website-form',
      group: GROUP,
      share: 1,
      run: ({ ask }) => ask({ path: '/forms/website-form', headers: visitor() }),
    },
    {
      name: 'POST /v1/events, ten',
      group: GROUP,
      share: 5,
      run: async ({ ask, acknowledge }) => {
        const session = randomUUID();
        const one = (_, n) => ({
          ...{ id: uuidv7(), type: 'page_view', name: 'page_view', session_id: session },
          ...{ url: `https://shop.example/p/${n}`, properties: { n }, occurred_at: new Date().toISOString() },
        });
        const events = Array.from({ length: 10 }, one);
        const { body } = await ask(post('/v1/events', events));
        if (body.accepted === events.length) acknowledge('events', ...events.map(({ id }) => id));
      },
    },
    {
      name: 'an onboarding: started, a step, what was done',
      group: GROUP,
      share: 1,
      run: async ({ ask, acknowledge }) => {
        const { body } = await ask({ ...post('/v1/onboarding/sessions', {}), group: IN_STEPS });
        const holder = { 'x-session-token': body.session_token };
        const json = { step: 'business_info', data: { name: 'Analytical Engines' }, completed: true };
        await ask({ ...post('/v1/onboarding/session', json, holder), method: 'PATCH' });
        acknowledge('onboarding', createHash('sha256').update(body.session_token).digest('hex'));
        await ask(post('/v1/onboarding/activities', { step: 'bot_setup', activity_type: 'step_view' }, holder));
        await ask({ path: '/v1/onboarding/session', headers: { ...visitor(), ...holder } });
      },
    },
    {
      name: 'an experiment: assigned, shown',
      group: GROUP,
      share: 3,
      run: async ({ ask, acknowledge }) => {
        const session_id = randomUUID();
        await ask(post('/v1/experiments/assign', { session_id }));
        const exposures = [{ experiment_id: experiment }];
        const { body } = await ask(post('/v1/experiments/exposures', { session_id, exposures }));
        if (body.accepted === 1) acknowledge('exposures', session_id);
      },
    },
    {
      name: 'POST /v1/whatsapp/webhook',
      group: GROUP,
      share: 2,
      run: async ({ ask, acknowledge }) => {
        const from = { ...ids, wamid: freshIds().wamid, user: `1650${pick([1, 2, 3, 4])}551234` };
        const contacts = [{ profile: { name: 'Sheena' }, wa_id: from.user }];
        const body = JSON.stringify(delivery(ids.waba, messages(from, { contacts, messages: [text(from)] }), null));
        const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature(body, whatsapp) };
        await ask({ method: 'POST', path: '/v1/whatsapp/webhook', body, headers });
        acknowledge('webhooks', from.wamid);
      },
    },
  ];
};
