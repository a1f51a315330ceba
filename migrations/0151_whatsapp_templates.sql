-- 0151: WhatsApp templates. The message templates of accounts: the customer's words, and what Meta says of them.
-- migrate:up
create table whatsapp.templates (
  id                   uuid constraint templates_pkey primary key default pg_catalog.gen_random_uuid(),
  account_id           uuid not null constraint templates_account references whatsapp.accounts on delete cascade,
  template_name        text not null,
  category             text,
  language             text not null,
  status               text not null default 'DRAFT',
  header_type          text,
  header_content       text,
  body_text            text,
  footer_text          text,
  buttons              jsonb not null default '[]',
  components           jsonb not null default '[]',
  whatsapp_template_id text,
  quality_score        text,
  rejected_reason      text,
  previous_category    text,
  parameter_format     text,
  last_event_at        timestamptz,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  constraint templates_account_name_language unique (account_id, template_name, language),
  constraint templates_template_name check (template_name ~ '^[a-z0-9_]+$' and char_length(template_name) <= 512),
  -- As Meta's API writes it, en_US; its webhooks also write en-US.
  constraint templates_language check (language ~ '^[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8}){0,2}$'),
  constraint templates_category check (category ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_status check (status ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_header_type check (header_type ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_quality_score check (quality_score ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_previous_category check (previous_category ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_parameter_format check (parameter_format ~ '^[A-Z0-9_]{1,64}$'),
  constraint templates_whatsapp_template_id_form check (whatsapp_template_id ~ '^[0-9]{1,32}$'),
  constraint templates_header_content check (char_length(header_content) <= 2000),
  constraint templates_body_text check (char_length(body_text) <= 4096),
  constraint templates_footer_text check (char_length(footer_text) <= 1000),
  constraint templates_rejected_reason check (char_length(rejected_reason) <= 500),
  constraint templates_buttons check (jsonb_typeof(buttons) = 'array' and octet_length(buttons::text) <= 16384),
  constraint templates_components check (jsonb_typeof(components) = 'array' and octet_length(components::text) <= 65536)
);
comment on table whatsapp.templates is
  'A message template in one language: the customer''s text, and what Meta says of it. DRAFT until Meta has said anything.';
comment on column whatsapp.templates.status is 'Meta''s latest word on it, from its webhook.';
comment on column whatsapp.templates.last_event_at is 'When the latest of Meta''s events that changed this row happened.';

create index templates_whatsapp_template_id on whatsapp.templates (whatsapp_template_id, account_id);
create index templates_account_status on whatsapp.templates (account_id, status, updated_at desc);
create index templates_status on whatsapp.templates (status, last_event_at desc);

alter table whatsapp.templates enable row level security;
alter table whatsapp.templates force row level security;
-- The templates of an owner's accounts; all for admins. An array and a range, because no index serves `account_id in (select ...) or is_admin()`:
-- the first finds an owner's; the second is empty for them, and all for an admin. With its upper bound the planner takes it for a small one.
create policy owner_select on whatsapp.templates for select to authenticated
  using (
    account_id = any ((select whatsapp.own_accounts())::uuid[])
    or (
      account_id >= case when (select private.is_admin()) then '00000000-0000-0000-0000-000000000000'::uuid end
      and account_id <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
  );
-- Another owner's account and an absent one get the same refusal, before the foreign key is checked.
create policy owner_insert on whatsapp.templates for insert to authenticated
  with check (
    account_id = any ((select whatsapp.own_accounts())::uuid[])
    or (select private.is_admin())
  );
create policy owner_update on whatsapp.templates for update to authenticated
  using (
    account_id = any ((select whatsapp.own_accounts())::uuid[])
    or (select private.is_admin())
  )
  with check (
    account_id = any ((select whatsapp.own_accounts())::uuid[])
    or (select private.is_admin())
  );
create policy owner_delete on whatsapp.templates for delete to authenticated
  using (
    account_id = any ((select whatsapp.own_accounts())::uuid[])
    or (select private.is_admin())
  );
grant select, delete on whatsapp.templates to authenticated;
grant insert (
  account_id, template_name, category, language, header_type, header_content, body_text, footer_text, buttons, components,
  parameter_format
) on whatsapp.templates to authenticated;
grant update (
  template_name, category, language, header_type, header_content, body_text, footer_text, buttons, components, parameter_format
) on whatsapp.templates to authenticated;
-- For admins: the trigger templates_staff keeps owners out.
grant update (status, whatsapp_template_id, quality_score, rejected_reason, previous_category)
  on whatsapp.templates to authenticated;
grant select, insert, update, delete on whatsapp.templates to service_role;
select private.scope_table('whatsapp.templates');
select private.limit_writes('whatsapp.templates', 'whatsapp', true);

create trigger templates_erased before insert or update on whatsapp.templates
  for each statement execute function private.refuse_erased_caller();
create trigger templates_filter before update or delete on whatsapp.templates
  for each statement execute function private.require_filter();
create trigger templates_staff before update of
    status, whatsapp_template_id, quality_score, rejected_reason, previous_category
  on whatsapp.templates
  for each row when (current_user = 'authenticated') execute function private.whatsapp_staff_only();
create trigger templates_updated_at before update on whatsapp.templates
  for each row execute function private.update_updated_at();
create trigger templates_audit after insert or update or delete on whatsapp.templates
  for each row execute function private.audit();

select private.index_mentions('whatsapp.templates', array[
  'header_content', 'body_text', 'footer_text', 'buttons', 'components', 'rejected_reason'
]);

-- migrate:down
delete from private.mention_places where relation = 'whatsapp.templates';
drop table whatsapp.templates;
