//! Route: finds the endpoint of a method and a path.

use http::Method;

use crate::endpoint::{Route, Segments};
use crate::error::Error;
use crate::registry::Routes;

/// A route, and the variable segments of the request's path.
pub struct Matched<'a> {
    /// The route.
    pub route: &'a Route,
    /// The variable segments.
    pub segments: Segments,
}

/// Finds the route of a request.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::MethodNotAllowed`] if the path has other methods.
pub fn find<'a>(routes: &'a Routes, method: &Method, path: &str) -> Result<Matched<'a>, Error> {
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    if let Some((served, segments)) = routes.find(wanted, path) {
        let route = served.route()?;
        return Ok(Matched { route, segments });
    }
    let mut others = routes
        .methods()
        .filter(|method| routes.find(method, path).is_some())
        .peekable();
    if others.peek().is_none() {
        return Err(Error::NotFound);
    }
    Err(Error::MethodNotAllowed {
        allow: allowed(others),
    })
}

/// The methods of a path, as an `Allow` header lists them.
fn allowed<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Action;
    use crate::registry::routers;

    #[test]
    fn a_path_finds_its_route_and_variable_segment() {
        let routes = Routes::new(vec![
            Route::new(Method::GET, "/forms/thanks", Action::Ready),
            Route::new(Method::GET, "/forms/{source}", Action::Ready),
            Route::new(Method::POST, "/things/{name}", Action::Relation),
            Route::new(Method::DELETE, "/things/{name}", Action::Relation),
            Route::new(Method::PUT, "/things/{name}/token", Action::Relation),
        ]);
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
            let variable = |m: &Matched<'_>| {
                let names = ["source", "name"];
                names.map(|name| m.segments.get(name)).concat()
            };
            let found = found.map(|m| (m.route.pattern.to_string(), variable(&m)));
            assert_eq!(
                found,
                wanted.map(|(pattern, variable)| (pattern.to_owned(), variable.to_owned())),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn a_fixed_segment_wins_and_each_variable_one_has_a_name() {
        let get = |pattern| Route::new(Method::GET, pattern, Action::Ready);
        let routes = Routes::new(vec![
            get("/a/{x}/b/{y}"),
            get("/a/{z}/b/fixed"),
            get("/a/one/b/other"),
            get("/a/{x}"),
            get("/{v}/fixed"),
            get("/{v}/b/{w}"),
            Route::new(Method::POST, "/a/{name}/b/{y}", Action::Ready),
        ]);
        let cases = [
            (
                "/a/%2F%7b/b/2",
                "/a/{x}/b/{y}",
                vec![("x", "/{"), ("y", "2")],
            ),
            ("/a/1/b/fixed", "/a/{z}/b/fixed", vec![("z", "1")]),
            ("/a/one/b/fixed", "/a/{z}/b/fixed", vec![("z", "one")]),
            ("/a/one/b/x", "/a/{x}/b/{y}", vec![("x", "one"), ("y", "x")]),
            ("/a/{x}", "/a/{x}", vec![("x", "{x}")]),
            ("/a/fixed", "/a/{x}", vec![("x", "fixed")]),
            ("/c/fixed", "/{v}/fixed", vec![("v", "c")]),
            ("/{v}/fixed", "/{v}/fixed", vec![("v", "{v}")]),
            ("/c/b/1", "/{v}/b/{w}", vec![("v", "c"), ("w", "1")]),
        ];
        for (path, pattern, segments) in cases {
            let found = find(&routes, &Method::GET, path).ok().unwrap();
            assert_eq!(found.route.pattern, pattern, "{path}");
            assert_eq!(found.segments, segments.into_iter().collect(), "{path}");
        }
        let allow = "GET, POST, HEAD, OPTIONS".to_owned();
        let found = find(&routes, &Method::PUT, "/a/one/b/fixed").err();
        assert_eq!(found, Some(Error::MethodNotAllowed { allow }));
    }

    #[test]
    fn a_pattern_that_cannot_be_served_is_named_by_its_index() {
        for pattern in ["/a/{name}", "/a/{x}{y}", "/a/{", "/a/}", "/a/{}"] {
            let patterns = ["/a/{id}", pattern].into_iter();
            let bad = routers(patterns.map(|pattern| (&Method::GET, pattern)));
            let bad = bad.err().unwrap();
            assert_eq!(bad.index, 1, "{pattern}: {}", bad.why);
        }
    }
}
