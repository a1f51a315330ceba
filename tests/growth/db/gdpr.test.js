import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { productSystems, systems } from '../../../dev/systems.js';
import { as, close, has, onBehalf, sql, transaction } from '../../support/stack.js';
import { addAccount, addTemplate, freshIds } from '../support/whatsapp.js';

after(close);

const capture = (lead) =>
  as(onBehalf({ role: 'service_role' }), (query) => query('select marketing.capture_lead($1)', [JSON.stringify(lead)]));

const asked = (name, email) =>
  as({ role: 'service_role' }, async (query) => {
    const [{ answer }] = await query(`select marketing.${name}($1) as answer`, [email]);
    return answer;
  });

/** Whom the statements of a transaction are for, as the database's owner. */
const claims = (query, said) => query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(said)]);
const OFFICE = { role: 'service_role' };
const captureIn = async (query, lead) => {
  await claims(query, onBehalf(OFFICE).claims);
  await query('select marketing.capture_lead($1)', [JSON.stringify(lead)]);
  await claims(query, OFFICE);
};

/** What the planner believes of the tables, as it may find it one day. */
const STATISTICS = {
  'fresh statistics': ['analyze'],
  'no statistics': [
    'delete from pg_statistic',
    `update pg_class set reltuples = -1, relpages = 0 where relkind = 'r' and relnamespace::regnamespace::text !~ '^pg_'`,
  ],
  'statistics of the day on which the tables were empty': [
    'delete from pg_statistic',
    `update pg_class set reltuples = 1, relpages = 1000000 where relkind = 'r' and relnamespace::regnamespace::text !~ '^pg_'`,
  ],
};

for (const [name, statements] of Object.entries(STATISTICS)) {
  test(`a person is found by indexes only, and by those that are for it: ${name}`, async () => {
    const email = `${randomUUID()}@gdpr.example`;
    const named = { session_id: `s-${email}`, anonymous_id: `b-${email}` };
    await transaction(async (query) => {
      await captureIn(query, { email, ...named });
      await captureIn(query, { email, session_id: `later ${email}` });
      await query(`insert into marketing.leads (email, email_normalized, email_domain, metadata)
        select a, a, 'fixture.example', jsonb_build_object('session_id', 's ' || n, 'anonymous_id', 'b ' || n)
        from (select n, 'n' || n || '@fixture.example' as a from generate_series(1, 20000) as n) as l`);
      await query(
        `insert into analytics.events (id, type, name, user_id, user_is_verified, session_id, anonymous_id, properties, received_at, occurred_at)
         select analytics.undated_id(gen_random_uuid()), 'page_view', 'fixture', md5(($1::text || n % 500))::uuid, true,
           case when n <= 10 then $2 else 's ' || n end, 'b ' || n, '{"a": 1}', now(), now() - n * interval '1 second'
         from generate_series(1, 20000) as n`,
        [email, named.session_id],
      );
      await query(`update analytics.events set user_id = null, user_is_verified = false where session_id = $1`, [
        named.session_id,
      ]);
      await query(`insert into private.webhook_inbox (source, dedupe_key, happened_at, people, payload)
        select 'whatsapp', 'fixture ' || n, now(), array[(4915000000 + n)::text], '{}' from generate_series(1, 20000) as n`);
      await query(`insert into private.event_actors (aggregation_id, kind, actor)
        select gen_random_uuid(), 's', gen_random_uuid() from generate_series(1, 20000)`);
      await query(`update private.event_watermark set ingest_seq = (select max(ingest_seq) from analytics.events)`);
      for (const statement of statements) await query(statement);
      // Foreign keys keep the plans of this connection's earlier deletions, which were made with other settings.
      await query('discard plans');
      const read = async () => {
        const rows =
          await query(`select relid::regclass::text as name, seq_scan::int as scans, idx_tup_fetch::int as rows
          from pg_stat_xact_user_tables where schemaname in ('marketing', 'analytics', 'onboarding', 'experiments', 'whatsapp', 'clixen', 'flashfusion', 'observatory', 'assistant')
            or relid in ('private.webhook_inbox'::regclass, 'private.event_actors'::regclass)`);
        return Object.fromEntries(
          rows.map(({ name: table, scans, rows: count }) => [table, { scans, rows: count ?? 0 }]),
        );
      };
      const calls = [
        `marketing.gdpr_export_user_data($1, array['+49 15000007'])`,
        `marketing.gdpr_delete_user_data($1, array['+49 15000007'])`,
        `marketing.gdpr_delete_user_data($1, array['+49 15000007'], true)`,
      ];
      for (const call of calls) {
        const before = await read();
        const [{ answer }] = await query(`select ${call} as answer`, [email]);
        if (call === calls[0]) {
          assert.equal(answer['analytics.events'].length, 10);
        }
        if (call === calls[1]) assert.equal(answer.erased['analytics.events'], 10);
        const after_ = await read();
        for (const [table, { scans, rows }] of Object.entries(after_)) {
          assert.equal(scans, before[table]?.scans ?? 0, `${call} reads all of ${table}`);
          const looked = rows - (before[table]?.rows ?? 0);
          assert.ok(looked < 2000, `${call} reads ${looked} rows of ${table}`);
        }
      }
    });
  });
}

