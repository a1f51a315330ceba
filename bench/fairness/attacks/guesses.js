// Abusive callers who guess: codes, verify tokens and paths; and those whose leads wait for Turnstile. They send whole requests.
import { randomBytes } from 'node:crypto';

const guess = (bytes) => randomBytes(bytes).toString('base64url');
const from = (last) => ({ 'cf-connecting-ip': `203.0.113.${last}` });

/**
 * @param {object} target of prepare.js
 * @returns {object[]} as of requests.js
 */
export const guesses = ({ edgeUrl: base, guardedUrl, token, key }) => {
  const bearer = { authorization: `Bearer ${token}` };
  const one = (name, connections, statuses, make) => ({
    ...{ name: `${name}, ${connections} at once`, connections, statuses, base, make },
  });
  const post = (path, body, headers) => ({ method: 'POST', path, body, headers });
  return [
    // Few attempts in five minutes are heard: in a later round all may be refused.
    one('codes that name no account, guessed', 14, [429, 403], () =>
      post('/auth/v1/verify', JSON.stringify({ type: 'email', token_hash: guess(9) }), { apikey: key, ...from(59) }),
    ),
    one('codes of a second factor, guessed by one user', 14, [429, 404], () =>
      post('/auth/v1/factors/a/verify', JSON.stringify({ challenge_id: 'a', code: guess(6) }), {
        apikey: key,
        ...bearer,
      }),
    ),
    one("Meta's verify token, guessed", 30, [403, 429], () => ({
      path: `/v1/whatsapp/webhook?hub.mode=subscribe&hub.challenge=a&hub.verify_token=${guess(9)}`,
      headers: from(60),
    })),
    one('paths that do not exist, of one address', 30, [404, 429], () => ({
      path: `/nothing/${guess(9)}`,
      headers: { accept: 'application/json', ...from(61) },
    })),
    {
      ...one('leads of one address while Turnstile is slow and fails', 100, [403, 303, 429], (n) =>
        post(
          '/v1/leads',
          `${new URLSearchParams({ email: `${guess(9)}@example.org`, 'cf-turnstile-response': guess(9) })}`,
          {
            ...{
              accept: n % 2 ? 'text/html' : 'application/json',
              'content-type': 'application/x-www-form-urlencoded',
            },
            ...from(62),
          },
        ),
      ),
      base: guardedUrl,
    },
  ];
};
