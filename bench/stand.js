// An edge with every variable that its systems take, and a provider of language models in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { AUDIENCE } from '../dev/issuer.js';
import { freePort } from '../dev/process.js';
import { workerd } from '../dev/workerd.js';

/** The secret by which events of Stripe's are signed. */
export const STRIPE = 'whsec_bench';

const variables = (stack, providers) => {
  const { keys, issuer, postgrestUrl, accounts } = stack;
  const nowhere = 'http://127.0.0.1:9';
  const roles = ['anon', 'authenticated', 'service_role'];
  return {
    POSTGREST_URL: postgrestUrl,
    EDGE_SIGNING_KEY: keys.edge_signing_key,
    ISSUERS: JSON.stringify([{ issuer: issuer.issuer, audience: AUDIENCE, jwks_url: issuer.jwksUrl, roles }]),
    PUBLISHABLE_KEYS: keys.publishable_key,
    ...(accounts && { AUTH_URL: accounts.url }),
    KEK_1: keys.kek_1,
    FINGERPRINT_KEY: keys.fingerprint_key,
    N8N_URL: nowhere,
    N8N_API_KEY: 'nobody answers there',
    STRIPE_WEBHOOK_SECRET: STRIPE,
    STRIPE_API_KEY: 'sk_test_nobody',
    STRIPE_URL: nowhere,
    BILLING_RETURN_URL: `${nowhere}/billing`,
    LLM_PROVIDER_URLS: providers.join(','),
    WHATSAPP_APP_SECRET: keys.whatsapp_app_secret,
    WHATSAPP_VERIFY_TOKEN: keys.whatsapp_verify_token,
  };
};

/**
 * Calls the body with the edge, as {part, url}; edge and provider are stopped afterwards.
 * @param {{data: string, stack: object, name?: string, more?: Record<string, string>, providers?: string[], inspector?: number, say: Function}} system stack: of
 * startStack, `behind the edge`; name: of the edge, in its log's name; more: further variables; providers: of language models, further entries
 * of LLM_PROVIDER_URLS; inspector: as workerd takes it
 */
export const withStand = async ({ data, stack, name = 'edge', more = {}, providers = [], inspector, say }, body) => {
  const provider = fork(join(import.meta.dirname, 'assistant', 'provider.js'));
  let edge;
  try {
    const [address] = await once(provider, 'message');
    edge = workerd({
      ...{ data, name, port: await freePort(), inspector, logFile: join(data, 'log', `${name}.log`), say },
      variables: { ...variables(stack, [`openai=${address}`, ...providers]), ...more },
    });
    await edge.part.start();
    return await body(edge);
  } finally {
    await edge?.part.stop();
    provider.kill();
  }
};
