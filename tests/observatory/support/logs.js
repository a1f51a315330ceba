// Logs as a coding agent's OpenTelemetry exporter sends them.

/** A log record with the attributes of an event. Numbers are texts, as in some versions, unless `typed`. */
export const record = (session, event, attributes = {}, { at = Date.now(), sequence = 1 } = {}) => ({
  timeUnixNano: `${at}000000`,
  body: { stringValue: `claude_code.${event}` },
  attributes: Object.entries({
    'event.name': event,
    'event.sequence': sequence,
    'session.id': session,
    'user.email': 'person@example.org',
    ...attributes,
  }).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: value } : { stringValue: String(value) },
  })),
});

/** A request of an exporter. */
export const logs = (...records) => ({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'claude-code' } }] },
      scopeLogs: [{ scope: { name: 'com.anthropic.claude_code.events' }, logRecords: records }],
    },
  ],
});
