// A small server in the place of Supabase Edge Functions, with functions for the tests. Their headers and errors are those that
// https://supabase.com/docs/guides/functions/error-handling and the client's sources (functions-js, `FunctionsClient.ts`) document.

/** The service: `answer` takes its requests; the rest is for tests. */
export const functions = () => {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const named = {
    echo: (request, response, body) => {
      const text = `${body}`;
      const said = { method: request.method, url: request.url, headers: request.headers, body: text };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
    },
    text: (_, response, body) => {
      const headers = { 'content-type': 'text/plain', 'x-mine': 'yours', 'set-cookie': 'a=b' };
      response.writeHead(200, headers).end(`heard ${body}`);
    },
    bytes: (_, response, body) => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(body),
    /** Sends the second event once the test has seen the first. */
    events: async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      await held;
      response.end('data: 2\n\n');
    },
    // "FunctionsHttpError: thrown when the function returns an error."
    fails: (_, response) => response.writeHead(422, { 'content-type': 'application/json' }).end('{"mine":true}'),
    breaks: (_, response) => response.writeHead(503, { 'content-type': 'text/plain' }).end('mine, too'),
    // "FunctionsRelayError: a network error between the relay and the function"; the client knows it by the header.
    relay: (_, response) => response.writeHead(502, { 'x-relay-error': 'true' }).end('the relay says no'),
  };
  return {
    release,
    // A function's platform asks for a token by its own settings: https://supabase.com/docs/guides/functions/auth
    isPublic: () => true,
    answer: async (request, response, path, read) => {
      const body = await read(request);
      const call = named[path.split('/')[1]];
      if (call) return call(request, response, body);
      response
        .writeHead(404, { 'content-type': 'application/json' })
        .end('{"code":"NOT_FOUND","message":"Requested function was not found"}');
    },
  };
};
