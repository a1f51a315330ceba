//! What is the same in all calls of a database function: its address and headers.

use std::collections::HashMap;
use std::rc::Rc;

use crate::headers::Headers;

/// What is the same in all calls of one function.
pub struct Template {
    /// PostgREST's address.
    address: String,
    /// The function's schema.
    schema: String,
    /// The function's address.
    pub url: String,
    /// The headers, without a token and a request's id.
    pub headers: Headers,
}

/// Templates by the function's name. There are as many as the edge and the manifests name functions.
#[derive(Default)]
pub struct Templates(HashMap<String, Vec<Rc<Template>>>);

impl Templates {
    /// The template of a function at one of PostgREST's addresses.
    pub(crate) fn find(&self, address: &str, schema: &str, function: &str) -> Option<Rc<Template>> {
        let all = self.0.get(function)?;
        let is_it = |one: &&Rc<Template>| one.address == address && one.schema == schema;
        all.iter().find(is_it).cloned()
    }

    /// Stores the template of a function.
    pub(crate) fn store(
        &mut self,
        (address, schema, function): (&str, &str, &str),
        url: String,
        headers: Headers,
    ) -> Rc<Template> {
        let template = Rc::new(Template {
            address: address.to_owned(),
            schema: schema.to_owned(),
            url,
            headers,
        });
        let all = self.0.entry(function.to_owned()).or_default();
        all.push(template.clone());
        template
    }
}
