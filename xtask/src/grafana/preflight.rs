//! Everything that can be known to be wrong before the first change; each failure says what to do.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::settings::Settings;
use super::version::{OLDEST, Version};
use crate::http::{Answer, Client, escaped};

/// What was found out about the server.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) version: Version,
    /// The uid of the Prometheus data source.
    pub(super) datasource: String,
    /// The uid of the folder with our title, if it exists.
    pub(super) folder: Option<String>,
    /// The organisation's policy tree; `Null` when alerts are left alone.
    pub(super) tree: Value,
    pub(super) warnings: Vec<String>,
}

/// Permissions, any of which will do, and what for.
struct Need {
    what: &'static str,
    any_of: &'static [&'static str],
}

const DASHBOARDS: [Need; 3] = [
    Need {
        what: "write dashboards",
        any_of: &["dashboards:write"],
    },
    Need {
        what: "create dashboards",
        any_of: &["dashboards:create"],
    },
    Need {
        what: "read data sources",
        any_of: &["datasources:read"],
    },
];
const FOLDERS: Need = Need {
    what: "create folders",
    any_of: &["folders:create"],
};
const ALERTS: [Need; 2] = [
    Need {
        what: "provision alert rules",
        any_of: &["alert.provisioning:write", "alert.rules.provisioning:write"],
    },
    Need {
        what: "provision contact points and policies",
        any_of: &[
            "alert.provisioning:write",
            "alert.notifications.provisioning:write",
        ],
    },
];

/// Asks for everything in turn; changes nothing.
pub(super) fn check(client: &Client, settings: &Settings) -> Result<Found> {
    let mut warnings = Vec::new();
    let version = version(client, &mut warnings)?;
    let granted = permissions(client, &mut warnings)?;
    let folder = folder(client, &settings.folder)?;
    let mut needs: Vec<&Need> = DASHBOARDS.iter().collect();
    if folder.is_none() {
        needs.push(&FOLDERS);
    }
    if settings.alerts {
        needs.extend(&ALERTS);
    }
    if let Some(granted) = granted {
        refuse_lacking(&needs, &granted)?;
    }
    let datasource = datasource(client, settings.prometheus_uid.as_deref())?;
    warnings.extend(ailing(client, &datasource)?);
    let tree = if settings.alerts {
        policy_tree(client)?
    } else {
        Value::Null
    };
    Ok(Found {
        version,
        datasource,
        folder,
        tree,
        warnings,
    })
}

fn version(client: &Client, warnings: &mut Vec<String>) -> Result<Version> {
    let answer = client.get("/api/health").context(
        "Grafana can't be reached: is the URL right, with its port and path, and open from here? \
         (for an authority of your own: --ca-file FILE)",
    )?;
    if answer.status != 200 || answer.body.get("database").is_none() {
        bail!(
            "{}/api/health answered {} and not as a Grafana does: is the URL right, with the path under which \
             Grafana is served, and is nothing (a log-in page, a proxy) in between?",
            client.base(),
            answer.status
        );
    }
    let Some(text) = answer.body["version"]
        .as_str()
        .filter(|text| !text.is_empty())
    else {
        warnings.push("Grafana hides its version: taking it for a current one".to_owned());
        return Ok("13.0".parse().expect("a version"));
    };
    let version: Version = text.parse().map_err(anyhow::Error::msg)?;
    if version < OLDEST {
        bail!(
            "Grafana {text} is too old: provisioning needs unified alerting and its API, {OLDEST} or later; \
             upgrade, or import deploy/grafana/dashboards by hand and let Prometheus do the alerting"
        );
    }
    Ok(version)
}

/// What the token may do; `None` where the server does not tell.
fn permissions(client: &Client, warnings: &mut Vec<String>) -> Result<Option<Value>> {
    let answer = client.get("/api/access-control/user/permissions")?;
    match answer.status {
        200 => Ok(Some(answer.body)),
        401 => bail!(
            "the token is not accepted (401: {}): it is wrong, expired or of another Grafana; make one under \
             Administration → Users and access → Service accounts → Add service account → Add token",
            answer.message()
        ),
        403 | 404 => {
            warnings.push("Grafana does not tell what the token may do: going on".to_owned());
            Ok(None)
        }
        _ => Err(unexpected("asking what the token may do", &answer)),
    }
}

