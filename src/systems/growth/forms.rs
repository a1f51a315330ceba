//! The hosted pages, which work without JavaScript: forms that post to `/v1/leads`, the page after it, and the button
//! that confirms an address. Their texts are in `texts.json`, in several languages.

use askama::Template;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::consent;
use super::texts::{self, FormTexts, Language};
use crate::browser;
use crate::config::Config;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::formats::form::{FILE, last, malformed};
use crate::message::{self, Response};
use crate::respond;
use crate::scope::form_timestamp;
use crate::url::Url;

/// Where a form redirects to if it names no allowed `_next`.
pub const THANKS: &str = "/forms/thanks";
/// The form to show if none is named.
const DEFAULT: &str = "website-form";
/// The field of the features that a visitor is interested in; it has several values.
const FEATURES: &str = "interested_features";
/// The version of the consent's wording. The language follows it: `form-2-de`.
const CONSENT_VERSION: &str = "form-2";

/// What the pages say about their owner.
#[derive(Clone, Copy)]
struct Owner<'a> {
    /// Their name, which the question for consent contains.
    name: Option<&'a str>,
    /// Their site, to which pages link back.
    url: Option<&'a str>,
    /// Their privacy policy.
    privacy_url: Option<&'a str>,
}

impl<'a> Owner<'a> {
    fn of(config: &'a Config) -> Self {
        Self {
            name: config.text("OWNER_NAME"),
            url: config.text("OWNER_URL"),
            privacy_url: config.text("PRIVACY_URL"),
        }
    }
}

/// A field that a person fills in: its name, the type of its input, and its autocomplete hint.
struct Field {
    name: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
}

const fn field(name: &'static str, kind: &'static str, autocomplete: &'static str) -> Field {
    Field {
        name,
        kind,
        autocomplete,
    }
}

/// All fields.
const FIELDS: [Field; 6] = [
    field("email", "email", "email"),
    field("first_name", "text", "given-name"),
    field("last_name", "text", "family-name"),
    field("company_name", "text", "organization"),
    field("phone_number", "tel", "tel"),
    field("notes", "textarea", "off"),
];

/// The fields of each form, by its source in `marketing.leads`.
const FORMS: [(&str, &[&str]); 5] = [
    (
        DEFAULT,
        &["email", "first_name", "last_name", "company_name", "notes"],
    ),
    (
        "demo-request",
        &[
            "email",
            "first_name",
            "last_name",
            "company_name",
            "phone_number",
            "notes",
        ],
    ),
    ("newsletter-signup", &["email", "first_name"]),
    (
        "pricing-inquiry",
        &[
            "email",
            "first_name",
            "last_name",
            "company_name",
            "phone_number",
            "notes",
        ],
    ),
    (
        "contact-form",
        &["email", "first_name", "last_name", "phone_number", "notes"],
    ),
];

/// An input with its value.
struct Input {
    id: String,
    name: String,
    label: String,
    kind: &'static str,
    autocomplete: &'static str,
    required: bool,
    value: String,
    /// What is wrong with it.
    fault: Option<String>,
}

/// What is wrong, in words for the visitor.
struct Fault {
    text: String,
    /// The field to change, if it is a single one.
    field: Option<String>,
    /// Whether it is about fields that no form has.
    of_others: bool,
}

/// Parameters of a form's link that the form posts as fields.
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

/// The most values with which a form is shown again: each takes an input, which is twenty times as long as an empty value.
const MAX_SHOWN_VALUES: usize = 200;

/// Fields for which every form has an input of its own.
const NOT_REPEATED: [&str; 6] = [
    "source",
    "consent",
    "consent_version",
    "_gotcha",
    form_timestamp::FIELD,
    "cf-turnstile-response",
];

#[derive(Template)]
#[template(path = "growth/form.html")]
struct FormPage<'a> {
    texts: &'static Language,
    owner: Owner<'a>,
    form: &'static FormTexts,
    source: &'a str,
    action: String,
    inputs: Vec<Input>,
    /// Check boxes for the features, shown if that field is at fault, and what is wrong with it.
    choices: Vec<String>,
    choice_fault: Option<String>,
    hidden: Vec<(String, String)>,
    consent: bool,
    consent_text: String,
    consent_version: String,
    fault: Option<Fault>,
    timestamp: String,
}