/** Waits until a statement with these words waits for a lock, or something has ended. */
const untilBlocked = async (words, running) => {
  let hasEnded = false;
  const end = () => {
    hasEnded = true;
  };
  running.then(end, end);
  for (;;) {
    const blocked = await sql(`select from pg_stat_activity where wait_event_type = 'Lock' and query like $1`, [
      `%${words}%`,
    ]);
    if (hasEnded || blocked.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

test('an onboarding that begins beside an erasure is erased with the lead, and counted', async () => {
  const email = `${randomUUID()}@gdpr.example`;
  await capture({ email });
  let erasing;
  await as(onBehalf(OFFICE), async (query) => {
    const start = { email, business_data: { name: `of ${email}` } };
    await query('select onboarding.start($1)', [JSON.stringify(start)]);
    erasing = asked('gdpr_delete_user_data', email);
    await untilBlocked('gdpr_delete_user_data', erasing);
  });
  const { erased } = await erasing;
  assert.equal(erased['onboarding.sessions'], 1);
  const left = await sql(`select from onboarding.sessions where business_data ->> 'name' = $1`, [`of ${email}`]);
  assert.equal(left.length, 0);
});

test('an old lead that comes back while the clean-up runs stays: spam that a person confirms, and one that staff restore', async () => {
  const [spam, deleted] = [`${randomUUID()}@gdpr.example`, `${randomUUID()}@gdpr.example`];
  const add = (email) =>
    sql(
      `insert into marketing.leads (email, email_normalized, email_domain, is_spam, spam_reason, deleted_at, created_at, updated_at)
       select $1, $1, 'gdpr.example', $2, case when $2 then 'honeypot' end, case when not $2 then then_ end, then_, then_
       from (select now() - interval '100 days' as then_) as t`,
      [email, email === spam],
    );
  const there = (email) =>
    sql('select id, is_spam from marketing.leads where email_normalized = $1 and deleted_at is null', [email]);
  const comeBack = {
    [spam]: (query) => query('select marketing.capture_lead($1)', [JSON.stringify({ email: spam })]),
    [deleted]: (query) => query('update marketing.leads set deleted_at = null where email_normalized = $1', [deleted]),
  };
  for (const [email, change] of Object.entries(comeBack)) {
    let cleaning;
    await add(email);
    await as(email === spam ? onBehalf(OFFICE) : OFFICE, async (query) => {
      await change(query);
      cleaning = sql('select marketing.cleanup_old_data()');
      await untilBlocked('cleanup_old_data', cleaning);
    });
    await cleaning;
    const [lead] = await there(email);
    assert.equal(lead?.is_spam, false, email === spam ? 'confirmed' : 'restored');
  }
  const stored = await sql('select from marketing.lead_interactions where lead_id = $1', [(await there(spam))[0].id]);
  assert.equal(stored.length, 1, 'and its submission');
});

test('who is deleted is found as well', async () => {
  const email = `${randomUUID()}@gdpr.example`;
  await capture({ email });
  await as({ role: 'postgres' }, (query) =>
    query('update marketing.leads set deleted_at = now() where email_normalized = $1', [email]),
  );
  await capture({ email, first_name: 'Again' });
  assert.equal((await asked('gdpr_export_user_data', email))['marketing.leads'].length, 2);
  assert.equal((await asked('gdpr_delete_user_data', email)).erased['marketing.leads'], 2);
});

test('a form may name a session and a browser of any length, twice, and one that only shares its beginning is another', async () => {
  const [email, other] = [`${randomUUID()}@gdpr.example`, `${randomUUID()}@gdpr.example`];
  // Random, or the database would pack it into a small one.
  const long = () => Array.from({ length: 400 }, () => randomUUID().slice(0, 12)).join('');
  const lead = { email, session_id: long(), anonymous_id: long() };
  await capture(lead);
  await capture({ ...lead, session_id: long() });
  assert.equal((await asked('gdpr_export_user_data', email)).unproven.sessions, undefined, 'nobody else names it');
  await capture({ email: other, session_id: `${lead.session_id.slice(0, 1000)} and more` });
  assert.equal((await asked('gdpr_export_user_data', email)).unproven.sessions, undefined, 'only a beginning');
  await capture({ email: other, session_id: lead.session_id });
  assert.deepEqual((await asked('gdpr_export_user_data', email)).unproven.sessions, [lead.session_id]);
  assert.equal((await asked('gdpr_delete_user_data', email)).erased['marketing.leads'], 1);
});

/** A person whose rows are everywhere, or another one. */
const freshPerson = () => {
  const word = randomUUID().slice(0, 8);
  const digits = `49170${Math.floor(1e7 + Math.random() * 9e7)}`;
  return { email: `jane.${word}+x@fixture.example`, phone: `+${digits}`, id: `DE.${digits}${digits}` };
};

/** Columns of text in which nobody is looked for, and why. */
const OF_CORE_AND_GROWTH = {
  'analytics.event_aggregations': {
    event_type: 'a word of a list',
    granularity: 'a word of a list',
    dimensions: 'countries and kinds of device',
    dimensions_hash: 'a digest',
  },
  'analytics.events': {
    type: 'a word of a list',
    ...Object.fromEntries(
      ['device_type', 'browser', 'os', 'country', 'region'].map((name) => [name, 'the edge’s own words']),
    ),
  },
  'analytics.metrics': {
    ...Object.fromEntries(
      ['type', 'dimensions_hash', 'granularity', 'aggregation'].map((name) => [name, 'a word of a list']),
    ),
  },
  'experiments.assignments': { variant_id: 'a variant’s name', country: 'a country' },
  'experiments.experiments': {
    status: 'a word of a list',
    ...Object.fromEntries(
      [
        'control_variant',
        'test_variants',
        'winner_variant_id',
        'hash_seed',
        'namespace',
        'primary_metric',
        'targeting_rules',
        'results',
      ].map((name) => [name, 'names of variants and numbers, which staff set']),
    ),
  },
  'marketing.lead_interactions': { interaction_type: 'a word' },
  'marketing.leads': {
    ...{
      email: 'whose the lead is: found by email_normalized',
      email_normalized: 'whose the lead is',
      email_domain: 'a domain',
    },
    ...Object.fromEntries(['country_code', 'region', 'city'].map((name) => [name, 'the edge’s own words'])),
    ...{
      submission_key: 'a client’s key of a submission',
      spam_reason: 'our own words',
      source: 'a word of a list',
      status: 'a word of a list',
      opt_in_status: 'a word of a list',
    },
  },
  'onboarding.sessions': { current_step: 'a word of a list', status: 'a word of a list' },
  'onboarding.step_activities': { step: 'a word of a list' },
  'private.audit_log': '*: ids of rows and names of columns; kept whole, as the law on such logs has it',
  'private.consent_records': '*: the address is a hash; it is the proof of consent',
  'private.budget_rules': '*: our own words',
  'private.api_tokens': { prefix: 'random', scopes: 'names of systems, methods and paths' },
  'private.budgets': { period: 'a word of a list', scope: 'our own words', time_zone: 'a name of a list' },
  'private.changes': { verb: 'a word of a list', key: 'UUIDs and integers: private.track_changes refuses other keys' },
  'private.connection_shares': '*: ids and keyed digests of who is being served',
  'private.daily_allowances': '*: names of limits and keyed digests',
  'private.daily_usage': '*: ids and keyed digests, gone with the day',
  'private.event_watermark': '*: ids of transactions',
  'private.hooks': '*: our own words',
  'private.idempotency_keys': '*: answers of the last 24 hours, which hold nothing that was sent',
  'private.job_runs': '*: our own words',
  'private.jobs': '*: our own words',
  'private.limit_rules': '*: our own words',
  'private.mention_places': '*: our own words',
  'private.model_prices': '*: names of models',
  'private.model_rules': '*: names of models',
  'private.onboarding_plain_fields': '*: names of fields, which staff set',
  'private.rate_limits': '*: keyed digests, gone within minutes',
  'private.reservations': { scope: 'our own words' },
  'private.schema_migrations': '*: our own words',
  'private.sealed_columns': '*: names of tables and columns',
  'private.secret_patterns': '*: our own words',
  'private.secrets': '*: our own words',
  'private.security_events': '*: ids and counts',
  'private.system_schemas': '*: names of schemas and systems',
  'private.tracked_tables': '*: names of tables and columns',
  'private.webhook_inbox': {
    ...Object.fromEntries(
      ['source', 'dedupe_key', 'field', 'event', 'business_account_id', 'phone_number_id', 'outcome'].map((name) => [
        name,
        'Meta’s ids and words',
      ]),
    ),
    people: 'whose the row is: found by it',
    mentions: 'of the payload',
  },
  'private.whatsapp_access_tokens': '*: sealed',
  'private.whatsapp_clocks': '*: our own words',
  'whatsapp.accounts': {
    ...Object.fromEntries(
      [
        ...['business_account_id', 'phone_number_id', 'phone_number', 'verification_status', 'quality_rating'],
        ...['messaging_limit_tier', 'throughput_level', 'name_status'],
      ].map((name) => [name, 'a business’s, which is nobody']),
    ),
  },
  'whatsapp.templates': {
    ...Object.fromEntries(
      [
        ...['template_name', 'category', 'language', 'status', 'header_type', 'whatsapp_template_id', 'quality_score'],
        ...['previous_category', 'parameter_format'],
      ].map((name) => [name, 'Meta’s words']),
    ),
  },
};

const reasonsOf = async (name) => {
  const file = new URL(`../../${name}/support/mentions.js`, import.meta.url);
  return existsSync(file) ? (await import(file)).NOT_LOOKED_FOR : {};
};

const TEXTS = `select c.oid::regclass::text as table, a.attname as column, a.atttypid::regtype::text as type
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema', 'auth', 'extensions', 'public')
    and a.atttypid::regtype::text in ('text', 'text[]', 'jsonb', 'jsonb[]', 'json', 'character varying', 'extensions.citext')
  order by 1, 2`;

test('every column of text is looked through for mentions of a person, or says why not', async () => {
  const served = productSystems().filter(({ name }) => has(name));
  const reasons = Object.assign(
    {},
    OF_CORE_AND_GROWTH,
    ...(await Promise.all(served.map(({ name }) => reasonsOf(name)))),
  );
  const places = await sql('select relation, columns from private.mention_places');
  const watched = new Set(places.flatMap(({ relation, columns }) => columns.map((column) => `${relation}.${column}`)));
  const everything = (await sql(TEXTS)).map(({ table, column }) => ({ table, column }));
  // The tests' own system may have anything.
  const ofTests = systems().flatMap(({ folder, schemas }) => (folder ? schemas : []));
  const all = everything.filter(({ table }) => !ofTests.includes(table.split('.')[0]));
  const reason = ({ table, column }) =>
    typeof reasons[table] === 'string' ? reasons[table] : reasons[table]?.[column];
  const named = (columns) => columns.map(({ table, column }) => `${table}.${column}`);
  const isWatched = ({ table, column }) => watched.has(`${table}.${column}`);
  assert.deepEqual(
    named(all.filter((one) => !isWatched(one) && !reason(one))),
    [],
    'list these by private.index_mentions, or say here why not',
  );
  assert.deepEqual(named(all.filter((one) => isWatched(one) && reason(one))), [], 'these are on both lists');
  const names = new Set(everything.map(({ table, column }) => `${table}.${column}`));
  for (const name of watched) assert.ok(names.has(name), `${name} is watched and not there`);
  for (const [table, columns] of Object.entries(reasons))
    for (const column of typeof columns === 'string' ? [] : Object.keys(columns))
      assert.ok(names.has(`${table}.${column}`), `${table}.${column} has a reason and is not there`);
});

/** What a row asks for beside the column that is tried. */
const NEEDED = {
  'analytics.event_aggregations.granularity': `'day'`,
  'analytics.events.id': 'analytics.undated_id(gen_random_uuid())',
  'analytics.events.type': `'page_view'`,
  'experiments.experiments.control_variant': `'{"id": "a", "weight": 0.5}'`,
  'experiments.experiments.test_variants': `'[{"id": "b", "weight": 0.5}]'`,
  'flashfusion.agent_tasks.task_type': `'fixture'`,
  'onboarding.step_activities.step': `'business_info'`,
};
const BY_TYPE = {
  uuid: 'gen_random_uuid()',
  bigint: '7',
  integer: '7',
  jsonb: `'{}'`,
  bytea: 'sha256(gen_random_uuid()::text::bytea)',
  boolean: 'false',
  numeric: '7',
};
const filled = (relation, { name, type, label }) =>
  NEEDED[`${relation}.${name}`] ??
  (label && `'${label}'`) ??
  BY_TYPE[type] ??
  (type.startsWith('timestamp') ? 'now()' : `'fixture ${randomUUID()}'`);

/** Adds a row with this text in the column, whatever else the table would say to it. */
const addText = async (query, relation, column, type, mark) => {
  const deep = { deep: [{ [mark]: mark }] };
  const value = { jsonb: JSON.stringify(deep), 'jsonb[]': [{}, deep], 'text[]': [mark] }[type] ?? mark;
  const needed = await query(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
       (select e.enumlabel from pg_enum e where e.enumtypid = a.atttypid order by e.enumsortorder limit 1) as label
     from pg_attribute a
     where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull
       and (not a.atthasdef or exists (
         select from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum and pg_get_expr(d.adbin, d.adrelid) ~ 'auth\\.uid|assistant\\.my_'
       ))
       and a.attidentity = '' and a.attname <> $2`,
    [relation, column],
  );
  const names = [column, ...needed.map(({ name }) => name)].map((name) => `"${name}"`);
  const values = ['$1', ...needed.map((one) => filled(relation, one))];
  await query(`insert into ${relation} (${names.join(', ')}) values (${values.join(', ')})`, [value]);
};

test('a mention in any column is named in the receipt, and is erased where that is asked for', async () => {
  const places = await sql('select relation, columns, remedy from private.mention_places');
  const types = new Map((await sql(TEXTS)).map(({ table, column, type }) => [`${table}.${column}`, type]));
  for (const { relation, columns, remedy } of places) {
    for (const column of columns) {
      const { email, phone, id } = freshPerson();
      const other = freshPerson();
      const marks = [
        `see https://x.example/?e=${email.replace('@', '%40').replace('+', '%2B')}&y`,
        `${email.toUpperCase()}, and ${other.email}`,
        email,
        `call ${phone.slice(0, 3)} (${phone.slice(3, 6)}) ${phone.slice(6)}.`,
        `said ${id} here`,
      ];
      await transaction(async (query) => {
        await query(`set local session_replication_role = 'replica'`);
        // The rules of some tables are triggers.
        const rules = await query(
          `select format('drop constraint %I cascade', conname) as change
           from pg_constraint where conrelid = $1::regclass and contype in ('c', 'f')
           union all select format('disable trigger %I', tgname) from pg_trigger where tgrelid = $1::regclass and tgname ~ '_check(_|$)'`,
          [relation],
        );
        for (const { change } of rules) await query(`alter table ${relation} ${change}`);
        // Indexes by the tenant of another row ask for that row.
        const lookups = await query(
          `select indexrelid::regclass::text as name from pg_index
           where indrelid = $1::regclass and pg_get_expr(indexprs, indrelid) ~ 'tenant_of'`,
          [relation],
        );
        for (const { name } of lookups) await query(`drop index ${name}`);
        const type = types.get(`${relation}.${column}`);
        for (const mark of marks) await addText(query, relation, column, type, mark);
        await query(`set local session_replication_role = 'origin'`);
        await claims(query, OFFICE);
        const erase = async (more) => {
          const [{ answer }] = await query(`select marketing.gdpr_delete_user_data($1, $2, ${more}) as answer`, [
            email,
            [phone, id],
          ]);
          return answer;
        };
        const where = `${relation}.${column}`;
        // Where the address stands for itself, as a session's id for instance, the row is the person's own.
        const first = await erase('false');
        const mentions = marks.length - (first.erased[relation] ?? 0);
        assert.ok(mentions >= marks.length - 1, where);
        assert.deepEqual([first.mentions, first.erased_mentions], [{ [relation]: mentions }, {}], where);
        const second = await erase('true');
        assert.deepEqual([second.mentions, second.erased_mentions], [{}, { [relation]: mentions }], where);
        const text = JSON.stringify(await query(`select to_jsonb(t) as row from ${relation} as t`))
          .replaceAll('%40', '@')
          .replaceAll('%2B', '+')
          .toLowerCase();
        for (const word of [email, phone.slice(6), id.toLowerCase()])
          assert.ok(!text.includes(word), `${where}: ${word}`);
        assert.equal(text.includes(other.email), remedy === 'redact', `${where}: what is said of others`);
      });
    }
  }
});

