//! The hosted forms: pages without JavaScript that post to `/v1/leads`, and the thanks after it.

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::stamp;
use crate::config::Config;
use crate::edge::Response;
use crate::error::Error;
use crate::respond;
use crate::route::Incoming;

/// Where a form leads that names no allowed `_next`.
pub const THANKS: &str = "/forms/thanks";

/// One input.
struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    required: bool,
}

const fn field(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
) -> Field {
    Field {
        name,
        label,
        kind,
        autocomplete,
        required: false,
    }
}

const EMAIL: Field = Field {
    name: "email",
    label: "E-mail address",
    kind: "email",
    autocomplete: "email",
    required: true,
};
const FIRST_NAME: Field = field("first_name", "First name", "text", "given-name");
const LAST_NAME: Field = field("last_name", "Last name", "text", "family-name");
const COMPANY: Field = field("company_name", "Company", "text", "organization");
const PHONE: Field = field("phone_number", "Phone number", "tel", "tel");
const MESSAGE: Field = field("notes", "Message", "textarea", "off");

/// A form's words and inputs.
struct Form {
    source: &'static str,
    title: &'static str,
    button: &'static str,
    fields: &'static [Field],
}

/// One form for each source that `marketing.leads` knows.
const FORMS: [Form; 5] = [
    Form {
        source: "website-form",
        title: "Get in touch",
        button: "Send",
        fields: &[EMAIL, FIRST_NAME, LAST_NAME, COMPANY, MESSAGE],
    },
    Form {
        source: "demo-request",
        title: "Request a demo",
        button: "Request a demo",
        fields: &[EMAIL, FIRST_NAME, LAST_NAME, COMPANY, PHONE, MESSAGE],
    },
    Form {
        source: "newsletter-signup",
        title: "Newsletter",
        button: "Sign up",
        fields: &[EMAIL, FIRST_NAME],
    },
    Form {
        source: "pricing-inquiry",
        title: "Ask for a price",
        button: "Ask",
        fields: &[EMAIL, FIRST_NAME, LAST_NAME, COMPANY, PHONE, MESSAGE],
    },
    Form {
        source: "contact-form",
        title: "Contact us",
        button: "Send",
        fields: &[EMAIL, FIRST_NAME, LAST_NAME, PHONE, MESSAGE],
    },
];

/// An input with what was typed into it.
struct Input {
    field: &'static Field,
    value: String,
}

/// What a form's link may say for the form to post.
const FROM_LINK: [&str; 9] = [
    "_next",
    "_subject",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "referrer",
    "landing_page",
];

/// Fields that the page has inputs of its own for, whatever the form.
const NOT_KEPT: [&str; 6] = [
    "source",
    "consent",
    "consent_version",
    "_gotcha",
    stamp::FIELD,
    "cf-turnstile-response",
];

#[derive(Template)]
#[template(path = "growth/form.html")]
struct FormPage {
    form: &'static Form,
    inputs: Vec<Input>,
    kept: Vec<(String, String)>,
    consent: bool,
    alert: Option<String>,
    stamp: String,
}

#[derive(Template)]
#[template(path = "growth/told.html")]
struct ToldPage {
    title: &'static str,
    text: String,
}

/// `GET /forms/{source}`: what its link says of the campaign, and where to go next, is posted with the form.
pub fn form(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let form = FORMS
        .iter()
        .find(|form| form.source == incoming.variable)
        .ok_or(Error::NotFound)?;
    let said = form_urlencoded::parse(incoming.query.as_bytes());
    let mut typed = Map::new();
    for (name, value) in said.filter(|(name, _)| FROM_LINK.contains(&name.as_ref())) {
        typed.insert(name.into_owned(), value.into());
    }
    let stamp = stamp::make(incoming.now_ms, config);
    page(StatusCode::OK, &filled(form, &typed, None, stamp), config)
}

/// `GET /forms/thanks`
pub fn thanks(_: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let told = ToldPage {
        title: "Thank you",
        text: "We have received your message and will be in touch.".into(),
    };
    page(StatusCode::OK, &told, config)
}

/// After `GET /v1/leads/confirm` with a good link.
pub fn confirmed(config: &Config) -> Result<Response<()>, Error> {
    let told = ToldPage {
        title: "Address confirmed",
        text: "Thank you. We may write to you now; every message says how to stop it.".into(),
    };
    page(StatusCode::OK, &told, config)
}

/// After one that is not good, or where the database cannot be asked.
pub fn not_confirmed(error: &Error, config: &Config) -> Result<Response<()>, Error> {
    let told = ToldPage {
        title: "Address not confirmed",
        text: words(error),
    };
    let mut response = page(error.status(), &told, config)?;
    respond::explain(error, &mut response.headers);
    Ok(response)
}

