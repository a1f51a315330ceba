// Two spellings, one identity: what decides who somebody is does not depend on the database's locale, and joins nobody with another.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../../dev/migrate.js';
import { CHARACTERS } from '../../support/characters.js';
import { close, sql, stack } from '../../support/stack.js';

after(close);

/** Small, fast and the same at every run of a seed. */
const numbers = (seed) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

const GMAIL = ['gmail.com', 'googlemail.com'];
const TAGGED = 'outlook.com hotmail.com live.com icloud.com me.com fastmail.com proton.me protonmail.com'.split(' ');

/** The identity of an ASCII address, as docs/architecture.md has the rules. */
const identity = (email) => {
  const [local, domain] = email.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).split('@');
  if (GMAIL.includes(domain)) return `${local.split('+')[0].replaceAll('.', '')}@gmail.com`;
  return `${TAGGED.includes(domain) ? local.split('+')[0] : local}@${domain}`;
};

test('two ASCII addresses meet by the rules of their providers and by letter case, and never otherwise', async () => {
  const next = numbers(13);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const domains = [...GMAIL, ...TAGGED, 'example.org', 'gmail.com.example.org', 'xgmail.com', 'gmail.co'];
  const letters = [..."aAbBiIkK0.+-_!#$%&'*/=?^`{|}~"];
  const addresses = new Set();
  while (addresses.size < 20_000) {
    const local = Array.from({ length: 1 + Math.floor(next() * 5) }, () => pick(letters)).join('');
    const domain = [...pick(domains)].map((letter) => (next() < 0.2 ? letter.toUpperCase() : letter)).join('');
    addresses.add(`${local}@${domain}`);
  }
  const rows = await sql(
    `select email, private.normalize_email(email) as identity from unnest($1::text[]) as email
     where private.is_email(email)`,
    [[...addresses]],
  );
  assert.ok(rows.length > 5000, `${rows.length} are addresses`);
  for (const row of rows) assert.equal(row.identity, identity(row.email), row.email);
});

test('no address beyond ASCII meets one in ASCII, and none has a character that nobody sees', async () => {
  const taken = await sql(
    `select c, private.normalize_email(email) as identity
     from ${CHARACTERS}, lateral (select 'a' || c || 'b@example.org' as email) as typed where private.is_email(email)`,
  );
  assert.ok(taken.length > 100_000, `${taken.length} characters may be in an address`);
  for (const { c, identity: found } of taken) {
    assert.match(found, /[^\0-\x7f]/, `U+${c.codePointAt(0).toString(16)}`);
    assert.doesNotMatch(
      c,
      /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Z}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}]/u,
    );
  }
});

test('a domain that is not in ASCII is no address’s here: the edge has converted it', async () => {
  const [{ count }] = await sql(
    `select count(*)::int as count from ${CHARACTERS} where private.is_email('a@exa' || c || 'mple.org')`,
  );
  assert.equal(count, 0);
  for (const email of ['x@gmaİl.com', 'x@müller.example', 'x@例え.テスト', 'x@example。org'])
    await assert.rejects(sql('select marketing.capture_lead($1)', [JSON.stringify({ email })]), /RG508/, email);
  await sql('truncate private.rate_limits');
});

test('letters that are written in two ways are one, other letters are not', async () => {
  const same = async (a, b) =>
    (await sql('select private.normalize_email($1) = private.normalize_email($2) as same', [a, b]))[0].same;
  assert.equal(await same('zoe\u0308@example.org', 'zo\u00eb@example.org'), true, 'NFC');
  for (const [a, b] of [
    ['ZOË@example.org', 'zoë@example.org'],
    ['ıx@example.org', 'ix@example.org'],
    ['İx@example.org', 'ix@example.org'],
    ['ａx@example.org', 'ax@example.org'],
    ['аx@example.org', 'ax@example.org'],
  ])
    assert.equal(await same(a, b), false, `${a} ${b}`);
});

/** What has to be the same in every locale, as one digest of much. */
const EVERYWHERE = `select md5(string_agg(concat_ws(' ',
    private.normalize_email('X' || c || 'I@GMAIL.COM'), private.normalize_email(c || 'İIıiẞ@Example.ORG'),
    private.is_email('a' || c || 'b@example.org'), onboarding.names_secret('API' || c || '_PIN'),
    private.webhook_word('"pending_deletion"')), '|' order by c collate "C")) as digest
  from (select chr(n) as c from generate_series(33, 12000) as n) as characters`;

const LOCALES = {
  c: `locale_provider libc locale 'C'`,
  english: `locale_provider icu icu_locale 'en-US' locale 'C'`,
  turkish: `locale_provider icu icu_locale 'tr-TR' locale 'C'`,
};

test('who somebody is does not depend on the locale', async () => {
  const digests = {};
  for (const [name, locale] of Object.entries(LOCALES)) {
    const database = `identity_${name}`;
    await sql(`create database ${database} template template0 encoding 'UTF8' ${locale}`);
    const address = new URL(stack.database_url);
    address.pathname = `/${database}`;
    const client = new pg.Client({ connectionString: address.toString() });
    try {
      await migrate(address.toString(), { quiet: true });
      await client.connect();
      const ask = async (text, values) => (await client.query(text, values)).rows;
      if (name === 'turkish')
        assert.deepEqual(await ask(`select lower('I') as i`), [{ i: 'ı' }], 'it is another locale');
      digests[name] = (await ask(EVERYWHERE))[0].digest;
      for (const email of ['INFO@EXAMPLE.ORG', 'info@example.org', 'ınfo@example.org', 'İnfo@example.org'])
        await ask('select marketing.capture_lead($1)', [JSON.stringify({ email, consent: 'ON' })]);
      const leads = await ask(
        `select email, submission_count::int as count, opt_in_status as status from marketing.leads order by created_at, email collate "C"`,
      );
      assert.deepEqual(
        leads,
        [
          { email: 'INFO@EXAMPLE.ORG', count: 2, status: 'pending' },
          { email: 'ınfo@example.org', count: 1, status: 'pending' },
          { email: 'İnfo@example.org', count: 1, status: 'pending' },
        ],
        name,
      );
      const sub = randomUUID();
      await ask(`insert into sample.user_profiles (id, email) values ($1, 'Info@Example.org')`, [sub]);
      const [{ person }] = await ask(`select private.person('info@example.org', null) as person`);
      assert.deepEqual(person.users, [sub], name);
      await ask(`insert into sample.projects (user_id, name) values ($1, 'TITLE I')`, [sub]);
      await assert.rejects(
        ask(`insert into sample.projects (user_id, name) values ($1, 'title i')`, [sub]),
        { constraint: 'projects_user_name' },
        name,
      );
    } finally {
      await client.end();
      await sql(`drop database if exists ${database} with (force)`);
    }
  }
  const [{ digest }] = await sql(EVERYWHERE);
  assert.deepEqual(
    Object.values(digests),
    Object.keys(LOCALES).map(() => digest),
  );
});
