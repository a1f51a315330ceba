-- 0112: what the public may do to leads, said where the database keeps it.
-- migrate:up
comment on function marketing.capture_lead(jsonb) is
  'Takes one submission of a public form. Definer: the public has no right on the table, and what it may change of an existing row is decided here.';

-- migrate:down
comment on function marketing.capture_lead(jsonb) is null;
