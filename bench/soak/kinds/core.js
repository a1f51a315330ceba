// The core: health, API tokens and the accounts of the local issuer.
import { randomUUID } from 'node:crypto';
import { pick, visitor } from './tools.js';

export const prepare = async () => ({});

const PASSWORD = 'correct horse battery';
/** Accounts that can sign in again. */
const KNOWN = 50;

export const stored = {
  accounts: 'select email from auth.users',
};

export const kinds = ({ key, users, systems: [system] }) => {
  const accounts = [];
  const account = (path, json) => ({
    ...{ method: 'POST', path: `/auth/v1/${path}`, json },
    headers: { apikey: key, ...visitor() },
  });
  return [
    { name: 'GET /healthz', group: 'health', share: 1, run: ({ ask }) => ask({ path: '/healthz' }) },
    { name: 'GET /readyz', group: 'health', share: 1, run: ({ ask }) => ask({ path: '/readyz' }) },
    {
      name: 'API token: made, listed, revoked',
      group: 'API tokens',
      share: 1,
      run: async ({ ask }) => {
        const { token } = pick(users);
        const json = { name: 'soak', systems: [system], access: 'read' };
        const { body } = await ask({ method: 'POST', path: '/v1/tokens', token, json });
        await ask({ path: '/v1/tokens', token });
        await ask({ method: 'DELETE', path: `/v1/tokens/${body.id}`, token });
      },
    },
    {
      name: 'POST /auth/v1/signup',
      group: 'accounts',
      share: 0.4,
      run: async ({ ask, acknowledge }) => {
        const email = `${randomUUID()}@example.org`;
        await ask(account('signup', { email, password: PASSWORD }));
        acknowledge('accounts', email);
        if (accounts.length < KNOWN) accounts.push(email);
      },
    },
    {
      name: 'POST /auth/v1/token',
      group: 'accounts',
      share: 0.4,
      run: async ({ ask }) => {
        if (accounts.length === 0) return;
        await ask(account('token?grant_type=password', { email: pick(accounts), password: PASSWORD }));
      },
    },
  ];
};