#[derive(Template)]
#[template(path = "growth/message.html")]
struct MessagePage<'a> {
    texts: &'static Language,
    owner: Owner<'a>,
    title: &'a str,
    text: String,
    /// Addresses and their labels.
    links: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "growth/confirm.html")]
struct ConfirmPage<'a> {
    texts: &'static Language,
    owner: Owner<'a>,
    action: String,
    token: String,
}

/// `GET /forms/{source}`. The form posts the campaign and the next page that its link names.
pub fn form(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let Some(source) = known_source(incoming.segments.get("source")) else {
        return not_found(incoming, config);
    };
    let parameters = form_urlencoded::parse(incoming.query.as_bytes());
    let mut typed = Map::new();
    for (name, value) in parameters.filter(|(name, _)| FROM_LINK.contains(&name.as_ref())) {
        typed.insert(name.into_owned(), value.into());
    }
    let timestamp = form_timestamp::sign(incoming.now_ms, config);
    let page_content = form_page(source, &typed, None, timestamp, incoming, config)?;
    page(StatusCode::OK, texts, &page_content, config)
}

/// `GET /forms`: the list of forms.
pub fn index(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let found = MessagePage {
        texts,
        owner: Owner::of(config),
        title: &texts.index_title,
        text: texts.index_text.clone(),
        links: links(texts, incoming),
    };
    page(StatusCode::OK, texts, &found, config)
}

/// A page for people with a wrong link, an error for scripts.
fn not_found(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    if !incoming.wants_page {
        return Err(Error::NotFound);
    }
    let texts = texts::language(incoming)?;
    let found = MessagePage {
        texts,
        owner: Owner::of(config),
        title: &texts.not_found_title,
        text: texts.index_text.clone(),
        links: links(texts, incoming),
    };
    page(StatusCode::NOT_FOUND, texts, &found, config)
}

/// `GET /forms/thanks`, with a link back to where the visitor came from.
pub fn thanks(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let referer = Url::new(incoming.header("referer")).ok();
    let mut links: Vec<(String, String)> =
        site(texts, referer.as_ref(), config).into_iter().collect();
    let path = referer.as_ref().map(Url::pathname).unwrap_or_default();
    let form = path.strip_prefix("/forms/").and_then(known_source);
    if form.is_some() || links.is_empty() {
        let address = address(&format!("/forms/{}", form.unwrap_or(DEFAULT)), incoming);
        links.push((address, texts.back_to_form.clone()));
    }
    let thanks = MessagePage {
        texts,
        owner: Owner::of(config),
        title: &texts.thanks_title,
        text: texts.thanks_text.clone(),
        links,
    };
    page(StatusCode::OK, texts, &thanks, config)
}

/// Where a form redirects to if it names no allowed `_next`, in the language of the request.
pub fn thanks_address(incoming: &Incoming) -> String {
    address(THANKS, incoming)
}

/// `GET /v1/leads/confirm`: the page with the button. It does not call the database, and reveals nothing about the
/// token.
pub fn confirm(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let asking = ConfirmPage {
        texts,
        owner: Owner::of(config),
        action: address("/v1/leads/confirm", incoming),
        token: incoming.parameter("token").unwrap_or_default(),
    };
    page(StatusCode::OK, texts, &asking, config)
}

/// The answer to `POST /v1/leads/confirm`, the button on that page: a page for a browser.
///
/// # Errors
/// The outcome's, to a script.
pub fn confirm_answer(
    incoming: &Incoming,
    outcome: Result<Value, Error>,
    config: &Config,
) -> Result<Response<()>, Error> {
    match outcome {
        Ok(_) if incoming.wants_page => confirmed(incoming, config),
        Ok(result) => Ok(message::json(StatusCode::OK, &result)),
        Err(error) if incoming.wants_page => not_confirmed(&error, incoming, config),
        Err(error) => Err(error),
    }
}

/// The page after `POST /v1/leads/confirm` with a valid link.
fn confirmed(incoming: &Incoming, config: &Config) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let confirmed = MessagePage {
        texts,
        owner: Owner::of(config),
        title: &texts.confirmed_title,
        text: texts.confirmed_text.clone(),
        links: site(texts, None, config).into_iter().collect(),
    };
    page(StatusCode::OK, texts, &confirmed, config)
}

