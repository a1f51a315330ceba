// The core's tables at scale, for npm run bench -- scale: API tokens and changes. No system is needed.
const FULL = { tokens: 1_000_000 };
const PER_USER = 10;

/** Ten tokens of each user. */
const TOKENS = `insert into private.api_tokens (id, user_id, name, token_hash, prefix, scopes, expires_at)
  select md5('token ' || n)::uuid, md5('user ' || n / ${PER_USER})::uuid, 'Token ' || n, sha256(convert_to('token ' || n, 'UTF8')), 'rgt_' || lpad((n % 1000000)::text, 6, '0'),
    '{"systems": [], "endpoints": ["GET /v1/nothing"], "access": "read"}', now() + interval '1 year'
  from generate_series(0, $1::int - 1) as n`;

export const load = async ({ sql, size, say }) => {
  await sql('set session_replication_role = replica');
  await sql(TOKENS, [Math.ceil(FULL.tokens * size)]);
  await sql('set session_replication_role = default');
  await sql('vacuum analyze private.api_tokens');
  say('API tokens');
};

export const reads = () => [
  {
    name: 'a request with an API token: who sends it',
    claims: { role: 'edge', edge: { caller: 'anon' } },
    query: `select edge.exchange_api_token(encode(sha256(convert_to('token 7', 'UTF8')), 'hex'))`,
    why: 'The token is found by its hash.',
  },
];
