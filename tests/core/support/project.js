// A Supabase project for the tests of its clients: that of SUPABASE_URL in the environment, or small servers in the places of its
// services, at one address behind one key (docs/services.md, "Tests on a project of your own").
import { createServer } from 'node:http';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

const KEY = 'sb_publishable_0123456789abcdef';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY } = process.env;

/** Whether the tests ask a project of Supabase itself. */
export const isReal = Boolean(SUPABASE_URL);

/** Options of a test that tells the service what to do, which only a stand-in can be told. */
export const needsStandIn = { skip: isReal && 'a project of Supabase cannot be told to do that' };

/** Options of a test that needs a variable where the project is Supabase's own. */
export const needsVariable = (name) => ({ skip: isReal && !process.env[name] && `${name} is not set` });

const bodyOf = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** Starts stand-ins of services by name, such as `{ realtime: realtime() }`. `received` has the heads of what came. */
const standIn = async (services) => {
  const received = [];
  /** The service of a request and the rest of its path; none without the key that the gateway wants: https://supabase.com/docs/guides/api/api-keys. */
  const find = (request) => {
    const { pathname, searchParams } = new URL(request.url, 'http://project');
    const [, name, path] = /^\/(\w+)\/v1(\/.*)$/.exec(pathname) ?? [];
    const head = { method: request.method, url: request.url, headers: request.headers };
    received.push(head);
    const isKnown = (request.headers.apikey ?? searchParams.get('apikey')) === KEY;
    return { service: services[name], path, isKnown, head };
  };
  const server = createServer(async (request, response) => {
    const { service, path, isKnown, head } = find(request);
    response.on('close', () => {
      head.isAnswered = response.writableFinished;
      head.isGone = true;
    });
    if (!service) return response.writeHead(404).end();
    if (!isKnown && !service.isPublic?.(request, path)) {
      return response
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"message":"No API key found in request"}');
    }
    try {
      await service.answer(request, response, path, bodyOf, head);
    } catch (error) {
      head.fault = error;
      response.destroy();
    }
  });
  server.on('upgrade', (request, socket, head) => {
    const { service, isKnown } = find(request);
    if (isKnown && service?.opened) service.opened(request, socket, head);
    else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    key: KEY,
    received,
    ...services,
    stop: async () => {
      for (const { sockets } of Object.values(services)) for (const each of sockets?.clients ?? []) each.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/** The project, and the variables of an edge in front of it. */
export const startProject = async (services) => {
  const project = isReal
    ? { url: SUPABASE_URL, key: SUPABASE_PUBLISHABLE_KEY, received: [], stop: async () => {} }
    : await standIn(services);
  return {
    ...project,
    variables: {
      SUPABASE_URL: project.url,
      SUPABASE_PUBLISHABLE_KEY: project.key,
      // A project of Supabase has its own; a stand-in has none.
      ...(isReal && { POSTGREST_URL: '', ISSUERS: '' }),
    },
  };
};

/** A WebSocket as pages of an origin open it. */
const socketOf = (origin) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { origin });
    }
  };

/** What makes clients of an edge in Node: those of a page of an origin, or without one of a server. */
export const clients =
  (url, key, origin) =>
  ({ accessToken, ...realtime } = {}) =>
    createClient(url, key, {
      auth: { persistSession: false, autoRefreshToken: false },
      realtime: { transport: origin ? socketOf(origin) : WebSocket, ...realtime },
      ...(origin && { global: { headers: { origin } } }),
      ...(accessToken && { accessToken }),
    });