test('a text that names somebody whose address only ends or begins like it is no mention', async () => {
  const { email } = freshPerson();
  const name = email.slice(0, email.indexOf('@'));
  const texts = [
    `a${email}`,
    `a.${email}`,
    `${email}munity`,
    `${email}.de`,
    `${email}-x.de`,
    name,
    `${name}@fixture`,
    `x_${email}`,
  ];
  await transaction(async (query) => {
    for (const text of [...texts, `<${email}>`])
      await captureIn(query, { email: `${randomUUID()}@x.example`, notes: text });
    const [{ answer }] = await query('select marketing.gdpr_export_user_data($1) as answer', [email]);
    assert.deepEqual(answer.mentions, { 'marketing.lead_interactions': 1, 'marketing.leads': 1 });
  });
});

test('what is somebody’s own is no mention of them', async () => {
  const email = `${randomUUID()}@gdpr.example`;
  await capture({ email, notes: `write to ${email}` });
  assert.deepEqual((await asked('gdpr_export_user_data', email)).mentions, {});
  const receipt = await asked('gdpr_delete_user_data', email);
  assert.deepEqual([receipt.mentions, receipt.erased['marketing.leads']], [{}, 1]);
});

/** A user with a verified WhatsApp account, its template and token, events and an assignment. Gives the ids. */
const customer = async (query) => {
  const [user, session, ids] = [randomUUID(), `s-${randomUUID()}`, freshIds()];
  const account = await addAccount(query, ids, { owner_id: user, display_name: `shop of ${user}@gdpr.example` });
  const template = await addTemplate(query, account, ids);
  await query(`insert into private.whatsapp_access_tokens (account_id, sealed, key_version) values ($1, '-', 1)`, [
    account.id,
  ]);
  // Before and after signing in, and one that only claims to be the user's.
  await query(
    `insert into analytics.events (id, type, name, user_id, user_is_verified, session_id, occurred_at)
     select analytics.undated_id(gen_random_uuid()), 'page_view', 'fixture', e.user_id, e.verified, e.session, now()
     from (values (null, false, $2::text), ($1::uuid, true, $2), ($1, false, $2 || '-other')) as e (user_id, verified, session)`,
    [user, session],
  );
  const [experiment] = await query(
    `insert into experiments.experiments (name, control_variant, test_variants, unit)
     values ('fixture', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]', 'user_id') returning id`,
  );
  await query(
    `insert into experiments.assignments (experiment_id, unit_key, user_id, variant_id, bucket_version)
     values ($1, 'user:' || $2, $2::uuid, 'a', 1)`,
    [experiment.id, user],
  );
  // A client's claim of the id: named by the key alone.
  await query(
    `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version)
     values ($1, 'claimed:' || $2, $3, 'a', 1)`,
    [experiment.id, user, `claims ${session}`],
  );
  return { user, ids, account, template };
};
/** What growth has of a user, as numbers of rows. */
const ownedBy = async (query, { user, account }) =>
  (
    await query(
      `select (select count(*)::int from whatsapp.accounts where owner_id = $1) as accounts,
        (select count(*)::int from whatsapp.templates where account_id = $2) as templates,
        (select count(*)::int from private.whatsapp_access_tokens where account_id = $2) as tokens,
        (select count(*)::int from analytics.events where user_id = $1) as events,
        (select count(*)::int from experiments.assignments where unit_key in ('user:' || $1::text, 'claimed:' || $1::text)) as assignments`,
      [user, account.id],
    )
  )[0];