fn refuse_lacking(needs: &[&Need], granted: &Value) -> Result<()> {
    let lacking: Vec<String> = needs
        .iter()
        .filter(|need| !need.any_of.iter().any(|name| granted.get(*name).is_some()))
        .map(|need| format!("{} ({})", need.what, need.any_of.join(" or ")))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    bail!(
        "the token may not {}: give its service account the role Admin (or Editor and the permissions named), \
         or leave alerting out with --no-alerts",
        lacking.join(", ")
    )
}

fn folder(client: &Client, title: &str) -> Result<Option<String>> {
    let answer = client.get("/api/folders?limit=1000")?;
    let Some(folders) = answer.body.as_array().filter(|_| answer.status == 200) else {
        return Err(unexpected("listing the folders", &answer));
    };
    let found = folders.iter().find(|folder| folder["title"] == title);
    Ok(found.and_then(|folder| folder["uid"].as_str().map(str::to_owned)))
}

fn datasource(client: &Client, uid: Option<&str>) -> Result<String> {
    let Some(uid) = uid else {
        return only_datasource(client);
    };
    let answer = client.get(&format!("/api/datasources/uid/{}", escaped(uid)))?;
    match answer.status {
        200 if answer.body["type"] == "prometheus" => Ok(uid.to_owned()),
        200 => bail!(
            "the data source {uid:?} is of the type {} and not prometheus: pass the uid of a Prometheus data source \
             with --prometheus-uid{}",
            answer.body["type"],
            known(client)
        ),
        404 => bail!(
            "there is no data source with the uid {uid:?}: it is the last part of the address of its page \
             (Connections → Data sources), pass it with --prometheus-uid{}",
            known(client)
        ),
        _ => Err(unexpected("asking for the data source", &answer)),
    }
}

/// What Grafana says about a data source that does not answer it. That is no reason to stop: it may
/// be started later.
fn ailing(client: &Client, uid: &str) -> Result<Option<String>> {
    let answer = client.get(&format!("/api/datasources/uid/{}/health", escaped(uid)))?;
    // Older versions and other permissions have no such page.
    let ails = answer.body["status"]
        .as_str()
        .is_some_and(|status| status != "OK");
    let said = answer.message();
    Ok(ails.then(|| {
        format!("the data source {uid} does not answer Grafana ({said}): panels will be empty")
    }))
}

fn only_datasource(client: &Client) -> Result<String> {
    let found = prometheus_datasources(client)?;
    match found.as_slice() {
        [(uid, _)] => Ok(uid.clone()),
        [] => bail!(
            "there is no Prometheus data source: add one (Connections → Data sources → Add → Prometheus, with the \
             URL of the Prometheus that scrapes Forewarm) and run this again"
        ),
        _ => bail!(
            "there are several Prometheus data sources: choose one with --prometheus-uid or PROMETHEUS_UID{}",
            known(client)
        ),
    }
}

fn prometheus_datasources(client: &Client) -> Result<Vec<(String, String)>> {
    let answer = client.get("/api/datasources")?;
    let Some(all) = answer.body.as_array().filter(|_| answer.status == 200) else {
        return Err(unexpected("listing the data sources", &answer));
    };
    let prometheus = all.iter().filter(|one| one["type"] == "prometheus");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(prometheus
        .map(|one| (text(&one["uid"]), text(&one["name"])))
        .collect())
}

/// `; there are: uid (name), …`, or nothing when even that can't be asked.
fn known(client: &Client) -> String {
    let found = prometheus_datasources(client).unwrap_or_default();
    let found: Vec<String> = found
        .iter()
        .map(|(uid, name)| format!("{uid} ({name})"))
        .collect();
    if found.is_empty() {
        String::new()
    } else {
        format!("; there are: {}", found.join(", "))
    }
}

fn policy_tree(client: &Client) -> Result<Value> {
    let answer = client.get("/api/v1/provisioning/policies")?;
    match answer.status {
        200 if answer.body["provenance"] == "file" => bail!(
            "the notification policies come from a provisioning file, which would win at Grafana's next start: put our \
             routes there (deploy/grafana/provisioning/alerting), or leave alerting out with --no-alerts"
        ),
        200 => Ok(answer.body),
        404 => Ok(Value::Null),
        _ => Err(unexpected("reading the notification policies", &answer)),
    }
}

/// The error for an answer that nothing here was made for.
pub(super) fn unexpected(doing: &str, answer: &Answer) -> anyhow::Error {
    anyhow::anyhow!(
        "{doing}: Grafana answered {}: {}",
        answer.status,
        answer.message()
    )
}
