/** Columns of text that are not looked through for mentions of a person, and why. */
export const NOT_LOOKED_FOR = {
  'clixen.deployments': { n8n_workflow_id: 'n8n’s id', status: 'a word of a list' },
  'clixen.mvp_chat_messages': {},
  'clixen.mvp_chat_sessions': { status: 'a word of a list' },
  'clixen.mvp_workflows': {
    n8n_workflow_id: 'n8n’s id',
    status: 'a word of a list',
    deployment_status: 'a word of a list',
  },
  'clixen.projects': { color: 'a colour' },
  'clixen.telemetry_events': { event_type: 'a word', event_category: 'a word of a list' },
  'clixen.user_profiles': { tier: 'a word of a list' },
  'private.deployment_runs': {},
  'private.n8n_removals': '*: n8n’s ids',
  'private.n8n_slugs': '*: random',
};
