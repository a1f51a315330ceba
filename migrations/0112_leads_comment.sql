-- 0112: what the public may do to leads, said where the database keeps it; and the one gen_random_uuid() that there is
-- everywhere: 0110 found pgcrypto's first where that lies in the schema extensions, as on Supabase.
-- migrate:up
alter table marketing.leads alter column id set default pg_catalog.gen_random_uuid();
comment on function marketing.capture_lead(jsonb) is
  'Takes one submission of a public form. Definer: the public has no right on the table, and what it may change of an existing row is decided here.';

-- migrate:down
comment on function marketing.capture_lead(jsonb) is null;
