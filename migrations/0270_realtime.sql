-- 0270: realtime. Tables whose changes clients may subscribe to, where Supabase's publication for that exists.
-- migrate:up
do $$
begin
  if exists (
    select from pg_catalog.pg_publication as p
    where p.pubname = 'supabase_realtime' and not p.puballtables and pg_has_role(p.pubowner, 'usage')
  ) then
    alter publication supabase_realtime add table
      clixen.projects, clixen.mvp_workflows, clixen.mvp_chat_sessions, clixen.mvp_chat_messages, clixen.deployments;
  end if;
end
$$;

-- migrate:down
do $$
begin
  -- Unless an operator has taken some of them out.
  if (
    select count(*) from pg_catalog.pg_publication_tables as t
    join pg_catalog.pg_publication as p on p.pubname = t.pubname and not p.puballtables and pg_has_role(p.pubowner, 'usage')
    where t.pubname = 'supabase_realtime' and t.schemaname = 'clixen'
      and t.tablename in ('projects', 'mvp_workflows', 'mvp_chat_sessions', 'mvp_chat_messages', 'deployments')
  ) = 5 then
    alter publication supabase_realtime drop table
      clixen.projects, clixen.mvp_workflows, clixen.mvp_chat_sessions, clixen.mvp_chat_messages, clixen.deployments;
  end if;
end
$$;
