// whatsapp: an account is its owner's, and staff's to verify; what Meta says of it comes by the edge's own call.
import { randomInt, randomUUID } from 'node:crypto';
import { HOLDERS } from '../../credentials.js';
import { USERS, VOUCHED_USERS } from '../../personas.js';

const OWN = ['owner', 'admin', 'service'];
const MAKERS = [...USERS, 'service'];
const STAFF = ['admin', 'service'];
// Longer than Meta’s, so that an answer that repeats one differs from one that knows it.
const id = () => `${randomInt(1e8, 1e9)}${randomInt(1e8, 1e9)}${randomInt(1e8, 1e9)}`;

const named = { insert: MAKERS, update: STAFF };
const owned = { insert: MAKERS, update: OWN };
const staffed = { insert: ['service'], update: STAFF };
// The webhook's alone; service_role mends.
const mended = { insert: ['service'], update: ['service'] };
// Everybody has an account here, and reads its columns.
const readByAll = (columns) =>
  Object.fromEntries(Object.entries(columns).map(([name, says]) => [name, { read: MAKERS, ...says }]));

const account = (owner, marker, more) => ({
  owner_id: owner,
  business_account_id: id(),
  phone_number_id: id(),
  phone_number: '+49 30 123456',
  display_name: marker,
  ...more,
});

/** Everything has a value, so that a persona who may not write it has something to try. */
const said = {
  is_verified: true,
  verification_status: 'APPROVED',
  quality_rating: 'GREEN',
  messaging_limit_tier: 'TIER_2K',
  throughput_level: 'STANDARD',
  name_status: 'APPROVED',
  messages_sent_today: 7,
  messages_limit_daily: 2000,
  last_message_sent_at: '2026-01-01T00:00:00Z',
  last_webhook_at: '2026-01-01T00:00:00Z',
};

const template = (accountId, marker, more) => ({
  account_id: accountId,
  template_name: marker.replaceAll('-', '_'),
  language: 'en_US',
  body_text: marker,
  ...more,
});

/** Accounts of everybody, to draft templates in: a template needs one. They stay until the end. */
const drafting = new Map();
const everybodys = new WeakMap();
const make = async (people, sql) => {
  for (const { sub } of Object.values(people)) {
    const row = account(sub, 'for drafts');
    const names = Object.keys(row);
    const values = names.map((_, at) => `$${at + 1}`);
    const text = `insert into whatsapp.accounts (${names}) values (${values}) returning id`;
    const [made] = await sql(text, Object.values(row));
    drafting.set(sub, made.id);
  }
};
const withAccounts = (people, sql) => {
  if (!everybodys.has(people)) everybodys.set(people, make(people, sql));
  return everybodys.get(people);
};

/** The edge's own, from the route that has checked Meta's signature; nobody else's, and not by the data API. */
const webhooks = { execute: [], database: { execute: ['edge'] } };

const accountOf = (fixtures) => ({ account_id: fixtures['whatsapp.accounts'].id });
const sealed = { sealed: `v1${`.${'A'.repeat(16)}`.repeat(4)}`, key_version: 1 };
const accessToken = { path: `/v1/whatsapp/accounts/${randomUUID()}/access-token`, call: HOLDERS };

