// Accounts of `npm run dev`: @supabase/supabase-js, unmodified, signs up, in and out at the local issuer and at the edge; and what others
// could try there.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, mock, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import bcrypt from 'bcryptjs';
import { decodeJwt, SignJWT } from 'jose';
import pg from 'pg';
import ws from 'ws';
import { startAccounts } from '../../../dev/accounts/index.js';
import { Store } from '../../../dev/accounts/store.js';
import { serve, token as sign } from '../../../dev/issuer.js';
import { freePort } from '../../../dev/process.js';
import { startThrowAway } from '../../../dev/throwaway.js';
import { freshEmail } from '../../support/stack.js';
import { listen } from '../support/listen.js';

const PASSWORD = 'correct horse battery';
const API = { 'x-supabase-api-version': '2024-01-01' };

let system;
let stack;
let owner;
let edge;
let accounts;
const said = [];

before(async () => {
  // Of its own: with accounts the database answers for others than those of the tests' tokens.
  system = await startThrowAway('accounts', { accounts: true, say: (line) => said.push(line) });
  stack = system.stack;
  edge = stack.edgeUrl;
  accounts = stack.accounts.url;
  owner = new pg.Client({ connectionString: stack.databaseUrl });
  await owner.connect();
});
after(async () => {
  await owner?.end();
  await system?.stop();
});

const sql = async (text, values) => (await owner.query(text, values)).rows;

/** What a browser keeps for a page: tabs of one browser have the same. */
const newStorage = () => {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
    /** Changes the stored session. */
    change: (body) => {
      const [[name, text]] = kept;
      kept.set(name, JSON.stringify(body(JSON.parse(text))));
    },
  };
};

const clients = [];
after(async () => {
  for (const client of clients) await client.auth.stopAutoRefresh();
});

/** `direct`: asks the issuer itself, not the edge, which lets an address sign in thirty times in five minutes. */
const newClient = ({ storage = newStorage(), autoRefreshToken = false, direct = false } = {}) => {
  const client = createClient(edge, stack.keys.publishable_key, {
    auth: { storage, autoRefreshToken, persistSession: true },
    db: { schema: 'sample' },
    realtime: { transport: ws },
    ...(direct && { global: { fetch: (url, init) => fetch(`${url}`.replace(`${edge}/auth/v1`, accounts), init) } }),
  });
  clients.push(client);
  return Object.assign(client, { storage });
};

const good = ({ data, error }) => {
  assert.equal(error, null, error?.message);
  return data;
};

/** Signs up somebody new. */
const newUser = async (options) => {
  const client = newClient(options);
  const email = freshEmail();
  const { session, user } = good(await client.auth.signUp({ email, password: PASSWORD }));
  return { client, email, session, user };
};

