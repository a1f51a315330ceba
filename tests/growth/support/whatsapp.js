// Meta's webhook as its documentation shows it: a delivery for every kind of event, and what the rows must look like afterwards.
import { createHmac, randomInt } from 'node:crypto';

const digits = (count) =>
  Array.from({ length: count }, (_, at) => (at === 0 ? randomInt(1, 10) : randomInt(10))).join('');

/** Ids of a business, a number of it, a template and a message that no other test uses. */
export const freshIds = () => ({
  waba: digits(15),
  phoneId: digits(15),
  phone: `1555${digits(7)}`,
  template: Number(digits(15)),
  wamid: `wamid.HBgL${digits(24)}`,
  user: `1650${digits(7)}`,
});

/** A moment of the examples, in seconds; those of the past are as good as any. */
export const TIME = 1751247548;

/** The header by which the edge knows that Meta sent these bytes. */
export const signature = (bytes, secret) => `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`;

/** A delivery of changes; those of the field `messages` come without a time. */
export const delivery = (waba, changes, time = TIME) => ({
  object: 'whatsapp_business_account',
  entry: [{ id: waba, ...(time !== null && { time }), changes: [changes].flat() }],
});

export const change = (field, value) => ({ field, value });

/** A change of the field `messages`, of one number. */
export const messages = (ids, value) =>
  change('messages', {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    ...value,
  });

export const text = (ids, { id = ids.wamid, from = ids.user, timestamp = TIME } = {}) => ({
  from,
  id,
  timestamp: `${timestamp}`,
  type: 'text',
  text: { body: 'Does it come in another color?' },
});

export const status = (ids, { id = ids.wamid, status: word = 'sent', timestamp = TIME, ...more } = {}) => ({
  id,
  status: word,
  timestamp: `${timestamp}`,
  recipient_id: ids.user,
  conversation: { id: 'c1', expiration_timestamp: `${timestamp + 86400}`, origin: { type: 'utility' } },
  pricing: { billable: true, pricing_model: 'PMP', category: 'utility' },
  ...more,
});

/** What a webhook says of a template. */
export const ofTemplate = (ids, value) => ({
  message_template_id: ids.template,
  message_template_name: 'order_confirmation',
  message_template_language: 'en-US',
  ...value,
});

/** An account with these ids, verified unless the columns say otherwise; gives its row. */
export const addAccount = async (sql, ids, columns = {}) => {
  const row = {
    business_account_id: ids.waba,
    phone_number_id: ids.phoneId,
    phone_number: `+${ids.phone}`,
    is_verified: true,
    owner_id: crypto.randomUUID(),
    ...columns,
  };
  const list = Object.keys(row).join(', ');
  const [{ account }] = await sql(
    `insert into whatsapp.accounts as a (${list}) select ${list} from jsonb_populate_record(null::whatsapp.accounts, $1)
     returning to_jsonb(a) as account`,
    [JSON.stringify(row)],
  );
  return account;
};

/** A template of the account; gives its row. */
export const addTemplate = async (sql, account, ids, columns = {}) => {
  const row = {
    account_id: account.id,
    template_name: 'order_confirmation',
    language: 'en_US',
    status: 'PENDING',
    category: 'UTILITY',
    whatsapp_template_id: `${ids.template}`,
    ...columns,
  };
  const list = Object.keys(row).join(', ');
  const [{ template }] = await sql(
    `insert into whatsapp.templates as t (${list}) select ${list} from jsonb_populate_record(null::whatsapp.templates, $1)
     returning to_jsonb(t) as template`,
    [JSON.stringify(row)],
  );
  return template;
};

const STATUSES = [
  'APPROVED',
  'ARCHIVED',
  'DISABLED',
  'FLAGGED',
  'IN_APPEAL',
  'LIMIT_EXCEEDED',
  'LOCKED',
  'PAUSED',
  'PENDING',
  'REINSTATED',
  'UNARCHIVED',
  'SOME_FUTURE_STATUS',
];

