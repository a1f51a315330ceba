-- 0117: lead search. Leads of a company, by a part of its name, for admins.
-- migrate:up
create function marketing.leads_of_company(name text, most int default 50) returns setof marketing.leads
  language plpgsql stable
  -- Definer: under row-level security no index serves a search for parts of texts, whose operators are not leakproof; all leads
  -- would be read.
  security definer
  set search_path = ''
  -- Whether the index on names or that on times is better depends on the name.
  set plan_cache_mode = force_custom_plan
  as $$
begin
  perform private.require_admin();
  if char_length(name) >= 3 is not true then
    perform private.refuse(
      422, 'RG514', 'This part of a name is too short', 'At least 3 characters', 'Send more of the company''s name.'
    );
  end if;
  return query
    select l.*
    from marketing.leads as l
    -- After ***= every character stands for itself.
    where l.company_name ~* ('***=' || leads_of_company.name)
    order by l.created_at desc, l.id desc
    limit least(greatest(leads_of_company.most, 0), 1000);
end
$$;
comment on function marketing.leads_of_company(text, int) is
  'The latest leads whose company has this part of a name, in any letter case; 50 of them, or as many as most says, up to 1,000. Definer: an index serves it, which row-level security would prevent; it asks itself whether the caller is an admin.';
revoke execute on function marketing.leads_of_company(text, int) from public;
grant execute on function marketing.leads_of_company(text, int) to authenticated, service_role;

-- migrate:down
drop function marketing.leads_of_company(text, int);
