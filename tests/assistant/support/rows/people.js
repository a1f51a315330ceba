// Generated rows of tenants and their members.

/** A tenant and, in it, a member. */
export const MEMBER = `tenant as (
      insert into assistant.tenants (name, slug, llm_provider, llm_model)
      values ('Tenant', 'tenant-' || gen_random_uuid(), 'openai', 'gpt-5-mini') returning id),
    member as (
      insert into assistant.users (tenant_id, auth_id, email)
      select t.id, gen_random_uuid(), gen_random_uuid() || '@example.org' from tenant as t returning id, tenant_id)`;

/** As many members as rows, in one tenant, with a number each. */
const MEMBERS = `tenant as (
      insert into assistant.tenants (name, slug, llm_provider, llm_model)
      values ('Tenant', 'tenant-' || gen_random_uuid(), 'openai', 'gpt-5-mini') returning id),
    made as (
      insert into assistant.users (tenant_id, email)
      select t.id, gen_random_uuid() || '@example.org' from tenant as t, generate_series(1, $1::int) returning id),
    members as (select id, row_number() over (order by id) as n from made)`;

/** Statements by table. */
export const rows = {
  'assistant.tenants': `insert into assistant.tenants (
      name, slug, llm_provider, llm_model, temperature, max_tokens, system_prompt, features, rate_limit_per_minute, daily_token_limit,
      branding, is_active, created_at, updated_at)
    select 'Tenant ' || n, 'tenant-' || gen_random_uuid(), (array['openai', 'groq', 'mistral'])[1 + n % 3], 'model-' || n % 5,
      (n % 3) * 0.5, 1 + n % 4096, 'Prompt ' || n,
      jsonb_build_object('private_conversations', n % 2 = 0, 'time_zone', (array['UTC', 'Europe/Berlin'])[1 + n % 2]),
      1 + n % 1000, n * 1000, jsonb_build_object('n', n), n % 7 > 0, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'assistant.users': `with ${MEMBER}
    insert into assistant.users (
      tenant_id, auth_id, email, name, role, preferences, is_active, last_active_at, created_at, updated_at)
    select t.id, gen_random_uuid(), n || '-' || gen_random_uuid() || '@example.org', 'Person ' || n,
      (array['member', 'admin', 'owner'])[1 + n % 3], jsonb_build_object('n', n), n % 5 > 0,
      timestamptz '2026-01-03' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from tenant as t, generate_series(1, $1::int) as n`,
  'private.former_members': `with ${MEMBERS}
    insert into private.former_members (member_id, auth_id, left_at)
    select m.id, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => m.n::int) from members as m`,
  'private.provider_keys': `with made as (
      insert into assistant.tenants (name, slug, llm_provider, llm_model)
      select 'Tenant', 'tenant-' || gen_random_uuid(), 'openai', 'gpt-5-mini' from generate_series(1, $1::int) returning id)
    insert into private.provider_keys (tenant_id, sealed, key_version, hint, last_four, set_at)
    select t.id, 'sealed ' || t.n, 1 + t.n % 3, 'openai', lpad((t.n % 10000)::text, 4, '0'),
      timestamptz '2026-01-01' + make_interval(mins => t.n::int)
    from (select id, row_number() over (order by id) as n from made) as t`,
};
