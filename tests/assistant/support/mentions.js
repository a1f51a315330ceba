const all = (names, why) => Object.fromEntries(names.map((name) => [name, why]));

/** Columns of text that are not looked through for mentions of a person, and why. */
export const NOT_LOOKED_FOR = {
  'assistant.tenants': {
    ...all(['llm_model', 'llm_provider', 'slug'], 'a word of service_role’s'),
    features: 'checked words and numbers',
  },
  'assistant.users': { email: 'the member’s own address', role: 'a word of a list' },
  'private.provider_keys': '*: sealed',
  'assistant.messages': all(['model_used', 'role'], 'a word of a list'),
  'private.usage_days': { model: 'a word of a list' },
  'private.usage_events': {
    ...all(['model', 'provider', 'source'], 'a word of a list'),
    event_id: 'an id that a server makes',
  },
  'private.usage_pending': { event_id: 'an id that a server makes' },
  'private.usage_requests': { provider: 'a word of a list' },
  'private.chat_turns': {
    ...all(['ending', 'finish_reason', 'model', 'provider'], 'a word of a list'),
    said: 'an answer that is still arriving: it becomes a message',
  },
  'private.feedback_snapshots': all(['model', 'role'], 'a word of a list'),
};
