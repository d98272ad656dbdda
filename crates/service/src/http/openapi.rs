//! `GET /openapi.json`: the reference of this interface. docs/openapi.json is the document; the tests
//! hold it to the router and to what the server answers.

use axum::http::header;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

pub(super) async fn get() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const ROUTER: &str = include_str!("../http.rs");
    const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

    /// `(method, path)` of each route that the source of the router names.
    fn routed() -> BTreeSet<(String, String)> {
        let mut routes = BTreeSet::new();
        for rest in ROUTER.split(".route(").skip(1) {
            let path = rest.split('"').nth(1).expect("a path");
            let end = rest.find(".route(").unwrap_or(rest.len());
            let handlers = rest[..end].split_once(path).expect("it was found there").1;
            // Up to the next call on the router itself.
            let handlers = handlers.split("\n        .").next().unwrap_or(handlers);
            for method in METHODS {
                let called = [",", " ", "."].map(|before| format!("{before}{method}("));
                if called.iter().any(|call| handlers.contains(call)) {
                    routes.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
        routes
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let mut documented = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                documented.insert((method.clone(), path.clone()));
            }
        }
        let routed = routed();
        assert!(routed.len() >= 20, "{routed:?}");
        let missing: Vec<_> = routed.difference(&documented).collect();
        let invented: Vec<_> = documented.difference(&routed).collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "docs/openapi.json lacks {missing:?} and has {invented:?} that nobody routes"
        );
    }

    #[test]
    fn what_changes_something_names_the_token_and_its_refusal() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let changes = method != "get" && path != "/v1/lookup";
                let named = operation["security"]
                    .as_array()
                    .is_some_and(|some| !some.is_empty());
                assert_eq!(named, changes, "{method} {path}");
                let refused = operation["responses"].get("401").is_some();
                assert_eq!(refused, changes, "{method} {path}");
            }
        }
    }

    #[test]
    fn the_document_is_of_this_version() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
