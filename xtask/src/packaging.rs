//! What can be said about the packaging without a container engine, a cluster or systemd as init: pinned
//! and rootless images, a chart whose templates are YAML and whose values exist, a hardened unit.
//!
//! No image is built and no template is rendered here: that takes Docker and Helm.

mod chart;
mod image;
mod unit;

use serde_json::Value;

use crate::tidy::Fault;
use crate::workspace::Tracked;

/// Everything that is wrong with the files under `deploy/`.
pub(crate) fn check(tracked: &Tracked) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &tracked.sources {
        let path = source.path.as_str();
        if path.ends_with("/Dockerfile") {
            faults.extend(image::dockerfile(source));
        } else if path.starts_with("deploy/docker-compose") {
            faults.extend(image::compose(source));
        } else if path.ends_with(".service") {
            faults.extend(unit::check(source));
        }
    }
    faults.extend(chart::check(tracked));
    faults
}

/// The document as JSON; the reason when it is no YAML.
fn yaml(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| format!("is no YAML: {error}"))
}
