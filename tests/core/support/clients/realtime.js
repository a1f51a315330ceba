// What programs do with `supabase.channel()`. Each runs in Node and in pages, and gives what it saw. `connect` makes a client; `control`
// tells the stand-in of the service what to do.
import { Inbox } from './wait.js';

/** Joins; gives the channel's later states, too. */
const subscribe = async (channel) => {
  const states = new Inbox();
  channel.subscribe((status, error) => states.add({ status, message: error?.message }));
  const { status, message } = await states.first(() => true, `an answer to joining ${channel.topic}`);
  if (status !== 'SUBSCRIBED') throw new Error(`${status}: ${message}`);
  return states;
};

const state =
  (wanted) =>
  ({ status }) =>
    status === wanted;

/** Ends what `connect` has opened. */
const end = (...clients) => Promise.all(clients.map((client) => client.removeAllChannels()));

/** The names that are present, as a client knows them. */
const present = (channel) =>
  Object.entries(channel.presenceState())
    .map(([key, [{ name }]]) => `${key} ${name}`)
    .sort();

/** Somebody in a room: what they hear, and when the list of those who are present changes. */
const enter = async (client, room, key, config = {}) => {
  const heard = new Inbox();
  const seen = new Inbox();
  const channel = client.channel(room, { config: { presence: { key }, ...config } });
  channel
    .on('broadcast', { event: '*' }, ({ event, payload }) => heard.add({ event, payload }))
    .on('presence', { event: 'sync' }, () => seen.add(present(channel)))
    .on('presence', { event: 'leave' }, (left) => seen.add([`${left.key} left`]));
  const states = await subscribe(channel);
  const sees = (names) => seen.first((list) => `${list}` === `${names}`, `${names} to be present`);
  const hears = (name) => heard.first(({ event }) => event === name, `the broadcast ${name}`);
  return { channel, states, sees, hears };
};

/** Two in a room: who is there, messages with and without an echo, bytes, over HTTP, and both versions of the protocol. */
export const conversation = async ({ connect, room }) => {
  const [first, second] = [connect(), connect({ vsn: '1.0.0' })];
  const ada = await enter(first, room, 'ada', { broadcast: { ack: true, self: true } });
  const bob = await enter(second, room, 'bob');
  const tracked = [await ada.channel.track({ name: 'Ada' }), await bob.channel.track({ name: 'Bob' })];
  const together = ['ada Ada', 'bob Bob'];
  await Promise.all([ada.sees(together), bob.sees(together)]);
  const payload = { text: 'ä 😀', list: [1, null] };
  const acknowledged = await ada.channel.send({ type: 'broadcast', event: 'note', payload });
  const [echo, note] = await Promise.all([ada.hears('note'), bob.hears('note')]);
  await bob.channel.send({ type: 'broadcast', event: 'reply', payload: { text: 'good' } });
  const reply = await ada.hears('reply');
  await ada.channel.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([3, 0, 255, 7]).buffer });
  const bytes = [...new Uint8Array((await ada.hears('bytes')).payload)];
  const overHttp = await bob.channel.httpSend('letter', payload);
  const letters = [(await ada.hears('letter')).payload, (await bob.hears('letter')).payload];
  await bob.channel.untrack();
  await ada.sees(['bob left']);
  await ada.sees(['ada Ada']);
  const left = await second.removeChannel(bob.channel);
  await end(first, second);
  return { tracked, acknowledged, echo, note, reply, bytes, overHttp, letters, left };
};

