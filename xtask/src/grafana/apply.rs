//! Makes one object of Grafana what it should be: reads it, compares, writes only a difference.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::content::without_secrets;
use super::policies;
use super::preflight::unexpected;
use super::same::covers;
use crate::clock;
use crate::http::{Answer, Client, escaped};

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    /// Nothing was done, for this reason.
    Left(String),
}

/// Makes the folder; its uid.
pub(super) fn folder(client: &Client, body: &Value) -> Result<(Outcome, String)> {
    let answer = client.send("POST", "/api/folders", body)?;
    match answer.status {
        200 | 201 => {
            let uid = answer.body["uid"]
                .as_str()
                .context("the new folder has no uid")?;
            Ok((Outcome::Created, uid.to_owned()))
        }
        409 | 412 => bail!(
            "the folder {} can't be made ({}: {}): another folder has our uid {}; name it with --folder, or rename it \
             back",
            body["title"],
            answer.status,
            answer.message(),
            body["uid"]
        ),
        _ => Err(unexpected("making the folder", &answer)),
    }
}

/// `body` is that of `POST /api/dashboards/db`.
pub(super) fn dashboard(client: &Client, body: &Value) -> Result<Outcome> {
    let wanted = &body["dashboard"];
    let uid = wanted["uid"]
        .as_str()
        .context("a dashboard without a uid")?;
    let folder = &body["folderUid"];
    refuse_namesake(client, wanted, folder)?;
    let answer = client.get(&format!("/api/dashboards/uid/{}", escaped(uid)))?;
    let outcome = match answer.status {
        404 => Outcome::Created,
        200 if answer.body["meta"]["provisioned"] == true => bail!(
            "the dashboard {uid:?} comes from a provisioning file: remove it there, or leave it to the file"
        ),
        200 => {
            let mut have = answer.body["dashboard"].clone();
            have["id"] = Value::Null;
            if answer.body["meta"]["folderUid"] == *folder && covers(&have, wanted) {
                return Ok(Outcome::Unchanged);
            }
            Outcome::Updated
        }
        _ => return Err(unexpected("reading the dashboard", &answer)),
    };
    let answer = client.send("POST", "/api/dashboards/db", body)?;
    match (answer.status, answer.body["status"].as_str()) {
        (200, _) => Ok(outcome),
        (412, Some("name-exists")) => Err(namesake(wanted, None)),
        (412, Some("version-mismatch")) => {
            bail!("the dashboard {uid:?} was changed by somebody else meanwhile: run this again")
        }
        _ => Err(unexpected("writing the dashboard", &answer)),
    }
}

/// Older versions replace a dashboard of the same title in the folder when told to overwrite.
fn refuse_namesake(client: &Client, wanted: &Value, folder: &Value) -> Result<()> {
    let title = wanted["title"].as_str().unwrap_or_default();
    let folder = folder.as_str().unwrap_or_default();
    let query = format!(
        "/api/search?type=dash-db&query={}&folderUIDs={}",
        escaped(title),
        escaped(folder)
    );
    let answer = client.get(&query)?;
    let Some(found) = answer.body.as_array().filter(|_| answer.status == 200) else {
        return Err(unexpected(
            "looking for dashboards of the same title",
            &answer,
        ));
    };
    let other = found.iter().find(|one| {
        let here = one["folderUid"].as_str().is_none_or(|uid| uid == folder);
        here && one["title"] == title && one["uid"] != wanted["uid"]
    });
    other.map_or(Ok(()), |other| Err(namesake(wanted, other["uid"].as_str())))
}

fn namesake(wanted: &Value, uid: Option<&str>) -> anyhow::Error {
    let which = uid.map_or_else(String::new, |uid| format!(" (uid {uid})"));
    anyhow::anyhow!(
        "another dashboard{which} in the folder is called {} too: rename or move it, or choose another folder with \
         --folder",
        wanted["title"]
    )
}

/// `body` is that of `PUT …/rule-groups/{group}`.
pub(super) fn rule_group(client: &Client, body: &Value) -> Result<Outcome> {
    let part = |field: &str| {
        body[field]
            .as_str()
            .map(escaped)
            .context("a group without a name")
    };
    let path = format!(
        "/api/v1/provisioning/folder/{}/rule-groups/{}",
        part("folderUid")?,
        part("title")?
    );
    let answer = client.get(&path)?;
    let outcome = match answer.status {
        404 => Outcome::Created,
        200 => {
            // The server puts the token's organisation there.
            let without_organisation = |group: &Value| {
                let mut group = group.clone();
                for rule in group["rules"].as_array_mut().into_iter().flatten() {
                    rule["orgID"] = Value::Null;
                }
                group
            };
            let have = without_organisation(&answer.body);
            if covers(&have, &without_organisation(body)) {
                return Ok(Outcome::Unchanged);
            }
            if have["rules"].as_array().is_some_and(Vec::is_empty) {
                Outcome::Created
            } else {
                Outcome::Updated
            }
        }
        _ => return Err(unexpected("reading the rule group", &answer)),
    };
    let answer = client.send("PUT", &path, body)?;
    written("writing the rule group", &answer)?;
    Ok(outcome)
}