const EVERYTHING = { accounts: 1, templates: 1, tokens: 1, events: 2, assignments: 2 };

test('a deleted account takes its WhatsApp accounts, events and assignments, and its number can be verified again', () =>
  transaction(async (query) => {
    const [gone, other] = [await customer(query), await customer(query)];
    assert.deepEqual(await ownedBy(query, gone), EVERYTHING);
    const [{ erased }] = await query('select private.erase_account($1) as erased', [gone.user]);
    assert.deepEqual(erased.growth, { 'whatsapp.accounts': 1, 'whatsapp.templates': 1 });
    const left = { accounts: 0, templates: 0, tokens: 0, events: 2, assignments: 2 };
    assert.deepEqual(await ownedBy(query, gone), left);
    // More than the job deletes at once, sent by somebody else with the user's id.
    await query(
      `insert into analytics.events (id, type, name, user_id, session_id, occurred_at)
       select analytics.undated_id(gen_random_uuid()), 'page_view', 'name ' || n, $1, 'elsewhere', now() from generate_series(1, 1200) as n`,
      [gone.user],
    );
    const forgotten = async () => Number((await query('select private.forget_erased_users() as rows'))[0].rows);
    // Accounts that other files have deleted are not of this test.
    await query('delete from private.users_to_forget where user_id <> $1', [gone.user]);
    const parts = [];
    for (let rows = await forgotten(); rows > 0; rows = await forgotten()) parts.push(rows);
    assert.deepEqual(parts, [502, 500, 202]);
    assert.deepEqual(await ownedBy(query, gone), { ...left, events: 0, assignments: 0 });
    assert.deepEqual(await query('select from private.users_to_forget where user_id = $1', [gone.user]), []);
    assert.deepEqual(await ownedBy(query, other), EVERYTHING);
    await addAccount(query, gone.ids, { owner_id: other.user });
  }));

