// observatory: members search and read their projects; what a user has looked for is their own.
import { randomUUID } from 'node:crypto';
import { USERS } from '../../personas.js';
import { message, OWN, own, READERS, readByAll, shared } from './projects.js';

const id = randomUUID();
/** Columns that nobody writes by hand. */
const shown = (...names) => Object.fromEntries(names.map((name) => [name, {}]));
const signedIn = ['user'];

export default {
  relations: {
    'observatory.git_links': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id: message_id, project_id, conversation_id } = await message(add, people, marker, sql);
        const call = await add('observatory.tool_calls', {
          ...{ project_id, conversation_id, message_id, owner_id: people.owner.sub },
          ...{ tool_use_id: marker, tool_name: 'Bash', output: marker },
        });
        return add('observatory.git_links', {
          ...{ project_id, conversation_id, tool_call_id: call.id, kind: 'push', branch: marker },
        });
      },
      draft: (who, marker) => ({
        ...{ project_id: own(who).project, conversation_id: own(who).conversation, kind: 'push', branch: marker },
      }),
      forAnother: ({ owner }, marker) => ({
        ...{ project_id: own(owner).project, conversation_id: own(owner).conversation, kind: 'push', branch: marker },
      }),
      change: { branch: 'changed' },
      owner: null,
      select: READERS,
      insert: [],
      'insert for another': [],
      update: [],
      delete: [],
      columns: shown(
        ...['id', 'project_id', 'conversation_id', 'tool_call_id', 'kind', 'sha', 'branch', 'number', 'url', 'at'],
        'created_at',
      ),
    },
    'observatory.search_terms': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id: project_id } = await shared(add, people, marker, sql);
        return add('observatory.search_terms', { project_id, user_id: people.owner.sub, kind: 'file', term: marker });
      },
      draft: (who, marker) => ({ project_id: own(who).project, user_id: who.sub, kind: 'file', term: marker }),
      forAnother: ({ owner }, marker) => ({
        ...{ project_id: own(owner).project, user_id: owner.sub, kind: 'file', term: marker },
      }),
      change: { term: 'changed' },
      owner: 'user_id',
      'give away': [],
      select: READERS,
      insert: [],
      'insert for another': [],
      update: [],
      delete: [],
      // Everybody's tool call, to draft in, has made one.
      columns: readByAll(shown('id', 'project_id', 'user_id', 'kind', 'term', 'folded', 'uses')),
    },
    'observatory.search_history': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id: opened_message_id, project_id } = await message(add, people, marker, sql);
        return add('observatory.search_history', {
          ...{ user_id: people.owner.sub, project_id, opened_message_id, query: marker, results: 1 },
        });
      },
      draft: ({ sub }, marker) => ({ user_id: sub, query: marker, results: 1 }),
      forAnother: ({ owner }, marker) => ({ user_id: owner.sub, query: marker, results: 1 }),
      change: { query: 'changed' },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: [],
      'insert for another': [],
      update: [],
      delete: OWN,
      columns: shown(
        ...['id', 'user_id', 'project_id', 'query', 'filters', 'results', 'at', 'opened_message_id'],
        ...['opened_project_id', 'opened_at'],
      ),
    },
  },
  functions: {
    'observatory.search(text, uuid, text, text, timestamp with time zone, timestamp with time zone, text, bigint)': {
      arguments: (_, fixtures) => ({ q: fixtures['observatory.messages'].content }),
      execute: USERS,
      depends: null,
      touches: ['observatory.search_history'],
    },
    'observatory.suggest(text, uuid, bigint)': {
      arguments: (_, fixtures) => ({ q: fixtures['observatory.search_terms'].term.slice(0, 20) }),
      execute: USERS,
      depends: null,
    },
    'observatory."similar"(uuid, bigint)': {
      // Of no message: a member may see messages like the fixture's, with which somebody else's search was opened.
      arguments: () => ({ message_id: randomUUID() }),
      execute: USERS,
      depends: null,
    },
    'observatory.search_opened(uuid, uuid)': {
      arguments: (_, fixtures) => ({
        search_id: fixtures['observatory.search_history'].id,
        message_id: fixtures['observatory.messages'].id,
      }),
      execute: USERS,
      depends: null,
      touches: ['observatory.search_history'],
    },
    'observatory.search_analytics(uuid)': {
      // Of no project: members who are no owners get 403.
      arguments: () => ({ project: randomUUID() }),
      execute: USERS,
      depends: null,
    },
    'observatory.thread(uuid, text, bigint)': {
      arguments: (_, fixtures) => ({ id: fixtures['observatory.messages'].conversation_id }),
      execute: USERS,
      depends: null,
    },
  },
  routes: {
    'GET /v1/search': { path: '/v1/search?q=proof', call: signedIn },
    'GET /v1/search/suggest': { path: '/v1/search/suggest?q=proof', call: signedIn },
    'GET /v1/search/similar/{message_id}': { path: `/v1/search/similar/${id}`, call: signedIn },
    'POST /v1/search/opened': { body: () => ({ search_id: id, message_id: id }), call: signedIn },
    'GET /v1/search/analytics': { path: `/v1/search/analytics?project=${id}`, call: signedIn },
    'GET /v1/conversations/{id}/thread': { path: `/v1/conversations/${id}/thread`, call: signedIn },
  },
  cleanUp: async (sql, people) => {
    await sql('delete from observatory.search_history where user_id = any ($1)', [people.map(({ sub }) => sub)]);
  },
};
