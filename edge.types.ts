// Made by `npm run db:types` from the manifests. Do not edit.

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the edge itself runs. It asks no other service. */
        get: operations["get_healthz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether each service behind the edge answers, and which variables are not set that some endpoint needs. 503 with the same body while one does not. */
        get: operations["get_readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description. Signed-in callers also get the relations and functions of the data API that their role may use. */
        get: operations["get_openapi_json"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page made of this description. */
        get: operations["get_docs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs/style.css": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The style of the page. */
        get: operations["get_docs_style_css"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs/filter.js": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The filter of the page. */
        get: operations["get_docs_filter_js"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Streams the changes of a table to a signed-in user, as server-sent events, until the token expires: key and verb of each written row that the table's policies let the user see. */
        get: operations["get_v1_changes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/gdpr/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Everything that is stored about a person. For admins and servers. */
        post: operations["post_v1_admin_gdpr_export"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/gdpr/erase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Erases what is stored about a person, and counts what stays. For admins and servers. */
        post: operations["post_v1_admin_gdpr_erase"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's API tokens, without their texts. */
        get: operations["get_v1_tokens"];
        put?: never;
        /** Makes an API token. Its text is in this answer only. */
        post: operations["post_v1_tokens"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revokes an API token of the caller, at once. */
        delete: operations["delete_v1_tokens_id_"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/keys/rewrap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Moves 200 sealed secrets to the newest key. Call it again with the answer's `after` until that is null. */
        post: operations["post_v1_admin_keys_rewrap"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rest/v1/{relation}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Rows of a table or view, as PostgREST serves them. For signed-in callers this description lists the relations one by one. */
        get: operations["get_rest_v1_relation_"];
        /** Inserts the row whose key the filters name, or replaces it. */
        put: operations["put_rest_v1_relation_"];
        /** Inserts one row, or a list of rows. */
        post: operations["post_rest_v1_relation_"];
        /** Deletes the rows that the filters choose. Without a filter it is refused. */
        delete: operations["delete_rest_v1_relation_"];
        options?: never;
        head?: never;
        /** Changes the rows that the filters choose. Without a filter it is refused. */
        patch: operations["patch_rest_v1_relation_"];
        trace?: never;
    };
    "/rest/v1/rpc/{function}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Calls a function that writes nothing, with arguments in the query. */
        get: operations["get_rest_v1_rpc_function_"];
        put?: never;
        /** Calls a function. */
        post: operations["post_rest_v1_rpc_function_"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says what is wrong with an n8n workflow, and gives one with everything corrected that has only one correction. */
        post: operations["post_v1_workflows_validate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/{id}/deploy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deploys a workflow to n8n. */
        post: operations["post_v1_workflows_id_deploy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/{id}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deploys an earlier version of a workflow. */
        post: operations["post_v1_workflows_id_rollback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/telemetry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What users do in the builder. */
        post: operations["post_v1_telemetry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/finish_deployments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Resumes interrupted deployments: for a server with a `service_role` token, in place of crons. */
        post: operations["post_v1_jobs_finish_deployments"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/leads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A lead, from a form or a script. */
        post: operations["post_v1_leads"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/leads/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The page with the button that confirms an address. It changes nothing: mail programs open links by themselves. */
        get: operations["get_v1_leads_confirm"];
        put?: never;
        /** Confirms an address. */
        post: operations["post_v1_leads_confirm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/forms": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The list of the hosted forms. */
        get: operations["get_forms"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/forms/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_forms_"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/forms/thanks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The page after a form. */
        get: operations["get_forms_thanks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/forms/style.css": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_forms_style_css"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/forms/{source}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A hosted form. */
        get: operations["get_forms_source_"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/onboarding/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts an onboarding. */
        post: operations["post_v1_onboarding_sessions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/onboarding/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How far an onboarding is. */
        get: operations["get_v1_onboarding_session"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes a step of an onboarding. */
        patch: operations["patch_v1_onboarding_session"];
        trace?: never;
    };
    "/v1/onboarding/activities": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Records what a visitor does in an onboarding. */
        post: operations["post_v1_onboarding_activities"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Events of sites and apps. */
        post: operations["post_v1_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/experiments/assign": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The variants of a user or a session. */
        post: operations["post_v1_experiments_assign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/experiments/exposures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Variants that were shown. */
        post: operations["post_v1_experiments_exposures"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/experiments/{id}/results": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The results of an experiment, for admins. */
        get: operations["get_v1_experiments_id_results"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/whatsapp/webhook": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Meta verifies once that the address belongs to the account's owner. */
        get: operations["get_v1_whatsapp_webhook"];
        put?: never;
        /** A webhook of Meta. */
        post: operations["post_v1_whatsapp_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/whatsapp/accounts/{id}/access-token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Stores the token with which an owner sends through Meta. No endpoint returns it. */
        put: operations["put_v1_whatsapp_accounts_id_access_token"];
        post?: never;
        /** Removes it. */
        delete: operations["delete_v1_whatsapp_accounts_id_access_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/leads.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All leads as CSV. */
        get: operations["get_v1_admin_leads_csv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores a key of another service. The edge seals it; only POST /v1/keys/{id}/use opens it. */
        post: operations["post_v1_keys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores the successor of a key. Both can be used until the successor is confirmed. */
        post: operations["post_v1_keys_id_rotate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Puts a successor in the place of the key that it replaces, which is revoked. */
        post: operations["post_v1_keys_id_confirm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revokes a key and deletes what is sealed of it. Its row stays; DELETE /rest/v1/user_api_keys removes that, too. */
        delete: operations["delete_v1_keys_id_"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks the service whether it accepts the key. The outcome is the key's status, and keeps nobody from using it. */
        post: operations["post_v1_keys_id_verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/deployments/{id}/environment": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Stores the environment variables of a deployment, in place of those before. The edge seals them; the row shows their names. */
        put: operations["put_v1_deployments_id_environment"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/integrations/{id}/credentials": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Stores the credentials of an integration, in place of those before. The edge seals them; the row shows their names. */
        put: operations["put_v1_integrations_id_credentials"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}/use": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens a key for a worker, by an API token that names this endpoint. Each use is counted and audited. */
        post: operations["post_v1_keys_id_use"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/deployments/{id}/environment/use": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens the environment variables of a deployment for a worker, by an API token that names this endpoint. Each use is audited. */
        post: operations["post_v1_deployments_id_environment_use"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/integrations/{id}/credentials/use": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens the credentials of an integration for a worker, by an API token that names this endpoint. Each use is audited. */
        post: operations["post_v1_integrations_id_credentials_use"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/services": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The AI services that users may call, with their prices. */
        get: operations["get_v1_services"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The agents that take tasks. */
        get: operations["get_v1_agents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Queues a task for an agent. */
        post: operations["post_v1_tasks"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tasks/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancels a task. A worker that has it learns of it by its next heartbeat. */
        post: operations["post_v1_tasks_id_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/claim": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Leases tasks to a worker. */
        post: operations["post_v1_workers_claim"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/heartbeat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Extends the lease of a task, and says whether its owner has cancelled it. */
        post: operations["post_v1_workers_heartbeat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a task with its result. */
        post: operations["post_v1_workers_complete"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/complete-batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends tasks with their results, each by its own lease. */
        post: operations["post_v1_workers_complete_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/fail": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends an attempt without a result. The task is tried again later, or is dead. */
        post: operations["post_v1_workers_fail"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/snooze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a task back for later. The attempt does not count. */
        post: operations["post_v1_workers_snooze"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workers/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts no task of an agent, of a user, of both together, or of anybody, until a time. A time that is past ends the pause. */
        post: operations["post_v1_workers_pause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notifications/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Marks some or all of the caller's notifications as read. */
        post: operations["post_v1_notifications_read"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/billing/webhook": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes Stripe's events, snapshots and thin ones, each once. */
        post: operations["post_v1_billing_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/billing/checkout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens a checkout session at Stripe for the caller. */
        post: operations["post_v1_billing_checkout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/billing/portal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens Stripe's customer portal for the caller. */
        post: operations["post_v1_billing_portal"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/fetch_thin_events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Fetches the objects of Stripe's thin events: for a server with a `service_role` token, in place of crons. */
        post: operations["post_v1_jobs_fetch_thin_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/transcripts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores the transcript of a session, or what a file has more since the last time. Sent again, it changes nothing. */
        post: operations["post_v1_transcripts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/transcripts/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores a file that lies beside a transcript: an output of a tool, a subagent's .meta.json, the journal or snapshot of a workflow. */
        post: operations["post_v1_transcripts_files"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}/transcript": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The transcript of a conversation as it was sent, without its secrets: one JSON object a line. A session can be restored from it. */
        get: operations["get_v1_conversations_id_transcript"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analytics/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What sessions used, cost and did, in all and by day. */
        get: operations["get_v1_analytics_overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analytics/tools": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How often tools were called, failed, and how long they took. */
        get: operations["get_v1_analytics_tools"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analytics/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What each model used and cost. */
        get: operations["get_v1_analytics_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analytics/activity": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** When the projects were worked on. */
        get: operations["get_v1_analytics_activity"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analytics/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What each user did and used. */
        get: operations["get_v1_analytics_users"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/projects/{id}/reprice": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prices the records of a project again, by the prices of now for the days of the records. Otherwise a new list changes no cost. Call it until it is finished, or leave the rest to a job. */
        post: operations["post_v1_projects_id_reprice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Searches the messages and tool calls of the caller's projects: words, "phrases", identifiers and their parts, or, -word. Best first and, of those that match as well, latest first. */
        get: operations["get_v1_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search/suggest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Completes what was typed by names of tools and files of the caller's projects, by words that were found there, and by the caller's own searches. */
        get: operations["get_v1_search_suggest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search/similar/{message_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Messages of the caller's projects that are like a message, most alike first. */
        get: operations["get_v1_search_similar_message_id_"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search/opened": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Notes which result of a search was opened, for suggestions and for the analytics of the project's owners. */
        post: operations["post_v1_search_opened"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search/analytics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was looked for in a project in the last 90 days, what was opened, and what found nothing. For its owners; nobody is named. */
        get: operations["get_v1_search_analytics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}/thread": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of a conversation in the order of its file: each message with its parent, depth, branch and tool calls. The first page has its subagents and its links to git, too. */
        get: operations["get_v1_conversations_id_thread"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes one hook event of a coding agent. The answer has no body: the agent would obey one. */
        post: operations["post_v1_hooks"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/otlp/v1/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes logs that a coding agent exports by OpenTelemetry, as JSON (OTLP, http/json). */
        post: operations["post_v1_otlp_v1_logs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/projects/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a project of the caller's with everything in it: for everybody at once, its rows by a job. */
        delete: operations["delete_v1_projects_id_"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a conversation with those of its subagents: for everybody at once, its rows by a job. */
        delete: operations["delete_v1_conversations_id_"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/projects/{id}/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Invites somebody into a project, by e-mail address or user id. The answer does not say whether anybody has that address or id. */
        post: operations["post_v1_projects_id_invitations"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's open invitations. */
        get: operations["get_v1_invitations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invitations/{id}/accept": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Accepts an invitation of the caller's. */
        post: operations["post_v1_invitations_id_accept"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invitations/{id}/decline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Declines an invitation of the caller's. */
        post: operations["post_v1_invitations_id_decline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}/share": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a share link of a conversation. Its token is in this answer only. */
        post: operations["post_v1_conversations_id_share"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shares/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a share link at once. */
        delete: operations["delete_v1_shares_id_"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shared/style.css": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_v1_shared_style_css"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shared/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of a shared conversation, or of one of its subagents, for everybody who has the link. A browser gets a page to read. */
        get: operations["get_v1_shared_token_"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/projects/{id}/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the audit chain of a project of the caller's is whole, and its latest entries. */
        get: operations["get_v1_projects_id_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/audit/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens the seals of all heads of the audit chains, and names heads and chains that were altered or are missing. */
        post: operations["post_v1_admin_audit_verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/seal_audit_head": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes and seals the head of the audit chains: for a server with a `service_role` token, in place of crons. */
        post: operations["post_v1_jobs_seal_audit_head"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates a tenant, and invites its owner if `owner_email` is sent. */
        post: operations["post_v1_admin_tenants"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/tenants/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes any setting of a tenant, or closes it: `is_active`. */
        patch: operations["patch_v1_admin_tenants_id_"];
        trace?: never;
    };
    "/v1/admin/tenants/{id}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Invites somebody into a tenant by e-mail address, or renews the invitation. The answer does not say whether anybody has that address. For admins of the tenant and servers. */
        post: operations["post_v1_admin_tenants_id_members"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/members/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes the role of a member, or deactivates them: `is_active`. For admins of the tenant and servers. */
        patch: operations["patch_v1_admin_members_id_"];
        trace?: never;
    };
    "/v1/members/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The open invitations of the caller's verified address. */
        get: operations["get_v1_members_invitations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members/invitations/{id}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Accepts an invitation of the caller's. An account is a member of one tenant at a time. */
        post: operations["post_v1_members_invitations_id_join"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends the caller's membership. What the caller has said stays with the tenant. */
        post: operations["post_v1_members_leave"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/tenants/{id}/provider-key": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Stores the key with which the edge asks a tenant's provider. No endpoint returns it. For admins of the tenant and servers. */
        put: operations["put_v1_admin_tenants_id_provider_key"];
        post?: never;
        /** Deletes the key of a tenant's provider. For admins of the tenant and servers. */
        delete: operations["delete_v1_admin_tenants_id_provider_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/usage/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stores usage events of any tenants. Each counts once, by its id; one that is malformed concerns no other. */
        post: operations["post_v1_usage_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/usage/summary": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a month has used, by day and model: the whole tenant's usage for its admins, their own for other members. */
        get: operations["get_v1_usage_summary"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks the tenant's language model in a conversation, and streams the answer: in OpenAI's chunks, as a UI message stream of the AI SDK (`format=ui`), or whole (`format=json`). */
        post: operations["post_v1_chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks the tenant's language model, for clients of OpenAI's chat completions API. Nothing of it is stored but what it has used. */
        post: operations["post_v1_chat_completions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The tenant's language model, for clients of OpenAI's API. */
        get: operations["get_v1_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models/{model}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The tenant's language model by its name, for clients of OpenAI's API. A slash in the name is sent as `%2F`. */
        get: operations["get_v1_models_model_"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Error: {
            code: string;
            message: string;
            details: unknown;
            hint: string | null;
        };
        "core.person": {
            email: string;
            /** @description Numbers that the admin has verified. */
            phones?: (string | number)[] | null;
            /** @description Whether to erase what only mentions the person. */
            mentions?: boolean | null;
        };
        "core.api_token": {
            /** Format: uuid */
            id: string;
            name: string;
            prefix: string;
            systems: string[];
            endpoints: string[];
            /** @enum {unknown} */
            access: "read" | "write";
            /** Format: date-time */
            created_at?: string;
            /** Format: date-time */
            last_used_at?: string | null;
            /** Format: date-time */
            expires_at: string;
            /** Format: date-time */
            revoked_at?: string | null;
        };
        "core.rows": Record<string, never>[];
        "core.row_or_rows": Record<string, never> | components["schemas"]["core.rows"];
        "clixen.deployment": {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            user_id: string;
            /** Format: uuid */
            workflow_id: string;
            n8n_workflow_id: string | null;
            deployment_version: number;
            /**
             * @description A deployment that failed is an error.
             * @enum {unknown}
             */
            status: "pending" | "deploying" | "deployed" | "rolled_back";
            /** @description The addresses of its webhooks. */
            n8n_response: Record<string, never> | null;
            error_message: string | null;
            /** @description The address of its first webhook. */
            deployment_url: string | null;
            /** Format: date-time */
            started_at: string;
            /** Format: date-time */
            completed_at: string | null;
            duration_ms: number | null;
            /** Format: date-time */
            created_at: string;
        };
        "clixen.finding": {
            /** @description docs/errors.md lists them. */
            code: string;
            /** @description A JSON Pointer into the workflow as it was sent. */
            path: string;
            /** @description What is wrong. */
            message: string;
            /** @description What to do. */
            fix: string;
        };
        "clixen.telemetry_event": {
            event_type: string;
            /** @enum {unknown} */
            event_category: "auth" | "workflow" | "deployment" | "engagement" | "error" | "performance";
            /**
             * Format: uuid
             * @description An event whose id is known is a duplicate.
             */
            id?: string;
            /** Format: uuid */
            project_id?: string;
            /** Format: uuid */
            workflow_id?: string;
            /** Format: uuid */
            session_id?: string;
            /** @description At most 32 KB. */
            event_data?: Record<string, never>;
            duration_ms?: number;
            success?: boolean;
            /** @description Cut at 2,000 characters. */
            error_message?: string;
        };
        "clixen.telemetry_events": components["schemas"]["clixen.telemetry_event"][];
        /** @enum {unknown} */
        "growth.step": "business_info" | "whatsapp_integration" | "bot_setup" | "testing";
        /** @enum {unknown} */
        "growth.step_or_complete": "business_info" | "whatsapp_integration" | "bot_setup" | "testing" | "complete";
        /** @description Answers of a step, merged by their names; null removes one. At most 32 KB and eight levels, and no secrets. */
        "growth.step_data": Record<string, never>;
        "growth.progress": {
            current_step: components["schemas"]["growth.step_or_complete"];
            /** @enum {unknown} */
            status: "not_started" | "in_progress" | "completed" | "abandoned";
            /** @enum {unknown} */
            progress_percentage: 0 | 25 | 50 | 75 | 100;
            next_step: components["schemas"]["growth.step_or_complete"] | null;
            /** Format: date-time */
            started_at: string;
            /** Format: date-time */
            last_activity_at: string;
            /** Format: date-time */
            completed_at: string | null;
            business_data: components["schemas"]["growth.step_data"];
            whatsapp_config: components["schemas"]["growth.step_data"];
            bot_config: components["schemas"]["growth.step_data"];
            steps: {
                step: components["schemas"]["growth.step"];
                /** Format: date-time */
                completed_at: string | null;
            }[];
        };
        "growth.activity": {
            /** @description Such as step_view, field_change or validation_error. */
            activity_type: string;
            step?: components["schemas"]["growth.step_or_complete"];
            field_name?: string;
            /** @description Stored only for fields that cannot name a person. Cut at 200 characters. */
            field_value?: string | number | boolean;
            /** @description Cut at 500 characters. */
            error_message?: string;
            /** @description More than a day counts as one. */
            time_spent_seconds?: number;
            /** @description At most 1 KB. */
            metadata?: {
                [key: string]: string | number | boolean | null;
            };
        };
        /** @description At most 32 KB. */
        "growth.event": {
            name: string;
            /**
             * @default user_action
             * @enum {unknown}
             */
            type: "page_view" | "user_action" | "conversion" | "system";
            /**
             * Format: uuid
             * @description An event whose id is known is a duplicate.
             */
            id?: string;
            occurred_at?: components["schemas"]["growth.event_time"];
            timestamp?: components["schemas"]["growth.event_time"];
            session_id?: string | number;
            anonymous_id?: string | number;
            /**
             * Format: uuid
             * @description With a user's token the token's user counts.
             */
            user_id?: string;
            properties?: Record<string, never>;
            metadata?: Record<string, never>;
            /** @description Cut at 2,000 characters. */
            url?: string;
            /** @description Cut at 2,000 characters. */
            referrer?: string;
            /** @description Read from servers only. */
            country?: string;
            /** @description Read from servers only. */
            user_agent?: string;
        };
        /** @description ISO 8601, or milliseconds since 1970; at most five days ago. */
        "growth.event_time": string | number;
        "growth.events": components["schemas"]["growth.event"][];
        "growth.exposure": {
            /** Format: uuid */
            experiment_id: string;
            /** @description The variant that was shown. Default: the assigned one. */
            variant_id?: string;
            /** @description The user. A token names the user by itself. */
            user_id?: string | number;
            /** @description The visitor's session. */
            session_id?: string | number;
            /**
             * Format: date-time
             * @description Between five days ago and a day ahead. Default: now.
             */
            at?: string;
        };
        "growth.exposures": components["schemas"]["growth.exposure"][];
        "growth.exposures_of_a_unit": {
            /** @description The user. A token names the user by itself. */
            user_id?: string | number;
            /** @description The visitor's session. */
            session_id?: string | number;
            country?: string;
            exposures: components["schemas"]["growth.exposures"];
        };
        "growth.variant_results": {
            variant_id: string;
            name: string | null;
            weight: number;
            is_control: boolean;
            /** @description Units that were shown the variant. */
            units: number;
            /** @description null without a primary metric. */
            conversions: number | null;
            rate: number | null;
            /** @description That the variant is better than the control. */
            chance_to_win: number | null;
            /** @description Wilson's interval of the rate, at 95 %. */
            interval: {
                low: number;
                high: number;
            } | null;
            /** @description Against the control; null for the control itself, and while nothing is measured. */
            difference: {
                absolute: number;
                relative: number | null;
                low: number;
                high: number;
                z: number | null;
                p_value: number | null;
            } | null;
        };
        "growth.webhook_change": {
            /** @description Such as messages. */
            field: string;
            value: Record<string, never>;
        };
        "flashfusion.use": {
            /**
             * Format: uuid
             * @description The task for which the key is used. Needed if the key's scope has agents or projects.
             */
            task_id?: string;
            /**
             * Format: uuid
             * @description The lease of this task, as POST /v1/workers/claim gave it.
             */
            lease_token?: string;
        };
        "flashfusion.api_key_row": {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            user_id: string;
            service_name: string;
            key_alias: string | null;
            is_active: boolean;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            /** Format: date-time */
            last_used_at: string | null;
            usage_count: number;
            key_prefix: string | null;
            last_four: string;
            fingerprint: string;
            /** @enum {unknown} */
            status: "pending" | "active" | "invalid" | "expired" | "revoked";
            /** Format: date-time */
            verified_at: string | null;
            /** Format: date-time */
            expires_at: string | null;
            /** Format: uuid */
            rotated_from: string | null;
            /** Format: date-time */
            revoked_at: string | null;
            agents: string[];
            projects: string[];
        };
        "flashfusion.api_key": {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            user_id: string;
            service_name: string;
            key_alias: string | null;
            is_active: boolean;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            /** Format: date-time */
            last_used_at: string | null;
            usage_count: number;
            key_prefix: string | null;
            last_four: string;
            fingerprint: string;
            /** @enum {unknown} */
            status: "pending" | "active" | "invalid" | "expired" | "revoked";
            /** Format: date-time */
            verified_at: string | null;
            /** Format: date-time */
            expires_at: string | null;
            /** Format: uuid */
            rotated_from: string | null;
            /** Format: date-time */
            revoked_at: string | null;
            agents: string[];
            projects: string[];
            /** @description What is odd about the form of the key. Providers change the forms of their keys. */
            warning: string | null;
            /** @description valid, invalid, unknown: the service gave no clear answer, or unavailable: none is configured. null: not asked for. */
            verification: string | null;
        };
        "flashfusion.stripe_page": {
            /** @description The page at Stripe to send the user to. */
            url: string;
        };
        "flashfusion.task": {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            agent_id: string;
            /** Format: uuid */
            project_id: string | null;
            task_type: string;
            /** @enum {unknown} */
            status: "pending" | "running" | "retrying" | "completed" | "failed" | "cancelled" | "dead";
            priority: number;
            /** Format: date-time */
            run_at: string;
            max_retries: number;
            retry_count: number;
            /** Format: date-time */
            created_at: string;
            /** @description A worker still has the task. */
            cancel_requested?: boolean;
        };
        "flashfusion.ended_task": {
            /** Format: uuid */
            id: string;
            /** @enum {unknown} */
            status: "pending" | "retrying" | "completed" | "failed" | "cancelled" | "dead";
            attempt?: number;
            /** Format: date-time */
            run_at?: string;
        };
        "observatory.analytics_totals": {
            /** @description Responses of models, each counted once. */
            requests: number;
            /** @description Neither read from nor written to a cache. */
            input_tokens: number;
            output_tokens: number;
            cache_read_tokens: number;
            cache_creation_tokens: number;
            /** @description The sum of these four. */
            total_tokens: number;
            web_searches: number;
            /** @description Of what has a price. null: nothing has one. */
            cost_micro_usd: number | null;
            /** @description Records without a price. They are not in cost_micro_usd. */
            unpriced: number;
            /** @description What people wrote. */
            prompts: number;
            /** @description Entries of users and assistants, without copies in forks. */
            messages: number;
            tool_calls: number;
            /** @description Calls of tools that failed. */
            errors: number;
            /** @description Sessions that began. */
            sessions: number;
            /** @description What the lines of transcripts add up to as they stand, repeated responses and copies in forks included. */
            raw_tokens: number;
            active_days: number;
            users: number;
        };
        "observatory.analytics_day": {
            /**
             * Format: date
             * @description Of UTC.
             */
            day: string;
            /** @description Responses of models, each counted once. */
            requests: number;
            /** @description Neither read from nor written to a cache. */
            input_tokens: number;
            output_tokens: number;
            cache_read_tokens: number;
            cache_creation_tokens: number;
            /** @description The sum of these four. */
            total_tokens: number;
            web_searches: number;
            /** @description Of what has a price. null: nothing has one. */
            cost_micro_usd: number | null;
            /** @description Records without a price. They are not in cost_micro_usd. */
            unpriced: number;
            /** @description What people wrote. */
            prompts: number;
            /** @description Entries of users and assistants, without copies in forks. */
            messages: number;
            tool_calls: number;
            /** @description Calls of tools that failed. */
            errors: number;
            /** @description Sessions that began. */
            sessions: number;
            /** @description What the lines of transcripts add up to as they stand, repeated responses and copies in forks included. */
            raw_tokens: number;
            users: number;
        };
        "observatory.analytics_tool": {
            tool_name: string;
            calls: number;
            errors: number;
            error_rate: number | null;
            /** @description Calls whose duration is known. */
            timed: number;
            average_ms: number | null;
            /** @description From counts between powers of two, so within a factor of two. */
            p50_ms: number | null;
            p95_ms: number | null;
            p99_ms: number | null;
        };
        "observatory.analytics_model": {
            model: string;
            /** @enum {unknown} */
            source: "claude" | "codex" | "gemini" | "opencode";
            /** @description Responses of models, each counted once. */
            requests: number;
            /** @description Neither read from nor written to a cache. */
            input_tokens: number;
            output_tokens: number;
            cache_read_tokens: number;
            cache_creation_tokens: number;
            /** @description The sum of these four. */
            total_tokens: number;
            web_searches: number;
            /** @description Of what has a price. null: nothing has one. */
            cost_micro_usd: number | null;
            /** @description Records without a price. They are not in cost_micro_usd. */
            unpriced: number;
            /** @description The share of the input that was read from a cache. */
            cache_hit_rate: number | null;
            /** Format: date */
            last_day: string;
        };
        "observatory.analytics_activity": {
            /**
             * Format: date
             * @description Of UTC.
             */
            day: string;
            /** @description What people wrote. */
            prompts: number;
            /** @description Entries of users and assistants, without copies in forks. */
            messages: number;
            tool_calls: number;
            /** @description Calls of tools that failed. */
            errors: number;
            /** @description Sessions that began. */
            sessions: number;
        };
        "observatory.analytics_hour": {
            /** @description 1 is Monday. */
            weekday: number;
            hour: number;
            prompts: number;
            messages: number;
            tool_calls: number;
        };
        "observatory.analytics_user": {
            /** Format: uuid */
            user_id: string;
            /** @description Responses of models, each counted once. */
            requests: number;
            /** @description Neither read from nor written to a cache. */
            input_tokens: number;
            output_tokens: number;
            cache_read_tokens: number;
            cache_creation_tokens: number;
            /** @description The sum of these four. */
            total_tokens: number;
            web_searches: number;
            /** @description Of what has a price. null: nothing has one. */
            cost_micro_usd: number | null;
            /** @description Records without a price. They are not in cost_micro_usd. */
            unpriced: number;
            /** @description What people wrote. */
            prompts: number;
            /** @description Entries of users and assistants, without copies in forks. */
            messages: number;
            tool_calls: number;
            /** @description Calls of tools that failed. */
            errors: number;
            /** @description Sessions that began. */
            sessions: number;
            /** @description What the lines of transcripts add up to as they stand, repeated responses and copies in forks included. */
            raw_tokens: number;
            active_days: number;
            /** Format: date */
            last_day: string | null;
        };
        "observatory.shared_agent": {
            id: string;
            type: string | null;
            title: string | null;
        };
        "observatory.deleted": {
            /** @description How many conversations went. */
            conversations: number;
        };
        "observatory.audit_fault": {
            /** @description The entry's number. */
            n: number;
            fault: string;
        };
        "observatory.search_result": {
            /** Format: uuid */
            message_id: string;
            /** Format: uuid */
            project_id: string;
            /** Format: uuid */
            conversation_id: string;
            title: string | null;
            entry_type: string;
            role: string | null;
            /** Format: date-time */
            occurred_at: string;
            seq: number;
            /** @description Whether another session, in a project that was not searched or that the caller does not see, has the message itself. */
            is_copy: boolean;
            rank: number;
            /** @description HTML: the text is escaped, and what was found is in <mark>. */
            highlight: string | null;
        };
        "observatory.similar_message": {
            /** Format: uuid */
            message_id: string;
            /** Format: uuid */
            project_id: string;
            /** Format: uuid */
            conversation_id: string;
            title: string | null;
            entry_type: string;
            role: string | null;
            /** Format: date-time */
            occurred_at: string;
            seq: number;
            similarity: number;
            excerpt: string;
        };
        "assistant.usage": {
            prompt_tokens: number;
            completion_tokens: number;
            total_tokens: number;
        };
        "assistant.model": {
            /** @description The tenant's `llm_model`. */
            id: string;
            /** @constant */
            object: "model";
            /** @description Seconds since 1970. */
            created: number;
            /** @description The tenant's `llm_provider`. */
            owned_by: string;
        };
        "assistant.features": {
            /** @description Members see their own conversations only; admins see all. */
            private_conversations?: boolean;
            /** @description Whose midnight begins the day of `daily_token_limit`. */
            time_zone?: string;
            /** @description How much of a conversation goes along with a question. */
            history_tokens?: number;
        };
        "assistant.tenant": {
            /** Format: uuid */
            id: string;
            name: string;
            slug: string;
            llm_provider: string;
            llm_model: string;
            temperature: number | null;
            max_tokens: number;
            system_prompt: string | null;
            features: components["schemas"]["assistant.features"];
            rate_limit_per_minute: number;
            daily_token_limit: number;
            branding: Record<string, never>;
            is_active: boolean;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            /**
             * Format: uuid
             * @description In the answer to its creation: the invited owner's id.
             */
            owner_id?: string | null;
        };
        "assistant.member": {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            tenant_id: string;
            /** @description As it was invited. */
            email: string;
            name: string | null;
            /** @enum {string} */
            role: "member" | "admin" | "owner";
            /** @enum {string} */
            status: "invited" | "active" | "deactivated";
        };
    };
    responses: {
        /** @description An error of the edge, of PostgREST or of PostgreSQL. */
        DataError: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description RG305 url_too_long */
        "E414-17ec5c6b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG305";
                };
            };
        };
        /** @description RG306 query_malformed, RG309 header_invalid */
        "E400-d63b3a5d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG306" | "RG309";
                };
            };
        };
        /** @description RG311 too_many_requests */
        "E429-395b49fc": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311";
                };
            };
        };
        /** @description RG901 misconfigured, RG902 internal_error */
        "E500-1bfc7db7": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG901" | "RG902";
                };
            };
        };
        /** @description RG312 rate_limiter_unavailable */
        "E503-d82d44c3": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG312";
                };
            };
        };
        /** @description RG306 query_malformed, RG309 header_invalid, RG406 answer_too_large */
        "E400-76395eaf": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG306" | "RG309" | "RG406") | string;
                };
            };
        };
        /** @description RG311 too_many_requests, RG407 too_many_concurrent_requests, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG574 budget_used_up */
        "E429-a19964e8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG407" | "RG501" | "RG517" | "RG518" | "RG519" | "RG574";
                };
            };
        };
        /** @description RG201 authorization_malformed, RG202 token_malformed, RG203 token_signature_invalid, RG204 token_expired, RG205 token_not_yet_valid, RG206 token_claims_rejected, RG208 api_key_invalid, RG217 api_token_unknown, RG218 api_token_ended */
        "E401-da9ec0cc": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG201" | "RG202" | "RG203" | "RG204" | "RG205" | "RG206" | "RG208" | "RG217" | "RG218") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG521 account_deleted */
        "E403-1b6eb39c": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG521") | string;
                };
            };
        };
        /** @description RG210 issuer_keys_unavailable, RG401 database_unavailable, RG404 capacity_exceeded */
        "E503-d80d29fb": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG210" | "RG401" | "RG404") | string;
                };
            };
        };
        /** @description RG402 database_timeout */
        "E504-c3770771": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG402";
                };
            };
        };
        /** @description RG403 database_failed, RG408 result_too_large */
        "E502-8871dfff": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG403" | "RG408";
                };
            };
        };
        /** @description A code of PostgreSQL. */
        "E404-0e9779d1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: string;
                };
            };
        };
        /** @description A code of PostgreSQL. */
        "E409-0e9779d1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: string;
                };
            };
        };
        /** @description RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large */
        "E400-282c289a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG306" | "RG309" | "RG325" | "RG406") | string;
                };
            };
        };
        /** @description RG311 too_many_requests, RG340 listeners_exceeded, RG407 too_many_concurrent_requests, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG574 budget_used_up */
        "E429-bb4449b0": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG340" | "RG407" | "RG501" | "RG517" | "RG518" | "RG519" | "RG574";
                };
            };
        };
        /** @description RG201 authorization_malformed, RG202 token_malformed, RG203 token_signature_invalid, RG204 token_expired, RG205 token_not_yet_valid, RG206 token_claims_rejected, RG208 api_key_invalid, RG213 token_missing, RG217 api_token_unknown, RG218 api_token_ended */
        "E401-da3212ef": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG201" | "RG202" | "RG203" | "RG204" | "RG205" | "RG206" | "RG208" | "RG213" | "RG217" | "RG218") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted */
        "E403-759c7a5c": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521") | string;
                };
            };
        };
        /** @description RG590 changes_not_tracked */
        "E404-67534c6d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG590" | string;
                };
            };
        };
        /** @description RG591 changes_too_old */
        "E410-283f50c6": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG591";
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large */
        "E400-fcf55354": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406") | string;
                };
            };
        };
        /** @description RG201 authorization_malformed, RG202 token_malformed, RG203 token_signature_invalid, RG204 token_expired, RG205 token_not_yet_valid, RG206 token_claims_rejected, RG207 api_key_missing, RG208 api_key_invalid, RG217 api_token_unknown, RG218 api_token_ended */
        "E401-6f2f24bc": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG201" | "RG202" | "RG203" | "RG204" | "RG205" | "RG206" | "RG207" | "RG208" | "RG217" | "RG218") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG521 account_deleted, RG571 admin_required */
        "E403-2aa291d5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG521" | "RG571") | string;
                };
            };
        };
        /** @description RG210 issuer_keys_unavailable, RG314 upload_buffer_full, RG401 database_unavailable, RG404 capacity_exceeded */
        "E503-506f649b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG210" | "RG314" | "RG401" | "RG404") | string;
                };
            };
        };
        /** @description RG302 body_too_large */
        "E413-81f377b3": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302";
                };
            };
        };
        /** @description RG303 content_type_unsupported, RG330 content_encoding_unsupported */
        "E415-a590dd14": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG303" | "RG330";
                };
            };
        };
        /** @description RG310 body_timeout */
        "E408-f79ca88c": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG310";
                };
            };
        };
        /** @description RG572 gdpr_email_invalid */
        "E422-ba34e0fc": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG572";
                };
            };
        };
        /** @description RG573 limit_needs_volatile, RG901 misconfigured, RG902 internal_error */
        "E500-fbbd4e71": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG573" | "RG901" | "RG902";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG520 user_required, RG521 account_deleted */
        "E403-6a9e3088": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG520" | "RG521") | string;
                };
            };
        };
        /** @description RG576 api_token_invalid */
        "E422-925cf35e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG576";
                };
            };
        };
        /** @description RG577 api_tokens_exceeded */
        "E409-a3f3a72a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG577" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG575 api_token_not_found */
        "E404-85e2ae9a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG575") | string;
                };
            };
        };
        /** @description RG210 issuer_keys_unavailable, RG314 upload_buffer_full, RG401 database_unavailable, RG404 capacity_exceeded, RG912 sealing_key_worn_out */
        "E503-a77151fe": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG210" | "RG314" | "RG401" | "RG404" | "RG912") | string;
                };
            };
        };
        /** @description RG304 name_invalid, RG306 query_malformed, RG307 filter_missing, RG309 header_invalid, RG313 embed_too_deep, RG320 too_many_embeds, RG321 cast_not_allowed, RG322 system_column, RG324 write_limit_unsupported, RG406 answer_too_large, RG511 filter_missing_in_database */
        "E400-0a030ab8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG304" | "RG306" | "RG307" | "RG309" | "RG313" | "RG320" | "RG321" | "RG322" | "RG324" | "RG406" | "RG511") | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found */
        "E404-cf0ae57b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG101" | string;
                };
            };
        };
        /** @description PGRST106 schema_not_served, RG308 query_plan_refused */
        "E406-5811e054": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "PGRST106" | "RG308";
                };
            };
        };
        /** @description RG323 conditional_write */
        "E412-34d62749": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG323";
                };
            };
        };
        /** @description RG301 body_malformed, RG304 name_invalid, RG306 query_malformed, RG307 filter_missing, RG309 header_invalid, RG313 embed_too_deep, RG320 too_many_embeds, RG321 cast_not_allowed, RG322 system_column, RG324 write_limit_unsupported, RG325 argument_invalid, RG406 answer_too_large, RG511 filter_missing_in_database */
        "E400-1386443d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG304" | "RG306" | "RG307" | "RG309" | "RG313" | "RG320" | "RG321" | "RG322" | "RG324" | "RG325" | "RG406" | "RG511") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid */
        "E400-c74f0dd2": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG301" | "RG306" | "RG309" | "RG325";
                };
            };
        };
        /** @description RG201 authorization_malformed, RG202 token_malformed, RG203 token_signature_invalid, RG204 token_expired, RG205 token_not_yet_valid, RG206 token_claims_rejected, RG207 api_key_missing, RG208 api_key_invalid, RG217 api_token_unknown, RG218 api_token_ended */
        "E401-f523c609": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG201" | "RG202" | "RG203" | "RG204" | "RG205" | "RG206" | "RG207" | "RG208" | "RG217" | "RG218";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope */
        "E403-15aa0740": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG209" | "RG219";
                };
            };
        };
        /** @description RG210 issuer_keys_unavailable, RG314 upload_buffer_full */
        "E503-cccb52c4": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG210" | "RG314";
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG502 idempotency_key_too_long */
        "E400-12286fb5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG502") | string;
                };
            };
        };
        /** @description RG311 too_many_requests, RG407 too_many_concurrent_requests, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG529 writes_contended, RG574 budget_used_up */
        "E429-c6424356": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG407" | "RG501" | "RG517" | "RG518" | "RG519" | "RG529" | "RG574";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG522 workflow_not_found */
        "E404-c606cf93": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG522") | string;
                };
            };
        };
        /** @description RG403 database_failed, RG405 n8n_failed, RG408 result_too_large */
        "E502-462d9f27": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG403" | "RG405" | "RG408";
                };
            };
        };
        /** @description RG903 endpoint_not_configured */
        "E501-453f1792": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG903";
                };
            };
        };
        /** @description RG317 workflow_invalid, RG319 n8n_rejected_workflow, RG503 idempotency_key_reused */
        "E422-bf2747b5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG317" | "RG319" | "RG503";
                };
            };
        };
        /** @description RG318 n8n_conflict, RG523 workflow_archived, RG524 deployment_in_progress */
        "E409-1e1702f3": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG318" | "RG523" | "RG524") | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG522 workflow_not_found, RG525 deployment_version_not_found */
        "E404-957a6084": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG522" | "RG525") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG502 idempotency_key_too_long, RG526 telemetry_malformed */
        "E400-846e0e5b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG502" | "RG526") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG527 telemetry_batch_too_large */
        "E413-6b27c6e1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG527";
                };
            };
        };
        /** @description RG503 idempotency_key_reused */
        "E422-e3c411ae": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG315 human_not_verified, RG521 account_deleted */
        "E403-7347bb0d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG315" | "RG521") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG510 lead_too_large */
        "E413-fd8d4b05": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG510";
                };
            };
        };
        /** @description RG503 idempotency_key_reused, RG504 lead_field_not_text, RG505 lead_field_too_long, RG506 lead_fields_too_many, RG508 email_invalid, RG509 lead_source_unknown */
        "E422-569b906b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503" | "RG504" | "RG505" | "RG506" | "RG508" | "RG509";
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG512 confirmation_link_invalid */
        "E400-152e6963": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG512") | string;
                };
            };
        };
        /** @description RG314 upload_buffer_full, RG401 database_unavailable, RG404 capacity_exceeded */
        "E503-0e884fe8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG314" | "RG401" | "RG404") | string;
                };
            };
        };
        /** @description RG521 account_deleted */
        "E403-5d6d0dec": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG521" | string;
                };
            };
        };
        /** @description A code of PostgreSQL. */
        "E401-0e9779d1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: string;
                };
            };
        };
        /** @description RG101 endpoint_not_found */
        "E404-39170878": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG101";
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG532 onboarding_malformed */
        "E400-ab673548": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG532") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG533 onboarding_too_large */
        "E413-44acd281": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG533";
                };
            };
        };
        /** @description RG534 onboarding_field_invalid, RG535 onboarding_contains_secret */
        "E422-1bcd85bc": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG534" | "RG535";
                };
            };
        };
        /** @description RG401 database_unavailable, RG404 capacity_exceeded */
        "E503-922b1755": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG401" | "RG404") | string;
                };
            };
        };
        /** @description RG530 session_token_invalid */
        "E401-5cc02748": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG530" | string;
                };
            };
        };
        /** @description RG531 onboarding_step_out_of_order, RG537 onboarding_already_complete */
        "E409-0bb5ccf7": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG531" | "RG537") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG502 idempotency_key_too_long, RG532 onboarding_malformed */
        "E400-90f1d759": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG502" | "RG532") | string;
                };
            };
        };
        /** @description RG503 idempotency_key_reused, RG534 onboarding_field_invalid */
        "E422-95717f04": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503" | "RG534";
                };
            };
        };
        /** @description RG536 onboarding_activities_full */
        "E409-10ddaa77": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG536" | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG502 idempotency_key_too_long, RG540 events_malformed */
        "E400-9fe3c3cb": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG502" | "RG540") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG541 events_batch_too_large */
        "E413-c89c506c": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG541";
                };
            };
        };
        /** @description RG550 experiment_unit_invalid */
        "E422-9d44cb15": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG550";
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG502 idempotency_key_too_long, RG551 exposure_malformed */
        "E400-8a7d7947": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG502" | "RG551") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG552 exposures_too_large */
        "E413-266a6a14": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG552";
                };
            };
        };
        /** @description RG503 idempotency_key_reused, RG550 experiment_unit_invalid */
        "E422-9b99f43e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503" | "RG550";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG554 experiment_not_found */
        "E404-075d6431": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG554") | string;
                };
            };
        };
        /** @description RG212 webhook_verify_token_invalid, RG521 account_deleted */
        "E403-b1ae3a64": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG212" | "RG521") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG560 webhook_malformed */
        "E400-1c0d983c": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG560") | string;
                };
            };
        };
        /** @description RG302 body_too_large, RG561 webhook_too_large, RG562 webhook_too_many_changes */
        "E413-540fe7a9": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG302" | "RG561" | "RG562";
                };
            };
        };
        /** @description RG211 webhook_signature_invalid */
        "E401-f4fb81eb": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG211" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG563 whatsapp_account_not_found */
        "E404-31e3cbd8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG563") | string;
                };
            };
        };
        /** @description RG316 secret_invalid */
        "E422-c21950af": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG316";
                };
            };
        };
        /** @description RG311 too_many_requests, RG407 too_many_concurrent_requests, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG574 budget_used_up, RG631 flashfusion_writes_contended */
        "E429-e610719f": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG407" | "RG501" | "RG517" | "RG518" | "RG519" | "RG574" | "RG631";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG607 key_limit_reached, RG630 flashfusion_users_only, RG632 user_deactivated */
        "E403-7ec6b1a6": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG607" | "RG630" | "RG632") | string;
                };
            };
        };
        /** @description RG316 secret_invalid, RG326 secret_not_sealed, RG327 key_of_another_provider, RG503 idempotency_key_reused, RG600 unknown_service, RG606 key_field_invalid */
        "E422-972f448f": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG316" | "RG326" | "RG327" | "RG503" | "RG600" | "RG606";
                };
            };
        };
        /** @description RG601 key_known, RG605 key_alias_taken */
        "E409-19ae4562": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG601" | "RG605") | string;
                };
            };
        };
        /** @description RG602 key_not_found */
        "E404-467304aa": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG602" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG602 key_not_found */
        "E404-661ed83b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG602") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG630 flashfusion_users_only, RG632 user_deactivated */
        "E403-9caebf35": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG630" | "RG632") | string;
                };
            };
        };
        /** @description RG316 secret_invalid, RG326 secret_not_sealed, RG327 key_of_another_provider, RG503 idempotency_key_reused, RG606 key_field_invalid */
        "E422-18de3171": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG316" | "RG326" | "RG327" | "RG503" | "RG606";
                };
            };
        };
        /** @description RG601 key_known, RG604 key_not_usable, RG608 key_rotation_pending */
        "E409-07a0bcf4": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG601" | "RG604" | "RG608") | string;
                };
            };
        };
        /** @description RG603 key_not_pending, RG605 key_alias_taken */
        "E409-954d3bc5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG603" | "RG605") | string;
                };
            };
        };
        /** @description RG604 key_not_usable */
        "E409-d4aaea11": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG604" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG650 deployment_not_found */
        "E404-4ecf6173": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG650") | string;
                };
            };
        };
        /** @description RG316 secret_invalid, RG326 secret_not_sealed, RG606 key_field_invalid */
        "E422-95768a2b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG316" | "RG326" | "RG606";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG651 integration_not_found */
        "E404-b7cc46ae": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG651") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG609 key_use_not_allowed, RG632 user_deactivated */
        "E403-3c7502e6": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG609" | "RG632") | string;
                };
            };
        };
        /** @description RG604 key_not_usable, RG611 lease_lost */
        "E409-024deb35": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG604" | "RG611") | string;
                };
            };
        };
        /** @description RG503 idempotency_key_reused, RG613 agent_unknown, RG614 project_unknown, RG615 task_invalid */
        "E422-23a7d9ce": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503" | "RG613" | "RG614" | "RG615";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG610 task_not_found */
        "E404-9bfd88da": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG610") | string;
                };
            };
        };
        /** @description RG612 task_ended */
        "E409-8c2f3aac": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG612" | string;
                };
            };
        };
        /** @description RG616 worker_invalid */
        "E422-faa307eb": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG616";
                };
            };
        };
        /** @description RG611 lease_lost */
        "E409-9eb7437a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG611" | string;
                };
            };
        };
        /** @description RG617 task_result_too_large */
        "E422-65338134": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG617";
                };
            };
        };
        /** @description RG615 task_invalid, RG617 task_result_too_large */
        "E422-89c739a7": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG615" | "RG617";
                };
            };
        };
        /** @description RG640 notifications_not_named */
        "E422-b09eefc1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG640";
                };
            };
        };
        /** @description RG215 stripe_signature_invalid, RG216 stripe_signature_too_old, RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG622 billing_event_malformed */
        "E400-fa080ca0": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG215" | "RG216" | "RG301" | "RG306" | "RG309" | "RG325" | "RG406" | "RG622") | string;
                };
            };
        };
        /** @description RG403 database_failed, RG408 result_too_large, RG409 stripe_failed */
        "E502-c17b2405": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG403" | "RG408" | "RG409";
                };
            };
        };
        /** @description RG503 idempotency_key_reused, RG620 price_unknown */
        "E422-c2804413": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG503" | "RG620";
                };
            };
        };
        /** @description RG623 already_subscribed */
        "E409-9aaf686a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG623" | string;
                };
            };
        };
        /** @description RG621 no_customer */
        "E409-d0bf1ded": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG621" | string;
                };
            };
        };
        /** @description RG311 too_many_requests, RG407 too_many_concurrent_requests, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG574 budget_used_up, RG674 observatory_writes_contended */
        "E429-f38a8aab": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG407" | "RG501" | "RG517" | "RG518" | "RG519" | "RG574" | "RG674";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG661 project_read_only */
        "E403-f2cf192d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG661") | string;
                };
            };
        };
        /** @description RG660 project_not_found */
        "E404-243401a8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG660" | string;
                };
            };
        };
        /** @description RG663 transcript_gap */
        "E409-de53bbda": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG663" | string;
                };
            };
        };
        /** @description RG664 session_missing, RG665 source_unknown, RG677 transcript_variants_exceeded */
        "E422-ca51658a": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG664" | "RG665" | "RG677";
                };
            };
        };
        /** @description RG303 content_type_unsupported, RG330 content_encoding_unsupported, RG333 file_not_text */
        "E415-bb547d50": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG303" | "RG330" | "RG333";
                };
            };
        };
        /** @description RG664 session_missing */
        "E422-e9ceac81": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG664";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG662 conversation_not_found */
        "E404-eb853b87": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG662") | string;
                };
            };
        };
        /** @description RG673 range_invalid */
        "E422-e262ee47": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG673";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG660 project_not_found */
        "E404-f58336ef": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG660") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG666 project_owner_only */
        "E403-60989965": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG520" | "RG521" | "RG666") | string;
                };
            };
        };
        /** @description RG676 prices_unknown */
        "E422-ffb445f8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG676";
                };
            };
        };
        /** @description RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG406 answer_too_large, RG669 cursor_invalid */
        "E400-105c270e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG306" | "RG309" | "RG325" | "RG406" | "RG669") | string;
                };
            };
        };
        /** @description RG668 search_query_invalid */
        "E422-5ab7ab9e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG668";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG670 message_not_found */
        "E404-76dbdac2": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG670") | string;
                };
            };
        };
        /** @description RG670 message_not_found */
        "E404-0f8a8971": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG670" | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG666 project_owner_only */
        "E403-694373de": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG666") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG331 hook_malformed, RG406 answer_too_large */
        "E400-bb3d23b6": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG331" | "RG406") | string;
                };
            };
        };
        /** @description RG301 body_malformed, RG306 query_malformed, RG309 header_invalid, RG325 argument_invalid, RG332 otel_malformed, RG406 answer_too_large */
        "E400-dedf7234": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG301" | "RG306" | "RG309" | "RG325" | "RG332" | "RG406") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG661 project_read_only, RG666 project_owner_only */
        "E403-beedbc8e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG520" | "RG521" | "RG661" | "RG666") | string;
                };
            };
        };
        /** @description RG672 invitation_invalid */
        "E422-2a3323de": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG672";
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG520 user_required, RG521 account_deleted */
        "E403-c175df80": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG520" | "RG521") | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG671 invitation_not_found */
        "E404-f85e5725": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG671") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG661 project_read_only */
        "E403-34f9cb59": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG520" | "RG521" | "RG661") | string;
                };
            };
        };
        /** @description RG675 share_options_invalid */
        "E422-7f3abda4": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG675";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG667 share_not_found */
        "E404-298722d8": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG667") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG521 account_deleted, RG681 tenant_admin_required */
        "E403-30e0ed1e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG521" | "RG681") | string;
                };
            };
        };
        /** @description RG696 slug_taken, RG697 already_a_member */
        "E409-a6b7119e": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG696" | "RG697") | string;
                };
            };
        };
        /** @description RG699 tenant_settings_invalid */
        "E422-f98498d1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG699";
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG691 tenant_not_found */
        "E404-b30c85da": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG691") | string;
                };
            };
        };
        /** @description RG696 slug_taken */
        "E409-7bc045c5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG696" | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG681 tenant_admin_required */
        "E403-dfbafece": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG520" | "RG521" | "RG681") | string;
                };
            };
        };
        /** @description RG697 already_a_member */
        "E409-a58ecde1": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG697" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG692 member_not_found */
        "E404-77560890": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG692") | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG680 not_a_member, RG681 tenant_admin_required */
        "E403-cee0bb96": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG219" | "RG520" | "RG521" | "RG680" | "RG681") | string;
                };
            };
        };
        /** @description RG693 last_owner */
        "E409-15c55de0": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG693" | string;
                };
            };
        };
        /** @description RG209 service_token_from_browser, RG214 caller_not_allowed, RG219 api_token_scope, RG520 user_required, RG521 account_deleted, RG680 not_a_member */
        "E403-922ba686": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG209" | "RG214" | "RG219" | "RG520" | "RG521" | "RG680") | string;
                };
            };
        };
        /** @description RG691 tenant_not_found */
        "E404-c4153bd0": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG691" | string;
                };
            };
        };
        /** @description RG316 secret_invalid, RG699 tenant_settings_invalid */
        "E422-415c0d95": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG316" | "RG699";
                };
            };
        };
        /** @description RG685 usage_event_conflict */
        "E409-cba57e62": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG685" | string;
                };
            };
        };
        /** @description RG694 usage_invalid */
        "E422-48bda0f0": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG694";
                };
            };
        };
        /** @description RG695 month_invalid */
        "E422-97b17306": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG695";
                };
            };
        };
        /** @description RG311 too_many_requests, RG407 too_many_concurrent_requests, RG413 provider_busy, RG501 rate_limit_exceeded, RG517 daily_allowance_exceeded, RG518 caller_connections_exceeded, RG519 anonymous_connections_exceeded, RG574 budget_used_up, RG682 tenant_rate_exceeded, RG683 tenant_quota_exceeded */
        "E429-e675244d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG311" | "RG407" | "RG413" | "RG501" | "RG517" | "RG518" | "RG519" | "RG574" | "RG682" | "RG683";
                };
            };
        };
        /** @description RG210 issuer_keys_unavailable, RG314 upload_buffer_full, RG401 database_unavailable, RG404 capacity_exceeded, RG410 provider_unavailable */
        "E503-d676f635": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG210" | "RG314" | "RG401" | "RG404" | "RG410") | string;
                };
            };
        };
        /** @description RG402 database_timeout, RG411 provider_timeout */
        "E504-0540fb11": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG402" | "RG411";
                };
            };
        };
        /** @description RG403 database_failed, RG408 result_too_large, RG412 provider_failed */
        "E502-f873bf68": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG403" | "RG408" | "RG412";
                };
            };
        };
        /** @description RG414 provider_refused, RG417 context_length_exceeded, RG503 idempotency_key_reused, RG687 chat_invalid, RG689 attachment_refused */
        "E422-75bdb503": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG414" | "RG417" | "RG503" | "RG687" | "RG689";
                };
            };
        };
        /** @description RG684 chat_running */
        "E409-4c50995b": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG684" | string;
                };
            };
        };
        /** @description RG686 conversation_not_found */
        "E404-3dc998bb": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG686" | string;
                };
            };
        };
        /** @description RG414 provider_refused, RG417 context_length_exceeded, RG687 chat_invalid, RG689 attachment_refused */
        "E422-0c8f4245": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG414" | "RG417" | "RG687" | "RG689";
                };
            };
        };
        /** @description RG688 model_not_found */
        "E404-4799791d": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: "RG688" | string;
                };
            };
        };
        /** @description RG101 endpoint_not_found, RG688 model_not_found */
        "E404-a61c97e5": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"] & {
                    code?: ("RG101" | "RG688") | string;
                };
            };
        };
    };
    parameters: {
        /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
        idempotencyKey: string;
        /** @description The schema; Content-Profile for writes. */
        profile: string;
        /** @description Conditions, such as id=eq.5, by column. */
        filters: {
            [key: string]: string;
        };
        /** @description Columns and embedded relations. */
        select: string;
        /** @description Such as created_at.desc. */
        order: string;
        limit: number;
        offset: number;
        /** @description Such as return=representation. */
        prefer: string;
    };
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_healthz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "ok";
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {unknown} */
                        status: "ready" | "not ready";
                        checks: {
                            [key: string]: "ok" | "unreachable";
                        };
                        missing?: string[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
            /** @description The answer. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {unknown} */
                        status: "ready" | "not ready";
                        checks: {
                            [key: string]: "ok" | "unreachable";
                        };
                        missing?: string[];
                    } | components["schemas"]["Error"];
                };
            };
        };
    };
    get_openapi_json: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        openapi: "3.1.0";
                        info: Record<string, never>;
                        paths: Record<string, never>;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_docs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_docs_style_css: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_docs_filter_js: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/javascript": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_v1_changes: {
        parameters: {
            query: {
                table: string;
                since?: string;
            };
            header?: {
                "last-event-id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-67534c6d"];
            409: components["responses"]["E409-0e9779d1"];
            410: components["responses"]["E410-283f50c6"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-bb4449b0"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_gdpr_export: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["core.person"];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        email: string;
                        /** Format: date-time */
                        exported_at: string;
                        /** @description What a form has named without proof, such as phone numbers. */
                        unproven: unknown;
                        /** @description Rows that only mention the person: the number by table, at most 10,000. */
                        mentions: unknown;
                        /** @description Rows beyond the limits of an export: the number by table. */
                        left_off: unknown;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-2aa291d5"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-ba34e0fc"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_gdpr_erase: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["core.person"];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: date-time */
                        erased_at: string;
                        /** @description The number of rows by table. */
                        erased: unknown;
                        /** @description Rows that are left for further calls: the number by table. */
                        left: unknown;
                        /** @description The number of rows that mentioned the person, by table. */
                        erased_mentions: unknown;
                        /** @description The mentions that are left, at most 10,000 of a table. */
                        mentions: unknown;
                        /** @description What a form has named without proof. */
                        unproven: unknown;
                        /** @description Rows that stay, and why. */
                        kept: unknown;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-2aa291d5"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-ba34e0fc"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.api_token"][];
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-6a9e3088"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    name: string;
                    /** @description Systems whose data API and endpoints it opens. */
                    systems?: string[] | null;
                    /** @description Further endpoints, each as its method and path. */
                    endpoints?: string[] | null;
                    /** @enum {unknown} */
                    access?: "read" | "write";
                    /**
                     * Format: date-time
                     * @description Default: in a year.
                     */
                    expires_at?: string | null;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        id: string;
                        name: string;
                        prefix: string;
                        systems?: string[];
                        endpoints?: string[];
                        /** @enum {unknown} */
                        access?: "read" | "write";
                        /** Format: date-time */
                        created_at?: string;
                        /** Format: date-time */
                        last_used_at?: string | null;
                        /** Format: date-time */
                        expires_at?: string;
                        /** Format: date-time */
                        revoked_at?: string | null;
                        token: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-6a9e3088"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-a3f3a72a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-925cf35e"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_tokens_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.api_token"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-6a9e3088"];
            404: components["responses"]["E404-85e2ae9a"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_keys_rewrap: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description The `after` of the answer before. */
                    after?: unknown;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rewrapped: number;
                        /** @description Rows that are damaged. */
                        failed: Record<string, never>[];
                        after: unknown;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_rest_v1_relation_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                relation: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description The answer. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-0a030ab8"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    put_rest_v1_relation_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                relation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-1386443d"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    post_rest_v1_relation_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                relation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["core.row_or_rows"];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-1386443d"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    delete_rest_v1_relation_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                relation: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-0a030ab8"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    patch_rest_v1_relation_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                relation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["core.rows"];
                };
            };
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-1386443d"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    get_rest_v1_rpc_function_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                function: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The answer. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-0a030ab8"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    post_rest_v1_rpc_function_: {
        parameters: {
            query?: {
                /** @description Conditions, such as id=eq.5, by column. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description The schema; Content-Profile for writes. */
                "Accept-Profile"?: components["parameters"]["profile"];
            };
            path: {
                function: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-1386443d"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-cf0ae57b"];
            406: components["responses"]["E406-5811e054"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            412: components["responses"]["E412-34d62749"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
            default: components["responses"]["DataError"];
        };
    };
    post_v1_workflows_validate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description At most 128 characters. */
                    name?: unknown;
                    /** @description A list of at most 500 nodes. */
                    nodes?: unknown;
                    /** @description By the name of the node where they start. */
                    connections?: unknown;
                    /** @description Of the workflow. */
                    settings?: unknown;
                } | unknown[];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description There are no errors. */
                        valid: boolean;
                        errors: components["schemas"]["clixen.finding"][];
                        warnings: components["schemas"]["clixen.finding"][];
                        /** @description The workflow with everything corrected that has only one correction. null if nodes are missing or too many. */
                        fixed: {
                            name: string;
                            nodes: unknown[];
                            /** @description An object, unless it has to be corrected first. */
                            connections: unknown;
                            settings: Record<string, never>;
                        } | null;
                    };
                };
            };
            400: components["responses"]["E400-c74f0dd2"];
            401: components["responses"]["E401-f523c609"];
            403: components["responses"]["E403-15aa0740"];
            408: components["responses"]["E408-f79ca88c"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
            503: components["responses"]["E503-cccb52c4"];
        };
    };
    post_v1_workflows_id_deploy: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["clixen.deployment"];
                };
            };
            /** @description The answer. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["clixen.deployment"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-c606cf93"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-1e1702f3"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-bf2747b5"];
            429: components["responses"]["E429-c6424356"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-462d9f27"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workflows_id_rollback: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description One of the latest 20 that served. Default: the latest earlier version with another content. */
                    deployment_version?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["clixen.deployment"];
                };
            };
            /** @description The answer. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["clixen.deployment"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-957a6084"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-1e1702f3"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-bf2747b5"];
            429: components["responses"]["E429-c6424356"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-462d9f27"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_telemetry: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["clixen.telemetry_event"] | components["schemas"]["clixen.telemetry_events"] | {
                    events: components["schemas"]["clixen.telemetry_events"];
                };
            };
        };
        responses: {
            /** @description The answer. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description The number of events that were stored. */
                        accepted: number;
                        /** @description The number of events that had been stored before. */
                        duplicates: number;
                        /** @description The events that were refused. All others are stored. */
                        rejected: {
                            /** @description The place of the event in the batch, from 0. */
                            index: number;
                            /** @enum {unknown} */
                            code: "malformed" | "too_large" | "event_type_invalid" | "event_category_unknown" | "id_invalid" | "project_id_invalid" | "workflow_id_invalid" | "session_id_invalid" | "event_data_invalid" | "success_invalid" | "duration_ms_invalid";
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-846e0e5b"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-6a9e3088"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-6b27c6e1"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-e3c411ae"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_jobs_finish_deployments: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Deployments that were resumed. */
                        deployments: number;
                        /** @description Deleted workflows that were removed from n8n. */
                        removals: number;
                        /** @description Those of both that the next run tries again. */
                        failed: number;
                    };
                };
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_leads: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: idn-email */
                    email: string;
                    first_name?: string;
                    last_name?: string;
                    company_name?: string;
                    phone_number?: string;
                    /** @description The message. */
                    notes?: string;
                    interested_features?: string | string[];
                    /** @description Whether the person may be contacted. Only some words are a yes, such as on, yes and true. */
                    consent?: string | boolean | number;
                    /** @description Which wording of the question the page showed. Cut at 100 characters. */
                    consent_version?: string;
                    /** @description Cut at 200 characters. */
                    utm_source?: string;
                    /** @description Cut at 200 characters. */
                    utm_medium?: string;
                    /** @description Cut at 200 characters. */
                    utm_campaign?: string;
                    /** @description Cut at 200 characters. */
                    utm_content?: string;
                    /** @description Cut at 200 characters. */
                    utm_term?: string;
                    /** @description Where the visitor came from. Cut at 2,000 characters. */
                    referrer?: string;
                    /** @description The page of the form; without it the header Referer counts. Cut at 2,000 characters. */
                    landing_page?: string;
                    /** @description Where a browser goes afterwards: an address of an allowed origin. */
                    _next?: string;
                    /** @description A trap for programs. Leave it empty. */
                    _gotcha?: string;
                    /** @description The token of Turnstile. */
                    "cf-turnstile-response"?: string;
                    /**
                     * @description Which form it is. Default: website-form.
                     * @enum {unknown}
                     */
                    source?: "newsletter-signup" | "website-form" | "contact-form" | "pricing-inquiry" | "demo-request";
                } & {
                    [key: string]: unknown;
                };
                "application/x-www-form-urlencoded": {
                    /** Format: idn-email */
                    email: string;
                    first_name?: string;
                    last_name?: string;
                    company_name?: string;
                    phone_number?: string;
                    /** @description The message. */
                    notes?: string;
                    interested_features?: string | string[];
                    /** @description Whether the person may be contacted. Only some words are a yes, such as on, yes and true. */
                    consent?: string | boolean | number;
                    /** @description Which wording of the question the page showed. Cut at 100 characters. */
                    consent_version?: string;
                    /** @description Cut at 200 characters. */
                    utm_source?: string;
                    /** @description Cut at 200 characters. */
                    utm_medium?: string;
                    /** @description Cut at 200 characters. */
                    utm_campaign?: string;
                    /** @description Cut at 200 characters. */
                    utm_content?: string;
                    /** @description Cut at 200 characters. */
                    utm_term?: string;
                    /** @description Where the visitor came from. Cut at 2,000 characters. */
                    referrer?: string;
                    /** @description The page of the form; without it the header Referer counts. Cut at 2,000 characters. */
                    landing_page?: string;
                    /** @description Where a browser goes afterwards: an address of an allowed origin. */
                    _next?: string;
                    /** @description A trap for programs. Leave it empty. */
                    _gotcha?: string;
                    /** @description The token of Turnstile. */
                    "cf-turnstile-response"?: string;
                    /**
                     * @description Which form it is. Default: website-form.
                     * @enum {unknown}
                     */
                    source?: "newsletter-signup" | "website-form" | "contact-form" | "pricing-inquiry" | "demo-request";
                } & {
                    [key: string]: unknown;
                };
                "multipart/form-data": {
                    /** Format: idn-email */
                    email: string;
                    first_name?: string;
                    last_name?: string;
                    company_name?: string;
                    phone_number?: string;
                    /** @description The message. */
                    notes?: string;
                    interested_features?: string | string[];
                    /** @description Whether the person may be contacted. Only some words are a yes, such as on, yes and true. */
                    consent?: string | boolean | number;
                    /** @description Which wording of the question the page showed. Cut at 100 characters. */
                    consent_version?: string;
                    /** @description Cut at 200 characters. */
                    utm_source?: string;
                    /** @description Cut at 200 characters. */
                    utm_medium?: string;
                    /** @description Cut at 200 characters. */
                    utm_campaign?: string;
                    /** @description Cut at 200 characters. */
                    utm_content?: string;
                    /** @description Cut at 200 characters. */
                    utm_term?: string;
                    /** @description Where the visitor came from. Cut at 2,000 characters. */
                    referrer?: string;
                    /** @description The page of the form; without it the header Referer counts. Cut at 2,000 characters. */
                    landing_page?: string;
                    /** @description Where a browser goes afterwards: an address of an allowed origin. */
                    _next?: string;
                    /** @description A trap for programs. Leave it empty. */
                    _gotcha?: string;
                    /** @description The token of Turnstile. */
                    "cf-turnstile-response"?: string;
                    /**
                     * @description Which form it is. Default: website-form.
                     * @enum {unknown}
                     */
                    source?: "newsletter-signup" | "website-form" | "contact-form" | "pricing-inquiry" | "demo-request";
                } & {
                    [key: string]: unknown;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "received";
                    };
                };
            };
            /** @description For a browser that has posted a form. */
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-7347bb0d"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-fd8d4b05"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-569b906b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_leads_confirm: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    post_v1_leads_confirm: {
        parameters: {
            query?: {
                token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description The token of the link. It may stand in the address instead. */
                    token?: string;
                };
                "application/x-www-form-urlencoded": {
                    /** @description The token of the link. It may stand in the address instead. */
                    token?: string;
                };
                "multipart/form-data": {
                    /** @description The token of the link. It may stand in the address instead. */
                    token?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "confirmed";
                    };
                };
            };
            400: components["responses"]["E400-152e6963"];
            401: components["responses"]["E401-0e9779d1"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-0e884fe8"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_forms: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_forms_: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_forms_thanks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_forms_style_css: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_forms_source_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                source: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            /** @description The answer. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                    "application/json": components["schemas"]["Error"];
                };
            };
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    post_v1_onboarding_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * Format: idn-email
                     * @description Connects the session with the lead of this address, if there is one.
                     */
                    email?: string;
                    business_data?: components["schemas"]["growth.step_data"];
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description For the header X-Session-Token, for 30 days. No other answer has it. */
                        session_token: string;
                        session: components["schemas"]["growth.progress"];
                    };
                };
            };
            400: components["responses"]["E400-ab673548"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-44acd281"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-1bcd85bc"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_onboarding_session: {
        parameters: {
            query?: never;
            header?: {
                "x-session-token"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["growth.progress"];
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-5cc02748"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-922b1755"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    patch_v1_onboarding_session: {
        parameters: {
            query?: never;
            header?: {
                "x-session-token"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    step: components["schemas"]["growth.step"];
                    data?: components["schemas"]["growth.step_data"];
                    /** @description true completes the step; false changes nothing. */
                    completed?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["growth.progress"];
                };
            };
            400: components["responses"]["E400-ab673548"];
            401: components["responses"]["E401-5cc02748"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0bb5ccf7"];
            413: components["responses"]["E413-44acd281"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-1bcd85bc"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-0e884fe8"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_onboarding_activities: {
        parameters: {
            query?: never;
            header?: {
                "x-session-token"?: string;
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["growth.activity"] | components["schemas"]["growth.activity"][];
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description The number of activities: all of them. */
                        accepted: number;
                    };
                };
            };
            400: components["responses"]["E400-90f1d759"];
            401: components["responses"]["E401-5cc02748"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-10ddaa77"];
            413: components["responses"]["E413-44acd281"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-95717f04"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-0e884fe8"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["growth.event"] | components["schemas"]["growth.events"] | {
                    events: components["schemas"]["growth.events"];
                };
            };
        };
        responses: {
            /** @description The answer. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description The number of events that were stored. */
                        accepted: number;
                        /** @description The number of events that had been stored before. */
                        duplicates: number;
                        /** @description The events that were refused. All others are stored. */
                        rejected: {
                            /** @description The place of the event in the batch, from 0. */
                            index: number;
                            /** @enum {unknown} */
                            code: "malformed" | "too_large" | "name_missing" | "name_too_long" | "type_unknown" | "id_invalid" | "id_time" | "user_id_invalid" | "session_id_invalid" | "anonymous_id_invalid" | "properties_invalid" | "metadata_invalid" | "time_invalid" | "too_old";
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-9fe3c3cb"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-c89c506c"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-e3c411ae"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_experiments_assign: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description The user. A token names the user by itself. */
                    user_id?: string | number;
                    /** @description The visitor's session. */
                    session_id?: string | number;
                    /** @description A code of two letters. Read from servers, and where the edge does not know the country. */
                    country?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description One for each running experiment that the unit is in. */
                        assignments: {
                            /** Format: uuid */
                            experiment_id: string;
                            name: string;
                            variant_id: string;
                            /** @description Grows when an experiment starts anew. */
                            bucket_version: number;
                            is_control: boolean;
                            /**
                             * @description sticky: stored by an earlier call; override: chosen by an admin.
                             * @enum {unknown}
                             */
                            source: "hash" | "override" | "sticky";
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-9d44cb15"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_experiments_exposures: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["growth.exposures"] | components["schemas"]["growth.exposures_of_a_unit"];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        accepted: number;
                        /** @description The exposures that were refused. All others are stored. */
                        rejected: {
                            /** @description The place of the exposure in the list, from 0. */
                            index: number;
                            /** @enum {unknown} */
                            code: "RG550" | "RG551" | "RG554" | "RG555" | "RG556";
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-8a7d7947"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-266a6a14"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-9b99f43e"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_experiments_id_results: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        experiment_id: string;
                        name: string;
                        /** @enum {unknown} */
                        status: "draft" | "running" | "paused" | "completed" | "archived";
                        bucket_version: number;
                        /** @enum {unknown} */
                        unit: "user_id" | "session_id";
                        /** @description The name of the events that count as conversions. */
                        primary_metric: string | null;
                        /**
                         * Format: date-time
                         * @description Of an experiment that is over, when it was completed.
                         */
                        computed_at: string;
                        /**
                         * Format: date-time
                         * @description Null, or the time before which events may have been deleted: the experiment is older, and conversions are missing.
                         */
                        conversions_since: string | null;
                        /** @description The control first. */
                        variants: components["schemas"]["growth.variant_results"][];
                        /** @description Whether units are spread over the variants as the weights say. */
                        sample_ratio: {
                            chi_square: number | null;
                            degrees_of_freedom: number;
                            p_value: number | null;
                            /** @description p_value is below 0.001: the other numbers cannot be trusted. */
                            alarm: boolean;
                        };
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-2aa291d5"];
            404: components["responses"]["E404-075d6431"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_whatsapp_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-0e9779d1"];
            403: components["responses"]["E403-b1ae3a64"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-922b1755"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_whatsapp_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @constant */
                    object?: "whatsapp_business_account";
                    entry: {
                        id: string;
                        changes: components["schemas"]["growth.webhook_change"][];
                    }[];
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "ok";
                    };
                };
            };
            400: components["responses"]["E400-1c0d983c"];
            401: components["responses"]["E401-f4fb81eb"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-540fe7a9"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-0e884fe8"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    put_v1_whatsapp_accounts_id_access_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    access_token: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        account_id: string;
                        /** Format: date-time */
                        updated_at: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-6a9e3088"];
            404: components["responses"]["E404-31e3cbd8"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-c21950af"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_whatsapp_accounts_id_access_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-31e3cbd8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_admin_leads_csv: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-2aa291d5"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_keys: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description A service such as openai, or a provider of GET /v1/services. */
                    service: string;
                    key: string;
                    /** @description A name that no other active key of the service has. */
                    alias?: string | null;
                    /**
                     * Format: date-time
                     * @description Within ten years. Without it the key never expires.
                     */
                    expires_at?: string | null;
                    /** @description The agents for whose tasks the key opens. Empty: it needs no task. */
                    agents?: string[];
                    /** @description The projects for whose tasks the key opens. Empty: it needs no task. */
                    projects?: string[];
                    /** @description Ask the service whether it accepts the key. Whatever it says, the key is stored. */
                    verify?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.api_key"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-7ec6b1a6"];
            404: components["responses"]["E404-467304aa"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-19ae4562"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-972f448f"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_keys_id_rotate: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    key: string;
                    /**
                     * Format: date-time
                     * @description Of the successor. Without it, the successor never expires.
                     */
                    expires_at?: string | null;
                    /** @description Ask the service whether it accepts the key. */
                    verify?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.api_key"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-661ed83b"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-07a0bcf4"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-18de3171"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_keys_id_confirm: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.api_key_row"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-661ed83b"];
            409: components["responses"]["E409-954d3bc5"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_keys_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-661ed83b"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_keys_id_verify: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.api_key"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-661ed83b"];
            409: components["responses"]["E409-d4aaea11"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    put_v1_deployments_id_environment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description At most 48 KB as JSON. Empty: none. */
                    environment: Record<string, never>;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        deployment_id: string;
                        /** @description Their names. */
                        environment_variables: string[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-4ecf6173"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-95768a2b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    put_v1_integrations_id_credentials: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description At most 48 KB as JSON. Empty: none. */
                    credentials: Record<string, never>;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        integration_id: string;
                        /** @description Their names. */
                        credentials: string[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-b7cc46ae"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-95768a2b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_keys_id_use: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["flashfusion.use"];
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        id: string;
                        service_name: string;
                        key_alias: string | null;
                        /** @enum {unknown} */
                        status: "pending" | "active" | "invalid";
                        /** Format: date-time */
                        expires_at: string | null;
                        /** @description Uses so far, this one included. */
                        usage_count: number;
                        /** Format: date-time */
                        last_used_at: string;
                        key: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-3c7502e6"];
            404: components["responses"]["E404-661ed83b"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-024deb35"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_deployments_id_environment_use: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        deployment_id: string;
                        environment: Record<string, never>;
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-3c7502e6"];
            404: components["responses"]["E404-4ecf6173"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_integrations_id_credentials_use: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        integration_id: string;
                        credentials: Record<string, never>;
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-3c7502e6"];
            404: components["responses"]["E404-b7cc46ae"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_services: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        services: {
                            /** Format: uuid */
                            id: string;
                            name: string;
                            provider: string;
                            model_name: string;
                            capabilities?: unknown[];
                            /** @enum {unknown} */
                            pricing_model?: "per_token" | "per_request" | "free";
                            max_tokens?: number | null;
                            context_window?: number | null;
                            supports_streaming?: boolean;
                            supports_function_calling?: boolean;
                            /** @description In micro-USD per million tokens; null if it is not known. */
                            price: Record<string, never> | null;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        agents: {
                            /** Format: uuid */
                            id: string;
                            name: string;
                            type: string;
                            capabilities: unknown[];
                            /** @enum {unknown} */
                            status: "online" | "offline" | "busy" | "maintenance" | "error";
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da9ec0cc"];
            403: components["responses"]["E403-1b6eb39c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_tasks: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    agent_id: string;
                    task_type: string;
                    /** @description At most 64 KB. */
                    task_data?: Record<string, never>;
                    /**
                     * Format: uuid
                     * @description One of the caller's projects.
                     */
                    project_id?: string;
                    /**
                     * @description Lower goes first among the caller's tasks.
                     * @default 5
                     */
                    priority?: number;
                    /** @default 3 */
                    max_retries?: number;
                    /** @default 0 */
                    delay_seconds?: number;
                    /**
                     * Format: date-time
                     * @description In place of delay_seconds.
                     */
                    run_at?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.task"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-23a7d9ce"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_tasks_id_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.task"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-9bfd88da"];
            409: components["responses"]["E409-8c2f3aac"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_claim: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description A name for the log. */
                    worker: string;
                    /** @description Default: all. */
                    agents?: string[];
                    /** @description Default: all. */
                    types?: string[];
                    /** @default 1 */
                    quantity?: number;
                    /** @default 60 */
                    lease_seconds?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        tasks: {
                            /** Format: uuid */
                            id: string;
                            /** Format: uuid */
                            agent_id: string;
                            /** Format: uuid */
                            project_id: string | null;
                            /** Format: uuid */
                            user_id: string;
                            task_type: string;
                            task_data: Record<string, never>;
                            priority: number;
                            /** @description This one counts, however it ends. */
                            attempt: number;
                            max_retries: number;
                            /**
                             * Format: uuid
                             * @description Proves to the other endpoints that the worker still has the task.
                             */
                            lease_token: string;
                            /** Format: date-time */
                            lease_expires_at: string;
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-faa307eb"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_heartbeat: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    id: string;
                    /** Format: uuid */
                    lease_token: string;
                    /**
                     * @description From now.
                     * @default 60
                     */
                    lease_seconds?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        id: string;
                        /** Format: date-time */
                        lease_expires_at: string;
                        /** @description Stop, and fail the task. */
                        cancel_requested: boolean;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-9eb7437a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_complete: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    id: string;
                    /** Format: uuid */
                    lease_token: string;
                    /** @description Any JSON of at most 256 KB. */
                    result?: unknown;
                    /** @description Default: the time since the claim. */
                    execution_time_ms?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.ended_task"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-9eb7437a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-65338134"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_complete_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    tasks: {
                        /** Format: uuid */
                        id: string;
                        /** Format: uuid */
                        lease_token: string;
                        /** @description Any JSON of at most 256 KB. */
                        result?: unknown;
                        /** @description Default: the time since the claim. */
                        execution_time_ms?: number;
                    }[];
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description In the order of the request. */
                        tasks: {
                            /** Format: uuid */
                            id: string;
                            /**
                             * @description lease_lost: drop the work.
                             * @enum {unknown}
                             */
                            status: "completed" | "lease_lost";
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-89c739a7"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_fail: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    id: string;
                    /** Format: uuid */
                    lease_token: string;
                    /** @description The owner reads it. Cut at 2,000 characters. */
                    error: string;
                    /**
                     * @description false: another attempt is of no use.
                     * @default true
                     */
                    retry?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.ended_task"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-9eb7437a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_snooze: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    id: string;
                    /** Format: uuid */
                    lease_token: string;
                    seconds: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.ended_task"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-9eb7437a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_workers_pause: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: date-time */
                    until: string;
                    /** Format: uuid */
                    agent_id?: string;
                    /** Format: uuid */
                    user_id?: string;
                    reason?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        agent_id: string | null;
                        /** Format: uuid */
                        user_id: string | null;
                        /** Format: date-time */
                        until: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_notifications_read: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    ids?: string[];
                    /** @description All that are unread, up to 10,000 in a call. */
                    all?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description How many were unread until now. Those of other users and unknown ids are passed over. */
                        read: number;
                        /** @description There may be more unread ones: call again. */
                        more: boolean;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-b09eefc1"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_billing_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description An event whose id is known changes nothing. */
                    id: string;
                    /** @enum {unknown} */
                    object: "event" | "v2.core.event";
                    type: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        received: true;
                        duplicate: boolean;
                        /** @description applied, outdated, ignored, odd shape, unknown customer, unknown subscription, not fetched, failed, gone, erased user or customer of another user. For people who read Stripe's log. */
                        outcome: string;
                    };
                };
            };
            400: components["responses"]["E400-fa080ca0"];
            401: components["responses"]["E401-0e9779d1"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-0e884fe8"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_billing_checkout: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description The id of a price at Stripe that this site offers. */
                    price: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.stripe_page"];
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-9aaf686a"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-c2804413"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-c17b2405"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_billing_portal: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["flashfusion.stripe_page"];
                };
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-9caebf35"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-d0bf1ded"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-e610719f"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-c17b2405"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_jobs_fetch_thin_events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Objects that Stripe has given. */
                        fetched: number;
                        /** @description Those that a later run tries again, or that are gone. */
                        failed: number;
                    };
                };
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_transcripts: {
        parameters: {
            query: {
                file: string;
                project?: string;
                session?: string;
                source?: string;
                offset?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Lines of the body. */
                        lines: number;
                        /** @description Bytes of the body, decompressed. */
                        offset: number;
                        /** @description New messages. */
                        messages: number;
                        /** @description New tool calls. */
                        tool_calls: number;
                        /** @description Lines and entries that were known. */
                        duplicates: number;
                        /** @description Lines of progress, which are in no count. */
                        progress: number;
                        /** @description New entries of unknown types. */
                        unknown: number;
                        /** @description Lines that could not be stored, by reason: malformed, too_large, refused (no table can hold it), unfinished. */
                        skipped: {
                            [key: string]: number;
                        };
                        /** @description Secrets that were taken out. */
                        redactions: number;
                        /** @description The same by provider. */
                        redacted: {
                            [key: string]: number;
                        };
                        /** @description Where the file goes on: the offset of the next upload. A text, because numbers of several batches are added up. */
                        next_offset: string;
                        conversation_id?: string | null;
                        project_id?: string | null;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-f2cf192d"];
            404: components["responses"]["E404-243401a8"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-de53bbda"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-ca51658a"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_transcripts_files: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "text/plain": string;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        conversation_id: string;
                        /** @description Below the session's folder. */
                        path: string;
                        /** @enum {unknown} */
                        kind: "tool_result" | "meta" | "journal" | "snapshot" | "other";
                        bytes: number;
                        redactions: number;
                        /** @description Whether the file, or this content of it, was not known. */
                        is_new: boolean;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-f2cf192d"];
            404: components["responses"]["E404-243401a8"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-bb547d50"];
            422: components["responses"]["E422-e9ceac81"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_conversations_id_transcript: {
        parameters: {
            query?: {
                file?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-eb853b87"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_analytics_overview: {
        parameters: {
            query?: {
                project?: string;
                from?: string;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description null: all projects of the caller.
                         */
                        project_id: string | null;
                        /** Format: date */
                        from: string;
                        /** Format: date */
                        to: string;
                        totals: components["schemas"]["observatory.analytics_totals"];
                        /** @description Conversations whose subagents' transcripts were not all sent: their sums are too small. */
                        incomplete_conversations: number;
                        days: components["schemas"]["observatory.analytics_day"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-e262ee47"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_analytics_tools: {
        parameters: {
            query?: {
                project?: string;
                from?: string;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description null: all projects of the caller.
                         */
                        project_id: string | null;
                        /** Format: date */
                        from: string;
                        /** Format: date */
                        to: string;
                        distinct_tools: number;
                        /** @description Those that were called most. */
                        tools: components["schemas"]["observatory.analytics_tool"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-e262ee47"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_analytics_models: {
        parameters: {
            query?: {
                project?: string;
                from?: string;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description null: all projects of the caller.
                         */
                        project_id: string | null;
                        /** Format: date */
                        from: string;
                        /** Format: date */
                        to: string;
                        distinct_models: number;
                        /** @description Those with most tokens. */
                        models: components["schemas"]["observatory.analytics_model"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-e262ee47"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_analytics_activity: {
        parameters: {
            query?: {
                project?: string;
                from?: string;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description null: all projects of the caller.
                         */
                        project_id: string | null;
                        /** Format: date */
                        from: string;
                        /** Format: date */
                        to: string;
                        days: components["schemas"]["observatory.analytics_activity"][];
                        /** @description The hours of a week, in UTC, with what all weeks have together. */
                        hours: components["schemas"]["observatory.analytics_hour"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-e262ee47"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_analytics_users: {
        parameters: {
            query?: {
                project?: string;
                from?: string;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description null: all projects of the caller.
                         */
                        project_id: string | null;
                        /** Format: date */
                        from: string;
                        /** Format: date */
                        to: string;
                        distinct_users: number;
                        /** @description Those with most messages. */
                        users: components["schemas"]["observatory.analytics_user"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-e262ee47"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_projects_id_reprice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description A list that must be loaded. */
                    list?: string | null;
                    /**
                     * @description Only say what would change.
                     * @default false
                     */
                    dry_run?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description The receipt's. It stays the same until it is finished.
                         */
                        id: string;
                        /** Format: uuid */
                        project_id: string;
                        /** Format: date-time */
                        at: string;
                        dry_run: boolean;
                        /** @description false: there are more records than one call takes. */
                        finished: boolean;
                        /** @description The lists that the prices are from. */
                        lists: string[];
                        /** @description Records so far. */
                        records: number;
                        changed: number;
                        /** @description Those of them that had no price. */
                        newly_priced: number;
                        /** @description Records that still have none. */
                        unpriced: number;
                        /** @description What all of them cost before, in micro-USD. */
                        before_micro: number;
                        /** @description What they cost by the prices of now. A record that has no price any more keeps its cost. */
                        after_micro: number;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-60989965"];
            404: components["responses"]["E404-f58336ef"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-ffb445f8"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_search: {
        parameters: {
            query: {
                q: string;
                project?: string;
                role?: string;
                tool?: string;
                from?: string;
                to?: string;
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description For POST /v1/search/opened. Null on further pages, and for a token that only reads.
                         */
                        search_id: string | null;
                        results: components["schemas"]["observatory.search_result"][];
                        /** @description Of the latest thousand messages that match. */
                        count: number;
                        /** @description There are older ones that match. */
                        is_capped: boolean;
                        /** @description The cursor of the next page. */
                        next: string | null;
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-105c270e"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-5ab7ab9e"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_search_suggest: {
        parameters: {
            query: {
                q: string;
                project?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        suggestions: {
                            term: string;
                            /**
                             * @description search: one of the caller's own.
                             * @enum {unknown}
                             */
                            kind: "tool" | "file" | "word" | "search";
                            uses: number;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-105c270e"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_search_similar_message_id_: {
        parameters: {
            query?: {
                limit?: number;
            };
            header?: never;
            path: {
                message_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        results: components["schemas"]["observatory.similar_message"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-105c270e"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-76dbdac2"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_search_opened: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    search_id: string;
                    /** Format: uuid */
                    message_id: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        search_id: string;
                        /** Format: uuid */
                        message_id: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0f8a8971"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_search_analytics: {
        parameters: {
            query: {
                project: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        days: 90;
                        searches: number;
                        searchers: number;
                        opened: number;
                        without_result: number;
                        /** @description The 50 most frequent. */
                        queries: Record<string, never>[];
                        /** @description The 50 most frequent that found nothing. */
                        missing: Record<string, never>[];
                        /** @description The 20 that were opened most. */
                        messages: Record<string, never>[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-694373de"];
            404: components["responses"]["E404-243401a8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_conversations_id_thread: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description The cursor of the next page. */
                        next: string | null;
                        /** @description Subagents that the conversation started, each a conversation of its own. */
                        agents?: Record<string, never>[];
                        /** @description Commits, pushes and pull requests that its tools made. */
                        git?: Record<string, never>[];
                        conversation: {
                            /** Format: uuid */
                            id: string;
                            /** Format: uuid */
                            project_id: string;
                            session_id: string;
                            agent_id?: string | null;
                            /** Format: uuid */
                            parent_conversation_id?: string | null;
                            title?: string | null;
                            status?: string;
                            message_count?: number;
                            /** @description Subagents whose files have not been sent: its sums are incomplete. */
                            missing_agents?: number;
                        };
                        messages: {
                            /** Format: uuid */
                            id: string;
                            entry_uuid: string;
                            /**
                             * Format: uuid
                             * @description The nearest message above. A root has none.
                             */
                            parent_id?: string;
                            depth: number;
                            /** @description 0: the line that goes on. Others were left. */
                            branch: number;
                            seq: number;
                            entry_type: string;
                            role?: string;
                            is_sidechain: boolean;
                            is_meta: boolean;
                            /** @description Another conversation of the same user has it first. */
                            is_copy: boolean;
                            model?: string;
                            /** @description At most 8,000 characters; GET /rest/v1/messages has the whole. */
                            content?: string;
                            is_cut?: boolean;
                            output_tokens?: number;
                            /** Format: date-time */
                            occurred_at: string;
                            /** @description Inputs and outputs have at most 2,000 characters; GET /rest/v1/tool_calls has the whole. agent is the subagent that the call started. */
                            tool_calls?: Record<string, never>[];
                            /** @description The context was summarised here. */
                            compaction?: {
                                /** @description auto or manual. */
                                trigger?: string;
                                /** @description Tokens of the context before. */
                                pre_tokens?: number;
                                /** @description The uuids of the entries that stay in the context as they are. Absent if the transcript does not list them. */
                                preserved?: string[];
                                /** @description The same entries by uuids: the first one, the entry that they follow now (usually the summary), and the last one. Absent if the transcript does not name them. */
                                preserved_segment?: {
                                    head_uuid?: string;
                                    anchor_uuid?: string;
                                    tail_uuid?: string;
                                };
                            };
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-105c270e"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-eb853b87"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_hooks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    session_id: string;
                    hook_event_name: string;
                    /** @description By it the session's project is found, or made. */
                    cwd?: string;
                    /** @description The subagent that the event is of. */
                    agent_id?: string;
                    tool_use_id?: string;
                    /** @description How long the tool took. */
                    duration_ms?: number | string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: components["responses"]["E400-bb3d23b6"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_otlp_v1_logs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    resourceLogs?: Record<string, never>[];
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Empty, or rejectedLogRecords and errorMessage: records that no coding agent has written. */
                        partialSuccess: Record<string, never>;
                    };
                };
            };
            400: components["responses"]["E400-dedf7234"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_projects_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["observatory.deleted"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-60989965"];
            404: components["responses"]["E404-f58336ef"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_conversations_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["observatory.deleted"];
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-beedbc8e"];
            404: components["responses"]["E404-eb853b87"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_projects_id_invitations: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {string} */
                    role: "viewer" | "editor" | "owner";
                    /**
                     * Format: idn-email
                     * @description The address that the invited person has verified. Either this or user_id.
                     */
                    email?: string;
                    /** Format: uuid */
                    user_id?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "invited";
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-60989965"];
            404: components["responses"]["E404-f58336ef"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-2a3323de"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_invitations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        invitations: {
                            /** Format: uuid */
                            id: string;
                            /** Format: uuid */
                            project_id: string;
                            /** @description The project's name. */
                            project: string;
                            /** @enum {string} */
                            role: "viewer" | "editor" | "owner";
                            /** Format: uuid */
                            invited_by: string;
                            /** Format: date-time */
                            expires_at: string;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-c175df80"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_invitations_id_accept: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        project_id: string;
                        /**
                         * @description The caller's role now: the greater one, if they were a member.
                         * @enum {string}
                         */
                        role: "viewer" | "editor" | "owner";
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-c175df80"];
            404: components["responses"]["E404-f85e5725"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_invitations_id_decline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "declined";
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-c175df80"];
            404: components["responses"]["E404-f85e5725"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_conversations_id_share: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description What the page is called. Default: the conversation's title. */
                    title?: string;
                    /** @description What is not shown. Default: thinking, paths. */
                    hide?: ("thinking" | "tool_inputs" | "tool_outputs" | "paths")[];
                    /** @description Whether messages that are stored later are shown, too. */
                    include_later?: boolean;
                    expires_in_days?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        id: string;
                        token: string;
                        /** @description Where the edge shows it. */
                        path: string;
                        /** Format: date-time */
                        expires_at: string;
                        hide: string[];
                        include_later: boolean;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-34f9cb59"];
            404: components["responses"]["E404-eb853b87"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-7f3abda4"];
            429: components["responses"]["E429-f38a8aab"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_shares_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        id: string;
                        /** Format: date-time */
                        revoked_at: string;
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-60989965"];
            404: components["responses"]["E404-298722d8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_shared_style_css: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css": string;
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-d63b3a5d"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-395b49fc"];
            500: components["responses"]["E500-1bfc7db7"];
        };
    };
    get_v1_shared_token_: {
        parameters: {
            query?: {
                cursor?: string;
                agent?: string;
            };
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        title: string;
                        /** @description The agent. */
                        source: string;
                        /** Format: date-time */
                        started_at: string | null;
                        /** Format: date-time */
                        shared_at: string;
                        /** Format: date-time */
                        expires_at: string;
                        hide: string[];
                        include_later: boolean;
                        /** @description The cursor of the next page. */
                        next: string | null;
                        /** @description The subagent that was asked for by agent. */
                        agent: null | components["schemas"]["observatory.shared_agent"];
                        /** @description The subagents of the session, on its first page: ask for each by agent. */
                        agents: components["schemas"]["observatory.shared_agent"][];
                        messages: {
                            /** @enum {string} */
                            role: "user" | "assistant";
                            /** Format: date-time */
                            at: string;
                            parts: {
                                /** @enum {string} */
                                type: "text" | "thinking" | "image" | "tool";
                                text?: string;
                                /** @description The tool. */
                                name?: string;
                                status?: string;
                                input?: string;
                                output?: string;
                                /** @description The subagent that the tool started. */
                                agent?: string;
                            }[];
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-105c270e"];
            401: components["responses"]["E401-0e9779d1"];
            403: components["responses"]["E403-5d6d0dec"];
            404: components["responses"]["E404-298722d8"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-922b1755"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_projects_id_audit: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        project_id: string;
                        entries: number;
                        intact: boolean;
                        /** @description The entry up to which a head has the chain: the edge seals one every day. */
                        in_head_up_to: number | null;
                        faults: components["schemas"]["observatory.audit_fault"][];
                        latest: {
                            n: number;
                            /** Format: date-time */
                            at: string;
                            /**
                             * Format: uuid
                             * @description Null: `service_role`, or the edge.
                             */
                            actor: string | null;
                            action: string;
                            relation: string;
                            /** Format: uuid */
                            row_id: string | null;
                            details: Record<string, never>;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-60989965"];
            404: components["responses"]["E404-f58336ef"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_audit_verify: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * Format: uuid
                     * @description A head that must still be there: newest of an earlier answer, or one of the edge's log.
                     */
                    known_id?: string;
                    /** @description Its digest. */
                    known_digest?: string;
                    /**
                     * Format: uuid
                     * @description next of the answer before.
                     */
                    after?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description How many seals were opened: of the latest 800 heads, and of older ones with a fault. Each head has the digest of the one before. */
                        heads: number;
                        /** @description A chain for each project. One call checks 1,000 of them. */
                        chains: number;
                        /**
                         * Format: uuid
                         * @description Send it as after to check the next 1,000 chains; null after the last.
                         */
                        next: string | null;
                        /** @description Keep it, and send it as known_id and known_digest the next time: a newest head that was removed with all that it protects shows in nothing else but the edge's log. */
                        newest: {
                            /** Format: uuid */
                            id: string;
                            /** Format: date-time */
                            at: string;
                            digest: string;
                        } | null;
                        head_faults: {
                            /** Format: uuid */
                            id: string;
                            /**
                             * Format: date-time
                             * @description Null: of a head that is not there.
                             */
                            at: string | null;
                            fault: string;
                        }[];
                        chain_faults: {
                            /** Format: uuid */
                            project_id: string;
                            faults: components["schemas"]["observatory.audit_fault"][];
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_jobs_seal_audit_head: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        sealed: number;
                    };
                };
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_tenants: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    name: string;
                    slug: string;
                    llm_provider: string;
                    llm_model: string;
                    temperature?: number | null;
                    max_tokens?: number;
                    system_prompt?: string | null;
                    features?: components["schemas"]["assistant.features"];
                    rate_limit_per_minute?: number;
                    daily_token_limit?: number;
                    branding?: Record<string, never>;
                    is_active?: boolean;
                    /**
                     * Format: idn-email
                     * @description Who is invited as the owner.
                     */
                    owner_email?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["assistant.tenant"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-30e0ed1e"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-a6b7119e"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-f98498d1"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    patch_v1_admin_tenants_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["assistant.tenant"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-b30c85da"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-7bc045c5"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-f98498d1"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_admin_tenants_id_members: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * Format: idn-email
                     * @description The address that the invited person has verified.
                     */
                    email: string;
                    /**
                     * @description Only owners and servers invite owners.
                     * @enum {string}
                     */
                    role?: "member" | "admin" | "owner";
                    name?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["assistant.member"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-dfbafece"];
            404: components["responses"]["E404-b30c85da"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-a58ecde1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-f98498d1"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    patch_v1_admin_members_id_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @enum {string} */
                    role?: "member" | "admin" | "owner";
                    is_active?: boolean;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["assistant.member"];
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-cee0bb96"];
            404: components["responses"]["E404-77560890"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-15c55de0"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-f98498d1"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_members_invitations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        invitations: {
                            /** Format: uuid */
                            id: string;
                            /** Format: uuid */
                            tenant_id: string;
                            /** @description The tenant's name. */
                            tenant: string;
                            /** @enum {string} */
                            role: "member" | "admin" | "owner";
                            /** Format: date-time */
                            expires_at: string;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-c175df80"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_members_invitations_id_join: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: uuid
                         * @description The member's id: `user_id` of conversations, feedback and usage.
                         */
                        id: string;
                        /** Format: uuid */
                        tenant_id: string;
                        /** @enum {string} */
                        role: "member" | "admin" | "owner";
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-c175df80"];
            404: components["responses"]["E404-77560890"];
            409: components["responses"]["E409-a58ecde1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_members_leave: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * Format: uuid
                     * @description The tenant to leave: with it, a request that is repeated late leaves no other one. Default: the caller's.
                     */
                    tenant_id?: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "left";
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-c4153bd0"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-15c55de0"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    put_v1_admin_tenants_id_provider_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    api_key: string;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        tenant_id: string;
                        /** @description Whose keys have this shape. */
                        hint: string | null;
                        last_four: string;
                        /** @description `length` or `characters`, if that is unusual for the provider. */
                        shape_warning: string | null;
                        /** Format: date-time */
                        set_at: string;
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-dfbafece"];
            404: components["responses"]["E404-b30c85da"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-415c0d95"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-fbbd4e71"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-a77151fe"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    delete_v1_admin_tenants_id_provider_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "removed";
                    };
                };
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-6f2f24bc"];
            403: components["responses"]["E403-dfbafece"];
            404: components["responses"]["E404-b30c85da"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_usage_events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    events: {
                        /** @description Unique in the tenant. The same event sent again changes nothing. */
                        event_id: string;
                        /** Format: uuid */
                        tenant_id: string;
                        /**
                         * Format: uuid
                         * @description The member. Without it, the usage is the tenant's only.
                         */
                        user_id?: string | null;
                        /**
                         * Format: date-time
                         * @description With its zone. It decides on the day and the price.
                         */
                        at: string;
                        provider: string;
                        model: string;
                        prompt_tokens: number;
                        completion_tokens: number;
                    }[];
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        accepted: number;
                        /** @description Events that had been stored before. */
                        duplicates: number;
                        rejected: {
                            /** @description The place in the batch. */
                            index: number;
                            /** @description What is wrong, such as at_invalid or user_unknown. */
                            code: string;
                        }[];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-759c7a5c"];
            404: components["responses"]["E404-0e9779d1"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-cba57e62"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-48bda0f0"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-506f649b"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_usage_summary: {
        parameters: {
            query?: {
                month?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Without `month`, the one that it is in the tenant's time zone. */
                        month: string;
                        /** @enum {string} */
                        of: "tenant" | "member";
                        /** @description Whose days these are. */
                        time_zone: string;
                        totals: {
                            requests: number;
                            prompt_tokens: number;
                            completion_tokens: number;
                            total_tokens: number;
                            /** @description Micro-USD, without what has no price. */
                            cost_micro: number;
                            /** @description Requests without a price. */
                            unpriced: number;
                            /** @description Requests whose tokens are estimated. */
                            estimated: number;
                        };
                        days: {
                            /** Format: date */
                            day: string;
                            model: string;
                            requests: number;
                            prompt_tokens: number;
                            completion_tokens: number;
                            total_tokens: number;
                            cost_micro: number;
                            unpriced: number;
                            estimated: number;
                        }[];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            422: components["responses"]["E422-97b17306"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    post_v1_chat: {
        parameters: {
            query?: never;
            header?: {
                /** @description A request that is repeated with the same key within 24 hours writes nothing twice. */
                "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    message: string;
                    /**
                     * Format: uuid
                     * @description A conversation of the caller's. Without it, one begins.
                     */
                    conversation_id?: string;
                    /** @description Of a new conversation. Without it, the first line of the message. */
                    title?: string;
                    /** @description The tenant's `llm_model`; no other one. */
                    model?: string;
                    /** @description The most tokens of the answer, if the tenant's `max_tokens` is more. */
                    max_tokens?: number;
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        conversation_id: string;
                        /** Format: uuid */
                        question_id: string;
                        /**
                         * Format: uuid
                         * @description Null for an empty answer, which is not stored.
                         */
                        answer_id: string | null;
                        /** @description `whole`. A repeated request may show how the answer ended before, such as `hung_up`. */
                        end: string;
                        /** @description Whether the numbers of tokens are an estimate, because the provider has not said them. */
                        is_estimated: boolean;
                        /** @description The model that answered, as the provider names it. */
                        model: string;
                        content: string;
                        finish_reason: string | null;
                        usage: components["schemas"]["assistant.usage"];
                    };
                };
            };
            400: components["responses"]["E400-12286fb5"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-3dc998bb"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-4c50995b"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-75bdb503"];
            429: components["responses"]["E429-e675244d"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-f873bf68"];
            503: components["responses"]["E503-d676f635"];
            504: components["responses"]["E504-0540fb11"];
        };
    };
    post_v1_chat_completions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description The tenant's `llm_model`; no other one. */
                    model: string;
                    stream?: boolean;
                    max_tokens?: number;
                    max_completion_tokens?: number;
                    messages: {
                        role: string;
                    }[];
                };
            };
        };
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @constant */
                        object: "chat.completion";
                        created: number;
                        model: string;
                        choices: unknown[];
                        usage: components["schemas"]["assistant.usage"];
                    };
                };
            };
            400: components["responses"]["E400-fcf55354"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-4799791d"];
            408: components["responses"]["E408-f79ca88c"];
            409: components["responses"]["E409-0e9779d1"];
            413: components["responses"]["E413-81f377b3"];
            414: components["responses"]["E414-17ec5c6b"];
            415: components["responses"]["E415-a590dd14"];
            422: components["responses"]["E422-0c8f4245"];
            429: components["responses"]["E429-e675244d"];
            500: components["responses"]["E500-1bfc7db7"];
            501: components["responses"]["E501-453f1792"];
            502: components["responses"]["E502-f873bf68"];
            503: components["responses"]["E503-d676f635"];
            504: components["responses"]["E504-0540fb11"];
        };
    };
    get_v1_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        object: "list";
                        data: components["schemas"]["assistant.model"][];
                    };
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-76395eaf"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-0e9779d1"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
    get_v1_models_model_: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["assistant.model"];
                };
            };
            /** @description The ETag of the request fits. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["E400-282c289a"];
            401: components["responses"]["E401-da3212ef"];
            403: components["responses"]["E403-922ba686"];
            404: components["responses"]["E404-a61c97e5"];
            409: components["responses"]["E409-0e9779d1"];
            414: components["responses"]["E414-17ec5c6b"];
            429: components["responses"]["E429-a19964e8"];
            500: components["responses"]["E500-1bfc7db7"];
            502: components["responses"]["E502-8871dfff"];
            503: components["responses"]["E503-d80d29fb"];
            504: components["responses"]["E504-c3770771"];
        };
    };
}