test('the WhatsApp accounts that a person owns are exported with their templates, stay, and are no mentions', () =>
  transaction(async (query) => {
    const [mine] = [await customer(query), await customer(query)];
    const person = JSON.stringify({
      email: `${mine.user}@gdpr.example`,
      emails: [`${mine.user}@gdpr.example`],
      phones: [],
      users: [mine.user],
      systems: { growth: { leads: [], sessions: [], anonymous: [] } },
    });
    const call = async (name) => (await query(`select private.growth_${name}($1) as answer`, [person]))[0].answer;
    const found = await call('export');
    const idsOf = (table) => found[table].map(({ id }) => id);
    assert.deepEqual(
      [idsOf('whatsapp.accounts'), idsOf('whatsapp.templates')],
      [[mine.account.id], [mine.template.id]],
    );
    assert.doesNotMatch(JSON.stringify(found), /sealed|token_hash/);
    const own = await call('rows_of');
    assert.deepEqual([own['whatsapp.accounts'], own['whatsapp.templates']], [[mine.account.id], [mine.template.id]]);
    const kept = await call('kept');
    assert.deepEqual([kept['whatsapp.accounts'], kept['whatsapp.templates']], [1, 1]);
    await call('erase');
    assert.deepEqual(await ownedBy(query, mine), { ...EVERYTHING, events: 0, assignments: 0 });
  }));

