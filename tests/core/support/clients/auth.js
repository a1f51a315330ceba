// What pages do with `supabase.auth`. Each runs in a page, and gives what it saw. `connect` makes a client that keeps its session where
// all tabs of the browser find it.
import { Inbox } from './wait.js';

const good = ({ data, error }) => {
  if (error) throw error;
  return data;
};

/** What a client says of an error. */
const refusal = ({ error }) => [error?.name, error?.status, error?.code];

/** Events of the session, as they come. */
const events = (client) => {
  const seen = new Inbox();
  client.auth.onAuthStateChange((event, session) => seen.add({ event, session }));
  return (name) => seen.first(({ event }) => event === name, `the event ${name}`);
};

/** Changes the session that the browser keeps. */
const change = (fields) => {
  const [name] = Object.keys(localStorage).filter((key) => key.endsWith('-auth-token'));
  localStorage.setItem(name, JSON.stringify({ ...JSON.parse(localStorage.getItem(name)), ...fields }));
};

/** Signs up, adds a row and reads it back, signs out, is refused, signs in again. */
export const wholeWay = async ({ connect, email, password }) => {
  const client = connect();
  const { user, session } = good(await client.auth.signUp({ email, password, options: { data: { name: 'Ada' } } }));
  const row = good(await client.from('projects').insert({ name: 'First' }).select('name, user_id').single());
  const claims = good(await client.auth.getClaims()).claims;
  const asked = good(await client.auth.getUser()).user;
  good(await client.auth.signOut());
  const out = good(await client.auth.getSession()).session;
  const [ended] = refusal(await client.auth.getUser(session.access_token));
  const refused = (await client.from('projects').insert({ name: 'Second' })).error.code;
  const wrong = refusal(await client.auth.signInWithPassword({ email, password: 'wrong horse' }));
  const again = good(await client.auth.signInWithPassword({ email, password }));
  const rows = good(await client.from('projects').select('name'));
  good(await client.auth.signOut());
  return {
    row: [row.name, row.user_id === user.id],
    claims: [claims.sub === user.id, claims.email === email, claims.user_metadata],
    type: session.token_type,
    asked: asked.id === user.id,
    out,
    ended,
    refused,
    wrong,
    again: again.user.id === user.id,
    rows,
  };
};

/** A session that is about to end is renewed in the background. */
export const background = async ({ connect, email, password }) => {
  const client = connect({ autoRefreshToken: true });
  const until = events(client);
  const { session } = good(await client.auth.signInWithPassword({ email, password }));
  change({ expires_at: Math.floor(Date.now() / 1000) + 60 });
  await client.auth.startAutoRefresh();
  const renewed = (await until('TOKEN_REFRESHED')).session;
  await client.auth.stopAutoRefresh();
  const { user } = good(await client.auth.getUser());
  good(await client.auth.signOut({ scope: 'local' }));
  return [renewed.refresh_token !== session.refresh_token, user.id === session.user.id];
};

/** A session whose token has expired is renewed when it is used; `expired` makes such a token. */
export const late = async ({ connect, control, email, password }) => {
  const client = connect();
  const { session } = good(await client.auth.signUp({ email, password }));
  const expired = await control('expired', session.access_token);
  change({ access_token: expired, expires_at: Math.floor(Date.now() / 1000) - 60 });
  const row = good(await client.from('projects').insert({ name: 'Later' }).select('user_id').single());
  const now = good(await client.auth.getSession()).session;
  good(await client.auth.signOut());
  return [row.user_id === session.user.id, now.access_token !== expired, now.refresh_token !== session.refresh_token];
};

/** Errors of the edge itself have a code, too: an unknown key, a token that is none. */
export const refusals = async ({ connect, email, password }) => {
  const strange = connect({ key: 'sb_publishable_aaaaaaaaaaaaaaaa' });
  const unknown = refusal(await strange.auth.signInWithPassword({ email, password }));
  const wrong = refusal(await connect().auth.getUser('x.y.z'));
  return { unknown, wrong };
};

/** In a first tab: signs up, and says when the other one may go on. */
export const signUp = async ({ connect, email, password }) =>
  good(await connect().auth.signUp({ email, password })).user.id;

/** Signs in, and keeps the client for what follows in this page. */
export const signIn = async ({ connect, email, password }) => {
  globalThis.client = connect();
  return good(await globalThis.client.auth.signInWithPassword({ email, password })).user.id;
};

/** Keeps a client and waits for events that another tab causes. */
export const listen = async ({ connect }) => {
  globalThis.client = connect();
  globalThis.until = events(globalThis.client);
  await globalThis.until('INITIAL_SESSION');
};

export const until = async ({ event }) => {
  const { session } = await globalThis.until(event);
  return session?.user.id;
};

export const expire = async () => change({ expires_at: 1 });

/** Who the page's client is: by a question to the service. */
export const who = async () => {
  const { data, error } = await globalThis.client.auth.getUser();
  return error?.name ?? data.user.id;
};

export const changePassword = async ({ password }) => {
  const same = refusal(await globalThis.client.auth.updateUser({ password: 'short' }));
  good(await globalThis.client.auth.updateUser({ password }));
  return same;
};

export const signOut = async () => good(await globalThis.client.auth.signOut({ scope: 'local' }));
