-- 0211: projects are not updated or deleted all at once by a request that forgot its filter.
-- migrate:up
create trigger projects_filter before update or delete on clixen.projects
  for each statement execute function private.require_filter();

-- migrate:down
drop trigger projects_filter on clixen.projects;