/** Changes of rows: those that were asked for, by table, verb and filter. */
export const changes = async ({ connect, control, room }) => {
  const client = connect();
  const [inserts, all, system] = [new Inbox(), new Inbox(), new Inbox()];
  const channel = client.channel(room);
  const table = { schema: 'sample', table: 'projects' };
  channel
    .on('postgres_changes', { event: 'INSERT', ...table, filter: 'name=eq.First' }, inserts.add)
    .on('postgres_changes', { event: '*', schema: 'sample' }, all.add)
    .on('system', {}, system.add);
  await subscribe(channel);
  const { status, message, extension } = await system.first(() => true, 'the word of the service');
  const columns = [
    { name: 'name', type: 'text' },
    { name: 'position', type: 'int4' },
  ];
  const row = (name) => ({ ...table, columns, record: { name, position: '1' } });
  await control('change', { type: 'INSERT', ...row('Other') });
  await control('change', { type: 'INSERT', ...row('First') });
  await control('change', { type: 'UPDATE', ...row('First'), old_record: { name: 'Before' } });
  await control('change', { type: 'INSERT', ...row('First'), schema: 'other' });
  await control('change', { type: 'DELETE', ...table, columns, old_record: { name: 'First' } });
  const last = await all.first(({ eventType }) => eventType === 'DELETE', 'the deletion');
  await end(client);
  const shown = ({ eventType, table: of, new: fresh, old }) => [eventType, of, fresh, old];
  return {
    said: [extension, status, message],
    inserts: inserts.items.map(shown),
    kinds: all.items.map(({ eventType, new: fresh }) => [eventType, fresh.name]),
    last: shown(last),
  };
};

/** Waits until a client has joined a number of times. */
const joined = ({ states }, count) => {
  const times = (at) => states.items.slice(0, at + 1).filter(state('SUBSCRIBED')).length;
  return states.first((_, at) => times(at) === count, `to join ${count} times`);
};

/** A connection that breaks, and a channel that fails: the client joins again and hears what comes then. What it sends meanwhile arrives. */
export const cut = async ({ connect, control, room }) => {
  const [first, second] = [connect(), connect()];
  const ada = await enter(first, room, 'ada');
  const bob = await enter(second, room, 'bob');
  await ada.channel.track({ name: 'Ada' });
  await bob.sees(['ada Ada']);
  await control('cut', room, 'ada');
  await bob.sees(['ada left']);
  await ada.states.first(state('CHANNEL_ERROR'), 'the break');
  const meanwhile = await ada.channel.send({ type: 'broadcast', event: 'meanwhile', payload: {} });
  await bob.hears('meanwhile');
  await joined(ada, 2);
  await bob.channel.send({ type: 'broadcast', event: 'welcome', payload: { n: 1 } });
  const welcome = await ada.hears('welcome');
  await control('crash', room);
  await Promise.all([joined(ada, 3), joined(bob, 2)]);
  await bob.channel.send({ type: 'broadcast', event: 'after', payload: {} });
  await ada.hears('after');
  await end(first, second);
  return { meanwhile, welcome };
};

/** Heartbeats: the client sends them, hears the replies, and opens another connection when none comes. */
export const heartbeats = async ({ connect, control, room }) => {
  const beats = new Inbox();
  const client = connect({ heartbeatIntervalMs: 250, heartbeatCallback: beats.add });
  const ada = await enter(client, room, 'ada');
  await beats.first((beat) => beat === 'ok', 'a reply to a heartbeat');
  await control('silence', room);
  await beats.first((beat) => beat === 'timeout', 'a heartbeat without a reply');
  await joined(ada, 2);
  const alive = await ada.channel.track({ name: 'Ada' });
  await end(client);
  return alive;
};

/** Tokens: that of the join, a new one, and one that has expired. */
export const tokens = async ({ connect, control, room, good, renewed, expired }) => {
  let current = good;
  const client = connect({ accessToken: async () => current });
  const renew = (token) => {
    current = token;
    return client.realtime.setAuth();
  };
  await renew(good);
  const system = new Inbox();
  const channel = client.channel(room).on('system', {}, system.add);
  const states = await subscribe(channel);
  const atJoin = await control('tokens', room);
  await renew(renewed);
  // A reply comes after what was sent before it.
  await channel.track({});
  const later = await control('tokens', room);
  await renew(expired);
  const { message } = await system.first(({ status }) => status === 'error', 'the refusal');
  await states.first(state('CLOSED'), 'the end of the channel');
  await end(client);
  return { atJoin, later, message };
};

/** A join that is refused: what the client says of it. */
export const refused = async ({ connect, room, token }) => {
  const client = connect({ accessToken: async () => token });
  await client.realtime.setAuth();
  const states = new Inbox();
  client.channel(room).subscribe((status, error) => states.add({ status, message: error?.message }));
  const answer = await states.first(() => true, 'a refusal');
  await end(client);
  return answer;
};