const REVIEWS = ['APPROVED', 'REJECTED', 'PENDING', 'DEFERRED'];

const TIERS = { TIER_50: 50, TIER_250: 250, TIER_1K: 1000, TIER_2K: 2000, TIER_10K: 10000, TIER_100K: 100000 };
const NO_LIMITS = { TIER_UNLIMITED: null, TIER_NOT_SET: null };

const templateStatus = (ids, value) => [change('message_template_status_update', ofTemplate(ids, value))];
const quality = (ids, value) => [change('phone_number_quality_update', { display_phone_number: ids.phone, ...value })];
const account = (value) => [change('account_update', value)];

/** Fields that are kept and mean nothing to the tables; an example of each. */
const KEPT = {
  account_alerts: (ids) => ({
    entity_type: 'PHONE_NUMBER',
    entity_id: ids.phoneId,
    alert_info: {
      alert_severity: 'WARNING',
      alert_status: 'ACTIVE',
      alert_type: 'PROFILE_PICTURE_LOST',
      alert_description: 'Please reupload',
    },
  }),
  security: (ids) => ({ display_phone_number: ids.phone, event: 'PIN_RESET_REQUEST', requester: '61555822107539' }),
  flows: () => ({
    event: 'FLOW_STATUS_CHANGE',
    message: 'Flow Webhook 3 changed status',
    flow_id: '6627390910605886',
    old_status: 'DRAFT',
    new_status: 'PUBLISHED',
  }),
  payment_configuration_update: () => ({
    configuration_name: 'razorpay-prod',
    provider_name: 'razorpay',
    status: 'Needs Testing',
    created_timestamp: TIME,
  }),
  partner_solutions: () => ({
    event: 'SOLUTION_CREATED',
    solution_id: '774485461512159',
    solution_status: 'INITIATED',
  }),
  history: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    history: [
      { metadata: { phase: 0, chunk_order: 1, progress: 55 }, threads: [{ id: ids.user, messages: [text(ids)] }] },
    ],
  }),
  smb_message_echoes: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    message_echoes: [{ ...text(ids, { from: ids.phone }), to: ids.user }],
  }),
  smb_app_state_sync: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    state_sync: [
      {
        type: 'contact',
        contact: { full_name: 'Pablo Morales', phone_number: ids.user },
        action: 'add',
        metadata: { timestamp: `${TIME}` },
      },
    ],
  }),
  user_preferences: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    contacts: [{ wa_id: ids.user }],
    user_preferences: [
      {
        wa_id: ids.user,
        detail: 'User requested to stop marketing messages',
        category: 'marketing_messages',
        value: 'stop',
        timestamp: TIME,
      },
    ],
  }),
  automatic_events: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    automatic_events: [{ id: ids.wamid, event_name: 'LeadSubmitted', timestamp: TIME, ctwa_clid: 'x' }],
  }),
  calls: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    calls: [{ id: ids.wamid, to: ids.phone, from: ids.user, event: 'connect', timestamp: `${TIME}` }],
  }),
  user_id_update: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    contacts: [{ profile: { name: 'Sheena' }, wa_id: ids.user, user_id: `US.2${ids.waba}` }],
    user_id_update: [
      {
        wa_id: ids.user,
        detail: 'The user’s id has changed',
        user_id: { previous: `US.${ids.waba}`, current: `US.2${ids.waba}` },
        parent_user_id: { previous: `US.ENT.1${ids.waba}`, current: `US.ENT.2${ids.waba}` },
        timestamp: `${TIME}`,
      },
    ],
  }),
  group_participants_update: (ids) => ({
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: ids.phone, phone_number_id: ids.phoneId },
    groups: [
      {
        timestamp: TIME,
        group_id: 'Y2FwaV9ncm91cDox',
        type: 'group_participants_add',
        reason: 'invite_link',
        added_participants: [{ wa_id: ids.user, user_id: `US.2${ids.waba}`, parent_user_id: `US.ENT.2${ids.waba}` }],
      },
    ],
  }),
  some_future_field: () => ({ event: 'SOMETHING', deep: { list: [1, { two: null }] } }),
};

