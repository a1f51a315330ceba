-- 0117: lead search. Leads of a company, by a part of its name, for admins.
-- migrate:up
create function marketing.leads_of_company(name text, most int default 50) returns setof marketing.leads
  language plpgsql stable
  -- Definer: under row-level security no index serves a search for parts of texts, whose operators are not leakproof; all leads
  -- would be read.
  security definer
  set search_path = ''
  -- Without statistics a table seems small enough to be read.
  set enable_seqscan = off
  set jit = off
  -- A plan for one part of a name takes longer than to find its leads.
  set plan_cache_mode = force_generic_plan
  as $$
declare
  -- After ***= every character stands for itself.
  pattern constant text := '***=' || leads_of_company.name;
  wanted constant int := least(greatest(leads_of_company.most, 0), 1000);
  latest int;
  found_ uuid[];
begin
  perform private.require_admin();
  if char_length(name) >= 3 is not true then
    perform private.refuse(
      422, 'RG514', 'This part of a name is too short', 'At least 3 characters', 'Send more of the company''s name.'
    );
  end if;
  -- How common a part of a name is, the planner guesses from a sample of names, and may be far off. One that a hundredth of the latest leads
  -- have is looked for by time; what is not found there, by the index of names, which knows no order.
  foreach latest in array array[greatest(4 * wanted, 200), greatest(100 * wanted, 5000)] loop
    found_ := array(
      select l.id
      from (
        select s.id, s.company_name, s.created_at from marketing.leads as s order by s.created_at desc, s.id desc limit latest
      ) as l
      where l.company_name ~* pattern
      order by l.created_at desc, l.id desc
      limit wanted
    );
    exit when cardinality(found_) not between (wanted + 24) / 25 and wanted - 1;
  end loop;
  if cardinality(found_) < wanted then
    return query
      select l.*
      from (select s.* from marketing.leads as s where s.company_name ~* pattern offset 0) as l
      order by l.created_at desc, l.id desc
      limit wanted;
  else
    return query select l.* from marketing.leads as l where l.id = any (found_) order by l.created_at desc, l.id desc;
  end if;
end
$$;
comment on function marketing.leads_of_company(text, int) is
  'The latest leads whose company has this part of a name, in any letter case; 50 of them, or as many as most says, up to 1,000. Definer: an index serves it, which row-level security would prevent; it asks itself whether the caller is an admin.';
revoke execute on function marketing.leads_of_company(text, int) from public;
grant execute on function marketing.leads_of_company(text, int) to authenticated, service_role;

-- migrate:down
drop function marketing.leads_of_company(text, int);
