-- 9903: sample tokens. What API tokens open or do not, and a budget.
-- migrate:up
-- By the caller's own rights: the policies of the table decide.
create function sample.count_projects() returns bigint
  language sql stable
  set search_path = ''
  as $$ select count(*) from sample.projects $$;
revoke execute on function sample.count_projects() from public;
grant execute on function sample.count_projects() to authenticated;

create function sample.add_project(name text) returns uuid
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  added uuid;
begin
  insert into sample.projects (user_id, name) values (private.require_user(), add_project.name) returning id into added;
  return added;
end
$$;
comment on function sample.add_project(text) is 'Adds a project of the caller''s. Definer: policies do not apply, so only the edge and request.begin() hold an API token to its scope.';
revoke execute on function sample.add_project(text) from public;
grant execute on function sample.add_project(text) to authenticated;

-- Who calls, as a function sees it that API tokens open.
create function sample_more.opened() returns jsonb
  language plpgsql volatile
  set search_path = ''
  security definer
  as $$
begin
  return jsonb_build_object('user', private.user_id(), 'caller', private.caller_role(), 'token', private.api_token());
end
$$;
comment on function sample_more.opened() is 'Who calls. Definer: it reads claims by functions of the core.';
revoke execute on function sample_more.opened() from public;
grant execute on function sample_more.opened() to edge;

insert into private.budget_rules (scope, period, limit_micro, description) values ('sample.calls', 'day', 37, 'Calls of the core''s own tests.');

create function sample_more.spend(owner uuid, amount bigint) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  return jsonb_build_object('reservation', private.reserve('sample.calls', owner, amount, '1 minute'));
end
$$;
comment on function sample_more.spend(uuid, bigint) is 'Reserves an amount of a budget. Definer: service_role calls nothing of the schema private.';
revoke execute on function sample_more.spend(uuid, bigint) from public;
grant execute on function sample_more.spend(uuid, bigint) to service_role;

-- migrate:down
drop function sample_more.spend(uuid, bigint);
delete from private.budget_rules where scope = 'sample.calls';
drop function sample_more.opened();
drop function sample.add_project(text);
drop function sample.count_projects();