/// The page after an invalid link, or if the database cannot be reached.
fn not_confirmed(
    error: &Error,
    incoming: &Incoming,
    config: &Config,
) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let refused = MessagePage {
        texts,
        owner: Owner::of(config),
        title: &texts.not_confirmed_title,
        text: fault(error, texts).text,
        links: site(texts, None, config).into_iter().collect(),
    };
    let mut response = page(error.status(), texts, &refused, config)?;
    respond::set_error_headers(error, &mut response.headers);
    Ok(response)
}

/// `GET /forms/style.css`
#[expect(clippy::unnecessary_wraps, reason = "the shape of every page")]
pub fn style(_: &Incoming, _: &Config) -> Result<Response<()>, Error> {
    let mut response = message::bytes(
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

/// Shows the form again with the visitor's values and what is wrong with them, under the status of the error.
pub fn show_again(
    error: &Error,
    typed: &Map<String, Value>,
    incoming: &Incoming,
    config: &Config,
) -> Result<Response<()>, Error> {
    let texts = texts::language(incoming)?;
    let mut response = if is_unread(error, incoming) || values(typed) > MAX_SHOWN_VALUES {
        let broken = MessagePage {
            texts,
            owner: Owner::of(config),
            title: &texts.error,
            text: format!("{} {}", fault(error, texts).text, texts.go_back),
            links: Vec::new(),
        };
        page(error.status(), texts, &broken, config)?
    } else {
        let source = typed.get("source").and_then(last).and_then(known_source);
        // The form's own timestamp comes back, so that correcting a mistake within a second does not look like a bot.
        let own = typed.get(form_timestamp::FIELD).and_then(last);
        let own = own.map_or_else(
            || form_timestamp::sign(incoming.now_ms, config),
            str::to_owned,
        );
        let fault = Some(fault(error, texts));
        let source = source.unwrap_or(DEFAULT);
        let page_content = form_page(source, typed, fault, own, incoming, config)?;
        page(error.status(), texts, &page_content, config)?
    };
    respond::set_error_headers(error, &mut response.headers);
    Ok(response)
}

/// Whether the body could not be read, so that the visitor's values are unknown.
fn is_unread(error: &Error, incoming: &Incoming) -> bool {
    incoming.body.is_empty()
        && matches!(
            error,
            Error::BodyTooLarge { .. }
                | Error::MalformedBody(_)
                | Error::SlowBody
                | Error::UnsupportedEncoding { .. }
                | Error::UploadBufferFull
        )
}

/// How many values were sent.
fn values(typed: &Map<String, Value>) -> usize {
    let of_field = |value: &Value| value.as_array().map_or(1, Vec::len);
    typed.values().map(of_field).sum()
}

/// The source, if there is a form of this name.
fn known_source(name: &str) -> Option<&'static str> {
    let mut sources = FORMS.iter().map(|(source, _)| *source);
    sources.find(|source| *source == name)
}

/// An address of the edge, in the language that this request names.
fn address(path: &str, incoming: &Incoming) -> String {
    match texts::explicit(incoming) {
        Some(language) => format!("{path}?lang={}", language.code),
        None => path.to_owned(),
    }
}

/// All forms, as links.
fn links(texts: &'static Language, incoming: &Incoming) -> Vec<(String, String)> {
    let link = |(source, _): &(&str, _)| {
        let form = texts.forms.get(*source)?;
        let address = address(&format!("/forms/{source}"), incoming);
        Some((address, form.title.clone()))
    };
    FORMS.iter().filter_map(link).collect()
}

/// The link to the site: the owner's, or the one that the visitor came from if it is allowed.
fn site(texts: &Language, referer: Option<&Url>, config: &Config) -> Option<(String, String)> {
    let allowed = referer.filter(|url| browser::leads_to_allowed(url, config));
    let owner = Owner::of(config);
    let url = match owner.url {
        Some(url) => url.to_owned(),
        None => format!("{}/", allowed?.origin()),
    };
    let host = Url::new(&url).ok()?.hostname();
    let name = owner.name.map_or(host, str::to_owned);
    Some((url, texts.back_to_site.replace("{site}", &name)))
}

/// What is wrong, in words for the visitor: labels instead of field names and codes.
fn fault(error: &Error, texts: &Language) -> Fault {
    let errors = &texts.errors;
    let body = error.body();
    let of_all = |text: &str| Fault {
        text: text.to_owned(),
        field: None,
        of_others: false,
    };
    match body.code.as_ref() {
        "RG508" => Fault {
            field: Some("email".to_owned()),
            ..of_all(&errors.email)
        },
        "RG504" | "RG505" => {
            let name = body.message.split(' ').next().unwrap_or_default();
            let details = body.details.as_ref().and_then(Value::as_str);
            let details = details.unwrap_or_default();
            let limit: String = details.chars().filter(char::is_ascii_digit).collect();
            let text = if body.message.ends_with("too long") {
                errors.too_long.replace("{limit}", &limit)
            } else {
                errors.too_many.clone()
            };
            Fault {
                field: Some(name.to_owned()),
                ..of_all(&text.replace("{field}", texts.label(name)))
            }
        }
        "RG506" => Fault {
            of_others: true,
            ..of_all(&errors.too_many_fields)
        },
        "RG302" | "RG510" => of_all(&errors.too_large),
        "RG301" if *error == malformed(FILE) => of_all(&errors.file),
        "RG301" | "RG303" | "RG310" | "RG330" => of_all(&errors.unreadable),
        "RG512" => of_all(&errors.link),
        _ if error.status() == StatusCode::TOO_MANY_REQUESTS => {
            let seconds = error.retry_after().unwrap_or(10).to_string();
            of_all(&errors.too_often.replace("{seconds}", &seconds))
        }
        _ if error.status().is_server_error() => of_all(&errors.unavailable),
        _ => of_all(&errors.other),
    }
}

fn form_page<'a>(
    source: &'static str,
    typed: &Map<String, Value>,
    fault: Option<Fault>,
    timestamp: String,
    incoming: &Incoming,
    config: &'a Config,
) -> Result<FormPage<'a>, Error> {
    let texts = texts::language(incoming)?;
    let form = texts.forms.get(source);
    let form = form.ok_or(Error::Internal("a form has no texts"))?;
    let own = FORMS.iter().find(|(name, _)| *name == source);
    let own = own.map(|(_, fields)| *fields).unwrap_or_default();
    let faulty = fault.as_ref().and_then(|fault| fault.field.as_deref());
    let fault_of = |name: &str| {
        let fault = fault.as_ref().filter(|_| faulty == Some(name));
        fault.map(|fault| fault.text.clone())
    };
    // A field at fault has an input even if the form does not: nobody can correct a value that is not shown.
    let is_shown = |name: &str| own.contains(&name) || faulty == Some(name);
    let mut inputs: Vec<Input> = FIELDS
        .iter()
        .filter(|field| is_shown(field.name))
        .map(|field| Input {
            id: field.name.to_owned(),
            name: field.name.to_owned(),
            label: texts.label(field.name).to_owned(),
            kind: field.kind,
            autocomplete: field.autocomplete,
            required: field.name == "email",
            value: typed
                .get(field.name)
                .and_then(last)
                .map(visible)
                .unwrap_or_default(),
            fault: fault_of(field.name),
        })
        .collect();
    let is_input = |name: &str| {
        FIELDS
            .iter()
            .any(|field| field.name == name && is_shown(name))
    };
    let others = typed
        .iter()
        .filter(|(name, _)| !NOT_REPEATED.contains(&name.as_str()) && !is_input(name))
        .flat_map(|(name, value)| {
            texts_of(value)
                .into_iter()
                .map(|text| (visible(name), visible(text)))
        });
    let (mut hidden, mut choices) = (Vec::new(), Vec::new());
    for (name, value) in others {
        let is_others = !FROM_LINK.contains(&name.as_str()) && name != FEATURES;
        if name == FEATURES && faulty == Some(FEATURES) {
            choices.push(value);
        } else if is_others && fault.as_ref().is_some_and(|fault| fault.of_others) {
            inputs.push(Input {
                id: format!("other-{}", inputs.len()),
                label: name.clone(),
                name,
                kind: "textarea",
                autocomplete: "off",
                required: false,
                value,
                fault: None,
            });
        } else {
            // Values without an input are posted again as well, so that nothing is lost.
            hidden.push((name, value));
        }
    }
    Ok(FormPage {
        texts,
        owner: Owner::of(config),
        form,
        source,
        action: address("/v1/leads", incoming),
        inputs,
        choice_fault: fault_of(FEATURES),
        choices,
        hidden,
        consent: typed.get("consent").is_some_and(consents),
        consent_text: match Owner::of(config).name {
            Some(owner) => texts.consent_owner.replace("{owner}", owner),
            None => texts.consent.clone(),
        },
        consent_version: format!("{CONSENT_VERSION}-{}", texts.code),
        fault,
        timestamp,
    })
}

