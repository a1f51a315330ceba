-- 0472: transcript pages: a session as the lines that were sent, without secrets, to restore it.
-- migrate:up
-- A page of a transcript, about a megabyte: {text, next}. `after` is the `next` of the page before. `file` is the name of a file; without it, the
-- pages have all files of the conversation, one after the other.
create function observatory.transcript_page(id uuid, file text default null, after jsonb default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  project constant uuid := (
    select c.project_id from observatory.conversations as c where c.id = transcript_page.id and c.deleted_at is null
  );
  text_ text;
  next_ jsonb;
begin
  if private.role_in(project, 'read') is null then
    perform private.refuse(404, 'RG662', 'There is no such conversation', null, 'Take an id from observatory.conversations.');
  end if;

  with chunk as (
    select f.name, f.variant, k.start_offset, k.body,
      sum(octet_length(k.body)) over (order by f.name, f.variant, k.start_offset) as so_far
    from observatory.ingest_files as f
    inner join private.transcript_chunks as k on k.file_id = f.id and k.generation = f.generation
    where f.conversation_id = transcript_page.id and (transcript_page.file is null or f.name = transcript_page.file)
      and (
        transcript_page.after is null
        or (f.name, f.variant, k.start_offset) > (
          transcript_page.after ->> 'name', (transcript_page.after ->> 'variant')::bigint, (transcript_page.after ->> 'start')::bigint
        )
      )
  ),

  -- At least one chunk, however large.
  page as (
    select chunk.* from chunk
    where chunk.so_far <= 1048576 or chunk.so_far = octet_length(chunk.body)
  )

  select string_agg(page.body, '' order by page.name, page.variant, page.start_offset),
    case
      when count(*) < (select count(*) from chunk)
        then (
          array_agg(
            jsonb_build_object('name', page.name, 'variant', page.variant, 'start', page.start_offset)
            order by page.name desc, page.variant desc, page.start_offset desc
          )
        )[1]
    end
  into text_, next_
  from page;
  return jsonb_build_object('text', coalesce(text_, ''), 'next', next_);
end
$$;
comment on function observatory.transcript_page(uuid, text, jsonb) is
  'A part of a transcript for those who may see its project. Definer: the lines are in the schema private.';
revoke execute on function observatory.transcript_page(uuid, text, jsonb) from public;
grant execute on function observatory.transcript_page(uuid, text, jsonb) to authenticated;

-- migrate:down
drop function observatory.transcript_page(uuid, text, jsonb);
