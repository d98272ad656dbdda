//! Our routes in a tree that belongs to the whole organisation.
//!
//! Grafana has one tree and replaces it whole. Ours is one branch below its root, known by its
//! own matchers; everything else, unknown fields included, is written back as it was read.

use serde_json::{Value, json};

/// `tree` with `ours` in it: in the place of our earlier branch, or first. First, because routes
/// are tried in order and another team's `severity = critical` would swallow our alerts; ours takes
/// nothing from anybody, since its matchers name only our alerts.
pub(super) fn merged(tree: &Value, ours: &Value) -> Value {
    let mut tree = tree.clone();
    if !tree.is_object() {
        tree = json!({});
    }
    tree.as_object_mut()
        .expect("just made one")
        .remove("provenance");
    let routes = tree["routes"].as_array().cloned().unwrap_or_default();
    let place = routes
        .iter()
        .position(|route| is_ours(route, ours))
        .unwrap_or(0);
    let mut others: Vec<Value> = routes
        .into_iter()
        .filter(|route| !is_ours(route, ours))
        .collect();
    others.insert(place.min(others.len()), ours.clone());
    tree["routes"] = Value::Array(others);
    tree
}

/// Whether the tree has our branch, once and as we would write it.
pub(super) fn is_current(tree: &Value, ours: &Value) -> bool {
    let routes = tree["routes"].as_array().map_or(&[][..], Vec::as_slice);
    let mut branches = routes.iter().filter(|route| is_ours(route, ours));
    let first = branches.next();
    first.is_some_and(|route| super::same::covers(route, ours) && is_no_larger(route, ours))
        && branches.next().is_none()
}

/// A field that only theirs has (a mute timing that somebody added by hand) is a difference
/// too: a route has no defaults of the server.
fn is_no_larger(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => theirs.iter().all(|(name, value)| {
            let empty = value.is_null()
                || value == &json!(false)
                || value.as_array().is_some_and(Vec::is_empty);
            empty || ours.get(name).is_some_and(|ours| is_no_larger(value, ours))
        }),
        (Value::Array(theirs), Value::Array(ours)) => theirs
            .iter()
            .zip(ours)
            .all(|(theirs, ours)| is_no_larger(theirs, ours)),
        _ => true,
    }
}

fn is_ours(route: &Value, ours: &Value) -> bool {
    let matchers = |route: &Value| {
        let mut all: Vec<String> = route["object_matchers"]
            .as_array()
            .map(|matchers| matchers.iter().map(ToString::to_string).collect())
            .unwrap_or_default();
        all.sort();
        all
    };
    !matchers(ours).is_empty() && matchers(route) == matchers(ours)
}

/// Takes receivers that do not exist out of `route` and its branches, which then inherit the
/// one above; their names.
pub(super) fn without_missing(route: &mut Value, exists: &impl Fn(&str) -> bool) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(receiver) = route["receiver"].as_str().filter(|name| !exists(name)) {
        missing.push(receiver.to_owned());
        route
            .as_object_mut()
            .expect("it has a field")
            .remove("receiver");
    }
    let branches = route.get_mut("routes").and_then(Value::as_array_mut);
    for branch in branches.into_iter().flatten() {
        missing.extend(without_missing(branch, exists));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(wait: &str) -> Value {
        json!({"object_matchers": [["job", "=", "forewarm"]], "group_wait": wait,
               "routes": [{"receiver": "pager", "object_matchers": [["severity", "=", "critical"]]}]})
    }

    #[test]
    fn the_routes_of_others_stay_as_they_are_and_in_their_order() {
        let tree = json!({"receiver": "mail", "x-new": {"a": 1}, "provenance": "api", "routes": [
            {"receiver": "a", "object_matchers": [["severity", "=", "critical"]], "unknown": [1]},
            {"receiver": "b"}]});
        let first = merged(&tree, &ours("30s"));
        assert_eq!(first["routes"][0], ours("30s"));
        assert_eq!(first["routes"][1], tree["routes"][0]);
        assert_eq!(first["routes"][2], tree["routes"][1]);
        assert_eq!(first["x-new"], tree["x-new"]);
        assert_eq!(first["receiver"], "mail");
        assert_eq!(first.get("provenance"), None);
        assert!(is_current(&first, &ours("30s")) && !is_current(&tree, &ours("30s")));
    }

    #[test]
    fn our_branch_is_replaced_where_it_stands_and_a_second_copy_goes() {
        let tree =
            json!({"routes": [{"receiver": "a"}, ours("1m"), {"receiver": "b"}, ours("2m")]});
        let routes = merged(&tree, &ours("30s"))["routes"].clone();
        assert_eq!(
            routes,
            json!([{"receiver": "a"}, ours("30s"), {"receiver": "b"}])
        );
    }

    #[test]
    fn an_empty_tree_gets_our_branch() {
        for tree in [Value::Null, json!({}), json!({"routes": null})] {
            assert_eq!(merged(&tree, &ours("30s"))["routes"], json!([ours("30s")]));
        }
    }

    #[test]
    fn what_somebody_added_to_our_branch_is_a_difference_and_a_default_is_none() {
        let mut edited = ours("30s");
        edited["routes"][0]["mute_time_intervals"] = json!(["weekends"]);
        assert!(!is_current(&json!({"routes": [edited]}), &ours("30s")));
        let mut defaults = ours("30s");
        defaults["continue"] = json!(false);
        assert!(is_current(&json!({"routes": [defaults]}), &ours("30s")));
    }

    #[test]
    fn a_receiver_that_does_not_exist_is_inherited_instead() {
        let mut route = ours("30s");
        let missing = without_missing(&mut route, &|name| name != "pager");
        assert_eq!(missing, ["pager"]);
        assert_eq!(route["routes"][0].get("receiver"), None);
    }
}
