-- 0004: errors. How a function ends a request with a status and an error code.
-- migrate:up
-- Ends the request with a status, a code of docs/errors.md and a message for the caller, by PostgREST's sqlstate PGRST. `headers` is an
-- object of texts; the edge passes on those of private.rate_limit_fields and no others.
create function private.refuse(
  status int, code text, message text, details text default null, hint text default null, retry_after int default null,
  headers jsonb default null
) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  raise sqlstate 'PGRST' using
    message = jsonb_build_object('code', code, 'message', message, 'details', details, 'hint', hint)::text,
    detail = jsonb_build_object(
      'status', status,
      'headers', coalesce(headers, '{}') || case when retry_after is null then '{}'::jsonb
        else jsonb_build_object('Retry-After', retry_after::text) end
    )::text;
end
$$;

-- migrate:down
drop function private.refuse(int, text, text, text, text, int, jsonb);