/// `existing` is the list of all contact points; `again` writes also what looks the same.
pub(super) fn contact_point(
    client: &Client,
    existing: &[Value],
    body: &Value,
    again: bool,
) -> Result<Outcome> {
    let have = existing.iter().find(|one| one["uid"] == body["uid"]);
    let Some(have) = have else {
        let answer = client.send("POST", "/api/v1/provisioning/contact-points", body)?;
        written("making the contact point", &answer)?;
        return Ok(Outcome::Created);
    };
    if !again && covers(have, &without_secrets(body)) {
        return Ok(Outcome::Unchanged);
    }
    let uid = body["uid"]
        .as_str()
        .context("a contact point without a uid")?;
    let path = format!("/api/v1/provisioning/contact-points/{}", escaped(uid));
    let answer = client.send("PUT", &path, body)?;
    written("writing the contact point", &answer)?;
    Ok(Outcome::Updated)
}

/// All contact points, secrets redacted.
pub(super) fn contact_points(client: &Client) -> Result<Vec<Value>> {
    let answer = client.get("/api/v1/provisioning/contact-points")?;
    match answer.body.as_array() {
        Some(all) if answer.status == 200 => Ok(all.clone()),
        _ => Err(unexpected("listing the contact points", &answer)),
    }
}

pub(super) fn mute_timing(client: &Client, body: &Value) -> Result<Outcome> {
    let name = body["name"]
        .as_str()
        .context("a mute timing without a name")?;
    let path = format!("/api/v1/provisioning/mute-timings/{}", escaped(name));
    let answer = client.get(&path)?;
    match answer.status {
        404 => {
            let answer = client.send("POST", "/api/v1/provisioning/mute-timings", body)?;
            written("making the mute timing", &answer)?;
            Ok(Outcome::Created)
        }
        200 if covers(&answer.body, body) => Ok(Outcome::Unchanged),
        200 => {
            let answer = client.send("PUT", &path, body)?;
            written("writing the mute timing", &answer)?;
            Ok(Outcome::Updated)
        }
        _ => Err(unexpected("reading the mute timing", &answer)),
    }
}

/// Puts our branch into the tree (or in its place, when `own`); where the tree was kept.
pub(super) fn policy_tree(
    client: &Client,
    ours: &Value,
    own: bool,
    backups: &std::path::Path,
) -> Result<(Outcome, Option<PathBuf>)> {
    const PATH: &str = "/api/v1/provisioning/policies";
    // Read again: the pre-flight's copy may be old by now.
    let answer = client.get(PATH)?;
    let tree = match answer.status {
        200 => answer.body,
        404 => Value::Null,
        _ => return Err(unexpected("reading the notification policies", &answer)),
    };
    let wanted = if own {
        let receiver = tree["receiver"].clone();
        policies::merged(
            &serde_json::json!({"receiver": receiver, "routes": []}),
            ours,
        )
    } else {
        policies::merged(&tree, ours)
    };
    let alone = tree["routes"]
        .as_array()
        .is_some_and(|routes| routes.len() == 1);
    if policies::is_current(&tree, ours) && (!own || alone) {
        return Ok((Outcome::Unchanged, None));
    }
    let kept = keep(&tree, backups)?;
    let answer = client.send("PUT", PATH, &wanted)?;
    written("writing the notification policies", &answer)
        .with_context(|| format!("the tree as it was is in {}", kept.display()))?;
    Ok((Outcome::Updated, Some(kept)))
}

/// Writes the tree into a new file.
fn keep(tree: &Value, folder: &std::path::Path) -> Result<PathBuf> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| format!("making {shown} for the backup"))?;
    let stamp = clock::since_epoch().unwrap_or(Duration::ZERO).as_millis();
    let path = folder.join(format!("policies-{stamp}.json"));
    let text = format!("{tree:#}\n");
    let mut file = std::fs::File::create_new(&path)
        .with_context(|| format!("keeping the policy tree in {}", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(path)
}

fn written(doing: &str, answer: &Answer) -> Result<()> {
    match answer.status {
        200..=299 => Ok(()),
        403 if answer.body["messageId"] == "alerting.notifications.invalidProvenance" => bail!(
            "{doing}: {} (403): it is locked because it was provisioned with --lock, or by another tool; pass --lock, \
             or change it there",
            answer.message()
        ),
        _ => Err(unexpected(doing, answer)),
    }
}