/// An error as a page's sentence.
fn words(error: &Error) -> String {
    let shape = error.shape();
    let hint = shape.hint.unwrap_or_default();
    format!("{}. {hint}", shape.message.trim_end_matches('.'))
}

/// `GET /forms/style.css`
#[expect(clippy::unnecessary_wraps, reason = "the shape of every page")]
pub fn style(_: &Incoming, _: &Config) -> Result<Response<()>, Error> {
    let mut response = respond::bytes(
        StatusCode::OK,
        "text/css; charset=utf-8",
        include_str!("style.css"),
    );
    response.headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    Ok(response)
}

/// The form once more, with what was typed and what is wrong with it, under the error's own status.
pub fn again(
    error: &Error,
    typed: &Map<String, Value>,
    now_ms: u64,
    config: &Config,
) -> Result<Response<()>, Error> {
    let source = typed.get("source").and_then(Value::as_str);
    let [default, ..] = &FORMS;
    let form = FORMS
        .iter()
        .find(|form| Some(form.source) == source)
        .unwrap_or(default);
    // The form's own stamp comes back, so that mending a mistake in a second is no sign of a bot.
    let own = typed.get(stamp::FIELD).and_then(Value::as_str);
    let own = own.map_or_else(|| stamp::make(now_ms, config), str::to_owned);
    let filled = filled(form, typed, Some(words(error)), own);
    let mut response = page(error.status(), &filled, config)?;
    respond::explain(error, &mut response.headers);
    Ok(response)
}

fn filled(
    form: &'static Form,
    typed: &Map<String, Value>,
    alert: Option<String>,
    stamp: String,
) -> FormPage {
    let text = |name: &str| typed.get(name).and_then(Value::as_str).unwrap_or_default();
    let inputs: Vec<Input> = form
        .fields
        .iter()
        .map(|field| Input {
            field,
            value: text(field.name).to_owned(),
        })
        .collect();
    // What the form has no input for is sent again all the same: nothing that was typed is lost.
    let shown =
        |name: &str| NOT_KEPT.contains(&name) || form.fields.iter().any(|field| field.name == name);
    let others = typed.iter().filter(|(name, _)| !shown(name));
    let kept = others
        .flat_map(|(name, value)| {
            texts(value)
                .into_iter()
                .map(|text| (name.clone(), text.to_owned()))
        })
        .collect();
    // The database's rule for a yes.
    let consent =
        ["on", "yes", "true", "1"].contains(&text("consent").to_ascii_lowercase().as_str());
    FormPage {
        form,
        inputs,
        kept,
        consent,
        alert,
        stamp,
    }
}

/// The texts of a field that was sent once or several times.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

fn page(
    status: StatusCode,
    template: &impl Template,
    config: &Config,
) -> Result<Response<()>, Error> {
    let html = template
        .render()
        .map_err(|_| Error::Internal("a page cannot be rendered"))?;
    let mut response = respond::bytes(status, "text/html; charset=utf-8", html);
    // Browsers hold form-action against the redirect that follows a post, too.
    let targets = config.allowed_origins.join(" ");
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {targets}; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|_| Error::Internal("the policy is no header value"))?;
    response.headers.insert(CONTENT_SECURITY_POLICY, policy);
    response.headers.insert(
        REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    );
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::edge::Body;
    use serde_json::json;

    fn html(response: Response<()>) -> String {
        match response.body {
            Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn what_was_typed_comes_back_escaped() {
        let config = config::tests::with("", "").ok().unwrap();
        let typed = json!({"source": "demo-request", "first_name": "\"><script>alert(1)</script>", "_next": "'\"<b>", "consent": "no", "x<b>": ["1", "2"]});
        let error = Error::MalformedBody("<i>".into());
        let response = again(&error, typed.as_object().unwrap(), 0, &config).unwrap();
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        let html = html(response);
        assert!(html.contains("Request a demo") && html.contains("role=\"alert\""));
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#34;&#62;&#60;script"), "{html}");
        assert!(html.contains("name=\"x&#60;b&#62;\" value=\"2\""), "{html}");
        assert!(!html.contains("checked"), "a no is no yes");
    }

    #[test]
    fn an_unknown_form_is_not_found() {
        let config = config::tests::with("", "").ok().unwrap();
        let incoming = Incoming {
            variable: "other".into(),
            ..Incoming::default()
        };
        assert!(matches!(form(&incoming, &config), Err(Error::NotFound)));
    }
}
