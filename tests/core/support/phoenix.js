// A small server in the place of Supabase Realtime: Phoenix channels over WebSockets, and broadcasts over HTTP. Each answer follows
// https://supabase.com/docs/guides/realtime/protocol, which comments call the protocol, or, where that says nothing, the sources of
// the server at https://github.com/supabase/realtime, of which comments name the file. It checks of a token what it says of itself, not
// its signature, and knows no database: tests say what has changed.
import { randomUUID } from 'node:crypto';
import { WebSocketServer } from 'ws';

/** Kinds of binary frames and of their payloads (the protocol, "Binary frames"). */
const USER_BROADCAST_PUSH = 3;
const USER_BROADCAST = 4;
const JSON_ENCODING = 1;

const PREFIX = 'realtime:';

const claimsOf = (token) => {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  } catch {
    return undefined;
  }
};

/** What is wrong with a token, as a code and a sentence (the protocol, "Join errors"); keys of a project are none. */
const faultOf = (token) => {
  if (typeof token !== 'string' || token.startsWith('sb_')) return undefined;
  const claims = claimsOf(token);
  if (!claims) return ['MalformedJWT', 'The token provided is not a valid JWT'];
  if (!claims.role || !Number.isInteger(claims.exp)) {
    return ['InvalidJWTToken', 'Fields `role` and `exp` are required in JWT'];
  }
  const late = Math.floor(Date.now() / 1000) - claims.exp;
  return late > 0 ? ['InvalidJWTExpiration', `Token has expired ${late} seconds ago`] : undefined;
};

/** Reads a push of a broadcast (the protocol, "User Broadcast Push"). */
const readPush = (frame) => {
  if (frame[0] !== USER_BROADCAST_PUSH) throw new Error(`no push: a frame of kind ${frame[0]}`);
  const [joinRef, ref, topic, event, metadata] = frame.subarray(1, 6);
  const encoding = frame[6];
  let at = 7;
  const next = (size) => {
    at += size;
    return frame.subarray(at - size, at);
  };
  const text = (size) => next(size).toString();
  const fields = { join_ref: text(joinRef), ref: text(ref), topic: text(topic), userEvent: text(event) };
  next(metadata);
  return { ...fields, event: 'broadcast', encoding, bytes: next(frame.length) };
};

/** A broadcast as a frame (the protocol, "User Broadcast"). */
const broadcastFrame = (topic, { userEvent, encoding, bytes }) => {
  const [name, event] = [topic, userEvent].map((text) => Buffer.from(text));
  return Buffer.concat([Buffer.from([USER_BROADCAST, name.length, event.length, 0, encoding]), name, event, bytes]);
};

/** Whether a change is one that was asked for (the protocol, "phx_join"). */
const wants = ({ event, schema, table, filter }, change) => {
  const is = (asked, found) => asked === undefined || asked === '*' || asked === found;
  if (!is(event, change.type) || !is(schema, change.schema) || !is(table, change.table)) return false;
  if (!filter) return true;
  const [, column, value] = /^(\w+)=eq\.(.*)$/.exec(filter);
  return String((change.record ?? change.old_record)[column]) === value;
};

/** A channel that a client has joined. */
class Member {
  constructor(client, joinRef, topic, config, token) {
    Object.assign(this, { client, joinRef, topic, token });
    const { broadcast = {}, presence = {}, postgres_changes: changes } = config;
    this.acknowledges = broadcast.ack === true;
    this.hearsItself = broadcast.self === true;
    this.presenceEnabled = presence.enabled === true;
    // "If not specified or empty, a UUID will be generated and used."
    this.key = presence.key || randomUUID();
    this.changes = changes;
  }

  /** Sends an event of the channel; `ref` is that of the message that it answers. */
  send(event, payload, ref = null) {
    this.client.send({ join_ref: this.joinRef, ref, topic: this.topic, event, payload });
  }

  reply(ref, status, response = {}) {
    this.send('phx_reply', { status, response }, ref);
  }

  system(extension, status, message) {
    this.send('system', { extension, status, message, channel: this.topic.slice(PREFIX.length) });
  }
}

/** One WebSocket. Version 1.0.0 has objects, and 2.0.0 arrays and binary frames (the protocol, "Protocol messages"). */
class Client {
  constructor(socket, query) {
    this.socket = socket;
    this.key = query.get('apikey');
    this.isFirstVersion = (query.get('vsn') ?? '1.0.0') === '1.0.0';
  }

  read(data, isBinary) {
    if (isBinary) return readPush(data);
    const message = JSON.parse(data);
    if (this.isFirstVersion) return message;
    const [joinRef, ref, topic, event, payload] = message;
    return { join_ref: joinRef, ref, topic, event, payload };
  }