/** Sends as many events, of whom and with what the columns say. */
const flood = (query, count, columns) =>
  query(
    `insert into analytics.events (id, type, name, session_id, anonymous_id, properties, occurred_at)
     select analytics.undated_id(gen_random_uuid()), 'page_view', 'fixture', $2::text, $3::text, $4::jsonb, now() from generate_series(1, $1::int)`,
    [count, columns.session_id ?? null, columns.anonymous_id ?? null, JSON.stringify(columns.properties ?? {})],
  );
const call = async (query, name, email, ...more) => {
  const [{ answer }] = await query(`select marketing.gdpr_${name}_user_data($1${more.join('')}) as answer`, [email]);
  return answer;
};

test('an export and an erasure go on in parts, however many events others send with the address', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    await captureIn(query, { email, session_id: `s ${email}` });
    await flood(query, 3, { session_id: `s ${email}` });
    await flood(query, 12000, { properties: { user: { email } } });
    // The person's own first, then of the others as many as there is room for.
    const bundle = await call(query, 'export', email);
    assert.equal(bundle['analytics.events'].length, 10000);
    assert.ok(bundle['analytics.events'].slice(0, 3).every((event) => event.session_id === `s ${email}`));
    assert.deepEqual(bundle.left_off, { 'analytics.events': 2003 });
    assert.equal(bundle['marketing.leads'].length, 1);
    // The lead goes at once: what is left is found by the address.
    let receipt = await call(query, 'delete', email);
    assert.deepEqual(receipt.left, { 'analytics.events': 11003 });
    assert.deepEqual([receipt.erased['analytics.events'], receipt.erased['marketing.leads']], [1000, 1]);
    assert.equal(receipt.mentions['analytics.events'], 10000);
    const own = await query('select from analytics.events where session_id = $1', [`s ${email}`]);
    assert.equal(own.length, 0, 'what is surely the person’s goes first');
    let calls = 1;
    for (; Object.keys(receipt.left).length > 0; calls += 1) receipt = await call(query, 'delete', email);
    assert.equal(calls, 13);
    assert.deepEqual(receipt.mentions, {});
    assert.equal((await query('select from analytics.events where properties @> $1', [{ user: { email } }])).length, 0);
  }));

