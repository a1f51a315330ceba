// assistant: a tenant's members see its conversations; their authors and admins change them. Each member rates a message once.
import {
  byOffice,
  columns,
  conversation,
  MAKERS,
  made,
  message,
  OFFICE,
  OWN,
  OWN_OR_MANAGED,
  own,
  READERS,
} from './tenants.js';

const isServer = ({ role }) => role === 'service_role';

export default {
  relations: {
    'assistant.conversations': {
      alone: true,
      fixture: conversation,
      draft: (who, marker, people) => ({
        title: marker,
        ...(isServer(who) && { tenant_id: own(who, people).tenant, user_id: people.owner.sub }),
      }),
      forAnother: (people, marker) => ({
        title: marker,
        tenant_id: own(people.owner, people).tenant,
        user_id: people.owner.sub,
      }),
      change: { title: 'changed' },
      sample: { user_id: ({ sub }) => sub },
      states: { 'when archived': { is_archived: true } },
      // A trigger refuses it, to service_role, too.
      owner: 'user_id',
      select: READERS,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN_OR_MANAGED,
      delete: OWN_OR_MANAGED,
      columns: columns(
        [{ ...made, update: OWN_OR_MANAGED }, 'title', 'metadata', 'is_archived'],
        [made, 'tenant_id', 'user_id'],
        [byOffice, 'id', 'created_at', 'updated_at'],
      ),
    },
    'assistant.messages': {
      alone: true,
      fixture: message,
      draft: (who, marker, people) => ({ conversation_id: own(who, people).conversation, content: marker }),
      forAnother: (people, marker) => ({
        conversation_id: own(people.owner, people).conversation,
        content: marker,
      }),
      change: { content: 'changed' },
      states: { 'when an answer': { role: 'assistant' } },
      owner: null,
      select: READERS,
      insert: MAKERS,
      'insert for another': OWN,
      update: OFFICE,
      delete: OFFICE,
      columns: columns(
        [{ ...made, update: OWN }, 'metadata'],
        [made, 'conversation_id', 'role', 'content'],
        [byOffice, 'id', 'token_count', 'model_used', 'latency_ms', 'created_at'],
      ),
    },
    'assistant.feedback': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id } = await message(add, people, marker, sql);
        return add('assistant.feedback', { message_id: id, user_id: people.owner.sub, rating: 1, comment: marker });
      },
      draft: (who, marker, people) => ({
        message_id: own(who, people).message,
        rating: 1,
        comment: marker,
        ...(isServer(who) && { user_id: people.owner.sub }),
      }),
      forAnother: (people, marker) => ({
        message_id: own(people.owner, people).message,
        user_id: people.owner.sub,
        rating: 1,
        comment: marker,
      }),
      change: { comment: 'changed' },
      sample: { user_id: ({ sub }) => sub },
      owner: 'user_id',
      select: READERS,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: columns(
        // The message and the member for upserts: a trigger keeps them as they are.
        [{ ...made, update: OWN }, 'rating', 'comment', 'message_id', 'user_id'],
        [byOffice, 'id', 'created_at'],
      ),
    },
  },
  functions: {},
  routes: {},
};
