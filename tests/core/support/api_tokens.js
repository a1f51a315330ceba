// API tokens that are made over the edge.
import { createHash } from 'node:crypto';
import { ask, edgeToken } from '../../support/stack.js';

export { unknownToken } from './unknown_token.js';

export const hashOf = (text) => createHash('sha256').update(text).digest('hex');

/** Makes a token; `token` is the user's or the server's. */
export const makeToken = async (token, scope = {}, options = {}) => {
  const made = await ask('/v1/tokens', { token, json: { name: 'a test', ...scope }, ...options });
  if (made.status !== 201) throw new Error(made.text);
  return made.body;
};

/** What the edge sends upstream for a data API request of the holder. */
export const minted = (made, sub, more = {}, claims = {}) => {
  const { id, systems, endpoints, access } = made;
  return edgeToken({
    iss: 'rowgate',
    role: 'authenticated',
    sub,
    api_token: { id, systems, endpoints, access, ...more },
    ...claims,
  });
};