test('a lead stays until nothing is left that is found only through it', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    await captureIn(query, { email, anonymous_id: `a ${email}` });
    await flood(query, 1001, { anonymous_id: `a ${email}` });
    const first = await call(query, 'delete', email);
    assert.deepEqual(first.left, { 'analytics.events': 1, 'marketing.leads': 1 });
    assert.deepEqual([first.erased['analytics.events'], first.erased['marketing.leads']], [1000, undefined]);
    const second = await call(query, 'delete', email);
    assert.deepEqual(second.left, {});
    assert.deepEqual([second.erased['analytics.events'], second.erased['marketing.leads']], [1, 1]);
  }));

test('an erasure in parts keeps what proves a session to be the user’s until the session’s other events are erased', () =>
  transaction(async (query) => {
    const [email, user] = [`${randomUUID()}@gdpr.example`, randomUUID()];
    // Found through a user, as an account with this confirmed address has it.
    await query(
      `create function private.gdpr_users(person jsonb) returns jsonb language sql as $$ select '["${user}"]'::jsonb $$`,
    );
    await query('revoke execute on function private.gdpr_users(jsonb) from public');
    await query(
      `insert into private.hooks (system, event, function) values ('gdpr_test', 'person_users', 'private.gdpr_users')`,
    );
    await query(
      `insert into analytics.events (id, type, name, user_id, user_is_verified, session_id, occurred_at)
       select analytics.undated_id(gen_random_uuid()), 'page_view', 'fixture', case when n % 3 = 0 then $1::uuid end, n % 3 = 0,
         's ' || $2::text || n % 7, now()
       from generate_series(1, 2500) as n`,
      [user, email],
    );
    const counts = [];
    for (let more = true; more; ) {
      const receipt = await call(query, 'delete', email);
      counts.push(receipt.erased['analytics.events']);
      more = Object.keys(receipt.left).length > 0;
    }
    assert.deepEqual(counts, [1000, 1000, 500]);
    assert.deepEqual(await query(`select from analytics.events where strpos(session_id, $1) > 0`, [email]), []);
  }));

test('a session with ten thousand events is not proven to be the person’s whose form names it', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    await captureIn(query, { email, session_id: `s ${email}` });
    await flood(query, 9999, { session_id: `s ${email}` });
    assert.deepEqual((await call(query, 'export', email)).unproven, {});
    await flood(query, 1, { session_id: `s ${email}` });
    const bundle = await call(query, 'export', email);
    assert.deepEqual(bundle.unproven, { sessions: [`s ${email}`] });
    assert.equal(bundle['analytics.events'].length, 0);
  }));

test('mentions are counted up to ten thousand, and erased in parts', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    await flood(query, 10001, { properties: { note: `of ${email}` } });
    const counts = [];
    for (let left = 1; left > 0; ) {
      const receipt = await call(query, 'delete', email, ', null', ', true');
      left = receipt.mentions['analytics.events'] ?? 0;
      counts.push(left);
    }
    assert.deepEqual(counts, [8001, 6001, 4001, 2001, 1, 0]);
    await flood(query, 10001, { properties: { note: `of ${email}` } });
    assert.equal((await call(query, 'export', email)).mentions['analytics.events'], 10000);
  }));

