-- 0116: lead export. The cells of leads as CSV; the edge quotes them and keeps spreadsheets from reading one as a formula.
-- migrate:up
-- Ends the request unless the caller is an admin, for views, whose conditions run with the rights of the reader.
create function marketing.only_admins() returns boolean
  language sql stable
  -- Definer: the caller may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$ select private.require_admin() $$;
comment on function marketing.only_admins() is 'True for an admin; ends the request of anybody else. Definer: it calls a helper that nobody else may.';
revoke execute on function marketing.only_admins() from public;
grant execute on function marketing.only_admins() to authenticated, service_role;

create view marketing.leads_csv with (security_invoker = true) as
select
  l.*,
  array[
    l.id::text, to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    to_char(l.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), l.email, l.first_name, l.last_name, l.company_name,
    l.phone_number, l.source, l.status, l.notes, array_to_string(l.interested_features, '; '), l.utm_source, l.utm_medium,
    l.utm_campaign, l.utm_content, l.utm_term, l.referrer, l.landing_page, l.country_code, l.region, l.city, l.submission_count::text,
    l.submissions_dropped::text, l.is_spam::text, l.spam_reason, l.opt_in_status,
    to_char(l.opted_in_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    to_char(l.deleted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ] as cells
from marketing.leads as l
where (select marketing.only_admins());
comment on view marketing.leads_csv is 'Leads with the cells of their CSV line, for GET /v1/admin/leads.csv; the edge has the names of the columns.';
grant select on marketing.leads_csv to authenticated, service_role;

-- The names of custom fields, the most used first, for exports with a column for each. Spam is not counted; the column of other
-- fields has the rest.
create function marketing.lead_field_names() returns text[]
  language sql stable
  set search_path = ''
  as $$
select coalesce(array_agg(used.name order by used.times desc, used.name collate "C"), '{}')
from (
  select field.name, count(*) as times
  from marketing.leads as l
  cross join lateral jsonb_object_keys(l.metadata) as field (name)
  where l.metadata <> '{}' and not l.is_spam and (select marketing.only_admins())
  group by field.name
  order by count(*) desc, field.name collate "C"
  limit 100
) as used
$$;
comment on function marketing.lead_field_names() is 'The names of custom fields of leads, the most used first, for GET /v1/admin/leads.csv.';
revoke execute on function marketing.lead_field_names() from public;
grant execute on function marketing.lead_field_names() to authenticated, service_role;

-- migrate:down
drop function marketing.lead_field_names();
drop view marketing.leads_csv;
drop function marketing.only_admins();
