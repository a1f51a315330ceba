# The bundle on one machine: `npm run build`, then `npx workerd serve deploy/workerd.capnp`, with the variables of
# docs/configuration.md in the environment. It listens on loopback: TLS, and the header CF-Connecting-IP, are the front's.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    # Addresses come from the configuration only, and redirects are not followed.
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
    # Its connections are its own: PostgREST 12 closes one after each answer to HEAD, and a write on it would be lost.
    (name = "heads", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [
    (name = "entry.js", esModule = embed "../build/entry.js"),
    (name = "index.js", esModule = embed "../build/index.js"),
    (name = "index_bg.wasm", wasm = embed "../build/index_bg.wasm"),
    (name = "systems.js", esModule = embed "../build/systems.js"),
    (name = "documents.bin", data = embed "../build/documents.bin"),
  ],
  # The same as in wrangler.toml.
  compatibilityDate = "2026-11-17",
  globalOutbound = "network",
  bindings = [
    (name = "HEAD_REQUESTS", service = "heads"),
    (name = "POSTGREST_URL", fromEnvironment = "POSTGREST_URL"),
    (name = "POSTGREST_READ_URL", fromEnvironment = "POSTGREST_READ_URL"),
    (name = "SUPABASE_URL", fromEnvironment = "SUPABASE_URL"),
    (name = "SUPABASE_PUBLISHABLE_KEY", fromEnvironment = "SUPABASE_PUBLISHABLE_KEY"),
    (name = "AUTH_URL", fromEnvironment = "AUTH_URL"),
    (name = "REALTIME_URL", fromEnvironment = "REALTIME_URL"),
    (name = "STORAGE_URL", fromEnvironment = "STORAGE_URL"),
    (name = "FUNCTIONS_URL", fromEnvironment = "FUNCTIONS_URL"),
    (name = "EDGE_SIGNING_KEY", fromEnvironment = "EDGE_SIGNING_KEY"),
    (name = "ISSUERS", fromEnvironment = "ISSUERS"),
    (name = "PUBLISHABLE_KEYS", fromEnvironment = "PUBLISHABLE_KEYS"),
    (name = "ALLOWED_ORIGINS", fromEnvironment = "ALLOWED_ORIGINS"),
    (name = "CACHED_READS", fromEnvironment = "CACHED_READS"),
    (name = "SCHEMAS", fromEnvironment = "SCHEMAS"),
    (name = "LIMITS", fromEnvironment = "LIMITS"),
    (name = "JWT_AUDIENCE", fromEnvironment = "JWT_AUDIENCE"),
    (name = "OWNER_NAME", fromEnvironment = "OWNER_NAME"),
    (name = "OWNER_URL", fromEnvironment = "OWNER_URL"),
    (name = "PRIVACY_URL", fromEnvironment = "PRIVACY_URL"),
    (name = "TURNSTILE_SECRET", fromEnvironment = "TURNSTILE_SECRET"),
    (name = "TURNSTILE_URL", fromEnvironment = "TURNSTILE_URL"),
    (name = "N8N_URL", fromEnvironment = "N8N_URL"),
    (name = "N8N_API_KEY", fromEnvironment = "N8N_API_KEY"),
    (name = "N8N_CREDENTIALS", fromEnvironment = "N8N_CREDENTIALS"),
    (name = "N8N_WEBHOOK_URL", fromEnvironment = "N8N_WEBHOOK_URL"),
    (name = "KEK_1", fromEnvironment = "KEK_1"),
    (name = "KEK_2", fromEnvironment = "KEK_2"),
    (name = "FINGERPRINT_KEY", fromEnvironment = "FINGERPRINT_KEY"),
    (name = "OPENAI_URL", fromEnvironment = "OPENAI_URL"),
    (name = "ANTHROPIC_URL", fromEnvironment = "ANTHROPIC_URL"),
    (name = "GOOGLE_AI_URL", fromEnvironment = "GOOGLE_AI_URL"),
    (name = "GROQ_URL", fromEnvironment = "GROQ_URL"),
    (name = "MISTRAL_URL", fromEnvironment = "MISTRAL_URL"),
    (name = "LLM_PROVIDER_URLS", fromEnvironment = "LLM_PROVIDER_URLS"),
    (name = "WHATSAPP_APP_SECRET", fromEnvironment = "WHATSAPP_APP_SECRET"),
    (name = "WHATSAPP_VERIFY_TOKEN", fromEnvironment = "WHATSAPP_VERIFY_TOKEN"),
    (name = "STRIPE_WEBHOOK_SECRET", fromEnvironment = "STRIPE_WEBHOOK_SECRET"),
    (name = "STRIPE_API_KEY", fromEnvironment = "STRIPE_API_KEY"),
    (name = "STRIPE_URL", fromEnvironment = "STRIPE_URL"),
    (name = "BILLING_RETURN_URL", fromEnvironment = "BILLING_RETURN_URL"),
  ],
);
