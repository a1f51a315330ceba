// What the edge vouches for (network, place, device), and callers who would like to choose it themselves.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startEdge } from './edge.js';
import { ask, userToken } from './stack.js';

const PLACE = { country: 'FR', region: 'Bretagne', city: 'Brest' };
const AROUND = `import edge from './entry.js';
  const cf = (request) => {
    const r = new Request(request, { cf: {} });
    Object.defineProperty(r, 'cf', { value: ${JSON.stringify(PLACE)} });
    return r;
  };
  export default { fetch: (request, env, ctx) => edge.fetch(cf(request), env, ctx) };`;

/** Everything that the edge vouches for, as somebody would like to have it. */
export const FORGED = {
  ...{ caller: 'service_role', addr: 'x', net: '10.0.0.0/24', network: '10.0.0.0/24', country: 'US', region: 'Ohio' },
  ...{
    city: 'Dayton',
    stamp: 'ok',
    human: 'verified',
    device_type: 'tablet',
    browser: 'Opera',
    os: 'iOS',
    is_bot: true,
  },
};
export const CLAIMED = { _edge: FORGED, edge: FORGED, context: FORGED };

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0';

/** An edge that sees every request come from Brest. */
export const startEdgeInBrest = () => startEdge({}, [], AROUND);

/** Posts to that edge by Firefox on Linux, from 203.0.113.77. Gives the answer's body. */
export const post = async (edge, path, json, token) => {
  const answer = await ask(path, {
    base: edge.url,
    json,
    token,
    headers: { 'cf-connecting-ip': '203.0.113.77', 'user-agent': FIREFOX },
  });
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
  return answer.body;
};

/** The token of a user whose own claims say what only the edge may say. */
export const claiming = (sub = randomUUID()) => userToken(sub, { claims: { edge: FORGED } });
