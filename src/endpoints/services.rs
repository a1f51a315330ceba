//! The paths of the services behind the edge, which `services.txt` lists.

use http::Method;

use crate::endpoint::{Access, Action, ErrorShape, Route};
use crate::services::Service;

/// Who may ask, methods, and path.
const PATHS: &str = include_str!("services.txt");

/// The routes.
#[must_use]
pub fn routes() -> Vec<Route> {
    let lines = PATHS.lines().filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| routes_of(line).unwrap_or_default())
        .collect()
}

/// The routes of a line, one for each method; none for a line that is wrong.
fn routes_of(line: &'static str) -> Option<Vec<Route>> {
    let mut words = line.split(' ');
    let access = match words.next()? {
        "public" => Access::Public,
        "open" => Access::Open,
        "key" => Access::Keyed,
        "service" => Access::Service,
        _ => return None,
    };
    let methods = words.next()?.split(',');
    let path = words.next()?;
    let service = Service::of_path(path)?;
    let attempts = match words.next() {
        None => false,
        Some("attempts") => true,
        Some(_) => return None,
    };
    let error_shape = match service {
        Service::Auth => ErrorShape::Auth,
        _ => ErrorShape::Own,
    };
    let route = |method: &str| {
        let action = Action::Service { service, attempts };
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        Some(Route {
            access,
            error_shape,
            ..Route::new(method, path, action)
        })
    };
    methods.map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_routes() {
        for line in PATHS.lines().filter(|line| !line.starts_with('#')) {
            let routes = routes_of(line).expect(line);
            assert_eq!(routes.len(), line.matches(',').count() + 1, "{line}");
        }
        for wrong in [
            "",
            "all GET /auth/v1/x",
            "key GET /rest/v1/x",
            "key GET",
            "key GET /auth/v1/x often",
        ] {
            assert!(routes_of(wrong).is_none(), "{wrong}");
        }
    }
}