test('forms in any number, each with another spelling of the address, keep nobody from an export', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gmail.com`;
    await captureIn(query, { email });
    const [{ id }] = await query('select id from marketing.leads where email = $1', [email]);
    await query(
      `insert into marketing.lead_interactions (lead_id, interaction_type, submission)
       select $1, 'submission', jsonb_build_object('fields', jsonb_build_object('email', replace($2, '@', '+' || n || '@')))
       from generate_series(1, 41000) as n`,
      [id, email],
    );
    const bundle = await call(query, 'export', email);
    assert.equal(bundle['marketing.lead_interactions'].length, 10000);
    assert.equal(bundle.left_off['marketing.lead_interactions'], 31001);
    const left = [];
    for (let more = true; more; ) {
      const receipt = await call(query, 'delete', email);
      left.push(receipt.left);
      more = Object.keys(receipt.left).length > 0;
    }
    const some = (count) => ({ 'marketing.leads': 1, 'marketing.lead_interactions': count });
    assert.deepEqual(left, [some(20000), some(1001), {}]);
    assert.equal((await query('select from marketing.leads where id = $1', [id])).length, 0);
  }));

/** A lead with so many onboarding sessions, the first of them with activities, and interactions. */
const besieged = async (query, { email, sessions, activities = 0, interactions = 0, old = false }) => {
  const [{ id }] = await query(
    `insert into marketing.leads (email, email_normalized, email_domain, is_spam, created_at, updated_at)
     select $1, $1, 'gdpr.example', $2, then_, then_ from (select now() - case when $2 then interval '100 days' else '0' end as then_) as t
     returning id`,
    [email, old],
  );
  await query(
    `insert into onboarding.sessions (lead_id, session_token_hash)
     select $1, sha256(uuid_send(gen_random_uuid())) from generate_series(1, $2::int)`,
    [id, sessions],
  );
  await query(
    `insert into onboarding.step_activities (session_id, step, activity_type)
     select (select s.id from onboarding.sessions as s where s.lead_id = $1 limit 1), 'business_info', 'step_view' from generate_series(1, $2::int)`,
    [id, activities],
  );
  await query(
    `insert into marketing.lead_interactions (lead_id, interaction_type) select $1, 'note' from generate_series(1, $2::int)`,
    [id, interactions],
  );
  return id;
};

test('an export and an erasure go on in parts, however many onboardings others begin with the address', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    const id = await besieged(query, { email, sessions: 21000, activities: 22000 });
    const bundle = await call(query, 'export', email);
    for (const table of ['onboarding.sessions', 'onboarding.step_activities']) {
      assert.equal(bundle[table].length, 10000, table);
      assert.equal(bundle.left_off[table], 10000, table);
    }
    const erased = [];
    const left = [];
    for (let more = true; more; ) {
      const receipt = await call(query, 'delete', email);
      erased.push([receipt.erased['onboarding.step_activities'], receipt.erased['onboarding.sessions']]);
      left.push(receipt.left);
      more = Object.keys(receipt.left).length > 0;
    }
    assert.deepEqual(erased, [
      [20000, 0],
      [2000, 20000],
      [0, 1000],
    ]);
    const some = (count) => ({ 'marketing.leads': 1, 'onboarding.sessions': count });
    assert.deepEqual(left, [some(21000), some(1000), {}]);
    assert.deepEqual(await query('select from marketing.leads where id = $1', [id]), []);
    assert.deepEqual(await query('select from onboarding.sessions where lead_id = $1', [id]), []);
  }));

test('the clean-up of an old lead is done in parts, and does not block others', () =>
  transaction(async (query) => {
    const [heavy, light] = [`${randomUUID()}@gdpr.example`, `${randomUUID()}@gdpr.example`];
    const many = await besieged(query, {
      email: heavy,
      sessions: 6000,
      activities: 21000,
      interactions: 11000,
      old: true,
    });
    const few = await besieged(query, { email: light, sessions: 0, old: true });
    const there = async () => {
      const [counts] = await query(
        `select (select count(*)::int from marketing.leads where id = $1) as heavy, (select count(*)::int from marketing.leads where id = $2) as light,
           (select count(*)::int from onboarding.sessions where lead_id = $1) as sessions,
           (select count(*)::int from onboarding.step_activities as a join onboarding.sessions as s on s.id = a.session_id where s.lead_id = $1) as activities,
           (select count(*)::int from marketing.lead_interactions where lead_id = $1) as interactions`,
        [many, few],
      );
      return Object.values(counts);
    };
    const seen = [];
    for (let done = 1; done > 0; ) {
      done = Number((await query("select private.delete_old_leads(now() - interval '90 days') as done"))[0].done);
      if (done > 0) seen.push(await there());
    }
    assert.deepEqual(seen, [
      [1, 0, 6000, 1000, 1000],
      [1, 0, 1000, 0, 0],
      [0, 0, 0, 0, 0],
    ]);
    const lost = await query('select from onboarding.sessions where lead_id is null and started_at = now()');
    assert.equal(lost.length, 0, 'no session has lost its lead');
  }));

test('the clean-up deletes old onboardings with the activities of a part', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    const id = await besieged(query, { email, sessions: 6000, activities: 21000 });
    await query(
      `update onboarding.sessions set status = 'abandoned', abandoned_at = now(), last_activity_at = now() - interval '100 days' where lead_id = $1`,
      [id],
    );
    const left = async () =>
      (await query('select count(*)::int as n from onboarding.sessions where lead_id = $1', [id]))[0].n;
    await query('select marketing.cleanup_old_data()');
    assert.equal(await left(), 6000, 'their activities first');
    await query('select marketing.cleanup_old_data()');
    assert.equal(await left(), 1000);
    await query('select marketing.cleanup_old_data()');
    assert.equal(await left(), 0);
  }));

test('names of counts that become one without the person are told apart', () =>
  transaction(async (query) => {
    const email = `${randomUUID()}@gdpr.example`;
    for (const name of [email, email.replace('@', '%40')])
      await query(
        `insert into analytics.event_aggregations (id, event_type, event_name, time_bucket, granularity, event_count)
         values (gen_random_uuid(), 'page_view', $1, '2001-01-01', 'hour', 1)`,
        [`of ${name}`],
      );
    const [{ erased }] = await query('select private.erase_mentions(array[$1]) as erased', [email]);
    assert.deepEqual(erased, { 'analytics.event_aggregations': 2 });
    const names = await query(
      `select event_name as name from analytics.event_aggregations where time_bucket = '2001-01-01' and event_name ~ '^of ' order by 1`,
    );
    assert.equal(names.filter(({ name }) => name === 'of [erased]').length, 1);
    assert.equal(names.filter(({ name }) => /^of [0-9a-f]{5}$/.test(name)).length, 1);
  }));
