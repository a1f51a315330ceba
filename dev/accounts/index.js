// DEV-ONLY: accounts for `npm run dev`, so that `supabase.auth` signs up, in and out with e-mail and password. It answers the part of
// Supabase Auth's API that supabase-js uses for that (docs/accounts.md), under /auth/v1 of the local issuer, as the published sources of
// supabase/auth do. In production `AUTH_URL` names Supabase Auth.
import { ENDPOINTS } from './endpoints.js';
import { AccountError, answerOf } from './errors.js';
import { bodyOf } from './input.js';
import { Limits } from './limits.js';
import { prepare } from './passwords.js';
import { Store } from './store.js';

/** Where they are, below the issuer's address. */
export const PREFIX = '/auth/v1';

const unknown = () =>
  new AccountError(
    404,
    'not_found',
    `The accounts of npm run dev have ${Object.keys(ENDPOINTS).join(', ')}. For more, such as other providers, use Supabase Auth.`,
  );

const respond = (response, { status, headers = {}, location, body }) => {
  response.writeHead(status, {
    'cache-control': 'no-store',
    // The rest of a body that is too long is not waited for.
    ...(status === 413 && { connection: 'close' }),
    ...headers,
    ...(location && { location }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  });
  response.end(body && JSON.stringify(body));
};

const run = async (context, request, url) => {
  const name = `${request.method} ${url.pathname.slice(PREFIX.length)}`;
  if (!Object.hasOwn(ENDPOINTS, name)) throw unknown();
  const endpoint = ENDPOINTS[name];
  const body = endpoint.body ? await bodyOf(request) : undefined;
  return endpoint.run(context, { body, headers: request.headers, query: url.searchParams });
};

/**
 * Makes the tables and gives what answers requests; nothing, having said why, where the database is no place for them.
 * @param {{made: object, issuer: string, databaseUrl: string, origins: string[], say: (line: string) => void}} options
 * made: the stack's keys; origins: to which links may lead; say: prints a line to the terminal
 */
export const startAccounts = async ({ made, issuer, databaseUrl, origins, say }) => {
  const store = new Store(databaseUrl);
  const why = await store.prepare().catch(async (error) => {
    await store.close();
    throw error;
  });
  if (why) {
    say(`no local accounts in this database: ${why}`);
    await store.close();
    return undefined;
  }
  await prepare();
  const context = { made, issuer, store, origins, say, limits: new Limits() };
  const answer = async (request, response, url) => {
    try {
      respond(response, await run(context, request, url));
    } catch (error) {
      if (response.destroyed) return;
      const isOurs = error instanceof AccountError;
      // The message may have what somebody wrote: the code says enough.
      if (!isOurs) say(`accounts: ${request.method} ${url.pathname} failed: ${error.code ?? error.name}`);
      const shown = isOurs
        ? error
        : new AccountError(
            500,
            'unexpected_failure',
            'Unexpected failure, please check server logs for more information',
          );
      respond(response, answerOf(shown, request.headers['x-supabase-api-version']));
    }
  };
  say(
    `accounts for development only, at ${issuer}${PREFIX}: every address counts as confirmed, messages are printed here`,
  );
  return { url: `${issuer}${PREFIX}`, answer, close: () => store.close() };
};
