//! Route: finds the endpoint of a method and a path.

use http::Method;

use crate::endpoint::Route;
use crate::error::Error;

/// A route, and the variable segment of the request's path.
pub struct Matched<'a> {
    /// The route.
    pub route: &'a Route,
    /// The variable segment, decoded once.
    pub variable: String,
}

/// Finds the route of a request.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::MethodNotAllowed`] if the path has other methods.
pub fn find<'a>(routes: &'a [Route], method: &Method, path: &str) -> Result<Matched<'a>, Error> {
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let fitting = |route: &'a Route| {
        route
            .matches(path)
            .map(|variable| Matched { route, variable })
    };
    let mut found: Vec<Matched<'_>> = routes.iter().filter_map(fitting).collect();
    if let Some(at) = found
        .iter()
        .position(|matched| matched.route.method == *wanted)
    {
        return Ok(found.swap_remove(at));
    }
    if found.is_empty() {
        return Err(Error::NotFound);
    }
    Err(Error::MethodNotAllowed {
        allow: allowed(found.iter().map(|matched| &matched.route.method)),
    })
}

/// The methods of a path, as an `Allow` header lists them.
fn allowed<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Action;

    #[test]
    fn a_path_finds_its_route_and_variable_segment() {
        let routes = [
            Route::new(Method::GET, "/forms/thanks", Action::Ready),
            Route::new(Method::GET, "/forms/{source}", Action::Ready),
            Route::new(Method::POST, "/things/{name}", Action::Relation),
            Route::new(Method::DELETE, "/things/{name}", Action::Relation),
            Route::new(Method::PUT, "/things/{name}/token", Action::Relation),
        ];
        let cases = [
            (Method::GET, "/forms/thanks", Ok(("/forms/thanks", ""))),
            (Method::HEAD, "/forms/a%20b", Ok(("/forms/{source}", "a b"))),
            (Method::POST, "/things/x", Ok(("/things/{name}", "x"))),
            (
                Method::GET,
                "/things/x",
                Err(Error::MethodNotAllowed {
                    allow: "POST, DELETE, OPTIONS".into(),
                }),
            ),
            (
                Method::POST,
                "/forms/x",
                Err(Error::MethodNotAllowed {
                    allow: "GET, HEAD, OPTIONS".into(),
                }),
            ),
            (
                Method::PUT,
                "/things/x/token",
                Ok(("/things/{name}/token", "x")),
            ),
            (Method::PUT, "/things//token", Err(Error::NotFound)),
            (Method::PUT, "/things/x/y/token", Err(Error::NotFound)),
            (Method::PUT, "/things/x/token/", Err(Error::NotFound)),
            (Method::PUT, "/things/x/xtoken", Err(Error::NotFound)),
            (Method::GET, "/forms/thanksx/", Err(Error::NotFound)),
            (Method::GET, "/forms/", Err(Error::NotFound)),
            (Method::GET, "/forms/x/", Err(Error::NotFound)),
            (Method::GET, "/forms/x/y", Err(Error::NotFound)),
            (Method::GET, "/forms/%ff", Err(Error::NotFound)),
            (Method::GET, "//forms/x", Err(Error::NotFound)),
            (Method::GET, "/", Err(Error::NotFound)),
        ];
        for (method, path, wanted) in cases {
            let found = find(&routes, &method, path);
            let found = found.map(|m| (m.route.pattern.to_string(), m.variable));
            assert_eq!(
                found,
                wanted.map(|(pattern, variable)| (pattern.to_owned(), variable.to_owned())),
                "{method} {path}"
            );
        }
    }
}