const ONE = { stored: 1, repeated: 0, applied: 1, outdated: 0, unknown: 0 };
const NONE = { stored: 1, repeated: 0, applied: 0, outdated: 0, unknown: 1 };

/**
 * Every kind of event: `name`; `payload` of the ids of an account; `account` and `template`, what these are before, if there are
 * any; `becomes`, what is different afterwards; `answer`.
 * @type {{name: string, payload: (ids: object) => object, account?: object, template?: object, becomes: {account?: object, template?: object}, answer: object}[]}
 */
export const EVENTS = [
  {
    name: 'messages: a text comes in',
    payload: (ids) =>
      delivery(
        ids.waba,
        messages(ids, { contacts: [{ profile: { name: 'Sheena Nelson' }, wa_id: ids.user }], messages: [text(ids)] }),
        null,
      ),
    becomes: {},
    answer: ONE,
  },
  {
    name: 'messages: a text of somebody who shows no number',
    payload: (ids) =>
      delivery(
        ids.waba,
        messages(ids, {
          contacts: [{ profile: { name: 'Sheena', username: '@sheena' }, user_id: `US.${ids.user}` }],
          messages: [{ ...text(ids), from: undefined, from_user_id: `US.${ids.user}` }],
        }),
        null,
      ),
    becomes: {},
    answer: ONE,
  },
  {
    name: 'messages: an error without a message',
    payload: (ids) =>
      delivery(ids.waba, messages(ids, { errors: [{ code: 131000, title: 'Something went wrong' }] }), null),
    becomes: {},
    answer: ONE,
  },
  {
    name: 'messages: sent',
    payload: (ids) => delivery(ids.waba, messages(ids, { statuses: [status(ids)] }), null),
    becomes: { account: { messages_sent_today: 1, last_message_sent_at: '2025-06-30T01:39:08+00:00' } },
    answer: ONE,
  },
  ...['delivered', 'read', 'played', 'deleted'].map((word) => ({
    name: `messages: ${word}`,
    payload: (ids) => delivery(ids.waba, messages(ids, { statuses: [status(ids, { status: word })] }), null),
    becomes: {},
    answer: ONE,
  })),
  {
    name: 'messages: failed',
    payload: (ids) =>
      delivery(
        ids.waba,
        messages(ids, {
          statuses: [
            {
              id: ids.wamid,
              status: 'failed',
              timestamp: `${TIME}`,
              recipient_id: ids.user,
              errors: [{ code: 131026, title: 'Message undeliverable', error_data: { details: 'x' } }],
            },
          ],
        }),
        null,
      ),
    becomes: {},
    answer: ONE,
  },
  {
    name: 'messages: delivered to two of a group',
    payload: (ids) =>
      delivery(
        ids.waba,
        messages(ids, {
          statuses: ['1', '2'].map((last) =>
            status(ids, {
              status: 'delivered',
              recipient_type: 'group',
              recipient_id: 'Y2FwaV9ncm91cDox',
              recipient_participant_id: `4917600000${last}`,
            }),
          ),
        }),
        null,
      ),
    becomes: {},
    answer: { ...ONE, stored: 2, applied: 2 },
  },
  {
    name: 'messages: delivered to two of a group who show no number',
    payload: (ids) =>
      delivery(
        ids.waba,
        messages(ids, {
          contacts: ['1', '2'].map((last) => ({
            profile: { username: `@u${last}` },
            user_id: `US.${last}${ids.waba}`,
          })),
          statuses: ['1', '2'].map((last) =>
            status(ids, {
              status: 'delivered',
              recipient_type: 'group',
              recipient_id: 'Y2FwaV9ncm91cDox',
              recipient_participant_user_id: `US.${last}${ids.waba}`,
              recipient_participant_parent_user_id: `US.ENT.${last}${ids.waba}`,
            }),
          ),
        }),
        null,
      ),
    becomes: {},
    answer: { ...ONE, stored: 2, applied: 2 },
  },
  ...STATUSES.map((event) => ({
    name: `message_template_status_update: ${event}`,
    template: { status: 'PENDING', rejected_reason: 'SCAM' },
    payload: (ids) =>
      delivery(ids.waba, templateStatus(ids, { event, reason: 'NONE', message_template_category: 'UTILITY' })),
    becomes: { template: { status: event, rejected_reason: null, last_event_at: '2025-06-30T01:39:08+00:00' } },
    answer: ONE,
  })),
  ...['DELETED', 'PENDING_DELETION'].map((event) => ({
    name: `message_template_status_update: ${event}`,
    template: { status: 'APPROVED' },
    payload: (ids) => delivery(ids.waba, templateStatus(ids, { event, reason: null })),
    becomes: { template: { status: event, rejected_reason: null } },
    answer: ONE,
  })),
  {
    name: 'message_template_status_update: REJECTED',
    template: {},
    payload: (ids) =>
      delivery(
        ids.waba,
        templateStatus(ids, {
          event: 'REJECTED',
          reason: 'INVALID_FORMAT',
          message_template_category: 'MARKETING',
          rejection_info: { reason: 'Parameters stand next to each other.', recommendation: 'Separate them.' },
        }),
      ),
    becomes: { template: { status: 'REJECTED', rejected_reason: 'INVALID_FORMAT', category: 'MARKETING' } },
    answer: ONE,
  },
  {
    name: 'message_template_status_update: of a draft, which has no id yet',
    template: { status: 'DRAFT', whatsapp_template_id: null },
    payload: (ids) => delivery(ids.waba, templateStatus(ids, { event: 'PENDING', reason: 'NONE' })),
    becomes: { template: { status: 'PENDING' } },
    answer: ONE,
  },
  {
    name: 'message_template_status_update: of one that was made in Meta’s manager',
    payload: (ids) =>
      delivery(
        ids.waba,
        templateStatus(ids, { event: 'APPROVED', reason: 'NONE', message_template_category: 'MARKETING' }),
      ),
    becomes: {
      template: {
        template_name: 'order_confirmation',
        language: 'en_US',
        status: 'APPROVED',
        category: 'MARKETING',
        body_text: null,
      },
    },
    answer: ONE,
  },
  {
    name: 'message_template_status_update: DELETED, of one that nobody knows',
    payload: (ids) => delivery(ids.waba, templateStatus(ids, { event: 'DELETED', reason: null })),
    becomes: {},
    answer: NONE,
  },
  ...['message_template_quality_update', 'message_template_status_update'].map((field) => ({
    // The documentation's example has it in the other field.
    name: `message_template_quality_update, in the field ${field}`,
    template: { quality_score: 'GREEN', status: 'APPROVED' },
    payload: (ids) =>
      delivery(
        ids.waba,
        change(field, ofTemplate(ids, { previous_quality_score: 'GREEN', new_quality_score: 'YELLOW' })),
      ),
    becomes: { template: { quality_score: 'YELLOW', status: 'APPROVED' } },
    answer: ONE,
  })),
  {
    name: 'message_template_components_update',
    template: {
      header_type: 'IMAGE',
      header_content: 'https://example.org/old.png',
      footer_text: 'old',
      buttons: [{ type: 'QUICK_REPLY', text: 'Stop' }],
      components: [
        { type: 'HEADER', format: 'IMAGE', example: { header_handle: ['x'] } },
        { type: 'BODY', text: 'old' },
        { type: 'CAROUSEL', cards: [] },
      ],
    },
    payload: (ids) =>
      delivery(
        ids.waba,
        change(
          'message_template_components_update',
          ofTemplate(ids, {
            message_template_title: 'Your order is confirmed!',
            message_template_element: 'Thank you, {{1}}!',
            message_template_footer: 'Lucky Shrub',
            message_template_buttons: [
              {
                message_template_button_type: 'PHONE_NUMBER',
                message_template_button_text: 'Call',
                message_template_button_phone_number: '+15550783881',
              },
              {
                message_template_button_type: 'URL',
                message_template_button_text: 'See',
                message_template_button_url: 'https://www.example.org/support',
              },
            ],
          }),
        ),
      ),
    becomes: {
      template: {
        header_type: 'TEXT',
        header_content: 'Your order is confirmed!',
        body_text: 'Thank you, {{1}}!',
        footer_text: 'Lucky Shrub',
        buttons: [
          { type: 'PHONE_NUMBER', text: 'Call', phone_number: '+15550783881' },
          { type: 'URL', text: 'See', url: 'https://www.example.org/support' },
        ],
        components: [
          { type: 'HEADER', format: 'TEXT', text: 'Your order is confirmed!' },
          { type: 'BODY', text: 'Thank you, {{1}}!' },
          { type: 'FOOTER', text: 'Lucky Shrub' },
          {
            type: 'BUTTONS',
            buttons: [
              { type: 'PHONE_NUMBER', text: 'Call', phone_number: '+15550783881' },
              { type: 'URL', text: 'See', url: 'https://www.example.org/support' },
            ],
          },
          { type: 'CAROUSEL', cards: [] },
        ],
      },
    },
    answer: ONE,
  },
  {
    name: 'message_template_components_update: only a body, beside what a webhook does not tell',
    template: {
      header_type: 'IMAGE',
      header_content: 'https://example.org/a.png',
      footer_text: 'gone',
      buttons: [
        { type: 'QUICK_REPLY', text: 'Stop' },
        { type: 'URL', text: 'gone', url: 'https://example.org' },
      ],
      components: [{ type: 'HEADER', format: 'IMAGE', example: { header_handle: ['x'] } }],
    },
    payload: (ids) =>
      delivery(
        ids.waba,
        change('message_template_components_update', ofTemplate(ids, { message_template_element: 'Hello' })),
      ),
    becomes: {
      template: {
        header_type: 'IMAGE',
        header_content: 'https://example.org/a.png',
        body_text: 'Hello',
        footer_text: null,
        buttons: [{ type: 'QUICK_REPLY', text: 'Stop' }],
        components: [
          { type: 'HEADER', format: 'IMAGE', example: { header_handle: ['x'] } },
          { type: 'BODY', text: 'Hello' },
          { type: 'BUTTONS', buttons: [{ type: 'QUICK_REPLY', text: 'Stop' }] },
        ],
      },
    },
    answer: ONE,
  },
  {
    name: 'template_category_update: in 24 hours',
    template: { category: 'UTILITY' },
    payload: (ids) =>
      delivery(
        ids.waba,
        change(
          'template_category_update',
          ofTemplate(ids, {
            new_category: 'UTILITY',
            correct_category: 'MARKETING',
            category_update_timestamp: TIME + 86400,
          }),
        ),
      ),
    becomes: { template: { category: 'UTILITY', previous_category: null } },
    answer: ONE,
  },
  {
    name: 'template_category_update: done',
    template: { category: 'UTILITY' },
    payload: (ids) =>
      delivery(
        ids.waba,
        change(
          'template_category_update',
          ofTemplate(ids, { previous_category: 'UTILITY', new_category: 'MARKETING' }),
        ),
      ),
    becomes: { template: { category: 'MARKETING', previous_category: 'UTILITY' } },
    answer: ONE,
  },
  ...Object.entries({ ...TIERS, ...NO_LIMITS }).flatMap(([tier, limit]) =>
    ['current_limit', 'max_daily_conversations_per_business'].map((key) => ({
      name: `phone_number_quality_update: ${key} ${tier}`,
      account: { messages_limit_daily: 7, messaging_limit_tier: 'TIER_7' },
      payload: (ids) => delivery(ids.waba, quality(ids, { event: 'ONBOARDING', old_limit: 'TIER_50', [key]: tier })),
      becomes: { account: { messaging_limit_tier: tier, messages_limit_daily: limit } },
      answer: ONE,
    })),
  ),
  {
    name: 'phone_number_quality_update: both limits',
    payload: (ids) =>
      delivery(
        ids.waba,
        quality(ids, { event: 'UPGRADE', current_limit: 'TIER_250', max_daily_conversations_per_business: 'TIER_2K' }),
      ),
    becomes: { account: { messaging_limit_tier: 'TIER_2K', messages_limit_daily: 2000 } },
    answer: ONE,
  },
  {
    name: 'phone_number_quality_update: THROUGHPUT_UPGRADE',
    payload: (ids) =>
      delivery(ids.waba, quality(ids, { event: 'THROUGHPUT_UPGRADE', current_limit: 'TIER_UNLIMITED' })),
    becomes: {
      account: { throughput_level: 'HIGH', messaging_limit_tier: 'TIER_UNLIMITED', messages_limit_daily: null },
    },
    answer: ONE,
  },
  {
    name: 'phone_number_quality_update: FLAGGED',
    payload: (ids) => delivery(ids.waba, quality(ids, { event: 'FLAGGED', current_limit: 'TIER_1K' })),
    becomes: { account: { quality_rating: 'RED', messaging_limit_tier: 'TIER_1K', messages_limit_daily: 1000 } },
    answer: ONE,
  },
  {
    name: 'phone_number_quality_update: UNFLAGGED',
    account: { quality_rating: 'RED' },
    payload: (ids) => delivery(ids.waba, quality(ids, { event: 'UNFLAGGED', current_limit: 'TIER_1K' })),
    becomes: { account: { quality_rating: 'UNKNOWN', messaging_limit_tier: 'TIER_1K', messages_limit_daily: 1000 } },
    answer: ONE,
  },
  {
    name: 'phone_number_name_update: APPROVED',
    account: { display_name: 'Old' },
    payload: (ids) =>
      delivery(
        ids.waba,
        change('phone_number_name_update', {
          display_phone_number: ids.phone,
          decision: 'APPROVED',
          requested_verified_name: 'Lucky Shrub',
          rejection_reason: null,
        }),
      ),
    becomes: { account: { name_status: 'APPROVED', display_name: 'Lucky Shrub' } },
    answer: ONE,
  },
  ...['REJECTED', 'DEFERRED', 'PENDING'].map((decision) => ({
    name: `phone_number_name_update: ${decision}`,
    account: { display_name: 'Old' },
    payload: (ids) =>
      delivery(
        ids.waba,
        change('phone_number_name_update', {
          display_phone_number: ids.phone,
          decision,
          requested_verified_name: 'New',
          rejection_reason: 'NAME_NOT_CONSISTENT',
        }),
      ),
    becomes: { account: { name_status: decision, display_name: 'Old' } },
    answer: ONE,
  })),
  ...REVIEWS.map((decision) => ({
    name: `account_review_update: ${decision}`,
    payload: (ids) => delivery(ids.waba, change('account_review_update', { decision })),
    becomes: { account: { verification_status: decision } },
    answer: ONE,
  })),
  {
    name: 'account_update: VERIFIED_ACCOUNT',
    payload: (ids) => delivery(ids.waba, account({ event: 'VERIFIED_ACCOUNT', phone_number: ids.phone })),
    becomes: { account: { verification_status: 'VERIFIED_ACCOUNT' } },
    answer: ONE,
  },
  ...[
    ['ACCOUNT_DELETED', {}],
    ['ACCOUNT_VIOLATION', { violation_info: { violation_type: 'ADULT' } }],
    [
      'ACCOUNT_RESTRICTION',
      { restriction_info: [{ restriction_type: 'RESTRICTED_BIZ_INITIATED_MESSAGING', expiration: 1641848950 }] },
    ],
    ['ACCOUNT_OFFBOARDED', {}],
    ['ACCOUNT_RECONNECTED', {}],
  ].map(([event, more]) => ({
    name: `account_update: ${event}`,
    payload: (ids) => delivery(ids.waba, account({ event, ...more })),
    becomes: { account: { verification_status: event } },
    answer: ONE,
  })),
  ...['DISABLE', 'REINSTATE', 'SCHEDULE_FOR_DISABLE'].map((state) => ({
    name: `account_update: DISABLED_UPDATE, ${state}`,
    payload: (ids) =>
      delivery(
        ids.waba,
        account({ event: 'DISABLED_UPDATE', ban_info: { waba_ban_state: state, waba_ban_date: 'April 17, 2025' } }),
      ),
    becomes: { account: { verification_status: state } },
    answer: ONE,
  })),
  {
    name: 'account_update: PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE',
    payload: (ids) =>
      delivery(
        ids.waba,
        account({
          event: 'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE',
          partner_client_certification_info: {
            client_business_id: '1',
            status: 'APPROVED',
            rejection_reasons: ['NONE'],
          },
        }),
      ),
    becomes: { account: { verification_status: 'APPROVED' } },
    answer: ONE,
  },
  ...[
    'PARTNER_ADDED',
    'PARTNER_REMOVED',
    'PARTNER_APP_INSTALLED',
    'PARTNER_APP_UNINSTALLED',
    'AD_ACCOUNT_LINKED',
    'MM_LITE_TERMS_SIGNED',
  ].map((event) => ({
    name: `account_update: ${event}, whose entry is the partner’s`,
    payload: (ids) =>
      delivery(
        '2949482758682047',
        account({ event, waba_info: { waba_id: ids.waba, owner_business_id: '2329417887457253' } }),
      ),
    becomes: {},
    answer: NONE,
  })),
  ...[
    { event: 'AUTH_INTL_PRICE_ELIGIBILITY_UPDATE', auth_international_rate_eligibility: { start_time: TIME } },
    { event: 'BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE', country: 'IN' },
    {
      event: 'VOLUME_BASED_PRICING_TIER_UPDATE',
      volume_tier_info: { pricing_category: 'UTILITY', tier: '25000001:50000000', region: 'INDIA' },
    },
    { event: 'SOME_FUTURE_EVENT' },
  ].map((value) => ({
    name: `account_update: ${value.event}`,
    payload: (ids) => delivery(ids.waba, account(value)),
    becomes: {},
    answer: NONE,
  })),
  ...[
    [{ max_daily_conversation_per_phone: 250, max_phone_numbers_per_business: 2 }, 'TIER_250', 250],
    [{ max_daily_conversation_per_phone: -1, max_phone_numbers_per_waba: 25 }, 'TIER_UNLIMITED', null],
    [{ max_daily_conversations_per_business: 2000, max_phone_numbers_per_waba: 25 }, 'TIER_2K', 2000],
    [{ max_daily_conversations_per_business: 'TIER_100K', max_phone_numbers_per_waba: 25 }, 'TIER_100K', 100000],
    [{ max_daily_conversations_per_business: 'TIER_10K', max_daily_conversation_per_phone: 250 }, 'TIER_10K', 10000],
  ].map(([value, tier, limit]) => ({
    name: `business_capability_update: ${JSON.stringify(value)}`,
    account: { messages_limit_daily: 7, messaging_limit_tier: 'TIER_7' },
    payload: (ids) => delivery(ids.waba, change('business_capability_update', value)),
    becomes: { account: { messaging_limit_tier: tier, messages_limit_daily: limit } },
    answer: ONE,
  })),
  ...Object.entries(KEPT).map(([field, value]) => ({
    name: `${field}: kept`,
    payload: (ids) => delivery(ids.waba, change(field, value(ids)), field === 'some_future_field' ? TIME : null),
    becomes: {},
    answer: NONE,
  })),
];
