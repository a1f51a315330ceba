-- 0111: leads are not updated all at once by a request that forgot its filter.
-- migrate:up
create trigger leads_filter before update or delete on marketing.leads
  for each statement execute function private.require_filter();

-- migrate:down
drop trigger leads_filter on marketing.leads;
