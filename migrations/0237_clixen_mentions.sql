-- 0237: clixen mentions. Where clixen's texts may name somebody: for erasing a person.
-- migrate:up
-- squawk-ignore-file require-concurrent-index-creation
select private.watch_mentions('clixen.user_profiles', array['email', 'full_name', 'avatar_url', 'preferences']);
select private.watch_mentions('clixen.projects', array['name', 'description']);
select private.watch_mentions('clixen.mvp_workflows', array[
  'name', 'description', 'n8n_workflow_json', 'original_prompt', 'deployment_error', 'deployment_url'
]);
select private.watch_mentions('clixen.mvp_chat_sessions', array['title']);
select private.watch_mentions('clixen.mvp_chat_messages', array['content', 'metadata']);
select private.watch_mentions('clixen.deployments', array['n8n_response', 'error_message', 'deployment_url']);
select private.watch_mentions('clixen.telemetry_events', array['event_data', 'error_message', 'user_agent', 'referer']);

-- migrate:down
drop index clixen.telemetry_events_mentions;
drop index clixen.deployments_mentions;
drop index clixen.mvp_chat_messages_mentions;
drop index clixen.mvp_chat_sessions_mentions;
drop index clixen.mvp_workflows_mentions;
drop index clixen.projects_mentions;
drop index clixen.user_profiles_mentions;
delete from private.mention_places as p where p.relation like 'clixen.%';
