//! The paths of the services behind the edge: those of Supabase that `supabase-js` and browsers ask for. What is not listed here
//! is not handed on.

use http::Method;

use crate::endpoint::{Access, Action, ErrorShape, Route};
use crate::services::Service;

/// Methods and paths by who may ask. Public ones are links that browsers follow, files that everybody may read, and what carries
/// its own token in the address: the edge hands on no credential with them.
const PATHS: &[(Access, &str, &str)] = &[
    (Access::Public, "GET", "/auth/v1/authorize"),
    (Access::Public, "GET POST", "/auth/v1/callback"),
    (Access::Public, "GET", "/auth/v1/.well-known/jwks.json"),
    (
        Access::Public,
        "GET",
        "/auth/v1/.well-known/openid-configuration",
    ),
    (Access::Public, "GET", "/auth/v1/sso/saml/metadata"),
    (Access::Public, "POST", "/auth/v1/sso/saml/acs"),
    (Access::Keyed, "GET", "/auth/v1/health"),
    (Access::Keyed, "GET", "/auth/v1/settings"),
    (Access::Keyed, "POST", "/auth/v1/sso"),
    (Access::Keyed, "POST", "/auth/v1/logout"),
    (Access::Keyed, "GET PUT", "/auth/v1/user"),
    (Access::Keyed, "GET", "/auth/v1/user/identities/authorize"),
    (
        Access::Keyed,
        "DELETE",
        "/auth/v1/user/identities/{identity}",
    ),
    (Access::Keyed, "GET DELETE", "/auth/v1/user/oauth/grants"),
    (Access::Keyed, "GET", "/auth/v1/reauthenticate"),
    (Access::Keyed, "POST", "/auth/v1/factors"),
    (
        Access::Keyed,
        "GET POST DELETE",
        "/auth/v1/factors/recovery-codes",
    ),
    (
        Access::Keyed,
        "POST",
        "/auth/v1/factors/recovery-codes/regenerate",
    ),
    (Access::Keyed, "DELETE", "/auth/v1/factors/{factor}"),
    (Access::Keyed, "POST", "/auth/v1/factors/{factor}/challenge"),
    (Access::Keyed, "GET", "/auth/v1/passkeys"),
    (
        Access::Keyed,
        "GET POST PATCH DELETE",
        "/auth/v1/passkeys/{*rest}",
    ),
    (
        Access::Keyed,
        "GET POST",
        "/auth/v1/oauth/authorizations/{*rest}",
    ),
    (Access::Service, "POST", "/auth/v1/invite"),
    (
        Access::Service,
        "GET POST PUT PATCH DELETE",
        "/auth/v1/admin/{*rest}",
    ),
    (Access::Keyed, "GET", "/realtime/v1/websocket"),
    (Access::Keyed, "POST", "/realtime/v1/api/broadcast"),
    (Access::Keyed, "POST", "/realtime/v1/api/broadcast/{*rest}"),
    (Access::Public, "GET", "/storage/v1/object/public/{*rest}"),
    (Access::Public, "GET", "/storage/v1/object/sign/{*rest}"),
    (
        Access::Public,
        "GET",
        "/storage/v1/render/image/public/{*rest}",
    ),
    (
        Access::Public,
        "GET",
        "/storage/v1/render/image/sign/{*rest}",
    ),
    (
        Access::Public,
        "PUT",
        "/storage/v1/object/upload/sign/{*rest}",
    ),
    (Access::Keyed, "GET POST", "/storage/v1/bucket"),
    (
        Access::Keyed,
        "GET POST PUT DELETE",
        "/storage/v1/bucket/{*rest}",
    ),
    (
        Access::Keyed,
        "GET POST PUT DELETE",
        "/storage/v1/object/{*rest}",
    ),
    (
        Access::Keyed,
        "GET",
        "/storage/v1/render/image/authenticated/{*rest}",
    ),
    (Access::Keyed, "POST", "/storage/v1/upload/resumable"),
    (
        Access::Keyed,
        "GET POST PATCH DELETE",
        "/storage/v1/upload/resumable/{*rest}",
    ),
    (Access::Keyed, "DELETE", "/storage/v1/cdn/{*rest}"),
    (
        Access::Keyed,
        "GET POST PUT DELETE",
        "/storage/v1/iceberg/{*rest}",
    ),
    (Access::Keyed, "POST", "/storage/v1/vector/{*rest}"),
    (
        Access::Open,
        "GET POST PUT PATCH DELETE",
        "/functions/v1/{*rest}",
    ),
];

/// Paths where somebody may guess a password or a code: attempts are counted.
const ATTEMPTS: &[(Access, &str, &str)] = &[
    (Access::Public, "GET", "/auth/v1/verify"),
    (Access::Keyed, "POST", "/auth/v1/verify"),
    (Access::Keyed, "POST", "/auth/v1/token"),
    (Access::Keyed, "POST", "/auth/v1/signup"),
    (Access::Keyed, "POST", "/auth/v1/otp"),
    (Access::Keyed, "POST", "/auth/v1/magiclink"),
    (Access::Keyed, "POST", "/auth/v1/recover"),
    (Access::Keyed, "POST", "/auth/v1/resend"),
    (Access::Keyed, "POST", "/auth/v1/factors/{factor}/verify"),
    (
        Access::Keyed,
        "POST",
        "/auth/v1/factors/recovery-codes/verify",
    ),
];

/// The routes.
#[must_use]
pub fn routes() -> Vec<Route> {
    let listed = |paths: &'static [(Access, &str, &'static str)], attempts| {
        paths.iter().flat_map(move |(access, methods, path)| {
            let methods = methods.split(' ').map(str::as_bytes);
            methods.filter_map(move |method| route(*access, method, path, attempts))
        })
    };
    listed(PATHS, false).chain(listed(ATTEMPTS, true)).collect()
}

fn route(access: Access, method: &[u8], path: &'static str, attempts: bool) -> Option<Route> {
    let method = Method::from_bytes(method).ok()?;
    let service = Service::of_path(path)?;
    let action = Action::Service { service, attempts };
    let error_shape = match service {
        Service::Auth => ErrorShape::Auth,
        _ => ErrorShape::Own,
    };
    Some(Route {
        access,
        error_shape,
        ..Route::new(method, path, action)
    })
}