export default {
  relations: {
    'whatsapp.accounts': {
      fixture: async (add, people, marker, sql) => {
        await withAccounts(people, sql);
        return add('whatsapp.accounts', account(people.owner.sub, marker, said));
      },
      draft: ({ sub, role }, marker) => {
        const { owner_id: owner, ...row } = account(sub, marker);
        return { ...row, ...(role === 'service_role' && { owner_id: owner }) };
      },
      forAnother: ({ owner }, marker) => account(owner.sub, marker),
      sample: {
        owner_id: ({ sub }) => sub,
        // The fixture's account is verified already, and no other of its number may be.
        phone_number_id: id,
        id: randomUUID,
      },
      change: { display_name: 'changed' },
      states: { 'not verified': { is_verified: false }, 'switched off': { is_active: false } },
      owner: 'owner_id',
      'give away': STAFF,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: readByAll({
        id: mended,
        lead_id: staffed,
        owner_id: named,
        business_account_id: named,
        phone_number_id: named,
        phone_number: named,
        display_name: owned,
        webhook_verify_token_hash: staffed,
        is_verified: staffed,
        is_active: owned,
        verification_status: staffed,
        quality_rating: staffed,
        messaging_limit_tier: staffed,
        throughput_level: staffed,
        name_status: staffed,
        messages_sent_today: mended,
        messages_limit_daily: staffed,
        last_message_sent_at: mended,
        last_webhook_at: mended,
        created_at: mended,
        updated_at: mended,
      }),
    },
    'whatsapp.templates': {
      fixture: async (add, people, marker, sql) => {
        await withAccounts(people, sql);
        const { id: accountId } = await add('whatsapp.accounts', account(people.owner.sub, marker));
        return add(
          'whatsapp.templates',
          template(accountId, marker, {
            category: 'UTILITY',
            status: 'APPROVED',
            whatsapp_template_id: id(),
            quality_score: 'GREEN',
            rejected_reason: 'SCAM',
            previous_category: 'MARKETING',
            last_event_at: '2026-01-01T00:00:00Z',
          }),
        );
      },
      draft: ({ sub }, marker) => template(drafting.get(sub), marker),
      forAnother: ({ owner }, marker) => template(drafting.get(owner.sub), marker),
      sample: { account_id: ({ sub }) => drafting.get(sub) },
      change: { body_text: 'changed' },
      states: {
        'as a draft': { status: 'DRAFT', whatsapp_template_id: null },
        'when rejected': { status: 'REJECTED' },
      },
      owner: 'account_id',
      'give away': STAFF,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        id: mended,
        account_id: { insert: MAKERS, update: ['service'] },
        template_name: owned,
        category: owned,
        language: owned,
        status: staffed,
        header_type: owned,
        header_content: owned,
        body_text: owned,
        footer_text: owned,
        buttons: owned,
        components: owned,
        whatsapp_template_id: staffed,
        quality_score: staffed,
        rejected_reason: staffed,
        previous_category: staffed,
        parameter_format: owned,
        last_event_at: mended,
        created_at: mended,
        updated_at: mended,
      },
    },
  },
  cleanUp: async (sql, people) => {
    await sql('delete from whatsapp.accounts where owner_id = any ($1)', [people.map(({ sub }) => sub)]);
    await sql(`delete from private.webhook_inbox where field = 'proof'`);
  },
  functions: {
    'whatsapp.receive_webhook(jsonb)': {
      arguments: (marker) => ({
        payload: { entry: [{ id: '1', time: 1767225600, changes: [{ field: 'proof', value: { marker } }] }] },
      }),
      depends: 'Meta’s signature',
      ...webhooks,
    },
    'whatsapp.set_access_token(uuid, text, text, bigint)': {
      arguments: (_, fixtures) => ({
        ...accountOf(fixtures),
        owner_id: fixtures['whatsapp.accounts'].owner_id,
        ...sealed,
      }),
      depends: 'that the edge has sealed it',
      ...VOUCHED_USERS,
    },
    'whatsapp.remove_access_token(uuid)': {
      arguments: (_, fixtures) => accountOf(fixtures),
      execute: USERS,
      depends: null,
    },
    'whatsapp.own_accounts()': { execute: USERS },
    'whatsapp.verify_token_fits(text)': {
      arguments: (marker) => ({ token: marker }),
      depends: 'that the token is not the configured one',
      ...webhooks,
    },
  },
  routes: {
    'PUT /v1/whatsapp/accounts/{id}/access-token': { ...accessToken, body: () => ({ access_token: 'A'.repeat(200) }) },
    'DELETE /v1/whatsapp/accounts/{id}/access-token': accessToken,
    'GET /v1/whatsapp/webhook': { path: '/v1/whatsapp/webhook?hub.mode=subscribe&hub.verify_token=proof', call: [] },
    'POST /v1/whatsapp/webhook': {
      body: (marker) => ({ entry: [{ id: '1', time: 1767225600, changes: [{ field: 'proof', value: { marker } }] }] }),
      call: ["Meta's signature"],
    },
  },
};
