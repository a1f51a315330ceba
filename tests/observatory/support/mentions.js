const all = (names, why) => Object.fromEntries(names.map((name) => [name, why]));

/** Columns of text that are not looked through for mentions of a person, and why. */
export const NOT_LOOKED_FOR = {
  'private.reprice_receipts': { lists: 'names of lists of prices' },
  'observatory.conversations': {
    ...all(['agent_id', 'forked_from', 'session_id'], 'an id of the agent’s'),
    ...all(['cli_version', 'model', 'source', 'status', 'title_source'], 'a word of a list'),
  },
  'observatory.ingest_files': {
    ...all(['agent_id', 'session_id'], 'an id of the agent’s'),
    source: 'a word of a list',
    ...all(['errors', 'skipped'], 'our own words'),
    reader_state: 'ids and numbers of the agent’s',
  },
  'observatory.hook_events': {
    ...all(['agent_id', 'prompt_id', 'session_id', 'tool_use_id'], 'an id of the agent’s'),
    ...all(['event', 'failure'], 'a word of a list'),
  },
  'observatory.git_links': { ...all(['kind'], 'a word of a list'), sha: 'a hash' },
  'observatory.messages': {
    ...all(
      ['agent_id', 'api_message_id', 'entry_uuid', 'forked_from', 'parent_uuid', 'request_id'],
      'an id of the agent’s',
    ),
    ...all(['entry_type', 'model', 'role', 'stop_reason'], 'the agent’s words'),
  },
  'observatory.project_invitations': { role: 'a word of a list' },
  'observatory.notices': { dedupe_key: 'our own words and ids', kind: 'a word of a list' },
  'observatory.project_members': { role: 'a word of a list' },
  'observatory.share_links': { hide: 'words of a list' },
  'observatory.session_files': { kind: 'a word of a list', session_id: 'an id of the agent’s' },
  'observatory.daily_rollups': all(['model', 'source'], 'a word of the agent’s'),
  'observatory.tool_rollups': { tool_name: 'a word of the agent’s' },
  'observatory.usage_records': {
    ...all(['api_message_id', 'entry_uuid'], 'an id of the agent’s'),
    ...all(['geo', 'kind', 'model', 'source', 'variant'], 'a word of a list'),
    price: 'the operator’s prices',
  },
  'observatory.search_terms': {
    ...all(['folded', 'term'], 'functions let no contact in'),
    kind: 'a word of a list',
  },
  'private.stale_terms': { checked_to: 'a term' },
  'observatory.tool_calls': {
    ...all(['spawned_agent_id', 'tool_use_id'], 'an id of the agent’s'),
    ...all(['duration_source', 'status', 'tool_name'], 'a word of a list'),
  },
  'private.audit_heads': '*: ids and digests',
  'private.audit_seals': '*: sealed',
  'private.observatory_audit': '*: ids and our own words',
  'private.entry_links': '*: ids of the agent’s',
  'private.otel_events': {
    ...all(['request_id', 'session_id', 'tool_use_id'], 'an id of the agent’s'),
    ...all(['attributes', 'event'], 'words and numbers of the agent’s'),
  },
  'private.otel_sessions': { session_id: 'an id of the agent’s' },
};
