// flashfusion: users, projects, billing and notifications are their owner's alone; public projects are shown by a view.
import { randomUUID } from 'node:crypto';
import { ANYBODY, USERS } from '../../personas.js';

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const written = { insert: MAKERS, update: OWN };
const mended = { insert: ['service'], update: ['service'] };
const GIVERS = ['service'];
/** Functions that the edge's own token executes, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
/** Of a view nobody may write. */
const shown = (names) => Object.fromEntries(names.map((name) => [name, {}]));
const subscription = (user, marker) => ({
  user_id: user,
  subscription_id: `sub_${randomUUID()}`,
  plan_name: marker,
  billing_cycle: 'month',
  amount: 2000,
  currency: 'eur',
  status: 'unpaid',
  current_period_start: '2026-01-01T00:00:00Z',
  current_period_end: '2026-02-01T00:00:00Z',
  stripe_customer_id: `cus_${randomUUID()}`,
  price_id: 'price_1',
  last_event_at: '2026-01-01T00:00:00Z',
});

export default {
  relations: {
    'flashfusion.users': {
      alone: true,
      fixture: async (add, { owner }, marker, sql) => {
        // A user has one: a call may have made it already.
        await sql('delete from flashfusion.users where id = $1', [owner.sub]);
        return add('flashfusion.users', { id: owner.sub, email: `${marker}@example.org`, full_name: marker });
      },
      // Nobody but service_role makes one by hand: a function does.
      draft: ({ sub, role }, marker) => ({ id: role === 'service_role' ? randomUUID() : sub, full_name: marker }),
      states: {
        'in another tier': { subscription_tier: 'enterprise' },
        'when onboarded': { onboarding_completed: true },
      },
      // The key is the user.
      owner: 'id',
      'give away': ['service'],
      change: { full_name: 'changed' },
      select: OWN,
      forAnother: (_, marker) => ({ id: randomUUID(), full_name: marker }),
      insert: ['service'],
      'insert for another': ['service'],
      update: OWN,
      delete: ['service'],
      columns: {
        id: mended,
        auth_id: {},
        email: mended,
        username: { insert: ['service'], update: OWN },
        full_name: { insert: ['service'], update: OWN },
        avatar_url: { insert: ['service'], update: OWN },
        subscription_tier: mended,
        api_usage_count: mended,
        api_usage_limit: mended,
        created_at: mended,
        updated_at: mended,
        last_login_at: mended,
        is_active: mended,
        preferences: { insert: ['service'], update: OWN },
        onboarding_completed: { insert: ['service'], update: OWN },
      },
    },
    'flashfusion.projects': {
      alone: true,
      fixture: (add, { owner }, marker) =>
        add('flashfusion.projects', { user_id: owner.sub, name: marker, description: marker }),
      draft: ({ sub, role }, marker) => ({ name: marker, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, marker) => ({ name: marker, user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub },
      change: { name: 'changed' },
      states: { 'when archived': { status: 'archived' } },
      owner: 'user_id',
      'give away': GIVERS,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        id: mended,
        user_id: { insert: MAKERS, update: ['service'] },
        name: written,
        description: written,
        project_type: written,
        framework: written,
        template: written,
        repository_url: written,
        deployment_url: written,
        status: written,
        config: written,
        features: written,
        created_at: mended,
        updated_at: mended,
        last_accessed_at: { insert: ['service'], update: OWN },
        is_public: written,
        version: mended,
      },
    },
    'flashfusion.public_projects': {
      alone: true,
      key: ['id'],
      fixture: async (add, { owner }, marker, sql) => {
        const { id } = await add('flashfusion.projects', { user_id: owner.sub, name: marker, is_public: true });
        const query = 'select to_jsonb(p) as row from flashfusion.public_projects as p where id = $1';
        return (await sql(query, [id]))[0].row;
      },
      draft: (_, marker) => ({ name: marker }),
      change: { name: 'changed' },
      owner: null,
      select: ANYBODY,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: shown([
        ...['id', 'name', 'description', 'project_type', 'framework', 'template', 'deployment_url', 'created_at'],
        'owner',
      ]),
    },
    'flashfusion.notifications': {
      alone: true,
      fixture: (add, { owner }, marker) =>
        add('flashfusion.notifications', { user_id: owner.sub, title: marker, message: marker, dedupe_key: marker }),
      draft: ({ sub }, marker) => ({ user_id: sub, title: marker, message: marker }),
      forAnother: ({ owner }, marker) => ({ user_id: owner.sub, title: marker, message: marker }),
      change: { is_read: true },
      states: { 'about billing': { type: 'billing' } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: ['service'],
      'insert for another': ['service'],
      update: OWN,
      delete: OWN,
      columns: {
        ...Object.fromEntries(
          [
            ...['id', 'user_id', 'title', 'message', 'type', 'action_url', 'metadata', 'created_at', 'read_at'],
            'dedupe_key',
          ].map((name) => [name, mended]),
        ),
        is_read: { insert: ['service'], update: OWN },
      },
    },
    'flashfusion.billing': {
      alone: true,
      fixture: (add, { owner }, marker) => add('flashfusion.billing', subscription(owner.sub, marker)),
      draft: ({ sub }, marker) => subscription(sub, marker),
      forAnother: ({ owner }, marker) => subscription(owner.sub, marker),
      change: { plan_name: 'changed' },
      states: { 'when canceled': { status: 'canceled' } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: ['service'],
      'insert for another': ['service'],
      update: ['service'],
      delete: ['service'],
      columns: Object.fromEntries(
        [
          ...['id', 'user_id', 'subscription_id', 'plan_name', 'billing_cycle', 'amount', 'currency', 'status'],
          ...['current_period_start', 'current_period_end', 'created_at', 'updated_at', 'metadata'],
          ...['stripe_customer_id', 'price_id', 'cancel_at_period_end', 'last_event_at'],
        ].map((name) => [name, mended]),
      ),
    },
  },
  functions: {
    'flashfusion.ensure_user()': { execute: USERS },
    'flashfusion.read_notifications(uuid[], boolean)': {
      arguments: () => ({ ids: [randomUUID()] }),
      execute: USERS,
      depends: null,
    },
    'flashfusion.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: ['service'] },
    'flashfusion.may_fetch_thin_events()': { execute: ['service'], depends: null },
    'flashfusion.take_billing_event(jsonb)': {
      arguments: (marker) => ({
        event: { id: `evt_${randomUUID().slice(0, 8)}`, object: 'event', type: 'proof', marker },
      }),
      depends: 'the sender',
      ...edges,
    },
    'edge.claim_billing_events(integer)': { arguments: () => ({ most: 1 }), ...edges },
    'edge.finish_billing_event(text, integer, jsonb)': {
      arguments: (marker) => ({ event_id: `evt_${randomUUID().slice(0, 8)}`, status: 404, object: { marker } }),
      ...edges,
    },
    // No price is offered here, and nobody has bought anything.
    'flashfusion.checkout_reference(text)': { arguments: () => ({ price: 'none' }), execute: [], depends: 'the user' },
    'flashfusion.portal_reference()': { arguments: () => ({}), execute: [], depends: 'the user' },
  },
  routes: {
    'POST /v1/notifications/read': { body: () => ({ ids: [] }), call: ['user'] },
    'POST /v1/billing/webhook': {
      body: (marker) => ({ id: 'evt_1', object: 'event', type: 'proof', marker }),
      call: [],
    },
    'POST /v1/billing/checkout': { body: () => ({ price: 'price_none' }), call: ['user'] },
    'POST /v1/billing/portal': { call: ['user'] },
    'POST /v1/jobs/fetch_thin_events': { call: ['service'] },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    await sql('delete from flashfusion.users where id = any ($1)', [subs]);
    for (const table of ['projects', 'notifications', 'billing'])
      await sql(`delete from flashfusion.${table} where user_id = any ($1)`, [subs]);
  },
};
