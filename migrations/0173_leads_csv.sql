-- 0173: leads as CSV. One line a lead, made so that no spreadsheet takes a cell for a formula.
-- migrate:up
-- Ends the request unless an admin asks, for views: their conditions are run as whoever reads them.
create function marketing.only_admins() returns boolean
  language sql stable
  -- Definer: whoever asks may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$ select private.require_admin() $$;
revoke execute on function marketing.only_admins() from public;
grant execute on function marketing.only_admins() to authenticated, service_role;
comment on function marketing.only_admins() is 'Whether an admin asks; refused otherwise. Definer: it calls a helper that nobody else may.';

create view marketing.leads_csv with (security_invoker = true) as
select
  l.*,
  -- RFC 4180: every cell in quotes, quotes doubled. A spreadsheet runs what begins like these, quotes or not.
  (
    select string_agg(
      '"' || case when cell.value ~ E'^[=+\\-@\\t\\r\\n＝＋－＠]' then '''' else '' end || replace(cell.value, '"', '""') || '"', ',' order by cell.position
    )
    from unnest(array[
      l.id::text, to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      to_char(l.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), l.email::text, coalesce(l.first_name, ''),
      coalesce(l.last_name, ''), coalesce(l.company_name, ''), coalesce(l.phone_number, ''), l.source::text, l.status::text,
      coalesce(l.notes, ''), array_to_string(l.interested_features, '; '), coalesce(l.utm_source, ''), coalesce(l.utm_medium, ''),
      coalesce(l.utm_campaign, ''), coalesce(l.utm_content, ''), coalesce(l.utm_term, ''), coalesce(l.referrer, ''),
      coalesce(l.landing_page, ''), coalesce(l.country_code, ''), coalesce(l.region, ''), coalesce(l.city, ''),
      l.submission_count::text, l.is_spam::text, coalesce(l.spam_reason, ''), l.opt_in_status,
      coalesce(to_char(l.opted_in_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ''),
      coalesce(to_char(l.deleted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
    ]) with ordinality as cell (value, position)
  ) as line
from marketing.leads as l
where (select marketing.only_admins());
comment on view marketing.leads_csv is 'Leads with their line of CSV, for GET /v1/admin/leads.csv; its first line is in src/rooms/growth/admin.rs.';
grant select on marketing.leads_csv to authenticated, service_role;

-- migrate:down
drop view marketing.leads_csv;
drop function marketing.only_admins();
