-- 0100: growth. Its schemas, one for each subject, and the extension that it needs.
-- migrate:up
create schema if not exists extensions;
create extension if not exists pg_trgm with schema extensions;

create schema marketing;
comment on schema marketing is 'growth: leads, and what was said to them.';
grant usage on schema marketing to anon, authenticated, service_role, edge;

-- The edge calls as itself the functions whose answers depend on what it has verified: the caller, the place, the device.
create schema onboarding;
comment on schema onboarding is 'growth: how far sign-ups have come.';
grant usage on schema onboarding to anon, authenticated, service_role, edge;

create schema analytics;
comment on schema analytics is 'growth: events of sites and apps, and their aggregations.';
grant usage on schema analytics to authenticated, service_role, edge;

create schema experiments;
comment on schema experiments is 'growth: experiments, assignments of units to variants, and results.';
grant usage on schema experiments to authenticated, service_role, edge;

create schema whatsapp;
comment on schema whatsapp is 'growth: WhatsApp business accounts and templates, kept up to date by Meta''s webhook.';
grant usage on schema whatsapp to authenticated, service_role, edge;

insert into private.system_schemas (schema, system) values
('marketing', 'growth'),
('onboarding', 'growth'),
('analytics', 'growth'),
('experiments', 'growth'),
('whatsapp', 'growth');

-- migrate:down
delete from private.system_schemas where system = 'growth';
drop schema whatsapp;
drop schema experiments;
drop schema analytics;
drop schema onboarding;
drop schema marketing;
-- The extension and its schema stay: other objects of this database may use them.
