// Keys of providers that were never sealed: the caller seals them.
export const sealedRows = {
  'private.provider_keys': {
    parent: 'assistant.tenants',
    insert: `with made as (
        insert into assistant.tenants (name, slug, llm_provider, llm_model)
        select 'Sealed ' || n, 'sealed-' || gen_random_uuid(), 'openai', 'gpt-5-mini' from generate_series(1, $1::int) as n
        returning id
      )
      insert into private.provider_keys (tenant_id, sealed, key_version, last_four) select id, '-', 1, 'wxyz' from made returning tenant_id as id`,
  },
};
