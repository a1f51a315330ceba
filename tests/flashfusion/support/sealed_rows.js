// Keys, environments and credentials that were never sealed: the caller seals them.
export const sealedRows = {
  'private.api_key_secrets': {
    parent: 'flashfusion.user_api_keys',
    insert: `with made as (
        insert into flashfusion.user_api_keys (id, user_id, service_name, last_four, fingerprint)
        select gen_random_uuid(), gen_random_uuid(), 'openai', 'wxyz', md5(n::text) || md5('sealed ' || n) from generate_series(1, $1::int) as n
        returning id, user_id
      )
      insert into private.api_key_secrets (key_id, user_id, sealed, key_version)
      select id, user_id, '-', 1 from made returning key_id as id`,
  },
  'private.deployment_environments': {
    parent: 'flashfusion.deployments',
    insert: `with projects as (
        insert into flashfusion.projects (user_id, name) select gen_random_uuid(), 'Sealed ' || n from generate_series(1, $1::int) as n
        returning id, user_id
      ),
      made as (
        insert into flashfusion.deployments (project_id, user_id, deployment_target) select id, user_id, 'test' from projects
        returning id, user_id
      )
      insert into private.deployment_environments (deployment_id, user_id, sealed, key_version)
      select id, user_id, '-', 1 from made returning deployment_id as id`,
  },
  'private.integration_credentials': {
    parent: 'flashfusion.integrations',
    insert: `with made as (
        insert into flashfusion.integrations (user_id, integration_type, integration_name)
        select gen_random_uuid(), 'github', 'Sealed ' || n from generate_series(1, $1::int) as n
        returning id, user_id
      )
      insert into private.integration_credentials (integration_id, user_id, sealed, key_version)
      select id, user_id, '-', 1 from made returning integration_id as id`,
  },
};