  send({ join_ref: joinRef, ref, topic, event, payload }) {
    const fields = this.isFirstVersion
      ? { topic, event, payload, ref, join_ref: joinRef }
      : [joinRef, ref, topic, event, payload];
    this.socket.send(JSON.stringify(fields));
  }
}

/** The service: `opened` takes the server's upgrades, `answer` its requests; the rest is for tests. */
export const realtime = () => {
  const members = new Set();
  const sockets = new WebSocketServer({ noServer: true });
  let lastRef = 0;
  let lastId = 100_000_000;
  const newId = () => {
    lastId += 1;
    return lastId;
  };

  const inTopic = (topic) => [...members].filter((member) => member.topic === topic);
  const grouped = (list) => Object.fromEntries(list.map(({ key, meta }) => [key, { metas: [meta] }]));
  const shared = (topic, event, payload) => {
    for (const { client } of inTopic(topic)) client.send({ join_ref: null, ref: null, topic, event, payload });
  };

  /** Tells a topic who has come and gone (the protocol, "presence_diff"). */
  const differs = (topic, joins, leaves) => {
    if (joins.length + leaves.length > 0) {
      shared(topic, 'presence_diff', { joins: grouped(joins), leaves: grouped(leaves) });
    }
  };

  /** "After joining, the server sends a presence_state message." */
  const syncPresence = (member) => {
    member.presenceEnabled = true;
    member.send('presence_state', grouped(inTopic(member.topic).filter(({ meta }) => meta)));
  };

  const leave = (member) => {
    members.delete(member);
    if (member.meta) differs(member.topic, [], [member]);
  };

  /** Phoenix sends it whenever a channel ends: "Message from server to signal channel closed". */
  const close = (member) => {
    member.send('phx_close', {}, member.joinRef);
    leave(member);
  };

  const join = (client, { join_ref: joinRef, ref, topic, payload }) => {
    const refused = (reason) =>
      client.send({
        join_ref: joinRef,
        ref,
        topic,
        event: 'phx_reply',
        payload: { status: 'error', response: { reason } },
      });
    if (topic === PREFIX) return refused('TopicNameRequired: You must provide a topic name');
    // `assign_access_token` of realtime_channel.ex: `user_token` is the older name; a key of the project says nothing; without a token
    // the key of the WebSocket counts.
    const { access_token: accessToken, user_token: userToken, config = {} } = payload;
    const isKey = `${accessToken ?? userToken ?? ''}`.startsWith('sb_');
    const token = isKey ? client.key : (userToken ?? accessToken ?? client.key);
    const fault = faultOf(token);
    if (fault) return refused(fault.join(': '));
    // Phoenix ends the channel that the client has joined before.
    for (const before of inTopic(topic)) if (before.client === client) close(before);
    const changes = (config.postgres_changes ?? []).map((asked) => ({ ...asked, id: newId() }));
    const member = new Member(client, joinRef, topic, { ...config, postgres_changes: changes }, token);
    members.add(member);
    member.reply(ref, 'ok', { postgres_changes: changes });
    if (member.presenceEnabled) syncPresence(member);
    if (changes.length > 0) member.system('postgres_changes', 'ok', 'Subscribed to PostgreSQL');
  };

  /** To the topic, without the sender unless it has asked for that: `send_message` of broadcast_handler.ex. */
  const broadcast = (topic, message, sender) => {
    for (const member of inTopic(topic)) {
      if (member === sender && !sender.hearsItself) continue;
      if (message.bytes && !member.client.isFirstVersion) {
        member.client.socket.send(broadcastFrame(topic, message));
      } else if (!message.bytes || message.encoding === JSON_ENCODING) {
        const payload = message.payload ?? {
          type: 'broadcast',
          event: message.userEvent,
          payload: JSON.parse(message.bytes),
        };
        member.client.send({ join_ref: null, ref: null, topic, event: 'broadcast', payload });
      }
    }
  };

  /** `track` and `untrack` of presence_handler.ex; what was tracked before becomes `phx_ref_prev`, as in Phoenix.Presence. */
  const track = (member, { event, payload }) => {
    const before = member.meta && { key: member.key, meta: member.meta };
    if (event.toLowerCase() === 'untrack') member.meta = undefined;
    else {
      lastRef += 1;
      const previous = before && { phx_ref_prev: before.meta.phx_ref };
      member.meta = { ...payload, phx_ref: `F${lastRef}`, ...previous };
    }
    differs(member.topic, member.meta ? [member] : [], before ? [before] : []);
  };

  const events = {
    broadcast: (member, message) => {
      broadcast(member.topic, message, member);
      if (member.acknowledges) member.reply(message.ref, 'ok');
    },
    presence: (member, { ref, payload }) => {
      if (payload.event.toLowerCase() === 'track' && Object(payload.payload) !== payload.payload) {
        return member.reply(ref, 'error', { reason: 'Presence track payload must be a map' });
      }
      track(member, payload);
      member.reply(ref, 'ok');
      // "It never got the join-time presence_state": `maybe_sync_presence` of realtime_channel.ex.
      if (!member.presenceEnabled) syncPresence(member);
    },
    // "There is no reply on success. On failure, the server emits a system error and closes the channel. Tokens with the sb_* prefix
    // are silently ignored."
    access_token: (member, { payload: { access_token: token } }) => {
      if (token === null || token.startsWith('sb_')) return;
      const fault = faultOf(token);
      member.token = token;
      if (!fault) return;
      member.system('system', 'error', fault[1]);
      close(member);
    },
    phx_leave: (member, { ref }) => {
      member.reply(ref, 'ok');
      close(member);
    },
  };

  const heard = (client, message) => {
    const { topic, event, ref, join_ref: joinRef } = message;
    const answer = (status, response) =>
      client.send({ join_ref: joinRef ?? null, ref, topic, event: 'phx_reply', payload: { status, response } });
    // "For heartbeat, the topic phoenix is used."
    if (topic === 'phoenix' && event === 'heartbeat') return client.isSilent ? undefined : answer('ok', {});
    if (!topic.startsWith(PREFIX)) return answer('error', { reason: 'unmatched topic' });
    if (event === 'phx_join') return join(client, message);
    const member = inTopic(topic).find((each) => each.client === client);
    // Phoenix.Socket, to a channel that is not joined.
    if (!member) return answer('error', { reason: 'unmatched topic' });
    // Others are logged and not answered: the last clause of `handle_in` in realtime_channel.ex.
    events[event]?.(member, message);
  };

  sockets.on('connection', (socket, request) => {
    const client = new Client(socket, new URL(request.url, 'http://realtime').searchParams);
    socket.on('message', (data, isBinary) => heard(client, client.read(data, isBinary)));
    socket.on('close', () => {
      for (const member of members) if (member.client === client) leave(member);
    });
  });

  return {
    sockets,
    opened: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (each) => sockets.emit('connection', each, request)),
    /** `POST /api/broadcast` (broadcast_controller.ex) and `/api/broadcast/<topic>/events/<event>` (broadcast_single_controller.ex): 202. */
    answer: async (request, response, path, read) => {
      const [, , , topic, , event] = path.split('/').map(decodeURIComponent);
      const body = await read(request);
      if (topic) {
        const encoding = request.headers['content-type'] === 'application/octet-stream' ? 0 : JSON_ENCODING;
        broadcast(PREFIX + topic, { userEvent: event, encoding, bytes: body });
      } else {
        for (const { topic: name, event: said, payload } of JSON.parse(body).messages) {
          broadcast(PREFIX + name, { payload: { type: 'broadcast', event: said, payload } });
        }
      }
      response.writeHead(202).end();
    },
    /** A row has changed: sent to those who asked for it, with the ids of what they asked (the protocol, "postgres_changes"). */
    change: (change) => {
      const data = { commit_timestamp: new Date().toISOString(), errors: null, ...change };
      for (const member of members) {
        const ids = member.changes.filter((asked) => wants(asked, change)).map(({ id }) => id);
        if (ids.length > 0)
          member.client.send({
            join_ref: null,
            ref: null,
            topic: member.topic,
            event: 'postgres_changes',
            payload: { ids, data },
          });
      }
    },
    /** "phx_error: sent by the server when the channel process terminates unexpectedly. Payload will be an empty object." */
    crash: (room) => {
      for (const member of inTopic(PREFIX + room)) {
        member.send('phx_error', {}, member.joinRef);
        leave(member);
      }
    },
    /** Cuts the connections of a room, or of one who is present there, without a closing message. */
    cut: (room, key) => {
      for (const member of inTopic(PREFIX + room)) {
        if (!key || member.key === key) member.client.socket.terminate();
      }
    },
    /** Leaves heartbeats of those in a room without a reply, as a connection does that is dead and not closed. */
    silence: (room) => {
      for (const { client } of inTopic(PREFIX + room)) client.isSilent = true;
    },
    /** The tokens in use in a room. */
    tokens: (room) => inTopic(PREFIX + room).map(({ token }) => token),
  };
};
