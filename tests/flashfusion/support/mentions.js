const all = (names, why) => Object.fromEntries(names.map((name) => [name, why]));

/** Columns of text that are not looked through for mentions of a person, and why. */
export const NOT_LOOKED_FOR = {
  'flashfusion.agent_tasks': {
    idempotency_key: 'the client’s id of a request',
    locked_by: 'the operator’s name of a worker',
    ...all(['status', 'task_type'], 'a word of a list'),
  },
  'flashfusion.agents': all(['status', 'type', 'version'], 'the operator’s words'),
  'flashfusion.ai_services': all(['model_name', 'pricing_model', 'provider'], 'the operator’s words'),
  'flashfusion.billing': {
    ...all(['price_id', 'stripe_customer_id', 'subscription_id'], 'Stripe’s ids'),
    ...all(['billing_cycle', 'currency', 'status'], 'Stripe’s words'),
  },
  'flashfusion.code_generations': all(['framework', 'generation_type', 'language', 'status'], 'a word'),
  'flashfusion.deployments': { environment_variables: 'names of variables', status: 'a word of a list' },
  'flashfusion.integrations': {
    credentials: 'names of credentials',
    ...all(['integration_type', 'status', 'sync_frequency'], 'a word of a list'),
  },
  'flashfusion.notifications': { dedupe_key: 'our own words and ids', type: 'a word of a list' },
  'flashfusion.projects': all(['framework', 'project_type', 'status', 'template'], 'a word'),
  'flashfusion.user_api_keys': {
    fingerprint: 'a keyed digest',
    ...all(['key_prefix', 'last_four'], 'a part of a random key'),
    ...all(['service_name', 'status'], 'a word of a list'),
  },
  'flashfusion.usage_analytics': { event_type: 'a word' },
  'flashfusion.users': { subscription_tier: 'a word of a list' },
  'private.agent_settings': '*: the operator’s words',
  'private.api_key_secrets': '*: sealed',
  'private.billing_customers': '*: Stripe’s ids',
  'private.billing_events': all(
    ['api_version', 'customer_id', 'event_id', 'kind', 'outcome', 'path', 'subscription_id', 'type'],
    'Stripe’s ids and words',
  ),
  'private.deployment_environments': '*: sealed',
  'private.integration_credentials': '*: sealed',
  'private.key_services': '*: our own words',
  'private.price_tiers': '*: the operator’s words',
  'private.subscription_clocks': '*: Stripe’s ids',
  'private.task_contacts': '*: of the task’s texts',
  'private.task_backlog': '*: a word of the task',
  'private.task_pauses': '*: the operator’s words',
  'private.task_queue': '*: a word of the task',
  'private.tiers': '*: our own words',
};