/// A text without NULs, which no page can show and the endpoint refuses.
fn visible(text: &str) -> String {
    text.replace('\0', "")
}

/// Whether the consent that was sent means yes. The last of several values counts.
fn consents(sent: &Value) -> bool {
    let sent = match sent {
        Value::Array(values) => values.last(),
        value => Some(value),
    };
    sent.and_then(Value::as_str).is_some_and(consent::is_yes)
}

/// The values of a field that was sent once or several times.
fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

fn page(
    status: StatusCode,
    texts: &'static Language,
    template: &impl Template,
    config: &Config,
) -> Result<Response<()>, Error> {
    let html = template
        .render()
        .map_err(|_| Error::Internal("a page cannot be rendered"))?;
    let mut response = message::bytes(status, "text/html; charset=utf-8", html);
    // Browsers also apply form-action to the redirect after a post.
    let targets = config.allowed_origins.join(" ");
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {targets}; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|_| Error::Internal("the policy is not a valid header value"))?;
    response.headers.insert(CONTENT_SECURITY_POLICY, policy);
    response.headers.insert(
        REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    );
    response
        .headers
        .insert(VARY, HeaderValue::from_static("Accept-Language"));
    if let Ok(language) = HeaderValue::from_str(&texts.code) {
        response.headers.insert(CONTENT_LANGUAGE, language);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::message::Body;
    use serde_json::json;

    fn html(response: Response<()>) -> String {
        match response.body {
            Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn typed_values_come_back_escaped() {
        let config = config::tests::with("", "").ok().unwrap();
        let typed = json!({"source": "demo-request", "first_name": "\"><script>alert(1)</script>", "_next": "'\"<b>", "consent": "no", "x<b>": ["1", "2"]});
        let error = Error::MalformedBody("<i>".into());
        let incoming = Incoming {
            body: b"x".into(),
            ..Incoming::default()
        };
        let response = show_again(&error, typed.as_object().unwrap(), &incoming, &config).unwrap();
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        let html = html(response);
        assert!(html.contains("Request a demo") && html.contains("role=\"alert\""));
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#34;&#62;&#60;script"), "{html}");
        assert!(html.contains("name=\"x&#60;b&#62;\" value=\"2\""), "{html}");
        assert!(!html.contains("checked"), "'no' does not mean yes");
    }

    #[test]
    fn a_form_with_very_many_values_is_not_shown_again() {
        let config = config::tests::with("", "").ok().unwrap();
        let incoming = Incoming {
            body: b"x".into(),
            ..Incoming::default()
        };
        let error = Error::MalformedBody("x".into());
        for (repeated, comes_back) in [(MAX_SHOWN_VALUES - 1, true), (131_000, false)] {
            let typed = json!({"email": "a@b.test", "a": vec![""; repeated]});
            let typed = typed.as_object().unwrap();
            let shown = html(show_again(&error, typed, &incoming, &config).unwrap());
            assert_eq!(shown.contains("a@b.test"), comes_back, "{repeated}");
            assert!(shown.len() < 32 * 1024, "{} bytes", shown.len());
        }
    }

    #[test]
    fn an_unknown_form_is_not_found() {
        let config = config::tests::with("", "").ok().unwrap();
        let incoming = Incoming {
            segments: [("source", "other")].into_iter().collect(),
            ..Incoming::default()
        };
        assert!(matches!(form(&incoming, &config), Err(Error::NotFound)));
        let incoming = Incoming {
            wants_page: true,
            ..incoming
        };
        let response = form(&incoming, &config).unwrap();
        assert_eq!(response.status, StatusCode::NOT_FOUND);
        assert!(html(response).contains("href=\"/forms/contact-form\""));
    }

    #[test]
    fn every_form_and_field_has_its_texts() {
        let texts = texts::language(&Incoming::default()).unwrap();
        assert_eq!(texts.forms.len(), FORMS.len());
        for (source, fields) in FORMS {
            assert!(texts.forms.contains_key(source), "{source}");
            assert!(fields.contains(&"email"), "{source}");
            assert!(
                fields
                    .iter()
                    .all(|name| FIELDS.iter().any(|f| f.name == *name)),
                "{source}"
            );
        }
        assert!(FIELDS.iter().all(|f| texts.fields.contains_key(f.name)));
    }
}