/** One request to the accounts, past the client. */
const ask = async (method, path, { json, token, headers = API, body = json && JSON.stringify(json) } = {}) => {
  const response = await fetch(accounts + path, {
    method,
    redirect: 'manual',
    body,
    headers: {
      ...(json && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
};

const failed = ({ status, body }) => [status, body.code];
const signInAs = (email, password) => ask('POST', '/token?grant_type=password', { json: { email, password } });
const refreshWith = (token) => ask('POST', '/token?grant_type=refresh_token', { json: { refresh_token: token } });

/** Lets time pass for the refresh tokens of a user. */
const age = (userId, seconds) =>
  sql(`update auth.refresh_tokens set updated_at = updated_at - make_interval(secs => $2) where user_id = $1`, [
    userId,
    seconds,
  ]);

test('sign-up to row to sign-out', async () => {
  const client = newClient();
  const email = freshEmail();
  const credentials = { email: email.toUpperCase(), password: PASSWORD, options: { data: { name: 'Ada' } } };
  const { session, user } = good(await client.auth.signUp(credentials));
  assert.deepEqual(
    [user.email, user.user_metadata, user.aud, user.role],
    [email, { name: 'Ada' }, 'authenticated', 'authenticated'],
  );
  assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'] });
  assert.deepEqual(
    user.identities.map(({ provider, user_id: id }) => [provider, id]),
    [['email', user.id]],
  );

  const claims = decodeJwt(session.access_token);
  const { iat, exp, session_id: sessionId, amr, ...rest } = claims;
  assert.deepEqual(rest, {
    iss: stack.issuer.issuer,
    sub: user.id,
    aud: 'authenticated',
    role: 'authenticated',
    email,
    phone: '',
    app_metadata: user.app_metadata,
    user_metadata: { name: 'Ada' },
    aal: 'aal1',
    is_anonymous: false,
  });
  assert.deepEqual([exp - iat, session.expires_in, session.expires_at], [3600, 3600, exp]);
  assert.deepEqual(
    amr.map(({ method, timestamp }) => [method, Number.isInteger(timestamp)]),
    [['password', true]],
  );
  assert.deepEqual(await sql('select user_id from auth.sessions where id = $1', [sessionId]), [{ user_id: user.id }]);
  const verified = good(await client.auth.getClaims());
  assert.equal(verified.claims.sub, user.id, 'by the published key');

  const [profile] = await sql('select email from sample.user_profiles where id = $1', [user.id]);
  assert.deepEqual(profile, { email }, 'the trigger of sign-up has made the profile');
  const row = good(await client.from('projects').insert({ name: 'First' }).select('name, user_id').single());
  assert.deepEqual(row, { name: 'First', user_id: user.id });
  const other = await newUser();
  assert.deepEqual(good(await other.client.from('projects').select()), [], 'nobody else sees it');

  good(await client.auth.signOut());
  assert.equal((await client.auth.getSession()).data.session, null);
  assert.deepEqual(failed(await ask('GET', '/user', { token: session.access_token })), [403, 'session_not_found']);
  assert.deepEqual(failed(await refreshWith(session.refresh_token)), [400, 'refresh_token_not_found']);
  const again = good(
    await client.auth.signInWithPassword({ email: `${email[0].toUpperCase()}${email.slice(1)}`, password: PASSWORD }),
  );
  assert.equal(again.user.id, user.id);
  assert.equal(good(await client.from('projects').select('name')).length, 1);
});

test('a session is refreshed in the background', async () => {
  const { client, session } = await newUser({ autoRefreshToken: true });
  const refreshed = new Promise((resolve) => {
    client.auth.onAuthStateChange((event, now) => event === 'TOKEN_REFRESHED' && resolve(now));
  });
  client.storage.change((kept) => ({ ...kept, expires_at: Math.floor(Date.now() / 1000) + 60 }));
  await client.auth.startAutoRefresh();
  const now = await refreshed;
  assert.notEqual(now.refresh_token, session.refresh_token);
  assert.equal(decodeJwt(now.access_token).session_id, decodeJwt(session.access_token).session_id);
  await client.auth.stopAutoRefresh();
});

test('an expired session is refreshed when it is used', async () => {
  const { client, session, user } = await newUser();
  const expired = await sign(stack.keys, {
    issuer: stack.issuer.issuer,
    sub: user.id,
    claims: { session_id: decodeJwt(session.access_token).session_id },
    ttl: -60,
  });
  assert.deepEqual(failed(await ask('GET', '/user', { token: expired })), [403, 'bad_jwt']);
  client.storage.change((kept) => ({ ...kept, access_token: expired, expires_at: decodeJwt(expired).exp }));
  const row = good(await client.from('projects').insert({ name: 'Later' }).select('user_id').single());
  assert.equal(row.user_id, user.id);
  const elsewhere = newClient();
  const current = good(await client.auth.getSession()).session;
  const { session: set } = good(
    await elsewhere.auth.setSession({ access_token: expired, refresh_token: current.refresh_token }),
  );
  assert.equal(set.user.id, user.id);
});

test('two tabs that refresh at once both go on', async () => {
  const { client, session, user } = await newUser();
  const first = newClient({ storage: client.storage });
  const second = newClient({ storage: client.storage });
  client.storage.change((kept) => ({ ...kept, expires_at: 1 }));
  const used = await Promise.all([first, second].map((tab) => tab.auth.getUser()));
  for (const { data, error } of used) {
    // The client leaves a tab alone whose storage another has just written; it then has what that one has.
    if (error) assert.equal(error.name, 'AuthRefreshDiscardedError');
    else assert.equal(data.user.id, user.id);
  }
  assert.ok(used.some(({ error }) => error === null));
  for (const tab of [first, second]) assert.equal(good(await tab.auth.getUser()).user.id, user.id);
  // What a client without that would send.
  const { refresh_token: kept } = good(await first.auth.getSession()).session;
  const answers = await Promise.all([1, 2, 3].map(() => refreshWith(kept)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1, 'all get the active one');
  assert.notEqual(session.refresh_token, kept);
});

test('a refresh token that is used again ends the session, but for a lost answer and for haste', async () => {
  const { session, user } = await newUser();
  const tokens = [session.refresh_token];
  for (let n = 0; n < 2; n++) tokens.push((await refreshWith(tokens.at(-1))).body.refresh_token);
  const [grandparent, parent, active] = tokens;
  assert.equal((await refreshWith(grandparent)).body.refresh_token, active, 'within ten seconds');
  await age(user.id, 11);
  assert.equal((await refreshWith(parent)).body.refresh_token, active, 'the parent of the active one, at any time');
  const [copy, late] = await Promise.all([refreshWith(grandparent), refreshWith(grandparent)]);
  assert.deepEqual(failed(copy)[0], 400);
  assert.deepEqual([failed(copy)[1], failed(late)[1]].sort(), [
    'refresh_token_already_used',
    'refresh_token_not_found',
  ]);
  assert.deepEqual(failed(await refreshWith(active)), [400, 'refresh_token_not_found'], 'the family is gone');
  assert.deepEqual(failed(await ask('GET', '/user', { token: session.access_token })), [403, 'session_not_found']);
});

test('a new password ends the other sessions; signOut by scope', async () => {
  const { client, email, session } = await newUser();
  const elsewhere = newClient();
  const changed = 'another horse battery';
  good(await elsewhere.auth.signInWithPassword({ email, password: PASSWORD }));
  assert.equal((await client.auth.updateUser({ password: PASSWORD })).error.code, 'same_password');
  const weak = (await client.auth.updateUser({ password: 'short' })).error;
  assert.deepEqual([weak.code, weak.status, weak.reasons], ['weak_password', 422, ['length']]);
  good(await client.auth.updateUser({ password: changed, data: { name: 'Ada', gone: 1 } }));
  const { user } = good(await client.auth.updateUser({ data: { gone: null, more: [1] } }));
  assert.deepEqual(user.user_metadata, { name: 'Ada', more: [1] });
  assert.equal((await elsewhere.auth.getUser()).error.name, 'AuthSessionMissingError');
  assert.equal(good(await client.auth.getUser()).user.email, email);
  assert.deepEqual(failed(await signInAs(email, PASSWORD)), [400, 'invalid_credentials']);

  const sessions = [];
  for (let n = 0; n < 3; n++) sessions.push((await signInAs(email, changed)).body.access_token);
  const [first, second, third] = sessions;
  const alive = async () =>
    Promise.all(
      [...sessions, session.access_token].map(async (token) => (await ask('GET', '/user', { token })).status),
    );
  assert.deepEqual(await alive(), [200, 200, 200, 200]);
  assert.equal((await ask('POST', '/logout?scope=local', { token: first })).status, 204);
  assert.deepEqual(await alive(), [403, 200, 200, 200]);
  assert.equal((await ask('POST', '/logout?scope=others', { token: second })).status, 204);
  assert.deepEqual(await alive(), [403, 200, 403, 403]);
  assert.deepEqual(failed(await ask('POST', '/logout?scope=x', { token: second })), [400, 'validation_failed']);
  assert.equal((await ask('POST', '/logout', { token: second })).status, 204);
  assert.deepEqual(await alive(), [403, 403, 403, 403]);
  assert.equal(third, sessions[2]);
});

/** The code and the link of the last message to an address; nothing without one. */
const messageTo = (email) => {
  const at = said.findLastIndex((line) => line.startsWith(`message to ${email}:`));
  if (at < 0) return undefined;
  return { code: /code: (\d{6})$/.exec(said[at + 1])[1], link: /^ {2}link: (.*)$/.exec(said[at + 2])?.[1] };
};

test('a forgotten password: by the code, by the link, once each', async () => {
  const { email, user } = await newUser();
  const client = newClient();
  good(await client.auth.resetPasswordForEmail(email, { redirectTo: 'http://localhost:3000/reset' }));
  const { code, link } = messageTo(email);
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0');
  assert.equal((await client.auth.verifyOtp({ email, token: wrong, type: 'recovery' })).error.code, 'otp_expired');
  const { session } = good(await client.auth.verifyOtp({ email, token: code, type: 'recovery' }));
  assert.deepEqual(
    decodeJwt(session.access_token).amr.map(({ method }) => method),
    ['otp'],
  );
  good(await client.auth.updateUser({ password: 'a third horse battery' }));
  assert.equal((await signInAs(email, 'a third horse battery')).status, 200);
  assert.equal((await client.auth.verifyOtp({ email, token: code, type: 'recovery' })).error.code, 'otp_expired');
  const used = new URL((await fetch(link, { redirect: 'manual' })).headers.get('location'));
  assert.equal(new URLSearchParams(used.hash.slice(1)).get('error_code'), 'otp_expired');

  const pause = (await client.auth.resetPasswordForEmail(email)).error;
  assert.deepEqual([pause.status, pause.code], [429, 'over_email_send_rate_limit']);

  const other = await newUser();
  good(await client.auth.resetPasswordForEmail(other.email, { redirectTo: 'http://localhost:3000/reset' }));
  const followed = await fetch(messageTo(other.email).link, { redirect: 'manual' });
  const target = new URL(followed.headers.get('location'));
  assert.deepEqual([followed.status, target.origin, target.pathname], [303, 'http://localhost:3000', '/reset']);
  const fragment = Object.fromEntries(new URLSearchParams(target.hash.slice(1)));
  assert.equal(fragment.type, 'recovery');
  const set = good(await newClient().auth.setSession(fragment));
  assert.deepEqual([set.user.id, set.user.id === user.id], [other.user.id, false]);
});

test('a message is nobody else’s: no word of who has an account, no way to other sites, no late use', async () => {
  const client = newClient({ direct: true });
  const nobody = freshEmail();
  assert.deepEqual(good(await client.auth.resetPasswordForEmail(nobody)), {});
  assert.equal(messageTo(nobody), undefined);
  const again = (await client.auth.resetPasswordForEmail(nobody.toUpperCase())).error;
  assert.equal(again.code, 'over_email_send_rate_limit', 'as for an address that has one');

  const places = [
    'https://evil.example/x',
    'http://localhost:3000@evil.example/',
    '//evil.example',
    'javascript:alert(1)',
  ];
  for (const redirectTo of places) {
    const { email, user } = await newUser({ direct: true });
    good(await client.auth.resetPasswordForEmail(email, { redirectTo }));
    const link = new URL(messageTo(email).link);
    link.searchParams.set('redirect_to', redirectTo);
    const location = (await fetch(link, { redirect: 'manual' })).headers.get('location');
    assert.equal(new URL(location).origin, `http://127.0.0.1:${stack.port}`, redirectTo);
    assert.equal((await sql('select from auth.sessions where user_id = $1', [user.id])).length, 2);
  }

  const { email } = await newUser({ direct: true });
  good(await client.auth.resetPasswordForEmail(email));
  await sql(`update auth.users set recovery_sent_at = recovery_sent_at - interval '61 minutes' where email = $1`, [
    email,
  ]);
  const late = await client.auth.verifyOtp({ email, token: messageTo(email).code, type: 'recovery' });
  assert.equal(late.error.code, 'otp_expired');

  const pkce = await newUser({ direct: true });
  const challenge = { email: pkce.email, code_challenge: 'x'.repeat(43), code_challenge_method: 's256' };
  assert.equal((await ask('POST', '/recover', { json: challenge })).status, 200);
  assert.equal(messageTo(pkce.email).link, undefined, 'a link would give the session away without the verifier');
});

test('another address counts once its code is used, and the systems follow', async () => {
  const { client, user, email } = await newUser({ direct: true });
  const taken = await newUser({ direct: true });
  assert.equal((await client.auth.updateUser({ email: taken.email })).error.code, 'email_exists');
  const fresh = freshEmail();
  const { user: pending } = good(await client.auth.updateUser({ email: fresh.toUpperCase() }));
  assert.deepEqual([pending.email, pending.new_email], [email, fresh]);
  const stranger = { email: taken.email, token: messageTo(fresh).code, type: 'email_change' };
  assert.equal((await client.auth.verifyOtp(stranger)).error.code, 'otp_expired');
  good(await client.auth.verifyOtp({ email: fresh, token: messageTo(fresh).code, type: 'email_change' }));
  const { user: now } = good(await client.auth.getUser());
  assert.deepEqual([now.id, now.email, now.new_email], [user.id, fresh, undefined]);
  assert.deepEqual(await sql('select email from sample.user_profiles where id = $1', [user.id]), [{ email: fresh }]);
});

test('a deleted account is erased in the systems, and its tokens create nothing', async () => {
  const { client, user, session } = await newUser({ direct: true });
  good(await client.from('projects').insert({ name: 'First' }));
  await sql('delete from auth.users where id = $1', [user.id]);
  assert.deepEqual(await sql('select from sample.projects where user_id = $1', [user.id]), []);
  assert.deepEqual(await sql('select from auth.refresh_tokens where user_id = $1', [user.id]), []);
  assert.equal((await client.from('projects').insert({ name: 'Second' })).error.code, 'RG521');
  assert.deepEqual(failed(await ask('GET', '/user', { token: session.access_token })), [403, 'user_not_found']);
  assert.deepEqual(failed(await refreshWith(session.refresh_token)), [400, 'refresh_token_not_found']);
});

test('a banned user neither signs in nor goes on', async () => {
  const { email, user, session } = await newUser({ direct: true });
  await sql(`update auth.users set banned_until = now() + interval '1 day' where id = $1`, [user.id]);
  assert.deepEqual(failed(await signInAs(email, PASSWORD)), [400, 'user_banned']);
  assert.deepEqual(failed(await signInAs(email, 'wrong')), [400, 'invalid_credentials'], 'told to the owner only');
  assert.deepEqual(failed(await refreshWith(session.refresh_token)), [400, 'user_banned']);
  assert.deepEqual(failed(await ask('GET', '/user', { token: session.access_token })), [403, 'user_banned']);
});

test('the token of a banned user opens the data API and the feed of changes alike, until it expires', async () => {
  const { user, session } = await newUser({ direct: true });
  const token = session.access_token;
  const streams = [await listen({ token, base: edge })];
  try {
    await sql(`update auth.users set banned_until = now() + interval '1 day' where id = $1`, [user.id]);
    streams.push(await listen({ token, base: edge }));
    const response = await fetch(`${edge}/rest/v1/projects`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
      body: JSON.stringify({ name: 'Of a banned user' }),
    });
    assert.equal(response.status, 201);
    const [{ id }] = await response.json();
    for (const stream of streams) {
      assert.equal(stream.status, 200, JSON.stringify(stream.body));
      assert.equal((await stream.next()).event, 'ready');
      assert.deepEqual((await stream.next()).key, { id });
    }
  } finally {
    for (const stream of streams) stream.close?.();
  }
});

test('an address has one account, however it is spelled', async () => {
  const { email } = await newUser({ direct: true });
  for (const spelling of [email, email.toUpperCase()]) {
    const { error } = await newClient({ direct: true }).auth.signUp({ email: spelling, password: PASSWORD });
    assert.deepEqual(
      [error.status, error.code, error.message],
      [422, 'user_already_exists', 'User already registered'],
    );
  }
  for (const none of [
    ` ${email}`,
    `${email} `,
    `x${email}x`.replace('@', '＠'),
    'a@b..c',
    '@example.org',
    `\u212a${email}`,
  ]) {
    const { error } = await newClient({ direct: true }).auth.signUp({ email: none, password: PASSWORD });
    assert.deepEqual([error.status, error.code], [400, 'validation_failed'], none);
  }
  const others = await Promise.all(
    Array.from({ length: 4 }, () => ask('POST', '/signup', { json: { email: `twice-${email}`, password: PASSWORD } })),
  );
  assert.deepEqual(others.map(({ status }) => status).sort(), [200, 422, 422, 422]);
});

test('an unknown address costs and answers what a wrong password does', async () => {
  const { email } = await newUser({ direct: true });
  const compare = mock.method(bcrypt, 'compare');
  try {
    const known = await signInAs(email, 'wrong horse');
    const unknown = await signInAs(freshEmail(), 'wrong horse');
    assert.deepEqual([known.status, known.body], [unknown.status, unknown.body]);
    const without = ({ headers }) => [...headers].filter(([name]) => name !== 'date');
    assert.deepEqual(without(known), without(unknown));
    const rounds = compare.mock.calls.map(({ arguments: [, hash] }) => bcrypt.getRounds(hash));
    assert.deepEqual(rounds, [10, 10], 'each has compared with a hash of the same cost');
  } finally {
    compare.mock.restore();
  }
});

test('long passwords are refused, not cut', async () => {
  const long = 'é'.repeat(36);
  const email = freshEmail();
  assert.deepEqual(failed(await ask('POST', '/signup', { json: { email, password: `${long}x` } })), [
    400,
    'validation_failed',
  ]);
  assert.equal((await ask('POST', '/signup', { json: { email, password: long } })).status, 200);
  assert.deepEqual(failed(await signInAs(email, `${long}x`)), [400, 'invalid_credentials']);
  assert.equal((await signInAs(email, long)).status, 200);
  const [{ encrypted_password: stored }] = await sql('select encrypted_password from auth.users where email = $1', [
    email,
  ]);
  assert.match(stored, /^\$2[ab]\$10\$/);
});

test('guessing ends after thirty wrong passwords or codes', async () => {
  const { email } = await newUser({ direct: true });
  const guess = (n) => ask('POST', '/verify', { json: { email, type: 'recovery', token: `${100_000 + n}` } });
  const answers = await Promise.all(Array.from({ length: 32 }, (_, n) => guess(n)));
  const codes = answers.map(({ body }) => body.code);
  assert.deepEqual(
    [
      codes.filter((code) => code === 'otp_expired').length,
      codes.filter((code) => code === 'over_request_rate_limit').length,
    ],
    [30, 2],
  );
  for (let n = 0; n < 30; n++) await signInAs(email, 'x');
  assert.deepEqual(
    failed(await signInAs(email, PASSWORD)),
    [429, 'over_request_rate_limit'],
    'the right one waits, too',
  );
  assert.equal((await signInAs((await newUser({ direct: true })).email, PASSWORD)).status, 200, 'others do not');
});

test('nobody uses what is another’s', async () => {
  const [ada, eve] = [await newUser({ direct: true }), await newUser({ direct: true })];
  const answer = await ask('POST', '/token?grant_type=refresh_token', {
    json: { refresh_token: eve.session.refresh_token },
    token: ada.session.access_token,
  });
  assert.equal(answer.body.user.id, eve.user.id, 'a refresh token is its own user’s, whoever sends it');
  for (const none of ['', 'x', "' or true --", ada.user.id, `${ada.session.refresh_token}x`]) {
    assert.equal((await refreshWith(none)).status, 400);
  }
  const claims = { iss: stack.issuer.issuer, aud: 'authenticated', sub: ada.user.id, role: 'authenticated' };
  const forged = new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 }).setProtectedHeader({
    alg: 'HS256',
    kid: stack.keys.issuer.kid,
  });
  const otherSession = { session_id: decodeJwt(eve.session.access_token).session_id };
  const bearers = {
    [await forged.sign(Buffer.from(stack.keys.edge_signing_key, 'base64url'))]: 'bad_jwt',
    [`${Buffer.from('{"alg":"none"}').toString('base64url')}.${ada.session.access_token.split('.')[1]}.`]: 'bad_jwt',
    [await sign(stack.keys, { issuer: 'http://other', sub: ada.user.id })]: 'bad_jwt',
    [await sign(stack.keys, { issuer: stack.issuer.issuer, role: 'service_role' })]: 'bad_jwt',
    [await sign(stack.keys, { issuer: stack.issuer.issuer, sub: randomUUID() })]: 'user_not_found',
    [await sign(stack.keys, { issuer: stack.issuer.issuer, sub: ada.user.id, claims: otherSession })]:
      'session_not_found',
    [await sign(stack.keys, { issuer: stack.issuer.issuer, sub: ada.user.id, claims: { session_id: 7 } })]:
      'session_not_found',
  };
  for (const [token, code] of Object.entries(bearers)) {
    assert.deepEqual(failed(await ask('GET', '/user', { token })), [403, code]);
  }
  assert.deepEqual(failed(await ask('GET', '/user')), [401, 'no_authorization']);

  const raised = await ask('PUT', '/user', {
    json: { app_metadata: { role: 'admin' } },
    token: ada.session.access_token,
  });
  assert.deepEqual(failed(raised), [403, 'not_admin']);
  const asAdmin = {
    email: freshEmail(),
    password: PASSWORD,
    app_metadata: { role: 'admin' },
    role: 'service_role',
    id: ada.user.id,
  };
  const { body } = await ask('POST', '/signup', { json: asAdmin });
  assert.deepEqual([body.user.app_metadata.role, body.user.role], [undefined, 'authenticated']);
  assert.notEqual(body.user.id, ada.user.id);
});

test('a connection that PostgreSQL ends amid a transaction fails that transaction, and nothing else', async () => {
  const store = new Store(stack.databaseUrl);
  try {
    const cut = store.transaction(async (query) => {
      const [{ pid }] = await query('select pg_backend_pid() as pid');
      await sql('select pg_terminate_backend($1, 5000)', [pid]);
      // What PostgreSQL says arrives while nothing is asked, as in between two statements.
      await new Promise((resolve) => setTimeout(resolve, 100));
      await query('select 1');
    });
    await assert.rejects(cut);
    assert.deepEqual(await store.transaction((query) => query('select 1 as one')), [{ one: 1 }]);
  } finally {
    await store.close();
  }
});

test('no role of requests reads the tables', async () => {
  const tables = await sql(
    `select oid::regclass::text as name from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r'`,
  );
  assert.deepEqual(tables.map(({ name }) => name).sort(), [
    'auth.mfa_amr_claims',
    'auth.refresh_tokens',
    'auth.sessions',
    'auth.users',
  ]);
  for (const role of ['anon', 'authenticated', 'service_role', 'authenticator', 'edge']) {
    for (const { name } of tables) {
      await sql(`set role ${role}`);
      await assert.rejects(sql(`select from ${name}`), { code: '42501' }, `${role} reads ${name}`);
      await sql('reset role');
    }
  }
  const answer = await fetch(`${edge}/rest/v1/users`, {
    headers: {
      'accept-profile': 'auth',
      authorization: `Bearer ${(await newUser({ direct: true })).session.access_token}`,
    },
  });
  assert.notEqual(answer.status, 200);
});

/** A request whose Host is another than its address. */
const asHost = (host, path) =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(accounts);
    const request = httpRequest({ hostname, port, path, headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.once('error', reject).end();
  });

test('other hosts and other addresses are not served', async () => {
  const { port } = new URL(accounts);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    `127.0.0.1.evil.example:${port}`,
    `x@127.0.0.1:${port}`,
  ]) {
    for (const path of ['/auth/v1/settings', '/.well-known/jwks.json'])
      assert.equal(await asHost(host, path), 421, host);
  }
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`]) {
    assert.equal(await asHost(host, '/auth/v1/settings'), 200);
  }
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.0.0.1.evil.example']) {
    await assert.rejects(
      serve(stack.keys, { port: await freePort(), host }),
      /for development: they listen on 127\.0\.0\.1/,
    );
  }
  assert.ok(said.some((line) => line.startsWith('accounts for development only, at http://127.0.0.1:')));
});

test('what a page of another site can send, and what is no request of a client’s, changes nothing', async () => {
  const { session } = await newUser({ direct: true });
  const email = freshEmail();
  const text = JSON.stringify({ email, password: PASSWORD });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/plain; application/json']) {
    const answer = await ask('POST', '/signup', { body: text, headers: { ...API, 'content-type': type } });
    assert.deepEqual(failed(answer), [415, 'bad_json'], type);
  }
  const headers = { ...API, 'content-type': 'application/json' };
  const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
  const bodies = {
    '': 'bad_json',
    null: 'bad_json',
    '[]': 'bad_json',
    '{"email":1}': 'bad_json',
    [`{"email":"${email}","password":"${PASSWORD}","data":[]}`]: 'bad_json',
    [`{"email":"${email}","password":"${PASSWORD}","data":{"x":"\\u0000"}}`]: 'validation_failed',
    [`{"email":"${email}","password":"${PASSWORD}","data":{"\\ud800":1}}`]: 'validation_failed',
    [`{"email":"${email}","password":"${PASSWORD}","data":${deep}}`]: 'validation_failed',
    [`{"email":"${email}","password":"${PASSWORD}","data":{"x":"${'x'.repeat(70_000)}"}}`]: 'validation_failed',
    [`{"__proto__":{"email":"${email}","password":"${PASSWORD}"}}`]: 'anonymous_provider_disabled',
    '{}': 'anonymous_provider_disabled',
    [`{"phone":"+12025550100","password":"${PASSWORD}"}`]: 'phone_provider_disabled',
    [`{"email":"${email}"}`]: 'validation_failed',
    [`{"email":"${email}","password":"12345"}`]: 'weak_password',
  };
  for (const [body, code] of Object.entries(bodies)) {
    assert.equal((await ask('POST', '/signup', { body, headers })).body.code, code, body.slice(0, 80));
  }
  assert.deepEqual(await sql('select from auth.users where email = $1', [email]), []);
  for (const type of ['', 'x', 'toString', 'pkce']) {
    const answer = await ask('POST', `/token?grant_type=${type}`, { json: { email, password: PASSWORD } });
    assert.deepEqual(failed(answer), [400, 'invalid_credentials']);
  }
  for (const type of ['x', 'toString', 'sms']) {
    const answer = await ask('POST', '/verify', { json: { type, email, token: '000000' } });
    assert.deepEqual(failed(answer), [400, 'validation_failed']);
  }
  for (const path of ['/admin/users', '/toString', '/signup/', '/otp']) {
    assert.deepEqual(failed(await ask('POST', path, { json: {}, token: session.access_token })), [404, 'not_found']);
  }
  const old = await ask('POST', '/token?grant_type=password', { json: { email, password: 'x' }, headers: {} });
  assert.deepEqual(
    [old.status, old.body],
    [400, { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' }],
  );
});

test('the tables come back after `npm run db:reset`, with the triggers', async () => {
  await sql('drop table auth.users, auth.sessions, auth.mfa_amr_claims, auth.refresh_tokens cascade');
  const { user } = await newUser({ direct: true });
  assert.equal((await sql('select from sample.user_profiles where id = $1', [user.id])).length, 1);
});

test('a database whose accounts are another’s, or that is elsewhere, gets none', async () => {
  await sql('create database another');
  const url = new URL(stack.databaseUrl);
  url.pathname = '/another';
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  await client.query('create schema auth; create table auth.users (id uuid)');
  const lines = [];
  const start = (databaseUrl) =>
    startAccounts({
      made: stack.keys,
      issuer: stack.issuer.issuer,
      databaseUrl,
      origins: [],
      say: (line) => lines.push(line),
    });
  assert.equal(await start(url.toString()), undefined);
  assert.equal(await start('postgres://postgres@db.example.org/postgres'), undefined);
  assert.deepEqual(lines, [
    'no local accounts in this database: it has the accounts of another system in auth.users, which serves them',
    'no local accounts in this database: it is not on this machine',
  ]);
  const { rows } = await client.query(
    `select relname from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r'`,
  );
  assert.deepEqual(rows, [{ relname: 'users' }]);
  await client.end();
});
